/*
 * rude: a client that does not behave, and says what the server did about it.
 *
 *   rude HOST:PORT CLUSTER MODE [SECONDS]
 *
 *   silent          connects and sends nothing
 *   garbage         64 KiB of pseudorandom bytes
 *   oversized-hello a first frame that announces 4 GiB
 *   wrong-cluster   a hello with another cluster's name
 *   wrong-version   a hello of another protocol version
 *   oversized       a good hello, then a frame that announces one byte more than allowed
 *   checksum        a good hello, then a frame with a flipped bit
 *   malformed       a good hello, then a request whose payload is no message
 *   slow            a good hello, then a large request at one byte a second
 *   reply           a good hello, then an answer to something that was never asked
 *   forged          a good hello, then messages as of replicas and peers, of every method and kind,
 *                   with numbers beyond the possible
 *   never-read      a good hello, then requests without end whose replies are never read
 *   crowd           300 connections with good hellos, each opened anew when it is cut; says
 *                   "crowded" when all have been opened once
 *
 * Exit codes: 0 the server ended the connection (malformed: answered that it refuses the request;
 * forged: or still answers on it) · 1 it did not within SECONDS
 * (default 60) · 2 it did something else · 64 usage. stdout says what happened.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/rng.h"
#include "wire/frame.h"
#include "wire/method.h"
#include "wire/wire.h"

enum { EXIT_CUT = 0, EXIT_NOT_CUT = 1, EXIT_OTHER = 2, EXIT_USAGE = 64 };

struct connection {
	const char *address;
	int fd;
	int64_t deadline_ms;
	const char *cluster;
	uint64_t sent;
	bool cut;
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits at most until the deadline. False: the time is over. */
static bool await(const struct connection *c, short events, short *got, int64_t limit_ms)
{
	int64_t left = c->deadline_ms - now_ms();
	if (limit_ms >= 0 && limit_ms < left)
		left = limit_ms;
	struct pollfd wanted = {.fd = c->fd, .events = events};
	int ready = left > 0 ? poll(&wanted, 1, (int)left) : 0;
	*got = ready > 0 ? wanted.revents : 0;
	return ready > 0;
}

/* Sends all of it; stops early when the connection was cut, or the time is over. */
static void send_bytes(struct connection *c, struct slice bytes)
{
	short got;
	while (bytes.len > 0 && !c->cut && await(c, POLLOUT, &got, -1)) {
		ssize_t len = send(c->fd, bytes.data, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (len >= 0) {
			c->sent += (uint64_t)len;
			bytes = slice(bytes.data + len, bytes.len - (size_t)len);
		} else if (errno != EAGAIN && errno != EINTR) {
			c->cut = true;
		}
	}
}

static void send_message(struct connection *c, const struct message *message)
{
	struct buffer frame = {0};
	frame_append(&frame, message);
	send_bytes(c, buffer_slice(&frame));
	buffer_free(&frame);
}

static void send_hello(struct connection *c, const char *cluster, uint32_t version)
{
	struct buffer payload = {0};
	struct wire_hello hello = {.version = version, .cluster = slice_string(cluster)};
	wire_hello_encode(&hello, &payload);
	send_message(c, &(struct message){.kind = MESSAGE_REQUEST,
					  .method = METHOD_HELLO,
					  .payload = buffer_slice(&payload)});
	buffer_free(&payload);
}

/*
 * The next frame, which is a reply: its status, and the text of an error in `text`. False: cut, or
 * the time is over.
 */
static bool receive_reply(struct connection *c, int *status, char *text, size_t text_size)
{
	struct buffer in = {0};
	struct message message;
	size_t consumed, needed;
	short got;
	bool whole = false;
	while (!whole && !c->cut && await(c, POLLIN, &got, -1)) {
		buffer_reserve(&in, 4096);
		ssize_t len = recv(c->fd, in.data + in.len, 4096, 0);
		if (len <= 0) {
			c->cut = true;
			break;
		}
		in.len += (size_t)len;
		whole = frame_parse(buffer_slice(&in), FRAME_BYTES_MAX, &message, &consumed,
				    &needed) == 0;
	}
	text[0] = '\0';
	if (whole) {
		struct arena arena;
		struct wire_error error;
		arena_init(&arena, ARENA_BYTES_MAX);
		*status = message.status;
		if (message.status != 0 && wire_error_decode(message.payload, &arena, &error) == 0)
			snprintf(text, text_size, "%.*s", (int)error.message.len,
				 (const char *)error.message.data);
		arena_free(&arena);
	}
	buffer_free(&in);
	return whole;
}

/* Reads and drops what comes until the server ends the connection. */
static int await_cut(struct connection *c)
{
	uint8_t scratch[4096];
	short got;
	while (!c->cut && await(c, POLLIN, &got, -1))
		c->cut = recv(c->fd, scratch, sizeof scratch, 0) <= 0;
	printf("%s after %llu bytes\n", c->cut ? "cut" : "not cut", (unsigned long long)c->sent);
	return c->cut ? EXIT_CUT : EXIT_NOT_CUT;
}

static void greet(struct connection *c)
{
	int status = 0;
	char text[512];
	send_hello(c, c->cluster, PROTOCOL_VERSION);
	if (!receive_reply(c, &status, text, sizeof text) || status != 0) {
		printf("the good hello was not accepted: %s\n", text);
		exit(EXIT_OTHER);
	}
}

static int be_silent(struct connection *c)
{
	return await_cut(c);
}

static int send_garbage(struct connection *c)
{
	uint8_t bytes[64 * KIB];
	struct rng rng;
	rng_seed(&rng, 1);
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)rng_next(&rng);
	send_bytes(c, slice(bytes, sizeof bytes));
	return await_cut(c);
}

