/*
 * The view service, primary, backup and idle servers, and clients that use the client library.
 *
 * FAULTS. The viewservers are a group like any other: everything may happen to them, and in some
 * runs members come and go. Everybody else is paused and cut off as clients are. pbservers keep
 * nothing over a crash, so when one may crash is decided here: one of the pair only while both are
 * known to live and to hold the state, which is what primary and backup promise to survive; idle
 * ones and those that are being filled at any time.
 *
 * CHECKS, beside those of every scene. In any view one server answers. After equal frames of a view
 * primary and backup have equal state, sessions included.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "joiner.h"
#include "kv_client.h"
#include "pb/node.h"
#include "pb/state.h"
#include "scene.h"
#include "sim/network.h"
#include "view/node.h"
#include "wire/method.h"
#include "wire/wire_view.h"

#define VIEWS_LIMIT 5u
#define SPARES_LIMIT 1u
#define MACHINES_LIMIT (VIEWS_LIMIT + SPARES_LIMIT)
#define SERVERS_LIMIT 4u
#define CLIENTS_LIMIT 8u
#define VIEWS_KEPT 65536u /* of which it is remembered who answered in them */
#define FRAMES_KEPT 4096u

struct pb_place {
	struct pb_scene *pb;
	struct sim_process *process;
	char name[16], address[24];
	bool down; /* will be started again */
	struct timer restart;
	struct joiner_place joiner; /* of a machine of the view service, if its members change */
};

struct frame_hash {
	uint64_t view, frame, hash;
};

struct pb_scene {
	struct scene *scene;
	uint32_t nviews, nservers; /* in the beginning */
	/* machines that may become viewservers; 0: members stay who they are */
	uint32_t spares;
	uint32_t ping_interval_ms, dead_pings;
	uint32_t transfer_piece_bytes; /* mostly small, so that a transfer takes many round trips */
	struct rsm_settings settings;
	/* spare machines come last */
	struct pb_place views[MACHINES_LIMIT], servers[SERVERS_LIMIT];
	const char *view_addresses[MACHINES_LIMIT], *server_addresses[SERVERS_LIMIT];
	struct sim_kv_client clients[CLIENTS_LIMIT];
	struct timer crash;
	uint64_t crash_mean_us, down_mean_us;
	bool healed;
	uint64_t *answered_by; /* by view: incarnation of who has answered in it; 0: nobody */
	struct frame_hash hashes[FRAMES_KEPT]; /* the primary's, by frame */
};

/* ---- processes ---- */

static uint32_t view_machines(const struct pb_scene *pb)
{
	return pb->nviews + pb->spares;
}

/* Of the beginning. */
static void first_members(const struct pb_scene *pb, struct rsm_member *members)
{
	for (uint32_t i = 0; i < pb->nviews; i++) {
		const struct pb_place *place = &pb->views[i];
		members[i] = (struct rsm_member){.replica = i + 1,
						 .name = place->name,
						 .address = place->address,
						 .client_address = place->address};
	}
}

static struct joiner_place *joiner_place_of(struct scene *scene, struct sim_process *process)
{
	struct pb_place *place = process->context;
	(void)scene;
	return &place->joiner;
}

static struct node *build_view(void *context, struct sim_process *process)
{
	struct pb_place *place = context;
	const struct pb_scene *pb = place->pb;
	struct rsm_options own = {.replica = (uint32_t)(place - pb->views) + 1,
				  .nmembers = pb->nviews};
	if (pb->spares > 0 && place->joiner.replica == 0)
		return joiner_build(&place->joiner, process);
	if (pb->spares > 0)
		joiner_apply(&place->joiner, process, &own);
	else
		first_members(pb, own.members);
	struct view_node_options options = {
		.env = &process->env,
		.log = &process->log,
		.cluster = "sim",
		.name = place->name,
		.version = "sim",
		.nshards = 1,
		.replica = own.replica,
		.nmembers = own.nmembers,
		.joining = own.joining,
		.settings = pb->settings,
		.ping_interval_ms = pb->ping_interval_ms,
		.dead_pings = pb->dead_pings,
	};
	scene_vary_settings(pb->scene, process, &options.settings.group);
	memcpy(options.members, own.members, sizeof options.members);
	return view_node_create(&options);
}

