/*
 * One scripted run (two lives of a process: appends, several segments, releases,
 * reads), with one fault at each of its disk operations in turn.
 */
#include "../support/check_main.h"
#include "fixture.h"

enum { SEGMENT_BYTES = 600 };

/* The script goes on until the process dies. True if it got to its end. */
static bool alive(const struct fixture *f)
{
	return f->fatal_status == 0 && !disk_sim_stopped(f->disk);
}

static void script_part(struct fixture *f, uint64_t first_slot, wal_position *released)
{
	for (uint64_t slot = first_slot; slot < first_slot + 30 && alive(f); slot++) {
		if (slot % 6 == 0)
			fixture_append(f, WAL_PROMISE, 0, slot, NULL, 0);
		/* Now and then one that needs a segment of its own size. */
		fixture_accept(f, slot,
			       slot % 14 == 5 ? 3900 + slot % 60 : (size_t)(slot * 13 % 90));
		if (slot % 3 == 0) {
			fixture_append(f, WAL_CHOSEN, slot, 0, NULL, 0);
			fixture_flush(f);
		} else if (slot % 3 == 1) {
			wal_flush(f->wal);
			fixture_step(f);
		}
		if (slot % 9 == 8 && f->durable_count > 6) {
			*released = f->appended.items[f->durable_count - 6].position;
			wal_release(f->wal, *released);
			fixture_run(f);
		}
	}
	if (alive(f))
		fixture_flush(f);
}

/* Runs the script; the process may have died at any place, with the wal open or not. */
static void script(struct fixture *f, wal_position *released)
{
	if (fixture_open(f) != 0)
		return;
	script_part(f, 1, released);
	if (!alive(f))
		return;
	wal_close(f->wal);
	f->wal = NULL;
	if (fixture_open(f) != 0)
		return;
	const char *wrong = fixture_compare(f, *released);
	ck_assert_msg(wrong == NULL, "%s", wrong);
	script_part(f, 101, released);
}

static uint64_t count_operations(uint64_t seed)
{
	struct fixture f;
	wal_position released = 0;
	fixture_init(&f, seed, SEGMENT_BYTES);
	script(&f, &released);
	ck_assert(alive(&f));
	ck_assert_uint_gt(wal_counters(f.wal)->segments_recycled, 2);
	uint64_t count = disk_sim_operations(f.disk);
	fixture_free(&f);
	ck_assert_uint_gt(count, 100);
	return count;
}

/* After the script with its fault: crash, open, compare, and go on. */
static void survive(struct fixture *f, enum disk_sim_crash crash, wal_position released,
		    uint64_t operation)
{
	disk_sim_fault_at(f->disk, UINT64_MAX, DISK_SIM_NO_FAULT);
	fixture_crash(f, crash);
	int status = fixture_open(f);
	ck_assert_msg(status == 0, "operation %llu: %s", (unsigned long long)operation,
		      f->info.problem);
	const char *wrong = fixture_compare(f, released);
	ck_assert_msg(wrong == NULL, "operation %llu: %s", (unsigned long long)operation, wrong);
	script_part(f, 201, &released);
	ck_assert(alive(f));
	ck_assert_uint_eq(f->durable_count, f->appended.count);
	fixture_crash(f, DISK_SIM_POWER);
	ck_assert_int_eq(fixture_open(f), 0);
	ck_assert(fixture_compare(f, released) == NULL);
}

static void fault_at_every_operation(enum disk_sim_fault fault, enum disk_sim_crash crash)
{
	for (uint64_t seed = 1; seed <= 3; seed++) {
		uint64_t operations = count_operations(seed);
		for (uint64_t i = 0; i < operations; i++) {
			struct fixture f;
			wal_position released = 0;
			fixture_init(&f, seed, SEGMENT_BYTES);
			disk_sim_fault_at(f.disk, i, fault);
			script(&f, &released);
			survive(&f, crash, released, i);
			fixture_free(&f);
		}
	}
}

/*
 * faults: 11, 12, 23, 24. Whichever operation the power fails before, what was durable is there
 * and the log goes on.
 */
START_TEST(power_loss_at_every_operation)
{
	fault_at_every_operation(DISK_SIM_STOP, DISK_SIM_POWER);
}
END_TEST

/* The same when the process is killed and the caches survive. */
START_TEST(kill_at_every_operation)
{
	fault_at_every_operation(DISK_SIM_STOP, DISK_SIM_KILL);
}
END_TEST

/* faults: 13, 23. The same when the power fails in the middle of a write. */
START_TEST(torn_write_at_every_operation)
{
	fault_at_every_operation(DISK_SIM_TORN_WRITE, DISK_SIM_POWER);
}
END_TEST

/*
 * faults: 19, 20. A failed operation ends the process (or the opening, or one read), and nothing
 * durable is lost afterwards.
 */
START_TEST(io_error_at_every_operation)
{
	fault_at_every_operation(DISK_SIM_IO_ERROR, DISK_SIM_POWER);
	fault_at_every_operation(DISK_SIM_IO_ERROR, DISK_SIM_KILL);
}
END_TEST

/*
 * faults: 21. A disk that is full for one operation delays a new segment or ends the process, and
 * loses nothing.
 */
START_TEST(full_disk_at_every_operation)
{
	fault_at_every_operation(DISK_SIM_NO_SPACE, DISK_SIM_POWER);
}
END_TEST

/*
 * A disk that lies (it reports a write as done that it lost or put elsewhere) cannot be
 * survived by one replica alone. What must hold: opening says STATUS_CORRUPT, or only the last
 * batch is missing.
 */
static bool lie_at_operation(uint64_t seed, uint64_t operation, enum disk_sim_fault fault)
{
	struct fixture f;
	wal_position released = 0;
	fixture_init(&f, seed, SEGMENT_BYTES);
	disk_sim_fault_at(f.disk, operation, fault);
	if (fixture_open(&f) == 0)
		script_part(&f, 1, &released);
	fixture_crash(&f, DISK_SIM_POWER);
	f.durable_count = f.durable_before;
	int status = fixture_open(&f);
	if (status != STATUS_CORRUPT) {
		ck_assert_int_eq(status, 0);
		const char *wrong = fixture_compare(&f, released);
		ck_assert_msg(wrong == NULL, "operation %llu: %s", (unsigned long long)operation,
			      wrong);
	}
	fixture_free(&f);
	return status == STATUS_CORRUPT;
}

static void lie_at_every_operation(enum disk_sim_fault fault)
{
	unsigned reported = 0;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		uint64_t operations = count_operations(seed);
		for (uint64_t i = 0; i < operations; i++)
			reported += lie_at_operation(seed, i, fault);
	}
	ck_assert_uint_gt(reported, 20);
}

/*
 * faults: 14, 15, 22. A write that lands elsewhere in the file is reported, or costs the last
 * batch at most.
 */
START_TEST(misdirected_write_at_every_operation)
{
	lie_at_every_operation(DISK_SIM_MISDIRECT);
}
END_TEST

/* faults: 14, 15. So is a write that the disk forgets. */
START_TEST(lost_write_at_every_operation)
{
	lie_at_every_operation(DISK_SIM_LOSE_WRITE);
}
END_TEST
