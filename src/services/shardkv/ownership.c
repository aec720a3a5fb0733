/* Which shards are ours: adopted configurations, grants, and where the keys of a request belong. */
#include "shardkv/internal.h"

#include "base/hashslot.h"

static uint64_t config_number(const struct shardkv_app *a)
{
	return a->config == NULL ? 0 : a->config->number;
}

static uint64_t gid_of(const struct shardkv_app *a, uint32_t shard)
{
	return a->config == NULL ? 0 : shard_config_gid(a->config, shard);
}

const struct state_table SHARD_STATES = {
	"shard",
	{
		[SHARD_FOREIGN] = {"foreign", NEXT(SHARD_ASSIGNED) | NEXT(SHARD_GRANTED)},
		[SHARD_GRANTED] = {"granted", NEXT(SHARD_OWNED)},
		[SHARD_ASSIGNED] = {"assigned", NEXT(SHARD_FOREIGN) | NEXT(SHARD_OWNED)},
		[SHARD_OWNED] = {"owned", NEXT(SHARD_GRANTED)},
	}};

/* The one move of a shard, and how many of them wait for a grant. */
static void become(struct shardkv_app *a, uint32_t shard, enum shard_state state)
{
	struct shard *s = &a->shards[shard];
	if (s->state == state)
		return;
	ASSERT(s->state != SHARD_ASSIGNED || a->unclaimed > 0);
	a->unclaimed -= s->state == SHARD_ASSIGNED;
	s->state = state_move(&SHARD_STATES, s->state, state);
	a->unclaimed += s->state == SHARD_ASSIGNED;
}

/* Says why a shard cannot be used here. */
static int refuse_shard(struct shardkv_app *a, uint32_t shard, struct reply *reply)
{
	unsigned long long number = config_number(a);
	unsigned long long gid = gid_of(a, shard);
	if (gid == a->gid) {
		shardkv_refuse(reply, STATUS_WRONG_GROUP, number,
			       "shard %u has not been granted to group %llu yet, try again", shard,
			       gid);
	} else if (gid == 0) {
		shardkv_refuse(reply, STATUS_WRONG_GROUP, number,
			       "shard %u belongs to no group in configuration %llu", shard, number);
	} else {
		shardkv_refuse(reply, STATUS_WRONG_GROUP, number,
			       "shard %u belongs to group %llu in configuration %llu", shard, gid,
			       number);
	}
	return reply->status;
}

/* What has been seen of the keys of one command. */
struct survey {
	bool ours;
	bool unusable;
	bool other;
	uint32_t unusable_shard; /* the first of each kind */
	uint32_t other_shard;
};

static uint32_t survey_key(struct shardkv_app *a, struct survey *survey, struct slice key)
{
	uint32_t shard = shard_of_key(key, a->nshards);
	const struct shard *s = &a->shards[shard];
	survey->ours |= shard_assigned(s);
	if (!shard_assigned(s) && !survey->other) {
		survey->other = true;
		survey->other_shard = shard;
	} else if (s->state == SHARD_ASSIGNED && !survey->unusable) {
		survey->unusable = true;
		survey->unusable_shard = shard;
	}
	return shard;
}

int ownership_check_command(struct shardkv_app *a, const struct wire_kv_command *command,
			    struct reply *reply)
{
	struct survey survey = {0};
	for (uint32_t i = 0; i < command->nwhen; i++)
		a->txn.when_shards[i] = survey_key(a, &survey, command->when[i].key);
	for (uint32_t i = 0; i < command->nthen; i++)
		a->txn.then_shards[i] = survey_key(a, &survey, command->then[i].key);
	for (uint32_t i = 0; i < command->notherwise; i++)
		a->txn.otherwise_shards[i] = survey_key(a, &survey, command->otherwise[i].key);
	if (survey.other && survey.ours && gid_of(a, survey.other_shard) != 0) {
		unsigned long long number = config_number(a);
		unsigned long long gid = gid_of(a, survey.other_shard);
		shardkv_refuse(reply, STATUS_CROSS_GROUP, number,
			       "in configuration %llu some keys of the transaction belong to group "
			       "%llu and some to group %llu; "
			       "a hash tag, as in {tag}key, keeps keys together",
			       number, (unsigned long long)a->gid, gid);
	} else if (survey.other) {
		refuse_shard(a, survey.other_shard, reply);
	} else if (survey.unusable) {
		refuse_shard(a, survey.unusable_shard, reply);
	}
	return reply->status;
}

int ownership_check_key(struct shardkv_app *a, struct slice key, uint32_t *shard,
			struct reply *reply)
{
	*shard = shard_of_key(key, a->nshards);
	return shard_usable(&a->shards[*shard]) ? 0 : refuse_shard(a, *shard, reply);
}

int ownership_check_scan(struct shardkv_app *a, uint64_t config, struct reply *reply)
{
	unsigned long long number = config_number(a);
	if (config != 0 && config != number) {
		shardkv_refuse(reply, STATUS_WRONG_GROUP, number,
			       "the scan is for configuration %llu, this group is at %llu",
			       (unsigned long long)config, number);
		return reply->status;
	}
	for (uint32_t shard = 0; a->unclaimed > 0 && shard < a->nshards; shard++) {
		if (a->shards[shard].state == SHARD_ASSIGNED)
			return refuse_shard(a, shard, reply);
	}
	return 0;
}

void ownership_grant(struct shardkv_app *a, uint32_t shard)
{
	become(a, shard, shard_assigned(&a->shards[shard]) ? SHARD_OWNED : SHARD_GRANTED);
}

