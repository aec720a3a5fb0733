/* Operations of every kind beside the lists, judged by kvcheck's rules. */
#include "mix.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hashslot.h"

#define TAG_KEYS 3u
#define TAGS_AT_A_TIME 3u
#define TAG_OPERATIONS 50u
#define MIX_OPS_MAX 3u
#define TEXT_BYTES 24u
#define STEPS_MAX 500000u
#define PAGES_MAX 60u /* a scan of more is given up */
#define AIMED_OPERATIONS 40u
#define AIMED_THINK_US (4 * SIM_MILLISECOND)
#define FRESH_TAGS_FROM 20000u /* tags that are drawn in turn do not get that far */

/* One operation, as it was asked; what `call` points to lies in the arena. */
struct mix_slot {
	struct sim_mix *mix;
	struct sim_process *process;
	uint32_t client;
	struct timer timer;
	bool busy;
	bool scan;
	uint32_t tag;
	uint32_t timeout_ms;
	struct check_call call;
	struct arena arena;
	/* Of a scan. */
	bool wide;      /* of all tags */
	uint32_t limit; /* records of a page; 0: all at once */
	uint32_t pages;
	struct slice from; /* where the next one begins; empty: at the beginning */
	struct check_op found[TAG_KEYS];
};

/* What somebody last saw a key hold: worth comparing with. */
struct mix_seen {
	char text[TEXT_BYTES];
	uint64_t version;
};

struct sim_mix {
	struct sim_world *world;
	struct sim_mix_options options;
	struct sim_kv_client *clients;
	struct mix_slot *slots;
	uint32_t nslots;
	uint32_t busy;
	bool stopped;
	uint64_t started;
	struct rng reads;       /* for who answers them, apart from everything else */
	uint32_t reads_percent; /* that are not for the leader */
	/* for scans in pages, aims and memory: drawn apart, so that what else is drawn stays */
	struct rng side;
	uint32_t aims[SIM_MIX_AIMS_MAX], naims, aimed;
	bool aimed_scans;
	uint32_t writer;  /* … by all clients but this one, */
	uint64_t hold_us; /* not before this time */
	uint32_t fresh;
	struct mix_seen *seen; /* by tag and key */
	uint32_t nseen;
	struct check_history history;
	char problem[256];
};

/* ---- drawing ---- */

static struct rng *rng_of(const struct sim_mix *mix)
{
	return &mix->world->rng_workload;
}

static struct slice number_text(struct mix_slot *slot, uint64_t number)
{
	char text[TEXT_BYTES];
	int len = snprintf(text, sizeof text, "%" PRIu64, number);
	return arena_copy(&slot->arena, slice(text, (size_t)len));
}

static struct slice key_of(struct mix_slot *slot, uint32_t key)
{
	char text[TEXT_BYTES];
	int len = snprintf(text, sizeof text, "{m%" PRIu32 "}%" PRIu32, slot->tag, key);
	return arena_copy(&slot->arena, slice(text, (size_t)len));
}

static const struct mix_seen *seen_of(struct sim_mix *mix, uint32_t tag, uint32_t key)
{
	uint32_t index = tag * TAG_KEYS + key;
	while (index >= mix->nseen) {
		uint32_t count = mix->nseen == 0 ? 64 : mix->nseen * 2;
		mix->seen = alloc_resize(mix->seen, count, sizeof *mix->seen);
		memset(mix->seen + mix->nseen, 0, (count - mix->nseen) * sizeof *mix->seen);
		mix->nseen = count;
	}
	return &mix->seen[index];
}

static struct slice seen_text(struct mix_slot *slot, const struct mix_seen *seen)
{
	return arena_copy(&slot->arena, slice_string(seen->text[0] == '\0' ? "0" : seen->text));
}