static struct node *build_server(void *context, struct sim_process *process)
{
	const struct pb_place *place = context;
	const struct pb_scene *pb = place->pb;
	struct pb_node_options options = {
		.env = &process->env,
		.log = &process->log,
		.cluster = "sim",
		.name = place->name,
		.address = place->address,
		.version = "sim",
		.nshards = 1,
		.nviews = view_machines(pb),
		.ping_interval_ms = pb->ping_interval_ms,
		.dead_pings = pb->dead_pings,
		.key_bytes_max = KEY_BYTES_MAX,
		.transfer_piece_bytes = pb->transfer_piece_bytes,
	};
	struct group_settings settings = pb->settings.group;
	scene_vary_settings(pb->scene, process, &settings);
	options.value_bytes_max = (uint32_t)settings.value_bytes_max;
	options.sessions_max = (uint32_t)settings.sessions_max;
	options.session_idle_us = settings.session_idle_us;
	for (uint32_t i = 0; i < options.nviews; i++)
		options.views[i] = pb->view_addresses[i];
	return pb_node_create(&options);
}

static struct pb_place *server_at(struct pb_scene *pb, const struct sim_process *process)
{
	for (uint32_t i = 0; i < pb->nservers; i++)
		if (pb->servers[i].process == process)
			return &pb->servers[i];
	return NULL;
}

/* ---- crashes of pbservers ---- */

/* It is up, and no machine that waits to become one. */
static bool is_viewserver(const struct pb_scene *pb, const struct sim_process *process)
{
	return sim_process_alive(process) && !pb->scene->by_process[process->index]->waits;
}

static const struct view *newest_view(const struct pb_scene *pb)
{
	const struct view *newest = NULL;
	for (uint32_t i = 0; i < view_machines(pb); i++) {
		if (!is_viewserver(pb, pb->views[i].process))
			continue;
		const struct view *view = view_node_current(pb->views[i].process->node);
		if (newest == NULL || view->number > newest->number ||
		    (view->number == newest->number && view_synced(view) && !view_synced(newest)))
			newest = view;
	}
	return newest;
}

static bool is_life(const struct pb_place *place, const struct view_server *server)
{
	return sim_process_alive(place->process) &&
	       pb_node_info(place->process->node).incarnation == server->incarnation;
}

/* The place of a server of the view, if that life of it goes on; NULL otherwise. */
static struct pb_place *place_of(struct pb_scene *pb, const struct view_server *server)
{
	for (uint32_t i = 0; i < pb->nservers; i++)
		if (is_life(&pb->servers[i], server))
			return &pb->servers[i];
	return NULL;
}

/*
 * The leader of the view service has heard both lately, and nothing keeps it from hearing the one
 * that is to survive.
 */
static bool both_heard(const struct pb_scene *pb, const struct view *view,
		       const struct pb_place *survivor)
{
	const struct sim_world *world = pb->scene->world;
	for (uint32_t i = 0; i < view_machines(pb); i++) {
		struct sim_process *leader = pb->views[i].process;
		if (leader->state != SIM_RUNNING || !is_viewserver(pb, leader) ||
		    !rsm_is_leader(view_node_rsm(leader->node)))
			continue;
		return view_node_current(leader->node)->number == view->number &&
		       !view_node_changing(leader->node) &&
		       view_node_alive(leader->node, &view->primary) &&
		       view_node_alive(leader->node, &view->backup) &&
		       survivor->process->state == SIM_RUNNING &&
		       !sim_network_is_cut(world, survivor->process, leader) &&
		       !sim_network_is_cut(world, leader, survivor->process) &&
		       !sim_network_is_clogged(world, survivor->process, leader);
	}
	return false;
}

