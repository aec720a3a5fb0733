/*
 * What the files of http_kv share.
 *
 *   http_kv.c          requests, and the replies of nodes
 *   http_kv_forward.c  which server is asked
 *   http_kv_stale.c    reads that may be old
 *   http_kv_url.c      keys and parameters in URLs
 *   http_kv_reply.c    codes, errors, hints, counters
 */
#ifndef SYNOD_GATE_HTTP_KV_INTERNAL_H
#define SYNOD_GATE_HTTP_KV_INTERNAL_H

#include "base/arena.h"
#include "base/list.h"
#include "base/metrics.h"
#include "gate/forward.h"
#include "gate/http_kv.h"
#include "gate/kv_json.h"
#include "wire/wire.h"

enum { HTTP_KV_CODES = 14, HTTP_KV_LEADERS = 64 };

/* Who has answered for a group of which this node is no member. */
struct http_kv_leader {
	uint64_t group; /* 0: none */
	char address[ADDRESS_BYTES_MAX + 1];
};

struct http_kv {
	struct host *host;
	struct http_kv_options options;
	struct forwarder *forwarder;                    /* NULL: there could be none */
	struct http_kv_leader leaders[HTTP_KV_LEADERS]; /* by group, modulo their number */
	struct list pending;
	uint64_t npending;
	struct arena arena; /* of the request, or the reply, at hand */
	uint64_t replies[HTTP_KV_CODES];
	uint64_t forwarded;
};

struct parameters {
	uint32_t timeout_ms;
	bool base64;
	bool key_base64;
	bool redirect;
	bool forward;
	bool stale;          /* consistency=stale */
	uint32_t max_age_ms; /* of a stale read; 0: any */
};

enum pending_kind { PENDING_GET, PENDING_PUT, PENDING_DELETE, PENDING_TXN };

/* A request that has not been answered. */
struct pending {
	struct list link;
	struct http_kv *kv;
	struct http_request *request;
	enum pending_kind kind;
	struct parameters parameters;
	struct bytes *key;     /* of a transaction: its first, by which its group is found */
	struct bytes *command; /* transactions: encoded KvCommand, for the names in the answer */

	/* http_kv_forward.c. At most one of call, forward and pause is under way. */
	struct host_request *call;
	struct forward *forward;
	struct timer pause;
	uint16_t method;
	struct bytes *payload;
	uint64_t deadline_us;
	uint64_t asked_us; /* when the request last went to somebody */
	bool age_known;    /* stale: of the answer, … */
	uint64_t age_us, slot;
	uint64_t leader_us; /* until then it waits for a leader to be known */
	uint32_t asked;     /* servers in this round, besides this node */
	uint64_t group;     /* whose members the candidates are; 0: this node's own */
	uint32_t ncandidates, next;
	char candidates[REPLICAS_MAX][ADDRESS_BYTES_MAX + 1];
	char target[ADDRESS_BYTES_MAX + 1]; /* who has been asked last; "": this node */
	int refusal_status;                 /* of the last server */
	struct bytes *refusal;
};

/* ---- http_kv.c ---- */

/* The reply, or what has become of the request. Frees `p`. */
void http_kv_answer(struct pending *p, int status, struct slice payload);

/* ---- http_kv_forward.c ---- */

/*
 * Asks whoever has the key, as http_kv.h says. In the end, which may be before this returns,
 * http_kv_answer().
 */
void http_kv_ask(struct pending *p, uint16_t method, struct slice payload);
/* Forgets what is under way. */
void http_kv_cancel(struct pending *p);

/* ---- http_kv_stale.c ---- */

/*
 * A replica, asked for what it has, has nothing, or nothing young enough: the leader must be asked.
 */
bool http_kv_stale_declined(struct pending *p, int status, struct slice payload);
/*
 * The answer to a read: takes the service's out of it, and adds headers that say how old it may be,
 * if it may be. False: it is too old, or malformed, and the request has been answered with an
 * error.
 */
bool http_kv_stale_answer(struct pending *p, struct slice *payload);

/* ---- http_kv_url.c ---- */

/* False: `error` says what is wrong. */
bool http_kv_parameters(struct http_request *request, struct parameters *out,
			char error[KV_JSON_ERROR_BYTES]);
/* The key behind /get/, in the arena. NULL, or what is wrong. */
const char *http_kv_key(struct http_request *request, const struct parameters *parameters,
			struct arena *arena, struct slice *out);
/*
 * The URL of the same request at another server; false if it would not fit or is nothing to be put
 * into a header.
 */
bool http_kv_location(struct http_request *request, const char *address, struct buffer *out);
struct slice http_kv_first_key(const struct wire_kv_command *command);

/* ---- http_kv_reply.c ---- */

void http_kv_reply(struct http_kv *kv, struct http_request *request, int code, struct slice json);
/* What was found wrong before the node was asked. */
void http_kv_refuse(struct http_kv *kv, struct http_request *request, int code, int status,
		    const char *why);
/*
 * The node's status other than OK, with the encoded Error that came with it, if any. Does not free
 * `p`.
 */
void http_kv_reply_error(struct pending *p, int status, struct slice payload);
void http_kv_metrics(struct http_kv *kv, struct metrics *metrics);

#endif
