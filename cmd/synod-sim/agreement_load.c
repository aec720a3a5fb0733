/* Clients of the agreement service: what they propose, and whether all are told the same. */
#include "agreement_load.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "paxoslog/paxosd.h"
#include "wire/method.h"
#include "wire/paxosd.h"

#define OPEN_INSTANCES 8u

/* ---- what must hold ---- */

static void check_value(struct agreement_load *load, const char *who, uint64_t seq,
			struct slice value)
{
	char proposed[32];
	struct bytes *known = map_get(&load->decided, seq + 1);
	int len = snprintf(proposed, sizeof proposed, "%" PRIu64 ".", seq);
	if (!slice_has_prefix(value, slice(proposed, (size_t)len)))
		scene_fail(load->scene, VERDICT_SAFETY,
			   "%s: instance %" PRIu64 " is decided with what nobody proposed: %.*s",
			   who, seq, (int)value.len, (const char *)value.data);
	if (known == NULL)
		map_put(&load->decided, seq + 1, bytes_copy(value));
	else if (!slice_equal(bytes_slice(known), value))
		scene_fail(load->scene, VERDICT_SAFETY,
			   "%s: instance %" PRIu64 " has two decisions, %.*s and %.*s", who, seq,
			   (int)known->len, (const char *)known->data, (int)value.len,
			   (const char *)value.data);
	while (map_get(&load->decided, load->low + 1) != NULL)
		load->low++;
}

static uint64_t least_done(const struct agreement_load *load)
{
	uint64_t least = UINT64_MAX;
	for (uint32_t i = 0; i < load->npeers; i++)
		least = load->peers[i].done < least ? load->peers[i].done : least;
	return least;
}

static void check_shown(struct agreement_load *load, struct agreement_peer *peer, const char *name,
			const struct agreement *core)
{
	size_t position = 0;
	uint64_t key;
	void *value;
	while (map_next(&peer->shown, &position, &key, &value)) {
		struct bytes *now;
		enum agreement_state state = agreement_status(core, key - 1, &now);
		if (state == AGREEMENT_STATE_PENDING)
			scene_fail(load->scene, VERDICT_SAFETY,
				   "%s has shown a decision of instance %" PRIu64 ", and lost it",
				   name, key - 1);
	}
}

/* Nothing has been shown after that moment; and min was what it was. */
static void forget_after(struct agreement_peer *peer, uint64_t us)
{
	struct map before = {0};
	size_t position = 0;
	uint64_t key;
	void *value;
	while (map_next(&peer->shown, &position, &key, &value))
		if ((uint64_t)(uintptr_t)value - 1 <= us)
			map_put(&before, key, value);
	map_free(&peer->shown);
	peer->shown = before;
	while (peer->nmins > 0 && peer->mins[peer->nmins - 1].at_us > us)
		peer->nmins--;
}

/* Another disk has shown nothing yet; a copy, what was shown before it was made. */
static void note_disk(struct agreement_peer *peer, const struct sim_process *process)
{
	if (peer->wipes == process->wipes && peer->copies == process->copies)
		return;
	bool copy = peer->wipes == process->wipes;
	peer->wipes = process->wipes;
	peer->copies = process->copies;
	peer->whole = false;
	if (copy) {
		forget_after(peer, process->copied_us);
		return;
	}
	map_free(&peer->shown);
	peer->shown = (struct map){0};
	peer->nmins = 0;
}

static void check_min(struct agreement_load *load, struct agreement_peer *peer, const char *name,
		      uint64_t min)
{
	uint64_t before = peer->nmins == 0 ? 0 : peer->mins[peer->nmins - 1].min;
	if (min < before || min > least_done(load))
		scene_fail(load->scene, VERDICT_SAFETY,
			   "%s: min is %" PRIu64 ", was %" PRIu64
			   ", and all are done below %" PRIu64,
			   name, min, before, least_done(load));
	if (min <= before)
		return;
	peer->mins = alloc_resize(peer->mins, peer->nmins + 1, sizeof *peer->mins);
	peer->mins[peer->nmins++] = (struct agreement_min){.at_us = load->scene->world->now_us,
							   .min = min};
}

static void note_shown(struct map *shown, uint64_t seq, uint64_t now_us)
{
	if (map_get(shown, seq + 1) == NULL)
		map_put(shown, seq + 1, (void *)(uintptr_t)(1 + now_us));
}

