/*
 * What a consensus core can do: one line an operation, and its meaning before it. Included by
 * consensus.h, which makes of each line a field of struct consensus_ops and a function
 * consensus_NAME(), and by each core, which declares its own function of every name
 * (paxos/multipaxos.h: paxos_NAME()). So it has no guard, and says nothing of its own.
 *
 *   ASK(result, name, (parameters), (their names))    changes nothing
 *   TELL(result, name, (parameters), (their names))   an input
 *
 * The core comes before the parameters. What is written in CAPITALS here is explained in
 * consensus.h.
 */
/* clang-format off */

/* ---- recovery: what the log held, in its order; then start ---- */

TELL(void, restore_promise, (uint64_t ballot), (ballot))
/* Those that the base, or the newest record of a snapshot, says. */
TELL(void, restore_members, (const struct consensus_members *members), (members))
/*
 * What they are at the base is not known, for its snapshot is damaged: the next one that is
 * installed says it.
 */
TELL(void, forget_members, (), ())
/* Entries at or below the base are ignored. */
TELL(void, restore_entry, (uint64_t slot, uint64_t ballot, struct slice value),
     (slot, ballot, value))
/*
 * Of a log that was damaged, after its entries and before what is chosen: anything may have been
 * accepted in these slots, in ballots below the highest of those given (IMPAIRED). And after what
 * is chosen: what the log holds of those that are not impaired is chosen.
 */
TELL(void, restore_impaired, (uint64_t first, uint64_t last), (first, last))
TELL(void, restore_impaired_below, (uint64_t ballot), (ballot))
TELL(void, restore_chosen, (uint64_t slot), (slot))
/* What was accepted in slots above it, in ballots below that one, is given up (rsm/force.h). */
TELL(void, restore_cut, (uint64_t slot, uint64_t ballot), (slot, ballot))
TELL(void, restore_known, (uint64_t first, uint64_t last), (first, last))
/*
 * After these: what it had promised is lost. It answers for no slot, and has no vote before this
 * other life is bound; 0: none, whatever is bound.
 */
TELL(void, forget_promise, (uint64_t life), (life))
TELL(void, start, (uint64_t now_us), (now_us))
TELL(void, destroy, (), ())

/* ---- inputs ---- */

/*
 * NULL, or which field is wrong and why: "ballot: it is not the sender's". Of a message of a member
 * to us, of our group, with any method of a core's.
 */
ASK(const char *, judge, (enum method method, const union peer_message *message), (method, message))
/*
 * Takes out of an ENTRIES or CHOSEN what must not be accepted, for the log has no room for it; says
 * still who leads and what is chosen.
 */
ASK(void, strip, (enum method method, union peer_message *message), (method, message))
/* Makes an ACCEPTED one that counts for nothing, like those of a LEARNER. */
ASK(void, discount, (union peer_message *message), (message))
/*
 * A message of another member to us that the judge has let pass: what it refuses may reach
 * assertions here.
 */
TELL(void, receive, (uint64_t now_us, enum method method, const union peer_message *message),
     (now_us, method, message))
TELL(void, tick, (uint64_t now_us), (now_us))
ASK(uint64_t, deadline_us, (), ())
/*
 * The connection to a replica is lost. If it led us and lives, it will be heard again within a
 * heartbeat; otherwise we stand soon after, instead of at the end of the election timeout: of a
 * process that is killed its peers hear at once.
 */
TELL(void, peer_lost, (uint64_t now_us, uint32_t replica), (now_us, replica))
TELL(void, persisted, (uint64_t now_us, uint64_t sequence), (now_us, sequence))
/*
 * While it runs: what is accepted in the slot, and not known to be chosen, is written to the log
 * once more. Nothing, if there is nothing.
 */
TELL(void, log_again, (uint64_t slot), (slot))

/* ---- output ---- */

