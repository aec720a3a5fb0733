/* Faults at random, and the peace after them. */
#include <stdlib.h>
#include <string.h>

#include "../support/check_main.h"
#include "chatter.h"
#include "sim/nemesis.h"

#define REPLICAS 5

struct scene {
	struct sim_world *world;
	struct sim_nemesis *nemesis;
	struct chatter_spec specs[REPLICAS + 1];
	struct sim_process *processes[REPLICAS + 1]; /* the last one is a client */
	uint64_t crashes, pauses, cuts, clogs, clocks;
};

static void count_event(void *context, const char *line)
{
	struct scene *scene = context;
	scene->crashes += strstr(line, " crash") != NULL || strstr(line, " power_loss") != NULL;
	scene->pauses += strstr(line, " pause") != NULL;
	scene->cuts += strstr(line, " cut ") != NULL;
	scene->clogs += strstr(line, " clog ") != NULL;
	scene->clocks += strstr(line, " clock ") != NULL;
}

struct schedule;
static void note_fault(void *context, const struct sim_nemesis_record *record);

/* left_out: 512 of them, or NULL. schedule: hears of the faults, or NULL. */
static void scene_begin(struct scene *scene, uint64_t seed, const bool *left_out,
			struct schedule *schedule)
{
	static const char *const addresses[] = {"r0:1", "r1:1", "r2:1", "r3:1", "r4:1"};
	static const char *const names[] = {"r0", "r1", "r2", "r3", "r4", "client"};
	struct sim_options options;
	sim_options_calm(&options);
	options.nemesis = (struct sim_nemesis_options){
		.crash_mean_us = SIM_SECOND,
		.power_ppm = 500000,
		.crash_all_ppm = 100000,
		.down_mean_us = SIM_SECOND,
		.stop_mean_us = 3 * SIM_SECOND,
		.pause_mean_us = SIM_SECOND,
		.pause_length_us = SIM_SECOND / 2,
		.partition_mean_us = SIM_SECOND,
		.partition_length_us = SIM_SECOND,
		.one_way_ppm = 300000,
		.clog_mean_us = SIM_SECOND,
		.clog_length_us = SIM_SECOND / 2,
		.swizzle_mean_us = 3 * SIM_SECOND,
		.clock_mean_us = SIM_SECOND,
		.clock_jump_max_us = 60 * SIM_SECOND,
	};
	*scene = (struct scene){.world = sim_world_create(seed, &options)};
	scene->world->trace.line = count_event;
	scene->world->trace.context = scene;
	for (int i = 0; i <= REPLICAS; i++) {
		for (int peer = 0, n = 0; peer < REPLICAS; peer++)
			if (peer != i)
				scene->specs[i].peers[n++] = addresses[peer];
		scene->specs[i].interval_us = 20 * SIM_MILLISECOND;
		scene->processes[i] = chatter_add(scene->world, names[i], &scene->specs[i]);
		sim_process_start(scene->processes[i]);
	}
	scene->nemesis = sim_nemesis_create(scene->world);
	sim_nemesis_add_group(scene->nemesis, scene->processes, REPLICAS);
	sim_nemesis_add_client(scene->nemesis, scene->processes[REPLICAS]);
	if (left_out != NULL)
		sim_nemesis_leave_out(scene->nemesis, left_out, 512);
	if (schedule != NULL)
		sim_nemesis_listen(scene->nemesis, note_fault, schedule);
	sim_nemesis_start(scene->nemesis);
}

static void scene_end(struct scene *scene)
{
	sim_nemesis_destroy(scene->nemesis);
	sim_world_destroy(scene->world);
}

/* Pings of one second at every process. */
static void listen(struct scene *scene, uint64_t pings[REPLICAS + 1])
{
	for (int i = 0; i <= REPLICAS; i++)
		pings[i] = scene->specs[i].record.pings;
	sim_world_run_for(scene->world, SIM_SECOND);
	for (int i = 0; i <= REPLICAS; i++)
		pings[i] = scene->specs[i].record.pings - pings[i];
}

/*
 * Every kind of fault that is on happens; the client is never crashed; the same seed does
 * it all again.
 */
START_TEST(every_fault_that_is_on_happens)
{
	static struct scene scene;
	uint64_t hash = 0;
	for (int run = 0; run < 2; run++) {
		scene_begin(&scene, 11, NULL, NULL);
		sim_world_run_for(scene.world, 60 * SIM_SECOND);
		ck_assert_uint_gt(scene.crashes, 30);
		ck_assert_uint_gt(scene.pauses, 30);
		ck_assert_uint_gt(scene.cuts, 60);
		ck_assert_uint_gt(scene.clogs, 30);
		ck_assert_uint_gt(scene.clocks, 30);
		ck_assert_uint_eq(scene.specs[REPLICAS].record.starts, 1);
		if (run == 1)
			ck_assert_uint_eq(hash, scene.world->trace.hash);
		hash = scene.world->trace.hash;
		scene_end(&scene);
	}
}
END_TEST

