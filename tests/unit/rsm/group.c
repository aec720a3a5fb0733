#include "group.h"

#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "cores/cores.h"
#include "paxos/internal.h"
#include "rsm/internal.h"
#include "sim/link.h"

/* ---- a replica's node ---- */

struct replica_node {
	struct node node;
	struct app *app;
	struct rsm *rsm;
	struct rsm_replica *replica;
	struct timer ask; /* the masters */
	struct timer end; /* it is about to be started anew */
};

static struct replica_node *replica_of(struct node *node)
{
	return (struct replica_node *)(void *)node;
}

static int replica_start(struct node *node)
{
	struct replica_node *r = replica_of(node);
	int status = rsm_start(r->rsm);
	if (status == 0 && r->replica->group->masters.on)
		node_timer_after(node, &r->ask, 0);
	return status;
}

static void replica_message(struct node *node, link_id from, const struct message *message)
{
	rsm_message(replica_of(node)->rsm, from, message);
}

static void replica_link_down(struct node *node, link_id link)
{
	rsm_link_down(replica_of(node)->rsm, link);
}

static void replica_turn_end(struct node *node)
{
	rsm_turn_end(replica_of(node)->rsm);
}

static void replica_stop(struct node *node)
{
	rsm_stop(replica_of(node)->rsm);
}

static void replica_destroy(struct node *node)
{
	struct replica_node *r = replica_of(node);
	node_timer_cancel(node, &r->ask);
	node_timer_cancel(node, &r->end);
	rsm_destroy(r->rsm);
	r->app->ops->destroy(r->app);
	node_done(node);
	free(r);
}

static bool replica_ready(struct node *node)
{
	return rsm_ready(replica_of(node)->rsm);
}

static void replica_stop_voting(struct node *node)
{
	rsm_stop_voting(replica_of(node)->rsm);
}

static void replica_status_json(struct node *node, struct buffer *out)
{
	(void)node;
	buffer_format(out, "{}");
}

static const struct node_ops replica_ops = {
	.start = replica_start,
	.message = replica_message,
	.link_down = replica_link_down,
	.turn_end = replica_turn_end,
	.stop = replica_stop,
	.destroy = replica_destroy,
	.ready = replica_ready,
	.stop_voting = replica_stop_voting,
	.status_json = replica_status_json,
};

static const char *const names[] = {"r1", "r2", "r3", "r4", "r5", "r6", "r7"};
static const char *const addresses[] = {"r1:1", "r2:1", "r3:1", "r4:1", "r5:1", "r6:1", "r7:1"};

static void removed(void *context)
{
	struct rsm_replica *replica = context;
	replica->removed = true;
	replica->process->env.ops->stopped(&replica->process->env);
}

/* ---- generations ---- */

static struct rsm_replica *replica_of_env(struct env *env)
{
	return ((struct sim_process *)(void *)((char *)env - offsetof(struct sim_process, env)))
		->context;
}

static void env_superseded(struct env *env, uint32_t generation)
{
	replica_of_env(env)->superseded = generation;
	env->ops->stopped(env);
}

/* Whoever tests starts it anew. */
static void env_force(struct env *env, uint32_t generation)
{
	struct rsm_replica *replica = replica_of_env(env);
	replica->force = generation;
	/* Its answers have left before that. */
	node_timer_after(replica->process->node, &replica_of(replica->process->node)->end,
			 5 * SIM_MILLISECOND);
}

static void end(void *data)
{
	struct replica_node *r = data;
	r->node.env->ops->stopped(r->node.env);
}

static void ask_masters(void *data)
{
	struct replica_node *r = data;
	const struct rsm_group *g = r->replica->group;
	if (!g->masters.down && (rsm_awaits_generation(r->rsm) || rsm_is_leader(r->rsm)))
		rsm_generation_named(r->rsm, g->masters.generation, g->masters.life,
				     g->masters.begun);
	node_timer_after(&r->node, &r->ask, 20 * SIM_MILLISECOND);
}