static void draw_op(struct mix_slot *slot, struct check_op *op)
{
	static const enum check_kind kinds[] = {CHECK_GET, CHECK_GET,    CHECK_GET, CHECK_PUT,
						CHECK_PUT, CHECK_DELETE, CHECK_CAS, CHECK_CAS,
						CHECK_CAS, CHECK_INCR,   CHECK_INCR};
	struct sim_mix *mix = slot->mix;
	struct rng *rng = rng_of(mix);
	uint32_t key = (uint32_t)rng_below(rng, TAG_KEYS);
	const struct mix_seen *seen = seen_of(mix, slot->tag, key);
	*op = (struct check_op){.kind = kinds[rng_below(rng, sizeof kinds / sizeof kinds[0])],
				.key = key_of(slot, key)};
	uint64_t number = ++mix->started * 100;
	switch (op->kind) {
	case CHECK_PUT: op->value = number_text(slot, number); break;
	case CHECK_CAS:
		op->value = number_text(slot, number);
		op->absent = rng_chance(rng, 300000);
		if (!op->absent)
			op->expect = seen_text(slot, seen);
		break;
	case CHECK_INCR: op->delta = (int64_t)rng_range(rng, 1, 9); break;
	default: break;
	}
}

static struct check_op *draw_ops(struct mix_slot *slot, uint32_t count)
{
	struct check_op *ops = arena_get(&slot->arena, (count + 1) * sizeof *ops);
	for (uint32_t i = 0; i < count; i++)
		draw_op(slot, &ops[i]);
	return ops;
}

static void draw_compare(struct mix_slot *slot, struct check_compare *compare)
{
	struct rng *rng = rng_of(slot->mix);
	uint32_t key = (uint32_t)rng_below(rng, TAG_KEYS);
	const struct mix_seen *seen = seen_of(slot->mix, slot->tag, key);
	*compare = (struct check_compare){.key = key_of(slot, key)};
	switch (rng_below(rng, 3)) {
	case 0:
		compare->target = CHECK_VALUE;
		compare->relation = rng_chance(rng, 500000) ? CHECK_EQUAL : CHECK_NOT_EQUAL;
		compare->value = seen_text(slot, seen);
		break;
	case 1:
		compare->target = CHECK_VERSION;
		compare->relation = (enum check_relation)rng_below(rng, 4);
		compare->number = seen->version;
		break;
	default:
		compare->target = CHECK_EXISTS;
		compare->relation = CHECK_EQUAL;
		compare->number = rng_below(rng, 2);
		break;
	}
}

static void draw_scan(struct mix_slot *slot)
{
	struct rng *side = &slot->mix->side;
	bool paged = rng_chance(side, 600000);
	uint64_t limit = rng_range(side, 1, 4);
	slot->wide = rng_chance(side, 300000);
	slot->limit = paged ? (uint32_t)(slot->wide ? 2 * limit : limit) : 0;
	slot->pages = 0;
	slot->from = slice(NULL, 0);
	for (uint32_t key = 0; key < TAG_KEYS; key++)
		slot->found[key] = (struct check_op){
			.kind = CHECK_GET, .saw = CHECK_SAW_MISSING, .key = key_of(slot, key)};
}

static void draw(struct mix_slot *slot)
{
	struct sim_mix *mix = slot->mix;
	struct rng *rng = rng_of(mix);
	struct check_call *call = &slot->call;
	uint64_t kind = rng_below(rng, 100);
	arena_reset(&slot->arena);
	slot->tag = (uint32_t)(mix->started / TAG_OPERATIONS + rng_below(rng, TAGS_AT_A_TIME));
	slot->timeout_ms = (uint32_t)rng_range(rng, mix->options.timeout_min_ms,
					       mix->options.timeout_max_ms);
	slot->scan = kind < 8 && mix->world->now_us >= mix->options.scans_from_us;
	if (mix->aimed > 0) {
		mix->aimed--;
		slot->tag = mix->aims[rng_below(&mix->side, mix->naims)];
		slot->scan = mix->aimed_scans && slot->client != mix->writer;
	}
	if (slot->scan)
		draw_scan(slot);
	*call = (struct check_call){
		.client = slot->client, .id = ++mix->started, .call = mix->world->now_us};
	if (slot->scan)
		return;
	call->transaction = kind < 35;
	call->nthen = call->transaction ? (uint32_t)rng_range(rng, 1, MIX_OPS_MAX) : 1;
	call->then = draw_ops(slot, call->nthen);
	if (!call->transaction)
		return;
	call->nwhen = (uint32_t)rng_below(rng, 3);
	call->when = arena_get(&slot->arena, (call->nwhen + 1) * sizeof *call->when);
	for (uint32_t i = 0; i < call->nwhen; i++)
		draw_compare(slot, &call->when[i]);
	call->notherwise = call->nwhen == 0 ? 0 : (uint32_t)rng_below(rng, MIX_OPS_MAX);
	call->otherwise = draw_ops(slot, call->notherwise);
}

