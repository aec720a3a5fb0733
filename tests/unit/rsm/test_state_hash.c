/*
 * Replicas compare their states through the log: one that differs stops, names the part, and gets
 * the state of one that is right. faults: 82
 */
#include <check.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "group.h"
#include "rsm/internal.h"

#define INTERVAL_MS 1000u
#define SOON (6 * SIM_SECOND)

static void begin(struct rsm_group *g, uint32_t count, uint64_t seed)
{
	struct rsm_settings settings;
	rsm_group_settings(&settings);
	settings.state_hash_interval_ms = INTERVAL_MS;
	rsm_group_init(g, count, seed, &settings);
	rsm_group_append_many(g, 20);
}

static uint64_t diverged(const struct rsm_group *g, uint32_t i)
{
	const struct rsm *rsm = rsm_group_rsm(g, i);
	return rsm == NULL || rsm_diverged(rsm) == NULL ? 0 : rsm_diverged(rsm)->count;
}

static uint64_t undecided(const struct rsm_group *g, uint32_t i)
{
	return rsm_group_rsm(g, i)->hash.undecided;
}

static struct wire_status status_of(const struct rsm_group *g, uint32_t i)
{
	struct wire_status status;
	rsm_status(rsm_group_rsm(g, i), &status);
	return status;
}

/*
 * Every replica that is up has had its state compared, at a mark after slot `slot`, and been right.
 */
static bool compared_after(const struct rsm_group *g, uint64_t slot)
{
	for (uint32_t i = 0; i < g->count; i++) {
		const struct rsm *rsm = rsm_group_rsm(g, i);
		if (rsm != NULL && rsm_compared_slot(rsm) <= slot)
			return false;
	}
	return true;
}

static bool compare(struct rsm_group *g, uint64_t limit_us)
{
	uint64_t until = g->world->now_us + limit_us, slot = 0;
	for (uint32_t i = 0; i < g->count; i++) {
		const struct rsm *rsm = rsm_group_rsm(g, i);
		if (rsm != NULL && rsm_applied(rsm) > slot)
			slot = rsm_applied(rsm);
	}
	while (!compared_after(g, slot) && g->world->now_us < until)
		rsm_group_run(g, 10 * SIM_MILLISECOND);
	return compared_after(g, slot);
}

static bool is_found(struct rsm_group *g, uint32_t i, uint64_t limit_us)
{
	uint64_t until = g->world->now_us + limit_us;
	while (diverged(g, i) == 0 && g->world->now_us < until)
		rsm_group_run(g, SIM_MILLISECOND);
	return diverged(g, i) != 0;
}

static bool is_healed(struct rsm_group *g, uint32_t i, uint64_t limit_us)
{
	uint64_t until = g->world->now_us + limit_us;
	while ((rsm_group_rsm(g, i) == NULL || !rsm_has_state(rsm_group_rsm(g, i))) &&
	       g->world->now_us < until)
		rsm_group_run(g, 10 * SIM_MILLISECOND);
	return rsm_group_rsm(g, i) != NULL && rsm_has_state(rsm_group_rsm(g, i));
}

static void flip(struct rsm_group *g, uint32_t i, uint64_t value)
{
	g->replicas[i].wrong = true;
	tally_flip(rsm_group_app(g, i), value);
}

static void apply_wrongly(struct rsm_group *g, uint32_t i, uint64_t value)
{
	g->replicas[i].wrong = true;
	tally_apply_wrongly(rsm_group_app(g, i), value);
}

static void check_named(const struct rsm_group *g, uint32_t i, uint32_t part)
{
	const struct rsm_divergence *d = rsm_diverged(rsm_group_rsm(g, i));
	ck_assert_uint_eq(d->count, 1);
	ck_assert_uint_eq(d->nparts, 1);
	ck_assert_uint_eq(d->parts[0], part);
	ck_assert_uint_ne(d->own, d->right);
}