static void record_generation(void *context, uint32_t generation)
{
	struct rsm_replica *replica = context;
	struct rsm_group *g = replica->group;
	struct rsm *rsm = rsm_group_rsm(g, replica->id - 1);
	uint64_t life = replica->process->env.life;
	if (g->masters.down || g->masters.deny) {
		rsm_generation_recorded(rsm, g->masters.deny ? STATUS_DENIED : STATUS_DEADLINE,
					slice_string("not recorded"));
		return;
	}
	if (generation == g->masters.generation + 1) {
		g->masters.generation = generation;
		g->masters.life = life;
		g->masters.begun = false;
	}
	bool own = generation == g->masters.generation && life == g->masters.life;
	rsm_generation_recorded(rsm, own ? 0 : STATUS_DENIED, slice_string("another replica's"));
}

static void members_changed(void *context, const struct group_members *members)
{
	struct rsm_replica *replica = context;
	struct rsm_group *g = replica->group;
	if (members->generation > replica->generation)
		replica->generation = members->generation;
	if (members->generation == g->masters.generation && g->masters.generation != 0)
		g->masters.begun = true;
}

static struct node *replica_build(void *context, struct sim_process *process)
{
	struct rsm_replica *replica = context;
	const struct rsm_group *g = replica->group;
	struct replica_node *r = ALLOC(struct replica_node);
	r->replica = replica;
	timer_init(&r->ask, ask_masters, r);
	timer_init(&r->end, end, r);
	if (g->masters.on) {
		static struct env_ops ops;
		ops = sim_process_env_ops;
		ops.superseded = env_superseded;
		ops.force = env_force;
		process->env.ops = &ops;
	}
	node_init(&r->node, &replica_ops, &process->env, &process->log);
	r->app = tally_create();
	struct rsm_options options = {
		.node = &r->node,
		.app = r->app,
		.consensus = consensus_default(),
		.group = 1,
		.replica = replica->id,
		.nmembers = replica->nmembers,
		.joining = replica->joining,
		.generation = replica->generation,
		.force = replica->force,
		.record_generation = g->masters.on ? record_generation : NULL,
		.members_changed = members_changed,
		.removed = removed,
		.context = context,
		.settings = replica->settings != NULL ? *replica->settings : g->settings,
	};
	for (uint32_t i = 0; i < replica->nmembers; i++)
		options.members[i] = (struct rsm_member){.replica = i + 1,
							 .name = names[i],
							 .address = addresses[i],
							 .client_address = addresses[i]};
	r->rsm = rsm_create(&options);
	replica->force = 0;
	if (replica->lost)
		rsm_stop_voting(r->rsm);
	return &r->node;
}

/* ---- the client's node ---- */

struct client_node {
	struct node node;
	struct rsm_group *g;
};

static struct rsm_group *group_of(struct node *node)
{
	return ((struct client_node *)(void *)node)->g;
}

static int client_start(struct node *node)
{
	(void)node;
	return 0;
}

