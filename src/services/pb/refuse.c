/* Refusals: who is not primary names who is. */
#include <stdarg.h>
#include <stdio.h>

#include "pb/internal.h"

void pb_refuse(struct pb_node *n, link_id to, const struct message *request, int status,
	       const char *format, ...)
{
	char text[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	struct wire_error error = {.message = slice_string(text)};
	if (status == STATUS_NOT_LEADER && !pb_is_primary(n))
		error.leader = n->primary.wire.address;
	server_refuse_error(&n->server, to, request, status, &error);
}
