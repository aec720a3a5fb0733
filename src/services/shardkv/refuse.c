/* Refusals of the app: a status, and a sentence for the client. */
#include <stdarg.h>
#include <stdio.h>

#include "shardkv/internal.h"

void shardkv_refuse(struct reply *reply, int status, uint64_t config, const char *format, ...)
{
	char text[400];
	va_list arguments;
	va_start(arguments, format);
	int len = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	ASSERT(len >= 0);
	size_t used = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
	struct wire_error error = {.message = slice(text, used), .config = config};
	buffer_clear(reply->body);
	wire_error_encode(&error, reply->body);
	reply->status = status;
}