static void client_message(struct node *node, link_id from, const struct message *message)
{
	struct rsm_group *g = group_of(node);
	struct slice payload = message->payload;
	struct answer_slot *a = &g->answers[message->id];
	(void)from;
	CHECK_THAT(message->kind == MESSAGE_REPLY && message->id >= 1 && message->id <= g->asked,
		   "a reply to nothing");
	CHECK_THAT(a->status == PENDING || a->status == LOST, "request %u is answered twice",
		   (unsigned)message->id);
	a->status = message->status;
	a->len = payload.len;
	struct arena arena;
	arena_init(&arena, 4096);
	if (message->status == 0 && message->method == METHOD_REGISTER) {
		ck_assert_int_eq(wire_register_reply_decode(payload, &arena, &a->number), 0);
	} else if (message->status == 0 && message->method == METHOD_QUERY_UNCONFIRMED) {
		ck_assert_int_eq(wire_unconfirmed_reply_decode(payload, &arena, &a->unconfirmed),
				 0);
		a->number = a->unconfirmed.body.len / 8;
	} else if (message->status == 0 && message->method == METHOD_QUERY_STALE) {
		ck_assert_int_eq(wire_stale_reply_decode(payload, &arena, &a->stale), 0);
		a->number = a->stale.body.len / 8;
	} else if (message->status == 0 && message->method == METHOD_CHANGE_MEMBERS) {
		struct wire_change_members_reply reply;
		ck_assert_int_eq(wire_change_members_reply_decode(payload, &arena, &reply), 0);
		a->number = reply.number;
	} else if (message->status == 0 && message->method == METHOD_MEMBERS) {
		ck_assert_int_eq(wire_members_decode(payload, &arena, &g->members), 0);
		for (uint32_t i = 0; i < g->members.nmembers; i++)
			g->members.members[i].name = g->members.members[i].address =
				g->members.members[i].waits_for = slice(NULL, 0);
	} else if (message->status == 0 && message->method == METHOD_FORCE) {
		ck_assert_int_eq(wire_force_reply_decode(payload, &arena, &g->force), 0);
		snprintf(g->refusal, sizeof g->refusal, "%.*s", (int)g->force.text.len,
			 (const char *)g->force.text.data);
		g->force.text = slice(NULL, 0);
	} else if (message->status != 0 &&
		   (message->method == METHOD_CHANGE_MEMBERS || message->method == METHOD_FORCE)) {
		struct wire_error error;
		ck_assert_int_eq(wire_error_decode(payload, &arena, &error), 0);
		snprintf(g->refusal, sizeof g->refusal, "%.*s", (int)error.message.len,
			 (const char *)error.message.data);
	} else if (message->status == 0 && message->method == METHOD_BALLOT) {
		ck_assert_int_eq(wire_ballot_reply_decode(payload, &arena, &a->ballot), 0);
	} else {
		(void)slice_take_u64(&payload, &a->number);
	}
	arena_free(&arena);
	if ((message->method == METHOD_QUERY || message->method == METHOD_QUERY_INDEXED) &&
	    message->status == 0) {
		payload = message->payload;
		a->number = payload.len / 8;
		for (uint64_t i = 1, value = 0;
		     slice_take_u64(&payload, &value) && g->appended != 0; i++)
			CHECK_THAT(value == i, "value %u is %u", (unsigned)i, (unsigned)value);
	}
}

static void client_link_down(struct node *node, link_id link)
{
	struct rsm_group *g = group_of(node);
	for (uint64_t i = 1; i <= g->asked; i++)
		if (g->answers[i].status == PENDING &&
		    node_dial(node, addresses[g->answers[i].replica]) == link)
			g->answers[i].status = LOST;
}

static void client_nothing(struct node *node)
{
	(void)node;
}

static void client_destroy(struct node *node)
{
	node_done(node);
	free(node);
}

static bool client_ready(struct node *node)
{
	(void)node;
	return true;
}

static const struct node_ops client_ops = {
	.start = client_start,
	.message = client_message,
	.link_down = client_link_down,
	.turn_end = client_nothing,
	.stop = client_nothing,
	.destroy = client_destroy,
	.ready = client_ready,
	.status_json = replica_status_json,
};

static struct node *client_build(void *context, struct sim_process *process)
{
	struct client_node *c = ALLOC(struct client_node);
	node_init(&c->node, &client_ops, &process->env, &process->log);
	c->g = context;
	return &c->node;
}

/* ---- the group ---- */

void rsm_group_settings(struct rsm_settings *settings)
{
	rsm_settings_default(settings);
	settings->wal_segment_bytes = 64 * KIB;
	settings->snapshot_log_bytes = 16 * KIB;
	settings->log_cache_bytes = 4 * KIB;
}

static void note_accepted(struct rsm_replica *r, uint64_t slot, uint64_t ballot)
{
	if (slot >= r->accepted_told_count) {
		uint64_t count = 2 * slot + 64;
		r->accepted_told = alloc_resize(r->accepted_told, count, sizeof *r->accepted_told);
		memset(r->accepted_told + r->accepted_told_count, 0,
		       (count - r->accepted_told_count) * sizeof *r->accepted_told);
		r->accepted_told_count = count;
	}
	if (ballot > r->accepted_told[slot])
		r->accepted_told[slot] = ballot;
}