TELL(const struct consensus_output *, output, (uint64_t now_us), (now_us))
TELL(bool, next_chosen, (struct consensus_chosen *out), (out))
/* Entries up to `slot` are applied: their memory may go when the cache is over its limit. */
TELL(void, applied, (uint64_t slot), (slot))
/*
 * A snapshot that covers every slot ≤ slot has replaced the state, with the members that it says.
 * Newer entries are kept.
 */
TELL(void, install_snapshot,
     (uint64_t now_us, uint64_t slot, const struct consensus_members *members),
     (now_us, slot, members))
/*
 * The snapshot could not be had from the replica that offered it: ask again. `silent` (0: nobody)
 * did not answer: for some time its offers are not believed, so that others, with a log or a
 * snapshot of their own, are heard.
 */
TELL(void, abandon_snapshot, (uint64_t now_us, uint32_t silent), (now_us, silent))

/* ---- proposals and reads ---- */

/* Leader, window not full, no transfer under way. */
ASK(bool, can_propose, (), ())
/* Proposes in the next slot, which is returned. Takes the reference. Only if can_propose. */
TELL(uint64_t, propose, (struct bytes *value_take), (value_take))
/*
 * Asks for a linearizable read. False if this replica does not lead. When leadership is lost,
 * unconfirmed reads are forgotten: the caller sees the role change.
 */
TELL(bool, read, (uint64_t id), (id))
/* Leader: the slot that a linearizable read which has arrived now must see. */
ASK(uint64_t, read_slot, (), ())
/*
 * Leader: how many other voters make a quorum with this one, which may be none; UINT32_MAX: nobody
 * can confirm its reads.
 */
ASK(uint32_t, quorum_others, (), ())
/* Leader: no other can have been elected yet, so that reads need no round. */
ASK(bool, lease_holds, (), ())
/*
 * True: the state applied so far holds everything that was acknowledged before *since_us, of this
 * replica's clock; the leader's and the followers' answers count alike. False: not known.
 */
ASK(bool, fresh, (uint64_t *since_us), (since_us))
/* Leader: the slot that must be applied before it may serve (its first own entries). */
ASK(uint64_t, barrier, (), ())

/* ---- who leads ---- */

/*
 * Leader: hand over to `replica` (0: whoever has most). False if there is nobody or one is under
 * way.
 */
TELL(bool, transfer, (uint64_t now_us, uint32_t replica), (now_us, replica))
/*
 * A hand-over is under way. It ends when this replica leads no longer, or after two election
 * timeouts.
 */
ASK(bool, transferring, (), ())
/*
 * Leader that had better not be one, because its disk does not answer, or is full: hands over to
 * somebody, if those who say nothing of the kind are a quorum without it; to one after the other,
 * if need be. False if they are none, or a transfer is under way.
 */
TELL(bool, relieve, (uint64_t now_us), (now_us))
/*
 * A replica that is not electable (restoring a snapshot, or waiting for its disk) votes and accepts
 * but does not stand.
 */
TELL(void, set_electable, (bool electable), (electable))
/* Leads no longer, and stands no longer, without a successor: what it would answer is wrong. */
TELL(void, resign, (uint64_t now_us), (now_us))
/*
 * One that is not willing (its disk is full) stands, since reads need a leader, but asks not to be
 * handed over to, like one that is not electable.
 */
TELL(void, set_willing, (bool willing), (willing))
/*
 * Leader: no quorum is in touch of replicas whose disks have space, and some disk that is full is
 * the reason.
 */
ASK(bool, lacks_space, (uint64_t now_us), (now_us))
ASK(uint64_t, epoch, (), ())  /* highest promised (EPOCHS) */
ASK(uint32_t, leader, (), ()) /* replica id; 0: unknown */
/* A leader has been heard from, or leads, within the election timeout. */
ASK(bool, has_leader, (uint64_t now_us), (now_us))
/*
 * A round has been named above which there is none: this replica does not stand for election any
 * more.
 */
ASK(bool, rounds_are_used_up, (), ())

