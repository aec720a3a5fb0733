/*
 * What no replica can have sent or written: refused at the door, and when it stands in a log, at
 * the start.
 */
/* faults: 96 */
#include "group.h"

#include "../support/check_main.h"
#include "paxos/internal.h"
#include "paxos/judge.h"
#include "rsm/internal.h"

static struct rsm_group g;
static struct wal_record planted;

static struct buffer an_entry(uint32_t commands)
{
	struct buffer b = {0};
	entry_begin(&b);
	for (uint32_t i = 0; i < commands; i++)
		entry_add(&b, &(struct entry_command){.kind = ENTRY_APP,
						      .client = 1,
						      .sequence = i + 1,
						      .body = slice_string("body")});
	entry_finish(&b, commands, 1000, 1000, ballot_make(3, 2));
	return b;
}

/*
 * An entry's value is one that can be read to its end, or it is refused: cut anywhere, or longer by
 * a byte.
 */
START_TEST(an_entry_that_cannot_be_read_is_refused)
{
	struct buffer b = an_entry(3);
	ck_assert_ptr_null(judge_entry_value(buffer_slice(&b)));
	for (size_t len = 1; len < b.len; len++)
		ck_assert_ptr_nonnull(judge_entry_value(slice(b.data, len)));
	buffer_add_u8(&b, 0);
	ck_assert_ptr_nonnull(judge_entry_value(buffer_slice(&b)));
	b.len--;
	store_u64(b.data + 8, ENTRY_TIME_US_MAX);
	ck_assert_ptr_null(judge_entry_value(buffer_slice(&b)));
	store_u64(b.data + 8, ENTRY_TIME_US_MAX + 1);
	ck_assert_ptr_nonnull(judge_entry_value(buffer_slice(&b)));
	store_u64(b.data + 8, 1000);
	store_u64(b.data + 24, ENTRY_TIME_US_MAX + 1);
	ck_assert_ptr_nonnull(judge_entry_value(buffer_slice(&b)));
	store_u64(b.data + 24, 1000);
	store_u64(b.data + 16, ballot_make(BALLOT_ROUND_MAX + 1, 2));
	ck_assert_ptr_nonnull(judge_entry_value(buffer_slice(&b)));
	store_u64(b.data + 16, ballot_make(3, 2));
	/* A format that does not exist yet; no commands; more than there are. */
	const uint32_t formats[] = {0, 200, UINT32_MAX},
		       counts[] = {0, 2, 4, ENTRY_COMMANDS_MAX + 1, UINT32_MAX};
	uint32_t format = load_u32(b.data);
	for (size_t i = 0; i < 3; i++) {
		store_u32(b.data, formats[i]);
		ck_assert_ptr_nonnull(judge_entry_value(buffer_slice(&b)));
	}
	store_u32(b.data, format);
	for (size_t i = 0; i < 5; i++) {
		store_u32(b.data + 4, counts[i]);
		ck_assert_ptr_nonnull(judge_entry_value(buffer_slice(&b)));
	}
	buffer_free(&b);
	b = an_entry(ENTRY_COMMANDS_MAX);
	ck_assert_ptr_null(judge_entry_value(buffer_slice(&b)));
	buffer_free(&b);
}
END_TEST

/*
 * What the replicas themselves do with a command must be such that they can: once it is chosen it
 * stops them all. faults: 89, 94, 96
 */
