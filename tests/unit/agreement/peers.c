#include "peers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "bound.h"

static uint64_t random_of(void *context)
{
	struct peers *p = context;
	return rng_next(&p->rng);
}

static void create_core(struct peers *p, uint32_t i)
{
	struct agreement_options options = p->options;
	options.self = i + 1;
	options.life = p->peers[i].life;
	p->peers[i].core = agreement_create(&options);
	bound_restore(p->peers[i].core, p->count);
}

void peers_init(struct peers *p, uint32_t count, uint64_t seed)
{
	*p = (struct peers){.count = count, .delay_min_us = 100, .delay_max_us = 300};
	rng_seed(&p->rng, seed);
	p->options = (struct agreement_options){
		.nmembers = count,
		.retry_us = 100000,
		.retry_max_us = 500000,
		.backoff_us = 10000,
		.backoff_max_us = 500000,
		.spread_us = 1000000,
		.instances_max = 100000,
		.bytes_max = 256 * MIB,
		.random = random_of,
		.context = p,
	};
	for (uint32_t i = 0; i < count; i++)
		p->options.members[i] = i + 1;
	bound_members(&p->lists[0], count);
	p->nlists = 1;
	p->lists_delay_max_us = 1000;
	for (uint32_t i = 0; i < count; i++) {
		p->peers[i].sync_min_us = 50;
		p->peers[i].sync_max_us = 300;
		p->peers[i].life = BOUND_LIFE(i + 1);
		p->peers[i].lists = 1;
		create_core(p, i);
		int status = agreement_begin(p->peers[i].core, 0);
		ASSERT(status == 0);
	}
}

static void free_shown(struct map *shown)
{
	size_t position = 0;
	uint64_t seq;
	void *value;
	while (map_next(shown, &position, &seq, &value))
		bytes_unref(value);
	map_free(shown);
	*shown = (struct map){0};
}

void peers_free(struct peers *p)
{
	for (uint32_t i = 0; i < p->count; i++) {
		struct test_peer *peer = &p->peers[i];
		agreement_destroy(peer->core);
		for (uint64_t k = 0; k < peer->records; k++)
			bytes_unref(peer->log[k].value);
		free(peer->log);
		free_shown(&peer->shown);
	}
	for (uint32_t i = 0; i < p->nmessages; i++)
		buffer_free(&p->messages[i].payload);
	free(p->messages);
	free_shown(&p->decided);
}

/* ---- checks ---- */

static void check_decision(struct peers *p, uint32_t i, const struct agreement_view *view)
{
	struct test_peer *peer = &p->peers[i];
	struct bytes *known = map_get(&p->decided, view->seq);
	if (known == NULL)
		map_put(&p->decided, view->seq, bytes_ref(view->decided));
	else if (!slice_equal(bytes_slice(known), bytes_slice(view->decided))) {
		fprintf(stderr, "two decisions in instance %" PRIu64 "\n", view->seq);
		abort();
	}
	struct bytes *shown;
	if (agreement_status(peer->core, view->seq, &shown) == AGREEMENT_STATE_DECIDED &&
	    map_get(&peer->shown, view->seq) == NULL)
		map_put(&peer->shown, view->seq, bytes_ref(view->decided));
}

static void check_peer(struct peers *p, uint32_t i)
{
	struct test_peer *peer = &p->peers[i];
	size_t position = 0;
	struct agreement_view view;
	while (agreement_next_view(peer->core, &position, &view)) {
		ASSERT(view.accepted <= view.promised);
		if (view.decided != NULL)
			check_decision(p, i, &view);
	}
	if (agreement_standing(peer->core) == AGREEMENT_INSIDE)
		peer->wiped = false;
	uint64_t min = agreement_min(peer->core);
	ASSERT(min >= peer->min);
	peer->min = min;
	for (uint32_t k = 0; k < p->count; k++)
		ASSERT(min <= p->peers[k].done);
	ASSERT(agreement_counters(peer->core)->conflicts == 0);
}

/* What was shown before the crash is shown again. */
static void check_shown(struct peers *p, uint32_t i)
{
	struct test_peer *peer = &p->peers[i];
	size_t position = 0;
	uint64_t seq;
	void *value;
	while (map_next(&peer->shown, &position, &seq, &value)) {
		struct bytes *now = NULL;
		enum agreement_state state = agreement_status(peer->core, seq, &now);
		ASSERT(state != AGREEMENT_STATE_PENDING);
		ASSERT(state == AGREEMENT_STATE_FORGOTTEN ||
		       slice_equal(bytes_slice(now), bytes_slice(value)));
	}
}

