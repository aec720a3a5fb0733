/*
 * What a load consists of: one request after another, made in memory that is set aside once for
 * each stream of requests.
 *
 * Some operations take two requests: read, then write what depends on it. bench_request_more() says
 * whether another one is to follow; bench_request_next() makes it.
 */
#ifndef SYNOD_KVBENCH_WORKLOAD_H
#define SYNOD_KVBENCH_WORKLOAD_H

#include "options.h"
#include "synod.h"

struct bench_load {
	const struct bench_options *options;
	struct bench_key_format format;
	/* each write has a value of its own, so that a history says who has read whose */
	bool unique;
	size_t key_room, value_room;
	uint64_t next_fill;   /* atomic */
	uint64_t next_insert; /* atomic */
};

void bench_load_init(struct bench_load *load, const struct bench_options *options);

enum bench_request_kind { BENCH_OP, BENCH_TRANSACTION, BENCH_SCAN };

struct bench_request {
	enum bench_request_kind kind;
	struct synod_op then[BENCH_OPS_MAX], otherwise[BENCH_OPS_MAX]; /* BENCH_OP: then[0] */
	struct synod_compare when[BENCH_OPS_MAX];
	uint32_t nthen, notherwise, nwhen;
	uint32_t scan_limit;
	/* Between the requests of one operation. */
	unsigned step;
	bool reset; /* the key has become too long: delete it next */
	bool seen;  /* the key was there, with seen_value */
	size_t seen_len, seen_room;
	uint64_t versions[BENCH_OPS_MAX];
	char *keys, *values, *seen_value; /* owned */
};

void bench_request_init(struct bench_request *r, const struct bench_load *load);
void bench_request_free(struct bench_request *r);

/* The next put of the first round over all keys; false if there is none left. */
bool bench_request_fill(struct bench_request *r, struct bench_load *load, uint64_t client,
			uint64_t id);
/* The first request of a new operation, or the next one of this. */
void bench_request_next(struct bench_request *r, struct bench_load *load, struct rng *rng,
			uint64_t client, uint64_t id);
/* Whether the operation needs another request after this reply. */
bool bench_request_more(struct bench_request *r, const struct bench_load *load,
			const struct synod_reply *reply);
int bench_request_send(struct bench_request *r, const struct bench_load *load, struct synod *handle,
		       synod_callback done, void *context);

#endif