/* ---- whether this replica has a vote ---- */

/*
 * From here on this replica is a LEARNER, until the group binds its life: whatever it was about to
 * promise or to lead is given up. Before start or later.
 */
TELL(void, stop_voting, (uint64_t now_us), (now_us))
ASK(bool, votes, (), ())
/*
 * While held, a replica that could vote does not stand, nor say that it votes; its caller keeps all
 * messages from it (rsm/starts.h).
 */
TELL(void, hold_vote, (bool held), (held))
ASK(bool, is_held, (), ())
/* Likewise at any time: its log is not what it was. As forget_promise. */
TELL(void, lose_vote, (uint64_t now_us, uint64_t life), (now_us, life))

/* ---- what it has ---- */

ASK(uint64_t, chosen_slot, (), ())  /* every slot ≤ it is chosen and known here */
ASK(uint64_t, known_chosen, (), ()) /* somebody said that so many are chosen */
ASK(uint64_t, last_slot, (), ())    /* highest accepted */
/*
 * What this replica has accepted in the slot (NULL: a no-op); false if nothing, or it is no longer
 * in memory.
 */
ASK(bool, accepted, (uint64_t slot, struct bytes **value), (slot, value))
/*
 * What is durable here: the highest promise, if the newest one is; and the highest slot accepted
 * that is still in memory. 0: none.
 */
ASK(uint64_t, durable_promise, (), ())
ASK(uint64_t, durable_slot, (), ())
/* No slot after it has been accepted here, or may have been (IMPAIRED). */
ASK(uint64_t, slots_end, (), ())
/* How many slots are impaired; UINT64_MAX: all from one on. */
ASK(uint64_t, impaired, (), ())
ASK(const struct wire_range *, impaired_ranges, (uint32_t *count), (count))
/*
 * The slot that an election here could not decide, because too many of those who answered cannot
 * answer for it: bits of members, by seat, of those, and of voters who did not answer. 0: there is
 * none, or there is a leader.
 */
ASK(uint64_t, undecided, (uint32_t *impaired, uint32_t *silent), (impaired, silent))

/* ---- members and peers; `i` is a seat (SEATS) ---- */

/* Those of the chosen prefix that is known here. */
ASK(const struct consensus_members *, members, (), ())
/*
 * The group has no entries yet, as far as this replica knows, and *missing (bit i: seat i) have not
 * been heard: true if there are any.
 */
ASK(bool, awaits_birth, (uint32_t *missing), (missing))
ASK(uint32_t, peers, (), ())
/* Its number; 0: the seat is free. */
ASK(uint32_t, peer_number, (uint32_t i), (i))
/* Voter or learner, says the list that is known here. */
ASK(bool, peer_is_listed, (uint32_t i), (i))
ASK(bool, peer_is_voter, (uint32_t i), (i))
/*
 * The seat of one who is no member by the list that is known here: it has been removed, or is one
 * of a later list. A message of a replica without a seat must not be received.
 */
TELL(uint32_t, stranger, (uint32_t replica), (replica))
/* Leader: progress of the one in seat i. */
ASK(void, peer, (uint32_t i, uint64_t now_us, uint64_t *matched, uint64_t *heard_ago_us),
    (i, now_us, matched, heard_ago_us))
/* Leader: it has answered in this ballot; and has said that it is a learner. */
ASK(bool, peer_has_answered, (uint32_t i), (i))
ASK(bool, peer_is_learner, (uint32_t i), (i))
/*
 * Leader: asks all members whether they are there; the number of that heartbeat. Whether the one in
 * seat i has answered it, or a later one.
 */
TELL(uint64_t, ask_all, (uint64_t now_us), (now_us))
ASK(bool, peer_has_answered_round, (uint32_t i, uint64_t round), (i, round))
/* Another disk speaks as member i: what its predecessor held is not what this one holds. */
TELL(void, peer_is_another, (uint32_t i), (i))

/* clang-format on */
