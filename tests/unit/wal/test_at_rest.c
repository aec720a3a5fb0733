/* Damage at rest, as the simulator makes it, is damage that the log must notice. */
#include "../support/check_main.h"
#include "fixture.h"
#include "sim/damage.h"
#include "sim/exchange.h"

#define SEGMENT_BYTES 4096u

/*
 * faults: 14, 15. Whatever is damaged behind which something was synced, the log refuses to open,
 * and says why.
 */
START_TEST(refuses_every_damage)
{
	uint64_t of[SIM_FAULTS] = {0};
	for (uint64_t seed = 1; seed <= 600; seed++) {
		struct fixture f;
		struct rng rng;
		struct buffer what = {0};
		enum sim_fault fault = SIM_FAULTS;
		rng_seed(&rng, seed);
		fixture_init(&f, seed, SEGMENT_BYTES);
		ck_assert_int_eq(fixture_open(&f), 0);
		for (uint64_t slot = 1; slot <= 60; slot++) {
			fixture_accept(&f, slot, (size_t)rng_below(&rng, 300));
			fixture_flush(&f);
		}
		fixture_crash(&f, seed % 2 == 0 ? DISK_SIM_KILL : DISK_SIM_POWER);
		bool done = sim_damage_log(f.disk, SIM_LOG_OF_GROUP, &rng, &fault, &what);
		int status = fixture_open(&f);
		if (done) {
			of[fault]++;
			ck_assert_msg(status == STATUS_CORRUPT || (fault == SIM_FAULT_LOG_UNLINK &&
								   f.info.oldest_segment > 1),
				      "seed %llu: %.*s: status %d", (unsigned long long)seed,
				      (int)what.len, (char *)what.data, status);
		} else {
			ck_assert_int_eq(status, 0);
		}
		buffer_free(&what);
		fixture_free(&f);
	}
	ck_assert_uint_gt(of[SIM_FAULT_LOG_FLIP], 50);
	ck_assert_uint_gt(of[SIM_FAULT_LOG_ZERO], 50);
	ck_assert_uint_gt(of[SIM_FAULT_LOG_MISDIRECT], 50);
	ck_assert_uint_gt(of[SIM_FAULT_LOG_CUT], 50);
	ck_assert_uint_gt(of[SIM_FAULT_LOG_UNLINK], 50);
}
END_TEST

/*
 * A log of one batch has nothing behind it: it is left alone, but for its segment's header and
 * size.
 */
START_TEST(spares_the_last_batch)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct fixture f;
		struct rng rng;
		struct buffer what = {0};
		enum sim_fault fault = SIM_FAULTS;
		rng_seed(&rng, seed);
		fixture_init(&f, seed, SEGMENT_BYTES);
		ck_assert_int_eq(fixture_open(&f), 0);
		fixture_accept(&f, 1, 500);
		fixture_flush(&f);
		fixture_crash(&f, DISK_SIM_POWER);
		bool done = sim_damage_log(f.disk, SIM_LOG_OF_GROUP, &rng, &fault, &what);
		ck_assert_int_ne(fault, SIM_FAULT_LOG_UNLINK);
		ck_assert_int_eq(fixture_open(&f), done ? STATUS_CORRUPT : 0);
		buffer_free(&what);
		fixture_free(&f);
	}
}
END_TEST

static void begin_replica(struct fixture *f, uint64_t seed, uint64_t replica)
{
	fixture_init(f, seed, SEGMENT_BYTES);
	f->replica = replica;
	f->begun = true;
}

static void write_some(struct fixture *f, struct rng *rng, uint64_t slots)
{
	f->begun = false;
	ck_assert_int_eq(fixture_open(f), 0);
	f->begun = true;
	for (uint64_t i = 0; i < slots; i++) {
		fixture_accept(f, f->appended.count + 1, (size_t)rng_below(rng, 300));
		fixture_flush(f);
	}
	fixture_crash(f, DISK_SIM_KILL);
}

