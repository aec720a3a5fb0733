/* What kvbench was asked to do. */
#ifndef SYNOD_KVBENCH_OPTIONS_H
#define SYNOD_KVBENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "keys.h"
#include "synod.h"

enum bench_workload {
	BENCH_PUT,
	BENCH_GET,
	BENCH_MIXED,  /* half get, half put */
	BENCH_APPEND, /* delete now and then, so that values stay short */
	BENCH_CAS,    /* read a key, then replace what was read if it is still there */
	BENCH_INCR,
	BENCH_TXN,    /* over several keys: read all, write all, or both if nothing has changed */
	BENCH_YCSB_A, /* half get, half put */
	BENCH_YCSB_B, /* 95 % get, 5 % put */
	BENCH_YCSB_C, /* get */
	BENCH_YCSB_D, /* 95 % get of what is new, 5 % put of a new key */
	BENCH_YCSB_E, /* 95 % scan of up to 100 keys, 5 % put of a new key */
	BENCH_YCSB_F, /* half get, half get and put */
};

struct bench_options {
	const char *config, *endpoints;
	enum bench_workload workload;
	const char *workload_name;
	uint32_t clients;     /* independent ones, each waiting for its reply */
	uint32_t connections; /* handles that they share */
	uint32_t threads;     /* that the handles share */
	uint32_t pipeline;    /* requests that one client keeps under way */
	uint64_t keys;
	enum bench_distribution distribution;
	const char *key_prefix; /* NULL: chosen */
	uint32_t key_size, value_size;
	uint32_t txn_keys;              /* of one transaction */
	bool txn_spread;                /* they need not be in one group */
	bool primary;                   /* of the view, instead of the shards */
	bool reads;                     /* gets and scans are not as usual, but … */
	struct synod_read_options read; /* … like this */
	double rate;                    /* operations a second; 0: as many as come */
	uint32_t duration_ms, warmup_ms, timeout_ms;
	uint64_t seed;
	bool json;
	bool histogram;      /* of latencies, in the plain report */
	bool fill;           /* put every key once before measuring */
	const char *history; /* file; NULL: none */
};

/* Exits with 64 and a message on stderr if the arguments are wrong. */
void bench_options_parse(struct bench_options *o, int argc, char **argv);

#endif
