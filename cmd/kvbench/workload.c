/* What each workload asks, and what it expects of the answer. */
#include "workload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

#define KEY_EXTRA_BYTES 4u   /* {, }, a digit */
#define UNIQUE_BYTES_MAX 48u /* what makes a value unique */
#define SCAN_KEYS_MAX 100u
#define APPEND_BYTES_MAX 65536u /* a value that has grown beyond this is deleted */
#define APPEND_HISTORY_BYTES_MAX 1024u

/* ---- the whole load ---- */

/*
 * A history must begin with keys that do not exist, whatever was done to the cluster before: their
 * names come from the clock and the process id.
 */
static void fresh_prefix(char *out, size_t size)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t mixed = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	mixed = (mixed ^ (uint64_t)getpid() << 40) * 0x9e3779b97f4a7c15u;
	snprintf(out, size, "h%08" PRIx32 "-", (uint32_t)(mixed >> 32));
}

void bench_load_init(struct bench_load *load, const struct bench_options *options)
{
	/* Counters have keys of their own: a value that another load has put is no number. */
	char prefix[BENCH_PREFIX_BYTES_MAX + 1] = {options->workload == BENCH_INCR ? 'n' : 'k'};
	*load = (struct bench_load){.options = options,
				    .unique = options->history != NULL,
				    .next_insert = options->keys};
	if (options->key_prefix != NULL)
		snprintf(prefix, sizeof prefix, "%s", options->key_prefix);
	else if (options->history != NULL)
		fresh_prefix(prefix, sizeof prefix);
	bench_key_format_init(&load->format, prefix, options->key_size, options->keys);
	load->key_room = load->format.size + KEY_EXTRA_BYTES;
	load->value_room = options->value_size + UNIQUE_BYTES_MAX;
}

void bench_request_init(struct bench_request *r, const struct bench_load *load)
{
	uint32_t count = load->options->workload == BENCH_TXN ? load->options->txn_keys : 1;
	*r = (struct bench_request){0};
	r->keys = alloc_bytes(count * load->key_room);
	r->values = alloc_bytes(count * load->value_room);
	r->seen_room = load->value_room;
	r->seen_value = alloc_bytes(r->seen_room);
}

void bench_request_free(struct bench_request *r)
{
	free(r->keys);
	free(r->values);
	free(r->seen_value);
}

/* ---- parts of a request ---- */

static struct synod_bytes key_of(struct bench_request *r, const struct bench_load *load, uint32_t i,
				 uint64_t number)
{
	char *key = r->keys + i * load->key_room;
	bench_key_write(&load->format, number, key);
	return (struct synod_bytes){key, load->format.size};
}

/* A key of a family that a hash tag keeps in one group: {number}i */
static struct synod_bytes tagged_key_of(struct bench_request *r, const struct bench_load *load,
					uint32_t i, uint64_t number)
{
	char *key = r->keys + i * load->key_room;
	key[0] = '{';
	bench_key_write(&load->format, number, key + 1);
	key[load->format.size + 1] = '}';
	key[load->format.size + 2] = (char)('0' + i);
	return (struct synod_bytes){key, load->format.size + 3};
}

/* Bytes that no compression makes fewer, neither one value's nor those of many values together. */
static void fill_random(char *value, size_t size, uint64_t seed)
{
	struct rng rng;
	rng_seed(&rng, seed);
	/* There is room for the last eight bytes to be written whole. */
	for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
		uint64_t bytes = rng_next(&rng);
		memcpy(value + at, &bytes, sizeof bytes);
	}
}

/*
 * The i-th value of call `id` of `client`. In a history it is unique from its first byte, which
 * stands nowhere else in it, to where padding begins.
 */
static struct synod_bytes value_of(struct bench_request *r, const struct bench_load *load,
				   uint32_t i, uint64_t client, uint64_t id)
{
	char *value = r->values + i * load->value_room;
	if (!load->unique) {
		fill_random(value, load->options->value_size,
			    load->options->seed ^ client << 44 ^ id << 4 ^ i);
		return (struct synod_bytes){value, load->options->value_size};
	}
	int len = snprintf(value, UNIQUE_BYTES_MAX, ";%" PRIu64 ".%" PRIu64 ".%" PRIu32, client, id,
			   i);
	size_t used = (size_t)len, size = load->options->value_size;
	if (used < size)
		memset(value + used, '_', size - used);
	return (struct synod_bytes){value, used < size ? size : used};
}

static void single(struct bench_request *r, enum synod_op_kind kind, struct synod_bytes key)
{
	r->kind = BENCH_OP;
	r->nthen = 1;
	r->nwhen = r->notherwise = 0;
	r->then[0] = (struct synod_op){.kind = kind, .key = key};
}

static void single_put(struct bench_request *r, const struct bench_load *load, uint64_t number,
		       uint64_t client, uint64_t id)
{
	single(r, SYNOD_OP_PUT, key_of(r, load, 0, number));
	r->then[0].value = value_of(r, load, 0, client, id);
}

/* ---- transactions ---- */

