/*
 * What clients ask of the group: commands in batches, reads in rounds (those of other replicas than
 * the leader: read_index.c).
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "rsm/internal.h"

/* ---- batches ---- */

#define ENCODING_BYTES_MIN 64u
/* So long a value is worth the growing of another block. */
#define ENCODING_TAKEN_BYTES (16u * KIB)

static size_t batch_bytes(const struct batch *batch)
{
	return sizeof *batch + batch->encoding.capacity +
	       batch->capacity * sizeof *batch->requesters;
}

void batch_release(struct rsm *rsm, struct batch *batch)
{
	ASSERT(rsm->pending_requests >= batch->count && rsm->queued_extra >= batch->extra);
	ASSERT(batch->value == NULL || rsm->proposed_bytes >= batch->value->len);
	if (batch->value != NULL)
		rsm->proposed_bytes -= batch->value->len;
	rsm->queued_extra -= batch->extra;
	bytes_unref(batch->value);
	batch->value = NULL;
	rsm->pending_requests -= batch->count;
	batch->count = 0;
	batch->internal = false;
	batch->work = batch->extra = 0;
	batch->trace = 0;
	if (rsm->free_batch_bytes + batch_bytes(batch) > FREE_BATCH_BYTES_MAX) {
		free(batch->block);
		free(batch->requesters);
		free(batch);
		return;
	}
	/*
	 * In front: the one used last is used next, so that not all of them grow to the size of the
	 * largest batch.
	 */
	rsm->free_batch_bytes += batch_bytes(batch);
	list_push_front(&rsm->free_batches, &batch->link);
}

/* The encoding grows within a block that can become the entry's value as it stands. */
static void encoding_reserve(struct batch *batch, size_t extra)
{
	struct buffer *encoding = &batch->encoding;
	size_t needed = encoding->len + extra, capacity = encoding->capacity;
	if (needed <= capacity)
		return;
	if (capacity == 0)
		capacity = ENCODING_BYTES_MIN;
	while (capacity < needed)
		capacity *= 2;
	batch->block = alloc_resize(batch->block, sizeof *batch->block + capacity, 1);
	encoding->data = batch->block->data;
	encoding->capacity = capacity;
}

/*
 * The entry is encoded: its value. A long one is the block that it was encoded in; a short one is
 * copied, so that the batch keeps its block, which need not grow again.
 */
static struct bytes *take_value(struct batch *batch)
{
	size_t len = batch->encoding.len;
	ASSERT(len <= batch->encoding.capacity && batch->encoding.data == batch->block->data);
	if (len < ENCODING_TAKEN_BYTES)
		return bytes_copy(buffer_slice(&batch->encoding));
	struct bytes *value = alloc_resize(batch->block, sizeof *value + len, 1);
	value->refs = 1;
	value->len = (uint32_t)len;
	batch->block = NULL;
	batch->encoding = (struct buffer){0};
	return value;
}

static struct batch *current_batch(struct rsm *rsm)
{
	if (rsm->current != NULL)
		return rsm->current;
	struct list *link = list_first(&rsm->free_batches);
	if (link != NULL) {
		list_remove(link);
		rsm->current = LIST_ITEM(link, struct batch, link);
		rsm->free_batch_bytes -= batch_bytes(rsm->current);
	} else {
		rsm->current = ALLOC(struct batch);
		list_init(&rsm->current->link);
	}
	buffer_clear(&rsm->current->encoding);
	encoding_reserve(rsm->current, ENTRY_HEADER_BYTES);
	entry_begin(&rsm->current->encoding);
	return rsm->current;
}

static void close_current(struct rsm *rsm)
{
	if (rsm->current == NULL)
		return;
	list_push_back(&rsm->ready, &rsm->current->link);
	rsm->ready_count++;
	rsm->current = NULL;
}

