/*
 * paxosds: one group of peers, of which each is a replica of the log and a peer of the agreement
 * service, and clients that use the client library for both. Their members do not change; whoever
 * asks for it is refused (refused_changes.h).
 */
#include <stdlib.h>

#include "agreement_load.h"
#include "agreement_wipes.h"
#include "base/alloc.h"
#include "log_client.h"
#include "paxoslog/paxosd.h"
#include "refused_changes.h"
#include "scene.h"
#include "wire/method.h"
#include "wire/paxosd.h"

#define CLIENTS_LIMIT 8u

struct paxosd_scene {
	struct scene *scene;
	struct paxosd_options options; /* of every peer, but for its own number */
	uint32_t npeers;
	struct place {
		struct paxosd_scene *scene;
		uint32_t replica;
		char name[16], address[24];
	} places[REPLICAS_MAX];
	const char *addresses[REPLICAS_MAX];
	struct sim_process *processes[REPLICAS_MAX];
	struct sim_log log;
	struct sim_log_client clients[CLIENTS_LIMIT];
	struct agreement_load agreement;
	struct agreement_wipes wipes;
	struct refused_changes changes;
};

/* ---- peers ---- */

static struct node *build_peer(void *context, struct sim_process *process)
{
	const struct place *place = context;
	struct paxosd_options options = place->scene->options;
	options.env = &process->env;
	options.log = &process->log;
	options.name = place->name;
	options.replica = place->replica;
	scene_vary_settings(place->scene->scene, process, &options.settings.group);
	return paxosd_create(&options);
}

static void draw_peers(struct scene *scene, struct paxosd_scene *own)
{
	struct paxosd_options *options = &own->options;
	uint32_t drawn = rng_chance(&scene->rng, 300000) ? 5 : 3;
	own->npeers = scene->options->replicas == 0 ? drawn : scene->options->replicas;
	*options = (struct paxosd_options){
		.cluster = "sim", .version = "sim", .nmembers = own->npeers};
	scene_draw_settings(scene, &options->settings);
	agreement_settings_default(&options->agreement);
	options->agreement.wal_segment_bytes = options->settings.wal_segment_bytes;
	options->agreement.value_bytes_max = KIB;
	options->agreement.retry_ms = (uint32_t)rng_range(&scene->rng, 20, 200);
	options->agreement.backoff_ms = (uint32_t)rng_range(&scene->rng, 2, 50);
	options->agreement.spread_ms = (uint32_t)rng_range(&scene->rng, 100, 2000);
	options->paxoslog = (struct paxoslog_settings){.bytes_max = 256 * MIB,
						       .value_bytes_max = KIB};
}

static void build_peers(struct scene *scene, struct paxosd_scene *own)
{
	for (uint32_t i = 0; i < own->npeers; i++) {
		struct place *place = &own->places[i];
		*place = (struct place){.scene = own, .replica = i + 1};
		snprintf(place->name, sizeof place->name, "p%u", i + 1);
		snprintf(place->address, sizeof place->address, "p%u:7000", i + 1);
		own->addresses[i] = own->agreement.peers[i].address = place->address;
		own->options.members[i] = (struct rsm_member){.replica = i + 1,
							      .name = place->name,
							      .address = place->address,
							      .client_address = place->address};
		own->processes[i] = sim_process_add(
			scene->world, &(struct sim_process_spec){.name = place->name,
								 .address = place->address,
								 .build = build_peer,
								 .context = place,
								 .disk = true,
								 .lives = true});
		scene_add_replica(scene, own->processes[i], 0);
	}
	scene_identify_group(own->processes, own->npeers, "paxos", 0);
	sim_nemesis_add_group(scene->nemesis, own->processes, own->npeers);
}

/* ---- clients ---- */

static void build_clients(struct scene *scene, struct paxosd_scene *own)
{
	struct sim_process *processes[CLIENTS_LIMIT];
	struct sim_load_options options;
	sim_load_options_draw(&options, &scene->rng);
	own->log = (struct sim_log){.clients = own->clients, .nclients = options.clients};
	own->agreement.npeers = own->npeers;
	own->agreement.nactors = options.clients;
	for (uint32_t i = 0; i < options.clients; i++) {
		char name[16];
		snprintf(name, sizeof name, "c%u", i);
		own->clients[i] = (struct sim_log_client){
			.options = {.paxosds = own->addresses, .npaxosds = own->npeers},
			.log = &own->log,
			.next = 1};
		processes[i] = sim_process_add(
			scene->world, &(struct sim_process_spec){.name = name,
								 .build = sim_log_client_build,
								 .context = &own->clients[i]});
		sim_nemesis_add_client(scene->nemesis, processes[i]);
		own->agreement.actors[i] = (struct agreement_actor){.process = processes[i],
								    .client = &own->clients[i]};
	}
	scene->load.submit = sim_log_client_submit;
	scene->load.backend = &own->log;
	sim_load_init(&scene->load, scene->world, &options, processes);
	agreement_load_init(&own->agreement, scene);
}

