#include <stdio.h>

#include "../support/check_main.h"
#include "base/clusterconf.h"
#include "base/rng.h"

#define GOOD \
	"[cluster]\n" \
	"name = demo\n" \
	"[node m1]\n" \
	"role = shardmaster\n" \
	"listen = 127.0.0.1:7001\n" \
	"dir = run/m1\n"

static struct clusterconf conf;
static char error[1024];

static int parse(const char *text)
{
	error[0] = '\0';
	return clusterconf_parse(&conf, "c.conf", slice_string(text), error, sizeof error);
}

/*
 * Every mistake is refused with a line that names file, line, key, value and what would be right.
 */
START_TEST(every_mistake_names_its_line_and_what_is_right)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", "c.conf:1: key 'name' is missing"},
		{"x = 1\n", "c.conf:1: x = 1: before the first section"},
		{"[claster]\nname = a\n",
		 "c.conf:1: [claster]: unknown section: expected [cluster] or [node NAME]"},
		{"[cluster\nname = a\n", "c.conf:1: '[cluster' is no section"},
		{"[cluster] x\nname = a\n", "c.conf:1: '[cluster] x' is no section"},
		{"[cluster]\nname\n", "c.conf:2: neither a section nor KEY = VALUE nor a comment"},
		{"[cluster]\nname = a\nname = b\n",
		 "c.conf:3: name = b: this key stands already in line 2"},
		{"[cluster]\nname = a b\n", "c.conf:2: name = a b: not a name: 1 to 63 letters"},
		{"[cluster]\nname =\n", "c.conf:2: name = : not a name"},
		{"[cluster]\nname = a\n[cluster]\n",
		 "c.conf:3: [cluster]: this section stands already in line 2"},
		{"[cluster]\nname = a\nid = 12\n",
		 "c.conf:3: id = 12: not a cluster's id: 16 hex digits"},
		{"[cluster]\nname = a\nid = 0000000000000000\n",
		 "c.conf:3: id = 0000000000000000: not a cluster's id"},
		{"[cluster]\nname = a\nid = 00000000000000ag\n",
		 "c.conf:3: id = 00000000000000ag: not a cluster's id"},
		{"[cluster]\nname = a\nid = 0c5d1e2f3a4b5968\nid = 0c5d1e2f3a4b5968\n",
		 "c.conf:4: id = 0c5d1e2f3a4b5968: this key stands already in line 3"},
		{"[cluster]\nname = a\nid = 0c5d1e2f3a4b5968\n[node v]\nrole = viewserver\nlisten "
		 "= a:1\ndir = d\n",
		 "c.conf:3: [cluster]: id: it is that of the shard masters, and the file has none"},
		{"[cluster]\nname = a\nshard = 4\n",
		 "c.conf:3: shard = 4: unknown key in [cluster]"},
		{"[cluster]\nname = a\nshards = 0\n",
		 "c.conf:3: shards = 0: out of range, allowed 1 … 16384"},
		{"[cluster]\nname = a\nshards = 16385\n",
		 "c.conf:3: shards = 16385: out of range, allowed 1 … 16384"},
		{"[cluster]\nname = a\nshards = 8\nshards = 8\n",
		 "c.conf:4: shards = 8: this key stands already in line 3"},
		{GOOD "trace = t\n[node m2]\nrole = shardmaster\nlisten = 127.0.0.1:7002\ndir = "
		      "run/m2\ntrace = t\n",
		 "c.conf:12: trace = t: also trace of [node m1] in line 7"},
		{GOOD "trace =\n", "c.conf:7: trace = : empty"},
		{"[cluster]\nname = a\nshards = many\n",
		 "c.conf:3: shards = many: not a whole number"},
		{"[cluster]\nname = a\nelection_timeout_ms = 5\n",
		 "c.conf:3: election_timeout_ms = 5: out of range, allowed 20 … 60000 ms"},
		{"[cluster]\nname = a\nelection_timeout_ms = -5\n",
		 "c.conf:3: election_timeout_ms = -5: not a whole number of ms"},
		{"[cluster]\nname = a\nelection_timeout_ms = 1.5\n",
		 "election_timeout_ms = 1.5: not a whole number of ms"},
		{"[cluster]\nname = a\nelection_timeout_ms = 0x20\n",
		 "election_timeout_ms = 0x20: not a whole number of ms"},
		{"[cluster]\nname = a\nelection_timeout_ms = 200MiB\n",
		 "election_timeout_ms = 200MiB: not a whole number of ms"},
		{"[cluster]\nname = a\nwal_segment_bytes = 99999999999999999999\n",
		 "wal_segment_bytes = 99999999999999999999: out of range, allowed 65536 … "
		 "1073741824 "
		 "bytes"},
		{"[cluster]\nname = a\nwal_segment_bytes = 18446744073709551615GiB\n",
		 "out of range"},
		{"[cluster]\nname = a\nelection-timeout-ms = 200\n",
		 "election-timeout-ms = 200: unknown key in [cluster]"},
		{"[cluster]\nname = a\nlog_level = loud\n",
		 "c.conf:3: log_level = loud: not one of debug|info|warn|error|off"},
		{"[cluster]\nname = a\nlog_level = warn|error\n",
		 "not one of debug|info|warn|error|off"},
		{"[cluster]\nname = a\nlog_level = info\nlog_level = info\n",
		 "c.conf:4: log_level = info: this key stands already in line 3"},
		{"[cluster]\nname = a\nheartbeat_interval_ms = 100\n",
		 "heartbeat_interval_ms = 100 is more than half of election_timeout_ms = 150"},
		{"[cluster]\nname = a\nread_lease_ms = 151\n",
		 "read_lease_ms = 151 is more than election_timeout_ms = 150"},
		{"[cluster]\nname = a\nread_lease_ms = 59\n",
		 "read_lease_ms = 59 is less than twice heartbeat_interval_ms = 30"},
		{"[cluster]\nname = a\nreconnect_min_ms = 2000\n",
		 "reconnect_min_ms = 2000 is more than reconnect_max_ms = 1000"},
		{GOOD "[node m1]\n", "c.conf:7: [node m1]: this node stands already in line 3"},
		{GOOD "[node ]\n", "c.conf:7: [node ]: not a name"},
		{GOOD "[node -x]\n", "c.conf:7: [node -x]: not a name"},
		{GOOD "[node x]\n", "c.conf:7: [node x]: key 'role' is missing"},
		{GOOD "[node x]\nrole = master\n",
		 "c.conf:8: role = master: unknown role: expected shardmaster, shardkv"},
		{GOOD "[node x]\nrole = shardmaster\ndir = x\n",
		 "c.conf:7: [node x]: key 'listen' is missing"},
		{GOOD "[node x]\nrole = shardmaster\nlisten = h:1\n",
		 "c.conf:7: [node x]: key 'dir' is missing"},
		{GOOD "[node x]\nrole = shardkv\nlisten = h:1\ndir = x\n",
		 "c.conf:7: [node x]: key 'group' is missing"},
		{GOOD "[node x]\nrole = shardmaster\ngroup = 1\nlisten = h:1\ndir = x\n",
		 "[node x]: group = 1: only shardkv nodes"},
		{GOOD "[node x]\ngroup = 0\n",
		 "c.conf:8: group = 0: out of range, allowed 1 … 4294967295"},
		{GOOD "[node x]\nreplica = 256\n",
		 "c.conf:8: replica = 256: out of range, allowed 1 … 255"},
		{GOOD "[node x]\nlisten = 127.0.0.1\n",
		 "c.conf:8: listen = 127.0.0.1: not an address: expected HOST:PORT"},
		{GOOD "[node x]\nlisten = h:0\n", "not an address"},
		{GOOD "[node x]\nlisten = h:65536\n", "not an address"},
		{GOOD "[node x]\nlisten = :7001\n", "not an address"},
		{GOOD "[node x]\nlisten = ::1:7001\n", "not an address"},
		{GOOD "[node x]\nhttp = h/x:7001\n", "c.conf:8: http = h/x:7001: not an address"},
		{GOOD "[node x]\ndir =\n", "c.conf:8: dir = : empty"},
		{GOOD "[node x]\nlsiten = h:1\n",
		 "c.conf:8: lsiten = h:1: unknown key in [node x]"},
		{GOOD "[node x]\nname = y\n", "c.conf:8: name = y: unknown key in [node x]"},
		{GOOD "[node x]\nrole = shardmaster\nlisten = 127.0.0.1:7001\ndir = x\n",
		 "c.conf:9: listen = 127.0.0.1:7001: also listen of [node m1] in line 5"},
		{GOOD "[node x]\nrole = shardmaster\nlisten = h:1\nhttp = h:1\ndir = x\n",
		 "h:1: also "},
		{GOOD "[node x]\nrole = shardmaster\nlisten = h:1\ndir = run/m1\n",
		 "c.conf:10: dir = run/m1: also dir of [node m1] in line 6"},
		{GOOD "[node x]\nrole = shardmaster\nreplica = 9\nlisten = h:1\ndir = x\n"
		      "[node y]\nrole = shardmaster\nreplica = 9\nlisten = h:2\ndir = y\n",
		 "c.conf:12: [node y]: replica = 9 is also [node x]"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ck_assert_msg(parse(cases[i].text) == STATUS_CONFIG, "accepted: %s", cases[i].text);
		ck_assert_msg(strstr(error, cases[i].message) != NULL,
			      "case %zu says '%s', not '%s'", i, error, cases[i].message);
		ck_assert_ptr_null(strchr(error, '\n'));
	}
}
END_TEST

