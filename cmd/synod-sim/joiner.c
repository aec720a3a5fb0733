/* Replicas that join and leave groups while the simulation runs, as an operator would have it. */
#include "joiner.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cores/cores.h"
#include "sim/disk_sim.h"
#include "wire/method.h"
#include "wire/wire.h"

struct joiner {
	struct node node;
	struct rsm *rsm; /* never started */
	struct joiner_place *place;
	struct sim_process *process;
	struct arena arena;
};

static struct joiner *joiner_of(struct node *node)
{
	return (struct joiner *)(void *)node;
}

struct rsm *joiner_rsm(struct node *node)
{
	return joiner_of(node)->rsm;
}

/* ---- being told ---- */

static void identify(struct joiner_place *place, struct sim_process *process)
{
	struct identity own = {
		.cluster = "sim", .group = place->group, .shards = 1, .replica = place->replica};
	snprintf(own.role, sizeof own.role, "%s", place->role);
	snprintf(own.node, sizeof own.node, "%s", process->name);
	/* Itself, and of the others as many as there is room for. */
	for (uint32_t i = 0; i < place->nmembers; i++)
		if (place->members[i].replica == place->replica ||
		    own.members.count < REPLICAS_MAX - 1)
			identity_add_member(&own.members, place->members[i].replica,
					    place->members[i].name, place->members[i].address);
	sim_process_identify(process, &own);
}

static void begin(void *data)
{
	struct sim_process *process = data;
	struct scene *scene = process->world->context;
	/* It may have gone meanwhile, or begun. */
	if (sim_process_alive(process) && scene->by_process[process->index]->waits)
		sim_process_restart(process);
}

static void welcomed(struct joiner *joiner, const struct wire_welcome *w)
{
	struct joiner_place *place = joiner->place;
	for (uint32_t i = 0; i < w->nmembers; i++) {
		const struct wire_member *m = &w->members[i];
		place->texts[2 * i] = alloc_format("%.*s", (int)m->name.len,
						   (const char *)m->name.data);
		place->texts[2 * i + 1] = alloc_format("%.*s", (int)m->address.len,
						       (const char *)m->address.data);
		place->members[i] = (struct rsm_member){.replica = m->number,
							.name = place->texts[2 * i],
							.address = place->texts[2 * i + 1],
							.client_address = place->texts[2 * i + 1]};
	}
	place->nmembers = w->nmembers;
	place->replica = w->number;
	place->joining = true;
	place->generation = w->generation;
	identify(place, joiner->process);
	sim_world_call_at(joiner->process->world, joiner->process->world->now_us, begin,
			  joiner->process);
}

/* Is it for the node that this one is configured to be? */
static bool is_meant(const struct joiner *joiner, const struct wire_welcome *w)
{
	const struct sim_process *process = joiner->process;
	for (uint32_t i = 0; i < w->nmembers; i++)
		if (w->members[i].number == w->number)
			return w->group == joiner->place->group &&
			       slice_equal(w->members[i].name, slice_string(process->name)) &&
			       slice_equal(w->members[i].address, slice_string(process->address));
	return false;
}

static void joiner_message(struct node *node, link_id from, const struct message *message)
{
	struct joiner *joiner = joiner_of(node);
	struct wire_welcome welcome;
	if (message->kind == MESSAGE_REQUEST) {
		node_reply(node, from, message, STATUS_UNAVAILABLE, slice(NULL, 0));
		return;
	}
	if (message->method != METHOD_WELCOME || joiner->place->replica != 0)
		return;
	arena_reset(&joiner->arena);
	if (wire_welcome_decode(message->payload, &joiner->arena, &welcome) == 0 &&
	    is_meant(joiner, &welcome))
		welcomed(joiner, &welcome);
}

/* ---- the rest of a node ---- */

static int joiner_start(struct node *node)
{
	(void)node;
	return 0;
}

static void joiner_link_down(struct node *node, link_id link)
{
	(void)node;
	(void)link;
}

static void joiner_nothing(struct node *node)
{
	(void)node;
}

static void joiner_stop(struct node *node)
{
	node->env->ops->stopped(node->env);
}

static void joiner_destroy(struct node *node)
{
	struct joiner *joiner = joiner_of(node);
	rsm_destroy(joiner->rsm);
	arena_free(&joiner->arena);
	node_done(node);
	free(joiner);
}

static bool joiner_ready(struct node *node)
{
	(void)node;
	return false;
}

static void joiner_status_json(struct node *node, struct buffer *out)
{
	(void)node;
	buffer_format(out, "{}");
}

static const struct node_ops joiner_ops = {
	.start = joiner_start,
	.message = joiner_message,
	.link_down = joiner_link_down,
	.turn_end = joiner_nothing,
	.stop = joiner_stop,
	.destroy = joiner_destroy,
	.ready = joiner_ready,
	.stop_voting = joiner_nothing,
	.status_json = joiner_status_json,
};

