/*
 * The nemesis's inside: nemesis.c decides when something happens and ends it all; nemesis_deeds.c
 * does it.
 */
#ifndef SYNOD_SIM_NEMESIS_INTERNAL_H
#define SYNOD_SIM_NEMESIS_INTERNAL_H

#include "base/limits.h"
#include "base/list.h"
#include "rsm/rsm.h"
#include "sim/nemesis.h"

/* What is done; most have an opposite that ends them after a while. */
enum deed {
	DEED_CRASH,
	DEED_STOP,
	DEED_PAUSE,
	DEED_PARTITION,
	DEED_CLOG,
	DEED_SWIZZLE,
	DEED_CLOCK,
	DEED_DISK,
	DEED_SLOW_DISK,
	DEED_DISK_ERRORS,
	DEED_FULL_DISK,
	DEED_DAMAGE,
	DEED_CLIENT_CRASH,
	DEED_DRIFT,
	DEED_CRASH_AT_SEND,
	DEED_DEAF,
	DEED_HAND_OVER,
	/* Those that came later have schedules of their own. */
	DEED_HUNG_DISK,
	DEED_EXCHANGE,
	DEED_REELECT,
	DEED_NO_DESCRIPTOR,
	DEED_GROUP_DISKS,
	DEEDS,
	/* Ends, and parts of others. */
	DEED_START,
	DEED_RESUME,
	DEED_MEND,
	DEED_UNCLOG,
	DEED_CLOG_ALL,
	DEED_UNCLOG_ALL,
	DEED_GOOD_DISK,
	DEED_MEND_PAIR,
	DEED_HEAR,
	DEED_HAND_BACK,
	DEED_DESCRIPTORS,
	DEED_PUT_BACK,
	DEED_START_AGAIN,
	DEED_FORCE,
	DEED_COME_BACK,
};

#define DEEDS_OF_OWN DEED_HUNG_DISK

/* Something that will be done to a process (or a pair). */
struct nemesis_plan {
	struct list link;
	struct timer timer;
	struct sim_nemesis *nemesis;
	enum deed deed;
	struct sim_process *process;
	struct sim_process *other;
	bool *side; /* MEND: which processes stood on the one side */
};

struct nemesis_source {
	struct timer timer;
	struct sim_nemesis *nemesis;
	enum deed deed;
	struct rng own; /* the schedule of one that came later */
};

/* What has become of a replica's disk: the atlas. */
struct nemesis_damage {
	/*
	 * until it has been repaired, and the damaged segment released; for good, if that cannot be
	 */
	bool log;
	/* the log of the agreement, until the group has bound the life that begins it anew */
	bool beside;
	bool refused;        /* it cannot: whoever starts must refuse to … */
	uint32_t log_before; /* … from this incarnation on; 0: it may be running */
	bool snapshot;       /* until a whole one of at least this slot is in place */
	uint64_t snapshot_slot;
	bool wiped; /* until its group has bound the disk that took its place */
	/* of a copy that took its place, until it has begun another life; 0: none has */
	uint64_t stale_life;
	bool memory; /* until it has a right state again */
	/* a name went, which a process that has the file open cannot notice: its incarnation */
	uint32_t hidden;
};

struct nemesis_group {
	/* Members, and those that may become some. */
	struct sim_process *members[SIM_NEMESIS_GROUP_MAX];
	struct nemesis_damage damage[SIM_NEMESIS_GROUP_MAX];
	uint32_t count;
	/* nemesis_replace.c */
	uint32_t voters;         /* by the newest list that was seen */
	uint32_t settled_voters; /* of the newest list that a majority of its own has known */
	/* it has been asked that this one goes, and it has not been seen gone */
	bool leaving[SIM_NEMESIS_GROUP_MAX];
	bool foreign[SIM_NEMESIS_GROUP_MAX]; /* its number is not that of its place */
	uint64_t asked_us;                   /* that anything changes, last */
	/* nemesis_force.c */
	struct sim_process
		*survivor;   /* from whom it is to go on, or went on last; NULL: it never was */
	uint32_t generation; /* … as that one of itself */
	bool confirmed;      /* it has been asked to, … */
	bool decided;        /* … and that has been recorded; … */
	/* … and until then these stay down */
	bool lost[SIM_NEMESIS_GROUP_MAX];
};

/*
 * A power loss that waits for its moment: that a replica of the group sends a message of a method.
 */
struct nemesis_moment {
	const struct nemesis_group *group; /* NULL: none */
	uint16_t method;
	uint32_t company; /* what else happens then: see nemesis_moment.c */
	uint32_t number;  /* of the deed */
	uint64_t until_us, down_us, length_us;
	uint64_t drawn; /* to choose a third replica by */
	const struct sim_process *candidate;
};