START_TEST(a_command_that_cannot_be_carried_out_is_refused)
{
	struct buffer settings = {0}, client = {0}, entry = {0};
	struct group_settings standard;
	group_settings_default(&standard);
	group_settings_encode(&standard, &settings);
	buffer_add_u64(&client, ENTRY_CLIENT_MAX);
	for (size_t cut = 0; cut <= settings.len; cut++) {
		entry_begin(&entry);
		entry_add(&entry, &(struct entry_command){.kind = ENTRY_SETTINGS,
							  .body = slice(settings.data, cut)});
		entry_add(&entry, &(struct entry_command){.kind = ENTRY_CLIENTS,
							  .body = buffer_slice(&client)});
		entry_finish(&entry, 2, 1, 1, ballot_make(3, 2));
		/* Each is a u16 and a u64; none of them need be there. */
		ck_assert_int_eq(judge_entry_value(buffer_slice(&entry)) == NULL, cut % 10 == 0);
	}
	store_u64(settings.data + 2, 0); /* no sessions at all */
	entry_begin(&entry);
	entry_add(&entry,
		  &(struct entry_command){.kind = ENTRY_SETTINGS, .body = buffer_slice(&settings)});
	entry_finish(&entry, 1, 1, 1, ballot_make(3, 2));
	ck_assert_ptr_nonnull(judge_entry_value(buffer_slice(&entry)));
	for (size_t len = 0; len < 10; len++) {
		entry_begin(&entry);
		store_u64(client.data, ENTRY_CLIENT_MAX + (len == 8));
		buffer_add_u64(&client, 0);
		entry_add(&entry, &(struct entry_command){.kind = ENTRY_CLIENTS,
							  .body = slice(client.data, len)});
		entry_finish(&entry, 1, 1, 1, ballot_make(3, 2));
		ck_assert_ptr_nonnull(judge_entry_value(buffer_slice(&entry)));
	}
	entry_begin(&entry);
	entry_add(&entry, &(struct entry_command){.kind = (enum entry_kind)250});
	entry_finish(&entry, 1, 1, 1, ballot_make(3, 2));
	ck_assert_ptr_nonnull(judge_entry_value(buffer_slice(&entry)));
	buffer_free(&settings);
	buffer_free(&client);
	buffer_free(&entry);
}
END_TEST

static void plant(void *data, struct node *node)
{
	(void)node;
	wal_position position;
	wal_append(((struct rsm *)data)->wal, &planted, &position);
}

/*
 * Written by a version that believed everything. The replica must say so and not run; the others go
 * on without it.
 */
START_TEST(an_impossible_record_stops_its_replica_only)
{
	static const uint8_t garbage[100] = {9};
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	for (unsigned i = 0; i < 5; i++) {
		rsm_group_init(&g, 3, 50 + i, &settings);
		rsm_group_elect(&g);
		rsm_group_append_many(&g, 5);
		ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
		uint32_t victim = (rsm_group_leader(&g) + 1) % 3;
		struct rsm *rsm = rsm_group_rsm(&g, victim);
		uint64_t next = rsm_applied(rsm) + 1;
		switch (i) {
		case 0:
			planted = (struct wal_record){
				.type = WAL_PROMISE,
				.ballot = ballot_make((UINT64_C(1) << 56) - 1, 1)};
			break;
		case 1:
			planted = (struct wal_record){
				.type = WAL_PROMISE,
				.ballot = ballot_make(BALLOT_ROUND_MAX + 1, 1)};
			break;
		case 2:
			planted = (struct wal_record){
				.type = WAL_ACCEPT,
				.slot = next,
				.ballot = ballot_make(BALLOT_ROUND_MAX + 1, 1)};
			break;
		case 3:
			planted = (struct wal_record){.type = WAL_CHOSEN, .slot = SLOT_MAX + 1};
			break;
		default:
			planted = (struct wal_record){.type = WAL_ACCEPT,
						      .slot = next + 3,
						      .ballot = ballot_make(1, 1),
						      .payload = slice(garbage, sizeof garbage)};
		}
		sim_process_call(g.replicas[victim].process, plant, rsm);
		rsm_group_run(&g, SIM_SECOND);
		uint64_t halts = g.halts;
		sim_process_restart(g.replicas[victim].process);
		ck_assert_int_eq(g.replicas[victim].process->state, SIM_HALTED);
		ck_assert_int_eq(g.replicas[victim].process->halt_status, STATUS_CORRUPT);
		ck_assert(g.replicas[victim].process->halted_at_start);
		ck_assert_uint_eq(g.halts, halts + 1);
		rsm_group_append_many(&g, 5);
		rsm_group_free(&g);
	}
}
END_TEST