/* Comments, blank lines, indentation, a byte order mark and carriage returns change nothing. */
START_TEST(blank_lines_and_indentation_change_nothing)
{
	ck_assert_int_eq(parse("\xef\xbb\xbf; a comment\r\n\r\n   [cluster] ; here\r\n\t name\t=  "
			       "demo   ; and here\r\n# and so on\r\n  [node   m1]\r\n   "
			       "role=shardmaster\r\n   listen = [::1]:7001\r\n   dir = a dir\r\n"),
			 0);
	ck_assert_str_eq(conf.name, "demo");
	ck_assert_uint_eq(conf.nnodes, 1);
	ck_assert_str_eq(conf.nodes[0].name, "m1");
	ck_assert_str_eq(conf.nodes[0].listen, "[::1]:7001");
	ck_assert_uint_eq(conf.nodes[0].listen_line, 8);
	ck_assert_str_eq(conf.nodes[0].dir, "a dir");
	ck_assert_uint_eq(conf.shards, SHARDS_DEFAULT);
	clusterconf_free(&conf);
}
END_TEST

/* A long comment is no error, a long value is: it would be cut. */
START_TEST(a_long_comment_is_fine_and_a_long_value_is_not)
{
	ck_assert_int_eq(parse(GOOD), 0);
	ck_assert_uint_eq(conf.id, 0);
	clusterconf_free(&conf);
	ck_assert_int_eq(parse("[cluster]\nid = 0C5d1e2f3a4b5968\nname = demo\n[node m1]\nrole = "
			       "shardmaster\nlisten = 127.0.0.1:7001\ndir = run/m1\n"),
			 0);
	ck_assert_uint_eq(conf.id, 0x0c5d1e2f3a4b5968);
	clusterconf_free(&conf);
}
END_TEST