/* At whose disk something was done does not start; at the other the log is as it was. */
static void exchange(struct fixture *f, struct fixture *other, struct rng *rng, uint64_t seed,
		     uint64_t done[SIM_FAULTS])
{
	struct buffer what = {0};
	enum sim_fault fault = SIM_FAULTS;
	if (sim_exchange_log(f->disk, f->replica, other->disk, rng, &fault, &what)) {
		int status = fixture_open(f);
		ck_assert_msg(status == STATUS_CORRUPT, "seed %llu: replica %llu: %.*s: status %d",
			      (unsigned long long)seed, (unsigned long long)f->replica,
			      (int)what.len, (char *)what.data, status);
		done[fault]++;
	}
	buffer_free(&what);
	if (f->wal != NULL)
		fixture_crash(f, DISK_SIM_KILL);
}

/*
 * faults: 15, 81. What is made missing, or is another replica's, is refused. It may go to and fro:
 * what replica 1 has may be what replica 2 had some time ago; that is no exchange, but an older
 * copy, and nobody could tell.
 */
START_TEST(refuses_every_exchange)
{
	uint64_t first[SIM_FAULTS] = {0}, second[SIM_FAULTS] = {0};
	for (uint64_t seed = 1; seed <= 600; seed++) {
		struct fixture one, two;
		struct rng rng;
		rng_seed(&rng, seed);
		begin_replica(&one, seed, 1);
		begin_replica(&two, seed + 1000, 2);
		uint64_t slots = rng_range(&rng, 1, 40);
		write_some(&one, &rng, slots);
		write_some(&two, &rng, slots);
		exchange(&one, &two, &rng, seed, first);
		write_some(&two, &rng, 1 + rng_below(&rng, 3));
		exchange(&two, &one, &rng, seed, second);
		fixture_free(&one);
		fixture_free(&two);
	}
	ck_assert_uint_gt(first[SIM_FAULT_LOG_MISSING], 100);
	ck_assert_uint_gt(first[SIM_FAULT_LOG_EXCHANGED], 100);
	ck_assert_uint_gt(second[SIM_FAULT_LOG_MISSING], 100);
	ck_assert_uint_gt(second[SIM_FAULT_LOG_EXCHANGED], 10);
}
END_TEST

/*
 * faults: 14. A log that is cut while it is written, and then has a write that fails in whatever
 * way: the write must not give the file its length back, or what was cut off would look as if it
 * had never been.
 */
START_TEST(refuses_what_was_cut_while_it_was_in_use)
{
	static const enum disk_sim_fault faults[] = {DISK_SIM_NO_FAULT, DISK_SIM_STOP,
						     DISK_SIM_IO_ERROR, DISK_SIM_TORN_WRITE};
	uint64_t noticed = 0;
	for (uint64_t seed = 1; seed <= 600; seed++) {
		struct fixture f;
		struct rng rng;
		rng_seed(&rng, seed);
		fixture_init(&f, seed, 2 * SEGMENT_BYTES);
		ck_assert_int_eq(fixture_open(&f), 0);
		for (uint64_t slot = 1; slot <= 22; slot++) {
			fixture_accept(&f, slot, 150 + (size_t)rng_below(&rng, 150));
			fixture_flush(&f);
		}
		ck_assert_int_eq(disk_sim_truncate(f.disk, "log-0000000000000001",
						   rng_below(&rng, SEGMENT_BYTES)),
				 0);
		disk_sim_fault_at(f.disk, disk_sim_operations(f.disk), faults[seed % 4]);
		fixture_accept(&f, 23, (size_t)rng_below(&rng, 300));
		fixture_flush(&f);
		ck_assert(f.fatal_status == STATUS_CORRUPT || disk_sim_stopped(f.disk) ||
			  f.fatal_status == STATUS_IO);
		noticed += f.fatal_status == STATUS_CORRUPT;
		fixture_crash(&f, seed % 3 == 0 ? DISK_SIM_POWER : DISK_SIM_KILL);
		ck_assert_msg(fixture_open(&f) == STATUS_CORRUPT, "seed %llu: it was not noticed",
			      (unsigned long long)seed);
		fixture_free(&f);
	}
	ck_assert_uint_ge(noticed, 150);
}
END_TEST
