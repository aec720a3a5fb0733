/* HOST:PORT, and what the system calls it. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/internal.h"

int address_split(const char *text, char *name, size_t name_size, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	if (colon == NULL)
		return STATUS_CONFIG;
	const char *first = text, *last = colon;
	if (*first == '[') {
		if (colon - text < 3 || colon[-1] != ']')
			return STATUS_CONFIG;
		first++;
		last--;
	}
	size_t len = (size_t)(last - first);
	size_t digits = strspn(colon + 1, "0123456789");
	if (len == 0 || len >= name_size || digits == 0 || digits > 5 || colon[1 + digits] != '\0')
		return STATUS_CONFIG;
	unsigned long number = strtoul(colon + 1, NULL, 10);
	if (number > 65535)
		return STATUS_CONFIG;
	memcpy(name, first, len);
	name[len] = '\0';
	*port = (uint16_t)number;
	return 0;
}

int address_numeric(const char *text, struct socket_address *out)
{
	char name[ADDRESS_BYTES_MAX + 1];
	uint16_t port;
	int status = address_split(text, name, sizeof name, &port);
	if (status != 0)
		return status;
	struct socket_address plain = {.len = sizeof plain.u.v4, .u.v4.sin_family = AF_INET};
	if (inet_pton(AF_INET, name, &plain.u.v4.sin_addr) == 1) {
		address_set_port(&plain, port);
		*out = plain;
		return 0;
	}
	/*
	 * The rarer forms, with a scope for example. It needs memory, for want of which nothing may
	 * be taken for a name.
	 */
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found;
	if (getaddrinfo(name, NULL, &hints, &found) != 0)
		return STATUS_NOT_FOUND;
	*out = (struct socket_address){.len = found->ai_addrlen};
	memcpy(&out->u, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	address_set_port(out, port);
	return 0;
}

void address_set_port(struct socket_address *address, uint16_t port)
{
	if (address->u.any.sa_family == AF_INET6)
		address->u.v6.sin6_port = htons(port);
	else
		address->u.v4.sin_port = htons(port);
}

uint16_t address_port(const struct socket_address *address)
{
	return ntohs(address->u.any.sa_family == AF_INET6 ? address->u.v6.sin6_port
							  : address->u.v4.sin_port);
}

const char *address_format(const struct socket_address *address, char *out, size_t size)
{
	char number[INET6_ADDRSTRLEN] = "?";
	if (address->u.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &address->u.v6.sin6_addr, number, sizeof number);
		snprintf(out, size, "[%s]:%u", number, address_port(address));
	} else {
		inet_ntop(AF_INET, &address->u.v4.sin_addr, number, sizeof number);
		snprintf(out, size, "%s:%u", number, address_port(address));
	}
	return out;
}
