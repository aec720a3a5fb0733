/*
 * For the nemesis FORCE (sim/nemesis_force.c): who holds everything that its group has
 * acknowledged, how a group is forced, and what must hold of it then (rsm/force.h):
 *
 *   - nobody of an earlier generation leads once the next one has been recorded;
 *   - what the survivor had is kept: the list that begins a generation stands behind everything
 *     that the group has ever acknowledged.
 */
#ifndef SYNOD_SIM_FORCER_H
#define SYNOD_SIM_FORCER_H

#include "rsm/rsm.h"
#include "scene.h"

/* Lets the nemesis force groups. `recorded`: by those who keep the generation of this group. */
void forcer_operate(struct scene *scene,
		    bool (*may)(struct scene *scene, const struct scene_replica *replica),
		    uint32_t (*recorded)(struct scene *scene, uint32_t group));
/* After every turn of a replica. */
void forcer_after_turn(struct scene *scene, const struct scene_replica *replica);

#endif