/* ---- carrying out ---- */

static bool before(const struct test_message *a, const struct test_message *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void enqueue(struct peers *p, struct test_message m)
{
	if (p->nmessages == p->capacity) {
		p->capacity = p->capacity == 0 ? 64 : p->capacity * 2;
		p->messages = alloc_resize(p->messages, p->capacity, sizeof *p->messages);
	}
	m.order = ++p->order;
	uint32_t i = p->nmessages++;
	while (i > 0 && before(&m, &p->messages[(i - 1) / 2])) {
		p->messages[i] = p->messages[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	p->messages[i] = m;
}

static struct test_message dequeue(struct peers *p)
{
	struct test_message first = p->messages[0], last = p->messages[--p->nmessages];
	uint32_t i = 0;
	for (;;) {
		uint32_t child = 2 * i + 1;
		if (child + 1 < p->nmessages &&
		    before(&p->messages[child + 1], &p->messages[child]))
			child++;
		if (child >= p->nmessages || !before(&p->messages[child], &last))
			break;
		p->messages[i] = p->messages[child];
		i = child;
	}
	p->messages[i] = last;
	return first;
}

static void send(struct peers *p, uint32_t from, uint32_t to, bool reply,
		 const struct wire_agreement *m)
{
	/* A reply goes back along the request's way. */
	bool cut = reply ? p->cut[to][from] : p->cut[from][to];
	uint32_t loss_ppm = reply ? 2 * p->loss_ppm : p->loss_ppm;
	p->requests += !reply;
	if (cut || rng_chance(&p->rng, loss_ppm))
		return;
	for (uint32_t copies = 1 + rng_chance(&p->rng, p->repeat_ppm); copies > 0; copies--) {
		struct test_message message = {
			.at_us = p->now_us + rng_range(&p->rng, p->delay_min_us, p->delay_max_us),
			.from = from,
			.to = to,
			.reply = reply};
		wire_agreement_encode(m, &message.payload);
		enqueue(p, message);
	}
}

static void append(struct test_peer *peer, const struct agreement_persist *persist)
{
	if (peer->records == peer->capacity) {
		peer->capacity = peer->capacity == 0 ? 64 : peer->capacity * 2;
		peer->log = alloc_resize(peer->log, peer->capacity, sizeof *peer->log);
	}
	peer->log[peer->records++] = (struct peer_record){.persist = *persist,
							  .value = bytes_copy(persist->value)};
	ASSERT(peer->opened + persist->sequence == peer->records);
	agreement_logged(peer->core, persist, peer->records);
}

/*
 * Now and then the log is cleaned: the oldest state is written anew, and what nobody needs is let
 * go of.
 */
static void clean(struct peers *p, struct test_peer *peer)
{
	uint64_t oldest = agreement_oldest_position(peer->core);
	if (peer->records - peer->durable == 0)
		for (uint64_t k = 0; k + 1 < oldest && k < peer->records; k++)
			peer->log[k].released = true;
	if (rng_chance(&p->rng, 20000))
		agreement_rewrite_oldest(peer->core);
}

void peers_settle(struct peers *p, uint32_t i)
{
	struct test_peer *peer = &p->peers[i];
	const struct agreement_output *out = agreement_output(peer->core, p->now_us);
	for (uint32_t k = 0; k < out->npersists; k++)
		append(peer, &out->persists[k]);
	for (uint32_t k = 0; k < out->nsends; k++)
		send(p, i, out->sends[k].to - 1, false, &out->sends[k].message);
	for (uint32_t k = 0; k < out->nanswers; k++)
		send(p, i, (uint32_t)out->answers[k].link, true, &out->answers[k].message);
	for (uint32_t k = 0; k < out->nsettled; k++) {
		struct bytes *value;
		ASSERT(agreement_status(peer->core, out->settled[k], &value) !=
		       AGREEMENT_STATE_PENDING);
	}
	check_peer(p, i);
	if (peer->syncing == 0 && peer->records > peer->durable) {
		peer->syncing = peer->records;
		peer->sync_done_us = p->now_us +
				     rng_range(&p->rng, peer->sync_min_us, peer->sync_max_us);
	}
	clean(p, peer);
}

/* ---- events ---- */

static void deliver(struct peers *p)
{
	struct test_message m = dequeue(p);
	struct test_peer *peer = &p->peers[m.to];
	struct arena arena;
	struct wire_agreement wire;
	if (peer->core != NULL) {
		arena_init(&arena, ARENA_BYTES_MAX);
		int status = wire_agreement_decode(buffer_slice(&m.payload), &arena, &wire);
		ASSERT(status == 0);
		/* What a peer has sent is believed, however late it comes. */
		const char *refused = agreement_judge(peer->core, m.reply, &wire);
		if (refused != NULL)
			assert_failed(refused, __FILE__, __LINE__);
		peer->requests += !m.reply;
		if (m.reply)
			agreement_reply(peer->core, p->now_us, &wire);
		else
			agreement_request(peer->core, p->now_us, m.from, m.order, &wire);
		peers_settle(p, m.to);
		arena_free(&arena);
	}
	buffer_free(&m.payload);
}

bool peers_step(struct peers *p, uint64_t until_us)
{
	uint64_t at_us = p->nmessages > 0 ? p->messages[0].at_us : UINT64_MAX;
	uint32_t which = PEERS_MAX, sync = PEERS_MAX, list = PEERS_MAX;
	for (uint32_t i = 0; i < p->count; i++) {
		struct test_peer *peer = &p->peers[i];
		if (peer->core == NULL)
			continue;
		if (peer->syncing != 0 && peer->sync_done_us < at_us) {
			at_us = peer->sync_done_us;
			sync = i;
			which = list = PEERS_MAX;
		}
		if (peer->lists < p->nlists && peer->lists_at_us < at_us) {
			at_us = peer->lists_at_us;
			list = i;
			which = sync = PEERS_MAX;
		}
		if (agreement_deadline_us(peer->core) < at_us) {
			at_us = agreement_deadline_us(peer->core);
			which = i;
			sync = list = PEERS_MAX;
		}
	}
	if (at_us > until_us) {
		p->now_us = until_us;
		return false;
	}
	p->now_us = at_us > p->now_us ? at_us : p->now_us;
	if (list < PEERS_MAX) {
		struct test_peer *peer = &p->peers[list];
		agreement_set_members(peer->core, p->now_us, &p->lists[peer->lists++]);
		peer->lists_at_us = p->now_us + rng_below(&p->rng, p->lists_delay_max_us);
		peers_settle(p, list);
	} else if (sync < PEERS_MAX) {
		struct test_peer *peer = &p->peers[sync];
		peer->durable = peer->syncing;
		peer->syncing = 0;
		agreement_persisted(peer->core, p->now_us, peer->durable - peer->opened);
		peers_settle(p, sync);
	} else if (which < PEERS_MAX) {
		agreement_tick(p->peers[which].core, p->now_us);
		peers_settle(p, which);
	} else {
		deliver(p);
	}
	return true;
}

void peers_run(struct peers *p, uint64_t duration_us)
{
	uint64_t until_us = p->now_us + duration_us;
	while (peers_step(p, until_us))
		continue;
}

void peers_crash(struct peers *p, uint32_t i)
{
	struct test_peer *peer = &p->peers[i];
	agreement_destroy(peer->core);
	peer->core = NULL;
	/* Of what was not synced, some may have been written nevertheless. */
	uint64_t kept = peer->durable;
	if (!peer->loses && rng_chance(&p->rng, 500000))
		kept += rng_below(&p->rng, peer->records - peer->durable + 1);
	for (uint64_t k = kept; k < peer->records; k++)
		bytes_unref(peer->log[k].value);
	peer->records = peer->durable = kept;
	peer->syncing = 0;
}

void peers_restart(struct peers *p, uint32_t i)
{
	struct test_peer *peer = &p->peers[i];
	create_core(p, i);
	for (uint64_t k = 0; k < peer->records; k++) {
		const struct agreement_persist *r = &peer->log[k].persist;
		struct slice value = bytes_slice(peer->log[k].value);
		int status = 0;
		if (peer->log[k].released)
			continue;
		switch (r->kind) {
		case AGREEMENT_PERSIST_PROMISE:
			agreement_restore_promise(peer->core, r->seq, r->ballot, k + 1);
			break;
		case AGREEMENT_PERSIST_ACCEPT:
			agreement_restore_accept(peer->core, r->seq, r->ballot, value, k + 1);
			break;
		case AGREEMENT_PERSIST_DECIDED:
			agreement_restore_decided(peer->core, r->seq, r->ballot, value, k + 1);
			break;
		case AGREEMENT_PERSIST_DONES:
			status = agreement_restore_dones(peer->core, value, k + 1);
			break;
		case AGREEMENT_PERSIST_MEMBERS:
			status = agreement_restore_members(peer->core, value, k + 1);
			break;
		}
		ASSERT(status == 0);
	}
	peer->opened = peer->records;
	/* What it hears of the log begins anew. */
	peer->lists = 0;
	peer->lists_at_us = p->now_us + rng_below(&p->rng, p->lists_delay_max_us);
	int status = agreement_begin(peer->core, p->now_us);
	ASSERT(status == 0);
	check_shown(p, i);
	peers_settle(p, i);
}

void peers_wipe(struct peers *p, uint32_t i)
{
	struct test_peer *peer = &p->peers[i];
	ASSERT(peer->core == NULL);
	for (uint64_t k = 0; k < peer->records; k++)
		bytes_unref(peer->log[k].value);
	peer->records = peer->durable = peer->opened = 0;
	peer->min = 0;
	free_shown(&peer->shown);
	peer->life = rng_next(&p->rng) | 1;
	peer->wiped = true;
}

void peers_bind(struct peers *p, uint32_t i)
{
	ASSERT(p->nlists < PEERS_LISTS_MAX);
	struct agreement_members *list = &p->lists[p->nlists++];
	*list = list[-1];
	list->slot += rng_range(&p->rng, 1, 1000);
	list->list[i].binding++;
	list->list[i].life = p->peers[i].life;
	for (uint32_t k = 0; k < p->count; k++)
		if (p->peers[k].lists + 1 == p->nlists)
			p->peers[k].lists_at_us = p->now_us +
						  rng_below(&p->rng, p->lists_delay_max_us);
}

bool peers_is_bound(const struct peers *p, uint32_t i)
{
	return p->lists[p->nlists - 1].list[i].life == p->peers[i].life;
}

bool peers_inside(const struct peers *p, uint32_t i)
{
	return peers_is_bound(p, i) && p->peers[i].core != NULL &&
	       agreement_standing(p->peers[i].core) == AGREEMENT_INSIDE;
}

bool peers_wait_inside(struct peers *p, uint32_t i, uint64_t limit_us)
{
	uint64_t until_us = p->now_us + limit_us;
	while (!peers_inside(p, i))
		if (!peers_step(p, until_us))
			return peers_inside(p, i);
	return true;
}

/* ---- what tests ask for ---- */

int peers_start(struct peers *p, uint32_t i, uint64_t seq, const char *value)
{
	struct bytes *bytes = bytes_copy(slice_string(value));
	int status = agreement_start(p->peers[i].core, p->now_us, seq, bytes);
	bytes_unref(bytes);
	peers_settle(p, i);
	return status;
}

void peers_done(struct peers *p, uint32_t i, uint64_t seq)
{
	if (seq + 1 > p->peers[i].done)
		p->peers[i].done = seq + 1;
	agreement_done(p->peers[i].core, p->now_us, seq);
	peers_settle(p, i);
}

uint32_t peers_decided(struct peers *p, uint64_t seq)
{
	uint32_t count = 0;
	struct bytes *value;
	for (uint32_t i = 0; i < p->count; i++)
		count += p->peers[i].core != NULL &&
			 agreement_status(p->peers[i].core, seq, &value) == AGREEMENT_STATE_DECIDED;
	return count;
}

const char *peers_value(struct peers *p, uint64_t seq)
{
	static char text[64];
	const struct bytes *value = map_get(&p->decided, seq);
	if (value == NULL)
		return NULL;
	snprintf(text, sizeof text, "%.*s", (int)value->len, (const char *)value->data);
	return text;
}

bool peers_wait(struct peers *p, uint64_t seq, uint32_t count, uint64_t limit_us)
{
	uint64_t until_us = p->now_us + limit_us;
	while (peers_decided(p, seq) < count)
		if (!peers_step(p, until_us))
			return peers_decided(p, seq) >= count;
	return true;
}

void peers_deafen(struct peers *p, uint32_t i)
{
	for (uint32_t k = 0; k < p->count; k++)
		p->cut[k][i] = true;
}

void peers_partition(struct peers *p, const char *sides)
{
	for (uint32_t i = 0; i < p->count; i++)
		for (uint32_t k = 0; k < p->count; k++)
			p->cut[i][k] = sides[i] != sides[k];
}

void peers_heal(struct peers *p)
{
	memset(p->cut, 0, sizeof p->cut);
	p->loss_ppm = 0;
}

void peers_unreliable(struct peers *p)
{
	p->loss_ppm = 100000;
}
