/* Claims and memories of starts, their encodings, and the file of the starts. faults: 104 */
#include <check.h>
#include <string.h>

#include "../support/check_main.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "core/ballot.h"
#include "paxos/judge.h"
#include "rsm/start_file.h"
#include "sim/disk_sim.h"

static void schedule(void *context, uint64_t delay_us, uint64_t ticket)
{
	(void)context;
	(void)delay_us;
	(void)ticket;
}

static void discard(void *context, const char *line, size_t len)
{
	(void)context;
	(void)line;
	(void)len;
}

static uint64_t no_time(void *context)
{
	(void)context;
	return 0;
}

static struct log quiet = {.level = LOG_ERROR,
			   .format = LOG_LOGFMT,
			   .node = "n",
			   .wall_us = no_time,
			   .write = discard};

static struct disk *new_disk(void)
{
	return disk_sim_create(&(struct disk_sim_options){.seed = 1, .schedule = schedule});
}

/* Of replica 1, after start `count` of its chain. */
static struct start_memory memory_of(uint64_t count, uint64_t promised, uint64_t last)
{
	return (struct start_memory){.replica = 1,
				     .life = 7,
				     .root = 101,
				     .count = count,
				     .nonce = 100 + count,
				     .before = count > 1 ? 99 + count : 0,
				     .promised = promised,
				     .last = last};
}

static struct start_claim claim_of(uint64_t count, uint64_t promised, uint64_t last)
{
	struct start_claim claim = {.promised = promised, .last = last};
	claim.chain = (struct start_chain){.life = 7, .root = 101, .count = count};
	for (uint64_t i = 0; i < count && i < STARTS_LISTED; i++)
		claim.chain.nonces[claim.chain.listed++] = 100 + count - i;
	return claim;
}

/*
 * What is remembered of a replica against what it claims: the same start or a later one with as
 * much is no gap; less promised, accepted or written beside is one, by name.
 */
START_TEST(a_gap_in_a_claim_is_named)
{
	struct start_memory memory = memory_of(3, 50, 20);
	struct start_claim next = claim_of(4, 50, 20), same = claim_of(3, 0, 0),
			   later = claim_of(9, 60, 30);
	ck_assert_int_eq(starts_judge(&memory, &next), START_GAP_NONE);
	ck_assert_int_eq(starts_judge(&memory, &later), START_GAP_NONE);
	/* The very process. */
	ck_assert_int_eq(starts_judge(&memory, &same), START_GAP_NONE);
	next.promised = 49;
	ck_assert_int_eq(starts_judge(&memory, &next), START_GAP_PROMISE);
	next.promised = 50;
	next.last = 19;
	ck_assert_int_eq(starts_judge(&memory, &next), START_GAP_ACCEPTED);
	/* Of a log beside. */
	memory.beside = 1000;
	next.last = 20;
	next.beside = 1000;
	ck_assert_int_eq(starts_judge(&memory, &next), START_GAP_NONE);
	next.beside = 999;
	ck_assert_int_eq(starts_judge(&memory, &next), START_GAP_BESIDE);
	ck_assert_int_eq(starts_judge(&memory, &same), START_GAP_NONE);
	memory.beside = 0;
	/*
	 * A copy from before the third start: started again, it has had three as well, but not that
	 * one.
	 */
	struct start_claim branch = claim_of(3, 50, 20);
	branch.chain.nonces[0] = 999;
	ck_assert_int_eq(starts_judge(&memory, &branch), START_GAP_START);
	struct start_claim older = claim_of(2, 50, 20);
	ck_assert_int_eq(starts_judge(&memory, &older), START_GAP_START);
	/* It went on from there: the start that is remembered is not among those before. */
	struct start_claim other = claim_of(6, 50, 20);
	other.chain.nonces[3] = 999;
	ck_assert_int_eq(starts_judge(&memory, &other), START_GAP_START);
	/*
	 * So many that the one that is remembered is not listed any more: the numbers alone count.
	 */
	struct start_claim many = claim_of(3 + STARTS_LISTED, 50, 20);
	ck_assert_int_eq(starts_judge(&memory, &many), START_GAP_NONE);
	many.last = 19;
	ck_assert_int_eq(starts_judge(&memory, &many), START_GAP_ACCEPTED);
	/* Another chain is not comparable; nor is a start that was not noted. */
	struct start_claim chain = claim_of(1, 50, 20);
	chain.chain.root = chain.chain.nonces[0] = 5;
	ck_assert_int_eq(starts_judge(&memory, &chain), START_GAP_NONE);
	chain.chain.root = 0;
	ck_assert_int_eq(starts_judge(&memory, &chain), START_GAP_NONE);
	chain.promised = 1;
	ck_assert_int_eq(starts_judge(&memory, &chain), START_GAP_PROMISE);
	memory.root = 0;
	ck_assert_int_eq(starts_judge(&memory, &branch), START_GAP_NONE);
}
END_TEST