/* ---- asking ---- */

static struct synod_bytes bytes_of(struct slice s)
{
	return (struct synod_bytes){.data = (const char *)s.data, .len = s.len};
}

static struct synod_op op_of(const struct check_op *op)
{
	return (struct synod_op){.kind = (enum synod_op_kind)op->kind,
				 .key = bytes_of(op->key),
				 .value = bytes_of(op->value),
				 .expect = bytes_of(op->expect),
				 .absent = op->absent,
				 .delta = op->delta};
}

static int request_txn(const struct check_call *call, struct client_request **request)
{
	static const enum synod_target targets[] = {[CHECK_VALUE] = SYNOD_VALUE,
						    [CHECK_VERSION] = SYNOD_VERSION,
						    [CHECK_EXISTS] = SYNOD_EXISTS_FLAG};
	static const enum synod_relation relations[] = {[CHECK_EQUAL] = SYNOD_EQUAL,
							[CHECK_NOT_EQUAL] = SYNOD_NOT_EQUAL,
							[CHECK_LESS] = SYNOD_LESS,
							[CHECK_GREATER] = SYNOD_GREATER};
	struct synod_compare when[2];
	struct synod_op then[MIX_OPS_MAX], otherwise[MIX_OPS_MAX];
	for (uint32_t i = 0; i < call->nwhen; i++)
		when[i] = (struct synod_compare){.target = targets[call->when[i].target],
						 .relation = relations[call->when[i].relation],
						 .key = bytes_of(call->when[i].key),
						 .value = bytes_of(call->when[i].value),
						 .number = call->when[i].number};
	for (uint32_t i = 0; i < call->nthen; i++)
		then[i] = op_of(&call->then[i]);
	for (uint32_t i = 0; i < call->notherwise; i++)
		otherwise[i] = op_of(&call->otherwise[i]);
	return client_request_txn(request, &(struct synod_txn){.when = when,
							       .nwhen = call->nwhen,
							       .then = then,
							       .nthen = call->nthen,
							       .otherwise = otherwise,
							       .notherwise = call->notherwise});
}

static int request_scan(struct mix_slot *slot, struct client_request **request)
{
	char prefix[TEXT_BYTES], storage[TEXT_BYTES];
	/* From either end, as the tag says: nothing is drawn for it. */
	struct synod_scan scan = {.reverse = slot->tag % 2 != 0};
	int len = slot->wide ? snprintf(prefix, sizeof prefix, "{m")
			     : snprintf(prefix, sizeof prefix, "{m%u}", slot->tag);
	synod_scan_prefix(&scan, prefix, (size_t)len, storage);
	scan.limit = slot->limit;
	if (slot->from.len > 0)
		*(scan.reverse ? &scan.end : &scan.start) = bytes_of(slot->from);
	return client_request_scan(request, &scan);
}

/*
 * In the runs in which other replicas than the leader answer reads (load.c), they answer gets and
 * pages of scans here, too.
 */
static int maybe_of_a_follower(struct mix_slot *slot, struct client_request *request)
{
	struct sim_mix *mix = slot->mix;
	if (mix->clients[slot->client].primary || rng_below(&mix->reads, 100) >= mix->reads_percent)
		return 0;
	return client_request_reading(
		request, &(struct synod_read_options){.prefer = SYNOD_PREFER_FOLLOWER});
}

static void done(struct client_request *request, const struct synod_reply *reply,
		 struct slice payload);

