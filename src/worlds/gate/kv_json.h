/*
 * kv_json: keys, values and transactions as JSON ⇄ the structs of the wire. Touches nothing but
 * memory.
 *
 * Bytes. A string is text; bytes that are not UTF-8 are base64, and a member beside it says so:
 * "encoding":"base64" for "value", "key_encoding" for "key", "expect_encoding" for "expect". Either
 * form may hold any bytes when it is read ("\u0000" is one zero byte); written is text wherever it
 * can be.
 *
 * A record     {"key":K,"value":V}
 * Transaction {"if":[COMPARE…],"then":[OP…],"else":[OP…]}; each list may be missing, not all of
 * them
 * COMPARE      {"target":"value","key":K,"relation":"=","value":V}
 *              {"target":"version"|"modification","key":K,"relation":R,"number":N}
 *              {"target":"exists","key":K}      or with "relation" and "number", 1: it does, 0: it
 *                                               does not
 *              relations: = != < >; "=" if there is none
 * OP           {"op":"get"|"del","key":K}   {"op":"put"|"append","key":K,"value":V}
 *              {"op":"incr","key":K,"delta":1}
 *              {"op":"cas","key":K,"expect":V,"value":V}   or with "absent":true instead of
 *                                                          "expect"
 *
 * A member that does not belong where it stands is an error, as is one that stands twice: a
 * mistyped "else" is not an empty one. Before the parser allocates anything the text is walked
 * once: at most JSON_DEPTH_MAX levels and JSON_ELEMENTS_MAX values, so that no text costs much more
 * memory than its own length.
 */
#ifndef SYNOD_GATE_KV_JSON_H
#define SYNOD_GATE_KV_JSON_H

#include "base/arena.h"
#include "base/status.h"
#include "wire/wire.h"

#define JSON_DEPTH_MAX 8u
#define JSON_ELEMENTS_MAX 8192u
#define KV_JSON_ERROR_BYTES 256u

/*
 * A record as a PUT, a transaction as a command. 0, STATUS_BAD_REQUEST, or STATUS_TOO_LARGE (too
 * many operations); then `error` holds a sentence. What *out points to is in the arena, which must
 * take the length of the text and 128 KiB.
 */
int kv_json_parse_record(struct slice text, struct arena *arena, struct wire_kv_command *out,
			 char error[KV_JSON_ERROR_BYTES]) MUST_CHECK;
int kv_json_parse_txn(struct slice text, struct arena *arena, struct wire_kv_command *out,
		      char error[KV_JSON_ERROR_BYTES]) MUST_CHECK;

enum kv_json_flags {
	KV_JSON_VALUE = 1,  /* with the value */
	KV_JSON_BASE64 = 2, /* values are base64 even if they are text */
};
/* {"key":K,"value":V,"version":N,"modification":N} */
void kv_json_record(struct buffer *out, struct slice key, const struct wire_kv_result *result,
		    unsigned flags);
/*
 * {"succeeded":true,
 *  "results":[{"op":"get","key":K,"ok":true,"value":V,"version":N,"modification":N}…]};
 * with "error" instead of a value where "ok" is false (an unequal CAS has both). `command` is what
 * `reply` answers: the results must be as many as the operations of the branch that was taken.
 */
void kv_json_txn(struct buffer *out, const struct wire_kv_command *command,
		 const struct wire_kv_reply *reply, unsigned flags);

/*
 * {"error":"…","status":"NOT_LEADER",…}. Members that are empty or 0 are left out. Text that is not
 * UTF-8 is too.
 */
struct kv_json_error {
	int status;
	struct slice message;
	struct slice key;
	struct slice leader; /* HOST:PORT for RPC */
	uint64_t group;      /* that serves the key */
	uint32_t naddresses;
	const char *const *addresses; /* its members', for RPC */
	struct slice location;        /* URL */
};
void kv_json_error(struct buffer *out, const struct kv_json_error *error);

#endif
