/* What of a world is drawn from its seed. */
#include "sim/options.h"

#include <stddef.h>
#include <string.h>

#include "base/rng.h"
#include "sim/world.h"

void sim_options_calm(struct sim_options *options)
{
	*options = (struct sim_options){
		.network =
			{
				.delay = SIM_DELAY_UNIFORM,
				.delay_min_us = 100,
				.delay_mean_us = 300,
				.delay_max_us = 1000,
				.duplicate_delay_max_us = 100 * SIM_MILLISECOND,
				.timeout_min_us = 1 * SIM_SECOND,
				.timeout_max_us = 3 * SIM_SECOND,
			},
		.process = {.turn_cost_max_us = 20},
		.disk = {.write_us_low = 20,
			 .write_us_high = 60,
			 .sync_us_low = 80,
			 .sync_us_high = 200},
	};
}

/* ---- drawing ---- */

/*
 * A fault is on in `percent` of the seeds; then its strength is drawn between low and high, small
 * ones more often.
 */
static uint64_t maybe(struct rng *rng, unsigned percent, uint64_t low, uint64_t high)
{
	bool on = rng_below(rng, 100) < percent;
	/* Drawn even if off: which faults are on does not change the strength of the others. */
	uint64_t span = high - low;
	uint64_t a = rng_below(rng, span + 1), b = rng_below(rng, span + 1);
	return on ? low + (a < b ? a : b) : 0;
}

static void draw_network(struct sim_network_options *o, struct rng *rng)
{
	o->delay = (enum sim_delay)rng_below(rng, 3);
	o->delay_min_us = rng_range(rng, 50, 500);
	/* Mostly a machine room; sometimes so slow that elections and rounds overlap. */
	uint64_t slow_us = maybe(rng, 30, 5 * SIM_MILLISECOND, 80 * SIM_MILLISECOND);
	o->delay_mean_us = o->delay_min_us + rng_range(rng, 100, 5 * SIM_MILLISECOND) + slow_us;
	o->delay_max_us = o->delay_mean_us * rng_range(rng, 2, 100);
	o->bytes_per_s = maybe(rng, 25, 1000000, 100000000);
	o->reorder = rng_below(rng, 100) < 70;
	o->loss_ppm = (uint32_t)maybe(rng, 80, 1000, 200000);
	o->duplicate_ppm = (uint32_t)maybe(rng, 72, 1000, 200000);
	o->duplicate_delay_max_us = rng_range(rng, 1, 2 * SIM_SECOND);
	o->reset_ppm = (uint32_t)maybe(rng, 68, 100, 50000);
	o->timeout_min_us = rng_range(rng, 100 * SIM_MILLISECOND, 2 * SIM_SECOND);
	o->timeout_max_us = o->timeout_min_us + rng_range(rng, 0, 5 * SIM_SECOND);
}

static void draw_process(struct sim_process_options *o, struct rng *rng)
{
	o->turn_single_ppm = (uint32_t)maybe(rng, 50, 10000, 1000000);
	o->turn_cost_max_us = rng_range(rng, 0, 200);
	o->drift_max_ppm = (uint32_t)maybe(rng, 70, 10, 50000);
	o->wall_skew_max_us = maybe(rng, 50, SIM_MILLISECOND, 3600 * SIM_SECOND);
}

static void draw_disk(struct sim_disk_options *o, struct rng *rng)
{
	o->write_us_low = rng_range(rng, 1, 50);
	o->write_us_high = o->write_us_low + rng_range(rng, 0, 500);
	o->sync_us_low = rng_range(rng, 1, 200);
	o->sync_us_high = o->sync_us_low + maybe(rng, 70, 1, 20 * SIM_MILLISECOND);
	o->faults.slow_ppm = (uint32_t)maybe(rng, 50, 100, 10000);
	o->faults.slow_us = rng_range(rng, 10 * SIM_MILLISECOND, SIM_SECOND);
}