static bool may_crash(struct pb_scene *pb, const struct pb_place *place)
{
	const struct view *view = newest_view(pb);
	if (view == NULL || !sim_process_alive(place->process))
		return false;
	struct pb_place *primary = place_of(pb, &view->primary),
			*backup = place_of(pb, &view->backup);
	if (primary == NULL)
		return false;
	if (place != primary && place != backup)
		return true;
	if (place == backup && !view_synced(view))
		return true;
	return backup != NULL && view_synced(view) &&
	       both_heard(pb, view, place == primary ? backup : primary) &&
	       pb_node_info(primary->process->node).view == view->number;
}

/*
 * The state is gone with those who had it: the survivor of a pair was cut off just after the other
 * had crashed, and was given up on a last sign of life of the dead. No answer is the only right one
 * then.
 */
static bool excused(struct scene *scene)
{
	struct pb_scene *pb = scene->own;
	const struct view *view = newest_view(pb);
	return view != NULL && !view_nobody(&view->primary) &&
	       place_of(pb, &view->primary) == NULL &&
	       (!view_synced(view) || place_of(pb, &view->backup) == NULL);
}

static void restart_due(void *data)
{
	struct pb_place *place = data;
	place->down = false;
	if (!sim_process_alive(place->process))
		sim_process_start(place->process);
}

static void crash_later(struct pb_scene *pb)
{
	struct sim_world *world = pb->scene->world;
	sim_world_timer_set(world, &pb->crash,
			    world->now_us +
				    rng_below(&world->rng_workload, 2 * pb->crash_mean_us + 1));
}

static void crash_due(void *data)
{
	struct pb_scene *pb = data;
	struct sim_world *world = pb->scene->world;
	struct pb_place *place = &pb->servers[rng_below(&world->rng_workload, pb->nservers)];
	uint64_t down_us = rng_below(&world->rng_workload, 2 * pb->down_mean_us + 1);
	bool power = rng_chance(&world->rng_workload, 300000),
	     stop = rng_chance(&world->rng_workload, 200000);
	if (!place->down && may_crash(pb, place)) {
		sim_trace_note(&world->trace, "crash %s", place->name);
		if (power)
			sim_process_power_loss(place->process);
		else if (stop && place->process->state == SIM_RUNNING)
			sim_process_stop(place->process);
		else
			sim_process_crash(place->process);
		place->down = true;
		/* An orderly stop takes up to half a second. */
		sim_world_timer_set(world, &place->restart, world->now_us + SIM_SECOND + down_us);
	}
	crash_later(pb);
}

static void heal(struct scene *scene)
{
	struct pb_scene *pb = scene->own;
	pb->healed = true;
	sim_world_timer_cancel(scene->world, &pb->crash);
	for (uint32_t i = 0; i < pb->nservers; i++) {
		sim_world_timer_cancel(scene->world, &pb->servers[i].restart);
		if (!sim_process_alive(pb->servers[i].process))
			sim_process_start(pb->servers[i].process);
	}
}

/* ---- checks ---- */

static void check_answers(struct pb_scene *pb, const struct pb_place *place,
			  const struct pb_node_info *info)
{
	if (info->answered_view == 0 || info->answered_view >= VIEWS_KEPT)
		return;
	uint64_t *by = &pb->answered_by[info->answered_view];
	if (*by == 0)
		*by = info->incarnation;
	else if (*by != info->incarnation)
		scene_fail(pb->scene, VERDICT_SAFETY,
			   "%s is the second server that answers in view %" PRIu64, place->name,
			   info->answered_view);
}