static bool has_file(const struct rsm_group *g, uint32_t i, const char *name)
{
	uint64_t size;
	return disk_sim_size(g->replicas[i].process->disk, name, &size) == 0;
}

/* Nobody is found to differ as long as nobody does, whatever happens besides. */
START_TEST(equal_states_are_never_found_to_differ)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		for (int round = 0; round < 4; round++) {
			ck_assert(compare(&g, SOON));
			uint32_t i = (uint32_t)round % 3;
			if (round % 2 == 0)
				sim_process_power_loss(g.replicas[i].process);
			else
				sim_process_crash(g.replicas[i].process);
			rsm_group_append_many(&g, 20);
			sim_process_start(g.replicas[i].process);
			rsm_group_append_many(&g, 10);
		}
		ck_assert(compare(&g, SOON));
		for (uint32_t i = 0; i < 3; i++) {
			ck_assert_uint_eq(diverged(&g, i), 0);
			ck_assert_uint_eq(undecided(&g, i), 0);
		}
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * A value changes in one replica's memory: a follower's (which stays one), or the leader's, which
 * stops leading.
 */
START_TEST(a_changed_value_in_memory_is_found)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct rsm_group g;
		begin(&g, seed % 2 == 0 ? 5 : 3, seed);
		uint32_t leader = rsm_group_elect(&g),
			 victim = seed % 3 == 0 ? leader : (leader + 1) % g.count;
		ck_assert(compare(&g, SOON));
		rsm_group_append_many(&g, 40);
		ck_assert(rsm_group_agree(&g, SOON));
		bool had_snapshot = rsm_group_rsm(&g, victim)->snapshot_slot != 0;
		flip(&g, victim, 6);
		ck_assert(is_found(&g, victim, SOON));
		check_named(&g, victim, 2);
		ck_assert(!rsm_is_leader(rsm_group_rsm(&g, victim)));
		ck_assert(!rsm_ready(rsm_group_rsm(&g, victim)));
		for (int i = 0; i < 10; i++) {
			rsm_group_append(&g, 200);
			ck_assert_uint_ne(rsm_group_elect(&g),
					  rsm_has_state(rsm_group_rsm(&g, victim)) ? UINT32_MAX
										   : victim);
		}
		ck_assert(is_healed(&g, victim, SOON));
		ck_assert_uint_ge(rsm_snapshots_installed(rsm_group_rsm(&g, victim)), 1);
		ck_assert(had_snapshot && has_file(&g, victim, "snapshot-diverged"));
		ck_assert(rsm_group_agree(&g, SOON));
		ck_assert(compare(&g, SOON));
		ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
		for (uint32_t i = 0; i < g.count; i++)
			ck_assert_uint_eq(diverged(&g, i), i == victim);
		/* It may lead again. */
		for (uint32_t i = 0; i < g.count; i++)
			if (i != victim && g.count == 3)
				sim_process_crash(g.replicas[i].process);
		for (uint32_t i = 0; i < g.count; i++)
			if (!sim_process_alive(g.replicas[i].process))
				sim_process_start(g.replicas[i].process);
		rsm_group_append(&g, 200);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * What was applied otherwise makes a state that fits itself: the others outvote it, though it
 * leads.
 */
START_TEST(the_majority_is_right)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		uint32_t leader = rsm_group_elect(&g);
		ck_assert(rsm_group_agree(&g, SOON));
		apply_wrongly(&g, leader, 9);
		ck_assert(is_found(&g, leader, SOON));
		check_named(&g, leader, 1);
		ck_assert(is_healed(&g, leader, SOON));
		rsm_group_append(&g, 200);
		ck_assert(rsm_group_agree(&g, SOON));
		ck_assert(compare(&g, SOON));
		for (uint32_t i = 0; i < 3; i++)
			ck_assert_uint_eq(diverged(&g, i), i == leader);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * Two of three, one against the other: everybody says so and goes on; the third decides when it is
 * back.
 */
