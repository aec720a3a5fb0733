/*
 * One seed: a cluster, its clients and their nemesis, from the first start to the last check.
 *
 *   safety phase    the nemesis at work, the clients under way; after every turn of a replica its
 *                   state is compared with what others had at the same log slot
 *   liveness phase a core of every group is healed; every client must get an operation through in
 *   time
 *   last reads      the load ends, every key is read once more
 *   convergence     the replicas of the core must reach the same slot with the same state
 *   the histories   must be linearizable (sim/history.h for the lists, check/check.h for everything
 *                   else)
 *
 * Beyond the atlas (see sim/nemesis.h) nobody is entitled to progress: the phases are the same, and
 * whatever is answered must be right.
 */
#ifndef SYNOD_SIM_SCENE_H
#define SYNOD_SIM_SCENE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/checker.h"
#include "load.h"
#include "mix.h"
#include "rsm/rsm.h"
#include "sim/nemesis.h"
#include "sim/world.h"

/* Exit codes of synod-sim. */
enum verdict {
	VERDICT_OK = 0,
	VERDICT_CRASH = 10, /* an assertion, a signal, a replica that cannot start */
	VERDICT_SAFETY = 11,
	VERDICT_LIVENESS = 12,
	VERDICT_LINEARIZABILITY = 13,
	VERDICT_USAGE = 64,
};

struct scene_options {
	uint64_t seed;
	uint32_t replicas;    /* of each group; 0: drawn, 3 or 5 */
	uint64_t safety_us;   /* length of the safety phase */
	uint64_t liveness_us; /* limit for progress after the healing */
	bool calm;            /* no faults at all */
	/* shard masters, groups and the client library; otherwise one rsm group with lists */
	bool cluster;
	bool paxosd;         /* peers of the agreement service and the log */
	bool pb;             /* view service, primary and backup, and the client library */
	bool beyond;         /* more damage than what can be recovered from */
	const char *history; /* file to write the history to; NULL: none */
	const char *shiviz;  /* file to write a causal trace to (shiviz.h); NULL: none */
	/* Each may be NULL. */
	void (*trace)(void *context, const char *line);
	void *trace_context;
	void (*told)(void *context, const struct sim_nemesis_record *record);
	void *told_context;
	/*
	 * For the minimiser: faults by number, and the backgrounds (scene_backgrounds) that are
	 * left out.
	 */
	const bool *left_out;
	uint32_t nleft_out;
	uint32_t backgrounds_off; /* bits */
};

/* Faults that are not deeds of the nemesis but a property of the network, the clocks, … */
struct scene_background {
	const char *text;
	/* True if it was there. */
	bool (*turn_off)(struct sim_options *options);
};
extern const struct scene_background scene_backgrounds[];
extern const uint32_t scene_nbackgrounds;

/* Plain bytes: it crosses from the process that ran the seed to the one that reports. */
struct scene_result {
	enum verdict verdict;
	char problem[8192]; /* what is wrong, lines */
	char options[2048]; /* what was drawn */
	struct sim_fault_counts faults;
	uint32_t backgrounds; /* those that are on, bits */
	uint64_t trace_hash, events;
	uint64_t ok, failed, unknown;
	uint64_t mixed; /* operations of the second load */
	bool undecided; /* the history was too hard for the checker */
	bool excused;   /* no progress, and none was to be expected */
	uint64_t crashes, messages;
	uint64_t simulated_us;
	uint64_t progress_us; /* from the healing until every client got through */
};

#define SCENE_REPLICAS_MAX 64
#define SCENE_SLOTS_MAX (1u << 20)

struct scene;

/* What has become of a replica's memory (memory.h). */
struct scene_memory {
	bool wrong;
	bool visible;         /* to clients, if it led */
	uint32_t incarnation; /* of the change */
	uint64_t installed;   /* snapshots, before it */
	uint64_t found;       /* times that its state was found to differ, before it and since */
	uint32_t part;
};

struct scene_replica {
	struct sim_process *process;
	uint32_t group;
	bool waits;       /* it is no replica: a machine that may become one (joiner.h) */
	uint64_t applied; /* last seen */
	uint32_t incarnation;
	uint32_t checked; /* the incarnation that the invariants know; 0: none */
	uint32_t wipes;   /* of its disk, and copies in its place, that they know of */
	uint32_t lied_to; /* an incarnation, and how often */
	uint64_t lies;
	struct scene_memory memory;
};

