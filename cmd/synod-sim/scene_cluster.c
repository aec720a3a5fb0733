/*
 * The whole: three shard masters, some groups, and clients that use the client library. One more
 * client, the administrator, joins the groups and goes on changing the configuration while
 * everything else happens. And in some runs members of the groups, and of the masters' own, come
 * and go: everybody knows where masters may be found, and learns from them where the groups are.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "forcer.h"
#include "joiner.h"
#include "kv_client.h"
#include "rsm/members.h"
#include "scene.h"
#include "shardkv/internal.h"
#include "shardkv/node.h"
#include "shardmaster/node.h"
#include "shardmaster/shard_config.h"
#include "sim/network.h"
#include "wire/method.h"
#include "wire/wire.h"

#define MASTERS 3u
#define GROUPS_LIMIT 5u
#define CLIENTS_LIMIT 8u
#define MOVE_WAITED_FOR 100u
#define SPARES_LIMIT 2u
#define MACHINES_LIMIT (REPLICAS_MAX + SPARES_LIMIT)
#define MASTERS_LIMIT (MASTERS + SPARES_LIMIT)

/* A replica's place; the options of its node are made from it at every start. */
struct place {
	struct cluster_scene *cluster;
	uint32_t group;   /* 0: shard masters */
	uint32_t replica; /* from 0; spare machines come last */
	char name[16];
	char address[24];
	struct joiner_place joiner; /* if members change */
};

struct cluster_scene {
	struct scene *scene;
	uint32_t nshards;
	uint32_t ngroups;   /* shardkv groups: gid 1 … ngroups */
	uint32_t nreplicas; /* of each, in the beginning */
	/* machines of each group that may become members; 0: members stay who they are */
	uint32_t spares;
	struct rsm_settings settings;
	struct place places[GROUPS_LIMIT + 1][MACHINES_LIMIT];
	const char *masters[MASTERS_LIMIT]; /* where they may be found */
	struct sim_kv_client clients[CLIENTS_LIMIT];
	struct sim_mix *mix;

	struct sim_kv_client administrator;
	struct sim_process *administrator_process;
	struct rng patience; /* of clients */
	bool healed;
	struct rng hearsay; /* of the administrator, who may have an old list of addresses */
	struct rng ambush;  /* … and of what waits for a change of the configuration */
	bool ambushes;
	/* of a group that hears of no configuration */
	struct sim_rule rules[4 * MASTERS_LIMIT * MACHINES_LIMIT];
	bool ignorant;
	struct timer timer;
	bool asking;
	bool joined;      /* at least one group serves */
	uint64_t changes; /* of the configuration, with success */
};

/* ---- replicas ---- */

static uint32_t members_of(const struct cluster_scene *cluster, uint32_t group)
{
	return group == 0 ? MASTERS : cluster->nreplicas;
}

static uint32_t machines_of(const struct cluster_scene *cluster, uint32_t group)
{
	return members_of(cluster, group) + cluster->spares;
}

static uint32_t nmasters(const struct cluster_scene *cluster)
{
	return machines_of(cluster, 0);
}

/* Of the beginning. */
static void first_members(const struct cluster_scene *cluster, uint32_t group,
			  struct rsm_member *members)
{
	for (uint32_t i = 0; i < members_of(cluster, group); i++) {
		const struct place *other = &cluster->places[group][i];
		members[i] = (struct rsm_member){.replica = i + 1,
						 .name = other->name,
						 .address = other->address,
						 .client_address = other->address};
	}
}

static struct joiner_place *joiner_place_of(struct scene *scene, struct sim_process *process)
{
	struct place *place = process->context;
	(void)scene;
	return &place->joiner;
}

/* Who it is, and who the others are. */
static void fill_members(const struct place *place, struct sim_process *process,
			 struct rsm_options *out)
{
	const struct cluster_scene *cluster = place->cluster;
	*out = (struct rsm_options){.replica = place->replica + 1,
				    .nmembers = members_of(cluster, place->group)};
	if (cluster->spares > 0)
		joiner_apply(&place->joiner, process, out);
	else
		first_members(cluster, place->group, out->members);
}