void joiner_init(struct joiner_place *place, struct scene *scene, const char *role, uint64_t group,
		 uint32_t replica, const struct rsm_member *members, uint32_t nmembers)
{
	*place = (struct joiner_place){
		.scene = scene, .role = role, .group = group, .replica = replica};
	if (replica == 0)
		return;
	place->nmembers = nmembers;
	memcpy(place->members, members, nmembers * sizeof *members);
}

struct node *joiner_build(struct joiner_place *place, struct sim_process *process)
{
	struct joiner *joiner = ALLOC(struct joiner);
	node_init(&joiner->node, &joiner_ops, &process->env, &process->log);
	joiner->place = place;
	joiner->process = process;
	arena_init(&joiner->arena, ARENA_BYTES_MAX);
	struct rsm_options options = {.node = &joiner->node,
				      .consensus = consensus_default(),
				      .group = place->group,
				      .replica = 1,
				      .nmembers = 1};
	rsm_settings_default(&options.settings);
	options.members[0] = (struct rsm_member){.replica = 1,
						 .name = process->name,
						 .address = process->address,
						 .client_address = process->address};
	joiner->rsm = rsm_create(&options);
	place->scene->by_process[process->index]->waits = true;
	return &joiner->node;
}

void joiner_forget(struct joiner_place *place)
{
	for (size_t i = 0; i < sizeof place->texts / sizeof place->texts[0]; i++) {
		free(place->texts[i]);
		place->texts[i] = NULL;
	}
	place->replica = place->nmembers = place->generation = 0;
	place->joining = false;
}

void joiner_apply(const struct joiner_place *place, struct sim_process *process,
		  struct rsm_options *options)
{
	place->scene->by_process[process->index]->waits = false;
	options->replica = place->replica;
	options->nmembers = place->nmembers;
	for (uint32_t i = 0; i < place->nmembers; i++)
		options->members[i] = place->members[i];
	options->joining = place->joining;
	options->generation = place->generation;
	options->force = process->force;
	process->leaves = true;
}

static struct rsm *rsm_of(const struct scene *scene, const struct scene_replica *replica)
{
	return sim_process_alive(replica->process) && !replica->waits ? scene->kind->rsm(replica)
								      : NULL;
}

/* ---- what an empty directory is told of ---- */

/* The number by which the list of this replica has the process; 0: it does not. */
static uint32_t number_in(const struct sim_process *process, const struct group_members *members)
{
	for (uint32_t i = 0; i < members->count; i++)
		if (strcmp(members->list[i].name, process->name) == 0)
			return members->list[i].number;
	return 0;
}

static void become_member(struct joiner_place *place, struct sim_process *process, uint32_t number,
			  const struct group_members *members)
{
	bool other = number != place->replica;
	place->replica = number;
	place->joining = true;
	place->generation = members->generation;
	place->nmembers = 0;
	for (uint32_t i = 0; i < members->count; i++) {
		const struct sim_process *who = sim_process_find(process->world,
								 members->list[i].name);
		place->members[place->nmembers++] = (struct rsm_member){
			.replica = members->list[i].number,
			.name = who->name,
			.address = who->address,
			.client_address = who->address};
	}
	sim_trace_note(&process->world->trace,
		       "%s has an empty disk, and is told that it is member %" PRIu32
		       " of generation %" PRIu32,
		       process->name, number, members->generation);
	if (!other)
		return;
	free(process->identity);
	process->identity = NULL;
	identify(place, process);
}

void joiner_hear(struct joiner_place *place, struct sim_process *process)
{
	struct scene *scene = place->scene;
	uint32_t group = scene->by_process[process->index]->group;
	bool empty = disk_sim_file(process->disk, 0) == NULL;
	for (uint32_t i = 0; empty && i < scene->nreplicas; i++) {
		const struct scene_replica *replica =
			&scene->replicas[(i + process->incarnation) % scene->nreplicas];
		const struct rsm *rsm = replica->group == group && replica->process != process
						? rsm_of(scene, replica)
						: NULL;
		const struct group_members *members = rsm == NULL ? NULL : rsm_members(rsm);
		uint32_t number = members == NULL || members->generation == 0
					  ? 0
					  : number_in(process, members);
		if (number == 0)
			continue;
		become_member(place, process, number, members);
		return;
	}
}

/* ---- who belongs to a group, and how that is changed ---- */

void joiner_note(struct scene *scene, const struct scene_replica *replica)
{
	const struct rsm *rsm = scene->place_of == NULL ? NULL : rsm_of(scene, replica);
	const struct group_members *members = rsm == NULL ? NULL : rsm_members(rsm);
	struct sim_nemesis_roster *newest = &scene->rosters[replica->group];
	if (members == NULL ||
	    !joiner_is_newer(members->generation, members->slot, newest->generation, newest->slot))
		return;
	*newest = (struct sim_nemesis_roster){
		.generation = members->generation, .slot = members->slot, .count = members->count};
	for (uint32_t i = 0; i < members->count; i++) {
		newest->list[i].process = sim_process_find(scene->world, members->list[i].name);
		newest->list[i].number = members->list[i].number;
		newest->list[i].voter = members->list[i].role == MEMBER_VOTER;
	}
}