/* work: that it will probably take. False: too much is waiting already. */
static bool add_command(struct rsm *rsm, const struct requester *from,
			const struct entry_command *command, uint64_t work)
{
	uint64_t extra = work > command->body.len ? work - command->body.len : 0;
	if (rsm->pending_requests >= PENDING_REQUESTS_MAX ||
	    rsm->ready_count >= READY_BATCHES_MAX ||
	    (extra > EXTRA_LITTLE && rsm->queued_extra >= QUEUED_EXTRA_MAX)) {
		rsm->counters.busy++;
		return false;
	}
	if (rsm->current == NULL)
		settle_propose(rsm);
	struct batch *batch = current_batch(rsm);
	if (batch->count == batch->capacity) {
		batch->capacity = batch->capacity == 0 ? 16 : batch->capacity * 2;
		batch->requesters = alloc_resize(batch->requesters, batch->capacity,
						 sizeof *batch->requesters);
	}
	batch->requesters[batch->count++] = *from;
	if (batch->trace == 0)
		batch->trace = from->trace;
	rsm->pending_requests++;
	encoding_reserve(batch, ENTRY_COMMAND_BYTES + command->body.len);
	entry_add(&batch->encoding, command);
	batch->work += work;
	batch->extra += extra;
	rsm->queued_extra += extra;
	if (batch->encoding.len >= rsm->settings.entry_bytes ||
	    batch->count == ENTRY_COMMANDS_MAX || batch->work >= BATCH_WORK_MAX)
		close_current(rsm);
	return true;
}

/*
 * Answers commands that have not been proposed: they certainly will not be applied. Those of the
 * service itself cannot be answered; `all` says that the service learns of their end otherwise.
 */
static void refuse_ready(struct rsm *rsm, bool all, int status, const char *why)
{
	LIST_FOR_SAFE (link, after, &rsm->ready) {
		struct batch *batch = LIST_ITEM(link, struct batch, link);
		if (batch->internal && !all)
			continue;
		list_remove(link);
		rsm->ready_count--;
		for (uint32_t i = 0; i < batch->count; i++)
			answer_error(rsm, &batch->requesters[i], status, "%s", why);
		batch_release(rsm, batch);
	}
}

bool requests_can_propose(const struct rsm *rsm)
{
	return rsm->leading && (rsm->current != NULL || rsm->ready_count > 0) &&
	       consensus_can_propose(rsm->core) && rsm->proposed_bytes <= UNAPPLIED_BYTES_MAX &&
	       wal_pending_bytes(rsm->wal) <= UNWRITTEN_BYTES_MAX;
}

/*
 * A clock that stands beyond everything that others believe is of no use to anybody, and must do no
 * harm.
 */
uint64_t rsm_entry_wall_us(const struct rsm *rsm)
{
	uint64_t now_us = node_wall_us(rsm->node);
	return now_us < ENTRY_TIME_US_MAX ? now_us : ENTRY_TIME_US_MAX;
}

void requests_propose(struct rsm *rsm)
{
	const char *full = no_space(rsm);
	if (full != NULL) {
		close_current(rsm);
		refuse_ready(rsm, false, STATUS_NO_SPACE, full);
	}
	if (requests_can_propose(rsm))
		settle_lived(rsm);
	while (requests_can_propose(rsm) && rsm->turn.proposed < PROPOSE_BYTES_PER_TURN) {
		/* While the window is closed the current batch goes on filling. */
		if (rsm->ready_count == 0)
			close_current(rsm);
		struct batch *batch = LIST_ITEM(list_first(&rsm->ready), struct batch, link);
		list_remove(&batch->link);
		rsm->ready_count--;
		entry_finish(&batch->encoding, batch->count, rsm_entry_wall_us(rsm), rsm->lived_us,
			     consensus_epoch(rsm->core));
		batch->value = take_value(batch);
		batch->slot = consensus_propose(rsm->core, bytes_ref(batch->value));
		list_push_back(&rsm->proposed, &batch->link);
		rsm->proposed_bytes += batch->value->len;
		rsm->turn.proposed += batch->value->len;
		rsm->counters.batches++;
		if (batch->trace != 0 || rsm_traces(rsm))
			traced_proposed(rsm, batch);
	}
}

