/* The wal against its model under random use, crashes and faults of the disk. */
#include "../support/check_main.h"
#include "fixture.h"

static void random_append(struct fixture *f, struct rng *rng)
{
	/* Now and then one that is larger than any segment of the usual size. */
	uint8_t data[12000];
	uint64_t kind = rng_below(rng, 100);
	size_t len = rng_below(rng, kind == 0 ? sizeof data : kind < 10 ? 700 : 60);
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)rng_next(rng);
	enum wal_type type = (enum wal_type)rng_range(rng, WAL_PROMISE, WAL_STARTS);
	fixture_append(f, type, rng_below(rng, 1000), rng_below(rng, 1000), data, len);
}

static void random_read(struct fixture *f, struct rng *rng, wal_position released)
{
	if (f->appended.count == 0)
		return;
	const struct entry *e = &f->appended.items[rng_below(rng, f->appended.count)];
	int status = fixture_read(f, e->position);
	if (e->position >= released)
		ck_assert_int_eq(status, 0);
	if (status == 0)
		ck_assert(entry_equal(&f->read, e));
	else
		ck_assert_int_eq(status, STATUS_NOT_FOUND);
}

/* One life of a process: random use, until a random end. */
static void random_life(struct fixture *f, struct rng *rng, wal_position *released)
{
	uint64_t actions = rng_below(rng, 150);
	for (uint64_t i = 0; i < actions && f->fatal_status == 0; i++) {
		uint64_t kind = rng_below(rng, 100);
		if (kind < 50) {
			random_append(f, rng);
		} else if (kind < 65) {
			wal_flush(f->wal);
		} else if (kind < 90) {
			fixture_step(f);
		} else if (kind < 95) {
			random_read(f, rng, *released);
		} else if (kind < 96) {
			fixture_flush(f);
		} else if (f->durable_count > 0) {
			wal_position before =
				f->appended.items[rng_below(rng, f->durable_count)].position;
			if (before > *released)
				*released = before;
			wal_release(f->wal, before);
		}
	}
}

static void random_run(uint64_t seed, const struct disk_sim_faults *faults)
{
	struct fixture f;
	struct rng rng;
	rng_seed(&rng, seed);
	fixture_init(&f, seed, 8 * rng_range(&rng, 120, 1000));
	f.recycle_max = (uint32_t)rng_range(&rng, 1, 3);
	f.files_max = (uint32_t)rng_below(&rng, 5);
	wal_position released = 0;
	for (int life = 0; life < 25; life++) {
		disk_sim_set_faults(f.disk, NULL);
		int status = fixture_open(&f);
		ck_assert_msg(status == 0, "seed %llu life %d: %s", (unsigned long long)seed, life,
			      f.info.problem);
		const char *wrong = fixture_compare(&f, released);
		ck_assert_msg(wrong == NULL, "seed %llu life %d: %s", (unsigned long long)seed,
			      life, wrong);
		disk_sim_set_faults(f.disk, faults);
		random_life(&f, &rng, &released);
		fixture_crash(&f, rng_chance(&rng, 300000) ? DISK_SIM_KILL : DISK_SIM_POWER);
	}
	fixture_free(&f);
}

/*
 * faults: 11, 12, 13, 16, 18, 23, 24. Whatever was told durable survives any crash, in order and
 * unchanged, and nothing else appears.
 */
START_TEST(crashes_never_lose_what_was_durable)
{
	for (uint64_t seed = 1; seed <= 150; seed++)
		random_run(seed, NULL);
}
END_TEST

/*
 * faults: 19, 20. A failed write or sync ends the process; what was durable before survives, also
 * through page caches that lie.
 */
START_TEST(failed_writes_and_syncs_never_lose_what_was_durable)
{
	struct disk_sim_faults faults = {.write_error_ppm = 5000, .sync_error_ppm = 15000};
	for (uint64_t seed = 1000; seed <= 1150; seed++)
		random_run(seed, &faults);
}
END_TEST

/*
 * faults: 21. With room for a few segments only, the log stalls and goes on, and no crash in
 * between loses anything.
 */
START_TEST(a_disk_that_runs_full_never_loses_what_was_durable)
{
	struct disk_sim_faults faults = {.space_bytes = 20000};
	for (uint64_t seed = 2000; seed <= 2100; seed++)
		random_run(seed, &faults);
}
END_TEST
