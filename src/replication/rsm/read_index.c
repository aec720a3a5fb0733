/* Reads at any replica. */
#include "rsm/read_index.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "core/consensus.h"
#include "rsm/internal.h"

#define NUMBER_SHIFT 49u
#define SEQUENCE_MASK ((UINT64_C(1) << NUMBER_SHIFT) - 1)
_Static_assert(CONSENSUS_SEQUENCE_MAX <= SEQUENCE_MASK &&
		       MEMBER_NUMBER_MAX < 1u << (63 - NUMBER_SHIFT),
	       "a core read's id holds replica and number");

struct indexed_read {
	struct list link;
	struct pending_query query;
	/* of the question that stands for it: the first one sent after it arrived */
	uint64_t sequence;
	uint64_t until_us; /* then it is refused */
};

static struct indexed_read *first_of(struct list *list)
{
	struct list *link = list_first(list);
	return link == NULL ? NULL : LIST_ITEM(link, struct indexed_read, link);
}

/* The payload is the caller's from here on. */
static void drop(struct rsm *rsm, struct indexed_read *read)
{
	rsm->reads.count--;
	rsm->reads.bytes -= read->query.payload->len;
	list_remove(&read->link);
	free(read);
}

static void forget(struct rsm *rsm, struct indexed_read *read)
{
	struct bytes *payload = read->query.payload;
	drop(rsm, read);
	bytes_unref(payload);
}

static void refuse(struct rsm *rsm, struct indexed_read *read, const char *why)
{
	rsm->reads.refused++;
	answer_error(rsm, &read->query.requester, STATUS_UNAVAILABLE, "%s", why);
	forget(rsm, read);
}

static void refuse_all(struct rsm *rsm, struct list *list, const char *why)
{
	struct indexed_read *read;
	while ((read = first_of(list)) != NULL)
		refuse(rsm, read, why);
}

static void on_timer(void *data)
{
	(void)data; /* the end of this turn looks */
}

void read_index_init(struct rsm *rsm)
{
	struct read_index *reads = &rsm->reads;
	list_init(&reads->asking);
	list_init(&reads->known);
	list_init(&reads->here);
	read_backlog_init(&reads->backlog);
	timer_init(&reads->timer, on_timer, rsm);
}

static void free_list(struct rsm *rsm, struct list *list)
{
	struct indexed_read *read;
	while ((read = first_of(list)) != NULL)
		forget(rsm, read);
}

void read_index_free(struct rsm *rsm)
{
	struct read_index *reads = &rsm->reads;
	node_timer_cancel(rsm->node, &reads->timer);
	free_list(rsm, &reads->asking);
	free_list(rsm, &reads->known);
	free_list(rsm, &reads->here);
	read_backlog_free(&reads->backlog);
}

/* ---- arrival ---- */

static const char *why_not(const struct rsm *rsm)
{
	if (rsm->stopping)
		return "this replica is stopping";
	if (rsm->restoring || rsm->state_lost)
		return "this replica is replacing its state by a newer snapshot";
	return NULL;
}

static const char no_leader[] =
	"this replica knows no leader to ask whether it is up to date: no majority, or an election";

/* Nothing is waited for that the asker would not wait for. */
static uint64_t patience_us(const struct rsm *rsm, const struct message *message)
{
	uint64_t patience_us = 2000ull * rsm->settings.election_timeout_ms;
	uint64_t timeout_us = 1000ull * message->timeout_ms;
	return timeout_us != 0 && timeout_us < patience_us ? timeout_us : patience_us;
}

void read_index_request(struct rsm *rsm, const struct requester *from,
			const struct message *message)
{
	struct read_index *reads = &rsm->reads;
	bool stale = message->method == METHOD_QUERY_STALE;
	const char *refused = why_not(rsm);
	if (refused == NULL && !stale && consensus_leader(rsm->core) == 0)
		refused = no_leader;
	if (refused != NULL) {
		reads->refused++;
		answer_error(rsm, from, STATUS_UNAVAILABLE, "%s", refused);
		return;
	}
	if (requests_too_many_reads(rsm, from->link)) {
		rsm->counters.busy++;
		answer_error(rsm, from, STATUS_BUSY, "too many reads are waiting; try again");
		return;
	}
	struct indexed_read *read = ALLOC(struct indexed_read);
	read->query = (struct pending_query){.requester = *from,
					     .payload = bytes_copy(message->payload)};
	read->sequence = reads->asked + 1;
	read->until_us = node_now_us(rsm->node) + patience_us(rsm, message);
	list_push_back(stale ? &reads->here : &reads->asking, &read->link);
	reads->count++;
	reads->bytes += message->payload.len;
	reads->stale += stale;
	reads->indexed += !stale;
}

