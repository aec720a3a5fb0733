/* How descriptors are shared out when a daemon starts. */
#include "host/descriptors.h"

#include <stdio.h>

#include "../support/check_main.h"

static struct clusterconf_node nodes[12];
static struct clusterconf conf = {.nodes = nodes, .nnodes = 12};

/* Three masters, three groups of three. */
static void make_conf(void)
{
	for (uint32_t i = 0; i < 12; i++)
		nodes[i] = (struct clusterconf_node){.role = i < 3 ? ROLE_SHARDMASTER
								   : ROLE_SHARDKV,
						     .group = i < 3 ? 0 : i / 3,
						     .http = "127.0.0.1:1"};
}

/*
 * faults: 97. What connections and the endpoint get never takes what is needed otherwise; a large
 * limit changes nothing.
 */
START_TEST(shares_never_take_what_is_needed_otherwise)
{
	struct descriptor_plan plan;
	char error[300];
	const uint64_t joiners = 2 * (MEMBERS_MAX - 3);
	make_conf();
	for (uint64_t limit = 70; limit < 70000; limit++) {
		ck_assert_int_eq(
			descriptors_plan(&plan, limit, &conf, &nodes[3], 4096, error, sizeof error),
			0);
		uint64_t taken = plan.http + plan.connections_max + plan.connections_max / 8;
		CHECK_THAT(taken + 26 + 12 + 13 + limit / 16 <= limit, "limit %lu",
			   (unsigned long)limit);
		/* The group can grow as far as it may. */
		CHECK_THAT(limit < 256 || taken + 26 + 12 + 13 + joiners + limit / 16 <= limit,
			   "limit %lu", (unsigned long)limit);
		CHECK_THAT(plan.connections_max >= 5 && plan.connections_max <= 4096 &&
				   plan.http >= 2 && plan.http <= 128,
			   "limit %lu", (unsigned long)limit);
	}
	ck_assert_uint_eq(plan.connections_max, 4096);
	ck_assert_uint_eq(plan.http, 128);
	nodes[3].http = NULL;
	ck_assert_int_eq(descriptors_plan(&plan, 1024, &conf, &nodes[3], 10, error, sizeof error),
			 0);
	ck_assert_uint_eq(plan.http, 0);
	ck_assert_uint_eq(plan.connections_max, 10);
}
END_TEST

/* faults: 97. Too few for the least that is needed: said at once, with the number. */
START_TEST(too_few_descriptors_are_said_at_once)
{
	struct descriptor_plan plan;
	char error[300], number[32];
	uint64_t limit = 0;
	make_conf();
	while (descriptors_plan(&plan, limit, &conf, &nodes[3], 4096, error, sizeof error) != 0)
		limit++;
	ck_assert_uint_lt(limit, 70);
	ck_assert_int_eq(
		descriptors_plan(&plan, limit - 1, &conf, &nodes[3], 4096, error, sizeof error),
		STATUS_CONFIG);
	snprintf(number, sizeof number, "needs %u ", (unsigned)limit);
	ck_assert_ptr_nonnull(strstr(error, number));
	ck_assert_ptr_nonnull(strstr(error, "ulimit -n"));
}
END_TEST