struct sim_nemesis {
	struct sim_world *world;
	/*
	 * When which deed is due, and the seed of its details, come from `schedule` alone: leaving
	 * one out, or what the cluster makes of it, changes nothing about the others.
	 */
	struct rng schedule;
	struct rng rng; /* of the deed that is being done */
	struct rng rng_care, rng_peace, rng_hung;
	/*
	 * nemesis_members.c: of a stream of its own, so that the schedule of the others is what it
	 * was before there was this one.
	 */
	struct rng rng_members;
	struct timer members_timer;
	struct rng rng_wipes; /* nemesis_wipe.c, likewise */
	struct timer wipe_timer;
	bool (*bound)(void *context, const struct sim_process *process);
	void *bound_context;
	struct rng rng_stale; /* nemesis_stale.c, likewise */
	struct timer stale_timer;
	struct nemesis_copy *copies; /* by victim */
	const struct rsm *(*rsm_of)(void *context, const struct sim_process *process);
	void *stale_context;
	struct rng rng_replaces; /* nemesis_replace.c, likewise */
	struct timer replace_timer;
	const struct sim_nemesis_operator *operator; /* NULL: members stay who they are */
	void *operator_context;
	struct rng rng_forces; /* nemesis_force.c, likewise */
	struct timer force_timer;
	uint32_t force_tries, force_number;      /* of the deed that waits for its moment */
	const struct sim_nemesis_forcer *forcer; /* NULL: no group loses its majority */
	void *forcer_context;
	uint32_t deeds;   /* so far */
	uint32_t current; /* number of the one that is being done */
	struct nemesis_moment moment;
	const bool *left_out;
	uint32_t nleft_out;
	void (*told)(void *context, const struct sim_nemesis_record *record);
	void *told_context;
	struct nemesis_source sources[DEEDS];
	struct timer caretaker; /* brings halted processes back */
	struct list plans;
	struct nemesis_group *groups;
	uint32_t ngroups;
	struct sim_process **victims; /* replicas, then clients */
	uint32_t nreplicas;
	uint32_t nvictims;
	bool *core; /* by process index */
	bool (*prefers)(void *context, const struct sim_process *process);
	void *prefers_context;
	void (*hand_over)(void *context, struct sim_process *process);
	void *operate_context;
	bool (*votes)(void *context, const struct sim_process *process);
	void *votes_context;
};

/* ---- nemesis_deeds.c ---- */

__attribute__((format(printf, 2, 3))) void nemesis_tell(struct sim_nemesis *nemesis,
							const char *format, ...);
static inline void nemesis_count(struct sim_nemesis *nemesis, enum sim_fault fault)
{
	nemesis->world->faults.of[fault]++;
}
/* Does it. plan: NULL for those that a source brings about. */
void nemesis_perform(struct sim_nemesis *nemesis, enum deed deed, struct nemesis_plan *plan);
struct nemesis_plan *nemesis_plan_at(struct sim_nemesis *nemesis, uint64_t after_us, enum deed deed,
				     struct sim_process *process, struct sim_process *other);
void nemesis_plan_free(struct nemesis_plan *plan);
/* Around a mean: between a tenth of it and twice as much. */
uint64_t nemesis_draw_length(struct rng *rng, uint64_t mean_us);

/* ---- nemesis_disk.c: faults of disks ---- */

void nemesis_disk_fault(struct sim_nemesis *nemesis, struct sim_process *process);
void nemesis_disk_slow(struct sim_nemesis *nemesis, struct sim_process *process);
void nemesis_disk_errors(struct sim_nemesis *nemesis, struct sim_process *process);
void nemesis_disk_full(struct sim_nemesis *nemesis, struct sim_process *process);
void nemesis_disk_hang(struct sim_nemesis *nemesis, struct sim_process *process);
/* Slow and full disks, alone or together, of most or all of its group at once. */
void nemesis_group_disks(struct sim_nemesis *nemesis, struct sim_process *process);
/* Ends the last five. */
void nemesis_disk_good(struct sim_nemesis *nemesis, struct sim_process *process);
void nemesis_no_descriptor(struct sim_nemesis *nemesis, struct sim_process *process);
void nemesis_disk_damage(struct sim_nemesis *nemesis, struct sim_process *process);
void nemesis_exchange(struct sim_nemesis *nemesis, struct sim_process *process);
/* It has halted, and starting it again would not help. */
bool nemesis_hopeless(const struct sim_nemesis *nemesis, const struct sim_process *process);
struct nemesis_group *nemesis_group_of(const struct sim_nemesis *nemesis,
				       const struct sim_process *process, uint32_t *member);