static void choose_transaction_keys(struct bench_request *r, const struct bench_load *load,
				    struct rng *rng)
{
	const struct bench_options *o = load->options;
	uint64_t numbers[BENCH_OPS_MAX],
		family = bench_keys_choose(o->distribution, o->keys / o->txn_keys, rng);
	for (uint32_t i = 0; i < o->txn_keys; i++) {
		if (!o->txn_spread) {
			r->then[i].key = tagged_key_of(r, load, i, family);
			continue;
		}
		/* The next one that is not among those chosen already. */
		numbers[i] = bench_keys_choose(o->distribution, o->keys, rng);
		for (uint32_t j = 0; j < i; j++) {
			if (numbers[j] == numbers[i]) {
				numbers[i] = (numbers[i] + 1) % o->keys;
				j = UINT32_MAX; /* from the beginning */
			}
		}
		r->then[i].key = key_of(r, load, i, numbers[i]);
	}
}

static void transaction(struct bench_request *r, const struct bench_load *load,
			enum synod_op_kind kind, uint64_t client, uint64_t id)
{
	r->kind = BENCH_TRANSACTION;
	r->nthen = load->options->txn_keys;
	r->nwhen = r->notherwise = 0;
	for (uint32_t i = 0; i < r->nthen; i++) {
		r->then[i] = (struct synod_op){.kind = kind, .key = r->then[i].key};
		if (kind == SYNOD_OP_PUT)
			r->then[i].value = value_of(r, load, i, client, id);
	}
}

/* Writes all keys if they are as they were seen, otherwise reads them again. */
static void conditional_transaction(struct bench_request *r, const struct bench_load *load,
				    uint64_t client, uint64_t id)
{
	transaction(r, load, SYNOD_OP_PUT, client, id);
	r->nwhen = r->notherwise = r->nthen;
	for (uint32_t i = 0; i < r->nthen; i++) {
		r->when[i] = (struct synod_compare){.target = SYNOD_VERSION,
						    .relation = SYNOD_EQUAL,
						    .key = r->then[i].key,
						    .number = r->versions[i]};
		r->otherwise[i] = (struct synod_op){.kind = SYNOD_OP_GET, .key = r->then[i].key};
	}
}

static void next_transaction(struct bench_request *r, struct bench_load *load, struct rng *rng,
			     uint64_t client, uint64_t id)
{
	if (r->step == 1) {
		r->step = 0;
		conditional_transaction(r, load, client, id);
		return;
	}
	uint64_t dice = rng_below(rng, 10);
	choose_transaction_keys(r, load, rng);
	transaction(r, load, dice >= 4 && dice < 7 ? SYNOD_OP_PUT : SYNOD_OP_GET, client, id);
	r->step = dice >= 7 ? 1 : 0;
}

/* ---- what comes next ---- */

bool bench_request_fill(struct bench_request *r, struct bench_load *load, uint64_t client,
			uint64_t id)
{
	uint64_t number = __atomic_fetch_add(&load->next_fill, 1, __ATOMIC_RELAXED);
	if (number >= load->options->keys)
		return false;
	r->step = 0;
	r->reset = false;
	if (load->options->workload != BENCH_TXN || load->options->txn_spread) {
		single_put(r, load, number, client, id);
		return true;
	}
	uint32_t count = load->options->txn_keys;
	single(r, SYNOD_OP_PUT, tagged_key_of(r, load, (uint32_t)(number % count), number / count));
	r->then[0].value = value_of(r, load, 0, client, id);
	return true;
}

/* Operations of the second step are on the key that the first step has read. */
static void second_step(struct bench_request *r, struct bench_load *load, uint64_t client,
			uint64_t id)
{
	bool cas = load->options->workload == BENCH_CAS;
	single(r, cas ? SYNOD_OP_CAS : SYNOD_OP_PUT, r->then[0].key);
	r->then[0].value = value_of(r, load, 0, client, id);
	if (cas && r->seen)
		r->then[0].expect = (struct synod_bytes){r->seen_value, r->seen_len};
	r->then[0].absent = cas && !r->seen;
}

/*
 * Keys that are there to be read. Each stream inserts one at a time, so that of the newest as many
 * may be on their way as there are streams.
 */
static uint64_t inserted(const struct bench_load *load)
{
	const struct bench_options *o = load->options;
	uint64_t count = __atomic_load_n(&load->next_insert, __ATOMIC_RELAXED),
		 streams = (uint64_t)o->clients * o->pipeline;
	return count > o->keys + streams ? count - streams : o->keys;
}