/* At the end of the possible, and below what a snapshot covers, everything may stand. */
START_TEST(a_possible_record_is_believed)
{
	static const uint8_t garbage[100] = {9};
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	rsm_group_init(&g, 3, 60, &settings);
	rsm_group_elect(&g);
	rsm_group_append_many(&g, 5);
	uint32_t victim = (rsm_group_leader(&g) + 1) % 3;
	struct rsm *rsm = rsm_group_rsm(&g, victim);
	planted = (struct wal_record){.type = WAL_PROMISE,
				      .ballot = ballot_make(BALLOT_ROUND_FREE, 1)};
	sim_process_call(g.replicas[victim].process, plant, rsm);
	rsm_group_run(&g, SIM_SECOND);
	sim_process_restart(g.replicas[victim].process);
	rsm = rsm_group_rsm(&g, victim);
	ck_assert_ptr_nonnull(rsm);
	/* It catches up by its group's next election. */
	rsm_group_append_many(&g, 200);
	ck_assert(rsm_group_agree(&g, 20 * SIM_SECOND));
	rsm = rsm_group_rsm(&g, victim);
	ck_assert_uint_gt(rsm->snapshot_slot, 0);
	ck_assert_ptr_null(judge_log_record(
		rsm, &(struct wal_record){.type = WAL_ACCEPT,
					  .slot = rsm->applied,
					  .ballot = ballot_make(1, 1),
					  .payload = slice(garbage, sizeof garbage)}));
	rsm_group_free(&g);
}
END_TEST

