/* A scene from its beginning to its end: faults, healing, quiet, and what must hold in each. */
#include "scene.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cores/cores.h"
#include "forcer.h"
#include "joiner.h"
#include "liars.h"
#include "memory.h"
#include "shiviz.h"
#include "sim/network.h"
#include "strays.h"
#include "tally.h"
#include "wire/method.h"
#include "wire/wire.h"

void scene_fail(struct scene *scene, enum verdict verdict, const char *format, ...)
{
	char text[6000];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	scene->over = true;
	if (scene->result->verdict != VERDICT_OK)
		return;
	scene->result->verdict = verdict;
	snprintf(scene->result->problem, sizeof scene->result->problem,
		 "%" PRIu64 ".%06" PRIu64 " %s\n", scene->world->now_us / SIM_SECOND,
		 scene->world->now_us % SIM_SECOND, text);
	sim_trace_note(&scene->world->trace, "verdict=%s %.400s", verdict_text(verdict), text);
	/* Its reader wants to see how it came to this, not how it goes on. */
	scene->world->trace.line = NULL;
}

__attribute__((format(printf, 2, 3))) static void load_violation(void *context, const char *format,
								 ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	scene_fail(context, VERDICT_SAFETY, "%s", text);
}

struct rsm *scene_rsm_of(const struct scene *scene, const struct scene_replica *replica)
{
	return replica->waits ? joiner_rsm(replica->process->node) : scene->kind->rsm(replica);
}

static const struct consensus *core_of(const struct scene *scene, const struct sim_process *process)
{
	const struct scene_replica *replica = scene->by_process[process->index];
	return replica == NULL || !sim_process_alive(process)
		       ? NULL
		       : rsm_core(scene_rsm_of(scene, replica));
}

/* ---- replicas agree ---- */

void scene_add_replica(struct scene *scene, struct sim_process *process, uint32_t group)
{
	ASSERT(scene->nreplicas < SCENE_REPLICAS_MAX && process->index < SCENE_REPLICAS_MAX * 2);
	struct scene_replica *replica = &scene->replicas[scene->nreplicas++];
	*replica = (struct scene_replica){.process = process, .group = group};
	scene->by_process[process->index] = replica;
	if (group >= scene->ngroups)
		scene->ngroups = group + 1;
	if (scene->hashes[group] == NULL) {
		scene->hashes[group] = alloc_zeroed(SCENE_SLOTS_MAX, sizeof(uint64_t));
		scene->checkers[group] = consensus_checker_default();
	}
}

/*
 * After the same slots every replica of a group, whichever way it came there, has the same state.
 */
static void compare_state(struct scene *scene, struct scene_replica *replica)
{
	struct sim_process *process = replica->process;
	if (!sim_process_alive(process))
		return;
	uint64_t applied = rsm_applied(scene_rsm_of(scene, replica));
	if (replica->incarnation == process->incarnation && applied == replica->applied)
		return;
	if (replica->incarnation == process->incarnation && applied < replica->applied)
		scene_fail(scene, VERDICT_SAFETY, "%s went back from slot %" PRIu64 " to %" PRIu64,
			   process->name, replica->applied, applied);
	replica->applied = applied;
	replica->incarnation = process->incarnation;
	if (applied == 0 || applied >= SCENE_SLOTS_MAX || memory_is_wrong(replica))
		return;
	/* Sessions and what the group has agreed on count, too. 0 stands for not known. */
	uint64_t hash = (scene->kind->hash(replica) * 31 +
			 rsm_state_hash(scene_rsm_of(scene, replica))) |
			1;
	uint64_t *known = &scene->hashes[replica->group][applied];
	if (*known == 0)
		*known = hash;
	else if (*known != hash)
		scene_fail(scene, VERDICT_SAFETY,
			   "%s has another state at slot %" PRIu64 " than its group", process->name,
			   applied);
}

/*
 * What sessions expire by is time that has passed, whatever the clocks show. Rates differ by less
 * than a thousandth. faults: 103
 */