/* A comment may have any length; a setting that would be cut is refused with its line. */
START_TEST(a_long_comment_is_fine_and_a_long_setting_is_refused)
{
	char text[4096];
	snprintf(text, sizeof text, ";%01000d\n%s", 0, GOOD);
	ck_assert_int_eq(parse(text), 0);
	clusterconf_free(&conf);
	snprintf(text, sizeof text, "%s[node x]\ndir = %01000d\n", GOOD, 0);
	ck_assert_int_eq(parse(text), STATUS_CONFIG);
	ck_assert_ptr_nonnull(strstr(error, "c.conf:8: longer than"));
}
END_TEST

/* A zero byte is refused: the rest of its line would silently be lost. */
START_TEST(a_zero_byte_is_refused)
{
	static const char text[] = "[cluster]\nname = de\0mo\n";
	error[0] = '\0';
	ck_assert_int_eq(clusterconf_parse(&conf, "c.conf", slice(text, sizeof text - 1), error,
					   sizeof error),
			 STATUS_CONFIG);
	ck_assert_ptr_nonnull(strstr(error, "c.conf:2: a zero byte"));
}
END_TEST

/*
 * A node's settings are its own, else those of [cluster], else the defaults, wherever in the file
 * [cluster] stands; lines are kept.
 */