static void next_ycsb(struct bench_request *r, struct bench_load *load, struct rng *rng,
		      uint64_t client, uint64_t id)
{
	const struct bench_options *o = load->options;
	enum bench_workload w = o->workload;
	bool half = w == BENCH_YCSB_A || w == BENCH_YCSB_F;
	bool mostly = rng_below(rng, 100) < (half ? 50 : w == BENCH_YCSB_C ? 100 : 95);
	bool inserts = w == BENCH_YCSB_D || w == BENCH_YCSB_E;
	uint64_t number;
	if (inserts && !mostly) {
		single_put(r, load, __atomic_fetch_add(&load->next_insert, 1, __ATOMIC_RELAXED),
			   client, id);
		return;
	}
	uint64_t count = inserts ? inserted(load) : o->keys;
	if (w == BENCH_YCSB_D)
		number = count - 1 - bench_keys_choose_recent(count, rng);
	else
		number = bench_keys_choose(o->distribution, count, rng);
	if (!mostly && w != BENCH_YCSB_F) {
		single_put(r, load, number, client, id);
		return;
	}
	single(r, SYNOD_OP_GET, key_of(r, load, 0, number));
	r->step = w == BENCH_YCSB_F && !mostly ? 1 : 0;
	if (w == BENCH_YCSB_E) {
		r->kind = BENCH_SCAN;
		r->scan_limit = 1 + (uint32_t)rng_below(rng, SCAN_KEYS_MAX);
	}
}

static enum synod_op_kind kind_of(enum bench_workload workload, struct rng *rng)
{
	switch (workload) {
	case BENCH_MIXED: return rng_chance(rng, 500000) ? SYNOD_OP_GET : SYNOD_OP_PUT;
	case BENCH_APPEND: return SYNOD_OP_APPEND;
	case BENCH_INCR: return SYNOD_OP_INCR;
	case BENCH_PUT: return SYNOD_OP_PUT;
	default: return SYNOD_OP_GET;
	}
}

void bench_request_next(struct bench_request *r, struct bench_load *load, struct rng *rng,
			uint64_t client, uint64_t id)
{
	const struct bench_options *o = load->options;
	if (o->workload == BENCH_TXN) {
		next_transaction(r, load, rng, client, id);
		return;
	}
	if (r->step == 1) {
		r->step = 0;
		second_step(r, load, client, id);
		return;
	}
	if (r->reset) {
		single(r, SYNOD_OP_DELETE, r->then[0].key);
		return;
	}
	if (o->workload >= BENCH_YCSB_A) {
		next_ycsb(r, load, rng, client, id);
		return;
	}
	enum synod_op_kind kind = kind_of(o->workload, rng);
	single(r, kind, key_of(r, load, 0, bench_keys_choose(o->distribution, o->keys, rng)));
	if (kind == SYNOD_OP_PUT || kind == SYNOD_OP_APPEND)
		r->then[0].value = value_of(r, load, 0, client, id);
	if (kind == SYNOD_OP_INCR)
		r->then[0].delta = load->unique ? 1 + (int64_t)rng_below(rng, 9) : 1;
	r->step = o->workload == BENCH_CAS ? 1 : 0;
}

bool bench_request_more(struct bench_request *r, const struct bench_load *load,
			const struct synod_reply *reply)
{
	bool first = r->step == 1 && r->then[0].kind == SYNOD_OP_GET && r->nwhen == 0;
	bool ok = reply->status == SYNOD_OK || reply->status == SYNOD_NOT_FOUND;
	size_t bytes_max = load->unique ? APPEND_HISTORY_BYTES_MAX : APPEND_BYTES_MAX;
	r->reset = r->kind == BENCH_OP && r->then[0].kind == SYNOD_OP_APPEND &&
		   reply->status == SYNOD_OK && reply->value.len > bytes_max;
	if (!first || !ok || (r->kind == BENCH_TRANSACTION && reply->nresults != r->nthen)) {
		r->step = 0;
		return false;
	}
	if (r->kind == BENCH_TRANSACTION) {
		for (size_t i = 0; i < reply->nresults; i++)
			r->versions[i] = reply->results[i].status == SYNOD_OK
						 ? reply->results[i].version
						 : 0;
		return true;
	}
	r->seen = reply->status == SYNOD_OK;
	r->seen_len = reply->value.len;
	/* Another load may have left longer values than this one writes. */
	if (r->seen_len > r->seen_room) {
		r->seen_room = r->seen_len;
		r->seen_value = alloc_resize(r->seen_value, r->seen_room, 1);
	}
	if (r->seen_len > 0)
		memcpy(r->seen_value, reply->value.data, r->seen_len);
	return true;
}

int bench_request_send(struct bench_request *r, const struct bench_load *load, struct synod *handle,
		       synod_callback done, void *context)
{
	if (r->kind == BENCH_TRANSACTION) {
		struct synod_txn txn = {.when = r->when,
					.nwhen = r->nwhen,
					.then = r->then,
					.nthen = r->nthen,
					.otherwise = r->otherwise,
					.notherwise = r->notherwise};
		return synod_txn_async(handle, &txn, 0, done, context);
	}
	if (r->kind == BENCH_SCAN) {
		struct synod_scan scan = {.start = r->then[0].key, .limit = r->scan_limit};
		return synod_scan_with_async(handle, &scan, &load->options->read, done, context);
	}
	const struct synod_op *op = &r->then[0];
	if (load->options->reads && op->kind == SYNOD_OP_GET)
		return synod_get_with_async(handle, op->key.data, op->key.len, &load->options->read,
					    done, context);
	if (load->options->primary)
		return synod_pb_op_async(handle, &r->then[0], 0, done, context);
	return synod_op_async(handle, &r->then[0], 0, done, context);
}
