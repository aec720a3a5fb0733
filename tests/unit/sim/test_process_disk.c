/* A process and its simulated disk: completions are inputs, crashes keep what they must. */
#include <stdlib.h>
#include <string.h>

#include "../support/check_main.h"
#include "base/alloc.h"
#include "sim/disk_sim.h"
#include "sim/world.h"

/* A node that appends numbered records to one file, each with a sync, one after another. */
struct writer {
	struct node node;
	struct disk_request request;
	struct disk_file *file;
	struct timer timer;
	uint64_t record;
	uint64_t offset;
};

/* What the test sees of it, over all incarnations. */
static struct {
	uint64_t submitted; /* the last record handed to the disk */
	uint64_t durable;   /* records whose sync has completed */
	uint64_t recovered; /* records found at the last start */
	uint64_t callbacks, turns, callbacks_without_turn;
} seen;

static void write_next(struct writer *w);

static void written(struct disk_request *request)
{
	struct writer *w = request->owner;
	if (request->status != 0)
		node_fatal(&w->node, request->status, "write");
	seen.callbacks++;
	seen.callbacks_without_turn++;
	seen.durable = w->record;
	write_next(w);
}

static void write_next(struct writer *w)
{
	w->record++;
	seen.submitted = w->record;
	w->request = (struct disk_request){
		.operation = DISK_WRITE_SYNC,
		.lane = DISK_LANE_LOG,
		.file = w->file,
		.offset = w->offset,
		.data = (uint8_t *)&w->record,
		.len = sizeof w->record,
		.callback = written,
		.owner = w,
	};
	w->offset += sizeof w->record;
	disk_submit(w->node.env->disk, &w->request);
}

static int writer_start(struct node *node)
{
	struct writer *w = (struct writer *)(void *)node;
	struct disk *disk = node->env->disk;
	uint64_t size = 0;
	int status = disk->ops->open(disk, "records", &w->file, &size);
	if (status == STATUS_NOT_FOUND) {
		struct disk_request create = {.operation = DISK_CREATE, .name = "records"};
		struct disk_request sync = {.operation = DISK_SYNC_DIRECTORY};
		status = disk->ops->run_now(disk, &create);
		if (status == 0)
			status = disk->ops->run_now(disk, &sync);
		w->file = create.file;
	}
	if (status != 0)
		return status;
	seen.recovered = size / sizeof w->record;
	for (uint64_t i = 0; i < seen.recovered; i++) {
		uint64_t found = 0;
		status = disk->ops->read_now(disk, w->file, i * sizeof found, (uint8_t *)&found,
					     sizeof found);
		if (status != 0)
			return status;
		if (found != i + 1)
			seen.recovered = i;
	}
	w->record = seen.recovered;
	w->offset = seen.recovered * sizeof w->record;
	write_next(w);
	return 0;
}

static void writer_message(struct node *node, link_id from, const struct message *message)
{
	(void)node;
	(void)from;
	(void)message;
}

static void writer_link_down(struct node *node, link_id link)
{
	(void)node;
	(void)link;
}

static void writer_turn_end(struct node *node)
{
	(void)node;
	seen.turns++;
	seen.callbacks_without_turn = 0;
}

static void writer_stop(struct node *node)
{
	node->env->ops->stopped(node->env);
}

static void writer_destroy(struct node *node)
{
	node_done(node);
	free(node);
}

static const struct node_ops writer_ops = {
	.start = writer_start,
	.message = writer_message,
	.link_down = writer_link_down,
	.turn_end = writer_turn_end,
	.stop = writer_stop,
	.destroy = writer_destroy,
};

static struct node *writer_build(void *context, struct sim_process *process)
{
	(void)context;
	struct writer *w = ALLOC(struct writer);
	node_init(&w->node, &writer_ops, &process->env, &process->log);
	return &w->node;
}

static struct sim_world *world;
static struct sim_process *process;

static void setup(void)
{
	struct sim_options calm;
	sim_options_calm(&calm);
	memset(&seen, 0, sizeof seen);
	world = sim_world_create(3, &calm);
	process = sim_process_add(world, &(struct sim_process_spec){
						 .name = "w", .build = writer_build, .disk = true});
	sim_process_start(process);
}