static void check_lived(struct scene *scene, const struct scene_replica *replica)
{
	if (!sim_process_alive(replica->process))
		return;
	uint64_t lived_us = rsm_lived_us(scene_rsm_of(scene, replica)),
		 now_us = scene->world->now_us;
	if (lived_us > now_us + now_us / 1000 + SIM_SECOND)
		scene_fail(scene, VERDICT_SAFETY,
			   "the leaders of %s have lived for %" PRIu64
			   " s, says its state, in a world of %" PRIu64 " s",
			   replica->process->name, lived_us / SIM_SECOND, now_us / SIM_SECOND);
}

/* The invariants of the consensus core, over all replicas of the group. */
static void check_core(struct scene *scene, uint32_t group)
{
	const struct consensus *cores[CHECKER_REPLICAS_MAX] = {NULL};
	uint32_t count = 0;
	for (uint32_t i = 0; i < scene->nreplicas; i++) {
		struct scene_replica *replica = &scene->replicas[i];
		if (replica->group != group)
			continue;
		bool alive = sim_process_alive(replica->process);
		if (replica->wipes != replica->process->wipes + replica->process->copies) {
			replica->wipes = replica->process->wipes + replica->process->copies;
			consensus_checker_wiped(scene->checkers[group], count);
		}
		if (replica->checked != 0 &&
		    (!alive || replica->checked != replica->process->incarnation)) {
			consensus_checker_crashed(scene->checkers[group], count);
			replica->checked = 0;
		}
		if (alive) {
			cores[count] = rsm_core(scene_rsm_of(scene, replica));
			replica->checked = replica->process->incarnation;
		}
		count++;
	}
	const char *problem = consensus_check(scene->checkers[group], cores, count);
	if (problem != NULL)
		scene_fail(scene, VERDICT_SAFETY, "%s", problem);
}

/* One group, one id. */
static void check_group_id(struct scene *scene, const struct scene_replica *replica)
{
	for (uint32_t i = 0; i < scene->nreplicas; i++) {
		const struct scene_replica *other = &scene->replicas[i];
		uint64_t theirs = other->process->group_id, ours = replica->process->group_id;
		if (other->group == replica->group && theirs != 0 && ours != 0 && theirs != ours)
			scene_fail(scene, VERDICT_SAFETY, "%s and %s of one group have two ids",
				   other->process->name, replica->process->name);
	}
}

/* faults: 104 */
static void check_copy(struct scene *scene, const struct scene_replica *replica)
{
	const struct sim_process *process = replica->process;
	const struct consensus *core = sim_process_alive(process)
					       ? rsm_core(scene_rsm_of(scene, replica))
					       : NULL;
	if (core != NULL && consensus_votes(core) && !consensus_is_held(core) &&
	    sim_nemesis_is_stale(scene->nemesis, process))
		scene_fail(scene, VERDICT_SAFETY,
			   "%s votes with a copy of its disk, and others remember more",
			   process->name);
}

static void after_turn(void *context, struct sim_process *process)
{
	struct scene *scene = context;
	struct scene_replica *replica = scene->by_process[process->index];
	if (replica == NULL) {
		if (scene->kind->after_turn != NULL)
			scene->kind->after_turn(scene, process);
		return;
	}
	if (sim_nemesis_must_not_run(scene->nemesis, process) && sim_process_alive(process)) {
		scene_fail(scene, VERDICT_SAFETY, "%s runs, though %s", process->name,
			   process->misconfigured != NULL
				   ? "its configuration names other members than its group has"
				   : "its log was lost, or exchanged");
		return;
	}
	if (sim_process_alive(process))
		liars_after_turn(scene, replica);
	check_group_id(scene, replica);
	joiner_note(scene, replica);
	forcer_after_turn(scene, replica);
	memory_after_turn(scene, replica);
	compare_state(scene, replica);
	check_lived(scene, replica);
	check_copy(scene, replica);
	check_core(scene, replica->group);
	if (scene->kind->replica_turn != NULL)
		scene->kind->replica_turn(scene, replica);
}

