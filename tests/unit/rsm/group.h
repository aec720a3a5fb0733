/*
 * Whole replicas in the simulated world: log, snapshots, sessions and reads over the consensus
 * core, with the tally app, and one client that says to which replica each request goes.
 *
 * After every turn the core's invariants are checked, and the state of the replica against that of
 * whoever applied the same slot first (fault 33): when it has applied something, and now and then
 * when it has not. After every restart: that nothing is forgotten that others were told (faults 1,
 * 2, 11).
 */
#ifndef SYNOD_TESTS_RSM_GROUP_H
#define SYNOD_TESTS_RSM_GROUP_H

#include "base/map.h"
#include "core/checker.h"
#include "rsm/rsm.h"
#include "sim/network.h"
#include "sim/world.h"
#include "tally.h"
#include "wire/wire.h"

#define ANSWERS_MAX 65536u
#define PENDING (-1000) /* no answer yet */
#define LOST (-1001)    /* the connection ended first */

struct answer_slot {
	int status;
	uint32_t replica;
	uint64_t number; /* the reply, if it has eight bytes or more: its first number */
	size_t len;
	/* QUERY_UNCONFIRMED, without its body: `number` is that of its values */
	struct wire_unconfirmed_reply unconfirmed;
	struct wire_ballot_reply ballot; /* BALLOT */
	struct wire_stale_reply stale;   /* QUERY_STALE, likewise */
};

struct rsm_replica {
	struct rsm_group *group;
	struct sim_process *process;
	uint32_t id;
	uint32_t incarnation; /* seen by the checker */
	uint32_t wipes;       /* … and lives begun */
	/* highest ballot in any Prepare or Promise that left: no restart may forget it … */
	uint64_t promise_told;
	uint64_t *accepted_told; /* … nor, by slot, the highest ballot in any Accepted */
	uint64_t accepted_told_count;
	uint64_t compared;   /* slot whose state has been compared with the others' … */
	uint32_t idle_turns; /* … and turns since then */
	bool lost;           /* it is started without a vote */
	/* it has been added to the group, whose members are the first so many … */
	bool joining;
	uint32_t nmembers;   /* … by its configuration */
	uint32_t generation; /* its directory says (rsm/force.h) */
	uint32_t force;      /* its next start is to begin that one */
	uint32_t superseded; /* by that generation, it has been told, and has ended */
	bool removed;        /* it has been told that it is none any more, and has ended */
	/*
	 * its state has been changed by the test, and is not compared, until another takes its
	 * place
	 */
	bool wrong;
	const struct rsm_settings *settings; /* NULL: the group's; takes effect at the next start */
};

struct rsm_group {
	struct sim_world *world;
	uint32_t count;
	struct rsm_settings settings;
	struct rsm_replica replicas[REPLICAS_MAX];
	struct sim_process *client;
	struct answer_slot *answers; /* by request id */
	uint64_t asked;
	uint64_t trace;             /* id that requests bear from now on; 0: none */
	uint64_t session, sequence; /* of the client's own appends */
	/* values 1 … so many are in the state, in order, if every append succeeded */
	uint64_t appended;
	struct consensus_checker *checker;
	struct map hashes; /* slot → hash of the state after it */
	/*
	 * What shard masters would keep of the group's generation. on: a start asks them, and FORCE
	 * has them record the next one; down: they do not answer; deny: nor record anything.
	 */
	struct {
		bool on, down, deny;
		uint32_t generation;
		uint64_t life;
		bool begun;
	} masters;
	/* the last answer to FORCE; without its text, which is in `refusal` */
	struct wire_force_reply force;
	struct wire_members members; /* of the last answer to MEMBERS; without its texts */
	char refusal[1024];          /* the text of the last one */
	uint64_t halts;
	int halt_status;
	struct buffer scratch;
};

/*
 * Small segments, small snapshots, little cache: everything happens within a few hundred commands.
 */
void rsm_group_settings(struct rsm_settings *settings);
void rsm_group_init(struct rsm_group *g, uint32_t count, uint64_t seed,
		    const struct rsm_settings *settings);
/* The same, and each disk has a life: one that is lost is bound again. */
void rsm_group_init_lives(struct rsm_group *g, uint32_t count, uint64_t seed,
			  const struct rsm_settings *settings);
/* Until all that are up know the present lives of all, and count; at most twenty seconds. */
void rsm_group_until_bound(struct rsm_group *g);
/* The same, and shard masters keep the generation (g->masters). */
void rsm_group_init_masters(struct rsm_group *g, uint32_t count, uint64_t seed,
			    const struct rsm_settings *settings);
void rsm_group_free(struct rsm_group *g);

/*
 * A machine called r<number> is there that has been told that it is member <number>, the next one.
 * Its index.
 */
uint32_t rsm_group_join(struct rsm_group *g);
/* … and that this is its group's generation. */
uint32_t rsm_group_join_generation(struct rsm_group *g, uint32_t generation);

/* Of a living replica. */
struct app *rsm_group_app(const struct rsm_group *g, uint32_t i);
/* Its disk is gone. From its next start on it has no vote. */
void rsm_group_lose(struct rsm_group *g, uint32_t i);
struct rsm *rsm_group_rsm(const struct rsm_group *g, uint32_t i); /* NULL: down */
/* Index of a replica that serves as leader, of the highest ballot; UINT32_MAX: none. */
uint32_t rsm_group_leader(const struct rsm_group *g);
/* Runs until there is one, for at most ten seconds; its index. */
uint32_t rsm_group_elect(struct rsm_group *g);
void rsm_group_run(struct rsm_group *g, uint64_t length_us);

/* One request to replica i; its number in answers[]. */
uint64_t rsm_group_ask(struct rsm_group *g, uint32_t i, enum method method, struct slice payload);
uint64_t rsm_group_command(struct rsm_group *g, uint32_t i, uint64_t client, uint64_t sequence,
			   uint64_t value, size_t extra);
/* Runs until it is answered; its status, LOST, or PENDING after limit_us. */
int rsm_group_wait(struct rsm_group *g, uint64_t request, uint64_t limit_us);
/* Appends the next value at whoever leads, asking again until it is acknowledged (at most 20 s). */
void rsm_group_append(struct rsm_group *g, size_t extra);
void rsm_group_append_many(struct rsm_group *g, uint32_t count);
/* Reads at replica i; its status. The values must be 1, 2, … and number at least `least`. */
int rsm_group_read(struct rsm_group *g, uint32_t i, uint64_t least);
/*
 * Every replica that is up has applied everything that any has, with one state; at most limit_us.
 */
bool rsm_group_agree(struct rsm_group *g, uint64_t limit_us);

#endif
