/* The common case of an Error: a formatted message. */
#include <stdarg.h>
#include <stdio.h>

#include "wire/wire.h"

/* A formatted error message is cut to this. */
#define ERROR_TEXT_BYTES_MAX 1024u

void wire_error_format(struct buffer *out, const char *format, ...)
{
	/* one byte more than is kept, to see where a cut falls */
	char text[ERROR_TEXT_BYTES_MAX + 2];
	va_list arguments;

	va_start(arguments, format);
	int len = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	ASSERT(len >= 0);
	size_t kept = (size_t)len;
	if (kept > ERROR_TEXT_BYTES_MAX) {
		kept = ERROR_TEXT_BYTES_MAX;
		/* Do not cut a UTF-8 sequence in two. */
		while (kept > 0 && ((uint8_t)text[kept] & 0xc0) == 0x80)
			kept--;
	}
	wire_error_encode(&(struct wire_error){.message = slice(text, kept)}, out);
}