/* The frames that ended a group. Nobody notices; the refusals are counted. */
START_TEST(lies_are_refused_and_counted)
{
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	rsm_group_init(&g, 3, 70, &settings);
	rsm_group_elect(&g);
	rsm_group_append_many(&g, 5);
	for (uint32_t i = 0; i < 3; i++) {
		struct rsm *rsm = rsm_group_rsm(&g, i);
		uint32_t other = (i + 1) % 3 + 1;
		struct wire_entry entry = {.slot = rsm_applied(rsm) + 1,
					   .value = slice_string("not an entry")};
		struct wire_range range = {.first = 1, .last = UINT64_C(1) << 40};
		struct slice parts = slice_string("three numbers of 8 bytes");
		uint64_t hash = hash_of_encoded_parts(parts);
		struct buffer claims[2] = {{0}};
		struct start_claim start = {
			.chain = {.life = 1, .root = 2, .count = 1, .listed = 1, .nonces = {2}}};
		start_claim_encode(&start, &claims[0]);
		start.last = SLOT_MAX + 1;
		start_claim_encode(&start, &claims[1]);
		struct slice claim = buffer_slice(&claims[0]), beyond = buffer_slice(&claims[1]);
		const struct {
			enum method method;
			struct wire_peer_any m;
		} said[] = {
			{METHOD_REJECT, {.ballot = ballot_make((UINT64_C(1) << 56) - 1, 1)}},
			{METHOD_PREPARE,
			 {.ballot = ballot_make((UINT64_C(1) << 56) - 1, other), .slot = 1}},
			{METHOD_ACCEPT,
			 {.ballot = consensus_epoch(rsm->core) + 256,
			  .nentries = 1,
			  .entries = &entry}},
			{METHOD_CHOSEN,
			 {.slot = entry.slot,
			  .chosen = entry.slot,
			  .nentries = 1,
			  .entries = &entry}},
			{METHOD_ACCEPTED,
			 {.ballot = ballot_make(1, i + 1),
			  .slot = UINT64_C(1) << 60,
			  .nranges = 1,
			  .ranges = &range}},
			{METHOD_SNAPSHOT_CHUNK,
			 {.slot = 5,
			  .position = UINT64_MAX,
			  .total = 1,
			  .data = slice_string("x")}},
			{METHOD_READ_INDEX, {.sequence = 0}},
			{METHOD_READ_INDEX, {.sequence = CONSENSUS_SEQUENCE_MAX + 1}},
			{METHOD_READ_INDEX_REPLY, {.ballot = ballot_make(1, other)}},
			{METHOD_READ_INDEX_REPLY, {.sequence = 1, .ballot = ballot_make(1, i + 1)}},
			{METHOD_READ_INDEX_REPLY,
			 {.sequence = 1, .ballot = ballot_make(1, other), .slot = SLOT_MAX + 1}},
			{METHOD_READ_INDEX_REPLY,
			 {.sequence = 1, .ballot = ballot_make(1, other), .chosen = SLOT_MAX + 1}},
			{METHOD_STATE_HASH,
			 {.slot = 0, .total = 3, .position = hash, .flags = 1, .data = parts}},
			{METHOD_STATE_HASH,
			 {.slot = 5, .total = 3, .position = hash + 1, .flags = 1, .data = parts}},
			{METHOD_STATE_HASH,
			 {.slot = 5, .total = 3, .position = hash, .flags = 2, .data = parts}},
			{METHOD_STATE_HASH,
			 {.slot = 5, .total = 4, .position = hash, .flags = 1, .data = parts}},
			{METHOD_STATE_HASH,
			 {.slot = UINT64_MAX, .total = 3, .position = hash, .data = parts}},
			{METHOD_STATE_HASH,
			 {.slot = 5,
			  .total = UINT64_C(1) << 61 | 3,
			  .position = hash,
			  .data = parts}},
			{METHOD_STARTED, {.slot = 5}},
			{METHOD_STARTED, {.flags = PEER_MORE, .claim = claim}},
			{METHOD_STARTED, {.chosen = SLOT_MAX + 1, .claim = claim}},
			{METHOD_STARTED, {.claim = slice(claim.data, claim.len - 1)}},
			{METHOD_STARTED, {.claim = claim, .data = slice_string("no lives")}},
			{METHOD_STARTED, {.claim = claim, .remembered = claim}},
			{METHOD_STARTED, {.claim = beyond}},
			{(enum method)45, {.slot = 5}},
		};
		uint64_t before = rsm_refused(rsm);
		for (size_t k = 0; k < sizeof said / sizeof said[0]; k++) {
			struct wire_peer_any m = said[k].m;
			struct buffer payload = {0};
			m.group = rsm->options.group;
			m.from = other;
			m.to = i + 1;
			wire_peer_any_encode(&m, &payload);
			struct message message = {.kind = MESSAGE_ONEWAY,
						  .method = (uint16_t)said[k].method,
						  .payload = buffer_slice(&payload)};
			ck_assert(rsm_message(rsm, 0, &message));
			ck_assert_uint_eq(rsm_refused(rsm), before + k + 1);
			buffer_free(&payload);
		}
		buffer_free(&claims[0]);
		buffer_free(&claims[1]);
	}
	rsm_group_append_many(&g, 20);
	ck_assert(rsm_group_agree(&g, 5 * SIM_SECOND));
	ck_assert_uint_eq(g.halts, 0);
	rsm_group_free(&g);
}
END_TEST

/* An app that finds once that the snapshot makes no state: at its end, or in a chunk. */
static struct app_ops spoilt_ops;
static const struct app_ops *whole_ops;
static struct app *spoilt_app;

static int fail_end(struct app *app)
{
	app->ops = whole_ops;
	return STATUS_CORRUPT;
}

static int fail_chunk(struct app *app, struct slice chunk, struct arena *arena)
{
	(void)chunk;
	(void)arena;
	app->ops = whole_ops;
	return STATUS_CORRUPT;
}

static uint64_t other_hash(struct app *app)
{
	app->ops = whole_ops;
	return app->ops->hash(app) + 1;
}