START_TEST(one_against_one_is_undecided)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		ck_assert(rsm_group_agree(&g, SOON));
		uint32_t leader = rsm_group_elect(&g), third = (leader + 1) % 3,
			 victim = (leader + 2) % 3;
		sim_process_crash(g.replicas[third].process);
		apply_wrongly(&g, victim, 9);
		for (uint64_t until = g.world->now_us + 2 * SOON;
		     undecided(&g, victim) == 0 && g.world->now_us < until;)
			rsm_group_run(&g, 10 * SIM_MILLISECOND);
		ck_assert_uint_ge(undecided(&g, victim), 1);
		rsm_group_run(&g, SIM_SECOND);
		ck_assert_uint_ge(undecided(&g, leader), 1);
		ck_assert(rsm_ready(rsm_group_rsm(&g, leader)) &&
			  rsm_ready(rsm_group_rsm(&g, victim)));
		ck_assert_uint_eq(rsm_compared_slot(rsm_group_rsm(&g, victim)),
				  rsm_compared_slot(rsm_group_rsm(&g, leader)));
		ck_assert_uint_ne(status_of(&g, leader).state_undecided, 0);
		rsm_group_append(&g, 200);
		sim_process_start(g.replicas[third].process);
		ck_assert(is_found(&g, victim, 2 * SOON));
		check_named(&g, victim, 1);
		ck_assert(is_healed(&g, victim, SOON));
		ck_assert(compare(&g, SOON));
		ck_assert_uint_eq(diverged(&g, leader) + diverged(&g, third), 0);
		ck_assert_uint_eq(status_of(&g, leader).state_undecided, 0);
		ck_assert_uint_eq(status_of(&g, victim).state_diverged, 1);
		ck_assert_uint_eq(status_of(&g, victim).state_hash_slot,
				  rsm_compared_slot(rsm_group_rsm(&g, victim)));
		rsm_group_free(&g);
	}
}
END_TEST

/* Of two, the one whose memory fits itself is right; of two that both do, nobody. */
START_TEST(of_two_the_one_that_fits_itself_is_right)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		begin(&g, 2, seed);
		ck_assert(rsm_group_agree(&g, SOON));
		uint32_t victim = seed % 2 == 0 ? rsm_group_elect(&g) : 1 - rsm_group_elect(&g);
		flip(&g, victim, 5);
		ck_assert(is_found(&g, victim, SOON));
		check_named(&g, victim, 1);
		ck_assert(is_healed(&g, victim, SOON));
		ck_assert(compare(&g, SOON));
		apply_wrongly(&g, victim, 5);
		rsm_group_run(&g, SOON);
		ck_assert_uint_ge(undecided(&g, 0), 1);
		ck_assert_uint_ge(undecided(&g, 1), 1);
		ck_assert_uint_eq(diverged(&g, victim), 1);
		ck_assert_uint_eq(diverged(&g, 1 - victim), 0);
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * It is killed at any time between being found and having the new state: the old one never comes
 * back.
 */
START_TEST(a_wrong_state_never_comes_back)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		rsm_group_append_many(&g, 40);
		uint32_t victim = (rsm_group_elect(&g) + 1) % 3;
		ck_assert(rsm_group_agree(&g, SOON));
		apply_wrongly(&g, victim, 3);
		ck_assert(is_found(&g, victim, SOON));
		rsm_group_run(&g, seed * seed * 40);
		if (seed % 2 == 0)
			sim_process_power_loss(g.replicas[victim].process);
		else
			sim_process_crash(g.replicas[victim].process);
		rsm_group_append_many(&g, 3);
		sim_process_start(g.replicas[victim].process);
		ck_assert(is_healed(&g, victim, SOON));
		ck_assert(rsm_group_agree(&g, SOON));
		ck_assert(compare(&g, SOON));
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * Who was cut off while the others compared does so when it hears of it, and knows where it
 * differs.
 */
