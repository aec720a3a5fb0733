/*
 * The smaller scene: one group of replicas with lists (list_app.h), and clients that know its
 * addresses.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "joiner.h"
#include "list_app.h"
#include "list_client.h"
#include "scene.h"
#include "wire/method.h"

struct hoarder {
	struct scene *scene;
	struct sim_process *process;
	uint32_t incarnation;
	uint64_t installed; /* snapshots, by this incarnation */
	bool hoards, spoiling;
};

#define MACHINES_MAX SIM_NEMESIS_GROUP_MAX

struct rsm_scene {
	struct hoarder hoarders[MACHINES_MAX];
	struct rng spoil;
	struct list_replica_options replicas[MACHINES_MAX];
	struct joiner_place places[MACHINES_MAX];
	struct list_client_options client;
	char *names[MACHINES_MAX];
	char *addresses[MACHINES_MAX];
	uint32_t count; /* members of the beginning, and spare machines */
};

/*
 * Some replicas never take a snapshot and keep their whole log, while the others drop theirs after
 * a few entries: whatever the first miss comes as a snapshot, over slots of which their log still
 * holds what lost. From a stream of their own. faults: 28, 34
 */
static void draw_hoarders(struct scene *scene, struct rsm_scene *own, uint32_t count)
{
	struct rng rng;
	rng_seed(&rng, scene->options->seed ^ 0x686f617264657273ull);
	own->spoil = rng;
	if (!rng_chance(&rng, 400000))
		return;
	/* Leaders that go on alone for a while have much that loses. */
	struct sim_nemesis_options *nemesis = &scene->world->options.nemesis;
	if (!scene->options->calm)
		nemesis->deaf_mean_us = rng_range(&rng, 200 * SIM_MILLISECOND, 2 * SIM_SECOND);
	for (uint32_t i = 0; i < count; i++) {
		struct rsm_settings *settings = &own->replicas[i].settings;
		bool hoards = rng_chance(&rng, 500000);
		own->hoarders[i].hoards = hoards;
		settings->entry_bytes = 64;
		settings->wal_segment_bytes = hoards ? 4 * MIB : 8 * rng_range(&rng, 80, 128);
		settings->snapshot_log_bytes = hoards ? 64 * MIB : rng_range(&rng, 64, 1024);
		settings->log_cache_bytes = 64;
	}
}

static struct joiner_place *place_of(struct scene *scene, struct sim_process *process)
{
	struct rsm_scene *own = scene->own;
	return &own->places[scene->by_process[process->index] - scene->replicas];
}

/* The members of the beginning, and machines that may become some. */
static void build_places(struct scene *scene, struct rsm_scene *own, uint32_t count)
{
	own->count = count + joiner_spares(scene);
	if (own->count == count)
		return;
	for (uint32_t i = 0; i < own->count; i++) {
		joiner_init(&own->places[i], scene, "list", 1, i < count ? i + 1 : 0,
			    own->replicas[0].members, count);
		own->replicas[i].place = &own->places[i];
	}
	joiner_operate(scene, place_of);
}

static void build_replicas(struct scene *scene, struct rsm_scene *own, uint32_t count)
{
	struct sim_process *processes[MACHINES_MAX];
	struct list_replica_options first = {.group = 1, .nmembers = count};
	scene_draw_settings(scene, &first.settings);
	/*
	 * The commands of lists are short: a dozen records can fill a segment, and be snapshotted.
	 */
	if (rng_chance(&scene->rng, 400000)) {
		first.settings.wal_segment_bytes = 8 * rng_range(&scene->rng, 80, 256);
		first.settings.entry_bytes = rng_range(&scene->rng, 1,
						       first.settings.wal_segment_bytes / 4);
		first.settings.snapshot_log_bytes = rng_range(&scene->rng, 512, 8192);
	}
	for (uint32_t i = 0; i < MACHINES_MAX; i++) {
		own->names[i] = alloc_format("r%u", i + 1);
		own->addresses[i] = alloc_format("r%u:7000", i + 1);
	}
	for (uint32_t i = 0; i < count; i++)
		first.members[i] = (struct rsm_member){.replica = i + 1,
						       .name = own->names[i],
						       .address = own->addresses[i],
						       .client_address = own->addresses[i]};
	for (uint32_t i = 0; i < MACHINES_MAX; i++) {
		own->replicas[i] = first;
		own->replicas[i].replica = i + 1;
		own->replicas[i].scene = scene;
	}
	build_places(scene, own, count);
	draw_hoarders(scene, own, own->count);
	for (uint32_t i = 0; i < own->count; i++) {
		processes[i] = sim_process_add(
			scene->world, &(struct sim_process_spec){.name = own->names[i],
								 .address = own->addresses[i],
								 .build = list_replica_build,
								 .context = &own->replicas[i],
								 .disk = true,
								 .lives = true});
		scene_add_replica(scene, processes[i], 0);
	}
	scene_identify_group(processes, count, "list", 1);
	sim_nemesis_add_group(scene->nemesis, processes, count);
	sim_nemesis_add_spares(scene->nemesis, processes + count, own->count - count);
	for (uint32_t i = 0; i < own->count; i++)
		sim_process_start(processes[i]);
}

static struct rsm *replica_rsm(const struct scene_replica *replica)
{
	return list_replica_rsm(replica->process->node);
}

/* NULL: it is down, or no replica. */
static const struct consensus *replica_core(const struct scene *scene, uint32_t i)
{
	const struct scene_replica *replica = &scene->replicas[i];
	return sim_process_alive(replica->process) ? rsm_core(scene_rsm_of(scene, replica)) : NULL;
}