/* Faults so short and so close together that one meets the recovery from another. */
static void make_storm(struct sim_nemesis_options *o, uint64_t factor)
{
	uint64_t *times[] = {
		&o->crash_mean_us,        &o->down_mean_us,          &o->stop_mean_us,
		&o->pause_mean_us,        &o->pause_length_us,       &o->partition_mean_us,
		&o->partition_length_us,  &o->clog_mean_us,          &o->clog_length_us,
		&o->swizzle_mean_us,      &o->disk_mean_us,          &o->slow_disk_mean_us,
		&o->disk_errors_mean_us,  &o->full_disk_mean_us,     &o->damage_mean_us,
		&o->client_crash_mean_us, &o->crash_at_send_mean_us, &o->deaf_mean_us,
		&o->drift_mean_us,        &o->hand_over_mean_us,
	};
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
		*times[i] /= factor;
}

static void draw_nemesis(struct sim_nemesis_options *o, struct rng *rng)
{
	o->crash_mean_us = maybe(rng, 90, SIM_SECOND, 20 * SIM_SECOND);
	o->power_ppm = (uint32_t)rng_below(rng, 1000001);
	o->crash_all_ppm = (uint32_t)maybe(rng, 55, 10000, 300000);
	o->down_mean_us = rng_range(rng, 10 * SIM_MILLISECOND, 5 * SIM_SECOND);
	o->stop_mean_us = maybe(rng, 70, 2 * SIM_SECOND, 20 * SIM_SECOND);
	o->pause_mean_us = maybe(rng, 78, SIM_SECOND, 20 * SIM_SECOND);
	o->pause_length_us = rng_range(rng, 10 * SIM_MILLISECOND, 3 * SIM_SECOND);
	o->partition_mean_us = maybe(rng, 86, SIM_SECOND, 15 * SIM_SECOND);
	o->partition_length_us = rng_range(rng, 100 * SIM_MILLISECOND, 8 * SIM_SECOND);
	o->one_way_ppm = (uint32_t)maybe(rng, 65, 100000, 1000000);
	o->clog_mean_us = maybe(rng, 78, 500 * SIM_MILLISECOND, 10 * SIM_SECOND);
	o->clog_length_us = rng_range(rng, 10 * SIM_MILLISECOND, 2 * SIM_SECOND);
	o->swizzle_mean_us = maybe(rng, 68, 2 * SIM_SECOND, 20 * SIM_SECOND);
	o->clock_mean_us = maybe(rng, 72, SIM_SECOND, 20 * SIM_SECOND);
	o->clock_jump_max_us = rng_range(rng, SIM_MILLISECOND, 3600 * SIM_SECOND);
	o->disk_mean_us = maybe(rng, 80, 3 * SIM_SECOND, 30 * SIM_SECOND);
	o->slow_disk_mean_us = maybe(rng, 70, 2 * SIM_SECOND, 20 * SIM_SECOND);
	o->disk_errors_mean_us = maybe(rng, 75, 2 * SIM_SECOND, 20 * SIM_SECOND);
	o->full_disk_mean_us = maybe(rng, 80, 5 * SIM_SECOND, 30 * SIM_SECOND);
	o->damage_mean_us = maybe(rng, 92, 2 * SIM_SECOND, 20 * SIM_SECOND);
	o->client_crash_mean_us = maybe(rng, 75, 2 * SIM_SECOND, 20 * SIM_SECOND);
	o->drift_mean_us = maybe(rng, 80, SIM_SECOND, 20 * SIM_SECOND);
	o->crash_at_send_mean_us = maybe(rng, 75, SIM_SECOND, 10 * SIM_SECOND);
	o->deaf_mean_us = maybe(rng, 80, SIM_SECOND, 6 * SIM_SECOND);
	o->hand_over_mean_us = maybe(rng, 75, SIM_SECOND / 4, 5 * SIM_SECOND);
	if (rng_below(rng, 100) < 30)
		make_storm(o, rng_range(rng, 3, 15));
}