/* A frame's header that announces `len` bytes, with a little of them. */
static int announce(struct connection *c, uint32_t len)
{
	uint8_t bytes[FRAME_HEADER_BYTES + 16] = {0};
	store_u32(bytes, len);
	bytes[8] = MESSAGE_REQUEST;
	send_bytes(c, slice(bytes, sizeof bytes));
	return await_cut(c);
}

static int oversized_hello(struct connection *c)
{
	return announce(c, UINT32_MAX);
}

static int oversized(struct connection *c)
{
	greet(c);
	return announce(c, FRAME_BYTES_MAX + 1);
}

/* A hello that must be refused with `expected`, after which the connection ends. */
static int refused_hello(struct connection *c, const char *cluster, uint32_t version, int expected)
{
	int status = 0;
	char text[512];
	send_hello(c, cluster, version);
	if (!receive_reply(c, &status, text, sizeof text)) {
		printf("no answer to the hello\n");
		return EXIT_OTHER;
	}
	printf("%s: %s\n", status_name(status), text);
	return status == expected ? await_cut(c) : EXIT_OTHER;
}

static int wrong_cluster(struct connection *c)
{
	return refused_hello(c, "another-cluster", PROTOCOL_VERSION, STATUS_WRONG_CLUSTER);
}

static int wrong_version(struct connection *c)
{
	return refused_hello(c, c->cluster, PROTOCOL_VERSION + 1, STATUS_WRONG_VERSION);
}

static int bad_checksum(struct connection *c)
{
	struct buffer frame = {0};
	greet(c);
	frame_append(&frame, &(struct message){.kind = MESSAGE_REQUEST,
					       .method = METHOD_STATUS,
					       .id = 1,
					       .payload = slice_string("0123456789")});
	frame.data[frame.len - 1] ^= 1;
	send_bytes(c, buffer_slice(&frame));
	buffer_free(&frame);
	return await_cut(c);
}

static int malformed(struct connection *c)
{
	int status = 0;
	char text[512];
	greet(c);
	send_message(c, &(struct message){.kind = MESSAGE_REQUEST,
					  .method = METHOD_COMMAND,
					  .id = 1,
					  .timeout_ms = 5000,
					  .payload = slice_string("\377\377\377\377\377\377")});
	if (!receive_reply(c, &status, text, sizeof text))
		return await_cut(c);
	printf("%s: %s\n", status_name(status), text);
	/* A follower need not look into what it does not serve. */
	return status == STATUS_BAD_REQUEST || status == STATUS_NOT_LEADER ? EXIT_CUT : EXIT_OTHER;
}

