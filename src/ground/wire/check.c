/* The checks of decoded messages that are written by hand. */
#include "wire/check.h"

int text_check(struct slice text)
{
	return text.len > 0 && memchr(text.data, 0, text.len) != NULL ? STATUS_BAD_REQUEST : 0;
}

static int check_printable(struct slice text, size_t bytes_max, uint8_t first)
{
	if (text.len > bytes_max)
		return STATUS_TOO_LARGE;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < first || text.data[i] > '~')
			return STATUS_BAD_REQUEST;
	return 0;
}

int text_check_name(struct slice text, size_t bytes_max)
{
	return check_printable(text, bytes_max, ' ');
}

int text_check_address(struct slice text)
{
	return check_printable(text, ADDRESS_BYTES_MAX, '!');
}

int wire_check_hello(const struct wire_hello *hello)
{
	uint32_t before = 0;

	for (uint32_t i = 0; i < hello->nmembers; i++) {
		const struct wire_hello_member *m = &hello->members[i];
		if (m->name.len == 0 || m->replica <= before)
			return STATUS_BAD_REQUEST;
		before = m->replica;
	}
	return 0;
}

static int check_list(const struct wire_member *members, uint32_t count)
{
	uint32_t before = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct wire_member *m = &members[i];
		if (m->name.len == 0 || m->address.len == 0 || m->role < 1 || m->role > 2 ||
		    m->number <= before)
			return STATUS_BAD_REQUEST;
		before = m->number;
	}
	return 0;
}

int wire_check_members(const struct wire_members *members)
{
	return check_list(members->members, members->nmembers);
}

int wire_check_welcome(const struct wire_welcome *welcome)
{
	int status = check_list(welcome->members, welcome->nmembers);

	if (status != 0)
		return status;
	for (uint32_t i = 0; i < welcome->nmembers; i++)
		if (welcome->members[i].number == welcome->number)
			return 0;
	return STATUS_BAD_REQUEST;
}

int wire_check_view_server(const struct wire_view_server *server)
{
	bool nobody = wire_view_nobody(server);

	return nobody != (server->name.len == 0) || nobody != (server->address.len == 0)
		       ? STATUS_BAD_REQUEST
		       : 0;
}

int wire_check_view_ping(const struct wire_view_ping *ping)
{
	return wire_view_nobody(&ping->server) ? STATUS_BAD_REQUEST : 0;
}