static bool waits_to_join(const struct place *place)
{
	return place->cluster->spares > 0 && place->joiner.replica == 0;
}

static struct node *build_master(void *context, struct sim_process *process)
{
	struct place *place = context;
	struct rsm_options own;
	if (waits_to_join(place))
		return joiner_build(&place->joiner, process);
	fill_members(place, process, &own);
	struct shardmaster_options options = {
		.env = &process->env,
		.log = &process->log,
		.cluster = "sim",
		.name = place->name,
		.version = "sim",
		.nshards = place->cluster->nshards,
		.replica = own.replica,
		.nmembers = own.nmembers,
		.joining = own.joining,
		.settings = place->cluster->settings,
	};
	scene_vary_settings(place->cluster->scene, process, &options.settings.group);
	memcpy(options.members, own.members, sizeof options.members);
	return shardmaster_create(&options);
}

static struct node *build_shardkv(void *context, struct sim_process *process)
{
	struct place *place = context;
	const struct cluster_scene *cluster = place->cluster;
	struct rsm_options own;
	if (cluster->spares > 0)
		joiner_hear(&place->joiner, process);
	if (waits_to_join(place))
		return joiner_build(&place->joiner, process);
	fill_members(place, process, &own);
	struct shardkv_node_options options = {
		.env = &process->env,
		.log = &process->log,
		.cluster = "sim",
		.name = place->name,
		.version = "sim",
		.gid = place->group,
		.replica = own.replica,
		.nmembers = own.nmembers,
		.joining = own.joining,
		.generation = own.generation,
		.force = own.force,
		.nshards = cluster->nshards,
		.nmasters = nmasters(cluster),
		.settings = cluster->settings,
		.key_bytes_max = KEY_BYTES_MAX,
	};
	scene_vary_settings(cluster->scene, process, &options.settings.group);
	options.value_bytes_max = (uint32_t)options.settings.group.value_bytes_max;
	memcpy(options.members, own.members, sizeof options.members);
	for (uint32_t i = 0; i < options.nmasters; i++)
		options.masters[i] = options.client_masters[i] = cluster->masters[i];
	return shardkv_node_create(&options);
}

static void build_group(struct cluster_scene *cluster, uint32_t group)
{
	struct scene *scene = cluster->scene;
	struct sim_process *processes[MACHINES_LIMIT];
	struct rsm_member members[REPLICAS_MAX];
	const char *role = group == 0 ? "shardmaster" : "shardkv";
	uint32_t count = members_of(cluster, group), machines = machines_of(cluster, group);
	for (uint32_t i = 0; i < machines; i++) {
		struct place *place = &cluster->places[group][i];
		*place = (struct place){.cluster = cluster, .group = group, .replica = i};
		if (group == 0)
			snprintf(place->name, sizeof place->name, "m%u", i + 1);
		else
			snprintf(place->name, sizeof place->name, "g%u%c", group, 'a' + (char)i);
		snprintf(place->address, sizeof place->address, "%s:7000", place->name);
		processes[i] = sim_process_add(
			scene->world, &(struct sim_process_spec){
					      .name = place->name,
					      .address = place->address,
					      .build = group == 0 ? build_master : build_shardkv,
					      .context = place,
					      .disk = true,
					      .lives = true});
		scene_add_replica(scene, processes[i], group);
	}
	first_members(cluster, group, members);
	for (uint32_t i = 0; i < machines; i++) {
		struct place *place = &cluster->places[group][i];
		if (cluster->spares > 0)
			joiner_init(&place->joiner, scene, role, group, i < count ? i + 1 : 0,
				    members, count);
		if (group == 0)
			cluster->masters[i] = place->address;
	}
	scene_identify_group(processes, count, role, group);
	sim_nemesis_add_group(scene->nemesis, processes, count);
	sim_nemesis_add_spares(scene->nemesis, processes + count, machines - count);
}

