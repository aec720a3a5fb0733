/*
 * Peers of the agreement service under virtual time: only the cores, a network of requests and
 * replies that loses, delays, repeats and cuts, and disks that forget what was not synced. After
 * every step: no two values for an instance, a decision that was shown stays, nothing is forgotten
 * before every application is done with it.
 */
#ifndef SYNOD_TESTS_AGREEMENT_PEERS_H
#define SYNOD_TESTS_AGREEMENT_PEERS_H

#include "agreement/agreement.h"
#include "base/map.h"
#include "base/rng.h"

#define PEERS_MAX 7u
#define PEERS_LISTS_MAX 256u

struct peer_record {
	struct agreement_persist persist;
	struct bytes *value;
	bool released; /* the log has let go of it */
};

struct test_peer {
	struct agreement *core; /* NULL: down */
	struct peer_record *log;
	uint64_t records, capacity;
	uint64_t durable; /* records that survive a crash */
	/* records there were when the core was made: its sequence numbers begin behind them */
	uint64_t opened;
	uint64_t syncing; /* the sync under way covers so many; 0: none */
	uint64_t sync_done_us;
	uint64_t sync_min_us, sync_max_us;
	uint64_t done;        /* 1 + what the application has said */
	struct map shown;     /* seq → bytes that it showed as decided */
	uint64_t min;         /* last seen */
	uint64_t requests;    /* arrived here */
	uint64_t life;        /* of its disk */
	bool wiped;           /* and has not been INSIDE since */
	uint32_t lists;       /* of members that it knows of, of all there have been */
	uint64_t lists_at_us; /* when it hears of the next */
	bool loses;           /* a crash loses everything that was not synced, not a part */
};

struct test_message {
	uint64_t at_us, order;
	uint32_t from, to;
	bool reply;
	struct buffer payload;
};

struct peers {
	uint32_t count;
	struct test_peer peers[PEERS_MAX];
	struct agreement_options options;
	uint64_t now_us;
	struct rng rng;
	struct test_message *messages;
	uint32_t nmessages, capacity;
	uint64_t order;
	/* [from][to]: requests from → to, and their replies, are lost */
	bool cut[PEERS_MAX][PEERS_MAX];
	uint32_t loss_ppm; /* of requests; and of replies */
	uint32_t repeat_ppm;
	uint64_t delay_min_us, delay_max_us;
	/*
	 * What the log of another service has bound: all lists so far, the first of them known to
	 * all from the beginning.
	 */
	struct agreement_members lists[PEERS_LISTS_MAX];
	uint32_t nlists;
	uint64_t lists_delay_max_us;
	struct map decided; /* seq → bytes: the decision, whoever showed it first */
	uint64_t requests;  /* sent to others */
};

void peers_init(struct peers *p, uint32_t count, uint64_t seed);
void peers_free(struct peers *p);
/* Runs the next event at or before until_us; false if there is none (time is then until_us). */
bool peers_step(struct peers *p, uint64_t until_us);
void peers_run(struct peers *p, uint64_t duration_us);
void peers_crash(struct peers *p, uint32_t i);
void peers_restart(struct peers *p, uint32_t i);
/* It is down, and its disk is lost: when it is restarted it has another one. */
void peers_wipe(struct peers *p, uint32_t i);
/* The present disk of peer i is bound to its number; the others, and it, hear of that by and by. */
void peers_bind(struct peers *p, uint32_t i);
/* The life of its present disk is bound by the newest list. */
bool peers_is_bound(const struct peers *p, uint32_t i);
/* It runs, and votes. */
bool peers_inside(const struct peers *p, uint32_t i);
/* Runs until it is INSIDE, or the time is over. */
bool peers_wait_inside(struct peers *p, uint32_t i, uint64_t limit_us);
/* Carries out what peer i wants after a call into its core. */
void peers_settle(struct peers *p, uint32_t i);

int peers_start(struct peers *p, uint32_t i, uint64_t seq, const char *value);
void peers_done(struct peers *p, uint32_t i, uint64_t seq);
/* How many peers show the instance as decided. */
uint32_t peers_decided(struct peers *p, uint64_t seq);
/* The decision as text; NULL while nobody shows one. */
const char *peers_value(struct peers *p, uint64_t seq);
/* Runs until so many show it, or the time is over. */
bool peers_wait(struct peers *p, uint64_t seq, uint32_t count, uint64_t limit_us);
/* Nobody reaches the peer; it reaches others. */
void peers_deafen(struct peers *p, uint32_t i);
/* Peers talk to each other when their letters in `sides` are the same: "aabbc". */
void peers_partition(struct peers *p, const char *sides);
void peers_heal(struct peers *p);
/* 2015's unreliable network: a tenth of the requests, and a fifth of the replies of the rest. */
void peers_unreliable(struct peers *p);

#endif
