/*
 * A majority is lost: the group goes on with one replica alone, as another GENERATION of itself.
 *
 * Who has lost more than half of its voters for good can choose nothing any more, and no list of
 * members can be changed (that takes a majority). An operator who knows that they will not come
 * back has it forced: FORCE, sent to the one replica that survives, the SURVIVOR. Its log becomes
 * the group's: whatever it has accepted, chosen or not, is chosen from then on, and it is the only
 * member. Others are added afterwards, with numbers of their own. What the lost ones had
 * acknowledged and the survivor never received is lost: FORCE tells how much that may be, before it
 * is confirmed.
 *
 * THE DANGER is that those who were lost come back: they are still a majority by the list they
 * know. So each list of members has a generation, 0 when the group begins and one more each time it
 * is forced, and:
 *
 *   G1 of lists       the one of the later generation counts, whatever their slots
 *                     (node/identity.h, rsm/members.h)
 *   G2 of messages    Every message between replicas bears the generation that its sender goes by.
 *                     What an earlier one says is dropped, and its sender told (REJECT, with the
 *                     later generation). Who hears of a later one is SUPERSEDED: it notes that in
 *                     the file `identity`, ends, and does not start with that directory again. So
 *                     do hellos (host/hello_judge.c).
 *   G3 of starts      Of those that come back nobody need ever meet the survivor. So the shard
 *                     masters keep the generation of each group (shardmaster/reports.c), and a
 *                     replica that is started counts nowhere before it has been NAMED: the masters,
 *                     asked since its start, have named its generation as the newest, or a majority
 *                     of its group's voters, without itself, says that it runs and votes: those
 *                     have been named, or have never stopped. Leaders go on asking the masters, so
 *                     that a majority that was not lost but cut off ends when it sees them again.
 *   G4 one survivor   A generation is one disk life's: the masters record it once. The same life
 *                     may ask again; another one is refused.
 *
 * Groups without shard masters (the masters' own, viewservers, paxosds) have nobody who could keep
 * their generation: they refuse to be forced, and say so.
 *
 * STEPS. The power may fail between any two; each may be repeated.
 *
 *   1  asked       Whether a majority of the voters answers: every one is asked for its start
 *                  (rsm/starts.h). If so it is refused: there is nothing to be forced. So it is if
 *                  the survivor is no voter whose life is bound, also by what it has accepted and
 *                  does not know to be chosen, if its log or state is damaged or is being fetched, or if it has been found to be a stale copy. Otherwise it tells
 *                  what may be lost.
 *   2  confirmed   All of this once more; then the survivor takes part in nothing of the old
 *                  generation any more, and asks the masters to record the new one with its life.
 *                  Not recorded: nothing has changed, and it goes on as before, as soon as it has
 *                  been named again.
 *   3  recorded    From here on it is decided: the others are turned away, and whenever the
 *                  survivor hears from the masters that the next generation is its own life's, and
 *                  has not begun yet, it goes on with 4. It hears that at every start (G3).
 *   4  anew        The node stops, and starts anew in the same process, told that it is to begin
 *                  the generation. Nothing is noted: should the process end, the next one hears of
 *                  it from the masters (3).
 *   5  begun       recover() finds that the log is of an earlier generation than that, and makes it
 *                  the next one's (below): records at its end, durable before anything is sent or
 *                  told, because the first thing that an election does is to write behind them. If
 *                  they are not, or only the first one is, the next start (3) does the same again,
 *                  and finds the same.
 *   6  told        When the list is applied, and the records of 5 are durable, the identity follows
 *                  it. The leader tells the masters its list of the new generation. From then on a
 *                  log without that generation, though of the life that has begun it, is that of a
 *                  stale copy of the survivor's directory, and superseded.
 *
 * THE LOG at 5. Let e be the last slot such that every slot up to it is here; what lies behind a
 * gap cannot be applied, and is given up. Slots <= e are taken for chosen. In slot s = e + 1 is
 * accepted, in a ballot F above every one that was promised here, the list {the survivor}, whose
 * base is the newest list of slots <= e, and which is marked as the one that begins its generation;
 * then a PROMISE of F, with s, says that all <= s is chosen (paxos/members.h, M3). Such a list ends
 * what was accepted before in slots > s in ballots < F: replay forgets it. (Not any list does: what
 * a later leader puts into s says nothing of the slots behind it.)
 */
#ifndef SYNOD_RSM_FORCE_H
#define SYNOD_RSM_FORCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "node/node.h"
#include "node/timer.h"

struct rsm;
struct wire_peer;

/* So long those who are there have to answer. */
#define FORCE_PROBE_MS 2000u

struct force {
	bool probing; /* 1, or 2 before the masters are asked */
	bool confirmed;
	bool recording;      /* 2: the masters have been asked */
	uint32_t generation; /* that is asked for */
	link_id from;        /* who waits for the answer */
	uint64_t id;
	uint16_t method;
	uint64_t since_us; /* it began then */
	struct timer timer;
	/* 5: sequence of the log's record that has begun it; 0: it was so already */
	uint64_t begun;
	bool named;          /* G3: by the masters, in this life of the process */
	uint32_t superseded; /* by that generation; 0: it is not */
	bool superseded_told;
	bool goes_on;     /* 3: the node is to start anew … */
	bool handed;      /* … and the world has been told */
	uint64_t told_us; /* an earlier generation was told last */
};

void force_init(struct rsm *rsm);
void force_free(struct rsm *rsm);
/* FORCE. */
void force_message(struct rsm *rsm, link_id from, const struct message *request);
/* 5, at the end of recover(): 0, or why the node cannot start (node_problem). */
int force_recover(struct rsm *rsm) MUST_CHECK;
/* Every slot up to it is here: what would be kept. */
uint64_t force_last_slot(const struct rsm *rsm);
/* It has a vote, also by what would be taken for chosen. */
bool force_stays_bound(const struct rsm *rsm);
/* A record of the log is being replayed: an entry at `slot`, in `ballot`. */
void force_replayed(struct rsm *rsm, uint64_t slot, uint64_t ballot, struct slice value);
/* A message of another generation, of which nothing else is used. */
void force_other_generation(struct rsm *rsm, link_id from, const struct wire_peer *m);
/*
 * Its log is not durably of the generation that it is to begin: nobody must be told of the list
 * yet.
 */
bool force_is_beginning(const struct rsm *rsm);
/* This replica is not to take part in the generation that it knows: 2, or it is superseded. */
bool force_keeps_out(const struct rsm *rsm);
/* G3: this start may count. */
bool force_is_named(const struct rsm *rsm);
/* The world has to be told something: at the end of a turn. */
void force_tell_now(struct rsm *rsm);

#endif