static int reply_to_nothing(struct connection *c)
{
	greet(c);
	send_message(
		c, &(struct message){.kind = MESSAGE_REPLY, .method = METHOD_PB_FORWARD, .id = 1});
	return await_cut(c);
}

/* As replica `from` to `to` of the group, in each number something that cannot be. */
static void forge(struct connection *c, uint64_t group, uint32_t from, uint32_t to, uint64_t number)
{
	struct wire_entry entry = {
		.slot = number, .ballot = number, .value = slice_string("no entry")};
	struct wire_range range = {.first = 1, .last = number};
	struct wire_peer_any m = {.group = group,
				  .from = from,
				  .to = to,
				  .ballot = number << 8 | from,
				  .slot = number,
				  .chosen = number,
				  .sequence = number,
				  .nentries = 1,
				  .entries = &entry,
				  .nranges = 1,
				  .ranges = &range,
				  .position = number,
				  .total = number,
				  .data = slice_string("no piece"),
				  .lease_us = number,
				  .stamp = number,
				  .vouched = number,
				  .claim = slice_string("no claim"),
				  .remembered = slice_string("no memory")};
	for (uint16_t method = METHOD_PRE_VOTE; method <= METHOD_STARTED && !c->cut; method++) {
		if (method > METHOD_STATE_HASH)
			method = METHOD_STARTED;
		struct buffer payload = {0};
		/*
		 * A few whose ballot alone is beyond the possible, and with which nothing else is
		 * wrong.
		 */
		struct wire_peer_any bare = {
			.group = group, .from = from, .to = to, .ballot = m.ballot, .slot = 1};
		wire_peer_any_encode(&m, &payload);
		send_message(c, &(struct message){.kind = MESSAGE_ONEWAY,
						  .method = method,
						  .payload = buffer_slice(&payload)});
		buffer_clear(&payload);
		wire_peer_any_encode(&bare, &payload);
		send_message(c, &(struct message){.kind = MESSAGE_ONEWAY,
						  .method = method,
						  .payload = buffer_slice(&payload)});
		buffer_free(&payload);
	}
}

static int forged(struct connection *c)
{
	static const uint64_t numbers[] = {UINT64_MAX, (UINT64_C(1) << 56) - 1,
					   (UINT64_C(1) << 48) + 1, (UINT64_C(1) << 40)};
	int status = 0;
	char text[512];
	greet(c);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		for (uint64_t group = 0; group < 3; group++)
			for (uint32_t from = 1; from <= 3; from++)
				for (uint32_t to = 1; to <= 3; to++)
					forge(c, group, from, to, numbers[i]);
	send_message(c,
		     &(struct message){.kind = MESSAGE_REQUEST, .method = METHOD_STATUS, .id = 1});
	bool answered = receive_reply(c, &status, text, sizeof text);
	printf("%s\n", answered ? "still answers" : c->cut ? "cut" : "no answer");
	return (answered && status == 0) || c->cut ? EXIT_CUT : EXIT_NOT_CUT;
}

static int be_slow(struct connection *c)
{
	uint8_t payload[64 * KIB] = {0};
	struct buffer frame = {0};
	short got;
	greet(c);
	frame_append(&frame, &(struct message){.kind = MESSAGE_REQUEST,
					       .method = METHOD_COMMAND,
					       .id = 1,
					       .payload = slice(payload, sizeof payload)});
	for (size_t i = 0; i < frame.len && !c->cut && now_ms() < c->deadline_ms; i++) {
		send_bytes(c, slice(frame.data + i, 1));
		/* The server has nothing to say but that it is over. */
		if (await(c, POLLIN, &got, 1000))
			c->cut = true;
	}
	buffer_free(&frame);
	printf("%s after %llu bytes\n", c->cut ? "cut" : "not cut", (unsigned long long)c->sent);
	return c->cut ? EXIT_CUT : EXIT_NOT_CUT;
}

