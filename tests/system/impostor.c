/*
 * impostor: speaks to a replica as if it were another one of the group.
 *
 *   impostor HOST:PORT CLUSTER GROUP MEMBER,MEMBER,… TO GROUP_ID NODE      NODE "": as a client
 *
 * A hello in the name of NODE, with these members, this id of the group, and a nonce of its own;
 * then what only a replica may send to replica number TO, in the name of every other one: a Prepare
 * with a high ballot, Accepted of slots that nobody has, and AGREEMENT as a request; then STATUS.
 * Prints a word for each reply, "closed" when the replica ends the connection.
 *
 * Exit codes: 0 said its piece · 1 could not connect, or the hello was refused · 64 usage.
 */
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

#define WAIT_S 30

static struct buffer out, in;
static struct arena arena;

static void add(enum message_kind kind, uint16_t method, uint64_t id, const struct buffer *payload)
{
	struct message message = {
		.kind = kind, .method = method, .id = id, .payload = buffer_slice(payload)};
	frame_append(&out, &message);
}

static void add_hello(char **argv)
{
	struct buffer payload = {0};
	struct wire_hello hello = {.version = PROTOCOL_VERSION,
				   .cluster = slice_string(argv[2]),
				   .node = slice_string(argv[7]),
				   .role = slice_string("shardkv"),
				   .group = strtoull(argv[3], NULL, 10),
				   .group_id = strtoull(argv[6], NULL, 16),
				   .nonce = 0x1234567};
	for (char *name = strtok(argv[4], ","); name != NULL && hello.nmembers < REPLICAS_MAX;
	     name = strtok(NULL, ",")) {
		hello.members[hello.nmembers].replica = hello.nmembers + 1;
		if (strcmp(name, argv[7]) == 0)
			hello.replica = hello.nmembers + 1;
		hello.members[hello.nmembers++].name = slice_string(name);
	}
	if (argv[7][0] == '\0')
		hello.role = slice_string("");
	wire_hello_encode(&hello, &payload);
	add(MESSAGE_REQUEST, METHOD_HELLO, 0, &payload);
	buffer_free(&payload);
}

static void add_piece(uint64_t group, uint32_t from, uint32_t to)
{
	struct buffer payload = {0};
	struct wire_range all = {.first = 1, .last = 1u << 20};
	struct wire_peer_any prepare = {
		.group = group, .from = from, .to = to, .ballot = 1000u << 8 | from, .slot = 1};
	struct wire_peer_any accepted = {.group = group,
					 .from = from,
					 .to = to,
					 .ballot = 1000u << 8 | to,
					 .slot = all.last,
					 .nranges = 1,
					 .ranges = &all};
	wire_peer_any_encode(&prepare, &payload);
	add(MESSAGE_ONEWAY, METHOD_PREPARE, 0, &payload);
	buffer_clear(&payload);
	wire_peer_any_encode(&accepted, &payload);
	add(MESSAGE_ONEWAY, METHOD_ACCEPTED, 0, &payload);
	buffer_free(&payload);
}

static int dial(const char *address)
{
	char host[ADDRESS_BYTES_MAX + 1];
	const char *port = strrchr(address, ':');
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
	if (port == NULL || (size_t)(port - address) >= sizeof host)
		return -1;
	memcpy(host, address, (size_t)(port - address));
	host[port - address] = '\0';
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

/* The next reply; false: there will be none. The one before is taken out of the input. */
static bool next_reply(int fd, struct message *message)
{
	static size_t consumed;
	size_t needed;
	buffer_consume(&in, consumed);
	consumed = 0;
	for (;;) {
		int status = frame_parse(buffer_slice(&in), FRAME_BYTES_MAX, message, &consumed,
					 &needed);
		if (status == 0)
			return true;
		consumed = 0;
		buffer_reserve(&in, 4096);
		ssize_t got = status == STATUS_TRUNCATED ? recv(fd, in.data + in.len, 4096, 0) : -1;
		if (got <= 0)
			return false;
		in.len += (size_t)got;
	}
}

static void print_reply(const struct message *message)
{
	struct wire_status status;
	arena_reset(&arena);
	if (message->method == METHOD_STATUS && message->status == 0 &&
	    wire_status_decode(message->payload, &arena, &status) == 0)
		printf("status state=%.*s\n", (int)status.state.len,
		       (const char *)status.state.data);
	else
		printf("%s %s\n", method_text(message->method), status_name(message->status));
}

static int speak(int fd, char **argv)
{
	struct message message;
	struct buffer nothing = {0};
	uint64_t group = strtoull(argv[3], NULL, 10);
	uint32_t to = (uint32_t)strtoul(argv[5], NULL, 10);
	struct timeval limit = {.tv_sec = WAIT_S};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	add_hello(argv);
	for (uint32_t from = 1; from <= 3; from++) {
		if (from != to)
			add_piece(group, from, to);
	}
	add(MESSAGE_REQUEST, METHOD_AGREEMENT, 1, &nothing);
	add(MESSAGE_REQUEST, METHOD_STATUS, 2, &nothing);
	if (send(fd, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
		return 1;
	while (next_reply(fd, &message)) {
		if (message.method != METHOD_HELLO) {
			print_reply(&message);
		} else if (message.status != 0) {
			struct wire_error error = {0};
			if (wire_error_decode(message.payload, &arena, &error) == 0)
				printf("refused %s: %.*s\n", status_name(message.status),
				       (int)error.message.len, (const char *)error.message.data);
			return 1;
		}
		if (message.method == METHOD_STATUS)
			return 0;
	}
	printf("closed\n");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 8) {
		fprintf(stderr, "usage: impostor HOST:PORT CLUSTER GROUP MEMBER,MEMBER,… TO "
				"GROUP_ID NODE\n");
		return 64;
	}
	int fd = dial(argv[1]);
	if (fd < 0)
		return 1;
	arena_init(&arena, ARENA_BYTES_MAX);
	int code = speak(fd, argv);
	arena_free(&arena);
	buffer_free(&in);
	buffer_free(&out);
	close(fd);
	return code;
}