/* ---- asking ---- */

static void refuse_late(struct rsm *rsm, struct list *list, const char *why)
{
	struct indexed_read *read;
	uint64_t now_us = node_now_us(rsm->node);
	/* Those with a short deadline may stand behind others: their askers know by themselves. */
	while ((read = first_of(list)) != NULL && read->until_us <= now_us)
		refuse(rsm, read, why);
}

static uint64_t retry_us(const struct rsm *rsm)
{
	return 500ull * rsm->settings.election_timeout_ms;
}

static void ask(struct rsm *rsm, uint32_t leader)
{
	struct read_index *reads = &rsm->reads;
	union peer_message m = {.read_index = {.sequence = ++reads->asked}};
	reads->asked_us = node_now_us(rsm->node);
	reads->asked_of = leader;
	reads->questions++;
	peers_send(rsm, leader, METHOD_READ_INDEX, &m);
}

/* Whoever leads now can see to it himself. */
static void adopt_all(struct rsm *rsm)
{
	struct indexed_read *read;
	while ((read = first_of(&rsm->reads.asking)) != NULL) {
		requests_add_read(rsm, &read->query.requester, read->query.payload);
		drop(rsm, read);
	}
}

static void arm(struct rsm *rsm)
{
	struct read_index *reads = &rsm->reads;
	const struct indexed_read *asking = first_of(&reads->asking),
				  *known = first_of(&reads->known);
	uint64_t at_us = asking != NULL ? asking->until_us : UINT64_MAX,
		 again_us = reads->asked_us + retry_us(rsm);
	/* Nobody is asked again while nobody is known; whoever makes somebody known ends a turn. */
	if (asking != NULL && consensus_leader(rsm->core) != 0 && again_us < at_us)
		at_us = again_us;
	if (known != NULL && known->until_us < at_us)
		at_us = known->until_us;
	if (at_us == UINT64_MAX)
		node_timer_cancel(rsm->node, &reads->timer);
	else if (!timer_armed(&reads->timer) || reads->timer.at_us != at_us)
		node_timer_at(rsm->node, &reads->timer, at_us);
}

/* Numbers are counted from one that no earlier life of this replica has used. */
static void begin_counting(struct rsm *rsm)
{
	struct read_index *reads = &rsm->reads;
	uint64_t life = rsm->node->tracer.life;
	reads->asked = reads->told = (life ^ life >> 29) * 0xbf58476d1ce4e5b9ull %
					     (CONSENSUS_SEQUENCE_MAX / 2) +
				     1;
	LIST_FOR (link, &reads->asking)
		LIST_ITEM(link, struct indexed_read, link)->sequence = reads->asked + 1;
}

void read_index_ask_now(struct rsm *rsm)
{
	struct read_index *reads = &rsm->reads;
	uint32_t leader = consensus_leader(rsm->core);
	if (reads->asked == 0)
		begin_counting(rsm);
	if (consensus_role(rsm->core) == CONSENSUS_LEADER)
		adopt_all(rsm);
	refuse_late(rsm, &reads->asking,
		    "the leader has not told in time whether this replica is up to date");
	refuse_late(rsm, &reads->known, "this replica lags behind, and has not caught up in time");
	if (!list_empty(&reads->asking) && leader != 0) {
		const struct indexed_read *last = LIST_ITEM(reads->asking.prev, struct indexed_read,
							    link);
		bool news = last->sequence > reads->asked &&
			    reads->asked - reads->told < READ_INDEXES_OPEN;
		bool again = leader != reads->asked_of ||
			     node_now_us(rsm->node) >= reads->asked_us + retry_us(rsm);
		if (news || again)
			ask(rsm, leader);
	}
	arm(rsm);
}

/*
 * The leader has told a slot that covers what had been acknowledged when question `sequence` was
 * sent.
 */
static void told(struct rsm *rsm, uint64_t sequence, uint64_t slot)
{
	struct read_index *reads = &rsm->reads;
	struct indexed_read *read;
	if (sequence <= reads->told || sequence > reads->asked)
		return;
	reads->told = sequence;
	/* Those that are asked for stand behind it, in their order. */
	ASSERT(reads->told <= reads->asked);
	while ((read = first_of(&reads->asking)) != NULL && read->sequence <= sequence) {
		read->query.slot = slot;
		list_remove(&read->link);
		list_push_back(&reads->known, &read->link);
		if (tracer_wants(&rsm->node->tracer, read->query.requester.trace))
			traced_confirmed(rsm, read->query.requester.trace, slot);
	}
}

