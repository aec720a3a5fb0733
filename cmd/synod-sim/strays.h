/*
 * What comes from outside of the cluster, at random moments and drawn from a stream of its own:
 * commands of clients that nobody registered, and of clients that exist but with numbers that they
 * cannot have sent; and wall clocks that are set far ahead. None of it may be executed, none may
 * shut anybody out, no session may grow old by it. faults: 94, 103
 */
#ifndef SYNOD_SIM_STRAYS_H
#define SYNOD_SIM_STRAYS_H

#include "scene.h"

struct strays {
	struct scene *scene;
	struct rng rng;
	struct timer timer;
	uint64_t mean_us; /* 0: none in this run */
	uint32_t clocks_ppm;
	uint64_t sent, clocks;
};

/* With the rest of the scene; they begin with the load. */
void strays_init(struct strays *strays, struct scene *scene);
void strays_start(struct strays *strays);
void strays_stop(struct strays *strays);

#endif