/* Sees every message that leaves a process. */
static enum sim_verdict note_told(void *context, const struct sim_process *from,
				  const struct sim_process *to, const struct message *message,
				  uint64_t *delay_us)
{
	struct rsm_group *g = context;
	struct arena arena;
	struct wire_peer_any m;
	(void)to;
	(void)delay_us;
	if (message->method != METHOD_PROMISE && message->method != METHOD_PREPARE &&
	    message->method != METHOD_ACCEPTED)
		return SIM_PASS;
	arena_init(&arena, ARENA_BYTES_MAX);
	CHECK_THAT(wire_peer_any_decode(message->payload, &arena, &m) == 0,
		   "a message cannot be decoded");
	for (uint32_t i = 0; i < g->count; i++) {
		struct rsm_replica *r = &g->replicas[i];
		if (r->process != from)
			continue;
		if (message->method != METHOD_ACCEPTED && m.ballot > r->promise_told)
			r->promise_told = m.ballot;
		for (uint32_t k = 0; k < m.nranges; k++)
			for (uint64_t slot = m.ranges[k].first; slot <= m.ranges[k].last; slot++)
				note_accepted(r, slot, m.ballot);
	}
	arena_free(&arena);
	return SIM_PASS;
}

static void check_told(const struct rsm_replica *r, const struct consensus *core)
{
	const struct paxos *paxos = paxos_of(core);
	/* Nobody relies any more on what a replica without a vote was told. */
	if (!consensus_votes(core))
		return;
	CHECK_THAT(consensus_epoch(core) >= r->promise_told, "replica %u has forgotten a promise",
		   r->id);
	for (uint64_t slot = paxos->ring.first; slot < r->accepted_told_count; slot++) {
		const struct ring_slot *s = ring_get(&paxos->ring, slot);
		CHECK_THAT(r->accepted_told[slot] == 0 || impaired_has(&paxos->impaired, slot) ||
				   (s != NULL && s->ballot >= r->accepted_told[slot]),
			   "replica %u has forgotten slot %u", r->id, (unsigned)slot);
	}
}

/*
 * Turns between comparisons of a state that should not have changed: most of them do nothing but
 * wait.
 */
#define IDLE_TURNS 16u

static void check_state(struct rsm_group *g, struct rsm_replica *replica, struct rsm *rsm)
{
	if (rsm->restoring || rsm->state_lost)
		replica->wrong = false;
	if (rsm->restoring || rsm->state_lost || rsm->applied == 0 || replica->wrong)
		return;
	if (rsm->applied == replica->compared && ++replica->idle_turns < IDLE_TURNS)
		return;
	replica->compared = rsm->applied;
	replica->idle_turns = 0;
	void *hash = (void *)(uintptr_t)(rsm_state_hash(rsm) | 1);
	void *first = map_get(&g->hashes, rsm->applied);
	if (first == NULL)
		map_put(&g->hashes, rsm->applied, hash);
	else
		CHECK_THAT(first == hash, "replica %u has another state after slot %llu",
			   rsm->options.replica, (unsigned long long)rsm->applied);
}

/* Its life before counts no more, nor what that has told. */
static void forget_told(struct rsm_group *g, uint32_t i)
{
	struct rsm_replica *r = &g->replicas[i];
	r->wipes = r->process->wipes + r->process->copies;
	r->promise_told = 0;
	if (r->accepted_told_count > 0)
		memset(r->accepted_told, 0, r->accepted_told_count * sizeof *r->accepted_told);
	consensus_checker_wiped(g->checker, i);
}