/*
 * What others say adds to what is remembered, and never takes anything away; what is older or
 * known already adds nothing.
 */
START_TEST(what_is_told_adds_to_the_memory)
{
	struct starts starts = {0};
	struct start_memory first = memory_of(1, 50, 20);
	ck_assert_int_eq(starts_tell(&starts, &first, 7), STARTS_TOLD_MORE);
	ck_assert_int_eq(starts_tell(&starts, &first, 7), STARTS_TOLD_NOTHING);
	struct start_memory more = first;
	more.last = 30;
	more.promised = 40;
	ck_assert_int_eq(starts_tell(&starts, &more, 7), STARTS_TOLD_MORE);
	ck_assert_uint_eq(starts.list[0].last, 30);
	ck_assert_uint_eq(starts.list[0].promised, 50);
	/* The next start, which has found all that. */
	struct start_memory next = memory_of(2, 0, 0);
	next.found_promised = 50;
	next.found_last = 30;
	ck_assert_int_eq(starts_tell(&starts, &next, 7), STARTS_TOLD_MORE);
	ck_assert_uint_eq(starts.list[0].nonce, 102);
	ck_assert_uint_eq(starts.list[0].last, 30);
	ck_assert_uint_eq(starts.list[0].promised, 50);
	/* One from before comes late. */
	ck_assert_int_eq(starts_tell(&starts, &first, 7), STARTS_TOLD_NOTHING);
	/* Others count a process that has found less; or one that is another copy's. */
	struct start_memory less = next;
	less.count = 3;
	less.nonce = 103;
	less.before = 102;
	less.found_last = 29;
	ck_assert_int_eq(starts_tell(&starts, &less, 7), STARTS_TOLD_OTHER);
	less.found_last = 30;
	less.found_promised = 49;
	ck_assert_int_eq(starts_tell(&starts, &less, 7), STARTS_TOLD_OTHER);
	struct start_memory branch = next;
	branch.nonce = 999;
	ck_assert_int_eq(starts_tell(&starts, &branch, 7), STARTS_TOLD_OTHER);
	ck_assert_uint_eq(starts.list[0].nonce, 102);
}
END_TEST

/*
 * A copy from before the start that is remembered was started twice, and counted by a member that
 * knew nothing of that life: its count is the higher one.
 */
START_TEST(a_peer_that_knows_nothing_may_have_counted_a_copy)
{
	struct starts starts = {0}, ignorant = {0};
	struct start_memory third = memory_of(3, 50, 20);
	third.found_promised = 50;
	third.found_last = 20;
	ck_assert_int_eq(starts_tell(&starts, &third, 7), STARTS_TOLD_MORE);
	struct start_claim copy = claim_of(4, 50, 20);
	copy.chain.nonces[0] = 998;
	copy.chain.nonces[1] = 999;
	struct start_memory *theirs = starts_get(&ignorant, 1, 7, 7);
	ck_assert_int_eq(starts_judge(theirs, &copy), START_GAP_NONE);
	starts_accept(theirs, &copy);
	ck_assert_int_eq(starts_tell(&starts, theirs, 7), STARTS_TOLD_OTHER);
	ck_assert_uint_eq(starts.list[0].nonce, 103);
	ck_assert_int_eq(starts_judge(&starts.list[0], &copy), START_GAP_START);
	/* Two starts at once cannot be compared without the chain, and one after this one can. */
	struct start_claim fifth = claim_of(5, 50, 20), fourth = claim_of(4, 50, 20);
	starts_accept(theirs, &fifth);
	ck_assert_int_eq(starts_tell(&starts, theirs, 7), STARTS_TOLD_OTHER);
	starts_accept(theirs, &fourth);
	ck_assert_int_eq(starts_tell(&starts, theirs, 7), STARTS_TOLD_MORE);
	ck_assert_uint_eq(starts.list[0].nonce, 104);
}
END_TEST