static void teardown(void)
{
	sim_world_destroy(world);
}

CHECK_FIXTURE(setup, teardown)

/* A completion takes virtual time, runs in a turn, and turn_end follows it. */
START_TEST(completions_are_inputs)
{
	sim_world_run_for(world, SIM_SECOND);
	ck_assert_uint_gt(seen.callbacks, 2000);
	ck_assert_uint_lt(seen.callbacks, 12000);
	ck_assert_uint_ge(seen.turns, seen.callbacks);
	ck_assert_uint_eq(seen.callbacks_without_turn, 0);
}
END_TEST

/* A paused process hears of its disk only when it goes on. */
START_TEST(pause_stops_completions)
{
	sim_world_run_for(world, 10 * SIM_MILLISECOND);
	sim_process_pause(process);
	uint64_t callbacks = seen.callbacks;
	sim_world_run_for(world, SIM_SECOND);
	ck_assert_uint_eq(seen.callbacks, callbacks);
	sim_process_resume(process);
	sim_world_run_for(world, 10 * SIM_MILLISECOND);
	ck_assert_uint_gt(seen.callbacks, callbacks);
}
END_TEST

/*
 * faults: 11. Whatever completed its sync is there after kill or power loss, at any moment.
 */
START_TEST(crashes_keep_what_was_synced)
{
	for (int i = 0; i < 300; i++) {
		sim_world_run_for(world, rng_below(&world->rng_workload, 5 * SIM_MILLISECOND));
		if (i % 2 == 0)
			sim_process_crash(process);
		else
			sim_process_power_loss(process);
		sim_world_run_for(world, rng_below(&world->rng_workload, 5 * SIM_MILLISECOND));
		uint64_t durable = seen.durable, submitted = seen.submitted;
		sim_process_start(process);
		ck_assert_int_eq(process->state, SIM_RUNNING);
		ck_assert_uint_ge(seen.recovered, durable);
		ck_assert_uint_le(seen.recovered, submitted);
	}
}
END_TEST

/* An error that the node answers with fatal halts the process; it can be started again. */
START_TEST(failing_disk_halts)
{
	sim_world_run_for(world, 10 * SIM_MILLISECOND);
	disk_sim_fault_at(process->disk, disk_sim_operations(process->disk) + 3, DISK_SIM_IO_ERROR);
	sim_world_run_for(world, 100 * SIM_MILLISECOND);
	ck_assert_int_eq(process->state, SIM_HALTED);
	ck_assert_int_eq(process->halt_status, STATUS_IO);
	sim_process_start(process);
	sim_world_run_for(world, 10 * SIM_MILLISECOND);
	ck_assert_int_eq(process->state, SIM_RUNNING);
}
END_TEST

/*
 * faults: 11, 13. A disk that stops at a numbered operation takes its machine down, also
 * during start.
 */
START_TEST(numbered_stop_is_a_power_loss)
{
	for (uint64_t after = 0; after < 6; after++) {
		uint64_t durable = seen.durable;
		sim_world_run_for(world, 10 * SIM_MILLISECOND);
		disk_sim_fault_at(process->disk, disk_sim_operations(process->disk) + after,
				  DISK_SIM_TORN_WRITE);
		sim_world_run_for(world, 10 * SIM_MILLISECOND);
		ck_assert_int_eq(process->state, SIM_DOWN);
		ck_assert(process->powerless);
		sim_process_start(process);
		ck_assert_uint_ge(seen.recovered, durable);
	}
	sim_process_crash(process);
	disk_sim_fault_at(process->disk, disk_sim_operations(process->disk), DISK_SIM_STOP);
	sim_process_start(process);
	ck_assert_int_eq(process->state, SIM_DOWN);
	sim_process_start(process);
	ck_assert_int_eq(process->state, SIM_RUNNING);
}
END_TEST

/* A wiped process starts with an empty disk. */
START_TEST(a_wiped_process_starts_empty)
{
	sim_world_run_for(world, 10 * SIM_MILLISECOND);
	ck_assert_uint_gt(seen.durable, 10);
	sim_process_crash(process);
	sim_process_wipe(process);
	sim_process_start(process);
	ck_assert_uint_eq(seen.recovered, 0);
}
END_TEST