/* When each fault was due, by its number; 0: it did nothing. */
struct schedule {
	uint64_t at_us[512];
	unsigned count;
};

static void note_fault(void *context, const struct sim_nemesis_record *record)
{
	struct schedule *schedule = context;
	ck_assert_uint_gt(strlen(record->text), 0);
	/* A moment that was waited for comes when it comes. */
	if (record->number < 512 && schedule->at_us[record->number] == 0) {
		schedule->at_us[record->number] = record->at_us;
		schedule->count++;
	}
}

/* Leaving some faults out changes neither the time nor the number of the others. */
START_TEST(faults_can_be_left_out)
{
	static struct scene scene;
	struct schedule whole = {0}, part = {0};
	bool left_out[512];
	for (size_t i = 0; i < 512; i++)
		left_out[i] = i % 3 != 0;
	scene_begin(&scene, 5, NULL, &whole);
	sim_world_run_for(scene.world, 30 * SIM_SECOND);
	scene_end(&scene);
	scene_begin(&scene, 5, left_out, &part);
	sim_world_run_for(scene.world, 30 * SIM_SECOND);
	scene_end(&scene);
	ck_assert_uint_gt(part.count, 20);
	ck_assert_uint_gt(whole.count, 2 * part.count);
	for (size_t i = 0; i < 512; i++) {
		if (part.at_us[i] == 0)
			continue;
		ck_assert(!left_out[i]);
		if (whole.at_us[i] != 0)
			ck_assert_uint_eq(part.at_us[i], whole.at_us[i]);
	}
}
END_TEST

/*
 * After stop, what is under way ends at its time: a minute later everything is as it should
 * be.
 */
START_TEST(faults_end_after_stop)
{
	static struct scene scene;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		scene_begin(&scene, seed, NULL, NULL);
		sim_world_run_for(scene.world, 20 * SIM_SECOND);
		sim_nemesis_stop(scene.nemesis);
		sim_world_run_for(scene.world, 60 * SIM_SECOND);
		uint64_t pings[REPLICAS + 1];
		listen(&scene, pings);
		for (int i = 0; i < REPLICAS; i++) {
			ck_assert_int_eq(scene.processes[i]->state, SIM_RUNNING);
			ck_assert_uint_ge(pings[i], 245);
		}
		scene_end(&scene);
	}
}
END_TEST

/* heal_all ends everything at once. */
START_TEST(peace_for_all)
{
	static struct scene scene;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		scene_begin(&scene, seed, NULL, NULL);
		sim_world_run_for(scene.world, 20 * SIM_SECOND);
		sim_nemesis_heal_all(scene.nemesis);
		sim_world_run_for(scene.world, 50 * SIM_MILLISECOND);
		uint64_t pings[REPLICAS + 1];
		listen(&scene, pings);
		for (int i = 0; i < REPLICAS; i++)
			ck_assert_uint_ge(pings[i], 245);
		scene_end(&scene);
	}
}
END_TEST

/*
 * heal_core heals a majority and the client; some seeds leave up to a minority in a bad
 * state for ever.
 */
START_TEST(peace_for_a_core)
{
	static struct scene scene;
	unsigned outcasts = 0;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		scene_begin(&scene, seed, NULL, NULL);
		sim_world_run_for(scene.world, 10 * SIM_SECOND);
		sim_nemesis_heal_core(scene.nemesis);
		sim_world_run_for(scene.world, 50 * SIM_MILLISECOND);
		uint64_t pings[REPLICAS + 1];
		listen(&scene, pings);
		unsigned core = 0;
		for (int i = 0; i < REPLICAS; i++) {
			if (!sim_nemesis_in_core(scene.nemesis, scene.processes[i]))
				continue;
			core++;
			ck_assert_int_eq(scene.processes[i]->state, SIM_RUNNING);
			ck_assert_uint_ge(pings[i], 49 * 3);
		}
		ck_assert_uint_ge(core, 3);
		ck_assert(sim_nemesis_in_core(scene.nemesis, scene.processes[REPLICAS]));
		outcasts += REPLICAS - core;
		scene_end(&scene);
	}
	ck_assert_uint_gt(outcasts, 5);
}
END_TEST
