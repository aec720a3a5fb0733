/* UTF-8 (RFC 3629): telling text from other bytes. */
#ifndef SYNOD_BASE_UTF8_H
#define SYNOD_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool utf8_continues(const uint8_t *p, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if ((p[i] & 0xc0) != 0x80)
			return false;
	return true;
}

/* The length of the character at p, of which `left` > 0 bytes may be read; 0 if it is malformed. */
static inline size_t utf8_length(const uint8_t *p, size_t left)
{
	uint8_t lead = p[0];
	if (lead < 0x80)
		return 1;
	size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
	/* 0xc0 and 0xc1 would be overlong, and nothing above 0xf4 is in Unicode's range. */
	if (lead < 0xc2 || lead > 0xf4 || len > left || !utf8_continues(p, 1, len))
		return 0;
	/* Overlong forms, surrogates, and above U+10FFFF show in the second byte. */
	if ((lead == 0xe0 && p[1] < 0xa0) || (lead == 0xed && p[1] > 0x9f) ||
	    (lead == 0xf0 && p[1] < 0x90) || (lead == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* True for text: whole, well-formed characters only. */
static inline bool utf8_valid(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t step = utf8_length(p + i, len - i);
		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

#endif