uint64_t requests_propose_alone(struct rsm *rsm, struct buffer *entry, uint32_t format,
				const struct requester *requester)
{
	struct batch *batch = ALLOC(struct batch);
	list_init(&batch->link);
	settle_lived(rsm);
	entry_finish(entry, 1, rsm_entry_wall_us(rsm), rsm->lived_us, consensus_epoch(rsm->core));
	store_u32(entry->data, format);
	batch->requesters = alloc_zeroed(1, sizeof *batch->requesters);
	batch->capacity = batch->count = 1;
	if (requester != NULL)
		batch->requesters[0] = *requester;
	rsm->pending_requests++;
	batch->value = bytes_copy(buffer_slice(entry));
	batch->slot = consensus_propose(rsm->core, bytes_ref(batch->value));
	list_push_back(&rsm->proposed, &batch->link);
	rsm->proposed_bytes += batch->value->len;
	return batch->slot;
}

bool requests_add_own(struct rsm *rsm, enum entry_kind kind, struct slice body)
{
	struct requester nobody = {0};
	struct entry_command c = {.kind = kind, .body = body};
	/* A batch that is closed by the command itself is the last of the ready ones. */
	if (!add_command(rsm, &nobody, &c, 0))
		return false;
	struct batch *batch = rsm->current != NULL ? rsm->current
						   : LIST_ITEM(rsm->ready.prev, struct batch, link);
	batch->internal = true;
	return true;
}

bool rsm_propose(struct rsm *rsm, struct slice command)
{
	return rsm->serving && !wal_full(rsm->wal) && requests_add_own(rsm, ENTRY_APP, command);
}

/* ---- requests ---- */

void requests_command(struct rsm *rsm, const struct requester *from, const struct message *message)
{
	struct wire_command command;
	rsm->counters.commands++;
	arena_reset(&rsm->arena);
	int status = wire_command_decode(message->payload, &rsm->arena, &command);
	if (status != 0) {
		answer_error(rsm, from, status, "malformed COMMAND");
		return;
	}
	if (command.body.len > COMMAND_BYTES_MAX) {
		answer_error(rsm, from, STATUS_TOO_LARGE, "command of %zu bytes; the limit is %u",
			     command.body.len, COMMAND_BYTES_MAX);
		return;
	}
	if (command.client != 0 &&
	    (command.sequence == 0 || command.acknowledged > command.sequence)) {
		answer_error(rsm, from, STATUS_BAD_REQUEST,
			     "sequence must be at least 1 and not below acknowledged");
		return;
	}
	if (rsm->restoring) {
		answer_error(rsm, from, STATUS_BUSY,
			     "this replica is replacing its state by a newer snapshot; try again");
		return;
	}
	const char *full = no_space(rsm);
	if (full != NULL) {
		answer_error(rsm, from, STATUS_NO_SPACE, "%s", full);
		return;
	}
	if (wal_starved(rsm->wal)) {
		answer_error(rsm, from, STATUS_BUSY,
			     "the leader has no file descriptor for its log; try again");
		return;
	}
	if (command.client != 0 && !settle_admit(rsm, from, message, &command))
		return;
	struct reply refusal = {.body = &rsm->reply_body};
	buffer_clear(&rsm->reply_body);
	status = rsm->app->ops->admit(rsm->app, command.body, &rsm->arena, &refusal);
	/*
	 * A copy of what has been applied gets its answer, though this leader, with other settings,
	 * would not have let it pass.
	 */
	if (status != 0 && !sessions_answered(&rsm->sessions, command.client, command.sequence)) {
		rsm->counters.refused++;
		answer(rsm, from, status, buffer_slice(&rsm->reply_body));
		return;
	}
	struct entry_command entry = {
		.kind = ENTRY_APP,
		.client = command.client,
		.sequence = command.sequence,
		.acknowledged = command.acknowledged,
		.body = command.body,
	};
	if (!add_command(rsm, from, &entry, refusal.work))
		answer_error(rsm, from, STATUS_BUSY, "too many commands are waiting; try again");
}

