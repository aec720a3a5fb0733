/*
 * CRC32C (Castagnoli), as in RFC 3720 B.4: SSE4.2 instruction where the
 * processor has it, a table otherwise. crc32c(0, …) starts; chaining
 * crc32c(crc32c(0, a), b) equals crc32c(0, ab).
 */
#ifndef SYNOD_BASE_CRC32C_H
#define SYNOD_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/* The table implementation, for tests and processors without the instruction. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