START_TEST(a_replica_that_was_cut_off_compares_later)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		ck_assert(rsm_group_agree(&g, SOON));
		uint32_t leader = rsm_group_elect(&g), victim = (leader + 1) % 3;
		apply_wrongly(&g, victim, 10);
		sim_network_isolate(g.world, g.replicas[victim].process);
		uint64_t before = rsm_compared_slot(rsm_group_rsm(&g, leader));
		for (uint64_t until = g.world->now_us + SOON; g.world->now_us < until;) {
			rsm_group_run(&g, 10 * SIM_MILLISECOND);
			if (rsm_compared_slot(rsm_group_rsm(&g, leader)) > before)
				break;
		}
		ck_assert_uint_gt(rsm_compared_slot(rsm_group_rsm(&g, leader)), before);
		ck_assert_uint_eq(diverged(&g, victim), 0);
		sim_network_heal(g.world);
		ck_assert(is_found(&g, victim, SOON));
		check_named(&g, victim, 2);
		ck_assert(is_healed(&g, victim, SOON));
		ck_assert(compare(&g, SOON));
		rsm_group_free(&g);
	}
}
END_TEST

/* Sessions, and what the group knows about itself, are parts of the state. */
START_TEST(sessions_and_group_are_parts_of_the_state)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct rsm_group g;
		begin(&g, 3, seed);
		ck_assert(rsm_group_agree(&g, SOON));
		uint32_t victim = (rsm_group_elect(&g) + 1) % 3;
		struct rsm *rsm = rsm_group_rsm(&g, victim);
		g.replicas[victim].wrong = true;
		if (seed % 2 == 0)
			rsm->sessions.next_client++;
		else
			rsm->group.settings.value_bytes_max++;
		ck_assert(is_found(&g, victim, SOON));
		check_named(&g, victim, seed % 2 == 0 ? TALLY_PARTS : TALLY_PARTS + 1);
		ck_assert(is_healed(&g, victim, SOON));
		rsm_group_append(&g, 200);
		ck_assert(compare(&g, SOON));
		rsm_group_free(&g);
	}
}
END_TEST

/*
 * Under load, with audits that take many turns: commands go on, nothing else is found, and the
 * right part is.
 */
START_TEST(under_load_the_wrong_part_is_found)
{
	struct rsm_group g;
	begin(&g, 3, 7);
	uint32_t victim = (rsm_group_elect(&g) + 1) % 3;
	for (int i = 0; i < 1500; i++) {
		if (i == 900)
			flip(&g, victim, 14);
		rsm_group_append(&g, 50);
	}
	ck_assert(is_found(&g, victim, SOON));
	check_named(&g, victim, 2);
	ck_assert(is_healed(&g, victim, SOON));
	ck_assert(rsm_group_agree(&g, SOON));
	ck_assert(compare(&g, SOON));
	rsm_group_free(&g);
}
END_TEST

/* No room for evidence and the new state together: the evidence goes. */
START_TEST(on_a_full_disk_the_evidence_goes)
{
	struct rsm_group g;
	begin(&g, 3, 3);
	rsm_group_append_many(&g, 60);
	ck_assert(rsm_group_agree(&g, SOON));
	uint32_t victim = (rsm_group_elect(&g) + 1) % 3;
	struct disk *disk = g.replicas[victim].process->disk;
	flip(&g, victim, 1);
	ck_assert(is_found(&g, victim, SOON));
	rsm_group_run(&g, 500);
	struct disk_sim_faults full = {.space_bytes = disk_sim_space_used(disk) + 8 * KIB};
	disk_sim_set_faults(disk, &full);
	for (uint64_t until = g.world->now_us + 4 * SOON;
	     g.world->now_us < until && has_file(&g, victim, "snapshot-diverged");)
		rsm_group_run(&g, 10 * SIM_MILLISECOND);
	ck_assert(!has_file(&g, victim, "snapshot-diverged"));
	disk_sim_set_faults(disk, NULL);
	ck_assert(is_healed(&g, victim, 2 * SOON));
	ck_assert(compare(&g, SOON));
	rsm_group_free(&g);
}
END_TEST