static void grow_queries(struct rsm *rsm)
{
	uint32_t capacity = rsm->queries_capacity == 0 ? 64 : rsm->queries_capacity * 2;
	struct pending_query *grown = alloc_zeroed(capacity, sizeof *grown);
	for (uint32_t i = 0; i < rsm->queries_count; i++)
		grown[i] = rsm->queries[(rsm->queries_head + i) & (rsm->queries_capacity - 1)];
	free(rsm->queries);
	rsm->queries = grown;
	rsm->queries_head = 0;
	rsm->queries_capacity = capacity;
}

/*
 * Reads that come in crowds share rounds of ours, which costs everybody less than confirming each
 * of them: when so many have come within so short a time, from several connections, that they
 * would.
 */
static void notice_crowd(struct rsm *rsm, link_id from)
{
	struct crowd *crowd = &rsm->crowd;
	uint32_t distinct = 0;
	crowd->links[crowd->reads++] = from;
	if (crowd->reads < CROWD_READS)
		return;
	uint64_t now_us = node_now_us(rsm->node);
	for (uint32_t i = 0; i < CROWD_READS; i++) {
		uint32_t before = 0;
		while (before < i && crowd->links[before] != crowd->links[i])
			before++;
		distinct += before == i;
	}
	crowd->crowded = distinct >= CROWD_LINKS && now_us - crowd->since_us < CROWD_US;
	crowd->since_us = now_us;
	crowd->reads = 0;
}

/* Asks the core for a confirmation; or, if the asker sees to that, notes what the read must see. */
static uint64_t read_begins(struct rsm *rsm, uint64_t id, bool unconfirmed)
{
	if (unconfirmed)
		return consensus_read_slot(rsm->core);
	bool leading = consensus_read(rsm->core, id);
	ASSERT(leading);
	return 0;
}

/*
 * Whoever has many reads waiting gets no more of what is left than he has already: others find
 * room.
 */
static inline bool too_many_reads(struct rsm *rsm, link_id from)
{
	struct read_index *reads = &rsm->reads;
	uint32_t count = rsm->queries_count + rsm->backlog.count + reads->count +
			 reads->backlog.count;
	uint64_t bytes = rsm->queries_bytes + rsm->backlog.bytes + reads->bytes +
			 reads->backlog.bytes;
	if (count >= PENDING_REQUESTS_MAX || bytes >= QUERY_BYTES_MAX)
		return true;
	return rsm->backlog.count + reads->backlog.count > 0 &&
	       read_backlog_of(&rsm->backlog, from) + read_backlog_of(&reads->backlog, from) >=
		       PENDING_REQUESTS_MAX - count;
}

bool requests_too_many_reads(struct rsm *rsm, link_id from)
{
	return too_many_reads(rsm, from);
}

static inline __attribute__((always_inline)) void add_read(struct rsm *rsm,
							   const struct requester *from,
							   struct bytes *payload, bool unconfirmed)
{
	if (rsm->queries_count == rsm->queries_capacity)
		grow_queries(rsm);
	rsm->queries_bytes += payload->len;
	uint64_t id = ++rsm->next_query;
	rsm->queries[(rsm->queries_head + rsm->queries_count++) & (rsm->queries_capacity - 1)] =
		(struct pending_query){
			.requester = *from,
			.payload = payload,
			.id = id,
			.slot = read_begins(rsm, id, unconfirmed),
			.confirm = unconfirmed && !consensus_lease_holds(rsm->core),
		};
	if (!unconfirmed && tracer_wants(&rsm->node->tracer, from->trace))
		traced_reading(rsm, from->trace);
}