START_TEST(a_nodes_own_settings_win_over_those_of_the_cluster)
{
	ck_assert_int_eq(
		parse("[node a]\nrole = shardkv\ngroup = 3\nlisten = h:1\ndir = a\nlog_level = "
		      "debug\nelection_timeout_ms = 1s\n"
		      "[cluster]\nname = demo\nshards = 16\nelection_timeout_ms = "
		      "400\nlog_cache_bytes = 16MiB\n"),
		0);
	const struct clusterconf_node *a = clusterconf_find(&conf, "a");
	ck_assert_uint_eq(a->settings.election_timeout_ms, 1000);
	ck_assert_uint_eq(a->setting_lines[SETTING_election_timeout_ms], 7);
	ck_assert_uint_eq(a->settings.log_level, 0);
	ck_assert_uint_eq(a->settings.log_cache_bytes, 16 * MIB);
	ck_assert_uint_eq(a->setting_lines[SETTING_log_cache_bytes], 12);
	ck_assert_uint_eq(a->settings.heartbeat_interval_ms, 30);
	ck_assert_uint_eq(a->setting_lines[SETTING_heartbeat_interval_ms], 0);
	ck_assert_uint_eq(conf.settings.election_timeout_ms, 400);
	ck_assert_uint_eq(conf.shards, 16);
	clusterconf_free(&conf);
}
END_TEST

/*
 * Replicas are numbered by their position among the nodes of the same role and group, unless they
 * say otherwise.
 */
START_TEST(replicas_are_numbered_by_their_position)
{
	ck_assert_int_eq(
		parse("[cluster]\nname = d\n"
		      "[node m1]\nrole = shardmaster\nlisten = h:1\ndir = 1\n"
		      "[node a]\nrole = shardkv\ngroup = 1\nlisten = h:2\ndir = 2\n"
		      "[node b]\nrole = shardkv\ngroup = 2\nlisten = h:3\ndir = 3\n"
		      "[node c]\nrole = shardkv\ngroup = 1\nreplica = 5\nlisten = h:4\ndir = 4\n"
		      "[node d]\nrole = shardkv\ngroup = 1\nlisten = h:5\ndir = 5\n"
		      "[node m2]\nrole = shardmaster\nlisten = h:6\ndir = 6\n"),
		0);
	static const struct {
		const char *name;
		uint32_t replica;
	} expected[] = {{"m1", 1}, {"a", 1}, {"b", 1}, {"c", 5}, {"d", 3}, {"m2", 2}};
	for (size_t i = 0; i < 6; i++)
		ck_assert_uint_eq(clusterconf_find(&conf, expected[i].name)->replica,
				  expected[i].replica);
	const struct clusterconf_node *node = NULL;
	uint32_t count = 0;
	while ((node = clusterconf_next(&conf, ROLE_SHARDKV, 1, node)) != NULL)
		count++;
	ck_assert_uint_eq(count, 3);
	clusterconf_free(&conf);
	/*
	 * A position that is another one's number gives way: the group may have begun with other
	 * sections.
	 */
	ck_assert_int_eq(
		parse("[cluster]\nname = d\n"
		      "[node m1]\nrole = shardmaster\nlisten = h:1\ndir = 1\n"
		      "[node m3]\nrole = shardmaster\nlisten = h:3\ndir = 3\n"
		      "[node m2]\nrole = shardmaster\nreplica = 2\nlisten = h:2\ndir = 2\n"
		      "[node m9]\nrole = shardmaster\nreplica = 255\nlisten = h:9\ndir = 9\n"),
		0);
	ck_assert_uint_eq(clusterconf_find(&conf, "m1")->replica, 1);
	ck_assert_uint_eq(clusterconf_find(&conf, "m3")->replica, 3);
	ck_assert_uint_eq(clusterconf_find(&conf, "m2")->replica, 2);
	ck_assert_uint_eq(clusterconf_find(&conf, "m9")->replica, 255);
	clusterconf_free(&conf);
}
END_TEST