/* ---- the administrator ---- */

static void administrator_later(struct cluster_scene *cluster, uint64_t mean_us)
{
	struct sim_world *world = cluster->scene->world;
	sim_world_timer_set(world, &cluster->timer,
			    world->now_us + rng_below(&world->rng_workload, 2 * mean_us + 1));
}

static void administrator_done(struct client_request *request, const struct synod_reply *reply,
			       struct slice payload)
{
	struct cluster_scene *cluster = request->context;
	struct scene *scene = cluster->scene;
	(void)payload;
	sim_trace_note(&scene->world->trace, "administrator %s", synod_status_text(reply->status));
	cluster->asking = false;
	cluster->joined = cluster->joined || reply->status == SYNOD_OK ||
			  reply->status == SYNOD_EXISTS;
	cluster->changes += reply->status == SYNOD_OK;
	if (scene->load.stopped)
		return;
	administrator_later(cluster, cluster->joined ? 2 * SIM_SECOND : 10 * SIM_MILLISECOND);
}

/*
 * The voters, by the newest list that anybody of the group knows; those of the beginning, before
 * there is one.
 */
static uint32_t addresses_of(struct cluster_scene *cluster, uint64_t gid, const char **addresses)
{
	struct sim_nemesis_roster roster;
	uint32_t count = 0;
	if (cluster->spares > 0 && joiner_roster(cluster->scene, (uint32_t)gid, &roster)) {
		for (uint32_t i = 0; i < roster.count; i++)
			if (roster.list[i].voter)
				addresses[count++] = roster.list[i].process->address;
		return count;
	}
	for (; count < cluster->nreplicas; count++)
		addresses[count] = cluster->places[gid][count].address;
	return count;
}

/*
 * Some of the addresses may lead nowhere: the group corrects that. The choice is of a stream of its
 * own.
 */
static int request_join(struct cluster_scene *cluster, uint64_t gid,
			struct client_request **request)
{
	static const char *const gone[REPLICAS_MAX] = {"gone1:7000", "gone2:7000", "gone3:7000",
						       "gone4:7000", "gone5:7000", "gone6:7000",
						       "gone7:7000"};
	const char *members[REPLICAS_MAX];
	uint32_t count = addresses_of(cluster, gid, members),
		 right = (uint32_t)rng_below(&cluster->hearsay, count);
	for (uint32_t i = 0; i < count; i++)
		members[i] = i == right || !rng_chance(&cluster->hearsay, 300000) ? members[i]
										  : gone[i];
	struct synod_group group = {.gid = gid, .nmembers = count, .members = members};
	return client_request_join(request, &group, 1);
}

/* ---- what meets a change of the configuration ---- */

/* It is up, and no machine that waits to become one. */
static bool is_replica(const struct scene_replica *replica)
{
	return sim_process_alive(replica->process) && !replica->waits;
}

/* The newest configuration that a living master knows; NULL: none. */
static struct shard_config *newest_config(const struct cluster_scene *cluster)
{
	struct shard_config *newest = NULL;
	for (uint32_t i = 0; i < cluster->scene->nreplicas; i++) {
		const struct scene_replica *replica = &cluster->scene->replicas[i];
		if (replica->group != 0 || !is_replica(replica))
			continue;
		struct shard_config *config = shardmaster_config(replica->process->node);
		if (config != NULL && (newest == NULL || config->number > newest->number))
			newest = config;
	}
	return newest;
}

/*
 * A group whose members are all replaced while its first join is under way would join with
 * addresses at which nobody is any more; and a group that has never told the masters who it is is
 * not believed other ones. Operators wait until it has.
 */
static bool members_may_change(struct scene *scene, uint32_t group)
{
	const struct scene_replica *newest = NULL;
	uint64_t number = 0;
	for (uint32_t i = 0; group != 0 && i < scene->nreplicas; i++) {
		const struct scene_replica *replica = &scene->replicas[i];
		if (replica->group != 0 || !is_replica(replica))
			continue;
		struct shard_config *config = shardmaster_config(replica->process->node);
		if (config == NULL || (newest != NULL && config->number <= number))
			continue;
		newest = replica;
		number = config->number;
	}
	return group == 0 || (newest != NULL && shardmaster_knows(newest->process->node, group));
}

