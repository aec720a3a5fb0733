/* What the daemons of a cluster tell about themselves under /metrics: processor time and memory. */
#ifndef SYNOD_KVBENCH_DAEMONS_H
#define SYNOD_KVBENCH_DAEMONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clusterconf.h"

struct bench_usage {
	bool known;
	double cpu_s;
	uint64_t resident_bytes, heap_bytes;
};

struct bench_daemon {
	const char *name, *role, *http; /* http NULL: none is configured */
	struct bench_usage before, after;
};

struct bench_daemons {
	struct clusterconf conf;
	bool known; /* the configuration, and so the list */
	struct bench_daemon *daemons;
	uint32_t count;
};

/* config_file NULL: the list stays empty. */
void bench_daemons_init(struct bench_daemons *d, const char *config_file);
void bench_daemons_free(struct bench_daemons *d);
/* Asks all at once, and waits for at most a second. */
void bench_daemons_ask(struct bench_daemons *d, bool after);

#endif