void scene_identify_group(struct sim_process *const *processes, uint32_t count, const char *role,
			  uint64_t group)
{
	struct identity own = {.cluster = "sim", .group = group, .shards = 1};
	snprintf(own.role, sizeof own.role, "%s", role);
	for (uint32_t i = 0; i < count; i++)
		identity_add_member(&own.members, i + 1, processes[i]->name, processes[i]->address);
	for (uint32_t i = 0; i < count; i++) {
		own.replica = i + 1;
		snprintf(own.node, sizeof own.node, "%s", processes[i]->name);
		sim_process_identify(processes[i], &own);
	}
}

/* Whoever leads is worth more trouble. */
static bool is_leader(void *context, const struct sim_process *process)
{
	struct scene *scene = context;
	const struct consensus *core = core_of(scene, process);
	return core != NULL && consensus_role(core) == CONSENSUS_LEADER;
}

static bool is_whole(const struct scene *scene, const struct scene_replica *replica)
{
	return scene->kind->whole == NULL || scene->kind->whole(scene, replica);
}

/* By the newest members that any replica of its group knows, and if somebody leads by these. */
static bool is_bound(void *context, const struct sim_process *process)
{
	struct scene *scene = context;
	const struct scene_replica *self = scene->by_process[process->index];
	const struct consensus_members *newest = NULL;
	bool led = false;
	if (self == NULL || !is_whole(scene, self))
		return false;
	for (uint32_t i = 0; i < scene->nreplicas; i++) {
		const struct scene_replica *replica = &scene->replicas[i];
		if (replica->group != self->group || !sim_process_alive(replica->process))
			continue;
		const struct consensus *core = rsm_core(scene_rsm_of(scene, replica));
		const struct consensus_members *members = core == NULL ? NULL
								       : consensus_members(core);
		if (members == NULL || members->slot == 0 ||
		    (newest != NULL && joiner_is_newer(newest->generation, newest->slot,
						       members->generation, members->slot)))
			continue;
		led = (led && newest != NULL && newest->slot == members->slot) ||
		      consensus_role(core) == CONSENSUS_LEADER;
		newest = members;
	}
	for (uint32_t i = 0; led && i < newest->count; i++)
		if (newest->list[i].life == process->env.life &&
		    newest->list[i].role == MEMBER_VOTER)
			return true;
	return false;
}

static bool has_vote(void *context, const struct sim_process *process)
{
	struct scene *scene = context;
	const struct scene_replica *replica = scene->by_process[process->index];
	const struct consensus *core = core_of(scene, process);
	return replica == NULL ||
	       (core != NULL && consensus_votes(core) && is_whole(scene, replica));
}

static const struct rsm *rsm_of(void *context, const struct sim_process *process)
{
	struct scene *scene = context;
	const struct scene_replica *replica = scene->by_process[process->index];
	const struct rsm *rsm = replica == NULL ? NULL : scene_rsm_of(scene, replica);
	return rsm == NULL || rsm_core(rsm) == NULL ? NULL : rsm;
}

static void ask_to_hand_over(void *data, struct node *node)
{
	struct buffer *request = data;
	node->ops->message(node, 0,
			   &(struct message){.kind = MESSAGE_REQUEST,
					     .method = METHOD_TRANSFER,
					     .id = 1,
					     .payload = buffer_slice(request)});
}

static void hand_over(void *context, struct sim_process *process)
{
	struct scene *scene = context;
	struct buffer request = {0};
	if (scene->by_process[process->index] == NULL)
		return;
	wire_transfer_encode(0, &request);
	sim_process_call(process, ask_to_hand_over, &request);
	buffer_free(&request);
}

/*
 * Errors of the disk are what the nemesis does; that anything synced was found damaged must be its
 * work as well.
 */