/* The configuration says whose it is. */
static void assign(struct shardkv_app *a, uint32_t shard, bool ours)
{
	bool granted = shard_granted(&a->shards[shard]);
	if (ours)
		become(a, shard, granted ? SHARD_OWNED : SHARD_ASSIGNED);
	else
		become(a, shard, granted ? SHARD_GRANTED : SHARD_FOREIGN);
}

void ownership_clear(struct shardkv_app *a)
{
	shard_config_unref(a->config);
	a->config = NULL;
	memset(a->shards, 0, a->nshards * sizeof a->shards[0]);
	a->unclaimed = 0;
}

void ownership_set_config(struct shardkv_app *a, struct shard_config *config)
{
	ASSERT(config->nshards == a->nshards);
	shard_config_unref(a->config);
	a->config = config;
	for (uint32_t shard = 0; shard < a->nshards; shard++)
		assign(a, shard, gid_of(a, shard) == a->gid);
	ASSERT(a->unclaimed <= a->nshards);
}

static void adopt(struct shardkv_app *a, struct slice encoded, struct arena *arena,
		  struct reply *reply)
{
	struct shard_config *config;
	int status = shard_config_decode(encoded, arena, &config);
	if (status != 0) {
		shardkv_refuse(reply, status, config_number(a),
			       "the configuration cannot be decoded: %s", status_text(status));
		return;
	}
	if (config->nshards != a->nshards) {
		shardkv_refuse(reply, STATUS_BAD_REQUEST, config_number(a),
			       "the configuration has %u shards, the group has %u", config->nshards,
			       a->nshards);
		shard_config_unref(config);
		return;
	}
	if (config->number <= config_number(a)) {
		shard_config_unref(config);
		return;
	}
	ownership_set_config(a, config);
}

void ownership_apply(struct shardkv_app *a, const struct wire_kv_internal *internal,
		     struct arena *arena, struct reply *reply)
{
	for (uint32_t i = 0; i < internal->ngranted; i++) {
		if (internal->granted[i] >= a->nshards) {
			shardkv_refuse(reply, STATUS_BAD_REQUEST, config_number(a),
				       "there is no shard %u", internal->granted[i]);
			return;
		}
	}
	if (internal->config.len > 0) {
		adopt(a, internal->config, arena, reply);
		if (reply->status != 0)
			return;
	}
	/*
	 * A grant holds whatever configuration we are at: the master gave it while the shard was
	 * ours in its newest one, and never moves it afterwards. If we have not caught up with that
	 * configuration, the shard becomes usable when we do.
	 */
	for (uint32_t i = 0; i < internal->ngranted; i++)
		ownership_grant(a, internal->granted[i]);
	struct wire_kv_reply done = {.succeeded = true};
	wire_kv_reply_encode(&done, reply->body);
}

struct shard_config *shardkv_app_config(struct app *app)
{
	return app_of(app)->config;
}

uint64_t shardkv_app_config_number(struct app *app)
{
	return config_number(app_of(app));
}

bool shardkv_app_is_granted(struct app *app, uint32_t shard)
{
	struct shardkv_app *a = app_of(app);
	return shard < a->nshards && shard_granted(&a->shards[shard]);
}

bool shardkv_app_is_assigned(struct app *app, uint32_t shard)
{
	struct shardkv_app *a = app_of(app);
	return shard < a->nshards && shard_assigned(&a->shards[shard]);
}

uint32_t shardkv_app_unclaimed(struct app *app)
{
	return app_of(app)->unclaimed;
}

static bool shard_waits(const struct shardkv_app *a, uint32_t shard, bool *wanted)
{
	bool waits = a->shards[shard].state == SHARD_ASSIGNED;
	if (waits && wanted != NULL)
		wanted[shard] = true;
	return waits;
}

static bool key_waits(const struct shardkv_app *a, struct slice key, bool *wanted)
{
	return shard_waits(a, shard_of_key(key, a->nshards), wanted);
}

bool shardkv_app_command_waits(struct app *app, struct slice command, struct arena *arena,
			       bool *wanted)
{
	struct shardkv_app *a = app_of(app);
	struct wire_kv_command c;
	bool waits = false;
	if (wire_kv_command_decode(command, arena, &c) != 0)
		return false;
	for (uint32_t i = 0; i < c.nwhen; i++)
		waits |= key_waits(a, c.when[i].key, wanted);
	for (uint32_t i = 0; i < c.nthen; i++)
		waits |= key_waits(a, c.then[i].key, wanted);
	for (uint32_t i = 0; i < c.notherwise; i++)
		waits |= key_waits(a, c.otherwise[i].key, wanted);
	return waits;
}

bool shardkv_app_query_waits(struct app *app, struct slice query, struct arena *arena, bool *wanted)
{
	struct shardkv_app *a = app_of(app);
	struct wire_kv_query q;
	bool waits = false;
	if (wire_kv_query_decode(query, arena, &q) != 0)
		return false;
	for (uint32_t i = 0; i < q.nkeys; i++)
		waits |= key_waits(a, q.keys[i], wanted);
	if (!q.has_scan || (q.scan.config != 0 && q.scan.config != config_number(a)))
		return waits;
	/*
	 * A scan says "there is nothing else", which only holds for shards that nobody else can be
	 * writing to.
	 */
	for (uint32_t shard = 0; shard < a->nshards; shard++)
		waits |= shard_waits(a, shard, wanted);
	return waits;
}
