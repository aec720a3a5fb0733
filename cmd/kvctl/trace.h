/* trace: one request's events, gathered from all nodes (cmd_trace.c) and shown (trace_show.c). */
#ifndef SYNOD_KVCTL_TRACE_H
#define SYNOD_KVCTL_TRACE_H

#include "kvctl.h"
#include "trace/causal.h"

struct tracing {
	struct kvctl *kvctl;
	struct synod *synod;
	struct kvctl_nodes nodes;
	const char **addresses; /* of those that are up; the first is NULL: this process */
	size_t naddresses;
	const char *key, *value; /* value NULL: a read */
	const char *shiviz;
	uint64_t id;
	struct causal *causal;
	uint32_t *effects; /* of a send: the position of its (first) receive */
};

/*
 * Prints the events as a table or as JSON, and writes the file for ShiViz if one is wanted. An exit
 * code.
 */
int trace_show(struct tracing *t, const struct synod_reply *reply);

#endif
