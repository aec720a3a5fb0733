/*
 * struct app: what a replicated state machine replicates.
 *
 * An app is deterministic: its state after a sequence of commands is a function of
 * that sequence and of the struct apply_context that comes with each. It reads no clock,
 * no random numbers and no settings of this process; these come with the entry. The rsm calls it on
 * the node's thread, one call at a time.
 *
 * A reply is a status and bytes; both are stored with the session (long bytes in a shorter form, if
 * the app has one), so a repeated command gets the same reply without being applied again. A
 * command that is refused by apply() (status ≠ 0) must have changed nothing.
 */
#ifndef SYNOD_RSM_APP_H
#define SYNOD_RSM_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"
#include "rsm/group_fields.h"

struct apply_context {
	uint64_t slot; /* log slot of the entry */
	/* leader's wall clock when it proposed: for people; clocks may stand wrong, and go back */
	uint64_t time_us;
	/* by which this entry is applied, on every replica */
	const struct group_settings *settings;
	uint64_t client; /* 0: proposed by the service itself */
	uint64_t sequence;
	struct arena *arena; /* for decoding; reset after the call */
};

struct reply {
	int status;
	struct buffer *body; /* the app appends its encoded reply; empty at the call */
	/*
	 * What making it took beyond the body, as the number of bytes that might have been copied
	 * in that time; of admit(): what apply() will probably take, body and all. The turns of the
	 * loop are cut by it; what is small may be left out.
	 */
	uint64_t work;
};

#define APP_EXPECTED_MAX 16u

struct app;
struct app_snapshot; /* defined by the app */
struct app_audit;    /* … */

/* What an audit has found: a hash of each part of the state; valid until the audit ends. */
struct app_parts {
	uint32_t count; /* 1 … APP_PARTS_MAX; the same on every replica */
	const uint64_t *hashes;
	/*
	 * All that is kept about the contents (sums, counters) fits them: if not, the memory of
	 * this process has changed by itself.
	 */
	bool sound;
};
#define APP_PARTS_MAX (SHARDS_MAX + 16u)

struct app_ops {
	/*
	 * Before a command is logged, on the leader: 0 to let it pass, or a refusal
	 * (STATUS_WRONG_GROUP, STATUS_TOO_LARGE, …) with reply->body as an encoded error. What
	 * depends on this process's settings is judged here only; apply() decides what depends on
	 * the state, and does what has been logged.
	 */
	int (*admit)(struct app *app, struct slice command, struct arena *arena,
		     struct reply *reply);
	void (*apply)(struct app *app, const struct apply_context *context, struct slice command,
		      struct reply *reply);
	/* A read at the current state. Same reply conventions. */
	void (*query)(struct app *app, struct slice query, struct arena *arena,
		      struct reply *reply);
	/*
	 * Hints, and may be NULL: these commands (queries) come next, in this order, 2 …
	 * APP_EXPECTED_MAX of them. The app may bring what they touch into the processor's cache,
	 * of all together, and must change nothing. They are not checked.
	 */
	void (*expect_commands)(struct app *app, const struct slice commands[], uint32_t count);
	void (*expect_queries)(struct app *app, const struct slice queries[], uint32_t count);

	/*
	 * Both or none; NULL: replies are kept as they are. shorten() appends the form in which the
	 * reply to a command is kept for whoever repeats it, complete() the reply to the repeated
	 * command; false: it is the reply, or what is kept, as it is. What is kept is part of the
	 * replicated state: it follows from the reply alone.
	 */
	bool (*shorten)(struct app *app, struct slice reply, struct arena *arena,
			struct buffer *out);
	bool (*complete)(struct app *app, struct slice kept, struct slice command,
			 struct arena *arena, struct buffer *out);

	/*
	 * A consistent image of now, cheap to take (O(1) or a reference). next() appends up to
	 * about `bytes` bytes to `out` and returns 1 while there is more, 0 after the last; it is
	 * called over many turns while apply() goes on. Instead of the last one it returns
	 * STATUS_CORRUPT if the contents do not fit what is kept about them: memory has changed by
	 * itself, and nobody could restore what it has made. The chunks are self-delimiting:
	 * restore gets them one by one, as they were made.
	 */
	struct app_snapshot *(*snapshot_begin)(struct app *app);
	/*
	 * next() touches nothing but its image, which nobody changes, so that another thread may
	 * call it; begin() and end() are called by the node's.
	 */
	bool image_is_apart;
	/* About as much as a snapshot of now would hold. NULL: about as much as the last one did. */
	uint64_t (*bytes)(struct app *app);
	int (*snapshot_next)(struct app_snapshot *snapshot, size_t bytes, struct buffer *out);
	void (*snapshot_end)(struct app_snapshot *snapshot);
	/*
	 * Replaces the whole state. begin empties it; chunk: 0 or STATUS_CORRUPT; end: 0 or
	 * STATUS_CORRUPT if incomplete.
	 */
	void (*restore_begin)(struct app *app);
	int (*restore_chunk)(struct app *app, struct slice chunk, struct arena *arena);
	int (*restore_end)(struct app *app);

	/*
	 * A hash of the whole state: equal states have equal hashes on every replica, whatever way
	 * led there.
	 */
	uint64_t (*hash)(struct app *app);

	/*
	 * All or none; NULL: the state is one part, whose hash is hash(). An audit hashes the state
	 * as it is at audit_begin(), from its contents and not from what is kept about them, and in
	 * parts, so that it can be said which one differs from other replicas'. It begins cheaply,
	 * as a snapshot does, and goes on in steps of about `work` bytes that might be copied in
	 * their time, while apply() goes on; next() returns 1 while there is more. It may be ended
	 * at any time, but lives no longer than the app.
	 */
	struct app_audit *(*audit_begin)(struct app *app);
	int (*audit_next)(struct app_audit *audit, uint64_t work);
	struct app_parts (*audit_parts)(const struct app_audit *audit);
	void (*audit_end)(struct app_audit *audit);
	/* Appends the name of a part for people: "shard 7". */
	void (*part_name)(struct app *app, uint32_t part, struct buffer *out);

	void (*destroy)(struct app *app);
};

struct app {
	const struct app_ops *ops;
};

#endif