/* faults: 4, 43 */
static uint32_t doubtful_leader(void *context)
{
	struct scene *scene = context;
	uint32_t lowest = UINT32_MAX;
	uint64_t lowest_ballot = UINT64_MAX, highest_ballot = 0;
	for (uint32_t i = 0; i < scene->nreplicas; i++) {
		const struct consensus *core = replica_core(scene, i);
		if (core == NULL || consensus_role(core) != CONSENSUS_LEADER)
			continue;
		uint64_t ballot = consensus_epoch(core);
		if (!rsm_is_leader(replica_rsm(&scene->replicas[i])))
			return i;
		if (ballot > highest_ballot)
			highest_ballot = ballot;
		if (ballot < lowest_ballot) {
			lowest_ballot = ballot;
			lowest = i;
		}
	}
	return lowest_ballot < highest_ballot ? lowest : UINT32_MAX;
}

/* faults: 43 */
static uint32_t doubtful_follower(void *context)
{
	struct scene *scene = context;
	uint32_t leader = doubtful_leader(context);
	for (uint32_t i = 0; leader != UINT32_MAX && i < scene->nreplicas; i++) {
		const struct consensus *core = replica_core(scene, i);
		if (i != leader && core != NULL &&
		    consensus_leader(core) ==
			    ballot_replica(consensus_epoch(replica_core(scene, leader))))
			return i;
	}
	return UINT32_MAX;
}

static void build_clients(struct scene *scene, struct rsm_scene *own, uint32_t nreplicas)
{
	struct sim_process *processes[16];
	struct sim_load_options options;
	sim_load_options_draw(&options, &scene->rng);
	own->client = (struct list_client_options){.addresses = (const char *const *)own->addresses,
						   .count = nreplicas,
						   .load = &scene->load,
						   .doubtful_leader = doubtful_leader,
						   .doubtful_follower = doubtful_follower,
						   .context = scene};
	struct rng strays;
	rng_seed(&strays, scene->options->seed ^ 0x737472617973ull);
	if (rng_chance(&strays, 500000))
		own->client.reuse_percent = (uint32_t)rng_range(&strays, 5, 60);
	for (uint32_t i = 0; i < options.clients; i++) {
		char name[16];
		snprintf(name, sizeof name, "c%u", i);
		processes[i] = sim_process_add(
			scene->world, &(struct sim_process_spec){.name = name,
								 .build = list_client_build,
								 .context = &own->client});
		sim_process_start(processes[i]);
		sim_nemesis_add_client(scene->nemesis, processes[i]);
	}
	scene->load.submit = list_client_submit;
	sim_load_init(&scene->load, scene->world, &options, processes);
}

static void rsm_build(struct scene *scene)
{
	struct rsm_scene *own = ALLOC(struct rsm_scene);
	uint32_t drawn = rng_chance(&scene->rng, 300000) ? 5 : 3;
	uint32_t count = scene->options->replicas == 0 ? drawn : scene->options->replicas;
	scene->own = own;
	build_replicas(scene, own, count);
	build_clients(scene, own, own->count);
}

static void spoil(void *data)
{
	struct hoarder *hoarder = data;
	hoarder->spoiling = false;
	sim_nemesis_spoil_snapshot(hoarder->scene->nemesis, hoarder->process);
}

/*
 * What has just carried a hoarder over its own log is damaged soon: the log does not say what was
 * chosen there.
 */
static void rsm_replica_turn(struct scene *scene, struct scene_replica *replica)
{
	struct rsm_scene *own = scene->own;
	struct hoarder *hoarder = &own->hoarders[replica - scene->replicas];
	if (!hoarder->hoards || hoarder->spoiling || scene->load.stopped ||
	    !sim_process_alive(replica->process) || replica->waits)
		return;
	uint64_t installed = rsm_snapshots_installed(replica_rsm(replica));
	bool news = replica->process->incarnation == hoarder->incarnation &&
		    installed > hoarder->installed;
	hoarder->incarnation = replica->process->incarnation;
	hoarder->installed = installed;
	if (!news || !rng_chance(&own->spoil, 500000))
		return;
	hoarder->scene = scene;
	hoarder->process = replica->process;
	hoarder->spoiling = true;
	sim_world_call_at(scene->world,
			  scene->world->now_us + rng_below(&own->spoil, 50 * SIM_MILLISECOND),
			  spoil, hoarder);
}

static bool rsm_is_ready(struct scene *scene)
{
	(void)scene;
	return true;
}

static uint64_t replica_hash(const struct scene_replica *replica)
{
	return list_replica_hash(replica->process->node);
}

static bool rsm_change(const struct scene_replica *replica, struct rng *rng, bool kept,
		       uint32_t *part)
{
	return list_app_change(list_replica_app(replica->process->node), rng, kept, part);
}

static uint16_t rsm_stray(struct scene *scene, struct sim_process *process, uint64_t value,
			  struct buffer *body)
{
	if (scene->by_process[process->index] == NULL)
		return 0;
	buffer_add_u32(body, 0);
	buffer_add_u64(body, value);
	return METHOD_COMMAND;
}

static void rsm_free(struct scene *scene)
{
	struct rsm_scene *own = scene->own;
	for (uint32_t i = 0; i < MACHINES_MAX; i++) {
		joiner_forget(&own->places[i]);
		free(own->names[i]);
		free(own->addresses[i]);
	}
	free(own);
}

const struct scene_kind scene_rsm = {
	.build = rsm_build,
	.ready = rsm_is_ready,
	.rsm = replica_rsm,
	.hash = replica_hash,
	.replica_turn = rsm_replica_turn,
	.free = rsm_free,
	.stray = rsm_stray,
	.change = rsm_change,
};
