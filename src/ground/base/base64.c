/* Base64 (RFC 4648), strict. */
#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buffer *out, struct slice in)
{
	buffer_reserve(out, (in.len / 3 + 1) * 4);
	for (size_t i = 0; i < in.len; i += 3) {
		size_t left = in.len - i;
		uint32_t bits = (uint32_t)in.data[i] << 16;
		if (left > 1)
			bits |= (uint32_t)in.data[i + 1] << 8;
		if (left > 2)
			bits |= in.data[i + 2];
		buffer_add_u8(out, (uint8_t)digits[bits >> 18]);
		buffer_add_u8(out, (uint8_t)digits[bits >> 12 & 63]);
		buffer_add_u8(out, left > 1 ? (uint8_t)digits[bits >> 6 & 63] : '=');
		buffer_add_u8(out, left > 2 ? (uint8_t)digits[bits & 63] : '=');
	}
}

/* The value of a digit, or -1. */
static int value_of(uint8_t digit)
{
	if (digit >= 'A' && digit <= 'Z')
		return digit - 'A';
	if (digit >= 'a' && digit <= 'z')
		return digit - 'a' + 26;
	if (digit >= '0' && digit <= '9')
		return digit - '0' + 52;
	return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

bool base64_decode(struct slice in, uint8_t *out, size_t *len)
{
	size_t padding = 0;
	*len = 0;
	if (in.len % 4 != 0)
		return false;
	if (in.len > 0 && in.data[in.len - 1] == '=')
		padding = in.data[in.len - 2] == '=' ? 2 : 1;
	for (size_t i = 0; i < in.len; i += 4) {
		size_t ndigits = i + 4 == in.len ? 4 - padding : 4;
		uint32_t bits = 0;
		for (size_t k = 0; k < 4; k++) {
			int value = k < ndigits ? value_of(in.data[i + k]) : 0;
			if (value < 0)
				return false;
			bits = bits << 6 | (uint32_t)value;
		}
		size_t nbytes = ndigits - 1;
		for (size_t k = 0; k < nbytes; k++)
			out[(*len)++] = (uint8_t)(bits >> (16 - 8 * k));
		if ((bits & ((1u << (24 - 8 * nbytes)) - 1)) != 0)
			return false;
	}
	return true;
}