static void after_turn(void *context, struct sim_process *process)
{
	struct rsm_group *g = context;
	/*
	 * Only whose turn it was can have changed: the others' cores need not be looked at again.
	 */
	const struct consensus *changed[REPLICAS_MAX] = {NULL};
	struct rsm *rsm = NULL;
	for (uint32_t i = 0; i < g->count; i++) {
		struct rsm *replica = rsm_group_rsm(g, i);
		const struct consensus *core = replica == NULL ? NULL : rsm_core(replica);
		if (g->replicas[i].process == process) {
			rsm = replica;
			changed[i] = core;
		}
		if (core != NULL &&
		    g->replicas[i].incarnation == g->replicas[i].process->incarnation)
			continue;
		if (g->replicas[i].wipes !=
		    g->replicas[i].process->wipes + g->replicas[i].process->copies)
			forget_told(g, i);
		consensus_checker_crashed(g->checker, i);
		g->replicas[i].incarnation = g->replicas[i].process->incarnation;
		g->replicas[i].compared = 0;
		g->replicas[i].wrong = false;
		if (core != NULL)
			check_told(&g->replicas[i], core);
	}
	if (rsm == NULL || rsm_core(rsm) == NULL)
		return;
	const char *problem = consensus_check(g->checker, changed, g->count);
	CHECK_THAT(problem == NULL, "%s", problem);
	CHECK_THAT(!rsm_is_leader(rsm) || rsm_applied(rsm) >= consensus_barrier(rsm_core(rsm)),
		   "it serves before it may");
	check_state(g, &g->replicas[rsm->options.replica - 1], rsm);
}

static void halted(void *context, struct sim_process *process)
{
	struct rsm_group *g = context;
	g->halts++;
	g->halt_status = process->halt_status;
}

static void init(struct rsm_group *g, uint32_t count, uint64_t seed,
		 const struct rsm_settings *settings, bool lives, bool masters)
{
	struct sim_options options;
	sim_options_calm(&options);
	*g = (struct rsm_group){.count = count, .masters.on = masters};
	if (settings != NULL)
		g->settings = *settings;
	else
		rsm_group_settings(&g->settings);
	g->answers = alloc_zeroed(ANSWERS_MAX, sizeof *g->answers);
	g->checker = consensus_checker_default();
	g->world = sim_world_create(seed, &options);
	g->world->after_turn = after_turn;
	g->world->halted = halted;
	g->world->context = g;
	sim_network_set_filter(g->world, note_told, g);
	for (uint32_t i = 0; i < count; i++) {
		g->replicas[i] = (struct rsm_replica){.group = g, .id = i + 1, .nmembers = count};
		g->replicas[i].process = sim_process_add(
			g->world, &(struct sim_process_spec){.name = names[i],
							     .address = addresses[i],
							     .build = replica_build,
							     .context = &g->replicas[i],
							     .disk = true,
							     .lives = lives});
	}
	g->client = sim_process_add(
		g->world,
		&(struct sim_process_spec){.name = "client", .build = client_build, .context = g});
	for (uint32_t i = 0; i < count; i++)
		sim_process_start(g->replicas[i].process);
	sim_process_start(g->client);
}

void rsm_group_init(struct rsm_group *g, uint32_t count, uint64_t seed,
		    const struct rsm_settings *settings)
{
	init(g, count, seed, settings, false, false);
}

void rsm_group_init_lives(struct rsm_group *g, uint32_t count, uint64_t seed,
			  const struct rsm_settings *settings)
{
	init(g, count, seed, settings, true, false);
}

void rsm_group_init_masters(struct rsm_group *g, uint32_t count, uint64_t seed,
			    const struct rsm_settings *settings)
{
	init(g, count, seed, settings, true, true);
}

uint32_t rsm_group_join(struct rsm_group *g)
{
	return rsm_group_join_generation(g, 0);
}

uint32_t rsm_group_join_generation(struct rsm_group *g, uint32_t generation)
{
	uint32_t i = g->count;
	ASSERT(i < REPLICAS_MAX);
	g->replicas[i] = (struct rsm_replica){.group = g,
					      .id = i + 1,
					      .nmembers = i + 1,
					      .joining = true,
					      .generation = generation};
	g->replicas[i].process = sim_process_add(
		g->world, &(struct sim_process_spec){.name = names[i],
						     .address = addresses[i],
						     .build = replica_build,
						     .context = &g->replicas[i],
						     .disk = true,
						     .lives = true});
	g->count++;
	sim_process_start(g->replicas[i].process);
	return i;
}

