/*
 * stray: a client that says what no honest one would: ids that nobody gave it, or that others have,
 * and numbers that do not follow.
 *
 *   stray HOST:PORT CLUSTER COMMAND…
 *
 * Does one command after another along one connection, and prints a line for each:
 *
 *   register                                  "registered ID", by REGISTER; "log-register" asks
 *                                             with LOG_REGISTER
 *   append CLIENT SEQUENCE ACKNOWLEDGED K V   COMMAND: the name of the status, and of OK what the
 *                                             key now holds
 *   log CLIENT SEQUENCE ACKNOWLEDGED V        LOG_COMMAND: the name of the status
 *   flood FIRST COUNT KEY                     COUNT appends of "stray;", each of the next id; how
 *                                             often each status came: "COUNT STATUS …"
 *   storm COUNT HIGHEST KEY                   COUNT appends of "stray;" with ids up to HIGHEST and
 *                                             all kinds of numbers; prints the same
 *
 * Exit codes: 0 every command was answered · 1 the connection has ended, or there was no answer in
 * time · 64 usage.
 */
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/rng.h"
#include "wire/frame.h"
#include "wire/method.h"
#include "wire/paxosd.h"
#include "wire/wire.h"

#define WAIT_S 30
#define TIMEOUT_MS 20000u
#define WINDOW 256u /* requests under way at a time */

static int fd;
static struct buffer out, in;
static struct arena arena;
static uint64_t requests;

static void fail(const char *why)
{
	printf("%s\n", why);
	exit(1);
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
	int connection = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
	if (connection >= 0 && connect(connection, found->ai_addr, found->ai_addrlen) != 0) {
		close(connection);
		connection = -1;
	}
	freeaddrinfo(found);
	return connection;
}

static void add(uint16_t method, const struct buffer *payload)
{
	frame_append(&out, &(struct message){.kind = MESSAGE_REQUEST,
					     .method = method,
					     .id = requests++,
					     .timeout_ms = TIMEOUT_MS,
					     .payload = buffer_slice(payload)});
}

static void send_all(void)
{
	for (size_t sent = 0; sent < out.len;) {
		ssize_t len = send(fd, out.data + sent, out.len - sent, MSG_NOSIGNAL);
		if (len <= 0)
			fail("the connection has ended");
		sent += (size_t)len;
	}
	buffer_clear(&out);
}

/* The next reply. The one before is taken out of the input. */
static struct message receive(void)
{
	static size_t consumed;
	struct message message;
	size_t needed;
	buffer_consume(&in, consumed);
	consumed = 0;
	while (frame_parse(buffer_slice(&in), FRAME_BYTES_MAX, &message, &consumed, &needed) != 0) {
		consumed = 0;
		buffer_reserve(&in, 65536);
		ssize_t got = recv(fd, in.data + in.len, 65536, 0);
		if (got <= 0)
			fail(got == 0 ? "the connection has ended" : "no answer");
		in.len += (size_t)got;
	}
	arena_reset(&arena);
	return message;
}

static void add_hello(const char *cluster)
{
	struct wire_hello hello = {.version = PROTOCOL_VERSION, .cluster = slice_string(cluster)};
	struct buffer payload = {0};
	wire_hello_encode(&hello, &payload);
	add(METHOD_HELLO, &payload);
	buffer_free(&payload);
}

struct numbers {
	uint64_t client, sequence, acknowledged;
};

static void add_command(uint16_t method, const struct numbers *n, const struct buffer *body)
{
	struct buffer payload = {0};
	struct wire_command command = {.client = n->client,
				       .sequence = n->sequence,
				       .acknowledged = n->acknowledged,
				       .body = buffer_slice(body)};
	wire_command_encode(&command, &payload);
	add(method, &payload);
	buffer_free(&payload);
}

static void add_append(const struct numbers *n, const char *key, const char *value)
{
	struct wire_kv_op op = {
		.kind = WIRE_KV_APPEND, .key = slice_string(key), .value = slice_string(value)};
	struct wire_kv_command command = {.nthen = 1, .then = &op};
	struct buffer body = {0};
	wire_kv_command_encode(&command, &body);
	add_command(METHOD_COMMAND, n, &body);
	buffer_free(&body);
}

static void register_client(uint16_t method)
{
	struct buffer nothing = {0};
	uint64_t client = 0;
	add(method, &nothing);
	send_all();
	struct message reply = receive();
	if (reply.status != 0 || wire_register_reply_decode(reply.payload, &arena, &client) != 0)
		printf("%s\n", status_name(reply.status));
	else
		printf("registered %" PRIu64 "\n", client);
}