/*
 * Two lives of a replica, the bound one among them; of many replicas as many as there is room for.
 */
START_TEST(two_lives_of_a_replica_are_remembered)
{
	struct starts starts = {0};
	starts_get(&starts, 1, 7, 7)->last = 1;
	for (uint64_t life = 8; life < 20; life++)
		starts_get(&starts, 1, life, 7)->last = life;
	ck_assert_uint_eq(starts.count, 2);
	ck_assert_ptr_nonnull(starts_find(&starts, 1, 7));
	ck_assert_uint_eq(starts_find(&starts, 1, 19)->last, 19);
	/* What is told of a third one displaces neither, unless that one is bound. */
	struct start_memory told = memory_of(1, 50, 20);
	told.life = 5;
	ck_assert_int_eq(starts_tell(&starts, &told, 7), STARTS_TOLD_NOTHING);
	ck_assert_ptr_nonnull(starts_find(&starts, 1, 19));
	ck_assert_int_eq(starts_tell(&starts, &told, 5), STARTS_TOLD_MORE);
	ck_assert_uint_eq(starts.count, 2);
	ck_assert_uint_eq(starts_find(&starts, 1, 5)->last, 20);
	for (uint32_t replica = 2; replica < 60; replica++)
		starts_get(&starts, replica, 7, 7);
	ck_assert_uint_eq(starts.count, STARTS_MAX);
	ck_assert_ptr_nonnull(starts_find(&starts, 59, 7));
}
END_TEST

/*
 * A claim and a memory come back as they were; cut anywhere, or with an impossible slot, they are
 * refused.
 */
START_TEST(claims_and_memories_come_back)
{
	struct start_claim claim = claim_of(80, 1000, 55), read_claim;
	struct starts starts = {0}, read;
	struct buffer out = {0};
	start_claim_encode(&claim, &out);
	ck_assert_int_eq(start_claim_decode(&read_claim, buffer_slice(&out)), 0);
	ck_assert_int_eq(memcmp(&claim, &read_claim, sizeof claim), 0);
	for (size_t len = 0; len < out.len; len++)
		ck_assert_int_eq(start_claim_decode(&read_claim, slice(out.data, len)),
				 STATUS_CORRUPT);
	claim.last = SLOT_MAX + 1;
	buffer_clear(&out);
	start_claim_encode(&claim, &out);
	ck_assert_int_eq(start_claim_decode(&read_claim, buffer_slice(&out)), STATUS_CORRUPT);
	for (uint32_t i = 1; i <= 4; i++)
		*starts_get(&starts, i, i, 0) = (struct start_memory){.replica = i,
								      .life = i,
								      .root = 2,
								      .count = 3,
								      .nonce = 4,
								      .before = 9,
								      .found_promised = 5,
								      .found_last = 6,
								      .promised = 7,
								      .last = 8};
	buffer_clear(&out);
	starts_encode(&starts, &out);
	ck_assert_int_eq(starts_decode(&read, buffer_slice(&out)), 0);
	ck_assert_int_eq(memcmp(&starts, &read, sizeof starts), 0);
	ck_assert_int_eq(starts_decode(&read, slice(out.data, out.len - 1)), STATUS_CORRUPT);
	/* Twice the same life; an impossible slot. */
	buffer_add(&out, out.data, out.len / 4);
	ck_assert_int_eq(starts_decode(&read, buffer_slice(&out)), STATUS_CORRUPT);
	starts.count = 1;
	starts.list[0].last = SLOT_MAX + 1;
	buffer_clear(&out);
	starts_encode(&starts, &out);
	ck_assert_int_eq(starts_decode(&read, buffer_slice(&out)), STATUS_CORRUPT);
	buffer_free(&out);
}
END_TEST