/* Voters of the list that run, and go by it or by a later one. */
static uint32_t count_informed(const struct scene *scene, uint32_t group,
			       const struct sim_nemesis_roster *list)
{
	uint32_t informed = 0;
	for (uint32_t i = 0; i < scene->nreplicas; i++) {
		const struct scene_replica *replica = &scene->replicas[i];
		const struct rsm *rsm = replica->group == group ? rsm_of(scene, replica) : NULL;
		const struct group_members *own = rsm == NULL ? NULL : rsm_members(rsm);
		if (own == NULL ||
		    joiner_is_newer(list->generation, list->slot, own->generation, own->slot))
			continue;
		for (uint32_t k = 0; k < list->count; k++)
			informed += list->list[k].voter &&
				    list->list[k].process == replica->process;
	}
	return informed;
}

bool joiner_roster(const struct scene *scene, uint32_t group, struct sim_nemesis_roster *out)
{
	uint64_t ballot = 0;
	*out = scene->rosters[group];
	out->informed = out->slot == 0 ? 0 : count_informed(scene, group, out);
	for (uint32_t i = 0; out->slot != 0 && i < scene->nreplicas; i++) {
		const struct scene_replica *replica = &scene->replicas[i];
		const struct rsm *rsm = replica->group == group ? rsm_of(scene, replica) : NULL;
		if (rsm == NULL || rsm_members(rsm)->slot != out->slot ||
		    rsm_members(rsm)->generation != out->generation || !rsm_is_leader(rsm) ||
		    consensus_epoch(rsm_core(rsm)) <= ballot)
			continue;
		ballot = consensus_epoch(rsm_core(rsm));
		out->leader = replica->process;
	}
	return out->slot != 0;
}

static bool is_listed(const struct sim_nemesis_roster *roster, const struct sim_process *process,
		      uint32_t number)
{
	for (uint32_t i = 0; i < roster->count; i++)
		if (roster->list[i].process == process && roster->list[i].number == number)
			return true;
	return false;
}

void joiner_meet(struct scene *scene)
{
	struct sim_nemesis_roster roster;
	for (uint32_t i = 0; scene->place_of != NULL && i < scene->nreplicas; i++) {
		const struct scene_replica *replica = &scene->replicas[i];
		struct sim_process *process = replica->process;
		const struct rsm *rsm = rsm_of(scene, replica);
		if (rsm == NULL || !sim_nemesis_in_core(scene->nemesis, process) ||
		    !joiner_roster(scene, replica->group, &roster) ||
		    !joiner_is_newer(roster.generation, roster.slot, rsm_members(rsm)->generation,
				     rsm_members(rsm)->slot) ||
		    is_listed(&roster, process, scene->place_of(scene, process)->replica))
			continue;
		sim_trace_note(&scene->world->trace,
			       "%s meets members, and is told that it is none", process->name);
		process->removed = true;
		sim_process_crash(process);
	}
}

static bool roster(void *context, const struct sim_process *process, struct sim_nemesis_roster *out)
{
	struct scene *scene = context;
	uint32_t group = scene->by_process[process->index]->group;
	if (!joiner_roster(scene, group, out))
		return false;
	if (scene->kind->members_may_change != NULL &&
	    !scene->kind->members_may_change(scene, group))
		out->leader = NULL;
	return true;
}

static void ask_to_change(void *data, struct node *node)
{
	struct buffer *request = data;
	node->ops->message(node, 0,
			   &(struct message){.kind = MESSAGE_REQUEST,
					     .method = METHOD_CHANGE_MEMBERS,
					     .id = 1,
					     .payload = buffer_slice(request)});
}

static void change(void *context, struct sim_process *leader, uint32_t op, uint32_t number,
		   const struct sim_process *who, uint64_t base)
{
	struct wire_change_members c = {
		.op = (enum wire_change_op)op, .number = number, .base = base};
	struct buffer request = {0};
	(void)context;
	if (who != NULL) {
		c.name = slice_string(who->name);
		c.address = slice_string(who->address);
	}
	wire_change_members_encode(&c, &request);
	sim_process_call(leader, ask_to_change, &request);
	buffer_free(&request);
}

static void renew(void *context, struct sim_process *process)
{
	struct scene *scene = context;
	joiner_forget(scene->place_of(scene, process));
}

void joiner_operate(struct scene *scene,
		    struct joiner_place *(*place)(struct scene *scene, struct sim_process *process))
{
	static const struct sim_nemesis_operator operator= {
		.roster = roster, .change = change, .renew = renew};
	scene->place_of = place;
	sim_nemesis_replaces(scene->nemesis, &operator, scene);
}

uint32_t joiner_spares(const struct scene *scene)
{
	struct rng rng;
	if (scene->world->options.nemesis.replace_mean_us == 0)
		return 0;
	rng_seed(&rng, scene->options->seed ^ 0x737061726573ull);
	return (uint32_t)rng_range(&rng, 1, 4);
}
