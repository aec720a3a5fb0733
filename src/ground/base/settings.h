/*
 * Settings of a daemon: every interval, limit and size that may be changed without compiling, in
 * one table.
 *
 * A setting has one name everywhere: election_timeout_ms in cluster.conf ([cluster] for all nodes,
 * [node X] for one), SYNOD_ELECTION_TIMEOUT_MS in the environment, --election_timeout_ms or
 * --election-timeout-ms as a flag. A later one of these overrides an earlier one (settings_apply).
 *
 * Values are whole numbers. A setting in milliseconds also takes the suffixes ms, s and min, one in
 * bytes KiB, MiB and GiB; a choice takes one of its words. A value outside [min, max] is an error
 * that says what is allowed.
 */
#ifndef SYNOD_BASE_SETTINGS_H
#define SYNOD_BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"

#define SETTING_LOG_LEVELS "debug|info|warn|error|off" /* in the order of enum log_level */
#define SETTING_LOG_FORMATS "logfmt|json"              /* in the order of enum log_format */

/* clang-format off */
#define SETTINGS_MAP(X) \
	/* name, type, default, min, max, choices, help */ \
	X(election_timeout_ms, MILLISECONDS, 150, 20, 60000, NULL, \
	  "a follower that hears no leader for between this and twice this starts an election") \
	X(heartbeat_interval_ms, MILLISECONDS, 30, 5, 20000, NULL, \
	  "a leader sends something to every follower this often") \
	X(read_lease_ms, MILLISECONDS, 0, 0, 60000, NULL, \
	  "a leader may answer reads alone for this long after a majority has heard it; 0: it " \
	  "asks them first") \
	X(wal_segment_bytes, BYTES, 16 * MIB, 64 * KIB, 1024 * MIB, NULL, \
	  "size of one file of the log") \
	X(snapshot_log_bytes, BYTES, 64 * MIB, 64 * KIB, 65536ull * MIB, NULL, \
	  "a snapshot is taken when the log since the last one passes this and the size of " \
	  "that snapshot") \
	X(scrub_interval_ms, MILLISECONDS, 86400000, 0, 2592000000ull, NULL, \
	  "log and newest snapshot are read once more this often, to find damage while it can " \
	  "be repaired; 0: never") \
	X(scrub_bytes_per_s, BYTES, 8 * MIB, 64 * KIB, 65536ull * MIB, NULL, \
	  "and no faster than this, a second") \
	X(log_cache_bytes, BYTES, 4 * MIB, 1 * MIB, 4096ull * MIB, NULL, \
	  "chosen entries kept in memory for lagging peers") \
	X(state_hash_interval_ms, MILLISECONDS, 300000, 0, 2592000000ull, NULL, \
	  "the states of a group's replicas are compared this often; who differs fetches a " \
	  "peer's; 0: never") \
	X(sessions_max, COUNT, SESSIONS_MAX, 16, 1048576, NULL, \
	  "client sessions kept by a group, which follows its leader's setting; the least " \
	  "recently used goes first") \
	X(session_idle_ms, MILLISECONDS, 3600000, 1000, 2592000000ull, NULL, \
	  "an idle client session is forgotten after this time, as its group's leaders live " \
	  "through it") \
	X(ping_interval_ms, MILLISECONDS, 100, 5, 60000, NULL, \
	  "a primary/backup server pings the view service this often") \
	X(dead_pings, COUNT, 5, 2, 1000, NULL, \
	  "and counts as dead after so many intervals without a ping") \
	X(agreement_bytes_max, BYTES, 256 * MIB, 1 * MIB, 65536ull * MIB, NULL, \
	  "memory of a paxosd for agreement instances that are not forgotten; above it new " \
	  "ones are refused") \
	X(agreement_instances_max, COUNT, 65536, 16, 16777216, NULL, "and their number") \
	X(agreement_retry_ms, MILLISECONDS, 100, 5, 60000, NULL, \
	  "a peer that does not answer is asked again after this, up to five times as long") \
	X(agreement_backoff_ms, MILLISECONDS, 10, 1, 10000, NULL, \
	  "first pause of a proposer that has met another one, up to fifty times as long") \
	X(log_values_bytes_max, BYTES, 256 * MIB, 1 * MIB, 65536ull * MIB, NULL, \
	  "values kept by the log service; above it appends are refused until somebody trims") \
	X(key_bytes_max, BYTES, KEY_BYTES_MAX, 1, 64 * KIB, NULL, "longest key") \
	X(value_bytes_max, BYTES, VALUE_BYTES_MAX, 1, COMMAND_BYTES_MAX - 128 * KIB, NULL, \
	  "longest value") \
	X(connect_timeout_ms, MILLISECONDS, 2000, 10, 600000, NULL, \
	  "for a TCP connection to be made") \
	X(hello_timeout_ms, MILLISECONDS, 5000, 10, 600000, NULL, \
	  "for the first frame of each side of a connection") \
	X(frame_timeout_ms, MILLISECONDS, 10000, 10, 600000, NULL, \
	  "from the first to the last byte of one frame") \
	X(write_timeout_ms, MILLISECONDS, 10000, 10, 600000, NULL, \
	  "a peer that takes no output for this long is cut off") \
	X(link_ping_interval_ms, MILLISECONDS, 2000, 10, 600000, NULL, \
	  "a dialled connection that hears nothing this long is probed") \
	X(link_ping_timeout_ms, MILLISECONDS, 3000, 10, 600000, NULL, \
	  "and is cut when the probe stays unanswered this long") \
	X(reconnect_min_ms, MILLISECONDS, 10, 1, 60000, NULL, \
	  "pause after a failed connection, doubled after each failure") \
	X(reconnect_max_ms, MILLISECONDS, 1000, 1, 600000, NULL, \
	  "longest pause between attempts to connect") \
	X(connections_max, COUNT, 4096, 1, 1000000, NULL, \
	  "connections of clients; nodes have their own") \
	X(link_output_bytes_max, BYTES, LINK_OUTPUT_BYTES_MAX, 8 * MIB, 1024 * MIB, NULL, \
	  "a connection with more unsent output than this is cut") \
	X(network_bytes_max, BYTES, 512 * MIB, 64 * MIB, 65536ull * MIB, NULL, \
	  "buffers of all connections together") \
	X(stop_timeout_ms, MILLISECONDS, 5000, 1, 600000, NULL, \
	  "for an orderly shutdown after SIGTERM") \
	X(trace_bytes_max, BYTES, 1024 * MIB, 1 * MIB, 1048576ull * MIB, NULL, \
	  "a trace file that has become so large gets no more events") \
	X(log_level, CHOICE, 1, 0, 4, SETTING_LOG_LEVELS, \
	  "lines below this level are not written") \
	X(log_format, CHOICE, 0, 0, 1, SETTING_LOG_FORMATS, "format of log lines")
