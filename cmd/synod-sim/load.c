/* What clients do, and whether what they were told can be true. */
#include "load.h"

#include <stdlib.h>

#include "base/alloc.h"

#define DIRECT_TIMEOUT_MS 100u

void sim_load_options_draw(struct sim_load_options *options, struct rng *rng)
{
	*options = (struct sim_load_options){
		.clients = (uint32_t)rng_range(rng, 1, 6),
		.window = (uint32_t)rng_range(rng, 1, 8),
		.keys = (uint32_t)rng_range(rng, 1, 10),
		.key_operations = (uint32_t)rng_range(rng, 50, 500),
		.read_percent = (uint32_t)rng_range(rng, 5, 80),
		.think_mean_us = rng_range(rng, 1, 100) * SIM_MILLISECOND,
		.timeout_min_ms = (uint32_t)rng_range(rng, 50, 1000),
	};
	if (rng_below(rng, 100) < 50)
		options->renew_percent = (uint32_t)rng_range(rng, 1, 60);
	options->timeout_max_ms = options->timeout_min_ms + (uint32_t)rng_range(rng, 0, 5000);
}

void sim_load_options_format(const struct sim_load_options *o, struct buffer *out)
{
	buffer_format(out,
		      "clients=%u window=%u keys=%u key_operations=%u read_percent=%u "
		      "think_mean_us=%llu timeout_ms=%u…%u renew_percent=%u",
		      o->clients, o->window, o->keys, o->key_operations, o->read_percent,
		      (unsigned long long)o->think_mean_us, o->timeout_min_ms, o->timeout_max_ms,
		      o->renew_percent);
}

static void slot_due(void *data);

/* faults: 4, 43 */
uint32_t sim_load_draw_reads(struct rng *rng, uint64_t seed)
{
	rng_seed(rng, seed ^ 0x7265616473ull);
	return rng_chance(rng, 500000) ? (uint32_t)rng_range(rng, 10, 70) : 0;
}

void sim_load_init(struct sim_load *load, struct sim_world *world,
		   const struct sim_load_options *options, struct sim_process *const *processes)
{
	load->world = world;
	load->options = *options;
	load->nslots = options->clients * options->window;
	load->reads_percent = sim_load_draw_reads(&load->reads, world->seed);
	load->slots = alloc_zeroed(load->nslots, sizeof *load->slots);
	for (uint32_t i = 0; i < load->nslots; i++) {
		struct sim_load_slot *slot = &load->slots[i];
		*slot = (struct sim_load_slot){.load = load, .client = i / options->window};
		slot->process = processes[slot->client];
		timer_init(&slot->timer, slot_due, slot);
	}
}

static void slot_later(struct sim_load_slot *slot)
{
	struct sim_load *load = slot->load;
	uint64_t think_us = rng_below(&load->world->rng_workload,
				      2 * load->options.think_mean_us + 1);
	sim_world_timer_set(load->world, &slot->timer, load->world->now_us + think_us);
}

void sim_load_start(struct sim_load *load)
{
	load->stopped = false;
	for (uint32_t i = 0; i < load->nslots; i++)
		if (!load->slots[i].busy)
			slot_later(&load->slots[i]);
}

void sim_load_stop(struct sim_load *load)
{
	load->stopped = true;
	for (uint32_t i = 0; i < load->nslots; i++)
		sim_world_timer_cancel(load->world, &load->slots[i].timer);
}

/* Keys come into use one after another, so that no list becomes long. */
static uint32_t keys_begun(const struct sim_load *load)
{
	return load->options.keys + (uint32_t)(load->started / load->options.key_operations);
}

static void slot_draw(struct sim_load_slot *slot)
{
	struct sim_load *load = slot->load;
	struct rng *rng = &load->world->rng_workload;
	slot->kind = rng_below(rng, 100) < load->options.read_percent ? SIM_HISTORY_READ
								      : SIM_HISTORY_APPEND;
	slot->key = keys_begun(load) - 1 - (uint32_t)rng_below(rng, load->options.keys);
	slot->timeout_ms = (uint32_t)rng_range(rng, load->options.timeout_min_ms,
					       load->options.timeout_max_ms);
	bool direct = rng_below(rng, 100) < 45;
	uint64_t drawn = rng_next(rng) | 1;
	slot->direct = direct ? drawn : 0;
	if (direct && slot->timeout_ms > DIRECT_TIMEOUT_MS)
		slot->timeout_ms = DIRECT_TIMEOUT_MS;
	load->started++;
	slot->read = SIM_READ_LEADER;
	if (slot->kind != SIM_HISTORY_READ || rng_below(&load->reads, 100) >= load->reads_percent)
		return;
	slot->read = rng_chance(&load->reads, 600000) ? SIM_READ_FOLLOWER : SIM_READ_STALE;
	slot->read_choice = rng_next(&load->reads);
}

static void submit(void *data, struct node *node)
{
	struct sim_load_slot *slot = data;
	slot->load->submit(node, slot);
}

