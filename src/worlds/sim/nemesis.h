/*
 * The nemesis: faults at random times, drawn from world->rng_nemesis with the mean times of
 * struct sim_nemesis_options; and the peace after them.
 *
 * FAULT MODEL. What the nemesis does, a correct system survives without a lost
 * or wrong answer; what it does not do, is outside of what is promised.
 *
 *   processes crash, lose power, stop in order, pause; any number at once, whole groups at once;
 *              all come back. Clients crash as well
 *   network    partitions of any shape, one-way ones too, clogs, swizzled clogs (a random set is
 *              clogged one after another and released in another order), and the random faults of
 *              sim_network_options
 *   clocks     wall clocks jump either way; rates differ (sim_process_options), and change
 *   disks      errors of reads, writes, syncs and name operations, writes that stop in the middle
 *              (the machine goes down), slow phases, full disks, disks that hang, files that cannot
 *              be opened or created for want of a descriptor. Never: a sync that reports success
 *              and has kept nothing
 *   lists      a replica is started with a list of members that is not its group's, which it must
 *              notice
 *   at rest    damage to logs and snapshots (sim/damage.h), files of logs that are missing or
 *              another replica's (sim/exchange.h), by the atlas
 *   loss       a disk is lost with all that is on it, and an empty one takes its place, by the
 *              atlas (nemesis_wipe.c)
 *   copies     an earlier copy of a replica's disk takes its place, if its group can tell
 *              (nemesis_stale.c)
 *   members    an operator adds, removes, replaces and promotes members, within what the atlas
 *              leaves (nemesis_replace.c)
 *   majority   most voters of a group lose their power for good, and an operator makes it go on from
 *              one that has everything it has acknowledged; later the others come back
 *              (nemesis_force.c)
 *   memory     a value in a replica's memory changes (by whoever knows the service:
 *              sim_nemesis_memory_changes)
 *
 * The four of them that concern disks and members (at rest, loss, copies, members) are in every
 * scene of the simulator. Members of paxosds do not change: there an operator asks for it, and must
 * be refused. pbservers have no disks.
 *
 * THE ATLAS keeps what must be recoverable recoverable: at most a minority of each group's disks is
 * damaged at a time. Whose snapshot is damaged counts until a whole one
 * is in its place; whose log is damaged, until it has been repaired from the others and the damaged
 * segment released. A log that is missing, exchanged or without its beginning must be refused, and
 * counts for good; so does a replica that cannot tell any more what it had promised: it follows
 * without a vote. So of each acknowledged slot at least one copy is on a disk without damage. With
 * options.nemesis.beyond the atlas is not asked: then nothing may be expected but that whoever
 * cannot know the right answer gives none.
 *
 * PEACE. sim_nemesis_heal_core() ends all faults for a core: a majority of each group, with the
 * network among them and the clients whole and calm. Everybody else is left in a state that never
 * ends: dead, frozen, cut off in both directions or in one, with a disk that hangs. The core must
 * then make progress. Replicas whose log cannot be repaired, or that have no vote, are not in the
 * core; those with a damaged snapshot only if everybody is who has an undamaged disk.
 *
 * THE SCHEDULE. Faults are numbered from 0. The time, kind and details of each depend on the seed
 * and the options only, so that some can be left out and the others stay what they were (whom they
 * hit may depend on who leads, and whether they do anything on whether their victim is up). What
 * was done is told in words: sim_nemesis_listen().
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
void sim_nemesis_add_group(struct sim_nemesis *nemesis, struct sim_process *const *members,
			   uint32_t count);
/* A process without a disk, of which nothing survives a crash. */
void sim_nemesis_add_client(struct sim_nemesis *nemesis, struct sim_process *process);

/*
 * Processes for which `prefers` says true (leaders, say: what happens to others is often harmless)
 * are chosen for every second fault, as long as there is one.
 */
void sim_nemesis_prefer(struct sim_nemesis *nemesis,
			bool (*prefers)(void *context, const struct sim_process *process),
			void *context);

/*
 * Disks are lost, too. `bound`: the group of this process has a leader, by the newest members that
 * any of them knows, and these bind the life of the disk that it has now. Without this call no disk
 * is lost.
 */
void sim_nemesis_wipes(struct sim_nemesis *nemesis,
		       bool (*bound)(void *context, const struct sim_process *process),
		       void *context);
/*
 * Copies of disks take their places. `rsm`: of a replica that is up. Without this call none does.
 */
struct rsm;
void sim_nemesis_stale_copies(struct sim_nemesis *nemesis,
			      const struct rsm *(*rsm)(void *context,
						       const struct sim_process *process),
			      void *context);
/* Its disk is such a copy, and has not begun another life: it must not count. */
bool sim_nemesis_is_stale(const struct sim_nemesis *nemesis, const struct sim_process *process);
#define SIM_NEMESIS_GROUP_MAX 12u

/* The newest list of members of a group that anybody of it has known. */
struct sim_nemesis_roster {
	uint32_t generation; /* rsm/force.h */
	uint64_t slot;
	struct sim_process *leader; /* who serves by this list; NULL: nobody */
	uint32_t informed; /* of its voters, those that run and go by it, or by a later one */
	uint32_t count;
	struct {
		struct sim_process *process;
		uint32_t number;
		bool voter;
	} list[MEMBERS_MAX];
};
/*
 * Members of groups change. Without this call they never do.
 *   roster   that of the group of this process; false: none is known
 *   change   asks the leader for a change (an enum wire_change_op): `who` is the new member,
 *            `number` the old one
 *   renew    the process starts again as one that belongs to no group: what is kept of it beside
 *            its disk is forgotten
 */
