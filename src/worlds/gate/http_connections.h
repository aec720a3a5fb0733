/*
 * The connections of the HTTP endpoint: accepting, reading requests, writing answers, and the
 * bounds on all of that.
 *
 * A connection reads until a request is complete (gate/http_parse.h), then does not read until it
 * has been answered; so pipelined requests are answered in their order, one a turn of the loop, and
 * nobody can pile up requests behind an answer that he does not take. After an answer that ends the
 * connection, what still comes is read and thrown away for a moment: closing at once would destroy
 * the answer on its way to who is still sending.
 *
 * Bounds. A connection is closed, with 408 if it is in the middle of a request, when it is silent
 * for HTTP_SILENCE_MS (between two requests, within one, or because it does not take its answer),
 * or when a request takes longer than request_timeout_ms to arrive. At most HTTP_CONNECTIONS_MAX
 * are open. When one more comes somebody gives way: a connection that has been answered and only
 * waits for its end, otherwise the one that has been idle the longest, otherwise the oldest of
 * those whose request is incomplete, or who have not taken any of their answer for HTTP_STALL_MS.
 * (Probes come on a new connection and send at once; who holds connections open, on purpose or by a
 * leak, cannot keep them out.) Other requests that are being served or answered never give way;
 * while there is nothing else, further connections wait in the kernel's queue.
 *
 * The bound is lower, a quarter of the process's descriptors, where there are few of them: the log
 * and the peers need some too.
 *
 * Bodies of all connections together are bounded by bodies_bytes_max: the request that would pass
 * it is refused with 503, which gives up what has come of it.
 *
 * Out of descriptors, or of memory for a socket: the same connections give way, and if there is
 * none, accepting pauses for HTTP_ACCEPT_PAUSE_MS, and is tried again for ever. The log names the
 * errno, at most every HTTP_COMPLAINT_INTERVAL_MS.
 */
#ifndef SYNOD_GATE_HTTP_CONNECTIONS_H
#define SYNOD_GATE_HTTP_CONNECTIONS_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metrics.h"

#define HTTP_CONNECTIONS_MAX 128u
#define HTTP_REQUEST_TIMEOUT_MS 15000u
#define HTTP_SILENCE_MS 5000u
#define HTTP_BODIES_BYTES_MAX (64u * MIB)
#define HTTP_STALL_MS 1000u
#define HTTP_LINGER_MS 2000u
#define HTTP_ACCEPT_PAUSE_MS 100u
#define HTTP_COMPLAINT_INTERVAL_MS 10000u

struct http_request;

struct http_connections {
	struct event_base *base;
	struct log *log;
	/* A request is complete: answer it with http_reply(), now or later. */
	void (*serve)(struct http_request *request, void *context);
	void *context;
	size_t body_bytes_max; /* of each that is accepted from now on */
	size_t bodies_bytes_max;
	uint32_t request_timeout_ms;
	uint32_t connections_max; /* HTTP_CONNECTIONS_MAX or fewer */

	/* private */
	int fd; /* listening */
	struct event *accepting, *accept_again, *look_again;
	bool full;   /* not accepting until a connection ends */
	bool paused; /* not accepting for want of descriptors */
	uint64_t complained_us;
	struct list open;
	uint64_t bodies_bytes;
	uint64_t count, refused_total, gave_way_total, accept_failed_total;
};

/*
 * Takes the descriptor, which is listening and does not block; the fields above "private" are set.
 */
void http_connections_init(struct http_connections *connections, int fd);
void http_connections_metrics(struct http_connections *connections, struct metrics *metrics);
/* Nobody answers any more. */
void http_connections_free(struct http_connections *connections);

#endif
