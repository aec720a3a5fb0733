#include "load.h"

#include <stdlib.h>

#include "base/alloc.h"

void load_options_draw(struct load_options *options, struct rng *rng)
{
	*options = (struct load_options){
		.clients = (uint32_t)rng_range(rng, 1, 6),
		.window = (uint32_t)rng_range(rng, 1, 8),
		.keys = (uint32_t)rng_range(rng, 1, 10),
		.key_operations = (uint32_t)rng_range(rng, 50, 500),
		.read_percent = (uint32_t)rng_range(rng, 5, 80),
		.think_mean_us = rng_range(rng, 1, 100) * SIM_MILLISECOND,
		.timeout_min_ms = (uint32_t)rng_range(rng, 50, 1000),
	};
	options->timeout_max_ms = options->timeout_min_ms + (uint32_t)rng_range(rng, 0, 5000);
}

void load_options_format(const struct load_options *o, struct buffer *out)
{
	buffer_format(out, "clients=%u window=%u keys=%u key_operations=%u read_percent=%u think_mean_us=%llu timeout_ms=%u…%u",
		      o->clients, o->window, o->keys, o->key_operations, o->read_percent,
		      (unsigned long long)o->think_mean_us, o->timeout_min_ms, o->timeout_max_ms);
}

static void slot_due(void *data);

void load_init(struct load *load, struct sim_world *world, const struct load_options *options,
	       struct sim_process *const *processes)
{
	load->world = world;
	load->options = *options;
	load->nslots = options->clients * options->window;
	load->slots = alloc_zeroed(load->nslots, sizeof *load->slots);
	for (uint32_t i = 0; i < load->nslots; i++) {
		struct load_slot *slot = &load->slots[i];
		*slot = (struct load_slot){.load = load, .client = i / options->window};
		slot->process = processes[slot->client];
		timer_init(&slot->timer, slot_due, slot);
	}
}

static void slot_later(struct load_slot *slot)
{
	struct load *load = slot->load;
	uint64_t think_us = rng_below(&load->world->rng_workload, 2 * load->options.think_mean_us + 1);
	sim_world_timer_set(load->world, &slot->timer, load->world->now_us + think_us);
}

void load_start(struct load *load)
{
	load->stopped = false;
	for (uint32_t i = 0; i < load->nslots; i++)
		if (!load->slots[i].busy)
			slot_later(&load->slots[i]);
}

void load_stop(struct load *load)
{
	load->stopped = true;
	for (uint32_t i = 0; i < load->nslots; i++)
		sim_world_timer_cancel(load->world, &load->slots[i].timer);
}

/* Keys come into use one after another, so that no list becomes long. */
static uint32_t keys_begun(const struct load *load)
{
	return load->options.keys + (uint32_t)(load->started / load->options.key_operations);
}

static void slot_draw(struct load_slot *slot)
{
	struct load *load = slot->load;
	struct rng *rng = &load->world->rng_workload;
	slot->kind = rng_below(rng, 100) < load->options.read_percent ? HISTORY_READ : HISTORY_APPEND;
	slot->key = keys_begun(load) - 1 - (uint32_t)rng_below(rng, load->options.keys);
	slot->timeout_ms = (uint32_t)rng_range(rng, load->options.timeout_min_ms, load->options.timeout_max_ms);
	load->started++;
}

static void submit(void *data, struct node *node)
{
	struct load_slot *slot = data;
	slot->load->submit(node, slot);
}

static void slot_due(void *data)
{
	struct load_slot *slot = data;
	struct load *load = slot->load;
	struct sim_world *world = load->world;
	ASSERT(!slot->busy);
	if (slot->process->state != SIM_RUNNING) {
		slot_later(slot);
		return;
	}
	if (load->final) {
		if (load->final_next >= keys_begun(load))
			return;
		slot->kind = HISTORY_READ;
		slot->key = load->final_next++;
		slot->timeout_ms = 5000;
	} else {
		slot_draw(slot);
	}
	slot->operation = history_call(&load->history, slot->kind, slot->client, slot->key, world->now_us);
	slot->value = load->history.operations[slot->operation].value;
	slot->mark_us = world->now_us;
	slot->busy = true;
	load->busy++;
	sim_trace_note(&world->trace, "client=%u op=%zu %s key=%u", slot->client, slot->operation,
		       slot->kind == HISTORY_READ ? "read" : "append", slot->key);
	sim_process_call(slot->process, submit, slot);
}

/* ---- ends ---- */

static void slot_free(struct load_slot *slot, const char *outcome)
{
	struct load *load = slot->load;
	sim_trace_note(&load->world->trace, "client=%u op=%zu %s", slot->client, slot->operation, outcome);
	slot->busy = false;
	load->busy--;
	if (!load->stopped)
		slot_later(slot);
}

static void slot_ok(struct load_slot *slot)
{
	slot->load->ok++;
	if (slot->mark_us >= slot->load->mark_us)
		slot->ended++;
	slot_free(slot, "ok");
}

void load_end(struct load_slot *slot, enum history_outcome outcome)
{
	struct load *load = slot->load;
	ASSERT(slot->busy);
	ASSERT(outcome == HISTORY_FAILED || outcome == HISTORY_UNKNOWN);
	history_return(&load->history, slot->operation, outcome, load->world->now_us);
	load->failed += outcome == HISTORY_FAILED;
	load->unknown += outcome == HISTORY_UNKNOWN;
	/* A last read that failed is asked again. */
	if (load->final && slot->key < load->final_next)
		load->final_next = slot->key;
	slot_free(slot, outcome == HISTORY_FAILED ? "failed" : "unknown");
}

void load_end_append(struct load_slot *slot, uint32_t length)
{
	ASSERT(slot->busy);
	history_return_append(&slot->load->history, slot->operation, length, slot->load->world->now_us);
	slot_ok(slot);
}

void load_end_read(struct load_slot *slot, const uint64_t *list, uint32_t length)
{
	ASSERT(slot->busy);
	history_return_read(&slot->load->history, slot->operation, list, length, slot->load->world->now_us);
	slot_ok(slot);
}

/* ---- progress ---- */

void load_mark(struct load *load)
{
	load->mark_us = load->world->now_us;
	for (uint32_t i = 0; i < load->nslots; i++)
		load->slots[i].ended = 0;
}

bool load_progress(const struct load *load)
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

void load_final_reads(struct load *load)
{
	ASSERT(load->busy == 0);
	load->final = true;
	load->final_next = 0;
	load->options.think_mean_us = 0;
	load_start(load);
}

bool load_final_done(const struct load *load)
{
	return load->final && load->busy == 0 && load->final_next >= keys_begun(load);
}

void load_free(struct load *load)
{
	history_free(&load->history);
	free(load->slots);
}