/* When the restoring begins: until then the hash is asked for by the checks of the group. */
static void begin_badly(struct app *app)
{
	unsigned how = spoilt_ops.restore_end == fail_end       ? 0
		       : spoilt_ops.restore_chunk == fail_chunk ? 1
								: 2;
	if (how == 2)
		spoilt_ops.hash = other_hash;
	whole_ops->restore_begin(app);
}

/*
 * A snapshot that a peer has made and sealed, and that is no state: nobody halts over it. The next
 * one comes from somebody else, or is newer; meanwhile this replica votes, and does not stand.
 */
START_TEST(a_useless_snapshot_halts_no_replica)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		rsm_group_init(&g, 3, 80 + seed, NULL);
		rsm_group_append_many(&g, 50);
		uint32_t i = (rsm_group_elect(&g) + 1) % 3;
		struct rsm *rsm = rsm_group_rsm(&g, i);
		uint64_t before = rsm->counters.snapshots_installed;
		spoilt_app = rsm->app;
		whole_ops = spoilt_app->ops;
		spoilt_ops = *whole_ops;
		spoilt_ops.restore_begin = begin_badly;
		if (seed % 3 == 0)
			spoilt_ops.restore_end = fail_end;
		else if (seed % 3 == 1)
			spoilt_ops.restore_chunk = fail_chunk;
		spoilt_app->ops = &spoilt_ops;
		sim_network_isolate(g.world, g.replicas[i].process);
		for (uint32_t k = 0; k < 100; k++)
			rsm_group_append(&g, 900);
		sim_network_rejoin(g.world, g.replicas[i].process);
		bool lost = false;
		for (uint32_t k = 0; k < 1000000 && rsm->counters.snapshots_installed == before;
		     k++) {
			sim_world_step(g.world);
			lost = lost || rsm->state_lost;
			if (rsm->state_lost)
				ck_assert(!paxos_of(rsm->core)->electable &&
					  rsm->lost_slot >= rsm->applied);
		}
		ck_assert(lost);
		ck_assert_uint_gt(rsm->counters.snapshots_installed, before);
		rsm_group_append_many(&g, 20);
		ck_assert(rsm_group_agree(&g, 30 * SIM_SECOND));
		ck_assert_uint_eq(g.halts, 0);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * The state comes back at the slot of the own snapshot, whose name the new file has: it stays, also
 * for the next start.
 */
START_TEST(useless_at_own_slot)
{
	rsm_group_init(&g, 3, 7, NULL);
	rsm_group_append_many(&g, 10);
	ck_assert(rsm_group_agree(&g, 30 * SIM_SECOND));
	uint32_t i = (rsm_group_elect(&g) + 1) % 3;
	struct rsm *rsm = rsm_group_rsm(&g, i);
	for (uint32_t k = 0; k < 3; k++)
		rsm_group_rsm(&g, k)->snapshot_wanted = true;
	rsm_group_run(&g, SIM_SECOND);
	for (uint32_t k = 0; k < 3; k++)
		ck_assert_uint_eq(rsm_group_rsm(&g, k)->snapshot_slot, rsm->applied);
	/* As a snapshot that is no state leaves it. */
	rsm->state_lost = true;
	rsm->lost_slot = rsm->applied;
	rsm_set_electable(rsm);
	rsm_group_run(&g, 2 * SIM_SECOND);
	ck_assert(!rsm->state_lost);
	ck_assert_uint_eq(rsm->counters.snapshots_installed, 1);
	for (int life = 0; life < 2; life++) {
		sim_process_power_loss(g.replicas[i].process);
		sim_process_start(g.replicas[i].process);
		rsm = rsm_group_rsm(&g, i);
		ck_assert(!rsm->state_lost);
		ck_assert_uint_ne(rsm->snapshot_slot, 0);
		rsm_group_append_many(&g, 3);
		ck_assert(rsm_group_agree(&g, 30 * SIM_SECOND));
	}
	rsm_group_free(&g);
}
END_TEST
