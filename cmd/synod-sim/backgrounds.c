/* Random faults that are always there, and can be turned off one by one. */
#include "scene.h"

#define BACKGROUND(name, field, nothing) \
	static bool name(struct sim_options *o) \
	{ \
		bool on = o->field != (nothing); \
		o->field = (nothing); \
		return on; \
	}

BACKGROUND(no_loss, network.loss_ppm, 0)
BACKGROUND(no_duplicates, network.duplicate_ppm, 0)
BACKGROUND(no_reordering, network.reorder, false)
BACKGROUND(no_resets, network.reset_ppm, 0)
BACKGROUND(no_bandwidth, network.bytes_per_s, 0)
BACKGROUND(no_single_turns, process.turn_single_ppm, 0)
BACKGROUND(no_drift, process.drift_max_ppm, 0)
BACKGROUND(no_skew, process.wall_skew_max_us, 0)
BACKGROUND(no_slow_operations, disk.faults.slow_ppm, 0)

static bool quick_network(struct sim_options *o)
{
	struct sim_options calm;
	sim_options_calm(&calm);
	bool on = o->network.delay_mean_us > calm.network.delay_mean_us;
	o->network.delay = calm.network.delay;
	o->network.delay_min_us = calm.network.delay_min_us;
	o->network.delay_mean_us = calm.network.delay_mean_us;
	o->network.delay_max_us = calm.network.delay_max_us;
	return on;
}

static bool quick_disks(struct sim_options *o)
{
	struct sim_options calm;
	struct disk_sim_faults faults = o->disk.faults;
	sim_options_calm(&calm);
	bool on = o->disk.sync_us_high > calm.disk.sync_us_high;
	o->disk = calm.disk;
	o->disk.faults = faults;
	return on;
}

const struct scene_background scene_backgrounds[] = {
	{"the network loses messages", no_loss},
	{"the network delivers messages twice", no_duplicates},
	{"messages overtake each other", no_reordering},
	{"connections are reset", no_resets},
	{"the network is narrow", no_bandwidth},
	{"the network is slow, by a distribution with a tail", quick_network},
	{"processes take one input at a time", no_single_turns},
	{"clocks run at different rates", no_drift},
	{"wall clocks differ", no_skew},
	{"some disk operations are slow", no_slow_operations},
	{"syncs are slow", quick_disks},
};
const uint32_t scene_nbackgrounds = sizeof scene_backgrounds / sizeof scene_backgrounds[0];
