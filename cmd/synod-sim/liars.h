/*
 * Peers that lie: messages as of another replica, each with one thing in it that no replica can
 * have sent (paxos/judge.h, rsm/judge.h). What they hear of must be refused, and must have changed
 * nothing; and nothing genuine may be refused, in any run.
 *
 * A lie is whispered after a turn of its victim and outside of any, so that a run with liars is,
 * but for what the victim says about it, the same run as without: whatever a lie does change is a
 * difference that the checks of the scene see. Whether there are liars, and what they say, comes
 * from a stream of its own.
 *
 * No lies within the possible: against those nothing is promised (docs/protocol.md).
 */
#ifndef SYNOD_SIM_LIARS_H
#define SYNOD_SIM_LIARS_H

#include "scene.h"

/* Whether there are any in this run. */
void liars_draw(struct scene *scene);
/* After every turn of a replica that lives. */
void liars_after_turn(struct scene *scene, struct scene_replica *replica);

#endif