/* What a kind of cluster brings along. */
struct scene_kind {
	/* Adds processes and starts them; sets nreplicas, replicas, groups, load. */
	void (*build)(struct scene *scene);
	/*
	 * True if everything that has to be arranged before there can be load has been arranged;
	 * called while time passes.
	 */
	bool (*ready)(struct scene *scene);
	/* Of a living replica. */
	struct rsm *(*rsm)(const struct scene_replica *replica);
	uint64_t (*hash)(const struct scene_replica *replica);
	/* After every turn of a process that is no replica. May be NULL. */
	void (*after_turn)(struct scene *scene, struct sim_process *process);
	/* Ends the kind's own faults, when the core is healed. May be NULL. */
	void (*heal)(struct scene *scene);
	/*
	 * True if no progress can be expected: more has failed than the service promises to
	 * survive. May be NULL: never.
	 */
	bool (*excused)(struct scene *scene);
	/*
	 * Beside its vote in the group: has a replica whose disk was lost taken its place again in
	 * everything? May be NULL: yes.
	 */
	bool (*whole)(const struct scene *scene, const struct scene_replica *replica);
	/* A load and checks of its own; each may be NULL. After a turn of a replica; */
	void (*replica_turn)(struct scene *scene, struct scene_replica *replica);
	/* after the healing, besides that of the common load; */
	bool (*progressed)(struct scene *scene);
	/* no new load; */
	void (*quiet)(struct scene *scene);
	/*
	 * In the end, when nobody asks for anything any more: what follows by itself has followed.
	 * NULL: nothing does.
	 */
	bool (*settled)(struct scene *scene);
	/* and in the end. */
	bool (*converged)(struct scene *scene);
	void (*free)(struct scene *scene);
	/*
	 * Changes something in the state of a living replica, in which part, as if by itself: what
	 * is `kept` about values, which no client sees, or a value. False: there is nothing yet.
	 * NULL: never.
	 */
	bool (*change)(const struct scene_replica *replica, struct rng *rng, bool kept,
		       uint32_t *part);
	/* May an operator change the members of this group now? NULL: always. */
	bool (*members_may_change)(struct scene *scene, uint32_t group);
	/*
	 * A command that appends this value to a list, or does something else that nobody else
	 * does; its method. 0: it is no server.
	 */
	uint16_t (*stray)(struct scene *scene, struct sim_process *process, uint64_t value,
			  struct buffer *body);
	struct sim_mix *(*mix)(const struct scene *scene); /* the second load; NULL: none */
};

struct scene {
	const struct scene_options *options;
	struct scene_result *result;
	const struct scene_kind *kind;
	struct sim_world *world;
	struct shiviz *shiviz;
	struct strays *strays;
	struct memory *memory;
	struct sim_nemesis *nemesis;
	struct rng rng; /* for what the scene itself draws */
	struct sim_load load;
	struct scene_replica *by_process[SCENE_REPLICAS_MAX * 2]; /* NULL: no replica */
	struct scene_replica replicas[SCENE_REPLICAS_MAX];
	uint32_t nreplicas;
	uint32_t ngroups;
	/* by any of the core, by group, when the last reads were over */
	uint64_t last_applied[SCENE_REPLICAS_MAX];
	/* of each group: slot → hash of the state after it, 0: not known */
	uint64_t *hashes[SCENE_REPLICAS_MAX];
	struct consensus_checker *checkers[SCENE_REPLICAS_MAX]; /* of each group */
	/* NULL: members stay who they are */
	struct joiner_place *(*place_of)(struct scene *scene, struct sim_process *process);
	/* of each group, the newest; joiner.h */
	struct sim_nemesis_roster rosters[SCENE_REPLICAS_MAX];
	/* forcer.h; of each group: up to which slot anybody has ever known it to be chosen, … */
	uint64_t chosen[SCENE_REPLICAS_MAX];
	/* … the newest generation that has been recorded, and that anybody of it is of */
	uint32_t recorded[SCENE_REPLICAS_MAX], begun[SCENE_REPLICAS_MAX];
	/* NULL: groups have their majorities */
	uint32_t (*recorded_of)(struct scene *scene, uint32_t group);
	bool (*may_force)(struct scene *scene, const struct scene_replica *replica);
	struct rng liars; /* liars.h */
	bool lying;
	struct message lie;               /* the one that is being told */
	const struct sim_process *behind; /* the last that was found not to have converged */
	void *own;                        /* the kind's */
	bool over;                        /* a safety violation has been found */
};

extern const struct scene_kind scene_rsm;
extern const struct scene_kind scene_cluster;
extern const struct scene_kind scene_paxosd;
extern const struct scene_kind scene_pb;

/*
 * Small segments and snapshots, so that rolling, recycling and catching up by snapshot happen all
 * the time.
 */
void scene_draw_settings(struct scene *scene, struct rsm_settings *settings);

/*
 * The settings that a group shares, as this life of a process has them in its own configuration: in
 * some runs each has others, and other ones after each start. From a stream of their own. faults:
 * 89
 */
void scene_vary_settings(const struct scene *scene, const struct sim_process *process,
			 struct group_settings *settings);

/* Of a living process: of one that waits, an rsm that is never started. */
struct rsm *scene_rsm_of(const struct scene *scene, const struct scene_replica *replica);
void scene_run(const struct scene_options *options, struct scene_result *result);
void scene_options_line(const struct scene *scene, struct buffer *out);
/* Ends the run with this verdict, unless it has ended before. */
void scene_fail(struct scene *scene, enum verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void scene_add_replica(struct scene *scene, struct sim_process *process, uint32_t group);
/*
 * Those of one group are numbered from 1 in this order: their disks are judged by that at every
 * start.
 */
void scene_identify_group(struct sim_process *const *processes, uint32_t count, const char *role,
			  uint64_t group);

#endif