/*
 * Who does not fit itself writes no snapshot: it would take the place of the log, the last that is
 * right here. Nobody compares, and everybody keeps what a start needs.
 */
START_TEST(a_wrong_state_writes_no_snapshot)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct rsm_settings settings;
		struct rsm_group g;
		rsm_group_settings(&settings);
		rsm_group_init(&g, 3, seed, &settings);
		rsm_group_append_many(&g, 60);
		ck_assert(rsm_group_agree(&g, SOON));
		uint32_t victim = (rsm_group_elect(&g) + (uint32_t)seed) % 3;
		uint64_t before = rsm_group_rsm(&g, victim)->snapshot_slot;
		flip(&g, victim, 3);
		rsm_group_append_many(&g, 200);
		for (uint32_t i = 0; i < 3; i++)
			ck_assert((rsm_group_rsm(&g, i)->snapshot_slot > before) == (i != victim));
		sim_process_power_loss(g.replicas[victim].process);
		sim_process_start(g.replicas[victim].process);
		ck_assert(rsm_has_state(rsm_group_rsm(&g, victim)));
		rsm_group_append_many(&g, 60);
		ck_assert(rsm_group_agree(&g, SOON));
		ck_assert_int_eq(rsm_group_read(&g, rsm_group_elect(&g), g.appended), 0);
		ck_assert_uint_gt(rsm_group_rsm(&g, victim)->snapshot_slot, before);
		rsm_group_free(&g);
	}
}
END_TEST

/* A group of one has nobody to compare with, and is no worse for it. */
START_TEST(a_group_of_one_compares_with_no_other)
{
	struct rsm_group g;
	begin(&g, 1, 1);
	ck_assert(compare(&g, SOON));
	flip(&g, 0, 2);
	rsm_group_run(&g, SOON);
	ck_assert_uint_eq(diverged(&g, 0), 0);
	ck_assert(rsm_ready(rsm_group_rsm(&g, 0)));
	rsm_group_free(&g);
}
END_TEST

/* ---- the entries ---- */

static struct hash_verdict verdict_of(uint32_t members, const char *reports)
{
	/* Each report: a letter for its hash, small ones are not sound. */
	struct hash_verdict v = {.slot = 7, .members = members, .parts = 5};
	for (; reports[v.nreports] != '\0'; v.nreports++) {
		char c = reports[v.nreports];
		bool sound = c >= 'A' && c <= 'Z';
		v.reports[v.nreports] = (struct hash_report){
			.replica = v.nreports + 1,
			.sound = sound,
			.hash = (uint64_t)(sound ? c - 'A' : c - 'a')};
	}
	return v;
}

