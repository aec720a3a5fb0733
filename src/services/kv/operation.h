/*
 * kv: what one operation on one key does, as a function of the record that is there. Used by every
 * service that keeps keys; where the record lies, and which version and modification a write gets,
 * is the service's business.
 *
 *   GET     value, or NOT_FOUND
 *   PUT     stores value
 *   APPEND  adds value at the end (a missing key counts as empty); the result is the new value
 *   DELETE  removes; NOT_FOUND if there was nothing
 *   CAS     stores value if the present value equals expect, or, with absent, if there is no key;
 *           otherwise COMPARE_FALSE with the present value and its version, or NOT_FOUND (not
 *           absent, and no key)
 *   INCR    adds delta to a decimal 64-bit integer (a missing key counts as 0; no sign but '-', no
 *           leading zeros, no spaces, as in Redis); the result is the new value
 *
 * NOT_FOUND and COMPARE_FALSE are answers and stand in the result. A refusal is returned: TOO_LARGE
 * (APPEND's new value, or the results of a command together) or NOT_NUMBER (INCR); then the
 * operation has no effect.
 *
 * Ownership: out->value and out->result.value point into the operation, the record or the arena.
 */
#ifndef SYNOD_KV_OPERATION_H
#define SYNOD_KV_OPERATION_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/limits.h"
#include "store/store.h"
#include "wire/wire.h"

/* Values in one reply, together; the largest single value fits. */
#define KV_RESULT_BYTES_MAX COMMAND_BYTES_MAX
#define KV_WHY_BYTES 256u

/* The operations of one command share it. */
struct kv_evaluation {
	struct arena *arena; /* for new values */
	uint32_t value_bytes_max;
	size_t result_bytes;    /* values of all results so far */
	char why[KV_WHY_BYTES]; /* after a refusal: a sentence for people */
};

enum kv_effect { KV_EFFECT_NONE, KV_EFFECT_PUT, KV_EFFECT_DELETE };

struct kv_outcome {
	enum kv_effect effect;
	struct slice value;           /* KV_EFFECT_PUT: what is to be stored */
	struct wire_kv_result result; /* for an effect without version and modification */
};

/* `before`: the record as the operation sees it; NULL: no such key. 0 or the refusal. */
int kv_operation(struct kv_evaluation *e, const struct wire_kv_op *op,
		 const struct store_record *before, struct kv_outcome *out) MUST_CHECK;

/* The next version of a key; 0 after its deletion. */
static inline uint64_t kv_next_version(const struct store_record *before, enum kv_effect effect)
{
	if (effect == KV_EFFECT_DELETE)
		return 0;
	return before == NULL ? 1 : before->version + 1;
}

/* A key for people: quoted, at most some dozens of bytes. */
#define KV_KEY_TEXT_BYTES 72
const char *kv_key_text(char out[KV_KEY_TEXT_BYTES], struct slice key);

#endif
