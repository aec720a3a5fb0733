/* What kvbench was asked to do. */
#ifndef SYNOD_KVBENCH_OPTIONS_H
#define SYNOD_KVBENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum workload { WORKLOAD_PUT, WORKLOAD_GET, WORKLOAD_MIXED, WORKLOAD_APPEND };

struct options {
	const char *config, *endpoints;
	enum workload workload;
	const char *workload_name;
	uint32_t clients;     /* independent closed loops */
	uint32_t connections; /* handles that they share */
	uint32_t pipeline;    /* requests that one client keeps under way */
	uint64_t keys;
	uint32_t key_size, value_size;
	uint32_t duration_ms, warmup_ms;
	uint64_t seed;
	bool json;
	bool primary; /* of the view, instead of the shards */
	bool fill; /* put every key once before measuring */
};

/* Exits with 64 and a message on stderr if the arguments are wrong. */
void options_parse(struct options *o, int argc, char **argv);

#endif
