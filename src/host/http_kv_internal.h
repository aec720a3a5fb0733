/*
 * What the files of http_kv share.
 *
 *   http_kv.c        requests, and the replies of the node
 *   http_kv_url.c    keys and parameters in URLs
 *   http_kv_reply.c  codes, errors, hints, counters
 */
#ifndef SYNOD_HOST_HTTP_KV_INTERNAL_H
#define SYNOD_HOST_HTTP_KV_INTERNAL_H

#include "base/arena.h"
#include "base/list.h"
#include "base/metrics.h"
#include "host/http_kv.h"
#include "host/kv_json.h"
#include "wire/wire.h"

enum { HTTP_KV_CODES = 13 };

struct http_kv {
	struct host *host;
	struct http_kv_options options;
	struct list pending;
	uint64_t npending;
	struct arena arena; /* of the request, or the reply, at hand */
	uint64_t replies[HTTP_KV_CODES];
};

struct parameters {
	uint32_t timeout_ms;
	bool base64;
	bool key_base64;
	bool redirect;
};

enum pending_kind { PENDING_GET, PENDING_PUT, PENDING_DELETE, PENDING_TXN };

/* A request that the node has not answered. */
struct pending {
	struct list link;
	struct http_kv *kv;
	struct http_request *request;
	struct host_request *call;
	enum pending_kind kind;
	struct parameters parameters;
	struct bytes *key;     /* of a transaction: its first, by which its group is found */
	struct bytes *command; /* transactions: encoded KvCommand, for the names in the answer */
};

/* ---- http_kv_url.c ---- */

/* False: `error` says what is wrong. */
bool http_kv_parameters(struct http_request *request, struct parameters *out, char error[KV_JSON_ERROR_BYTES]);
/* The key behind /get/, in the arena. NULL, or what is wrong. */
const char *http_kv_key(struct http_request *request, const struct parameters *parameters, struct arena *arena,
			struct slice *out);
/* The URL of the same request at another server; false if it would not fit or is nothing to be put into a header. */
bool http_kv_location(struct http_request *request, const char *address, struct buffer *out);
struct slice http_kv_first_key(const struct wire_kv_command *command);

/* ---- http_kv_reply.c ---- */

void http_kv_reply(struct http_kv *kv, struct http_request *request, int code, struct slice json);
/* What was found wrong before the node was asked. */
void http_kv_refuse(struct http_kv *kv, struct http_request *request, int code, int status, const char *why);
/* The node's status other than OK, with the encoded Error that came with it, if any. Does not free `p`. */
void http_kv_reply_error(struct pending *p, int status, struct slice payload);
void http_kv_metrics(struct http_kv *kv, struct metrics *metrics);

#endif