static void append(const struct numbers *n, const char *key, const char *value)
{
	struct wire_kv_reply result;
	add_append(n, key, value);
	send_all();
	struct message reply = receive();
	if (reply.status == 0 && wire_kv_reply_decode(reply.payload, &arena, &result) == 0 &&
	    result.nresults == 1)
		printf("%s %.*s\n", status_name(result.results[0].status),
		       (int)result.results[0].value.len,
		       (const char *)result.results[0].value.data);
	else
		printf("%s\n", status_name(reply.status));
}

static void append_to_log(const struct numbers *n, const char *value)
{
	struct slice values[] = {slice_string(value)};
	struct wire_log_command command = {.nvalues = 1, .values = values};
	struct buffer body = {0};
	wire_log_command_encode(&command, &body);
	add_command(METHOD_LOG_COMMAND, n, &body);
	buffer_free(&body);
	send_all();
	printf("%s\n", status_name(receive().status));
}

/* `count` appends with the numbers that `next` gives, WINDOW of them at a time. */
static void many(uint64_t count, const char *key, void (*next)(void *context, struct numbers *n),
		 void *context)
{
	uint64_t got[256] = {0};
	for (uint64_t sent = 0, received = 0; received < count; received++) {
		for (; sent < count && sent < received + WINDOW; sent++) {
			struct numbers n;
			next(context, &n);
			add_append(&n, key, "stray;");
		}
		send_all();
		int code = -receive().status;
		if (code < 0 || code > 255)
			fail("no such status");
		got[code]++;
	}
	const char *separator = "";
	for (int code = 0; code < 256; code++) {
		if (got[code] == 0)
			continue;
		printf("%s%" PRIu64 " %s", separator, got[code], status_name(-code));
		separator = " ";
	}
	printf("\n");
}

static void next_id(void *context, struct numbers *n)
{
	uint64_t *id = context;
	*n = (struct numbers){.client = (*id)++, .sequence = 1, .acknowledged = 1};
}

struct storm {
	struct rng rng;
	uint64_t highest;
};

static void next_of_storm(void *context, struct numbers *n)
{
	struct storm *storm = context;
	struct rng *rng = &storm->rng;
	/* Small numbers are those that others use now, or have used. */
	uint64_t shift = rng_below(rng, 4) == 0 ? rng_below(rng, 63) : rng_below(rng, 12);
	n->client = rng_below(rng, 8) == 0 ? rng_next(rng) : 1 + rng_below(rng, storm->highest);
	n->sequence = rng_below(rng, (2ull << shift) - 1);
	n->acknowledged = rng_below(rng, 3) == 0 ? n->sequence : rng_below(rng, n->sequence + 2);
}

static bool run(const char *line)
{
	struct numbers n = {0};
	struct storm storm = {0};
	char key[256], value[1024];
	uint64_t count;
	if (strcmp(line, "register") == 0) {
		register_client(METHOD_REGISTER);
	} else if (strcmp(line, "log-register") == 0) {
		register_client(METHOD_LOG_REGISTER);
	} else if (sscanf(line, "append %" SCNu64 " %" SCNu64 " %" SCNu64 " %255s %1023s",
			  &n.client, &n.sequence, &n.acknowledged, key, value) == 5) {
		append(&n, key, value);
	} else if (sscanf(line, "log %" SCNu64 " %" SCNu64 " %" SCNu64 " %1023s", &n.client,
			  &n.sequence, &n.acknowledged, value) == 4) {
		append_to_log(&n, value);
	} else if (sscanf(line, "flood %" SCNu64 " %" SCNu64 " %255s", &n.client, &count, key) ==
		   3) {
		many(count, key, next_id, &n.client);
	} else if (sscanf(line, "storm %" SCNu64 " %" SCNu64 " %255s", &count, &storm.highest,
			  key) == 3) {
		rng_seed(&storm.rng, storm.highest);
		many(count, key, next_of_storm, &storm);
	} else {
		return false;
	}
	fflush(stdout);
	return true;
}

int main(int argc, char **argv)
{
	struct timeval limit = {.tv_sec = WAIT_S};
	if (argc < 4) {
		fprintf(stderr, "usage: stray HOST:PORT CLUSTER COMMAND…\n");
		return 64;
	}
	fd = dial(argv[1]);
	if (fd < 0)
		fail("cannot connect");
	arena_init(&arena, ARENA_BYTES_MAX);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	add_hello(argv[2]);
	send_all();
	if (receive().status != 0)
		fail("the hello was refused");
	for (int i = 3; i < argc; i++) {
		if (run(argv[i]))
			continue;
		fprintf(stderr, "stray: what is '%s'?\n", argv[i]);
		return 64;
	}
	arena_free(&arena);
	buffer_free(&in);
	buffer_free(&out);
	close(fd);
	return 0;
}