static void halted(void *context, struct sim_process *process)
{
	struct scene *scene = context;
	bool fine = process->halt_status == STATUS_IO || process->halt_status == STATUS_NO_SPACE ||
		    (process->halt_status == STATUS_SHORTAGE && process->halted_at_start) ||
		    (process->halt_status == STATUS_IDENTITY && process->misconfigured != NULL) ||
		    (process->halt_status == STATUS_REMOVED && process->removed) ||
		    (process->halt_status == STATUS_CORRUPT &&
		     sim_nemesis_may_be_corrupt(scene->nemesis, process));
	if (!fine)
		scene_fail(scene, VERDICT_CRASH, "%s halted with %s: %s", process->name,
			   status_name(process->halt_status), process->halt_reason);
}

/* ---- phases ---- */

static struct sim_mix *mix_of(const struct scene *scene)
{
	return scene->kind->mix == NULL ? NULL : scene->kind->mix(scene);
}

static bool progressed(void *context)
{
	struct scene *scene = context;
	bool own = scene->kind->progressed == NULL || scene->kind->progressed(scene);
	return scene->over || (own && sim_load_progress(&scene->load));
}

static bool idle(void *context)
{
	struct scene *scene = context;
	return scene->over || (scene->load.busy == 0 &&
			       (mix_of(scene) == NULL || sim_mix_busy(mix_of(scene)) == 0));
}

static bool finally_read(void *context)
{
	struct scene *scene = context;
	return scene->over || sim_load_final_done(&scene->load);
}

static bool in_core(const struct scene *scene, const struct scene_replica *replica)
{
	return sim_process_alive(replica->process) &&
	       sim_nemesis_in_core(scene->nemesis, replica->process);
}

/*
 * What each group has applied when its last client has gone: leaders go on with entries of their
 * own.
 */
static void note_applied(struct scene *scene)
{
	for (uint32_t i = 0; i < scene->nreplicas; i++) {
		const struct scene_replica *replica = &scene->replicas[i];
		uint64_t *last = &scene->last_applied[replica->group];
		if (in_core(scene, replica) && replica->applied > *last)
			*last = replica->applied;
	}
}

static const struct group_member *member_of(const struct scene *scene,
					    const struct scene_replica *replica)
{
	const struct group_members *newest = NULL;
	for (uint32_t i = 0; i < scene->nreplicas; i++) {
		const struct scene_replica *other = &scene->replicas[i];
		if (other->group != replica->group || !sim_process_alive(other->process))
			continue;
		const struct group_members *members = rsm_members(scene_rsm_of(scene, other));
		if (newest == NULL || joiner_is_newer(members->generation, members->slot,
						      newest->generation, newest->slot))
			newest = members;
	}
	return newest == NULL ? NULL
			      : members_find_name(newest, slice_string(replica->process->name));
}

/* By the newest list; if members stay who they are, all. */
static bool is_member(const struct scene *scene, const struct scene_replica *replica)
{
	return scene->place_of == NULL || member_of(scene, replica) != NULL;
}

static bool is_voter_of(const struct scene *scene, const struct scene_replica *replica)
{
	const struct group_member *member = scene->place_of == NULL ? NULL
								    : member_of(scene, replica);
	return scene->place_of == NULL || (member != NULL && member->role == MEMBER_VOTER);
}

/*
 * Everybody has come so far, in the state that the others have there; and whose disk was lost has a
 * vote again.
 */
static bool converged(void *context)
{
	struct scene *scene = context;
	for (uint32_t i = 0; i < scene->nreplicas; i++) {
		const struct scene_replica *replica = &scene->replicas[i];
		/* Of a machine that has been removed meanwhile nothing is expected. */
		if (!in_core(scene, replica) || !is_member(scene, replica))
			continue;
		if (memory_is_wrong(replica) ||
		    replica->applied < scene->last_applied[replica->group] ||
		    (replica->process->wipes + replica->process->copies > 0 &&
		     is_voter_of(scene, replica) &&
		     (!consensus_votes(rsm_core(scene_rsm_of(scene, replica))) ||
		      !is_whole(scene, replica)))) {
			scene->behind = replica->process;
			return scene->over;
		}
	}
	return scene->over || scene->kind->converged == NULL || scene->kind->converged(scene);
}