/* From a stream of their own: they came later. */
static void draw_later_nemeses(struct sim_nemesis_options *o, struct rng *rng)
{
	o->hung_disk_mean_us = maybe(rng, 60, SIM_SECOND, 15 * SIM_SECOND);
	o->hung_disk_length_us = rng_range(rng, 100 * SIM_MILLISECOND, 6 * SIM_SECOND);
	o->hung_for_good_ppm = (uint32_t)maybe(rng, 50, 100000, 1000000);
	o->exchange_mean_us = maybe(rng, 25, 10 * SIM_SECOND, 60 * SIM_SECOND);
	o->reelect_mean_us = maybe(rng, 60, SIM_SECOND / 2, 6 * SIM_SECOND);
}

void sim_options_draw(struct sim_options *options, uint64_t seed)
{
	struct rng seeds, rng;
	sim_options_calm(options);
	/*
	 * A stream for each part: an option added to one leaves the others of old seeds as they
	 * were.
	 */
	rng_seed(&seeds, seed ^ 0x6f7074696f6e73ull);
	rng_seed(&rng, rng_next(&seeds));
	draw_network(&options->network, &rng);
	rng_seed(&rng, rng_next(&seeds));
	draw_process(&options->process, &rng);
	rng_seed(&rng, rng_next(&seeds));
	draw_disk(&options->disk, &rng);
	rng_seed(&rng, rng_next(&seeds));
	draw_nemesis(&options->nemesis, &rng);
	rng_seed(&rng, rng_next(&seeds));
	draw_later_nemeses(&options->nemesis, &rng);
	/* Younger than the seeds that are known by their number: of a stream of its own. */
	rng_seed(&rng, seed ^ 0x6d656d62657273ull);
	options->nemesis.members_mean_us = maybe(&rng, 50, 2 * SIM_SECOND, 20 * SIM_SECOND);
	options->nemesis.wipe_mean_us = maybe(&rng, 60, 300 * SIM_MILLISECOND, 8 * SIM_SECOND);
	rng_seed(&rng, seed ^ 0x7374616c65ull);
	options->nemesis.stale_mean_us = maybe(&rng, 50, 200 * SIM_MILLISECOND, 4 * SIM_SECOND);
	rng_seed(&rng, seed ^ 0x7265706c616365ull);
	options->nemesis.replace_mean_us = maybe(&rng, 50, 200 * SIM_MILLISECOND, 6 * SIM_SECOND);
	rng_seed(&rng, seed ^ 0x64657363726970ull);
	options->nemesis.no_descriptor_mean_us = maybe(&rng, 60, SIM_SECOND, 15 * SIM_SECOND);
	options->nemesis.no_descriptor_length_us = rng_range(&rng, 100 * SIM_MILLISECOND,
							     6 * SIM_SECOND);
	rng_seed(&rng, seed ^ 0x67726f7570ull);
	options->nemesis.group_disks_mean_us = maybe(&rng, 60, 2 * SIM_SECOND, 20 * SIM_SECOND);
	options->nemesis.group_disks_length_us = rng_range(&rng, 100 * SIM_MILLISECOND,
							   6 * SIM_SECOND);
	rng_seed(&rng, seed ^ 0x666f726365ull);
	options->nemesis.force_mean_us = maybe(&rng, 50, 2 * SIM_SECOND, 20 * SIM_SECOND);
}

/* ---- printing ---- */

struct option {
	const char *name;
	size_t offset;
	size_t size;
};

#define OPTION(field) \
	{ \
#field, offsetof(struct sim_options, field), \
			sizeof(((struct sim_options *)0)->field) \
	}

