/*
 * A peer without any of the transport's code: a bare socket that sends and receives what a test
 * wants. Waiting for it turns the hosts under test, on the same thread.
 */
#ifndef SYNOD_TEST_RAW_H
#define SYNOD_TEST_RAW_H

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rng.h"
#include "echo.h"
#include "wire/frame.h"
#include "wire/wire.h"

/*
 * Turns every given host until the condition holds. A test that waits in vain is ended by the check
 * library.
 */
#define TURN_UNTIL(condition, ...) \
	do { \
		struct host *hosts_[] = {__VA_ARGS__}; \
		while (!(condition)) { \
			for (size_t h_ = 0; h_ < sizeof hosts_ / sizeof hosts_[0]; h_++) \
				host_turn(hosts_[h_], false); \
			usleep(100); \
		} \
	} while (0)

/*
 * Enough turns for whatever is under way to settle, for conditions that say that nothing happens.
 */
static inline void turn_some(struct host *a, struct host *b)
{
	for (int i = 0; i < 100; i++) {
		if (a != NULL)
			host_turn(a, false);
		if (b != NULL)
			host_turn(b, false);
		usleep(200);
	}
}

struct raw {
	int fd;
	struct buffer in;
	bool closed;
};

static inline struct raw raw_connect(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct raw raw = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
	ck_assert_int_ge(raw.fd, 0);
	ck_assert_int_eq(connect(raw.fd, (struct sockaddr *)&to, sizeof to), 0);
	fcntl(raw.fd, F_SETFL, O_NONBLOCK);
	return raw;
}

/* A listening socket on a free port. */
static inline int raw_listen(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static inline struct raw raw_accept(int listen_fd, struct host *host)
{
	struct raw raw = {.fd = -1};
	TURN_UNTIL((raw.fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK)) >= 0, host);
	return raw;
}

/* False when the other side has closed. */
static inline bool raw_send(struct raw *raw, struct slice bytes)
{
	ssize_t sent = send(raw->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN)
		raw->closed = true;
	return !raw->closed;
}

static inline void raw_receive(struct raw *raw)
{
	uint8_t part[65536];
	ssize_t len = recv(raw->fd, part, sizeof part, 0);
	if (len > 0)
		buffer_add(&raw->in, part, (size_t)len);
	else if (len == 0 || (errno != EAGAIN && errno != EINTR))
		raw->closed = true;
}

static inline bool raw_is_closed(struct raw *raw)
{
	if (!raw->closed)
		raw_receive(raw);
	return raw->closed;
}

/*
 * True when a whole frame is there: *message then points into raw->in, and *consumed is its length.
 */
static inline bool raw_frame(struct raw *raw, struct message *message, size_t *consumed)
{
	size_t needed;
	if (frame_parse(buffer_slice(&raw->in), FRAME_BYTES_MAX, message, consumed, &needed) == 0)
		return true;
	if (!raw->closed)
		raw_receive(raw);
	return frame_parse(buffer_slice(&raw->in), FRAME_BYTES_MAX, message, consumed, &needed) ==
	       0;
}

static inline void frame_of(struct buffer *out, enum message_kind kind, uint16_t method,
			    uint64_t id, struct slice payload)
{
	struct message message = {.kind = kind, .method = method, .id = id, .payload = payload};
	frame_append(out, &message);
}

static inline void hello_of(struct buffer *out, enum message_kind kind, uint32_t version,
			    const char *cluster, const char *node, const char *target)
{
	struct buffer payload = {0};
	struct wire_hello hello = {
		.version = version,
		.cluster = slice_string(cluster),
		.node = slice_string(node),
		.target = slice_string(target),
	};
	wire_hello_encode(&hello, &payload);
	frame_of(out, kind, METHOD_HELLO, 0, buffer_slice(&payload));
	buffer_free(&payload);
}

/* Connects and is accepted. */
static inline struct raw raw_open(struct host *host)
{
	struct raw raw = raw_connect(host_port(host));
	struct buffer out = {0};
	struct message message;
	size_t consumed;
	hello_of(&out, MESSAGE_REQUEST, PROTOCOL_VERSION, "test", "", "");
	ck_assert(raw_send(&raw, buffer_slice(&out)));
	TURN_UNTIL(raw_frame(&raw, &message, &consumed), host);
	ck_assert_uint_eq(message.method, METHOD_HELLO);
	ck_assert_int_eq(message.status, 0);
	buffer_consume(&raw.in, consumed);
	buffer_free(&out);
	return raw;
}

static inline void raw_close(struct raw *raw)
{
	close(raw->fd);
	buffer_free(&raw->in);
}

#endif
