/*
 * The simulated disk keeps the promises of struct disk, breaks them only as told, and repeats
 * itself.
 */
#include <string.h>

#include "../support/check_main.h"
#include "base/rng.h"
#include "sim/disk_sim.h"

struct fixture {
	struct disk *disk;
	struct {
		uint64_t delay_us, ticket;
	} scheduled[8];
	size_t scheduled_count;
	size_t done;
	int last_status;
};

static void schedule(void *context, uint64_t delay_us, uint64_t ticket)
{
	struct fixture *f = context;
	ck_assert_uint_lt(f->scheduled_count, 8);
	f->scheduled[f->scheduled_count].delay_us = delay_us;
	f->scheduled[f->scheduled_count++].ticket = ticket;
}

static void begin(struct fixture *f, uint64_t seed)
{
	memset(f, 0, sizeof *f);
	f->disk = disk_sim_create(
		&(struct disk_sim_options){.seed = seed, .schedule = schedule, .context = f});
}

static void done(struct disk_request *request)
{
	struct fixture *f = request->owner;
	f->done++;
	f->last_status = request->status;
}

static void complete_all(struct fixture *f)
{
	while (f->scheduled_count > 0) {
		uint64_t ticket = f->scheduled[0].ticket;
		f->scheduled_count--;
		memmove(f->scheduled, f->scheduled + 1,
			f->scheduled_count * sizeof f->scheduled[0]);
		disk_sim_complete(f->disk, ticket);
	}
}

static int run(struct fixture *f, struct disk_request request, struct disk_file **file)
{
	int status = f->disk->ops->run_now(f->disk, &request);
	if (file != NULL)
		*file = request.file;
	return status;
}

static struct disk_file *create(struct fixture *f, const char *name, size_t len)
{
	struct disk_file *file;
	ck_assert_int_eq(
		run(f, (struct disk_request){.operation = DISK_CREATE, .name = name, .len = len},
		    &file),
		0);
	return file;
}

static void sync_directory(struct fixture *f)
{
	ck_assert_int_eq(run(f, (struct disk_request){.operation = DISK_SYNC_DIRECTORY}, NULL), 0);
}

static struct disk_file *create_durable(struct fixture *f, const char *name, size_t len)
{
	struct disk_file *file = create(f, name, len);
	ck_assert_int_eq(f->disk->ops->sync_now(f->disk, file), 0);
	sync_directory(f);
	return file;
}

static void write_bytes(struct fixture *f, struct disk_file *file, uint64_t offset, int byte,
			size_t len)
{
	uint8_t data[4096];
	memset(data, byte, sizeof data);
	ck_assert_uint_le(len, sizeof data);
	ck_assert_int_eq(f->disk->ops->write_now(f->disk, file, offset, data, len), 0);
}

static uint8_t byte_at(struct fixture *f, const char *name, uint64_t offset)
{
	uint8_t byte;
	ck_assert_int_eq(disk_sim_peek(f->disk, name, offset, &byte, 1), 0);
	return byte;
}

/*
 * Over many power losses: a synced write is always there; of unsynced sectors all outcomes
 * occur, each old or new.
 */
START_TEST(synced_writes_survive_and_others_may)
{
	unsigned outcomes[4] = {0};
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct fixture f;
		begin(&f, seed);
		struct disk_file *file = create_durable(&f, "a", 1024);
		write_bytes(&f, file, 0, 1, 1024);
		ck_assert_int_eq(f.disk->ops->sync_now(f.disk, file), 0);
		write_bytes(&f, file, 0, 2, 1024);
		ck_assert_uint_eq(byte_at(&f, "a", 0), 2);
		disk_sim_crash(f.disk, DISK_SIM_POWER);
		for (uint64_t sector = 0; sector < 2; sector++)
			for (uint64_t i = 1; i < 512; i++)
				ck_assert_uint_eq(byte_at(&f, "a", sector * 512 + i),
						  byte_at(&f, "a", sector * 512));
		uint8_t first = byte_at(&f, "a", 0), second = byte_at(&f, "a", 512);
		ck_assert((first == 1 || first == 2) && (second == 1 || second == 2));
		outcomes[(first - 1) * 2 + (second - 1)]++;
		disk_sim_destroy(f.disk);
	}
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_gt(outcomes[i], 0);
}
END_TEST

/*
 * kill -9 loses nothing that was written, but leaves it unsynced: a later power loss may
 * take it.
 */