/* What the masters that are up have applied. */
static uint32_t recorded_of(struct scene *scene, uint32_t group)
{
	uint32_t newest = 0;
	for (uint32_t i = 0; i < scene->nreplicas; i++) {
		const struct scene_replica *replica = &scene->replicas[i];
		if (replica->group != 0 || !is_replica(replica))
			continue;
		uint32_t generation = shardmaster_generation(replica->process->node, group);
		newest = generation > newest ? generation : newest;
	}
	return newest;
}

/* The masters keep the generations of those who have joined, and have told who they are. */
static bool may_be_forced(struct scene *scene, const struct scene_replica *replica)
{
	return replica->group != 0 && members_may_change(scene, replica->group);
}

static bool is_granted(const struct cluster_scene *cluster, uint32_t shard)
{
	for (uint32_t i = 0; i < cluster->scene->nreplicas; i++) {
		const struct scene_replica *replica = &cluster->scene->replicas[i];
		if (replica->group != 0 && is_replica(replica) &&
		    shardkv_app_is_granted(shardkv_node_app(replica->process->node), shard))
			return true;
	}
	return false;
}

/* Some of the shards of one group that nobody has used yet. */
static uint32_t unused_shards(struct cluster_scene *cluster, const struct shard_config *config,
			      uint32_t *shards)
{
	uint32_t count = 0, first = (uint32_t)rng_below(&cluster->ambush, config->nshards);
	uint64_t gid = 0;
	for (uint32_t i = 0; i < config->nshards && count < SIM_MIX_AIMS_MAX; i++) {
		uint32_t shard = (first + i) % config->nshards;
		if (shard_config_gid(config, shard) == 0 || is_granted(cluster, shard))
			continue;
		if (gid == 0)
			gid = shard_config_gid(config, shard);
		if (shard_config_gid(config, shard) == gid)
			shards[count++] = shard;
	}
	return count;
}

static void end_ignorance(void *data)
{
	struct cluster_scene *cluster = data;
	cluster->ignorant = false;
	sim_network_clear_rules(cluster->scene->world);
}

/*
 * For a while the group's questions for the newest configuration, and the answers, get lost; its
 * claims do not. So it goes on with an old one, and is granted what is still its own.
 */
static void keep_ignorant(struct cluster_scene *cluster, uint64_t gid)
{
	static const uint16_t methods[] = {METHOD_WATCH, METHOD_QUERY};
	struct sim_world *world = cluster->scene->world;
	uint32_t count = 0;
	if (cluster->ignorant || gid == 0 || gid > cluster->ngroups)
		return;
	for (uint32_t i = 0; i < machines_of(cluster, (uint32_t)gid); i++) {
		const struct sim_process *replica = sim_process_find(world,
								     cluster->places[gid][i].name);
		for (uint32_t m = 0; m < nmasters(cluster); m++) {
			const struct sim_process *master = sim_process_find(
				world, cluster->places[0][m].name);
			for (uint32_t k = 0; k < sizeof methods / sizeof methods[0]; k++) {
				struct sim_rule *to = &cluster->rules[count++],
						*from = &cluster->rules[count++];
				*to = (struct sim_rule){.from = replica,
							.to = master,
							.method = methods[k],
							.verdict = SIM_SWALLOW};
				*from = (struct sim_rule){.from = master,
							  .to = replica,
							  .method = methods[k],
							  .verdict = SIM_SWALLOW};
				sim_network_add_rule(world, to);
				sim_network_add_rule(world, from);
			}
		}
	}
	cluster->ignorant = true;
	uint64_t length_us = rng_range(&cluster->ambush, 200 * SIM_MILLISECOND, 3 * SIM_SECOND);
	sim_trace_note(&world->trace,
		       "group %" PRIu64 " hears of no configuration for %" PRIu64 " ms", gid,
		       length_us / 1000);
	sim_world_call_at(world, world->now_us + length_us, end_ignorance, cluster);
}