static const struct option table[] = {
	OPTION(network.delay),
	OPTION(network.delay_min_us),
	OPTION(network.delay_mean_us),
	OPTION(network.delay_max_us),
	OPTION(network.bytes_per_s),
	OPTION(network.reorder),
	OPTION(network.loss_ppm),
	OPTION(network.duplicate_ppm),
	OPTION(network.duplicate_delay_max_us),
	OPTION(network.reset_ppm),
	OPTION(network.timeout_min_us),
	OPTION(network.timeout_max_us),
	OPTION(process.turn_single_ppm),
	OPTION(process.turn_cost_max_us),
	OPTION(process.drift_max_ppm),
	OPTION(process.wall_skew_max_us),
	OPTION(disk.write_us_low),
	OPTION(disk.write_us_high),
	OPTION(disk.sync_us_low),
	OPTION(disk.sync_us_high),
	OPTION(disk.faults.read_error_ppm),
	OPTION(disk.faults.write_error_ppm),
	OPTION(disk.faults.sync_error_ppm),
	OPTION(disk.faults.misdirect_ppm),
	OPTION(disk.faults.lost_write_ppm),
	OPTION(disk.faults.slow_ppm),
	OPTION(disk.faults.slow_us),
	OPTION(disk.faults.space_bytes),
	OPTION(disk.faults.name_error_ppm),
	OPTION(nemesis.crash_mean_us),
	OPTION(nemesis.power_ppm),
	OPTION(nemesis.crash_all_ppm),
	OPTION(nemesis.down_mean_us),
	OPTION(nemesis.stop_mean_us),
	OPTION(nemesis.pause_mean_us),
	OPTION(nemesis.pause_length_us),
	OPTION(nemesis.partition_mean_us),
	OPTION(nemesis.partition_length_us),
	OPTION(nemesis.one_way_ppm),
	OPTION(nemesis.clog_mean_us),
	OPTION(nemesis.clog_length_us),
	OPTION(nemesis.swizzle_mean_us),
	OPTION(nemesis.clock_mean_us),
	OPTION(nemesis.clock_jump_max_us),
	OPTION(nemesis.disk_mean_us),
	OPTION(nemesis.slow_disk_mean_us),
	OPTION(nemesis.disk_errors_mean_us),
	OPTION(nemesis.full_disk_mean_us),
	OPTION(nemesis.damage_mean_us),
	OPTION(nemesis.beyond),
	OPTION(nemesis.client_crash_mean_us),
	OPTION(nemesis.crash_at_send_mean_us),
	OPTION(nemesis.deaf_mean_us),
	OPTION(nemesis.hand_over_mean_us),
	OPTION(nemesis.drift_mean_us),
	OPTION(nemesis.hung_disk_mean_us),
	OPTION(nemesis.hung_disk_length_us),
	OPTION(nemesis.hung_for_good_ppm),
	OPTION(nemesis.exchange_mean_us),
	OPTION(nemesis.reelect_mean_us),
	OPTION(nemesis.members_mean_us),
	OPTION(nemesis.wipe_mean_us),
	OPTION(nemesis.stale_mean_us),
	OPTION(nemesis.replace_mean_us),
	OPTION(nemesis.no_descriptor_mean_us),
	OPTION(nemesis.no_descriptor_length_us),
	OPTION(nemesis.group_disks_mean_us),
	OPTION(nemesis.group_disks_length_us),
	OPTION(nemesis.force_mean_us),
};

static uint64_t option_value(const struct sim_options *options, const struct option *option)
{
	const char *at = (const char *)options + option->offset;
	uint64_t value = 0;
	ASSERT(option->size <= sizeof value);
	memcpy(&value, at, option->size); /* little-endian, see base/bytes.h */
	return value;
}

void sim_options_format(const struct sim_options *options, struct buffer *out)
{
	struct sim_options calm;
	const char *separator = "";
	sim_options_calm(&calm);
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		uint64_t value = option_value(options, &table[i]);
		if (value == option_value(&calm, &table[i]))
			continue;
		buffer_format(out, "%s%s=%llu", separator, table[i].name,
			      (unsigned long long)value);
		separator = " ";
	}
	if (*separator == '\0')
		buffer_format(out, "calm");
}