/* More nodes than a group can have are refused. */
START_TEST(more_nodes_than_a_group_can_have_are_refused)
{
	struct buffer text = {0};
	buffer_format(&text, "[cluster]\nname = d\n");
	for (unsigned i = 1; i <= MEMBERS_MAX + 1; i++)
		buffer_format(&text, "[node m%u]\nrole = shardmaster\nlisten = h:%u\ndir = %u\n", i,
			      i, i);
	ck_assert_int_eq(
		clusterconf_parse(&conf, "c.conf", buffer_slice(&text), error, sizeof error),
		STATUS_CONFIG);
	ck_assert_ptr_nonnull(
		strstr(error, "[node m13]: more than 12 nodes of one role and group"));
	buffer_free(&text);
}
END_TEST

/*
 * Each setting's default is parsed back from how it is printed, and its limits are accepted while
 * what is beyond is not.
 */
START_TEST(each_default_and_limit_is_parsed_back)
{
	for (size_t i = 0; i < SETTINGS_COUNT; i++) {
		const struct setting *setting = &settings_table[i];
		char text[64];
		uint64_t value = 0;
		const uint64_t good[] = {setting->standard, setting->min, setting->max};
		for (size_t k = 0; k < 3; k++) {
			setting_format(setting, good[k], text, sizeof text);
			ck_assert_int_eq(setting_parse(setting, text, &value, error, sizeof error),
					 0);
			ck_assert_uint_eq(value, good[k]);
		}
		if (setting->type == SETTING_CHOICE)
			continue;
		snprintf(text, sizeof text, "%llu", (unsigned long long)setting->max + 1);
		ck_assert_int_eq(setting_parse(setting, text, &value, error, sizeof error),
				 STATUS_CONFIG);
		if (setting->min > 0) {
			snprintf(text, sizeof text, "%llu", (unsigned long long)setting->min - 1);
			ck_assert_int_eq(setting_parse(setting, text, &value, error, sizeof error),
					 STATUS_CONFIG);
		}
	}
	ck_assert_ptr_nonnull(setting_find("log-level"));
	ck_assert_ptr_eq(setting_find("log-level"), setting_find("log_level"));
	ck_assert_ptr_null(setting_find("log"));
	ck_assert_ptr_null(setting_find("log_levels"));
}
END_TEST

/*
 * Whatever is done to the bytes of a file, it is read or refused with a line, and nothing else
 * happens.
 */
START_TEST(a_damaged_file_is_read_or_refused_with_a_line)
{
	static const char good[] = GOOD "[node a]\nrole = shardkv\ngroup = 1\nreplica = 2\nlisten "
					"= h:1\nhttp = h:2\ndir = a\n"
					"log_level = debug\nwal_segment_bytes = 8MiB ; small\n";
	static const char bytes[] = "[]=;# \n\r\t0129:.azAZ\0\xff";
	struct rng rng;
	char text[sizeof good];
	uint32_t accepted = 0;
	rng_seed(&rng, 5);
	for (int round = 0; round < 20000; round++) {
		memcpy(text, good, sizeof good);
		size_t len = rng_chance(&rng, 200000) ? rng_below(&rng, sizeof good)
						      : sizeof good - 1;
		for (uint64_t n = rng_below(&rng, 4); n > 0 && len > 0; n--)
			text[rng_below(&rng, len)] = bytes[rng_below(&rng, sizeof bytes - 1)];
		error[0] = '\0';
		int status = clusterconf_parse(&conf, "c.conf", slice(text, len), error,
					       sizeof error);
		ck_assert(status == 0 ||
			  (status == STATUS_CONFIG && strncmp(error, "c.conf:", 7) == 0));
		if (status == 0)
			clusterconf_free(&conf);
		accepted += status == 0;
	}
	ck_assert_uint_gt(accepted, 100);
	ck_assert_uint_lt(accepted, 19000);
}
END_TEST