START_TEST(a_kill_leaves_the_cache)
{
	unsigned lost = 0;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct fixture f;
		begin(&f, seed);
		struct disk_file *file = create_durable(&f, "a", 512);
		write_bytes(&f, file, 0, 2, 512);
		disk_sim_crash(f.disk, DISK_SIM_KILL);
		ck_assert_uint_eq(byte_at(&f, "a", 0), 2);
		disk_sim_crash(f.disk, DISK_SIM_POWER);
		lost += byte_at(&f, "a", 0) == 0;
		disk_sim_destroy(f.disk);
	}
	ck_assert(lost > 0 && lost < 50);
}
END_TEST

/*
 * faults: 24. An unsynced rename leaves the old or the new name, never both or neither; a synced
 * one the new name.
 */
START_TEST(names_are_durable_after_a_directory_sync)
{
	unsigned old_names = 0;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		for (int synced = 0; synced <= 1; synced++) {
			struct fixture f;
			begin(&f, seed);
			create_durable(&f, "old", 512);
			ck_assert_int_eq(run(&f,
					     (struct disk_request){.operation = DISK_RENAME,
								   .name = "old",
								   .new_name = "new"},
					     NULL),
					 0);
			if (synced)
				sync_directory(&f);
			disk_sim_crash(f.disk, DISK_SIM_POWER);
			uint64_t size;
			int old = disk_sim_size(f.disk, "old", &size),
			    new = disk_sim_size(f.disk, "new", &size);
			ck_assert((old == 0) != (new == 0));
			ck_assert(!synced || new == 0);
			old_names += old == 0;
			disk_sim_destroy(f.disk);
		}
	}
	ck_assert(old_names > 0 && old_names < 50);
}
END_TEST

/*
 * faults: 19. After a failed sync the writes stay visible, a second sync succeeds, and a power
 * loss takes them; written again they stay.
 */
START_TEST(a_failed_sync_drops_the_writes)
{
	for (int again = 0; again <= 1; again++) {
		struct fixture f;
		begin(&f, 1);
		struct disk_file *file = create_durable(&f, "a", 512);
		write_bytes(&f, file, 0, 2, 512);
		disk_sim_fault_at(f.disk, disk_sim_operations(f.disk), DISK_SIM_IO_ERROR);
		ck_assert_int_eq(f.disk->ops->sync_now(f.disk, file), STATUS_IO);
		ck_assert_uint_eq(byte_at(&f, "a", 0), 2);
		if (again)
			write_bytes(&f, file, 0, 3, 256);
		ck_assert_int_eq(f.disk->ops->sync_now(f.disk, file), 0);
		ck_assert_uint_eq(byte_at(&f, "a", 0), again ? 3 : 2);
		ck_assert_uint_eq(byte_at(&f, "a", 300), 2);
		disk_sim_crash(f.disk, DISK_SIM_POWER);
		ck_assert_uint_eq(byte_at(&f, "a", 0), again ? 3 : 0);
		ck_assert_uint_eq(byte_at(&f, "a", 300), 0);
		disk_sim_destroy(f.disk);
	}
}
END_TEST

/*
 * A lane works on one request at a time; nothing completes before its ticket; an old ticket
 * does nothing.
 */
START_TEST(requests_take_their_time_and_keep_their_order)
{
	struct fixture f;
	begin(&f, 1);
	struct disk_file *file = create_durable(&f, "a", 512);
	uint8_t first = 1, second = 2;
	struct disk_request requests[2] = {
		{.operation = DISK_WRITE_SYNC,
		 .file = file,
		 .data = &first,
		 .len = 1,
		 .callback = done,
		 .owner = &f},
		{.operation = DISK_WRITE_SYNC,
		 .file = file,
		 .data = &second,
		 .len = 1,
		 .callback = done,
		 .owner = &f},
	};
	disk_submit(f.disk, &requests[0]);
	disk_submit(f.disk, &requests[1]);
	ck_assert_uint_eq(f.done, 0);
	ck_assert_uint_eq(f.scheduled_count, 1);
	ck_assert_uint_ge(f.scheduled[0].delay_us, 100);
	uint64_t ticket = f.scheduled[0].ticket;
	f.scheduled_count = 0;
	ck_assert(disk_sim_complete(f.disk, ticket));
	ck_assert_uint_eq(f.done, 1);
	ck_assert(!disk_sim_complete(f.disk, ticket));
	ck_assert_uint_eq(f.scheduled_count, 1);
	complete_all(&f);
	ck_assert_uint_eq(f.done, 2);
	ck_assert_uint_eq(byte_at(&f, "a", 0), 2);
	disk_sim_destroy(f.disk);
}
END_TEST

/*
 * A request that was under way never completes; its write may have happened; the disk
 * serves the next process.
 */
