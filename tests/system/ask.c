/*
 * ask: reads a key from one replica, whatever it believes to be, without looking for the leader.
 *
 *   ask HOST:PORT CLUSTER KEY TIMEOUT_MS
 *
 * One QUERY on one connection. Prints the name of the reply's status, and behind OK the value or
 * NOT_FOUND; "no answer" if there is none in time.
 *
 * Exit codes: 0 there was an answer, whatever it says · 1 there was none · 64 usage.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/limits.h"
#include "wire/frame.h"
#include "wire/method.h"
#include "wire/wire.h"

static int no_answer(const char *why)
{
	printf("no answer: %s\n", why);
	return 1;
}

static int dial(const char *address)
{
	char host[ADDRESS_BYTES_MAX + 1];
	const char *port = strrchr(address, ':');
	if (port == NULL || (size_t)(port - address) >= sizeof host)
		return -1;
	memcpy(host, address, (size_t)(port - address));
	host[port - address] = '\0';
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
	if (getaddrinfo(host, port + 1, &hints, &found) != 0)
		return -1;
	int fd = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

static void add_request(struct buffer *out, uint16_t method, uint64_t id, uint32_t timeout_ms,
			const struct buffer *payload)
{
	struct message message = {.kind = MESSAGE_REQUEST,
				  .method = method,
				  .id = id,
				  .timeout_ms = timeout_ms,
				  .payload = buffer_slice(payload)};
	frame_append(out, &message);
}

static bool send_request(int fd, const char *cluster, const char *key, uint32_t timeout_ms)
{
	struct slice keys[] = {slice_string(key)};
	struct wire_kv_query query = {.nkeys = 1, .keys = keys};
	struct wire_hello hello = {.version = PROTOCOL_VERSION, .cluster = slice_string(cluster)};
	struct buffer out = {0}, payload = {0};
	wire_hello_encode(&hello, &payload);
	add_request(&out, METHOD_HELLO, 0, 0, &payload);
	buffer_clear(&payload);
	wire_kv_query_encode(&query, &payload);
	add_request(&out, METHOD_QUERY, 1, timeout_ms, &payload);
	bool sent = send(fd, out.data, out.len, MSG_NOSIGNAL) == (ssize_t)out.len;
	buffer_free(&payload);
	buffer_free(&out);
	return sent;
}

static int print_answer(const struct message *message, struct arena *arena)
{
	struct wire_kv_query_reply reply;
	if (message->status != 0)
		printf("%s\n", status_name(message->status));
	else if (wire_kv_query_reply_decode(message->payload, arena, &reply) != 0 ||
		 reply.nresults != 1)
		printf("malformed\n");
	else if (reply.results[0].status != 0)
		printf("OK %s\n", status_name(reply.results[0].status));
	else
		printf("OK %.*s\n", (int)reply.results[0].value.len,
		       (const char *)reply.results[0].value.data);
	return 0;
}

/* Takes frames until the answer to request 1. */
static int receive(int fd)
{
	struct buffer in = {0};
	struct arena arena;
	struct message message;
	size_t consumed, needed;
	int code = -1;
	arena_init(&arena, ARENA_BYTES_MAX);
	while (code < 0) {
		int status = frame_parse(buffer_slice(&in), FRAME_BYTES_MAX, &message, &consumed,
					 &needed);
		if (status == 0) {
			if (message.kind == MESSAGE_REPLY && message.id == 1)
				code = print_answer(&message, &arena);
			buffer_consume(&in, consumed);
			continue;
		}
		buffer_reserve(&in, 4096);
		ssize_t got = recv(fd, in.data + in.len, 4096, 0);
		if (status != STATUS_TRUNCATED || got <= 0)
			code = no_answer(got < 0 && errno == EAGAIN ? "the time is over"
								    : "the connection has ended");
		else
			in.len += (size_t)got;
	}
	arena_free(&arena);
	buffer_free(&in);
	return code;
}

int main(int argc, char **argv)
{
	unsigned long timeout_ms = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;
	if (timeout_ms == 0 || timeout_ms > 3600000) {
		fprintf(stderr, "usage: ask HOST:PORT CLUSTER KEY TIMEOUT_MS\n");
		return 64;
	}
	int fd = dial(argv[1]);
	if (fd < 0)
		return no_answer("cannot connect");
	struct timeval limit = {.tv_sec = (time_t)(timeout_ms / 1000),
				.tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000)};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	int code = send_request(fd, argv[2], argv[3], (uint32_t)timeout_ms)
			   ? receive(fd)
			   : no_answer("cannot send");
	close(fd);
	return code;
}
