/* Damage at rest, as the simulator makes it, is damage that the log must notice. */
#include "fixture.h"
#include "sim/damage.h"

#define SEGMENT_BYTES 4096u

/* faults: 14, 15. Whatever is damaged behind which something was synced, the log refuses to open, and says why. */
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
		bool done = sim_damage_log(f.disk, &rng, &fault, &what);
		int status = fixture_open(&f);
		if (done) {
			of[fault]++;
			ck_assert_msg(status == STATUS_CORRUPT || (fault == SIM_FAULT_LOG_UNLINK && f.info.oldest_segment > 1),
				      "seed %llu: %.*s: status %d", (unsigned long long)seed, (int)what.len, (char *)what.data, status);
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

/* A log of one batch has nothing behind it: it is left alone, but for its segment's header and size. */
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
		bool done = sim_damage_log(f.disk, &rng, &fault, &what);
		ck_assert_int_ne(fault, SIM_FAULT_LOG_UNLINK);
		ck_assert_int_eq(fixture_open(&f), done ? STATUS_CORRUPT : 0);
		buffer_free(&what);
		fixture_free(&f);
	}
}
END_TEST

CHECK_MAIN("wal_at_rest", refuses_every_damage, spares_the_last_batch)