/* A group begins when all its members have met: before that no disk may be lost for good. */
static bool is_born(const struct scene *scene, uint32_t group)
{
	for (uint32_t i = 0; i < scene->nreplicas; i++) {
		const struct scene_replica *replica = &scene->replicas[i];
		if (replica->group == group && sim_process_alive(replica->process) &&
		    rsm_applied(scene_rsm_of(scene, replica)) > 0)
			return true;
	}
	return false;
}

/* Whoever scrubs has found what is damaged, and has replaced it. */
static bool scrubbed(void *context)
{
	struct scene *scene = context;
	for (uint32_t i = 0; i < scene->nreplicas; i++) {
		const struct scene_replica *replica = &scene->replicas[i];
		const struct rsm *rsm = in_core(scene, replica) ? scene_rsm_of(scene, replica)
								: NULL;
		if (rsm != NULL && rsm_scrubs(rsm) &&
		    sim_nemesis_is_damaged(scene->nemesis, replica->process))
			return scene->over;
	}
	return true;
}

static bool is_ready(void *context)
{
	struct scene *scene = context;
	for (uint32_t group = 0; group < scene->ngroups; group++)
		if (!is_born(scene, group))
			return scene->over;
	return scene->over || scene->kind->ready(scene);
}

static void phase_safety(struct scene *scene)
{
	struct sim_world *world = scene->world;
	uint64_t end_us = world->now_us + scene->options->safety_us;
	sim_trace_note(&world->trace, "phase=safety");
	if (!sim_world_run_until_true(world, is_ready, scene, 60 * SIM_SECOND)) {
		scene_fail(scene, VERDICT_LIVENESS, "the cluster could not be set up");
		return;
	}
	sim_load_start(&scene->load);
	if (mix_of(scene) != NULL)
		sim_mix_start(mix_of(scene));
	sim_nemesis_start(scene->nemesis);
	strays_start(scene->strays);
	memory_start(scene->memory);
	while (world->now_us < end_us && !scene->over)
		sim_world_run_until(world, world->now_us + 100 * SIM_MILLISECOND);
}

static void phase_liveness(struct scene *scene)
{
	struct sim_world *world = scene->world;
	uint64_t limit_us = scene->options->liveness_us;
	sim_trace_note(&world->trace, "phase=liveness");
	memory_stop(scene->memory);
	sim_nemesis_heal_core(scene->nemesis);
	if (scene->kind->heal != NULL)
		scene->kind->heal(scene);
	sim_load_mark(&scene->load);
	uint64_t healed_us = world->now_us;
	if (!sim_world_run_until_true(world, progressed, scene, limit_us)) {
		if (scene->options->beyond)
			return;
		if (scene->kind->excused != NULL && scene->kind->excused(scene)) {
			scene->result->excused = scene->over = true;
			return;
		}
		scene_fail(scene, VERDICT_LIVENESS,
			   "no progress within %" PRIu64 " ms after the core was healed",
			   limit_us / 1000);
		return;
	}
	scene->result->progress_us = world->now_us - healed_us;
}

static bool settled(void *context)
{
	struct scene *scene = context;
	return scene->over || scene->kind->settled == NULL || scene->kind->settled(scene);
}