static void slot_due(void *data)
{
	struct sim_load_slot *slot = data;
	struct sim_load *load = slot->load;
	struct sim_world *world = load->world;
	ASSERT(!slot->busy);
	if (slot->process->state != SIM_RUNNING) {
		slot_later(slot);
		return;
	}
	if (load->final) {
		if (load->final_next >= keys_begun(load))
			return;
		slot->kind = SIM_HISTORY_READ;
		slot->key = load->final_next++;
		slot->timeout_ms = 5000;
		slot->direct = 0;
		slot->read = SIM_READ_LEADER;
	} else {
		slot_draw(slot);
	}
	slot->operation = sim_history_call(&load->history, slot->kind, slot->client, slot->key,
					   world->now_us);
	slot->value = load->history.operations[slot->operation].value;
	slot->mark_us = world->now_us;
	slot->busy = true;
	load->busy++;
	sim_trace_note(&world->trace, "client=%u op=%zu %s key=%u", slot->client, slot->operation,
		       slot->kind == SIM_HISTORY_READ ? "read" : "append", slot->key);
	sim_process_call(slot->process, submit, slot);
}

/* ---- ends ---- */

static void slot_free(struct sim_load_slot *slot, const char *outcome)
{
	struct sim_load *load = slot->load;
	sim_trace_note(&load->world->trace, "client=%u op=%zu %s", slot->client, slot->operation,
		       outcome);
	slot->busy = false;
	load->busy--;
	if (!load->stopped)
		slot_later(slot);
}

static void slot_ok(struct sim_load_slot *slot)
{
	slot->load->ok++;
	/* What is old may be had without anybody's being able to do anything. */
	if (slot->mark_us >= slot->load->mark_us &&
	    (slot->kind != SIM_HISTORY_READ || slot->read != SIM_READ_STALE))
		slot->ended++;
	slot_free(slot, "ok");
}

uint64_t sim_load_age_us_max(const struct sim_load_slot *slot)
{
	if (slot->read != SIM_READ_STALE || slot->read_choice % 3 != 0)
		return 0;
	return (1 + slot->read_choice / 3 % 500) * SIM_MILLISECOND;
}

uint64_t sim_load_since_us(const struct sim_load_slot *slot, bool known, uint64_t age_us)
{
	const struct sim_world *world = slot->load->world;
	uint64_t drift_ppm = world->options.process.drift_max_ppm,
		 max_us = sim_load_age_us_max(slot);
	if (max_us != 0 && (!known || age_us > max_us))
		slot->load->violation(slot->load->context, "a stale read is older than it may be");
	/* The clocks on which it was counted may have gone slowly. */
	uint64_t real_us = age_us + age_us * drift_ppm / (1000000 - drift_ppm) + SIM_MILLISECOND;
	return known && real_us < world->now_us ? world->now_us - real_us : 0;
}

void sim_load_read_since(struct sim_load_slot *slot, uint64_t since_us)
{
	sim_history_read_since(&slot->load->history, slot->operation, since_us);
}

void sim_load_end(struct sim_load_slot *slot, enum sim_history_outcome outcome)
{
	struct sim_load *load = slot->load;
	ASSERT(slot->busy);
	ASSERT(outcome == SIM_HISTORY_FAILED || outcome == SIM_HISTORY_UNKNOWN);
	sim_history_return(&load->history, slot->operation, outcome, load->world->now_us);
	load->failed += outcome == SIM_HISTORY_FAILED;
	load->unknown += outcome == SIM_HISTORY_UNKNOWN;
	/* A last read that failed is asked again. */
	if (load->final && slot->key < load->final_next)
		load->final_next = slot->key;
	slot_free(slot, outcome == SIM_HISTORY_FAILED ? "failed" : "unknown");
}

void sim_load_end_append(struct sim_load_slot *slot, uint32_t length)
{
	ASSERT(slot->busy);
	sim_history_return_append(&slot->load->history, slot->operation, length,
				  slot->load->world->now_us);
	slot_ok(slot);
}

void sim_load_end_read(struct sim_load_slot *slot, const uint64_t *list, uint32_t length)
{
	ASSERT(slot->busy);
	sim_history_return_read(&slot->load->history, slot->operation, list, length,
				slot->load->world->now_us);
	slot_ok(slot);
}

/* ---- progress ---- */

void sim_load_mark(struct sim_load *load)
{
	load->mark_us = load->world->now_us;
	for (uint32_t i = 0; i < load->nslots; i++)
		load->slots[i].ended = 0;
}

bool sim_load_progress(const struct sim_load *load)
{
	uint32_t window = load->options.window;
	for (uint32_t client = 0; client < load->options.clients; client++) {
		bool ended = false;
		for (uint32_t i = 0; i < window; i++)
			ended = ended || load->slots[client * window + i].ended > 0;
		if (!ended)
			return false;
	}
	return true;
}

void sim_load_final_reads(struct sim_load *load)
{
	ASSERT(load->busy == 0);
	load->final = true;
	load->final_next = 0;
	load->options.think_mean_us = 0;
	sim_load_start(load);
}

bool sim_load_final_done(const struct sim_load *load)
{
	return load->final && load->busy == 0 && load->final_next >= keys_begun(load);
}

void sim_load_free(struct sim_load *load)
{
	sim_history_free(&load->history);
	free(load->slots);
}