void rsm_group_free(struct rsm_group *g)
{
	sim_world_destroy(g->world);
	consensus_checker_free(g->checker);
	map_free(&g->hashes);
	for (uint32_t i = 0; i < g->count; i++)
		free(g->replicas[i].accepted_told);
	buffer_free(&g->scratch);
	free(g->answers);
}

void rsm_group_lose(struct rsm_group *g, uint32_t i)
{
	struct rsm_replica *r = &g->replicas[i];
	sim_process_crash(r->process);
	sim_process_wipe(r->process);
	r->lost = true;
	r->promise_told = 0;
	if (r->accepted_told_count > 0)
		memset(r->accepted_told, 0, r->accepted_told_count * sizeof *r->accepted_told);
	consensus_checker_wiped(g->checker, i);
}

struct app *rsm_group_app(const struct rsm_group *g, uint32_t i)
{
	return replica_of(g->replicas[i].process->node)->app;
}

struct rsm *rsm_group_rsm(const struct rsm_group *g, uint32_t i)
{
	const struct sim_process *process = g->replicas[i].process;
	return process->node == NULL || !sim_process_alive(process)
		       ? NULL
		       : replica_of(process->node)->rsm;
}

uint32_t rsm_group_leader(const struct rsm_group *g)
{
	uint32_t best = UINT32_MAX;
	uint64_t ballot = 0;
	for (uint32_t i = 0; i < g->count; i++) {
		const struct rsm *rsm = rsm_group_rsm(g, i);
		if (rsm == NULL || !rsm_is_leader(rsm) || consensus_epoch(rsm_core(rsm)) <= ballot)
			continue;
		best = i;
		ballot = consensus_epoch(rsm_core(rsm));
	}
	return best;
}

uint32_t rsm_group_elect(struct rsm_group *g)
{
	uint64_t until = g->world->now_us + 10 * SIM_SECOND;
	while (rsm_group_leader(g) == UINT32_MAX && g->world->now_us < until)
		rsm_group_run(g, SIM_MILLISECOND);
	CHECK_THAT(rsm_group_leader(g) != UINT32_MAX, "no leader within ten seconds");
	return rsm_group_leader(g);
}

void rsm_group_run(struct rsm_group *g, uint64_t length_us)
{
	sim_world_run_for(g->world, length_us);
}

/* ---- requests ---- */

struct request {
	uint32_t replica;
	struct message message;
	struct slice payload;
};

static void send_request(void *data, struct node *node)
{
	struct request *r = data;
	node_send(node, node_dial(node, addresses[r->replica]), &r->message);
	free((void *)(uintptr_t)r->payload.data);
	free(r);
}

uint64_t rsm_group_ask(struct rsm_group *g, uint32_t i, enum method method, struct slice payload)
{
	struct request *r = ALLOC(struct request);
	uint8_t *copy = alloc_bytes(payload.len + 1);
	CHECK_THAT(g->asked + 1 < ANSWERS_MAX, "too many requests");
	if (payload.len > 0)
		memcpy(copy, payload.data, payload.len);
	r->replica = i;
	r->payload = slice(copy, payload.len);
	r->message = (struct message){.kind = MESSAGE_REQUEST,
				      .method = (uint16_t)method,
				      .id = ++g->asked,
				      .trace = g->trace,
				      .payload = r->payload};
	g->answers[g->asked] = (struct answer_slot){.status = PENDING, .replica = i};
	sim_process_call(g->client, send_request, r);
	/* Calls are made one at a time. */
	while (g->client->call != NULL)
		CHECK_THAT(sim_world_step(g->world), "nothing happens any more");
	return g->asked;
}

uint64_t rsm_group_command(struct rsm_group *g, uint32_t i, uint64_t client, uint64_t sequence,
			   uint64_t value, size_t extra)
{
	uint8_t *body = alloc_zeroed(8 + extra, 1);
	struct wire_command command = {
		.client = client, .sequence = sequence, .body = slice(body, 8 + extra)};
	store_u64(body, value);
	buffer_clear(&g->scratch);
	wire_command_encode(&command, &g->scratch);
	free(body);
	return rsm_group_ask(g, i, METHOD_COMMAND, buffer_slice(&g->scratch));
}