static void phase_quiet(struct scene *scene)
{
	struct sim_world *world = scene->world;
	sim_trace_note(&world->trace, "phase=quiet");
	sim_load_stop(&scene->load);
	if (scene->kind->quiet != NULL)
		scene->kind->quiet(scene);
	if (!sim_world_run_until_true(world, idle, scene, 60 * SIM_SECOND)) {
		scene_fail(scene, VERDICT_LIVENESS, "%u operations never ended", scene->load.busy);
		return;
	}
	if (scene->over)
		return;
	sim_load_final_reads(&scene->load);
	if (!sim_world_run_until_true(world, finally_read, scene,
				      (scene->options->beyond ? 20 : 120) * SIM_SECOND) &&
	    !scene->options->beyond)
		scene_fail(scene, VERDICT_LIVENESS, "the last reads never ended");
	sim_load_stop(&scene->load);
	note_applied(scene);
	bool same = false;
	for (uint32_t i = 0; i < 12 && !same && !scene->over && !scene->options->beyond; i++) {
		joiner_meet(scene);
		same = sim_world_run_until_true(world, converged, scene, 5 * SIM_SECOND);
	}
	if (!scene->over && !scene->options->beyond && !same)
		scene_fail(scene, VERDICT_LIVENESS,
			   "replicas of the core stay behind each other: %s does",
			   scene->behind == NULL ? "one, in what the scene knows,"
						 : scene->behind->name);
	if (!scene->over && !scene->options->beyond &&
	    !sim_world_run_until_true(world, scrubbed, scene, 60 * SIM_SECOND))
		scene_fail(scene, VERDICT_LIVENESS,
			   "a damaged file has not been found, or not replaced");
	if (!scene->over && !scene->options->beyond &&
	    !sim_world_run_until_true(world, settled, scene, 60 * SIM_SECOND))
		scene_fail(scene, VERDICT_LIVENESS, "what should follow by itself does not");
}

static void check_mix(struct scene *scene, const struct sim_mix *mix)
{
	struct buffer why = {0};
	if (sim_mix_problem(mix) != NULL)
		scene_fail(scene, VERDICT_SAFETY, "%s", sim_mix_problem(mix));
	enum check_verdict verdict = sim_mix_check(mix, &why);
	if (verdict == CHECK_VIOLATION)
		scene_fail(scene, VERDICT_LINEARIZABILITY, "%.*s", (int)why.len,
			   (const char *)why.data);
	scene->result->undecided = verdict == CHECK_GAVE_UP;
	scene->result->mixed = sim_mix_operations(mix);
	buffer_free(&why);
}

static void check_lists(struct scene *scene)
{
	struct buffer why = {0};
	if (!sim_history_check(&scene->load.history, sim_load_final_done(&scene->load), &why))
		scene_fail(scene, VERDICT_LINEARIZABILITY, "%.*s", (int)why.len,
			   (const char *)why.data);
	buffer_free(&why);
	if (scene->options->history == NULL)
		return;
	FILE *file = fopen(scene->options->history, "w");
	if (file != NULL)
		sim_history_write(&scene->load.history, file);
	int error = file == NULL || ferror(file) ? errno : 0;
	if (file != NULL && fclose(file) != 0 && error == 0)
		error = errno;
	if (error != 0)
		scene_fail(scene, VERDICT_USAGE, "cannot write %s: %s", scene->options->history,
			   strerror(error));
}

void scene_options_line(const struct scene *scene, struct buffer *out)
{
	buffer_format(out, "replicas=%u groups=%u ", scene->nreplicas, scene->ngroups);
	sim_load_options_format(&scene->load.options, out);
	buffer_add_u8(out, ' ');
	sim_options_format(&scene->world->options, out);
}

/* ---- the whole ---- */

/*
 * faults: 9, 26, 31, 32, 77. Log is released, and snapshots follow each other, every few dozen
 * commands.
 */