void requests_add_read(struct rsm *rsm, const struct requester *from, struct bytes *payload)
{
	add_read(rsm, from, payload, false);
}

void requests_query(struct rsm *rsm, const struct requester *from, const struct message *message)
{
	bool unconfirmed = message->method == METHOD_QUERY_UNCONFIRMED;
	rsm->counters.queries++;
	rsm->counters.unconfirmed += unconfirmed;
	notice_crowd(rsm, from->link);
	if (too_many_reads(rsm, from->link)) {
		rsm->counters.busy++;
		answer_error(rsm, from, STATUS_BUSY, "too many reads are waiting; try again");
		return;
	}
	add_read(rsm, from, bytes_copy(message->payload), unconfirmed);
}

void requests_register(struct rsm *rsm, const struct requester *from)
{
	struct entry_command entry = {.kind = ENTRY_REGISTER};
	rsm->counters.registers++;
	if (!add_command(rsm, from, &entry, 0))
		answer_error(rsm, from, STATUS_BUSY, "too many commands are waiting; try again");
}

/* ---- reads ---- */

void requests_read_confirmed(struct rsm *rsm, uint64_t id, uint64_t slot)
{
	ASSERT(rsm->queries_count > 0);
	uint64_t oldest = rsm->queries[rsm->queries_head].id;
	/* Forgotten when leadership was lost in between. */
	if (id < oldest || id - oldest >= rsm->queries_count)
		return;
	struct pending_query *query = &rsm->queries[(rsm->queries_head + (uint32_t)(id - oldest)) &
						    (rsm->queries_capacity - 1)];
	query->slot = slot;
	if (tracer_wants(&rsm->node->tracer, query->requester.trace))
		traced_confirmed(rsm, query->requester.trace, slot);
}

/* The payload is the caller's. */
static void drop_query(struct rsm *rsm)
{
	rsm->queries_bytes -= rsm->queries[rsm->queries_head].payload->len;
	rsm->queries_head = (rsm->queries_head + 1) & (rsm->queries_capacity - 1);
	rsm->queries_count--;
}

static void pop_query(struct rsm *rsm)
{
	struct bytes *payload = rsm->queries[rsm->queries_head].payload;
	drop_query(rsm);
	bytes_unref(payload);
}

/*
 * Whether the query may be answered: it is known which slot it must see, and that has been applied.
 */
static bool is_ready(const struct rsm *rsm, const struct pending_query *query)
{
	return query->slot != 0 && query->slot <= rsm->applied;
}

/* Tells the app which queries come next. */
static void expect_queries(struct rsm *rsm)
{
	struct slice payloads[APP_EXPECTED_MAX];
	uint32_t count = 0;
	for (uint32_t i = 0; i < APP_EXPECTED_MAX && i < rsm->queries_count; i++) {
		const struct pending_query *query =
			&rsm->queries[(rsm->queries_head + i) & (rsm->queries_capacity - 1)];
		if (!is_ready(rsm, query))
			break;
		if (query->requester.link != 0)
			payloads[count++] = bytes_slice(query->payload);
	}
	if (count > 1)
		rsm->app->ops->expect_queries(rsm->app, payloads, count);
}

static void answer_stale(struct rsm *rsm, const struct pending_query *query, struct slice body)
{
	struct wire_stale_reply reply = {.group = rsm->options.group,
					 .replica = rsm->options.replica,
					 .slot = rsm->applied,
					 .body = body};
	uint64_t since_us = 0;
	/*
	 * By the clock of this moment: the turn's may be older than the question, from which the
	 * asker counts on.
	 */
	uint64_t now_us = node_clock_us(rsm->node);
	reply.age_known = consensus_fresh(rsm->core, &since_us);
	if (reply.age_known)
		reply.age_us = now_us > since_us ? now_us - since_us : 0;
	buffer_clear(&rsm->out);
	wire_stale_reply_encode(&reply, &rsm->out);
	answer(rsm, &query->requester, 0, buffer_slice(&rsm->out));
}