struct sim_nemesis_operator {
	bool (*roster)(void *context, const struct sim_process *process,
		       struct sim_nemesis_roster *out);
	void (*change)(void *context, struct sim_process *leader, uint32_t op, uint32_t number,
		       const struct sim_process *who, uint64_t base);
	void (*renew)(void *context, struct sim_process *process);
};
void sim_nemesis_replaces(struct sim_nemesis *nemesis, const struct sim_nemesis_operator *operator,
			  void * context);
/*
 * Groups lose their majorities, and an operator makes them go on (rsm/force.h). Without this call,
 * or without that of sim_nemesis_replaces(), they never do.
 *   may        whether the group may be forced, and everything that it has ever acknowledged is on
 *              the disk of this process, and has been synced
 *   refuses    this process, which is up, cannot be gone on from, and nothing has been recorded
 *   ask        FORCE, at this process; generation 0: only what may be lost
 *   recorded   the newest generation of its group of which those who keep it have been told
 */
/* SUITS_BEST: and it does not know of all of it that it has been chosen. */
enum sim_nemesis_suits { SUITS_NOT, SUITS, SUITS_BEST };
struct sim_nemesis_forcer {
	enum sim_nemesis_suits (*may)(void *context, const struct sim_process *process,
				      const struct sim_process *leader);
	bool (*refuses)(void *context, const struct sim_process *process);
	void (*ask)(void *context, struct sim_process *process, uint32_t generation);
	uint32_t (*recorded)(void *context, const struct sim_process *process);
};
void sim_nemesis_forces(struct sim_nemesis *nemesis, const struct sim_nemesis_forcer *forcer,
			void *context);
/* More processes of the group that was added last: those that may become members. */
void sim_nemesis_add_spares(struct sim_nemesis *nemesis, struct sim_process *const *spares,
			    uint32_t count);
/*
 * What an operator may do at any time: `hand_over` has a process, if it leads, look for a
 * successor. Without it that is never done.
 */
void sim_nemesis_operate(struct sim_nemesis *nemesis,
			 void (*hand_over)(void *context, struct sim_process *process),
			 void *context);

/*
 * Whether a process that runs has a vote: one whose log was damaged so that it cannot tell what it
 * had promised has none, and its group cannot count on it. Without it all have.
 */
void sim_nemesis_count_votes(struct sim_nemesis *nemesis,
			     bool (*votes)(void *context, const struct sim_process *process),
			     void *context);

/* Now: the disk of the process is lost, if it may be. True if it was. From outside any process. */
bool sim_nemesis_wipe(struct sim_nemesis *nemesis, struct sim_process *process, struct rng *rng);
/* The same of a process that is down, whatever may be: it is for the caller to know. */
void sim_nemesis_wipe_down(struct sim_nemesis *nemesis, struct sim_process *process);
/* One has been, and the disk that took its place is not known to be bound. */
bool sim_nemesis_is_wiped(const struct sim_nemesis *nemesis, const struct sim_process *process);
/*
 * Now: the process loses power, and its newest snapshot is damaged, if the atlas allows it. From
 * outside any process.
 */
void sim_nemesis_spoil_snapshot(struct sim_nemesis *nemesis, struct sim_process *process);
/*
 * Something in the memory of a replica is about to change: true if the atlas allows it. It counts
 * there until its state is right, which sim_nemesis_memory_is_right() says: what it has written may
 * not be.
 */
bool sim_nemesis_memory_changes(struct sim_nemesis *nemesis, const struct sim_process *process);
void sim_nemesis_memory_is_right(struct sim_nemesis *nemesis, const struct sim_process *process);
void sim_nemesis_start(struct sim_nemesis *nemesis);
/* No new faults; those under way end at their time. */
void sim_nemesis_stop(struct sim_nemesis *nemesis);
/*
 * Stops, ends every fault at once, starts every process that is down, makes network and disks calm.
 */
void sim_nemesis_heal_all(struct sim_nemesis *nemesis);
void sim_nemesis_heal_core(struct sim_nemesis *nemesis);
/*
 * True if a fatal STATUS_CORRUPT, or a refusal to start because of one, is what must happen to this
 * process sooner or later.
 */
bool sim_nemesis_may_be_corrupt(const struct sim_nemesis *nemesis,
				const struct sim_process *process);
/*
 * Files of the process are damaged, and whoever reads them notices: a replica that scrubs
 * (rsm/scrub.c) replaces them.
 */
bool sim_nemesis_is_damaged(const struct sim_nemesis *nemesis, const struct sim_process *process);
/*
 * True if this incarnation should have refused to start: its log was lost or exchanged while it was
 * down, or its members are not the group's.
 */
bool sim_nemesis_must_not_run(const struct sim_nemesis *nemesis, const struct sim_process *process);

/* The faults whose numbers are true are left out. Before start; `numbers` is the caller's. */
void sim_nemesis_leave_out(struct sim_nemesis *nemesis, const bool *numbers, uint32_t count);
struct sim_nemesis_record {
	uint32_t number;
	uint64_t at_us;
	char text[112];
};
/* Hears of everything that is done, at once; one fault may have several records. */
void sim_nemesis_listen(struct sim_nemesis *nemesis,
			void (*told)(void *context, const struct sim_nemesis_record *record),
			void *context);

/* After heal_core. */
bool sim_nemesis_in_core(const struct sim_nemesis *nemesis, const struct sim_process *process);

#endif