static void check_frames(struct pb_scene *pb, const struct pb_place *place,
			 const struct pb_node_info *info)
{
	struct frame_hash *known = &pb->hashes[info->frame % FRAMES_KEPT];
	if (info->frame == 0 || !info->complete)
		return;
	uint64_t hash = pb_state_hash(pb_node_state(place->process->node));
	if (info->role == PB_PRIMARY)
		*known = (struct frame_hash){
			.view = info->view, .frame = info->frame, .hash = hash};
	else if (info->role == PB_BACKUP && known->view == info->view &&
		 known->frame == info->frame && known->hash != hash)
		scene_fail(pb->scene, VERDICT_SAFETY,
			   "after frame %" PRIu64 " of view %" PRIu64
			   " %s differs from the primary",
			   info->frame, info->view, place->name);
}

static void pb_after_turn(struct scene *scene, struct sim_process *process)
{
	struct pb_scene *pb = scene->own;
	struct pb_place *place = server_at(pb, process);
	if (place == NULL || !sim_process_alive(process))
		return;
	struct pb_node_info info = pb_node_info(process->node);
	if (info.anew > 0)
		scene_fail(scene, VERDICT_SAFETY, "the state of %s was not its primary's",
			   place->name);
	if (info.refused > 0)
		scene_fail(scene, VERDICT_SAFETY, "%s refused a genuine frame", place->name);
	check_answers(pb, place, &info);
	check_frames(pb, place, &info);
}

/* ---- building ---- */

static void build_views(struct pb_scene *pb)
{
	struct scene *scene = pb->scene;
	struct sim_process *processes[MACHINES_LIMIT];
	struct rsm_member members[MEMBERS_MAX];
	for (uint32_t i = 0; i < view_machines(pb); i++) {
		struct pb_place *place = &pb->views[i];
		place->pb = pb;
		snprintf(place->name, sizeof place->name, "v%u", i + 1);
		snprintf(place->address, sizeof place->address, "v%u:7000", i + 1);
		pb->view_addresses[i] = place->address;
		place->process = processes[i] = sim_process_add(
			scene->world, &(struct sim_process_spec){.name = place->name,
								 .address = place->address,
								 .build = build_view,
								 .context = place,
								 .disk = true,
								 .lives = true});
		scene_add_replica(scene, processes[i], 0);
	}
	first_members(pb, members);
	for (uint32_t i = 0; pb->spares > 0 && i < view_machines(pb); i++)
		joiner_init(&pb->views[i].joiner, scene, "viewserver", 0,
			    i < pb->nviews ? i + 1 : 0, members, pb->nviews);
	scene_identify_group(processes, pb->nviews, "viewserver", 0);
	sim_nemesis_add_group(scene->nemesis, processes, pb->nviews);
	sim_nemesis_add_spares(scene->nemesis, processes + pb->nviews, pb->spares);
	if (pb->spares > 0)
		joiner_operate(scene, joiner_place_of);
}

static void build_servers(struct pb_scene *pb)
{
	struct scene *scene = pb->scene;
	for (uint32_t i = 0; i < pb->nservers; i++) {
		struct pb_place *place = &pb->servers[i];
		place->pb = pb;
		timer_init(&place->restart, restart_due, place);
		snprintf(place->name, sizeof place->name, "pb%u", i + 1);
		snprintf(place->address, sizeof place->address, "pb%u:7000", i + 1);
		pb->server_addresses[i] = place->address;
		place->process = sim_process_add(
			scene->world, &(struct sim_process_spec){.name = place->name,
								 .address = place->address,
								 .build = build_server,
								 .context = place});
		sim_nemesis_add_client(scene->nemesis, place->process);
	}
}

