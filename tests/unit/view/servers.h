/*
 * The view service in the simulated world: viewservers as in production, and servers that do
 * nothing but ping, as the test wants them to.
 */
#ifndef SYNOD_TESTS_VIEW_SERVERS_H
#define SYNOD_TESTS_VIEW_SERVERS_H

#include "sim/network.h"
#include "sim/world.h"
#include "view/node.h"

#define PING_MS 100u
#define DEAD_PINGS 5u
#define TICK_US (PING_MS * SIM_MILLISECOND)
#define SERVERS_LIMIT 4u

struct test_server {
	struct service *service;
	struct sim_process *process;
	char name[16], address[24];
	/* pings without acknowledging: with the number that it had before */
	bool withhold;
	bool unsynced;        /* as primary it does not say that its backup holds the state */
	uint64_t incarnation; /* of the present life */
	uint64_t number;      /* what it pings with */
	uint64_t answers;     /* pings answered in this life */
	uint64_t view;        /* as answered last */
	char primary[16], backup[16];
};

struct service {
	struct sim_world *world;
	uint32_t nviews;
	struct sim_process *views[REPLICAS_MAX];
	struct rsm_member members[REPLICAS_MAX];
	char names[REPLICAS_MAX][16], addresses[REPLICAS_MAX][24];
	struct test_server servers[SERVERS_LIMIT];
};

/* A running view service of n viewservers with a leader; servers s1 … do not run yet. */
struct service *service_create(uint32_t nviews);
void service_destroy(struct service *s);
/* Server s1 is number 1. Starting one that runs restarts it. */
void servers_start(struct service *s, uint32_t number);
void servers_stop(struct service *s, uint32_t number);
struct test_server *server_of(struct service *s, uint32_t number);
/* The viewserver that leads; NULL: none. */
struct sim_process *service_leader(struct service *s);
/*
 * The newest view that any viewserver has applied, as text: "3 s1 s2" or "1 s1 -"; "0 - -" before
 * the first.
 */
const char *service_view(struct service *s);
uint64_t service_number(struct service *s);
/*
 * Runs until that is the view and its primary has acknowledged it, at most so many ping intervals;
 * false: it never was.
 */
bool service_reaches(struct service *s, const char *view, uint32_t ticks);
void service_run(struct service *s, uint32_t ticks);

#endif