static void answer_query(struct rsm *rsm, const struct pending_query *query, int status,
			 struct slice body)
{
	if (query->requester.method == METHOD_QUERY_STALE && status == 0) {
		answer_stale(rsm, query, body);
		return;
	}
	if (query->requester.method != METHOD_QUERY_UNCONFIRMED || status != 0) {
		answer(rsm, &query->requester, status, body);
		return;
	}
	struct wire_unconfirmed_reply reply = {
		.group = rsm->options.group,
		.ballot = consensus_epoch(rsm->core),
		.body = body,
	};
	/* Of those who count at this moment: the answer is not older. */
	if (query->confirm) {
		reply.confirmations = consensus_quorum_others(rsm->core);
		reply.voters = buffer_slice(&rsm->voter_lives);
	}
	reply.rather_query = reply.confirmations == 0 || rsm->crowd.crowded;
	buffer_clear(&rsm->out);
	wire_unconfirmed_reply_encode(&reply, &rsm->out);
	answer(rsm, &query->requester, 0, buffer_slice(&rsm->out));
}

void requests_serve_read(struct rsm *rsm, const struct pending_query *query)
{
	struct reply reply = {.body = &rsm->reply_body};
	buffer_clear(&rsm->reply_body);
	arena_reset(&rsm->arena);
	if (query->requester.link == 0)
		return;
	rsm->app->ops->query(rsm->app, bytes_slice(query->payload), &rsm->arena, &reply);
	answer_query(rsm, query, reply.status, buffer_slice(&rsm->reply_body));
	rsm->turn.read += READ_BYTES_EACH + rsm->reply_body.len + reply.work;
}

/*
 * One that has waited. What it was to be answered as, unconfirmed, holds in the ballot of that time
 * alone; 0: in any.
 */
static void serve_waiting(struct rsm *rsm, struct read_backlog *backlog)
{
	struct pending_query query;
	uint64_t ballot;
	read_backlog_take(backlog, &query, &ballot);
	if (ballot == 0 || ballot == consensus_epoch(rsm->core))
		requests_serve_read(rsm, &query);
	else
		answer_error(rsm, &query.requester, STATUS_NOT_LEADER,
			     "leadership was lost during the read");
	bytes_unref(query.payload);
}

/* In turns. Whoever does not take his answers is passed over, and looked at again soon. */
void requests_serve_backlog(struct rsm *rsm, struct read_backlog *backlog)
{
	struct env *env = rsm->node->env;
	uint32_t passed = 0;
	while (backlog->count > 0 && rsm->turn.read < rsm->settings.turn_bytes &&
	       passed < backlog->nreaders) {
		if (env->ops->backlog(env, read_backlog_next(backlog)) > READER_OUTPUT_MAX) {
			read_backlog_pass(backlog);
			passed++;
		} else {
			serve_waiting(rsm, backlog);
			passed = 0;
		}
	}
	if (backlog->count > 0)
		rsm_go_on(rsm, passed == backlog->nreaders ? READER_WAIT_US : 0);
}

void requests_serve_reads(struct rsm *rsm)
{
	if (rsm->restoring || rsm->state_lost)
		return;
	for (uint32_t served = 0; rsm->queries_count > 0; served++) {
		struct pending_query *query = &rsm->queries[rsm->queries_head];
		if (!is_ready(rsm, query))
			break;
		if (rsm->backlog.count > 0 || rsm->turn.read >= rsm->settings.turn_bytes) {
			struct pending_query waiting = *query;
			drop_query(rsm);
			if (waiting.requester.link != 0)
				read_backlog_add(&rsm->backlog, &waiting,
						 consensus_epoch(rsm->core));
			else
				bytes_unref(waiting.payload);
			continue;
		}
		if (served % APP_EXPECTED_MAX == 0 && rsm->app->ops->expect_queries != NULL)
			expect_queries(rsm);
		requests_serve_read(rsm, query);
		pop_query(rsm);
	}
	if (rsm->backlog.count > 0)
		requests_serve_backlog(rsm, &rsm->backlog);
}