/* Who is right. */
START_TEST(the_right_state_is_chosen_by_the_rules)
{
	static const struct {
		uint32_t members;
		const char *reports;
		uint32_t right;
	} cases[] = {
		{1, "A", 0},
		{1, "a", 0},
		{3, "AAA", 0},
		{3, "AAB", 0},
		{3, "ABB", 1},
		{3, "BAA", 1},
		{3, "ABC", HASH_NOBODY},
		{3, "AB", HASH_NOBODY},
		{3, "Ab", 0},
		{3, "aB", 1},
		{3, "ab", HASH_NOBODY},
		{3, "A", HASH_NOBODY},
		{3, "Abc", 0},
		{3, "ABc", HASH_NOBODY},
		{3, "aab", 0},
		{3, "aaB", 0},
		{2, "AB", HASH_NOBODY},
		{2, "aB", 1},
		{5, "AABB", HASH_NOBODY},
		{5, "AAbb", 0},
		{5, "ABBB", 1},
		{5, "AA", HASH_NOBODY},
		{5, "Aa", HASH_NOBODY},
		{5, "bbbAA", 0},
		{4, "AABB", HASH_NOBODY},
		{4, "AAA", 0},
		{7, "AAAABCD", 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct hash_verdict v = verdict_of(cases[i].members, cases[i].reports);
		ck_assert_msg(hash_verdict_right(&v) == cases[i].right, "%s of %u",
			      cases[i].reports, cases[i].members);
	}
}
END_TEST

/*
 * What is written is read again; anything shorter, longer or impossible is refused, before it is in
 * the log.
 */
START_TEST(audit_entries_are_read_as_written)
{
	uint64_t parts[5] = {1, 2, 3, 4, 5};
	struct hash_verdict v = verdict_of(3, "AB"), back = {0};
	struct buffer out = {0};
	enum hash_kind kind;
	v.differing = 2;
	v.nlisted = 2;
	v.listed[0] = (struct hash_differing){.part = 1, .hashes = {8, 9}};
	v.listed[1] = (struct hash_differing){.part = 4, .hashes = {10, 11}};
	v.right = slice((const uint8_t *)parts, sizeof parts);
	hash_verdict_encode(&v, &out);
	ck_assert_int_eq(hash_entry_decode(buffer_slice(&out), &kind, &back), 0);
	ck_assert_int_eq(kind, HASH_VERDICT);
	ck_assert(slice_equal(v.right, back.right));
	v.right = back.right = slice(NULL, 0);
	ck_assert_mem_eq(&v, &back, sizeof v);
	for (size_t len = 0; len < out.len; len++)
		ck_assert_int_ne(hash_entry_decode(slice(out.data, len), &kind, &back), 0);
	buffer_add_u8(&out, 0);
	ck_assert_int_eq(hash_entry_decode(buffer_slice(&out), &kind, &back), STATUS_CORRUPT);
	static const struct {
		size_t at;
		uint8_t value;
	} wrong[] = {{1, 0},  {9, 1},  {13, 2}, {17, 0}, {17, 8}, {18, 9},
		     {22, 2}, {44, 6}, {48, 3}, {52, 5}, {52, 4}};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct buffer copy = {0};
		buffer_add(&copy, out.data, out.len - 1);
		ck_assert_uint_ne(copy.data[wrong[i].at], wrong[i].value);
		copy.data[wrong[i].at] = wrong[i].value;
		ck_assert_msg(hash_entry_decode(buffer_slice(&copy), &kind, &back) ==
				      STATUS_CORRUPT,
			      "byte %zu", wrong[i].at);
		buffer_free(&copy);
	}
	/* There was no room for all of them. */
	v.differing = 5;
	buffer_clear(&out);
	hash_verdict_encode(&v, &out);
	ck_assert_int_eq(hash_entry_decode(buffer_slice(&out), &kind, &back), 0);
	ck_assert_uint_eq(back.nlisted, 2);
	buffer_clear(&out);
	hash_mark_encode(&out);
	ck_assert_int_eq(hash_entry_decode(buffer_slice(&out), &kind, &back), 0);
	ck_assert_int_eq(kind, HASH_MARK);
	out.data[0] = 3;
	ck_assert_int_eq(hash_entry_decode(buffer_slice(&out), &kind, &back), STATUS_NEWER);
	/* In an entry: of a format that did not have it, of a kind that nobody has. */
	struct buffer entry = {0};
	struct entry_reader reader;
	for (uint32_t round = 0; round < 3; round++) {
		out.data[0] = round == 0 ? HASH_MARK : 9;
		entry_begin(&entry);
		entry_add(&entry,
			  &(struct entry_command){.kind = ENTRY_HASH, .body = buffer_slice(&out)});
		entry_finish(&entry, 1, 1, 1, 1);
		if (round == 2)
			store_u32(entry.data + ENTRY_HEADER_BYTES + 4, 63);
		ck_assert_int_eq(entry_read(&reader, buffer_slice(&entry)), 0);
		ck_assert_int_eq(entry_is_whole(&reader), round == 0);
	}
	buffer_free(&entry);
	buffer_free(&out);
}
END_TEST

