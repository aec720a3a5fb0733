/* Random ids of clusters and groups: 64 bits, never 0. As text: 16 hex digits. */
#ifndef SYNOD_BASE_ID_H
#define SYNOD_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#define ID_TEXT_BYTES 17u

/* Returns text. */
const char *id_text(uint64_t id, char text[ID_TEXT_BYTES]);
/* False: not 16 hex digits, or 0. */
bool id_parse(const char *text, uint64_t *id);

#endif