/* ---- nemesis_moment.c: faults that wait for a message ---- */

void nemesis_crash_at_send(struct sim_nemesis *nemesis, struct sim_process *process);
void nemesis_deafen(struct sim_nemesis *nemesis, struct sim_process *process);
void nemesis_hand_over(struct sim_nemesis *nemesis, struct sim_process *process);
void nemesis_reelect(struct sim_nemesis *nemesis, struct sim_process *process);
/* Whoever leads the group of the process now hands over, if it is another one. */
void nemesis_hand_back(struct sim_nemesis *nemesis, struct sim_process *process);

/* ---- nemesis_members.c: lists of members that disagree ---- */

void nemesis_members_start(struct sim_nemesis *nemesis);
void nemesis_members_stop(struct sim_nemesis *nemesis);
/* Whoever is started next has the right configuration again. */
void nemesis_members_correct(struct sim_process *process);

/* ---- nemesis_wipe.c ---- */

void nemesis_wipes_start(struct sim_nemesis *nemesis);
void nemesis_wipes_stop(struct sim_nemesis *nemesis);

/* ---- nemesis_stale.c ---- */

void nemesis_stale_start(struct sim_nemesis *nemesis);
void nemesis_stale_stop(struct sim_nemesis *nemesis);
/* The copy that there is of its disk takes its place, if it may. */
void nemesis_stale_put_back(struct sim_nemesis *nemesis, struct sim_process *process);
/* It is started once more, if its copy has not been recognised. */
void nemesis_stale_again(struct sim_nemesis *nemesis, struct sim_process *process);
/* One that has not been recognised yet is the disk of a member. */
bool nemesis_has_copy(const struct nemesis_group *group);
/* No copy that was made of disks of this group takes their place any more. */
void nemesis_stale_forget(struct sim_nemesis *nemesis, const struct nemesis_group *group);

/* ---- nemesis_force.c: majorities that are lost ---- */

void nemesis_forces_start(struct sim_nemesis *nemesis);
void nemesis_forces_stop(struct sim_nemesis *nemesis);
/* The next step with the group whose survivor this is. */
void nemesis_force(struct sim_nemesis *nemesis, struct sim_process *survivor);
/* Those that its group has lost come back, together. */
void nemesis_come_back(struct sim_nemesis *nemesis, struct sim_process *survivor);
/* It is down, and must not come back yet. */
bool nemesis_is_lost(const struct sim_nemesis *nemesis, const struct sim_process *process);
/* Its group goes on from one of its disks alone, or will: nothing else may happen to them. */
bool nemesis_is_forced(const struct sim_nemesis *nemesis, const struct nemesis_group *group);
/* Peace: those that have not been confirmed are given up, … */
void nemesis_forces_give_up(struct sim_nemesis *nemesis);
/* … and the others are seen through. */
void nemesis_forces_go_on(struct sim_nemesis *nemesis);

/* ---- nemesis_replace.c: members that come and go ---- */

void nemesis_replaces_start(struct sim_nemesis *nemesis);
void nemesis_replaces_stop(struct sim_nemesis *nemesis);
/* False: members stay who they are, or nobody knows. */
bool nemesis_roster_of(const struct sim_nemesis *nemesis, const struct sim_process *process,
		       struct sim_nemesis_roster *out);
/*
 * How many damaged disks the group can do without, whoever of those that have been asked to go has
 * gone.
 */
uint32_t nemesis_tolerance(const struct sim_nemesis *nemesis, struct nemesis_group *group);
/* By the newest list; true as well if members stay who they are. */
bool nemesis_is_voter(const struct sim_nemesis *nemesis, const struct sim_process *process);
bool nemesis_is_listed(const struct sim_nemesis *nemesis, const struct sim_process *process);
/* Somebody whose group has removed it is a new machine when it is started again. */
void nemesis_renew(const struct sim_nemesis *nemesis, struct sim_process *process);

/* NULL for clients. */
struct nemesis_damage *nemesis_damage_of(const struct sim_nemesis *nemesis,
					 const struct sim_process *process);
bool nemesis_is_damaged(const struct nemesis_damage *damage);
/*
 * Forgets about snapshots that have been replaced, and wiped disks that have been bound; returns
 * how many of the group's disks are damaged.
 */
uint32_t nemesis_damaged(const struct sim_nemesis *nemesis, struct nemesis_group *group);
/* It runs, and counts in its group. */
bool nemesis_votes(const struct sim_nemesis *nemesis, const struct sim_process *process);

#endif
