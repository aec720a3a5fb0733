/*
 * The store over HTTP: pages of a shardkv daemon for people, scripts, and languages without a
 * client library.
 *
 *   PUT    /put        {"key":K,"value":V}       {"key":K,"version":N,"modification":N}
 *   GET    /get/KEY                              {"key":K,"value":V,"version":N,"modification":N}
 *   DELETE /get/KEY                              {"key":K,"version":0,"modification":N}
 *   POST   /txn        see gate/kv_json.h        {"succeeded":B,"results":[…]}
 *
 * KEY is everything behind "/get/", with %XX for what a URL cannot hold. Parameters:
 *   timeout_ms=N            how long to wait; default 5000, at most 60000
 *   encoding=base64         answer values as base64 always
 *   key_encoding=base64     KEY is base64
 *   redirect=true           307 to another server that has the key, where its URL is known; nothing
 *                           is forwarded
 *   forward=false           nothing is forwarded: 421 and 503 say where the key is
 *   consistency=stale       GET: what this server has at the moment, or of another group's keys one
 *                           of its members. The headers Synod-Age-Ms ("unknown", or: everything
 *                           acknowledged so many ms ago is in it) and Synod-Slot say of when it is
 *   max_age_ms=N            with it: what is older, or of unknown age, is read from the leader
 *                           instead
 * Each at most once; others are refused.
 *
 * A request becomes an ordinary COMMAND or QUERY to this node, on a link of its own
 * (host_request()), so it is admitted, ordered and answered as those of RPC clients; reads are
 * linearizable. Commands carry no session: one that is repeated after an unknown outcome may be
 * applied twice.
 *
 * Forwarding. If another server has the key, this one asks it, as a client does (gate/forward.h),
 * and passes its answer on: the leader of this group, as NOT_LEADER names it, or, of another group,
 * the members that the newest configuration known here names. The other server gets an RPC, which
 * nobody forwards; so there is one hop, and no circle. A request goes on to the next server only
 * after a refusal that says that it was certainly not applied (NOT_LEADER, WRONG_GROUP), or if it
 * has certainly not left this machine. A write that gets no answer is never sent again: 504. (A
 * read is, if the connection was lost.) All of that within timeout_ms; while this node knows no
 * leader it waits for one, at most a second of it.
 *
 *   200  done (also a transaction whose compares did not hold: "succeeded":false)
 *   400  malformed; keys of different groups              403  from a web page of another origin
 *   404  no such key                                      405  another method; "Allow" says which
 *   409  INCR of what is no number                        413 key, value, command or result too
 *                                                         large
 *   421  another group serves the key: "group", "addresses", "location"
 *   502  the server that has the key belongs to another cluster, or is of another version
 *   503 certainly not applied: no leader ("leader", "location"), cannot be reached, too busy, no
 *        time left ("Retry-After")
 *   504  unknown outcome; of a read: no answer            507  disk full            500  a bug
 *
 * Every answer but 405 is JSON; errors are {"error":"…","status":"NOT_LEADER",…} with a status of
 * base/status.h. (A body above HTTP_KV_BODY_BYTES_MAX is refused with 413 before anything looks at
 * it.) "location", also as the header, is where the same request may be sent next.
 */
#ifndef SYNOD_GATE_HTTP_KV_H
#define SYNOD_GATE_HTTP_KV_H

#include "base/limits.h"
#include "gate/http.h"

/* One command, as base64 within JSON, and the rest. */
#define HTTP_KV_BODY_BYTES_MAX (4u * MIB)
_Static_assert(HTTP_KV_BODY_BYTES_MAX >= COMMAND_BYTES_MAX / 3 * 4 + MIB,
	       "the largest command fits as base64");
#define HTTP_KV_REQUESTS_MAX 96u /* under way; more are answered BUSY */
#define HTTP_KV_TIMEOUT_MS 5000u
#define HTTP_KV_TIMEOUT_MS_MAX 60000u
#define HTTP_KV_AGE_MS_MAX 86400000u

/*
 * The group that serves a key, and the addresses (HOST:PORT, for RPC) of its members; borrowed
 * until the loop goes on.
 */
struct http_kv_owner {
	uint64_t group;
	uint32_t naddresses;
	const char *addresses[REPLICAS_MAX];
};

/* What only the daemon knows, for hints. Either function may be NULL. */
struct http_kv_options {
	/* False: unknown, no group, or the node's own. */
	bool (*owner)(void *context, struct slice key, struct http_kv_owner *out);
	/*
	 * Where the node that listens at `address` answers HTTP, as HOST:PORT; false: unknown, or
	 * nowhere.
	 */
	bool (*http_address)(void *context, struct slice address, char out[ADDRESS_BYTES_MAX + 1]);
	void *context;
};

/* Adds the pages to `http`, which takes care of their end, and counters to its node's metrics. */
void http_kv_serve(struct http *http, const struct http_kv_options *options);

#endif
