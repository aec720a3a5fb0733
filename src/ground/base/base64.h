/* Base64 (RFC 4648, section 4): the standard alphabet, padded, without line breaks. */
#ifndef SYNOD_BASE_BASE64_H
#define SYNOD_BASE_BASE64_H

#include <stdbool.h>

#include "base/bytes.h"

/* Appends the encoding of `in`. */
void base64_encode(struct buffer *out, struct slice in);
/* Room for what `len` characters decode to. */
static inline size_t base64_decoded_max(size_t len)
{
	return len / 4 * 3;
}
/*
 * Decodes into `out`, which has room for base64_decoded_max(in.len) bytes and may be in.data; *len
 * is how many were written. False if `in` is malformed: another character, padding missing or
 * elsewhere than at the end, or bits that stand for nothing and are not zero, so that equal bytes
 * have one encoding only.
 */
bool base64_decode(struct slice in, uint8_t *out, size_t *len);

#endif