/* Who has no log beside says nothing of one: it says what it said before there were any. */
START_TEST(a_start_without_a_log_beside_says_what_it_used_to)
{
	struct start_claim claim = claim_of(3, 1000, 55), read_claim;
	struct starts starts = {0}, read;
	struct buffer out = {0};
	start_claim_encode(&claim, &out);
	size_t without = out.len;
	buffer_clear(&out);
	claim.beside = 77;
	start_claim_encode(&claim, &out);
	ck_assert_uint_eq(out.len, without + 8);
	ck_assert_int_eq(start_claim_decode(&read_claim, buffer_slice(&out)), 0);
	ck_assert_int_eq(memcmp(&claim, &read_claim, sizeof claim), 0);
	for (size_t len = without + 1; len < out.len; len++)
		ck_assert_int_eq(start_claim_decode(&read_claim, slice(out.data, len)),
				 STATUS_CORRUPT);
	memset(out.data + without, 0, 8);
	ck_assert_int_eq(start_claim_decode(&read_claim, buffer_slice(&out)), STATUS_CORRUPT);

	for (uint32_t i = 1; i <= 4; i++)
		*starts_get(&starts, i, i, 0) = memory_of(i, 7, 8);
	for (uint32_t i = 0; i < 4; i++) {
		starts.list[i].replica = i + 1;
		starts.list[i].life = i + 1;
	}
	buffer_clear(&out);
	starts_encode(&starts, &out);
	without = out.len;
	buffer_clear(&out);
	starts.list[1].beside = 5;
	starts.list[3].found_beside = starts.list[3].beside = 6;
	starts_encode(&starts, &out);
	ck_assert_uint_eq(out.len, without + 4 + 2 * 20);
	ck_assert_int_eq(starts_decode(&read, buffer_slice(&out)), 0);
	ck_assert_int_eq(memcmp(&starts, &read, sizeof starts), 0);
	for (size_t len = without + 1; len < out.len; len++)
		if (len != without + 4 + 20)
			ck_assert_int_eq(starts_decode(&read, slice(out.data, len)),
					 STATUS_CORRUPT);
	/* Of one that is not there; of one twice. */
	store_u32(out.data + without + 24, 4);
	ck_assert_int_eq(starts_decode(&read, buffer_slice(&out)), STATUS_CORRUPT);
	store_u32(out.data + without + 24, 1);
	ck_assert_int_eq(starts_decode(&read, buffer_slice(&out)), STATUS_CORRUPT);
	buffer_free(&out);
}
END_TEST

/*
 * Each start adds its nonce to the chain of its life, of which the last few are listed; another
 * life begins another chain.
 */
START_TEST(the_file_keeps_the_chain_of_starts)
{
	struct disk *disk = new_disk();
	struct start_chain chain;
	for (uint64_t i = 1; i <= STARTS_LISTED + 10; i++) {
		ck_assert_int_eq(start_file_note(disk, &quiet, 7, 100 + i, &chain), 0);
		ck_assert_uint_eq(chain.root, 101);
		ck_assert_uint_eq(chain.count, i);
		ck_assert_uint_eq(chain.listed, i < STARTS_LISTED ? i : STARTS_LISTED);
		for (uint32_t k = 0; k < chain.listed; k++)
			ck_assert_uint_eq(chain.nonces[k], 100 + i - k);
		disk_sim_crash(disk, DISK_SIM_POWER);
	}
	/* Another life, another chain. */
	ck_assert_int_eq(start_file_note(disk, &quiet, 8, 500, &chain), 0);
	ck_assert_uint_eq(chain.root, 500);
	ck_assert_uint_eq(chain.count, 1);
	disk_sim_destroy(disk);
}
END_TEST