START_TEST(a_crash_forgets_requests)
{
	unsigned happened = 0;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct fixture f;
		begin(&f, seed);
		struct disk_file *file = create_durable(&f, "a", 512);
		uint8_t byte = 1;
		struct disk_request request = {.operation = DISK_WRITE_SYNC,
					       .file = file,
					       .data = &byte,
					       .len = 1,
					       .callback = done,
					       .owner = &f};
		disk_submit(f.disk, &request);
		disk_sim_crash(f.disk, DISK_SIM_POWER);
		complete_all(&f);
		ck_assert_uint_eq(f.done, 0);
		happened += byte_at(&f, "a", 0);
		struct disk_request close = {.operation = DISK_CLOSE, .file = file};
		ck_assert_int_eq(f.disk->ops->run_now(f.disk, &close), 0);
		uint64_t size;
		ck_assert_int_eq(f.disk->ops->open(f.disk, "a", &file, &size), 0);
		request.file = file;
		disk_submit(f.disk, &request);
		complete_all(&f);
		ck_assert_uint_eq(f.done, 1);
		ck_assert_int_eq(f.last_status, 0);
		disk_sim_destroy(f.disk);
	}
	ck_assert(happened > 0 && happened < 50);
}
END_TEST

/* faults: 3. While a lane's syncs are held they do not end, and they do after the release. */
START_TEST(syncs_can_be_held)
{
	struct fixture f;
	begin(&f, 1);
	struct disk_file *file = create_durable(&f, "a", 512);
	disk_sim_hold_syncs(f.disk, DISK_LANE_LOG, true);
	struct disk_request request = {
		.operation = DISK_SYNC, .file = file, .callback = done, .owner = &f};
	disk_submit(f.disk, &request);
	complete_all(&f);
	ck_assert_uint_eq(f.done, 0);
	disk_sim_hold_syncs(f.disk, DISK_LANE_LOG, false);
	complete_all(&f);
	ck_assert_uint_eq(f.done, 1);
	disk_sim_destroy(f.disk);
}
END_TEST

/*
 * faults: 21. Files together stay within space_bytes; a creation that does not fit says so and
 * can be removed.
 */
START_TEST(space_is_limited)
{
	struct fixture f;
	begin(&f, 1);
	disk_sim_set_faults(f.disk, &(struct disk_sim_faults){.space_bytes = 1000});
	struct disk_file *file = create(&f, "a", 900);
	ck_assert_int_eq(
		run(&f, (struct disk_request){.operation = DISK_CREATE, .name = "b", .len = 200},
		    NULL),
		STATUS_NO_SPACE);
	ck_assert_int_eq(
		run(&f, (struct disk_request){.operation = DISK_REMOVE, .name = "b"}, NULL), 0);
	uint8_t data[200] = {0};
	ck_assert_int_eq(f.disk->ops->write_now(f.disk, file, 850, data, 150), 0);
	ck_assert_int_eq(f.disk->ops->write_now(f.disk, file, 850, data, 151), STATUS_NO_SPACE);
	disk_sim_destroy(f.disk);
}
END_TEST

/* faults: 97 */
/*
 * Without descriptors nothing is created or opened, and what is open works. A new process has its
 * own, but for those of the machine.
 */
START_TEST(descriptors_are_short)
{
	for (int machine = 0; machine <= 1; machine++) {
		struct fixture f;
		begin(&f, 5);
		struct disk_file *file = create_durable(&f, "a", 1000);
		disk_sim_short_of_descriptors(f.disk, 1000000, machine == 1);
		struct disk_request another = {.operation = DISK_CREATE, .name = "b", .len = 10};
		struct disk_file *opened;
		uint64_t size;
		ck_assert_int_eq(f.disk->ops->run_now(f.disk, &another), STATUS_SHORTAGE);
		ck_assert_int_eq(f.disk->ops->open(f.disk, "a", &opened, &size), STATUS_SHORTAGE);
		ck_assert_int_eq(f.disk->ops->open(f.disk, "b", &opened, &size), STATUS_NOT_FOUND);
		ck_assert_int_eq(f.disk->ops->write_now(f.disk, file, 0, (const uint8_t *)"x", 1),
				 0);
		ck_assert_int_eq(f.disk->ops->sync_now(f.disk, file), 0);
		disk_sim_crash(f.disk, DISK_SIM_POWER);
		ck_assert_int_eq(f.disk->ops->run_now(f.disk, &another),
				 machine == 1 ? STATUS_SHORTAGE : 0);
		disk_sim_short_of_descriptors(f.disk, 0, false);
		ck_assert_int_eq(f.disk->ops->run_now(f.disk, &another), 0);
		ck_assert_uint_eq(disk_sim_counters(f.disk)->shortages, 2 + (unsigned)machine);
		disk_sim_destroy(f.disk);
	}
}
END_TEST

