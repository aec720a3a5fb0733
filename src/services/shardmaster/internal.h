/*
 * The state behind shardmaster/app.h, shared by app.c, snapshot.c, audit.c and reports.c.
 */
#ifndef SYNOD_SHARDMASTER_INTERNAL_H
#define SYNOD_SHARDMASTER_INTERNAL_H

#include "rsm/app.h"
#include "shardmaster/config.h"
#include "shardmaster/shard_config.h"
#include "wire/wire.h"

/* The newest list of members that a group has told of. */
struct group_report {
	uint64_t gid;
	uint64_t group_id;   /* never 0 */
	uint32_t generation; /* of the group (rsm/force.h) … */
	uint64_t life;       /* … begun from this disk; 0: it was never forced */
	/* it was forced, and has left: another group may join with its number */
	bool left;
	uint64_t slot; /* of the list in that generation; 0: it has not told one yet */
};

struct shardmaster_app {
	struct app app;
	uint32_t nshards;
	/*
	 * Numbers oldest … newest are at [number % CONFIG_HISTORY_MAX]; there is always at least
	 * one.
	 */
	struct shard_config *history[CONFIG_HISTORY_MAX];
	uint64_t oldest;
	uint32_t kept;
	struct shard_set claimed;
	/*
	 * Of groups of the newest configuration, and of those that were forced and have left;
	 * ascending by gid.
	 */
	uint32_t nreports;
	struct group_report reports[2 * GROUPS_MAX];
	uint64_t (*clients)(void *context); /* not part of the state */
	void *clients_context;
	/* During a restore. */
	bool header_seen;
	uint32_t expected;
};

static inline struct shardmaster_app *shardmaster_of(const struct app *app)
{
	return (struct shardmaster_app *)(void *)((char *)(uintptr_t)app -
						  offsetof(struct shardmaster_app, app));
}
static inline struct shard_config *shardmaster_kept(const struct shardmaster_app *master,
						    uint64_t number)
{
	return master->history[number % CONFIG_HISTORY_MAX];
}
static inline struct shard_config *shardmaster_newest(const struct shardmaster_app *master)
{
	ASSERT(master->kept > 0);
	return shardmaster_kept(master, master->oldest + master->kept - 1);
}

/* Appends to the history, whose oldest makes room; takes the reference. */
void shardmaster_append_take(struct shardmaster_app *master, struct shard_config *config);
void shardmaster_clear(struct shardmaster_app *master);

/* reports.c */

/*
 * A group's MEMBERS: 0 and the next configuration, or the old one, in *out; or a refusal. The
 * report is noted with reports_note(), when the configuration has been appended.
 */
int reports_judge(struct shardmaster_app *master, const struct wire_master_command *command,
		  struct shard_config **out, struct buffer *error) MUST_CHECK;
void reports_note(struct shardmaster_app *master, const struct wire_master_command *command);
/* A group's FORCE. 0, or a refusal. */
int reports_force(struct shardmaster_app *master, const struct wire_master_command *command,
		  struct buffer *error) MUST_CHECK;
/* What is known of the group; NULL: nothing, and it was never forced. */
const struct group_report *reports_of(const struct shardmaster_app *master, uint64_t gid);
/*
 * Forgets the groups that have left, but those that were forced: a directory of theirs may yet come
 * back.
 */
void reports_prune(struct shardmaster_app *master);
/* `generations`: in format 3. */
void reports_encode(const struct group_report *reports, uint32_t count, bool generations,
		    struct buffer *out);
/* Some group was forced. */
bool reports_have_generations(const struct group_report *reports, uint32_t count);
/* 0 or STATUS_CORRUPT. */
int reports_decode(struct shardmaster_app *master, bool generations, struct slice *in) MUST_CHECK;
uint64_t reports_hash(const struct shardmaster_app *master);

/* snapshot.c: the app_ops of that name. */
struct app_snapshot *shardmaster_snapshot_begin(struct app *app);
int shardmaster_snapshot_next(struct app_snapshot *snapshot, size_t bytes, struct buffer *out);
void shardmaster_snapshot_end(struct app_snapshot *snapshot);
void shardmaster_restore_begin(struct app *app);
int shardmaster_restore_chunk(struct app *app, struct slice chunk, struct arena *arena);
int shardmaster_restore_end(struct app *app);

/* audit.c: the same. */
struct app_audit *shardmaster_audit_begin(struct app *app);
int shardmaster_audit_next(struct app_audit *audit, uint64_t work);
struct app_parts shardmaster_audit_parts(const struct app_audit *audit);
void shardmaster_audit_end(struct app_audit *audit);
void shardmaster_part_name(struct app *app, uint32_t part, struct buffer *out);

/* delta.c: one configuration as its difference from another (the config record of app.h). */
void delta_encode(const struct shard_config *from, const struct shard_config *to,
		  struct buffer *out);
/*
 * Takes a record off the front of `in`: 0 and a new reference with the number after from's, or
 * STATUS_CORRUPT.
 */
int delta_decode(struct slice *in, const struct shard_config *from, uint64_t number,
		 struct shard_config **out) MUST_CHECK;

#endif