static void build_clients(struct pb_scene *pb)
{
	struct scene *scene = pb->scene;
	struct sim_process *processes[CLIENTS_LIMIT];
	struct sim_load_options options;
	sim_load_options_draw(&options, &scene->rng);
	for (uint32_t i = 0; i < options.clients; i++) {
		char name[16];
		snprintf(name, sizeof name, "c%u", i);
		pb->clients[i].primary = true;
		pb->clients[i].options = (struct client_options){
			.views = pb->view_addresses,
			.nviews = view_machines(pb),
			.pbs = pb->server_addresses,
			.npbs = pb->nservers,
		};
		processes[i] = sim_process_add(
			scene->world, &(struct sim_process_spec){.name = name,
								 .build = sim_kv_client_build,
								 .context = &pb->clients[i]});
		sim_nemesis_add_client(scene->nemesis, processes[i]);
	}
	scene->load.submit = sim_kv_client_submit;
	scene->load.backend = pb->clients;
	sim_load_init(&scene->load, scene->world, &options, processes);
}

static void pb_build(struct scene *scene)
{
	struct pb_scene *pb = ALLOC(struct pb_scene);
	scene->own = pb;
	pb->scene = scene;
	pb->answered_by = alloc_zeroed(VIEWS_KEPT, sizeof *pb->answered_by);
	pb->nviews = scene->options->replicas != 0     ? scene->options->replicas
		     : rng_chance(&scene->rng, 700000) ? 3
						       : 5;
	if (pb->nviews > VIEWS_LIMIT)
		pb->nviews = VIEWS_LIMIT;
	pb->nservers = (uint32_t)rng_range(&scene->rng, 2, SERVERS_LIMIT);
	pb->ping_interval_ms = (uint32_t)rng_range(&scene->rng, 20, 200);
	pb->dead_pings = (uint32_t)rng_range(&scene->rng, 3, 8);
	pb->transfer_piece_bytes = 1u << rng_range(&scene->rng, 4, 17);
	pb->crash_mean_us = rng_range(&scene->rng, 500, 8000) * SIM_MILLISECOND;
	pb->down_mean_us = rng_range(&scene->rng, 10, 3000) * SIM_MILLISECOND;
	scene_draw_settings(scene, &pb->settings);
	pb->spares = joiner_spares(scene);
	if (pb->spares > SPARES_LIMIT)
		pb->spares = SPARES_LIMIT;
	/* Of servers and clients alike nothing survives a crash: the servers' are decided above. */
	scene->world->options.nemesis.client_crash_mean_us = 0;
	build_views(pb);
	build_servers(pb);
	build_clients(pb);
	for (uint32_t i = 0; i < scene->world->nprocesses; i++)
		sim_process_start(scene->world->processes[i]);
	timer_init(&pb->crash, crash_due, pb);
	if (!scene->options->calm)
		crash_later(pb);
}

static bool pb_ready(struct scene *scene)
{
	const struct view *view = newest_view(scene->own);
	return view != NULL && view->number > 0;
}

static struct rsm *pb_rsm(const struct scene_replica *replica)
{
	return view_node_rsm(replica->process->node);
}

static uint64_t pb_hash(const struct scene_replica *replica)
{
	struct app *app = view_node_app(replica->process->node);
	return app->ops->hash(app);
}

static void pb_free(struct scene *scene)
{
	struct pb_scene *pb = scene->own;
	for (uint32_t i = 0; i < view_machines(pb); i++)
		joiner_forget(&pb->views[i].joiner);
	free(pb->answered_by);
	free(pb);
}

static uint16_t pb_stray(struct scene *scene, struct sim_process *process, uint64_t value,
			 struct buffer *body)
{
	if (server_at(scene->own, process) != NULL)
		sim_kv_append_encode(0, value, body);
	else if (scene->by_process[process->index] != NULL && is_viewserver(scene->own, process))
		wire_view_command_encode(
			&(struct wire_view_command){
				.op = WIRE_VIEW_RESET,
				.number = view_node_current(process->node)->number},
			body);
	else
		return 0;
	return METHOD_COMMAND;
}

const struct scene_kind scene_pb = {
	.stray = pb_stray,
	.build = pb_build,
	.ready = pb_ready,
	.rsm = pb_rsm,
	.hash = pb_hash,
	.after_turn = pb_after_turn,
	.heal = heal,
	.excused = excused,
	.free = pb_free,
};