static void submit(void *data, struct node *node)
{
	struct mix_slot *slot = data;
	const struct check_call *call = &slot->call;
	struct client_request *request = NULL;
	int status;
	(void)node;
	if (slot->scan) {
		status = request_scan(slot, &request);
		if (status == 0)
			status = maybe_of_a_follower(slot, request);
	} else if (call->transaction) {
		status = request_txn(call, &request);
	} else {
		struct synod_op op = op_of(&call->then[0]);
		status = client_request_op(&request, &op);
		if (status == 0 && op.kind == SYNOD_OP_GET)
			status = maybe_of_a_follower(slot, request);
	}
	ASSERT(status == 0);
	request->timeout_ms = slot->timeout_ms;
	request->done = done;
	request->context = slot;
	client_submit(slot->mix->clients[slot->client].client, request);
}

/* For how long it has to be silent. */
static uint64_t held_us(const struct mix_slot *slot)
{
	const struct sim_mix *mix = slot->mix;
	bool held = mix->aimed > 0 && mix->aimed_scans && slot->client != mix->writer &&
		    mix->hold_us > mix->world->now_us;
	return held ? mix->hold_us - mix->world->now_us : 0;
}

static void slot_later(struct mix_slot *slot)
{
	struct sim_mix *mix = slot->mix;
	uint64_t think_us = rng_below(rng_of(mix), 2 * mix->options.think_mean_us + 1);
	/* What it aims at is over soon. */
	if (mix->aimed > 0)
		think_us = rng_below(&mix->side, AIMED_THINK_US) + held_us(slot);
	sim_world_timer_set(mix->world, &slot->timer, mix->world->now_us + think_us);
}

static void slot_due(void *data)
{
	struct mix_slot *slot = data;
	if (slot->process->state != SIM_RUNNING) {
		slot_later(slot);
		return;
	}
	draw(slot);
	slot->busy = true;
	slot->mix->busy++;
	sim_process_call(slot->process, submit, slot);
}

/* ---- answers ---- */

static void complain(struct sim_mix *mix, const char *what, const struct synod_reply *reply)
{
	if (mix->problem[0] == '\0')
		snprintf(mix->problem, sizeof mix->problem, "%s: %s: %s", what,
			 synod_status_text(reply->status), reply->message);
}

static void note_seen(struct mix_slot *slot, const struct check_op *op)
{
	struct sim_mix *mix = slot->mix;
	uint32_t key = (uint32_t)(op->key.data[op->key.len - 1] - '0');
	if ((op->saw & CHECK_SAW_VALUE) == 0 || op->result.len >= TEXT_BYTES)
		return;
	(void)seen_of(mix, slot->tag, key);
	struct mix_seen *seen = &mix->seen[slot->tag * TAG_KEYS + key];
	memset(seen->text, 0, sizeof seen->text);
	memcpy(seen->text, op->result.data, op->result.len);
	seen->version = op->version;
}

/* What one operation said it saw. False: it cannot have said that. */
static bool note_result(struct mix_slot *slot, struct check_op *op, int status,
			struct synod_bytes value, uint64_t version)
{
	bool ok = status == SYNOD_OK, missing = status == SYNOD_NOT_FOUND,
	     refused = status == SYNOD_COMPARE_FALSE;
	op->result = slice(value.data, value.len);
	op->version = version;
	switch (op->kind) {
	case CHECK_GET:
		op->saw = ok ? CHECK_SAW_VALUE | CHECK_SAW_VERSION : CHECK_SAW_MISSING;
		break;
	case CHECK_PUT:
		op->saw = CHECK_SAW_VERSION;
		missing = false;
		break;
	case CHECK_DELETE: op->saw = ok ? CHECK_SAW_PRESENT : CHECK_SAW_MISSING; break;
	case CHECK_CAS:
		op->saw = ok        ? CHECK_SAW_DONE | CHECK_SAW_VERSION
			  : missing ? CHECK_SAW_MISSING
				    : CHECK_SAW_REFUSED | CHECK_SAW_VALUE | CHECK_SAW_VERSION;
		break;
	default:
		op->saw = CHECK_SAW_VALUE | CHECK_SAW_VERSION;
		missing = false;
		break;
	}
	if (synod_value_omitted(value))
		op->saw &= ~(unsigned)CHECK_SAW_VALUE;
	note_seen(slot, op);
	return ok || missing || (refused && op->kind == CHECK_CAS);
}