void scene_draw_settings(struct scene *scene, struct rsm_settings *settings)
{
	rsm_settings_default(settings);
	bool small = rng_chance(&scene->rng, 750000);
	settings->wal_segment_bytes = 8ull
				      << rng_range(&scene->rng, small ? 9 : 13, small ? 13 : 20);
	uint64_t entry_bytes_max = settings->wal_segment_bytes / 4;
	if (entry_bytes_max > ENTRY_BYTES_SOFT_MAX)
		entry_bytes_max = ENTRY_BYTES_SOFT_MAX;
	settings->entry_bytes = rng_range(&scene->rng, 1, entry_bytes_max);
	settings->snapshot_log_bytes = 1ull << rng_range(&scene->rng, 13, small ? 17 : 22);
	settings->log_cache_bytes = 1ull << rng_range(&scene->rng, 10, 20);
	settings->group.sessions_max = rng_range(&scene->rng, 8, 64);
	if (rng_chance(&scene->rng, 500000)) {
		uint32_t timeout_ms = (uint32_t)rng_range(&scene->rng, 100, 400);
		settings->election_timeout_ms = timeout_ms;
		settings->heartbeat_interval_ms = (uint32_t)rng_range(&scene->rng, timeout_ms / 10,
								      timeout_ms * 2 / 3);
	}
	/*
	 * faults: 43, 44, 45. Long ones, so that much happens while they hold. From a stream of
	 * their own.
	 */
	struct rng leases;
	rng_seed(&leases, scene->options->seed ^ 0x6c65617365ull);
	if (rng_chance(&leases, 500000)) {
		bool longer = rng_chance(&leases, 700000);
		if (longer)
			settings->election_timeout_ms = (uint32_t)rng_range(&leases, 800, 1500);
		uint32_t min_ms = settings->heartbeat_interval_ms * 2,
			 max_ms = settings->election_timeout_ms;
		if (min_ms <= max_ms)
			settings->read_lease_ms = longer ? max_ms
							 : (uint32_t)rng_range(&leases, min_ms,
									       max_ms);
	}
	/*
	 * faults: 3. So short that a candidate gets its reports in many parts. From a stream of
	 * their own.
	 */
	struct rng messages;
	rng_seed(&messages, scene->options->seed ^ 0x6d65737361676573ull);
	if (rng_chance(&messages, 600000))
		settings->message_bytes = 1ull << rng_range(&messages, 6, 14);
	/* faults: 98. So little in a turn that most of it waits for the next ones. */
	struct rng turns;
	rng_seed(&turns, scene->options->seed ^ 0x7475726e73ull);
	if (rng_chance(&turns, 400000))
		settings->turn_bytes = 1ull << rng_range(&turns, 6, 14);
	if (rng_chance(&turns, 500000))
		settings->snapshot_turn_bytes = 0;
	memory_draw_settings(scene, settings);
	/* faults: 14, 34. Damage is found while the process runs. From a stream of their own. */
	struct rng scrubs;
	rng_seed(&scrubs, scene->options->seed ^ 0x7363727562ull);
	settings->scrub_interval_ms = 0;
	if (rng_chance(&scrubs, 400000)) {
		settings->scrub_interval_ms = rng_range(&scrubs, 200, 5000);
		settings->scrub_bytes_per_s = 1ull << rng_range(&scrubs, 18, 26);
	}
	/* Log time, which follows the leaders' wall clocks: those jump. faults: 45, 47 */
	if (rng_chance(&scene->rng, 500000))
		settings->group.session_idle_us = rng_range(&scene->rng, SIM_SECOND,
							    60 * SIM_SECOND);
}

void scene_vary_settings(const struct scene *scene, const struct sim_process *process,
			 struct group_settings *settings)
{
	struct rng rng;
	rng_seed(&rng, scene->options->seed ^ 0x6472696674ull);
	if (scene->options->calm || !rng_chance(&rng, 500000))
		return;
	rng_seed(&rng, rng_next(&rng) + process->index * 4099u + process->incarnation);
	if (rng_chance(&rng, 600000))
		settings->sessions_max = rng_range(&rng, 4, 80);
	if (rng_chance(&rng, 600000))
		settings->session_idle_us = rng_range(&rng, SIM_SECOND, 60 * SIM_SECOND);
	if (rng_chance(&rng, 600000))
		settings->value_bytes_max = rng_range(&rng, 512, 16384);
}

static void draw_options(struct scene *scene, struct sim_options *options)
{
	const struct scene_options *asked = scene->options;
	if (asked->calm)
		sim_options_calm(options);
	else
		sim_options_draw(options, asked->seed);
	if (asked->beyond) {
		options->nemesis.beyond = true;
		if (options->nemesis.damage_mean_us == 0)
			options->nemesis.damage_mean_us = 3 * SIM_SECOND;
	}
	for (uint32_t i = 0; i < scene_nbackgrounds; i++) {
		struct sim_options without = *options;
		if (!scene_backgrounds[i].turn_off(&without))
			continue;
		if ((asked->backgrounds_off & 1u << i) != 0)
			*options = without;
		else
			scene->result->backgrounds |= 1u << i;
	}
}