/* Either copy may be damaged; if both are, the chain begins anew. */
START_TEST(either_copy_of_the_file_may_be_damaged)
{
	for (uint64_t at = 0; at < 1024; at += 7) {
		struct disk *disk = new_disk();
		struct start_chain chain;
		ck_assert_int_eq(start_file_note(disk, &quiet, 7, 101, &chain), 0);
		ck_assert_int_eq(start_file_note(disk, &quiet, 7, 102, &chain), 0);
		ck_assert_int_eq(disk_sim_flip(disk, START_FILE, at, (unsigned)at % 8), 0);
		ck_assert_int_eq(start_file_note(disk, &quiet, 7, 103, &chain), 0);
		ck_assert_uint_eq(chain.count, 3);
		ck_assert_uint_eq(chain.root, 101);
		/* Both are whole again. */
		ck_assert_int_eq(disk_sim_flip(disk, START_FILE, (at + 512) % 1024, 1), 0);
		ck_assert_int_eq(start_file_note(disk, &quiet, 7, 104, &chain), 0);
		ck_assert_uint_eq(chain.count, 4);
		ck_assert_int_eq(disk_sim_flip(disk, START_FILE, at, 1), 0);
		ck_assert_int_eq(disk_sim_flip(disk, START_FILE, (at + 512) % 1024, 1), 0);
		ck_assert_int_eq(start_file_note(disk, &quiet, 7, 105, &chain), 0);
		ck_assert_uint_eq(chain.root, 105);
		ck_assert_uint_eq(chain.count, 1);
		disk_sim_destroy(disk);
	}
}
END_TEST

/*
 * Killed, or without power, at each operation: what was said of a start is never forgotten, nor its
 * chain broken.
 */
START_TEST(a_start_is_never_forgotten)
{
	for (uint64_t first = 0; first < 2; first++) {
		for (uint64_t k = 0; k < 12; k++) {
			struct disk *disk = new_disk();
			struct start_chain chain;
			if (first == 0)
				ck_assert_int_eq(start_file_note(disk, &quiet, 7, 101, &chain), 0);
			disk_sim_fault_at(disk, disk_sim_operations(disk) + k, DISK_SIM_TORN_WRITE);
			int status = start_file_note(disk, &quiet, 7, 102, &chain);
			disk_sim_fault_at(disk, UINT64_MAX, DISK_SIM_NO_FAULT);
			disk_sim_crash(disk, DISK_SIM_POWER);
			ck_assert_int_eq(start_file_note(disk, &quiet, 7, 103, &chain), 0);
			if (first == 0) {
				ck_assert_uint_eq(chain.root, 101);
				ck_assert_uint_eq(chain.nonces[chain.listed - 1], 101);
			}
			if (status == 0)
				ck_assert_uint_eq(chain.nonces[1], 102);
			disk_sim_destroy(disk);
		}
	}
}
END_TEST

/* A file of a newer format, with the right checksum, is NEWER, not damage. */
START_TEST(a_newer_programs_file_is_refused)
{
	struct disk *disk = new_disk();
	struct start_chain chain;
	uint8_t data[512];
	ck_assert_int_eq(start_file_note(disk, &quiet, 7, 101, &chain), 0);
	ck_assert_int_eq(disk_sim_peek(disk, START_FILE, 0, data, sizeof data), 0);
	store_u32(data + 8, 2);
	/* As that program would have summed it up. */
	uint32_t crc = crc32c(crc32c(0, data + 8, 4), data + 16, sizeof data - 16);
	store_u32(data + 12, crc);
	ck_assert_int_eq(disk_sim_poke(disk, START_FILE, 0, data, sizeof data), 0);
	ck_assert_int_eq(start_file_note(disk, &quiet, 7, 102, &chain), STATUS_NEWER);
	disk_sim_destroy(disk);
}
END_TEST