static void check_standing(struct agreement_load *load, struct agreement_peer *peer,
			   const struct sim_process *process, const struct agreement *core)
{
	const struct agreement_counters *counters = agreement_counters(core);
	uint64_t votes = counters->sent[WIRE_AGREEMENT_PROMISE] +
			 counters->sent[WIRE_AGREEMENT_ACCEPTED];
	bool outside = agreement_standing(core) != AGREEMENT_INSIDE;
	bool was_outside = peer->incarnation == process->incarnation ? peer->outside : outside;
	uint64_t before = peer->incarnation == process->incarnation ? peer->votes : 0;
	if (outside && was_outside && votes > before)
		scene_fail(load->scene, VERDICT_SAFETY, "%s votes, though its disk does not count",
			   process->name);
	if (votes > before && sim_nemesis_is_stale(load->scene->nemesis, process))
		scene_fail(load->scene, VERDICT_SAFETY,
			   "%s votes in the agreement with a copy of its disk", process->name);
	peer->whole |= !outside;
	peer->outside = outside;
	peer->votes = votes;
}

void agreement_load_check(struct agreement_load *load, uint32_t i, struct sim_process *process)
{
	struct agreement_peer *peer = &load->peers[i];
	const struct agreement *core = sim_process_alive(process) ? paxosd_agreement(process->node)
								  : NULL;
	struct agreement_view view;
	size_t position = 0;
	note_disk(peer, process);
	if (core == NULL)
		return;
	check_standing(load, peer, process, core);
	if (peer->incarnation != process->incarnation)
		check_shown(load, peer, process->name, core);
	peer->incarnation = process->incarnation;
	while (agreement_next_view(core, &position, &view)) {
		struct bytes *value;
		if (view.decided != NULL)
			check_value(load, process->name, view.seq, bytes_slice(view.decided));
		if (agreement_status(core, view.seq, &value) != AGREEMENT_STATE_DECIDED)
			continue;
		note_shown(&peer->shown, view.seq, load->scene->world->now_us);
		note_shown(&load->shown, view.seq, load->scene->world->now_us);
	}
	check_min(load, peer, process->name, agreement_min(core));
	if (agreement_counters(core)->conflicts > 0)
		scene_fail(load->scene, VERDICT_SAFETY,
			   "%s was told another decision than it knows", process->name);
}

/* ---- what actors do ---- */

static void later(struct agreement_actor *actor)
{
	struct sim_world *world = actor->load->scene->world;
	sim_world_timer_set(world, &actor->timer,
			    world->now_us + rng_below(&world->rng_workload, 40 * SIM_MILLISECOND));
}

static void end(struct agreement_actor *actor)
{
	actor->busy = false;
	if (!actor->load->stopped)
		later(actor);
}

/* Answers that a healthy or an ailing service may give. */
static void check_status(struct agreement_actor *actor, const struct synod_reply *reply)
{
	switch (reply->status) {
	case SYNOD_OK:
	case SYNOD_COMPACTED:
	case SYNOD_UNAVAILABLE:
	case SYNOD_UNKNOWN:
	case SYNOD_CLOSED:
	case SYNOD_NO_SPACE: break;
	default:
		scene_fail(actor->load->scene, VERDICT_SAFETY,
			   "the agreement service answered %s: %s",
			   synod_status_text(reply->status), reply->message);
		break;
	}
}

/* Checks what a client was told. True if the instance is decided. */
static bool check_answer(struct agreement_actor *actor, const struct synod_reply *reply,
			 struct slice payload)
{
	struct agreement_load *load = actor->load;
	struct arena arena;
	struct wire_agreement_state state;
	check_status(actor, reply);
	if (reply->status != SYNOD_OK)
		return false;
	arena_init(&arena, ARENA_BYTES_MAX);
	bool decided = false;
	if (wire_agreement_state_decode(payload, &arena, &state) != 0)
		scene_fail(load->scene, VERDICT_SAFETY,
			   "an answer of the agreement service is malformed");
	else if (state.status == WIRE_AGREEMENT_IS_FORGOTTEN && actor->seq >= least_done(load))
		scene_fail(load->scene, VERDICT_SAFETY,
			   "instance %" PRIu64 " is said to be forgotten, and is not", actor->seq);
	else if (state.status == WIRE_AGREEMENT_IS_DECIDED)
		decided = true;
	if (decided)
		check_value(load, "an answer", actor->seq, state.value);
	arena_free(&arena);
	return decided;
}

static void ask(struct agreement_actor *actor, uint16_t method, const char *peer,
		struct synod_bytes value, client_done done)
{
	struct client_request *request;
	int status = client_request_agreement(&request, peer, method, actor->seq, value);
	ASSERT(status == 0);
	request->timeout_ms = 2000;
	request->done = done;
	request->context = actor;
	client_submit(actor->client->client, request);
}

static void waited(struct client_request *request, const struct synod_reply *reply,
		   struct slice payload)
{
	struct agreement_actor *actor = request->context;
	if (check_answer(actor, reply, payload) && actor->load->marked)
		actor->agreed++;
	end(actor);
}

static void started(struct client_request *request, const struct synod_reply *reply,
		    struct slice payload)
{
	struct agreement_actor *actor = request->context;
	struct agreement_load *load = actor->load;
	(void)payload;
	check_status(actor, reply);
	if (reply->status == SYNOD_OK && !load->stopped &&
	    (load->marked || rng_chance(&load->scene->world->rng_workload, 300000)))
		ask(actor, METHOD_AGREEMENT_WAIT, NULL, (struct synod_bytes){0}, waited);
	else
		end(actor);
}