static void scene_build(struct scene *scene)
{
	struct sim_options sim_options;
	draw_options(scene, &sim_options);
	scene->world = sim_world_create(scene->options->seed, &sim_options);
	scene->shiviz = shiviz_begin(scene->world, scene->options->shiviz);
	scene->world->trace.line = scene->options->trace;
	scene->world->trace.context = scene->options->trace_context;
	scene->world->after_turn = after_turn;
	scene->world->halted = halted;
	scene->world->context = scene;
	scene->nemesis = sim_nemesis_create(scene->world);
	sim_nemesis_prefer(scene->nemesis, is_leader, scene);
	sim_nemesis_count_votes(scene->nemesis, has_vote, scene);
	sim_nemesis_operate(scene->nemesis, hand_over, scene);
	sim_nemesis_wipes(scene->nemesis, is_bound, scene);
	sim_nemesis_stale_copies(scene->nemesis, rsm_of, scene);
	sim_nemesis_listen(scene->nemesis, scene->options->told, scene->options->told_context);
	sim_nemesis_leave_out(scene->nemesis, scene->options->left_out, scene->options->nleft_out);
	scene->load.violation = load_violation;
	scene->load.context = scene;
	rng_seed(&scene->rng, scene->options->seed ^ 0x7363656e65ull);
	liars_draw(scene);
	scene->strays = ALLOC(struct strays);
	strays_init(scene->strays, scene);
	scene->memory = ALLOC(struct memory);
	memory_init(scene->memory, scene);
	scene->kind->build(scene);
}

static void scene_free(struct scene *scene)
{
	sim_load_stop(&scene->load);
	strays_stop(scene->strays);
	free(scene->strays);
	memory_stop(scene->memory);
	free(scene->memory);
	if (scene->kind->quiet != NULL)
		scene->kind->quiet(scene);
	sim_nemesis_destroy(scene->nemesis);
	sim_world_destroy(scene->world);
	sim_load_free(&scene->load);
	scene->kind->free(scene);
	for (uint32_t i = 0; i < scene->ngroups; i++) {
		free(scene->hashes[i]);
		consensus_checker_free(scene->checkers[i]);
	}
	free(scene);
}

void scene_run(const struct scene_options *options, struct scene_result *result)
{
	struct scene *scene = ALLOC(struct scene);
	scene->options = options;
	scene->result = result;
	scene->kind = options->cluster  ? &scene_cluster
		      : options->pb     ? &scene_pb
		      : options->paxosd ? &scene_paxosd
					: &scene_rsm;
	scene_build(scene);

	struct buffer line = {0};
	scene_options_line(scene, &line);
	snprintf(result->options, sizeof result->options, "%.*s", (int)line.len,
		 (const char *)line.data);
	buffer_free(&line);

	phase_safety(scene);
	if (!scene->over)
		phase_liveness(scene);
	if (!scene->over)
		phase_quiet(scene);
	check_lists(scene);
	if (mix_of(scene) != NULL && idle(scene) && scene->result->verdict == VERDICT_OK)
		check_mix(scene, mix_of(scene));

	int traced = shiviz_end(scene->shiviz, scene->world);
	if (traced != 0)
		scene_fail(scene, traced == STATUS_IO ? VERDICT_USAGE : VERDICT_SAFETY,
			   "there is no causal trace");
	result->trace_hash = scene->world->trace.hash;
	result->events = scene->world->trace.events;
	result->ok = scene->load.ok;
	result->failed = scene->load.failed;
	result->unknown = scene->load.unknown;
	result->simulated_us = scene->world->now_us;
	result->messages = sim_network_counters(scene->world)->sent;
	sim_world_faults(scene->world, &result->faults);
	for (uint32_t i = 0; i < scene->nreplicas; i++)
		result->crashes += scene->replicas[i].process->incarnation - 1;
	scene_free(scene);
}