static void cluster_heal(struct scene *scene)
{
	struct cluster_scene *cluster = scene->own;
	cluster->healed = true;
	end_ignorance(cluster);
}

/*
 * Clients with the old configuration begin to use shards that nobody has used, several at once, at
 * the moment at which one of them is moved: their group claims what it may no longer have. Or a
 * scan with the old configuration meets what others have written under the new one. faults: 57, 58.
 * The shard that is to move; UINT32_MAX: any.
 */
static uint32_t lie_in_ambush(struct cluster_scene *cluster, bool *scans)
{
	uint32_t shards[SIM_MIX_AIMS_MAX], tags[SIM_MIX_AIMS_MAX];
	const struct shard_config *config = newest_config(cluster);
	if (!cluster->ambushes || config == NULL || !rng_chance(&cluster->ambush, 800000))
		return UINT32_MAX;
	uint32_t count = unused_shards(cluster, config, shards);
	if (count == 0)
		return UINT32_MAX;
	for (uint32_t i = 0; i < count; i++)
		tags[i] = sim_mix_fresh_tag(cluster->mix, shards[i], config->nshards);
	*scans = rng_chance(&cluster->ambush, 400000);
	uint64_t rounds = rng_range(&cluster->ambush, 0, 6);
	if (!*scans && rng_chance(&cluster->ambush, 700000)) {
		keep_ignorant(cluster, shard_config_gid(config, shards[0]));
		/*
		 * While the first one's claim is under way the others come together for the next.
		 */
		rounds = 1;
	}
	sim_mix_aim(cluster->mix, tags, count, *scans,
		    2 * rounds * cluster->scene->world->options.network.delay_mean_us);
	sim_trace_note(&cluster->scene->world->trace, "ambush shards=%" PRIu32 " first=%" PRIu32,
		       count, shards[0]);
	return shards[0];
}

/* A group that has no shard in the configuration; 0: there is none. */
static uint64_t idle_group(struct cluster_scene *cluster, const struct shard_config *config)
{
	uint32_t first = (uint32_t)rng_below(&cluster->ambush, cluster->ngroups);
	for (uint32_t i = 0; i < cluster->ngroups; i++) {
		uint64_t gid = 1 + (first + i) % cluster->ngroups;
		if (shard_config_count(config, gid) == 0)
			return gid;
	}
	return 0;
}

/* A group that serves others; 0: there is none. */
static uint64_t other_group(struct cluster_scene *cluster, const struct shard_config *config,
			    uint32_t shard)
{
	uint64_t owner = shard_config_gid(config, shard);
	uint32_t first = (uint32_t)rng_below(&cluster->ambush, config->ngroups);
	for (uint32_t i = 0; i < config->ngroups; i++) {
		uint64_t gid = config->groups[(first + i) % config->ngroups]->gid;
		if (gid != owner)
			return gid;
	}
	return 0;
}

/*
 * A change that may or may not be allowed at the moment, whatever state the groups are in that gain
 * or lose shards by it. faults: 57, 58
 */