static void paxosd_build(struct scene *scene)
{
	struct paxosd_scene *own = ALLOC(struct paxosd_scene);
	own->scene = scene;
	scene->own = own;
	draw_peers(scene, own);
	build_peers(scene, own);
	build_clients(scene, own);
	for (uint32_t i = 0; i < scene->world->nprocesses; i++)
		sim_process_start(scene->world->processes[i]);
	agreement_load_start(&own->agreement);
	agreement_wipes_init(&own->wipes, scene, own->processes, own->npeers);
	refused_changes_init(&own->changes, &own->agreement, own->addresses, own->npeers);
}

/* ---- what the scene asks for ---- */

static bool paxosd_is_ready(struct scene *scene)
{
	(void)scene;
	return true;
}

static struct rsm *peer_rsm(const struct scene_replica *replica)
{
	return paxosd_rsm(replica->process->node);
}

static uint64_t peer_hash(const struct scene_replica *replica)
{
	struct app *app = paxosd_app(replica->process->node);
	return app->ops->hash(app);
}

static void replica_turn(struct scene *scene, struct scene_replica *replica)
{
	struct paxosd_scene *own = scene->own;
	agreement_load_check(&own->agreement, (uint32_t)(replica - scene->replicas),
			     replica->process);
	agreement_wipes_check(&own->wipes, (uint32_t)(replica - scene->replicas));
	refused_changes_check(&own->changes, replica);
	if (sim_process_alive(replica->process) &&
	    paxosd_agreement_refused(replica->process->node) > 0)
		scene_fail(scene, VERDICT_SAFETY, "%s refused a genuine message of another peer",
			   replica->process->name);
}

static void heal(struct scene *scene)
{
	struct paxosd_scene *own = scene->own;
	agreement_wipes_stop(&own->wipes);
	agreement_load_mark(&own->agreement);
}

/* Those whose disks were lost are silent, and the others are no majority. */
static bool excused(struct scene *scene)
{
	const struct paxosd_scene *own = scene->own;
	return own->wipes.too_many;
}

static bool whole(const struct scene *scene, const struct scene_replica *replica)
{
	const struct paxosd_scene *own = scene->own;
	const struct agreement_peer *peer = &own->agreement.peers[replica - scene->replicas];
	const struct sim_process *process = replica->process;
	return process->wipes + process->copies == 0 ||
	       (peer->wipes == process->wipes && peer->copies == process->copies && peer->whole);
}

static bool progressed(struct scene *scene)
{
	const struct paxosd_scene *own = scene->own;
	return agreement_load_progress(&own->agreement);
}

static void quiet(struct scene *scene)
{
	struct paxosd_scene *own = scene->own;
	agreement_wipes_stop(&own->wipes);
	agreement_load_stop(&own->agreement);
	refused_changes_stop(&own->changes);
}

static bool converged(struct scene *scene)
{
	const struct paxosd_scene *own = scene->own;
	const struct sim_process *first = NULL;
	uint32_t healed = 0, complete = 0;
	for (uint32_t i = 0; i < own->npeers; i++) {
		const struct sim_process *process = own->processes[i];
		if (!sim_process_alive(process) || !sim_nemesis_in_core(scene->nemesis, process))
			continue;
		if (first != NULL && !agreement_load_same(&own->agreement, first, process))
			return false;
		first = process;
		healed++;
		complete += agreement_load_complete(&own->agreement, process);
	}
	return healed < own->npeers || complete == healed;
}

static void paxosd_free(struct scene *scene)
{
	struct paxosd_scene *own = scene->own;
	sim_log_free(&own->log);
	agreement_load_free(&own->agreement);
	free(own);
}

static uint16_t paxosd_stray(struct scene *scene, struct sim_process *process, uint64_t value,
			     struct buffer *body)
{
	uint8_t bytes[8];
	struct slice slices[1] = {slice(bytes, sizeof bytes)};
	if (scene->by_process[process->index] == NULL)
		return 0;
	store_u64(bytes, value);
	wire_log_command_encode(&(struct wire_log_command){.nvalues = 1, .values = slices}, body);
	return METHOD_LOG_COMMAND;
}

/* Every peer answers for its own log: only what is kept about the values changes. */
static bool paxosd_change(const struct scene_replica *replica, struct rng *rng, bool kept,
			  uint32_t *part)
{
	const struct slots *slots = paxoslog_app_slots(paxosd_app(replica->process->node));
	uint64_t bit = 1ull << rng_below(rng, 64);
	if (!kept || slots == NULL)
		return false;
	((struct slots *)(uintptr_t)slots)->hash ^= bit;
	*part = 0;
	return true;
}

const struct scene_kind scene_paxosd = {
	.stray = paxosd_stray,
	.change = paxosd_change,
	.build = paxosd_build,
	.ready = paxosd_is_ready,
	.rsm = peer_rsm,
	.hash = peer_hash,
	.replica_turn = replica_turn,
	.heal = heal,
	.excused = excused,
	.whole = whole,
	.progressed = progressed,
	.quiet = quiet,
	.converged = converged,
	.free = paxosd_free,
};