/* ---- the digest of sessions ---- */

static void use(struct sessions *s, uint64_t now_us, uint64_t client, uint64_t sequence,
		uint64_t acknowledged)
{
	struct entry_command command = {.client = client,
					.sequence = sequence,
					.acknowledged = acknowledged,
					.body = slice("x", 1)};
	struct session *session = NULL;
	const struct session_reply *repeat;
	int status;
	char reply[64] = {0};
	sessions_expire(s, now_us, 3);
	if (sessions_begin(s, now_us, 3, &command, &session, &repeat, &status) != SESSION_NEW)
		return;
	snprintf(reply, sizeof reply, "%llu of %llu", (unsigned long long)sequence,
		 (unsigned long long)client);
	sessions_record(session, sequence, command.body, 0,
			slice(reply, (size_t)(sequence % sizeof reply)));
}

/* One of the youngest hundred: older ones have ended. */
static void use_some(struct sessions *s, struct rng *rng, uint64_t *now_us, uint64_t *sequences)
{
	uint64_t newest = rng_chance(rng, 300000) ? sessions_register(s) : s->next_client;
	uint64_t client = newest - rng_below(rng, 100);
	sequences[client]++;
	use(s, *now_us += rng_below(rng, 20), client, sequences[client], sequences[client] / 2);
}

static uint64_t digest_at_once(struct sessions *s)
{
	sessions_digest_begin(s);
	while (sessions_digest_next(s, UINT64_MAX))
		;
	return s->digest.sum;
}

/*
 * Whatever happens to the table while it is looked at, piece by piece: the digest is that of the
 * table at the beginning.
 */
START_TEST(the_sessions_digest_is_of_its_beginning)
{
	struct rng rng;
	struct sessions s, copy;
	static uint64_t sequences[20000];
	uint64_t now_us = 1, looked_at = 0;
	rng_seed(&rng, 5);
	sessions_init(&s, 60, 500);
	sessions_init(&copy, 60, 500);
	for (int i = 0; i < 100; i++)
		sessions_register(&s);
	for (int round = 0; round < 400; round++) {
		struct buffer image = {0};
		for (uint64_t i = rng_below(&rng, 40); i > 0; i--)
			use_some(&s, &rng, &now_us, sequences);
		looked_at += s.by_client.count;
		sessions_encode(&s, &image);
		ck_assert_int_eq(sessions_decode(&copy, buffer_slice(&image)), 0);
		buffer_free(&image);
		uint64_t expected = digest_at_once(&copy);
		sessions_digest_begin(&s);
		while (sessions_digest_next(&s, rng_below(&rng, 1000)))
			for (uint64_t i = rng_below(&rng, 4); i > 0; i--) {
				use_some(&s, &rng, &now_us, sequences);
				if (rng_chance(&rng, 100000))
					sessions_limit(&s, 30 + rng_below(&rng, 40), 500);
			}
		ck_assert_msg(s.digest.sum == expected, "round %d", round);
		sessions_limit(&s, 60, 500);
	}
	ck_assert_uint_gt(looked_at, 400 * 20);
	/* Every field counts. */
	uint64_t before = digest_at_once(&s);
	s.next_client++;
	ck_assert_uint_ne(digest_at_once(&s), before);
	s.next_client--;
	struct session *session = NULL;
	LIST_FOR (link, &s.order)
		if (LIST_ITEM(link, struct session, order)->count > 0)
			session = LIST_ITEM(link, struct session, order);
	ck_assert_ptr_nonnull(session);
	ck_assert_uint_eq(digest_at_once(&s), before);
	uint64_t *fields[] = {&session->acknowledged, &session->used_us,
			      &session->replies[session->first].sequence};
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		++*fields[i];
		ck_assert_uint_ne(digest_at_once(&s), before);
		--*fields[i];
	}
	sessions_free(&s);
	sessions_free(&copy);
}
END_TEST