static bool note_txn(struct mix_slot *slot, const struct synod_reply *reply)
{
	struct check_call *call = &slot->call;
	struct check_op *ops = reply->succeeded ? call->then : call->otherwise;
	uint32_t count = reply->succeeded ? call->nthen : call->notherwise;
	call->branch = reply->succeeded ? CHECK_BRANCH_THEN : CHECK_BRANCH_OTHERWISE;
	if (reply->nresults != count)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (!note_result(slot, &ops[i], reply->results[i].status, reply->results[i].value,
				 reply->results[i].version))
			return false;
	return true;
}

/* Notes the page; true if there is another one, which has been asked for. */
static bool next_page(struct mix_slot *slot, const struct synod_reply *reply)
{
	for (size_t i = 0; i < reply->nrecords; i++) {
		const struct synod_record *record = &reply->records[i];
		for (uint32_t key = 0; key < TAG_KEYS; key++) {
			struct check_op *op = &slot->found[key];
			if (!slice_equal(op->key, slice(record->key.data, record->key.len)))
				continue;
			op->saw = CHECK_SAW_VALUE | CHECK_SAW_VERSION;
			op->result = arena_copy(&slot->arena,
						slice(record->value.data, record->value.len));
			op->version = record->version;
		}
	}
	slot->pages++;
	if (!reply->more || slot->pages == PAGES_MAX || slot->mix->stopped)
		return false;
	slot->from = arena_copy(&slot->arena, slice(reply->resume.data, reply->resume.len));
	submit(slot, NULL);
	return true;
}

/* A read of each key. */
static void note_scan(struct mix_slot *slot)
{
	for (uint32_t key = 0; key < TAG_KEYS; key++) {
		struct check_op op = slot->found[key];
		struct check_call call = slot->call;
		call.outcome = CHECK_OK;
		call.nthen = 1;
		call.then = &op;
		check_history_add(&slot->mix->history, &call);
	}
}

static void note(struct mix_slot *slot, const struct synod_reply *reply)
{
	struct sim_mix *mix = slot->mix;
	struct check_call *call = &slot->call;
	switch (reply->status) {
	case SYNOD_OK:
	case SYNOD_NOT_FOUND:
	case SYNOD_COMPARE_FALSE:
		call->outcome = CHECK_OK;
		if (slot->scan) {
			if (!reply->more)
				note_scan(slot);
			return;
		}
		if (!(call->transaction ? note_txn(slot, reply)
					: note_result(slot, &call->then[0], reply->status,
						      reply->value, reply->version)))
			complain(mix, "an operation had a result that it cannot have", reply);
		break;
	case SYNOD_UNKNOWN:
	case SYNOD_CLOSED: call->outcome = CHECK_UNKNOWN; break;
	case SYNOD_UNAVAILABLE:
	case SYNOD_TOO_LARGE: /* where settings differ */
	case SYNOD_NO_SPACE: call->outcome = CHECK_FAILED; break;
	case SYNOD_NO_MEMORY:
		if (!slot->scan)
			complain(mix, "only scans find no memory", reply);
		return;
	default: complain(mix, "an operation ended in a way that it cannot", reply); return;
	}
	if (!slot->scan)
		check_history_add(&mix->history, call);
}

static void done(struct client_request *request, const struct synod_reply *reply,
		 struct slice payload)
{
	struct mix_slot *slot = request->context;
	struct sim_mix *mix = slot->mix;
	(void)payload;
	if (slot->scan && reply->status == SYNOD_OK && next_page(slot, reply))
		return;
	slot->call.ret = mix->world->now_us;
	sim_trace_note(&mix->world->trace, "mix client=%u op=%" PRIu64 " %s", slot->client,
		       slot->call.id, synod_status_text(reply->status));
	note(slot, reply);
	slot->busy = false;
	mix->busy--;
	if (!mix->stopped)
		slot_later(slot);
}

/* ---- the whole ---- */

static bool refuses_memory(void *context)
{
	struct sim_mix *mix = context;
	for (uint32_t i = 0; i < mix->nslots; i++)
		if (mix->slots[i].process == mix->world->current)
			return rng_chance(&mix->side, 60000);
	return false;
}