static void administrator_ask(void *data, struct node *node)
{
	struct cluster_scene *cluster = data;
	struct rng *rng = &cluster->scene->world->rng_workload;
	struct client_request *request = NULL;
	uint64_t gid = rng_range(rng, 1, cluster->ngroups);
	uint64_t choice = cluster->joined ? rng_below(rng, 6) : 0;
	int status;
	(void)node;
	bool scans = false;
	uint32_t waited_for = cluster->joined ? lie_in_ambush(cluster, &scans) : UINT32_MAX;
	const struct shard_config *config = newest_config(cluster);
	if (waited_for != UINT32_MAX &&
	    (cluster->ignorant || rng_chance(&cluster->ambush, 700000))) {
		/* A group whom the scans of those who do not know of it do not ask. */
		uint64_t idle = scans ? idle_group(cluster, config) : 0;
		uint64_t other = other_group(cluster, config, waited_for);
		bool joined = idle != 0 && shard_config_group(config, idle) != NULL;
		if (idle != 0 && !joined) {
			choice = 0;
			gid = idle;
		} else if (idle != 0 || other != 0) {
			choice = MOVE_WAITED_FOR;
			gid = idle != 0 ? idle : other;
		}
	}
	/* Without a group nobody gets on. */
	if (cluster->healed && choice != MOVE_WAITED_FOR && config != NULL &&
	    config->ngroups <= (choice == 3))
		choice = 0;
	switch (choice) {
	case MOVE_WAITED_FOR: status = client_request_move(&request, waited_for, gid); break;
	case 0:
	case 1:
	case 2: status = request_join(cluster, gid, &request); break;
	case 3: status = client_request_leave(&request, &gid, 1); break;
	case 4:
		status = client_request_move(&request, (uint32_t)rng_below(rng, cluster->nshards),
					     gid);
		break;
	default: status = client_request_rebalance(&request); break;
	}
	ASSERT(status == 0);
	request->done = administrator_done;
	request->context = cluster;
	cluster->asking = true;
	client_submit(cluster->administrator.client, request);
}

static void administrator_due(void *data)
{
	struct cluster_scene *cluster = data;
	if (cluster->administrator_process->state != SIM_RUNNING)
		administrator_later(cluster, 100 * SIM_MILLISECOND);
	else if (!cluster->asking)
		sim_process_call(cluster->administrator_process, administrator_ask, cluster);
}

/* ---- clients ---- */

/*
 * Some take a server for silent so soon that a call has more attempts under way than it can
 * remember. From a stream of its own. faults: 48, 50
 */
static void draw_patience(struct cluster_scene *cluster, struct client_options *options)
{
	if (!rng_chance(&cluster->patience, 400000))
		return;
	options->attempt_timeout_ms = (uint32_t)rng_range(&cluster->patience, 5, 100);
	options->backoff_max_ms = (uint32_t)rng_range(&cluster->patience, 10, 100);
}

static struct sim_process *build_client(struct cluster_scene *cluster, const char *name,
					struct sim_kv_client *kv)
{
	struct scene *scene = cluster->scene;
	kv->options = (struct client_options){.masters = cluster->masters,
					      .nmasters = nmasters(cluster)};
	draw_patience(cluster, &kv->options);
	struct sim_process *process = sim_process_add(
		scene->world, &(struct sim_process_spec){
				      .name = name, .build = sim_kv_client_build, .context = kv});
	sim_nemesis_add_client(scene->nemesis, process);
	return process;
}

static void build_clients(struct cluster_scene *cluster)
{
	struct scene *scene = cluster->scene;
	struct sim_process *processes[CLIENTS_LIMIT];
	struct sim_load_options options;
	sim_load_options_draw(&options, &scene->rng);
	for (uint32_t i = 0; i < options.clients; i++) {
		char name[16];
		snprintf(name, sizeof name, "c%u", i);
		processes[i] = build_client(cluster, name, &cluster->clients[i]);
	}
	scene->load.submit = sim_kv_client_submit;
	scene->load.backend = cluster->clients;
	sim_load_init(&scene->load, scene->world, &options, processes);
	cluster->mix = sim_mix_create(
		scene->world,
		&(struct sim_mix_options){
			.clients = options.clients,
			.window = cluster->ambushes ? 4 : 2,
			.think_mean_us = 2 * options.think_mean_us,
			.timeout_min_ms = options.timeout_min_ms,
			.timeout_max_ms = options.timeout_max_ms,
			.scans_from_us = cluster->ambushes
						 ? rng_below(&cluster->ambush, 40 * SIM_SECOND)
						 : 0},
		processes, cluster->clients);
	cluster->administrator_process = build_client(cluster, "admin", &cluster->administrator);
	timer_init(&cluster->timer, administrator_due, cluster);
}

