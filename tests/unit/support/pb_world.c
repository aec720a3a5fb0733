#include "pb_world.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "wire/method.h"

static struct node *build_view(void *context, struct sim_process *process)
{
	struct pb_world *w = context;
	struct view_node_options options = {
		.env = &process->env,
		.log = &process->log,
		.cluster = "test",
		.name = process->name,
		.version = "test",
		.nshards = 16,
		.nmembers = w->nviews,
		.ping_interval_ms = PB_PING_MS,
		.dead_pings = PB_DEAD_PINGS,
	};
	rsm_settings_default(&options.settings);
	/* what is empty takes longer to read than all else */
	options.settings.wal_segment_bytes = 64 * KIB;
	memcpy(options.members, w->members, sizeof w->members);
	options.replica = (uint32_t)(process->name[1] - '0');
	return view_node_create(&options);
}

static struct node *build_server(void *context, struct sim_process *process)
{
	struct pb_world *w = context;
	struct pb_node_options options = {
		.env = &process->env,
		.log = &process->log,
		.cluster = "test",
		.name = process->name,
		.address = process->address,
		.version = "test",
		.nshards = 16,
		.nviews = w->nviews,
		.ping_interval_ms = PB_PING_MS,
		.dead_pings = PB_DEAD_PINGS,
		.key_bytes_max = KEY_BYTES_MAX,
		.value_bytes_max = w->value_bytes_max,
		.sessions_max = 1000,
		.session_idle_us = SESSION_IDLE_US,
	};
	for (uint32_t i = 0; i < w->nviews; i++)
		options.views[i] = w->view_addresses[i];
	return pb_node_create(&options);
}

static struct node *build_client(void *context, struct sim_process *process)
{
	struct pb_world *w = context;
	uint32_t number = (uint32_t)atoi(process->name + 1);
	struct client_options options = {.views = w->view_list,
					 .nviews = w->nviews,
					 .pbs = w->server_list,
					 .npbs = PB_SERVERS_LIMIT,
					 .attempt_timeout_ms = w->attempt_timeout_ms,
					 .backoff_max_ms = w->attempt_timeout_ms};
	w->nodes[number] = client_create(&process->env, &process->log, &options);
	return client_node(w->nodes[number]);
}

/* ---- what must hold after every turn ---- */

static void after_turn(void *context, struct sim_process *process)
{
	struct pb_world *w = context;
	for (uint32_t i = 0; i < PB_SERVERS_LIMIT; i++) {
		if (w->servers[i] != process || !sim_process_alive(process))
			continue;
		struct pb_node_info info = pb_node_info(process->node);
		if (info.answered_view == 0)
			continue;
		uint64_t at = info.answered_view % 4096;
		if (w->answered_by[at] == NULL) {
			w->answered_by[at] = process;
			w->answered_in[at] = process->incarnation;
		}
		/* Split brain: two primaries in one view. */
		ck_assert_ptr_eq(w->answered_by[at], process);
		ck_assert_uint_eq(w->answered_in[at], process->incarnation);
	}
}

static void halted(void *context, struct sim_process *process)
{
	(void)context;
	ck_abort_msg("%s halted: %s", process->name, process->halt_reason);
}

static bool is_client(const struct sim_process *process)
{
	return process->name[0] == 'c';
}

/*
 * A request of a client, or its answer, is lost without anybody being told, as in the courses;
 * between primary and backup it takes the connection with it, as TCP does.
 */
static enum sim_verdict filter(void *context, const struct sim_process *from,
			       const struct sim_process *to, const struct message *message,
			       uint64_t *delay_us)
{
	struct pb_world *w = context;
	if (to->name[0] == 'v' && from->name[0] != 'v')
		w->view_messages++;
	if (!w->unreliable || from->name[0] == 'v' || to->name[0] == 'v')
		return SIM_PASS;
	uint32_t loss_ppm = message->kind == MESSAGE_REPLY ? w->reply_loss_ppm
							   : w->request_loss_ppm;
	if (message->kind == MESSAGE_REPLY && is_client(to) &&
	    rng_chance(&w->rng, w->late_reply_ppm))
		*delay_us = rng_range(&w->rng, 200, 2200) * SIM_MILLISECOND;
	if (!rng_chance(&w->rng, loss_ppm))
		return SIM_PASS;
	return is_client(from) || is_client(to) ? SIM_SWALLOW : SIM_DROP;
}

/* ---- the world ---- */

static bool has_leader(void *context)
{
	const struct pb_world *w = context;
	for (uint32_t i = 0; i < w->nviews; i++)
		if (rsm_is_leader(view_node_rsm(w->views[i]->node)))
			return true;
	return false;
}