/* clang-format on */

/* For modules that can do without a configuration: what the table says, nowhere else. */
#define X(name, type, standard, ...) static const uint64_t setting_default_##name = (standard);
SETTINGS_MAP(X)
#undef X
#define SETTING_DEFAULT(name) (setting_default_##name)

struct settings {
#define X(name, ...) uint64_t name;
	SETTINGS_MAP(X)
#undef X
};

enum setting_index {
#define X(name, ...) SETTING_##name,
	SETTINGS_MAP(X)
#undef X
		SETTINGS_COUNT
};

enum setting_type { SETTING_COUNT, SETTING_MILLISECONDS, SETTING_BYTES, SETTING_CHOICE };

struct setting {
	const char *name;
	enum setting_type type;
	uint64_t standard; /* the default */
	uint64_t min, max;
	/* words separated by '|', for SETTING_CHOICE; the value is the word's position */
	const char *choices;
	size_t offset; /* in struct settings */
	const char *help;
};
extern const struct setting settings_table[SETTINGS_COUNT];

/* The setting of that name, in which '-' may stand for '_'; NULL if there is none. */
const struct setting *setting_find(const char *name);

/*
 * Parses one value. STATUS_CONFIG: malformed or out of range, and `error` says what is wrong and
 * what is allowed ("out of range, allowed 20 … 60000 ms").
 */
int setting_parse(const struct setting *setting, const char *text, uint64_t *out, char *error,
		  size_t error_size) MUST_CHECK;
/* Writes the value as setting_parse reads it; returns out. */
const char *setting_format(const struct setting *setting, uint64_t value, char *out, size_t size);

void settings_default(struct settings *settings);
static inline uint64_t *setting_value(struct settings *settings, const struct setting *setting)
{
	return (uint64_t *)(void *)((char *)settings + setting->offset);
}
static inline size_t setting_number(const struct setting *setting)
{
	return (size_t)(setting - settings_table);
}

/* Conditions between settings. STATUS_CONFIG: `error` names both and their values. */
int settings_check(const struct settings *settings, char *error, size_t error_size) MUST_CHECK;

#endif