static void told(struct client_request *request, const struct synod_reply *reply,
		 struct slice payload)
{
	struct agreement_actor *actor = request->context;
	(void)payload;
	check_status(actor, reply);
	end(actor);
}

static void act(void *data, struct node *node)
{
	struct agreement_actor *actor = data;
	struct agreement_load *load = actor->load;
	struct rng *rng = &load->scene->world->rng_workload;
	uint64_t choice = load->marked ? 0 : rng_below(rng, 100);
	struct agreement_peer *peer = &load->peers[rng_below(rng, load->npeers)];
	struct synod_bytes nothing = {0};
	(void)node;
	if (choice < 65 || load->low < 4) {
		char value[64];
		actor->seq = load->low + rng_below(rng, OPEN_INSTANCES);
		int len = snprintf(value, sizeof value, "%" PRIu64 ".%u.%" PRIu64, actor->seq,
				   actor->number, load->proposals++);
		ask(actor, METHOD_AGREEMENT_START, load->marked ? NULL : peer->address,
		    (struct synod_bytes){.data = value, .len = (size_t)len}, started);
	} else if (choice < 85) {
		actor->seq = rng_below(rng, load->low + OPEN_INSTANCES);
		ask(actor, METHOD_AGREEMENT_STATUS, peer->address, nothing, waited);
	} else {
		actor->seq = load->low - 4 + rng_below(rng, 4);
		if (actor->seq + 1 > peer->done)
			peer->done = actor->seq + 1;
		ask(actor, METHOD_AGREEMENT_DONE, peer->address, nothing, told);
	}
}

static void due(void *data)
{
	struct agreement_actor *actor = data;
	if (actor->load->stopped)
		return;
	if (actor->process->state != SIM_RUNNING) {
		later(actor);
		return;
	}
	actor->busy = true;
	sim_process_call(actor->process, act, actor);
}

/* ---- life ---- */

void agreement_load_init(struct agreement_load *load, struct scene *scene)
{
	load->scene = scene;
	for (uint32_t i = 0; i < load->nactors; i++) {
		load->actors[i].load = load;
		load->actors[i].number = i;
		timer_init(&load->actors[i].timer, due, &load->actors[i]);
	}
}

void agreement_load_start(struct agreement_load *load)
{
	for (uint32_t i = 0; i < load->nactors; i++)
		later(&load->actors[i]);
}

void agreement_load_stop(struct agreement_load *load)
{
	load->stopped = true;
	for (uint32_t i = 0; i < load->nactors; i++)
		sim_world_timer_cancel(load->scene->world, &load->actors[i].timer);
}

void agreement_load_mark(struct agreement_load *load)
{
	load->marked = true;
	for (uint32_t i = 0; i < load->nactors; i++)
		load->actors[i].agreed = 0;
}

bool agreement_load_progress(const struct agreement_load *load)
{
	for (uint32_t i = 0; i < load->nactors; i++)
		if (load->actors[i].agreed == 0)
			return false;
	return true;
}

static bool knows_all_of(const struct agreement_load *load, const struct agreement *a,
			 const struct agreement *b)
{
	size_t position = 0;
	uint64_t key;
	void *value;
	while (map_next(&load->decided, &position, &key, &value)) {
		struct bytes *decision;
		if (agreement_status(b, key - 1, &decision) != AGREEMENT_STATE_PENDING &&
		    agreement_status(a, key - 1, &decision) == AGREEMENT_STATE_PENDING)
			return false;
	}
	return agreement_min(a) >= agreement_min(b);
}

bool agreement_load_complete(const struct agreement_load *load, const struct sim_process *process)
{
	const struct agreement *core = paxosd_agreement(process->node);
	size_t position = 0;
	uint64_t key;
	void *value;
	while (map_next(&load->shown, &position, &key, &value)) {
		struct bytes *decision;
		if (agreement_status(core, key - 1, &decision) == AGREEMENT_STATE_PENDING)
			return false;
	}
	return true;
}

bool agreement_load_same(const struct agreement_load *load, const struct sim_process *a,
			 const struct sim_process *b)
{
	const struct agreement *left = paxosd_agreement(a->node),
			       *right = paxosd_agreement(b->node);
	return left != NULL && right != NULL && knows_all_of(load, left, right) &&
	       knows_all_of(load, right, left);
}

void agreement_load_free(struct agreement_load *load)
{
	size_t position = 0;
	uint64_t key;
	void *value;
	while (map_next(&load->decided, &position, &key, &value))
		bytes_unref(value);
	map_free(&load->decided);
	map_free(&load->shown);
	for (uint32_t i = 0; i < load->npeers; i++) {
		map_free(&load->peers[i].shown);
		free(load->peers[i].mins);
	}
}
