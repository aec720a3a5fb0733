/* Configurations in a snapshot. */
#include <stdlib.h>

#include "base/alloc.h"
#include "shardmaster/app.h"
#include "shardmaster/internal.h"

#define SNAPSHOT_MAGIC 0x32534d53u   /* "SMS2" */
#define SNAPSHOT_MAGIC_3 0x33534d53u /* "SMS3": with generations */
#define SNAPSHOT_MAGIC_1 0x31534d53u /* "SMS1": without reports */

/*
 * An image is references to the kept configurations, which are immutable, and a copy of the rest.
 */
struct app_snapshot {
	uint32_t nshards;
	uint32_t kept;
	uint32_t written; /* configurations */
	bool header_written;
	bool unsound; /* a configuration has changed by itself */
	struct shard_set claimed;
	uint32_t nreports;
	struct group_report *reports;
	struct shard_config *configs[]; /* oldest first */
};

static struct shardmaster_app *master_of(struct app *app)
{
	return (struct shardmaster_app *)(void *)((char *)app -
						  offsetof(struct shardmaster_app, app));
}

static uint32_t claim_words(uint32_t nshards)
{
	return (nshards + 63) / 64;
}

struct app_snapshot *shardmaster_snapshot_begin(struct app *app)
{
	struct shardmaster_app *master = master_of(app);
	struct app_snapshot *snapshot = alloc_zeroed(
		1, sizeof *snapshot + master->kept * sizeof snapshot->configs[0]);

	snapshot->nshards = master->nshards;
	snapshot->kept = master->kept;
	snapshot->claimed = master->claimed;
	snapshot->nreports = master->nreports;
	snapshot->reports = alloc_zeroed(master->nreports + 1, sizeof *snapshot->reports);
	memcpy(snapshot->reports, master->reports, master->nreports * sizeof *snapshot->reports);
	for (uint32_t i = 0; i < master->kept; i++)
		snapshot->configs[i] = shard_config_ref(
			shardmaster_kept(master, master->oldest + i));
	return snapshot;
}

static void put_header(const struct app_snapshot *snapshot, struct buffer *out)
{
	bool generations = reports_have_generations(snapshot->reports, snapshot->nreports);

	buffer_add_u32(out, generations ? SNAPSHOT_MAGIC_3 : SNAPSHOT_MAGIC);
	buffer_add_u32(out, snapshot->nshards);
	buffer_add_u64(out, snapshot->configs[0]->number);
	buffer_add_u32(out, snapshot->kept);
	for (uint32_t w = 0; w < claim_words(snapshot->nshards); w++)
		buffer_add_u64(out, snapshot->claimed.words[w]);
	reports_encode(snapshot->reports, snapshot->nreports, generations, out);
}

int shardmaster_snapshot_next(struct app_snapshot *snapshot, size_t bytes, struct buffer *out)
{
	size_t start = out->len;

	ASSERT(snapshot->written < snapshot->kept);
	if (!snapshot->header_written) {
		put_header(snapshot, out);
		snapshot->header_written = true;
	}
	/* At least one: a restore that is under way has a configuration between any two chunks. */
	do {
		uint32_t i = snapshot->written++;
		struct shard_config *empty = i == 0 ? shard_config_initial(snapshot->nshards)
						    : NULL;
		delta_encode(i == 0 ? empty : snapshot->configs[i - 1], snapshot->configs[i], out);
		shard_config_unref(empty);
		snapshot->unsound |= shard_config_rehash(snapshot->configs[i]) !=
				     snapshot->configs[i]->hash;
	} while (snapshot->written < snapshot->kept && out->len - start < bytes);
	if (snapshot->written == snapshot->kept && snapshot->unsound)
		return STATUS_CORRUPT;
	return snapshot->written < snapshot->kept;
}

void shardmaster_snapshot_end(struct app_snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->kept; i++)
		shard_config_unref(snapshot->configs[i]);
	free(snapshot->reports);
	free(snapshot);
}

/* The empty state is configuration 0, so that there is a newest configuration at any time. */
static void reset(struct shardmaster_app *master)
{
	shardmaster_clear(master);
	shardmaster_append_take(master, shard_config_initial(master->nshards));
	master->header_seen = false;
	master->expected = 0;
}

void shardmaster_restore_begin(struct app *app)
{
	struct shardmaster_app *master = master_of(app);

	reset(master);
}

static int take_header(struct shardmaster_app *master, struct slice *in)
{
	uint32_t magic, nshards;

	shardmaster_clear(master);
	if (!slice_take_u32(in, &magic) ||
	    (magic != SNAPSHOT_MAGIC && magic != SNAPSHOT_MAGIC_1 && magic != SNAPSHOT_MAGIC_3) ||
	    !slice_take_u32(in, &nshards) || nshards != master->nshards ||
	    !slice_take_u64(in, &master->oldest) || !slice_take_u32(in, &master->expected) ||
	    master->expected == 0 || master->expected > CONFIG_HISTORY_MAX ||
	    master->oldest > NUMBER_MAX - master->expected)
		return STATUS_CORRUPT;
	for (uint32_t w = 0; w < claim_words(nshards); w++)
		if (!slice_take_u64(in, &master->claimed.words[w]))
			return STATUS_CORRUPT;
	if (nshards % 64 != 0 && master->claimed.words[nshards / 64] >> nshards % 64 != 0)
		return STATUS_CORRUPT;
	if (magic != SNAPSHOT_MAGIC_1 && reports_decode(master, magic == SNAPSHOT_MAGIC_3, in) != 0)
		return STATUS_CORRUPT;
	master->header_seen = true;
	return 0;
}

static int take_config(struct shardmaster_app *master, struct slice *in)
{
	bool first = master->kept == 0;
	struct shard_config *config;

	if (master->kept == master->expected)
		return STATUS_CORRUPT;
	struct shard_config *from = first ? shard_config_initial(master->nshards)
					  : shardmaster_newest(master);
	int status = delta_decode(in, from, master->oldest + master->kept, &config);
	if (first)
		shard_config_unref(from);
	if (status != 0)
		return status;
	shardmaster_append_take(master, config);
	return 0;
}

static int take_records(struct shardmaster_app *master, struct slice in)
{
	int status = master->header_seen ? 0 : take_header(master, &in);

	while (status == 0 && (in.len > 0 || master->kept == 0))
		status = take_config(master, &in);
	return status;
}

int shardmaster_restore_chunk(struct app *app, struct slice chunk, struct arena *arena)
{
	struct shardmaster_app *master = master_of(app);

	(void)arena;
	int status = take_records(master, chunk);
	if (status != 0)
		reset(master);
	return status;
}

int shardmaster_restore_end(struct app *app)
{
	struct shardmaster_app *master = master_of(app);

	if (!master->header_seen || master->kept != master->expected)
		return STATUS_CORRUPT;
	/* Only a shard that somebody owns can have been claimed. */
	for (uint32_t s = 0; s < master->nshards; s++)
		if (shard_set_has(&master->claimed, s) &&
		    shard_config_gid(shardmaster_newest(master), s) == 0)
			return STATUS_CORRUPT;
	for (uint32_t i = 0; i < master->nreports; i++)
		if (!master->reports[i].left &&
		    shard_config_group(shardmaster_newest(master), master->reports[i].gid) == NULL)
			return STATUS_CORRUPT;
	return 0;
}
