/*
 * Memory that changes by itself, at random moments and drawn from a stream of its own: a value in
 * the state of one replica becomes another one, or what that replica keeps about all values does.
 * Nothing is told. faults: 82
 *
 * The group must find it by comparing states (rsm/state_hash.h), name the part of the state, and
 * the replica must get the state of another one, and be like the others again; in the end nobody
 * may be left as he was. Nobody else may ever be found to differ, and no comparison may end without
 * anybody being right.
 *
 * WHOM AND WHAT. What a client might read changes only in a follower, and one that stands for
 * election before it has been found is killed at once: what it would answer as a leader is nobody's
 * promise, and no history could tell. What is kept about the values (a sum that no client sees)
 * changes in leaders as well. As with disks, at most a minority of a group is hit at a time,
 * damaged disks among it: a replica counts until it has a right state again.
 */
#ifndef SYNOD_SIM_MEMORY_H
#define SYNOD_SIM_MEMORY_H

#include "scene.h"

struct memory {
	struct scene *scene;
	struct rng rng;
	struct timer timer;
	uint64_t mean_us; /* 0: no changes in this run */
};

/* With the rest of the scene; changes begin with the load, and end with the safety phase. */
void memory_init(struct memory *memory, struct scene *scene);
void memory_start(struct memory *memory);
void memory_stop(struct memory *memory);
/* Of a run in which states are compared: the interval. */
void memory_draw_settings(const struct scene *scene, struct rsm_settings *settings);

/* After every turn of a replica, before its state is looked at. */
void memory_after_turn(struct scene *scene, struct scene_replica *replica);
/* Its state is, or may be, another than that of its group. */
bool memory_is_wrong(const struct scene_replica *replica);

#endif