int rsm_group_wait(struct rsm_group *g, uint64_t request, uint64_t limit_us)
{
	uint64_t until = g->world->now_us + limit_us;
	while (g->answers[request].status == PENDING && g->world->now_us < until)
		rsm_group_run(g, 100);
	return g->answers[request].status;
}

static void obtain_session(struct rsm_group *g)
{
	for (uint32_t tries = 0; g->session == 0 && tries < 100; tries++) {
		uint64_t request = rsm_group_ask(g, rsm_group_elect(g), METHOD_REGISTER,
						 slice(NULL, 0));
		if (rsm_group_wait(g, request, SIM_SECOND) == 0)
			g->session = g->answers[request].number;
	}
	ck_assert_uint_ne(g->session, 0);
}

void rsm_group_append(struct rsm_group *g, size_t extra)
{
	obtain_session(g);
	uint64_t until = g->world->now_us + 20 * SIM_SECOND;
	g->sequence++;
	int status = PENDING;
	while (status != 0 && g->world->now_us < until) {
		uint32_t leader = rsm_group_elect(g);
		uint64_t request = rsm_group_command(g, leader, g->session, g->sequence,
						     g->appended + 1, extra);
		status = rsm_group_wait(g, request, SIM_SECOND);
		if (status == 0)
			ck_assert_uint_eq(g->answers[request].number, g->appended + 1);
		else
			rsm_group_run(g, 20 * SIM_MILLISECOND);
	}
	CHECK_THAT(status == 0, "an append is not acknowledged: status %d", status);
	g->appended++;
}

void rsm_group_append_many(struct rsm_group *g, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		rsm_group_append(g, 200);
}

int rsm_group_read(struct rsm_group *g, uint32_t i, uint64_t least)
{
	int status = LOST;
	/* A connection to a replica that lost its power ends only when it is used again. */
	for (uint32_t tries = 0; status == LOST && tries < 5; tries++) {
		uint64_t request = rsm_group_ask(g, i, METHOD_QUERY, slice(NULL, 0));
		status = rsm_group_wait(g, request, 5 * SIM_SECOND);
		if (status == 0)
			ck_assert_uint_ge(g->answers[request].number, least);
	}
	return status;
}

bool rsm_group_agree(struct rsm_group *g, uint64_t limit_us)
{
	uint64_t until = g->world->now_us + limit_us;
	while (g->world->now_us < until) {
		uint64_t least = UINT64_MAX, most = 0;
		rsm_group_run(g, 10 * SIM_MILLISECOND);
		for (uint32_t i = 0; i < g->count; i++) {
			const struct rsm *rsm = rsm_group_rsm(g, i);
			if (rsm == NULL)
				continue;
			uint64_t applied = rsm->restoring || rsm->state_lost ? 0 : rsm_applied(rsm);
			uint64_t known = consensus_known_chosen(rsm_core(rsm));
			least = applied < least ? applied : least;
			most = known > most ? known : most;
		}
		if (least == most && most > 0)
			return true;
	}
	return false;
}

static bool all_bound(const struct rsm_group *g)
{
	for (uint32_t i = 0; i < g->count; i++) {
		const struct rsm *rsm = rsm_group_rsm(g, i);
		const struct consensus *core = rsm == NULL ? NULL : rsm_core(rsm);
		if (core == NULL)
			continue;
		const struct consensus_members *m = consensus_members(core);
		if (m->slot == 0 || !consensus_votes(core) || consensus_is_held(core))
			return false;
		for (uint32_t k = 0; k < g->count; k++)
			if (m->list[k].life != g->replicas[k].process->env.life)
				return false;
	}
	return true;
}

void rsm_group_until_bound(struct rsm_group *g)
{
	uint64_t until = g->world->now_us + 20 * SIM_SECOND;
	while (!all_bound(g)) {
		CHECK_THAT(g->world->now_us < until,
			   "not all disks are bound after twenty seconds");
		rsm_group_run(g, 10 * SIM_MILLISECOND);
	}
}