/* ---- losses ---- */

/*
 * Commands that were not proposed never will be: say so. Those that were may still be chosen; they
 * are answered when their slot is. Reads are simply not answered here.
 */
void requests_leadership_lost(struct rsm *rsm)
{
	rsm->traced.read = 0;
	close_current(rsm);
	refuse_ready(rsm, true, STATUS_NOT_LEADER,
		     "leadership was lost before the command was proposed: not applied");
	while (rsm->queries_count > 0) {
		struct pending_query *query = &rsm->queries[rsm->queries_head];
		answer_error(rsm, &query->requester, STATUS_NOT_LEADER,
			     "leadership was lost during the read");
		pop_query(rsm);
	}
	while (rsm->backlog.count > 0) {
		struct pending_query query;
		uint64_t ballot;
		read_backlog_take(&rsm->backlog, &query, &ballot);
		answer_error(rsm, &query.requester, STATUS_NOT_LEADER,
			     "leadership was lost during the read");
		bytes_unref(query.payload);
	}
}

void requests_skipped(struct rsm *rsm, uint64_t slot)
{
	LIST_FOR_SAFE (link, after, &rsm->proposed) {
		struct batch *batch = LIST_ITEM(link, struct batch, link);
		if (batch->slot > slot)
			return;
		for (uint32_t i = 0; i < batch->count; i++)
			answer_error(
				rsm, &batch->requesters[i], STATUS_UNKNOWN,
				"this replica had to fetch the state from another one: ask again");
		list_remove(link);
		batch_release(rsm, batch);
	}
}

static void forget_link(struct batch *batch, link_id link)
{
	for (uint32_t i = 0; i < batch->count; i++)
		if (batch->requesters[i].link == link)
			batch->requesters[i].link = 0;
}

void requests_link_down(struct rsm *rsm, link_id link)
{
	if (rsm->current != NULL)
		forget_link(rsm->current, link);
	LIST_FOR (item, &rsm->ready)
		forget_link(LIST_ITEM(item, struct batch, link), link);
	LIST_FOR (item, &rsm->proposed)
		forget_link(LIST_ITEM(item, struct batch, link), link);
	for (uint32_t i = 0; i < rsm->queries_count; i++) {
		struct pending_query *query =
			&rsm->queries[(rsm->queries_head + i) & (rsm->queries_capacity - 1)];
		if (query->requester.link == link)
			query->requester.link = 0;
	}
	if (rsm->transfer.requester.link == link)
		rsm->transfer.requester.link = 0;
	if (rsm->change.requester.link == link)
		rsm->change.requester.link = 0;
	read_backlog_link_down(&rsm->backlog, link);
}

static void free_list(struct list *head)
{
	LIST_FOR_SAFE (link, after, head) {
		struct batch *batch = LIST_ITEM(link, struct batch, link);
		list_remove(link);
		bytes_unref(batch->value);
		free(batch->block);
		free(batch->requesters);
		free(batch);
	}
}

void requests_destroy(struct rsm *rsm)
{
	close_current(rsm);
	free_list(&rsm->ready);
	free_list(&rsm->proposed);
	free_list(&rsm->free_batches);
	for (uint32_t i = 0; i < rsm->queries_count; i++)
		bytes_unref(rsm->queries[(rsm->queries_head + i) & (rsm->queries_capacity - 1)]
				    .payload);
	free(rsm->queries);
	read_backlog_free(&rsm->backlog);
	buffer_free(&rsm->change.request);
}