static void cluster_build(struct scene *scene)
{
	struct cluster_scene *cluster = ALLOC(struct cluster_scene);
	scene->own = cluster;
	cluster->scene = scene;
	cluster->nshards = 1u << rng_range(&scene->rng, 2, 8);
	cluster->ngroups = (uint32_t)rng_range(&scene->rng, 1, GROUPS_LIMIT - 1);
	cluster->nreplicas = scene->options->replicas == 0 ? 3 : scene->options->replicas;
	scene_draw_settings(scene, &cluster->settings);
	rng_seed(&cluster->ambush, scene->options->seed ^ 0x616d62757368ull);
	cluster->ambushes = rng_chance(&cluster->ambush, 700000);
	rng_seed(&cluster->hearsay, scene->options->seed ^ 0x68656172736179ull);
	rng_seed(&cluster->patience, scene->options->seed ^ 0x70617469656e6365ull);
	cluster->spares = joiner_spares(scene);
	if (cluster->spares > SPARES_LIMIT)
		cluster->spares = SPARES_LIMIT;
	for (uint32_t group = 0; group <= cluster->ngroups; group++)
		build_group(cluster, group);
	if (cluster->spares > 0)
		joiner_operate(scene, joiner_place_of);
	if (cluster->spares > 0)
		forcer_operate(scene, may_be_forced, recorded_of);
	build_clients(cluster);
	for (uint32_t i = 0; i < scene->world->nprocesses; i++)
		sim_process_start(scene->world->processes[i]);
	administrator_later(cluster, SIM_SECOND);
}

static bool cluster_ready(struct scene *scene)
{
	const struct cluster_scene *cluster = scene->own;
	return cluster->joined;
}

static struct rsm *cluster_rsm(const struct scene_replica *replica)
{
	struct node *node = replica->process->node;
	return replica->group == 0 ? shardmaster_rsm(node) : shardkv_node_rsm(node);
}

static uint64_t cluster_hash(const struct scene_replica *replica)
{
	struct node *node = replica->process->node;
	if (replica->group == 0)
		return shardmaster_config(node)->hash;
	struct app *app = shardkv_node_app(node);
	return app->ops->hash(app);
}

/*
 * A group has a list when all its first members have met: never, if one of them has lost its log
 * for good before.
 */
static bool is_awaited(const struct cluster_scene *cluster, uint64_t group)
{
	for (uint32_t i = 0; i < cluster->scene->nreplicas; i++) {
		const struct scene_replica *replica = &cluster->scene->replicas[i];
		const struct sim_process *process = replica->process;
		if (replica->group == group && process->state == SIM_HALTED &&
		    process->halt_status == STATUS_CORRUPT)
			return true;
	}
	return false;
}

/* Who leads the group. Who is left frozen may believe so for ever, of an earlier ballot. */
static const struct rsm *leader_of(const struct cluster_scene *cluster, uint64_t gid)
{
	const struct rsm *leader = NULL;
	for (uint32_t i = 0; i < cluster->scene->nreplicas; i++) {
		const struct scene_replica *replica = &cluster->scene->replicas[i];
		if (replica->group != gid || !is_replica(replica))
			continue;
		const struct rsm *rsm = shardkv_node_rsm(replica->process->node);
		if (rsm_is_leader(rsm) &&
		    (leader == NULL ||
		     consensus_epoch(rsm_core(rsm)) > consensus_epoch(rsm_core(leader))))
			leader = rsm;
	}
	return leader;
}

/* The masters know where the voters of a group are found; also that they know of none. */
static bool is_known(const struct cluster_scene *cluster, const struct shard_group *known)
{
	const struct rsm *leader = leader_of(cluster, known->gid);
	const struct group_members *members = leader == NULL ? NULL : rsm_members(leader);
	uint32_t common = 0;
	if (members == NULL)
		return false;
	if (members->slot == 0)
		return is_awaited(cluster, known->gid);
	for (uint32_t k = 0; k < members->count; k++)
		common += members->list[k].role == MEMBER_VOTER &&
			  shard_group_has(known, slice_string(members->list[k].address));
	return common == members_voters(members) && common == known->nmembers;
}