struct pb_world *pb_world_create(uint64_t seed, uint32_t nviews, const struct sim_options *given)
{
	struct pb_world *w = ALLOC(struct pb_world);
	struct sim_options options;
	sim_options_calm(&options);
	w->world = sim_world_create(seed, given != NULL ? given : &options);
	w->nviews = nviews;
	w->value_bytes_max = VALUE_BYTES_MAX;
	w->attempt_timeout_ms = PB_PING_MS;
	rng_seed(&w->rng, seed);
	for (uint32_t i = 0; i < nviews; i++) {
		snprintf(w->view_names[i], sizeof w->view_names[i], "v%u", i + 1);
		snprintf(w->view_addresses[i], sizeof w->view_addresses[i], "v%u:7000", i + 1);
		w->view_list[i] = w->view_addresses[i];
		w->members[i] = (struct rsm_member){.replica = i + 1,
						    .name = w->view_names[i],
						    .address = w->view_addresses[i],
						    .client_address = w->view_addresses[i]};
		w->views[i] = sim_process_add(
			w->world, &(struct sim_process_spec){.name = w->view_names[i],
							     .address = w->view_addresses[i],
							     .build = build_view,
							     .context = w,
							     .disk = true});
	}
	for (uint32_t i = 0; i < PB_SERVERS_LIMIT; i++) {
		snprintf(w->server_names[i], sizeof w->server_names[i], "s%u", i + 1);
		snprintf(w->server_addresses[i], sizeof w->server_addresses[i], "s%u:7000", i + 1);
		w->server_list[i] = w->server_addresses[i];
		w->servers[i] = sim_process_add(
			w->world, &(struct sim_process_spec){.name = w->server_names[i],
							     .address = w->server_addresses[i],
							     .build = build_server,
							     .context = w});
	}
	for (uint32_t i = 0; i < PB_CLIENTS_LIMIT; i++) {
		char name[16];
		snprintf(name, sizeof name, "c%u", i);
		w->clients[i] = sim_process_add(
			w->world, &(struct sim_process_spec){
					  .name = name, .build = build_client, .context = w});
		sim_process_start(w->clients[i]);
	}
	for (uint32_t i = 0; i < nviews; i++)
		sim_process_start(w->views[i]);
	w->world->after_turn = after_turn;
	w->world->halted = halted;
	w->world->context = w;
	sim_network_set_filter(w->world, filter, w);
	ck_assert(sim_world_run_until_true(w->world, has_leader, w, 20 * SIM_SECOND));
	return w;
}

void pb_world_destroy(struct pb_world *w)
{
	sim_world_destroy(w->world);
	free(w);
}

void pb_run(struct pb_world *w, uint32_t ticks)
{
	sim_world_run_for(w->world, ticks * PB_TICK_US);
}

void pb_unreliable(struct pb_world *w, uint32_t request_loss_ppm, uint32_t reply_loss_ppm)
{
	w->unreliable = request_loss_ppm > 0 || reply_loss_ppm > 0;
	w->request_loss_ppm = request_loss_ppm;
	w->reply_loss_ppm = reply_loss_ppm;
}

void pb_clients_restart(struct pb_world *w, uint32_t attempt_timeout_ms)
{
	w->attempt_timeout_ms = attempt_timeout_ms;
	for (uint32_t i = 0; i < PB_CLIENTS_LIMIT; i++)
		sim_process_restart(w->clients[i]);
}

struct sim_process *pb_server(struct pb_world *w, uint32_t number)
{
	ck_assert(number >= 1 && number <= PB_SERVERS_LIMIT);
	return w->servers[number - 1];
}

void pb_server_start(struct pb_world *w, uint32_t number)
{
	sim_process_restart(pb_server(w, number));
}

void pb_server_stop(struct pb_world *w, uint32_t number)
{
	sim_process_crash(pb_server(w, number));
}

struct pb_node_info pb_info(struct pb_world *w, uint32_t number)
{
	struct sim_process *process = pb_server(w, number);
	return sim_process_alive(process) ? pb_node_info(process->node) : (struct pb_node_info){0};
}

uint64_t pb_hash(struct pb_world *w, uint32_t number)
{
	return pb_state_hash(pb_node_state(pb_server(w, number)->node));
}

void pb_cut_from_views(struct pb_world *w, uint32_t number)
{
	for (uint32_t i = 0; i < w->nviews; i++) {
		sim_network_cut(w->world, pb_server(w, number), w->views[i]);
		sim_network_cut(w->world, w->views[i], pb_server(w, number));
	}
}

/* ---- views ---- */

static const struct view *newest(struct pb_world *w)
{
	static const struct view none;
	const struct view *view = &none;
	for (uint32_t i = 0; i < w->nviews; i++) {
		if (!sim_process_alive(w->views[i]))
			continue;
		const struct view *current = view_node_current(w->views[i]->node);
		if (current->number > view->number ||
		    (current->number == view->number && view_acknowledged(current)))
			view = current;
	}
	return view;
}

static const char *name_of(const struct view_server *server)
{
	return view_nobody(server) ? "-" : server->name;
}

const char *pb_view(struct pb_world *w)
{
	static char text[2 * NAME_BYTES_MAX + 32];
	const struct view *view = newest(w);
	snprintf(text, sizeof text, "%u %s %s", (unsigned)view->number, name_of(&view->primary),
		 name_of(&view->backup));
	return text;
}

/* The server of a view, if it still lives: a restarted one is another. */
static uint32_t number_of(struct pb_world *w, const struct view_server *server)
{
	if (view_nobody(server))
		return 0;
	uint32_t number = (uint32_t)(server->name[1] - '0');
	return pb_info(w, number).incarnation == server->incarnation ? number : 0;
}

uint32_t pb_primary(struct pb_world *w)
{
	return number_of(w, &newest(w)->primary);
}

uint32_t pb_backup(struct pb_world *w)
{
	return number_of(w, &newest(w)->backup);
}

static bool settled(struct pb_world *w)
{
	const struct view *view = newest(w);
	uint32_t primary = pb_primary(w);
	if (primary == 0 || !view_acknowledged(view) || pb_info(w, primary).view != view->number)
		return false;
	return view_nobody(&view->backup) || view_synced(view);
}

bool pb_reaches(struct pb_world *w, const char *view, uint32_t ticks)
{
	for (uint32_t i = 0; i < 10 * ticks; i++) {
		if (strcmp(pb_view(w), view) == 0 && settled(w))
			return true;
		sim_world_run_for(w->world, PB_TICK_US / 10);
	}
	return false;
}

bool pb_settles(struct pb_world *w, uint32_t ticks)
{
	for (uint32_t i = 0; i < 10 * ticks; i++) {
		if (pb_backup(w) != 0 && settled(w))
			return true;
		sim_world_run_for(w->world, PB_TICK_US / 10);
	}
	return false;
}