struct sim_mix *sim_mix_create(struct sim_world *world, const struct sim_mix_options *options,
			       struct sim_process *const *processes, struct sim_kv_client *clients)
{
	struct sim_mix *mix = ALLOC(struct sim_mix);
	mix->world = world;
	mix->options = *options;
	mix->clients = clients;
	mix->nslots = options->clients * options->window;
	mix->slots = alloc_zeroed(mix->nslots, sizeof *mix->slots);
	check_history_init(&mix->history);
	mix->fresh = FRESH_TAGS_FROM;
	rng_seed(&mix->side, world->seed ^ 0x73696465ull);
	mix->reads_percent = sim_load_draw_reads(&mix->reads, world->seed);
	if (rng_chance(&mix->side, 500000))
		alloc_try_refuse(refuses_memory, mix);
	for (uint32_t i = 0; i < mix->nslots; i++) {
		struct mix_slot *slot = &mix->slots[i];
		slot->mix = mix;
		slot->client = i / options->window;
		slot->process = processes[slot->client];
		timer_init(&slot->timer, slot_due, slot);
		arena_init(&slot->arena, ARENA_BYTES_MAX);
	}
	return mix;
}

void sim_mix_start(struct sim_mix *mix)
{
	mix->stopped = false;
	for (uint32_t i = 0; i < mix->nslots; i++)
		if (!mix->slots[i].busy)
			slot_later(&mix->slots[i]);
}

void sim_mix_aim(struct sim_mix *mix, const uint32_t *tags, uint32_t count, bool scans,
		 uint64_t within_us)
{
	ASSERT(count > 0 && count <= SIM_MIX_AIMS_MAX);
	memcpy(mix->aims, tags, count * sizeof *tags);
	mix->naims = count;
	mix->aimed = AIMED_OPERATIONS;
	mix->aimed_scans = scans;
	mix->writer = (uint32_t)rng_below(&mix->side, mix->options.clients);
	mix->hold_us = mix->world->now_us +
		       rng_range(&mix->side, 10 * SIM_MILLISECOND, 400 * SIM_MILLISECOND);
	if (scans)
		mix->aimed *= 3;
	for (uint32_t i = 0; !mix->stopped && i < mix->nslots; i++)
		if (!mix->slots[i].busy)
			sim_world_timer_set(mix->world, &mix->slots[i].timer,
					    mix->world->now_us +
						    rng_below(&mix->side, within_us + 1) +
						    held_us(&mix->slots[i]));
}

uint32_t sim_mix_fresh_tag(struct sim_mix *mix, uint32_t shard, uint32_t nshards)
{
	char text[TEXT_BYTES];
	for (;;) {
		int len = snprintf(text, sizeof text, "{m%u}0", mix->fresh++);
		if (shard_of_key(slice(text, (size_t)len), nshards) == shard)
			return mix->fresh - 1;
	}
}

void sim_mix_stop(struct sim_mix *mix)
{
	mix->stopped = true;
	for (uint32_t i = 0; i < mix->nslots; i++)
		sim_world_timer_cancel(mix->world, &mix->slots[i].timer);
}

uint32_t sim_mix_busy(const struct sim_mix *mix)
{
	return mix->busy;
}

uint64_t sim_mix_operations(const struct sim_mix *mix)
{
	return mix->history.count;
}

const char *sim_mix_problem(const struct sim_mix *mix)
{
	return mix->problem[0] == '\0' ? NULL : mix->problem;
}

enum check_verdict sim_mix_check(const struct sim_mix *mix, struct buffer *why)
{
	struct check_report report;
	struct check_limits limits = {.steps_max = STEPS_MAX};
	check_history(&mix->history, &limits, &report);
	enum check_verdict verdict = report.verdict;
	if (verdict == CHECK_VIOLATION)
		check_show_text(&mix->history, &report, &(struct check_names){.unit_us = 1}, why);
	check_report_free(&report);
	return verdict;
}

void sim_mix_free(struct sim_mix *mix)
{
	alloc_try_refuse(NULL, NULL);
	if (mix == NULL)
		return;
	for (uint32_t i = 0; i < mix->nslots; i++)
		arena_free(&mix->slots[i].arena);
	check_history_free(&mix->history);
	free(mix->seen);
	free(mix->slots);
	free(mix);
}
