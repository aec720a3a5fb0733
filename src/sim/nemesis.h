/*
 * The nemesis: faults at random times, drawn from world->rng_nemesis with the mean times of
 * struct sim_nemesis_options; and the peace after them.
 *
 * FAULT MODEL. What the nemesis does, a correct system survives without a lost
 * or wrong answer; what it does not do, is outside of what is promised.
 *
 *   processes  crash, lose power, stop in order, pause; any number at once, whole groups at once; all come back
 *   network    partitions of any shape, one-way ones too, clogs, swizzled clogs (a random set is clogged one
 *              after another and released in another order), and the random faults of sim_network_options
 *   clocks     wall clocks jump either way; rates differ (sim_process_options)
 *   disks      errors of writes and syncs, writes that stop in the middle (the machine goes down), slow phases.
 *              Never: a sync that reports success and has kept nothing, or damage to what was
 *              synced. Of the copies of a chosen entry a majority thus stays intact, which is all that
 *              a replica that cannot tell its loss could rely on.
 *
 * PEACE. sim_nemesis_heal_core() ends all faults for a core: a majority of each group, with the network among them and
 * the clients whole and calm. Everybody else is left in a state that never ends: dead, frozen, cut off in both
 * directions or in one. The core must then make progress.
 */
#ifndef SYNOD_SIM_NEMESIS_H
#define SYNOD_SIM_NEMESIS_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/world.h"

struct sim_nemesis;

struct sim_nemesis *sim_nemesis_create(struct sim_world *world);
/* Before the world it troubles. */
void sim_nemesis_destroy(struct sim_nemesis *nemesis);
/* The replicas of one group: everything may happen to them. */
void sim_nemesis_add_group(struct sim_nemesis *nemesis, struct sim_process *const *members, uint32_t count);
/* A process whose state need not survive: it is paused and cut off, never crashed. */
void sim_nemesis_add_client(struct sim_nemesis *nemesis, struct sim_process *process);

/*
 * Processes for which `prefers` says true (leaders, say: what happens to others is often harmless) are chosen for every
 * second fault, as long as there is one.
 */
void sim_nemesis_prefer(struct sim_nemesis *nemesis, bool (*prefers)(void *context, const struct sim_process *process),
			void *context);

void sim_nemesis_start(struct sim_nemesis *nemesis);
/* No new faults; those under way end at their time. */
void sim_nemesis_stop(struct sim_nemesis *nemesis);
/* Stops, ends every fault at once, starts every process that is down, makes network and disks calm. */
void sim_nemesis_heal_all(struct sim_nemesis *nemesis);
void sim_nemesis_heal_core(struct sim_nemesis *nemesis);
/* After heal_core. */
bool sim_nemesis_in_core(const struct sim_nemesis *nemesis, const struct sim_process *process);

#endif