static bool cluster_settled(struct scene *scene)
{
	const struct cluster_scene *cluster = scene->own;
	const struct shard_config *config = newest_config(cluster);
	for (uint32_t g = 0; config != NULL && g < config->ngroups; g++)
		if (!is_known(cluster, config->groups[g]))
			return false;
	return config != NULL;
}

/* A value, or the sum of the digests, of a shard that has records. */
static bool cluster_change(const struct scene_replica *replica, struct rng *rng, bool kept,
			   uint32_t *part)
{
	if (replica->group == 0) {
		/*
		 * Whoever asks for a configuration may be sent a wrong one: only what is kept about
		 * it changes.
		 */
		shardmaster_config(replica->process->node)->hash ^= kept ? 1ull << rng_below(rng,
											     64)
									 : 0;
		*part = 0;
		return kept;
	}
	struct shardkv_app *a = app_of(shardkv_node_app(replica->process->node));
	uint32_t first = (uint32_t)rng_below(rng, a->nshards);
	uint64_t bit = rng_below(rng, 64), skip = rng_below(rng, 8);
	for (uint32_t i = 0; i < a->nshards; i++) {
		uint32_t shard = (first + i) % a->nshards;
		struct store_record record;
		if (a->store->ops->space_count(a->store, shard) == 0)
			continue;
		*part = shard;
		if (kept) {
			a->shards[shard].digest ^= 1ull << bit;
			return true;
		}
		struct store_iterator *iterator = a->store->ops->iterate(a->store, NULL, shard,
									 slice(NULL, 0));
		bool found = a->store->ops->next(iterator, &record);
		for (; skip > 0 && a->store->ops->next(iterator, &record); skip--)
			;
		a->store->ops->iterate_end(iterator);
		if (!found || record.value.len == 0)
			continue;
		struct buffer key = {0}, value = {0};
		buffer_add_slice(&key, record.key);
		buffer_add_slice(&value, record.value);
		value.data[bit % value.len] ^= (uint8_t)(1u << bit % 8);
		record.key = buffer_slice(&key);
		record.value = buffer_slice(&value);
		a->store->ops->put(a->store, shard, &record);
		buffer_free(&key);
		buffer_free(&value);
		return true;
	}
	return false;
}

static uint16_t cluster_stray(struct scene *scene, struct sim_process *process, uint64_t value,
			      struct buffer *body)
{
	const struct scene_replica *replica = scene->by_process[process->index];
	if (replica == NULL)
		return 0;
	if (replica->group == 0)
		wire_master_command_encode(
			&(struct wire_master_command){.op = WIRE_MASTER_REBALANCE}, body);
	else
		sim_kv_append_encode(0, value, body);
	return METHOD_COMMAND;
}

static struct sim_mix *cluster_mix(const struct scene *scene)
{
	const struct cluster_scene *cluster = scene->own;
	return cluster->mix;
}

static void cluster_quiet(struct scene *scene)
{
	sim_mix_stop(cluster_mix(scene));
}

static void cluster_free(struct scene *scene)
{
	struct cluster_scene *cluster = scene->own;
	for (uint32_t group = 0; cluster->spares > 0 && group <= cluster->ngroups; group++)
		for (uint32_t i = 0; i < machines_of(cluster, group); i++)
			joiner_forget(&cluster->places[group][i].joiner);
	sim_mix_free(cluster->mix);
	free(cluster);
}

const struct scene_kind scene_cluster = {
	.build = cluster_build,
	.ready = cluster_ready,
	.rsm = cluster_rsm,
	.hash = cluster_hash,
	.heal = cluster_heal,
	.quiet = cluster_quiet,
	.free = cluster_free,
	.stray = cluster_stray,
	.change = cluster_change,
	.settled = cluster_settled,
	.members_may_change = members_may_change,
	.mix = cluster_mix,
};