/*
 * A lost write changes nothing; a misdirected one lands at the same offset of some sector;
 * both report success.
 */
START_TEST(lies_are_as_ordered)
{
	struct fixture f;
	begin(&f, 3);
	struct disk_file *file = create_durable(&f, "a", 8192);
	disk_sim_fault_at(f.disk, disk_sim_operations(f.disk), DISK_SIM_LOSE_WRITE);
	write_bytes(&f, file, 100, 1, 10);
	ck_assert_uint_eq(byte_at(&f, "a", 100), 0);
	disk_sim_fault_at(f.disk, disk_sim_operations(f.disk), DISK_SIM_MISDIRECT);
	write_bytes(&f, file, 100, 1, 10);
	unsigned found = 0;
	for (uint64_t offset = 100; offset < 8192; offset += DISK_SIM_SECTOR_BYTES)
		found += byte_at(&f, "a", offset) == 1;
	ck_assert_uint_eq(found, 1);
	ck_assert_uint_eq(disk_sim_counters(f.disk)->faults, 2);
	disk_sim_destroy(f.disk);
}
END_TEST

/* Flips, zeros and truncation change what is read, and survive a power loss. */
START_TEST(damage_at_rest)
{
	struct fixture f;
	begin(&f, 1);
	struct disk_file *file = create_durable(&f, "a", 2048);
	write_bytes(&f, file, 0, 0x55, 2048);
	ck_assert_int_eq(f.disk->ops->sync_now(f.disk, file), 0);
	ck_assert_int_eq(disk_sim_flip(f.disk, "a", 7, 1), 0);
	ck_assert_int_eq(disk_sim_zero(f.disk, "a", 500, 600), 0);
	ck_assert_int_eq(disk_sim_truncate(f.disk, "a", 1500), 0);
	disk_sim_crash(f.disk, DISK_SIM_POWER);
	ck_assert_uint_eq(byte_at(&f, "a", 7), 0x57);
	ck_assert_uint_eq(byte_at(&f, "a", 499), 0x55);
	ck_assert_uint_eq(byte_at(&f, "a", 500), 0);
	ck_assert_uint_eq(byte_at(&f, "a", 1099), 0);
	ck_assert_uint_eq(byte_at(&f, "a", 1100), 0x55);
	uint64_t size;
	ck_assert_int_eq(disk_sim_size(f.disk, "a", &size), 0);
	ck_assert_uint_eq(size, 1500);
	ck_assert_int_eq(disk_sim_poke(f.disk, "a", 2047, (const uint8_t *)"", 1), 0);
	ck_assert_uint_eq(byte_at(&f, "a", 1600), 0);
	ck_assert(!disk_sim_flip_random(f.disk, "b"));
	ck_assert(disk_sim_flip_random(f.disk, "a"));
	unsigned changed = 0;
	for (uint64_t offset = 0; offset < 1500; offset++) {
		uint8_t expected = offset == 7 ? 0x57 : offset >= 500 && offset < 1100 ? 0 : 0x55;
		changed += byte_at(&f, "a", offset) != expected;
	}
	ck_assert_uint_eq(changed, 1);
	disk_sim_destroy(f.disk);
}
END_TEST

/* A random sequence of everything, folded into one number. */
static uint64_t random_trace(uint64_t seed)
{
	struct fixture f;
	struct rng rng;
	rng_seed(&rng, 99);
	begin(&f, seed);
	struct disk_file *file = create_durable(&f, "a", 4096);
	uint64_t trace = 0;
	for (int i = 0; i < 200; i++) {
		uint8_t byte = (uint8_t)rng_next(&rng);
		struct disk_request request = {
			.operation = rng_chance(&rng, 500000) ? DISK_WRITE : DISK_WRITE_SYNC,
			.file = file,
			.offset = rng_below(&rng, 4096),
			.data = &byte,
			.len = 1,
			.callback = done,
			.owner = &f,
		};
		disk_submit(f.disk, &request);
		trace = trace * 31 + f.scheduled[0].delay_us;
		complete_all(&f);
	}
	disk_sim_crash(f.disk, DISK_SIM_POWER);
	for (uint64_t offset = 0; offset < 4096; offset++)
		trace = trace * 31 + byte_at(&f, "a", offset);
	disk_sim_destroy(f.disk);
	return trace;
}

/*
 * The same seed and the same calls give the same delays and the same crash; another seed
 * gives others.
 */
START_TEST(a_seed_repeats)
{
	ck_assert_uint_eq(random_trace(5), random_trace(5));
	ck_assert_uint_ne(random_trace(5), random_trace(6));
}
END_TEST