static int never_read(struct connection *c)
{
	struct buffer frames = {0};
	size_t at = 0;
	short got = 0;
	greet(c);
	for (uint64_t id = 1; id <= 1000; id++)
		frame_append(&frames, &(struct message){.kind = MESSAGE_REQUEST,
							.method = METHOD_STATUS,
							.id = id});
	while (!c->cut && now_ms() < c->deadline_ms) {
		if (await(c, POLLOUT, &got, 100) && (got & (POLLERR | POLLHUP)) == 0) {
			ssize_t len = send(c->fd, frames.data + at, frames.len - at,
					   MSG_DONTWAIT | MSG_NOSIGNAL);
			c->cut = len < 0 && errno != EAGAIN && errno != EINTR;
			if (len > 0) {
				c->sent += (uint64_t)len;
				at = (at + (size_t)len) % frames.len;
			}
		} else if ((got & (POLLERR | POLLHUP)) != 0) {
			c->cut = true;
		}
	}
	buffer_free(&frames);
	printf("%s after %llu bytes\n", c->cut ? "cut" : "not cut", (unsigned long long)c->sent);
	return c->cut ? EXIT_CUT : EXIT_NOT_CUT;
}

static int dial(const char *address)
{
	char host[256];
	const char *colon = strrchr(address, ':');
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV},
			*found;
	if (colon == NULL || (size_t)(colon - address) >= sizeof host)
		return -1;
	snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return -1;
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

#define CROWD 300

static int crowd(struct connection *c)
{
	int fds[CROWD];
	uint64_t opened = 0, cut = 0;
	bool said = false;
	memset(fds, -1, sizeof fds);
	while (now_ms() < c->deadline_ms) {
		for (size_t i = 0; i < CROWD; i++) {
			uint8_t scratch[512];
			ssize_t len = fds[i] == -1
					      ? 0
					      : recv(fds[i], scratch, sizeof scratch, MSG_DONTWAIT);
			if (len > 0 || (len < 0 && (errno == EAGAIN || errno == EINTR)))
				continue;
			if (fds[i] != -1) {
				close(fds[i]);
				cut++;
			}
			fds[i] = dial(c->address);
			if (fds[i] == -1)
				continue;
			struct connection other = {.fd = fds[i], .deadline_ms = c->deadline_ms};
			send_hello(&other, c->cluster, PROTOCOL_VERSION);
			opened++;
		}
		if (opened >= CROWD && !said) {
			printf("crowded\n");
			said = true;
		}
		poll(NULL, 0, 20);
	}
	printf("%llu opened, %llu cut\n", (unsigned long long)opened, (unsigned long long)cut);
	return cut > 0 ? EXIT_CUT : EXIT_NOT_CUT;
}

static const struct {
	const char *name;
	int (*run)(struct connection *c);
} modes[] = {
	{"silent", be_silent},
	{"garbage", send_garbage},
	{"oversized-hello", oversized_hello},
	{"wrong-cluster", wrong_cluster},
	{"wrong-version", wrong_version},
	{"oversized", oversized},
	{"checksum", bad_checksum},
	{"malformed", malformed},
	{"reply", reply_to_nothing},
	{"forged", forged},
	{"slow", be_slow},
	{"never-read", never_read},
	{"crowd", crowd},
};

int main(int argc, char **argv)
{
	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: rude HOST:PORT CLUSTER MODE [SECONDS]\n");
		return EXIT_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		if (strcmp(argv[3], modes[i].name) != 0)
			continue;
		struct connection c = {
			.fd = dial(argv[1]),
			.deadline_ms = now_ms() + (argc == 5 ? atoi(argv[4]) : 60) * 1000ll,
			.cluster = argv[2],
			.address = argv[1],
		};
		if (c.fd < 0) {
			printf("cannot connect to %s: %s\n", argv[1], strerror(errno));
			return EXIT_OTHER;
		}
		int code = modes[i].run(&c);
		close(c.fd);
		return code;
	}
	fprintf(stderr, "rude: there is no mode %s\n", argv[3]);
	return EXIT_USAGE;
}