/* ---- answering ---- */

static bool enough(const struct rsm *rsm)
{
	return rsm->turn.read >= rsm->settings.turn_bytes || rsm->reads.backlog.count > 0;
}

static void serve_list(struct rsm *rsm, struct list *list)
{
	struct indexed_read *read;
	while ((read = first_of(list)) != NULL && read->query.slot <= rsm->applied) {
		ASSERT(!rsm->restoring && !rsm->state_lost);
		struct pending_query query = read->query;
		drop(rsm, read);
		if (query.requester.link != 0 && enough(rsm)) {
			read_backlog_add(&rsm->reads.backlog, &query, 0);
			continue;
		}
		requests_serve_read(rsm, &query);
		bytes_unref(query.payload);
	}
}

static void refuse_backlog(struct rsm *rsm, const char *why)
{
	struct pending_query query;
	uint64_t ballot;
	while (rsm->reads.backlog.count > 0) {
		read_backlog_take(&rsm->reads.backlog, &query, &ballot);
		rsm->reads.refused++;
		answer_error(rsm, &query.requester, STATUS_UNAVAILABLE, "%s", why);
		bytes_unref(query.payload);
	}
}

void read_index_serve_now(struct rsm *rsm)
{
	struct read_index *reads = &rsm->reads;
	if (rsm->restoring || rsm->state_lost) {
		const char *why = why_not(rsm);
		refuse_all(rsm, &reads->asking, why);
		refuse_all(rsm, &reads->known, why);
		refuse_all(rsm, &reads->here, why);
		refuse_backlog(rsm, why);
	}
	serve_list(rsm, &reads->here);
	serve_list(rsm, &reads->known);
	if (reads->backlog.count > 0)
		requests_serve_backlog(rsm, &reads->backlog);
	arm(rsm);
}

void read_index_link_down(struct rsm *rsm, link_id link)
{
	struct list *const lists[] = {&rsm->reads.asking, &rsm->reads.known, &rsm->reads.here};
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		LIST_FOR_SAFE (position, after, lists[i]) {
			struct indexed_read *read = LIST_ITEM(position, struct indexed_read, link);
			if (read->query.requester.link == link)
				forget(rsm, read);
		}
	}
	read_backlog_link_down(&rsm->reads.backlog, link);
}

/* ---- the leader's side ---- */

void read_index_asked(struct rsm *rsm, const struct wire_read_index *m)
{
	struct read_index *reads = &rsm->reads;
	uint32_t index = rsm_seat(rsm, m->from);
	uint64_t ballot = consensus_epoch(rsm->core);
	ASSERT(index != UINT32_MAX && m->sequence <= SEQUENCE_MASK);
	/* Who does not lead says nothing: the other one will find out who does, and asks again. */
	if (consensus_role(rsm->core) != CONSENSUS_LEADER || rsm->stopping)
		return;
	if (reads->open_ballot != ballot) {
		/* With its leadership the core has forgotten what was asked. */
		memset(reads->open, 0, sizeof reads->open);
		reads->open_ballot = ballot;
	}
	if (reads->open[index] >= READ_INDEXES_OPEN_MAX)
		return;
	reads->open[index]++;
	bool leading = consensus_read(
		rsm->core, READ_INDEX_BIT | (uint64_t)m->from << NUMBER_SHIFT | m->sequence);
	ASSERT(leading);
}

void read_index_confirmed(struct rsm *rsm, uint64_t id, uint64_t slot)
{
	struct read_index *reads = &rsm->reads;
	uint32_t replica = (uint32_t)((id & ~READ_INDEX_BIT) >> NUMBER_SHIFT),
		 index = rsm_seat(rsm, replica);
	union peer_message m = {.read_index_reply = {
					.ballot = consensus_epoch(rsm->core),
					.slot = slot,
					.chosen = consensus_chosen_slot(rsm->core),
					.sequence = id & SEQUENCE_MASK,
				}};
	if (index != UINT32_MAX && reads->open[index] > 0)
		reads->open[index]--;
	reads->answered++;
	peers_send(rsm, replica, METHOD_READ_INDEX_REPLY, &m);
}

void read_index_told(struct rsm *rsm, const struct wire_read_index_reply *m)
{
	told(rsm, m->sequence, m->slot);
}
