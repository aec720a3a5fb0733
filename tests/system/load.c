/*
 * load: clients that write to a cluster without pause while a test breaks it, and then check what
 * became of it.
 *
 *   load --config cluster.conf [--clients N] [--rate OPS] [--timeout-ms T] [--progress FILE]
 *   [--verify-s S] [--prefix P] [--pb]
 *
 * Each client is a thread with a handle (so, a session) of its own. In turn n it appends
 * "CLIENT:n;" to one of a few keys that all clients share at that time, puts n to a key of its own,
 * and reads both. It runs until SIGTERM, then reads everything back. With --pb all of it goes to
 * the primary of the view instead of the shards. All keys begin with P (default "load"), and must
 * be new. FILE holds how many writes were acknowledged up to now, so that a test can wait for
 * progress.
 *
 * Checked while it runs:
 *   a value read from a shared key (or answered by an append) extends every value that anybody had
 *   got before the request was sent: nothing acknowledged is lost, no read is stale, there is one
 *   history; an append's answer ends with the item;
 *   a private key holds the last acknowledged put, or one of unknown outcome.
 * Checked in the end:
 *   every acknowledged append is there, once; one of unknown outcome at most once; one refused, or
 *   never sent, not at all; the acknowledged appends of a client are in the order in which it made
 *   them, and none comes behind an item made after it.
 *
 * Exit codes: 0 all of that holds · 1 violated (shown on stderr) · 3 could not read everything back
 * in time · 64 usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "synod.h"

#define CLIENTS_MAX 64u
#define TURNS_MAX 200000u
#define SHARED_AT_ONCE 4u  /* shared keys in use at one time */
#define TURNS_A_ROUND 200u /* then other keys follow, so that values stay short */
#define SHARED_KEYS_MAX ((TURNS_MAX / TURNS_A_ROUND + 1) * SHARED_AT_ONCE)
#define VIOLATIONS_SHOWN_MAX 20u

enum outcome { NEVER_SENT, ACKNOWLEDGED, UNKNOWN, NOT_APPLIED };

struct client {
	pthread_t thread;
	uint32_t number;
	struct synod *synod;
	uint32_t turns;
	uint8_t appends[TURNS_MAX]; /* enum outcome */
	uint8_t puts[TURNS_MAX];
	uint32_t last_put; /* newest acknowledged turn + 1; 0: none */
};

/* The longest value of a shared key that anybody has got. */
struct shared {
	char *value;
	size_t len;
};

static struct options {
	const char *config, *progress, *prefix;
	uint32_t clients, rate, timeout_ms, verify_s;
	bool pb;
} options = {.prefix = "load", .clients = 8, .rate = 100, .timeout_ms = 5000, .verify_s = 60};

static struct client clients[CLIENTS_MAX];
static struct shared shared_keys[SHARED_KEYS_MAX];
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool stopping;
static atomic_uint_fast64_t acknowledged, unknown, not_applied, violations;

static void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void violation(const char *format, ...)
{
	if (atomic_fetch_add(&violations, 1) >= VIOLATIONS_SHOWN_MAX)
		return;
	char line[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	fprintf(stderr, "load: VIOLATION: %s\n", line);
}

static uint32_t shared_of(uint32_t turn)
{
	return turn / TURNS_A_ROUND * SHARED_AT_ONCE + turn % SHARED_AT_ONCE;
}

static struct synod_bytes bytes_of(const char *text)
{
	return (struct synod_bytes){.data = text, .len = strlen(text)};
}

static size_t floor_of(uint32_t key)
{
	pthread_mutex_lock(&shared_lock);
	size_t len = shared_keys[key].len;
	pthread_mutex_unlock(&shared_lock);
	return len;
}

/*
 * Compares a value of a shared key with what is known; `floor` is what was known when the request
 * was sent.
 */
static void observe(uint32_t key, struct synod_bytes value, size_t floor, const char *how)
{
	pthread_mutex_lock(&shared_lock);
	struct shared *known = &shared_keys[key];
	size_t common = value.len < known->len ? value.len : known->len;
	if (value.len < floor)
		violation("%s of shared key %u: %zu bytes, where %zu had been seen before it was "
			  "sent",
			  how, key, value.len, floor);
	else if (common > 0 && memcmp(value.data, known->value, common) != 0)
		violation("%s of shared key %u: another history than was seen before", how, key);
	if (value.len > known->len) {
		char *copy = malloc(value.len);
		if (copy == NULL)
			abort();
		memcpy(copy, value.data, value.len);
		free(known->value);
		*known = (struct shared){copy, value.len};
	}
	pthread_mutex_unlock(&shared_lock);
}

static struct synod_reply *run_op(struct synod *synod, const struct synod_op *op)
{
	return options.pb ? synod_pb_do(synod, op, options.timeout_ms)
			  : synod_do(synod, op, options.timeout_ms);
}

static struct synod_reply *get(struct synod *synod, const char *key)
{
	return run_op(synod, &(struct synod_op){.kind = SYNOD_OP_GET, .key = bytes_of(key)});
}

static enum outcome outcome_of(const struct synod_reply *reply, const char *what)
{
	switch (reply->status) {
	case SYNOD_OK: atomic_fetch_add(&acknowledged, 1); return ACKNOWLEDGED;
	case SYNOD_UNKNOWN: atomic_fetch_add(&unknown, 1); return UNKNOWN;
	case SYNOD_UNAVAILABLE:
	case SYNOD_BUSY: atomic_fetch_add(&not_applied, 1); return NOT_APPLIED;
	default:
		violation("%s: unexpected status %s (%s)", what, synod_status_text(reply->status),
			  reply->message);
		return UNKNOWN;
	}
}

static void append_shared(struct client *c, uint32_t turn)
{
	char key[64], item[64];
	uint32_t number = shared_of(turn);
	snprintf(key, sizeof key, "%s/shared/%u", options.prefix, number);
	snprintf(item, sizeof item, "%u:%u;", c->number, turn);
	struct synod_op op = {
		.kind = SYNOD_OP_APPEND, .key = bytes_of(key), .value = bytes_of(item)};
	size_t floor = floor_of(number);
	struct synod_reply *reply = run_op(c->synod, &op);
	enum outcome outcome = outcome_of(reply, "append");
	c->appends[turn] = (uint8_t)outcome;
	if (outcome == ACKNOWLEDGED) {
		size_t len = strlen(item);
		if (reply->value.len < len ||
		    memcmp(reply->value.data + reply->value.len - len, item, len) != 0)
			violation("append of %s: the answer does not end with it", item);
		else
			observe(number, reply->value, floor + len, "append");
	}
	synod_reply_free(reply);
}

static void read_shared(struct client *c, uint32_t turn)
{
	char key[64];
	uint32_t number = shared_of(turn);
	snprintf(key, sizeof key, "%s/shared/%u", options.prefix, number);
	size_t floor = floor_of(number);
	struct synod_reply *reply = get(c->synod, key);
	if (reply->status == SYNOD_OK)
		observe(number, reply->value, floor, "get");
	else if (reply->status == SYNOD_NOT_FOUND && floor > 0)
		violation("get of shared key %u: not found, where %zu bytes had been seen before "
			  "it was sent",
			  number, floor);
	synod_reply_free(reply);
}

/* A private value must be the last acknowledged one, or any of unknown outcome. */
static void check_private(const struct client *c, const struct synod_reply *reply)
{
	char text[32] = "";
	if (reply->status == SYNOD_NOT_FOUND) {
		if (c->last_put > 0)
			violation("private key of client %u: not found, %u was acknowledged",
				  c->number, c->last_put - 1);
		return;
	}
	if (reply->status != SYNOD_OK)
		return;
	if (reply->value.len < sizeof text)
		memcpy(text, reply->value.data, reply->value.len);
	char *end;
	unsigned long turn = strtoul(text, &end, 10);
	if (*text == '\0' || *end != '\0' || turn >= TURNS_MAX)
		violation("private key of client %u: '%s' was never written", c->number, text);
	else if (turn + 1 != c->last_put && c->puts[turn] != UNKNOWN)
		violation("private key of client %u: %lu, where %ld is the last that was "
			  "acknowledged",
			  c->number, turn, (long)c->last_put - 1);
}

static void put_private(struct client *c, uint32_t turn)
{
	char key[64], value[32];
	snprintf(key, sizeof key, "%s/private/%u", options.prefix, c->number);
	snprintf(value, sizeof value, "%u", turn);
	struct synod_op op = {.kind = SYNOD_OP_PUT, .key = bytes_of(key), .value = bytes_of(value)};
	struct synod_reply *reply = run_op(c->synod, &op);
	c->puts[turn] = (uint8_t)outcome_of(reply, "put");
	if (c->puts[turn] == ACKNOWLEDGED)
		c->last_put = turn + 1;
	synod_reply_free(reply);
	if (turn % 4 == 0) {
		reply = get(c->synod, key);
		check_private(c, reply);
		synod_reply_free(reply);
	}
}

static void *run_client(void *context)
{
	struct client *c = context;
	const struct timespec pause = {.tv_sec = 0, .tv_nsec = 1000000000L / options.rate - 1};
	for (uint32_t turn = 0; turn < TURNS_MAX && !atomic_load(&stopping); turn++) {
		c->turns = turn + 1;
		append_shared(c, turn);
		put_private(c, turn);
		if (turn % 4 == c->number % 4)
			read_shared(c, turn);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

/* ---- reading everything back ---- */

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Reads until there is a definite answer; NULL when the time is over. */
static struct synod_reply *get_until(struct synod *synod, const char *key, int64_t deadline_ms)
{
	for (;;) {
		struct synod_reply *reply = get(synod, key);
		if (reply->status == SYNOD_OK || reply->status == SYNOD_NOT_FOUND)
			return reply;
		if (now_ms() >= deadline_ms) {
			fprintf(stderr, "load: cannot read %s back: %s (%s)\n", key,
				synod_status_text(reply->status), reply->message);
			synod_reply_free(reply);
			return NULL;
		}
		synod_reply_free(reply);
	}
}

/* One item of a shared key: marks it as seen (bit 7 of its outcome). */
static void check_item(uint32_t key, unsigned number, unsigned turn, uint32_t behind[CLIENTS_MAX])
{
	if (number >= options.clients || turn >= clients[number].turns || shared_of(turn) != key) {
		violation("shared key %u holds %u:%u, which was never appended to it", key, number,
			  turn);
		return;
	}
	uint8_t *outcome = &clients[number].appends[turn];
	if (*outcome & 0x80)
		violation("shared key %u holds %u:%u twice", key, number, turn);
	else if (*outcome == NOT_APPLIED)
		violation("shared key %u holds %u:%u, which was reported as not applied", key,
			  number, turn);
	else if (*outcome == ACKNOWLEDGED && turn + 1 < behind[number])
		violation("shared key %u: %u:%u was acknowledged before %u:%u was sent, and comes "
			  "behind it",
			  key, number, turn, number, behind[number] - 1);
	*outcome |= 0x80;
	if (turn + 1 > behind[number])
		behind[number] = turn + 1;
}

static void check_shared(uint32_t key, struct synod_bytes value)
{
	uint32_t behind[CLIENTS_MAX] = {0};
	const char *at = value.data, *end = value.data + value.len;
	while (at < end) {
		unsigned number, turn;
		int len = 0;
		/* The value is followed by a zero byte. */
		if (sscanf(at, "%u:%u;%n", &number, &turn, &len) != 2 || len == 0) {
			violation("shared key %u: '%.20s' at byte %zu is no item", key, at,
				  (size_t)(at - value.data));
			return;
		}
		check_item(key, number, turn, behind);
		at += len;
	}
}

static bool verify_shared(struct synod *synod, uint32_t turns, int64_t deadline_ms)
{
	uint32_t keys = (turns / TURNS_A_ROUND + 1) * SHARED_AT_ONCE;
	for (uint32_t key = 0; key < keys; key++) {
		char name[64];
		snprintf(name, sizeof name, "%s/shared/%u", options.prefix, key);
		size_t floor = floor_of(key);
		struct synod_reply *reply = get_until(synod, name, deadline_ms);
		if (reply == NULL)
			return false;
		if (reply->status == SYNOD_OK) {
			observe(key, reply->value, floor, "last get");
			check_shared(key, reply->value);
		}
		synod_reply_free(reply);
	}
	for (uint32_t i = 0; i < options.clients; i++) {
		for (uint32_t turn = 0; turn < clients[i].turns; turn++) {
			if (clients[i].appends[turn] == ACKNOWLEDGED)
				violation("the acknowledged append %u:%u to shared key %u is lost",
					  i, turn, shared_of(turn));
		}
	}
	return true;
}

static bool verify_private(struct synod *synod, int64_t deadline_ms)
{
	for (uint32_t i = 0; i < options.clients; i++) {
		char name[64];
		snprintf(name, sizeof name, "%s/private/%u", options.prefix, i);
		struct synod_reply *reply = get_until(synod, name, deadline_ms);
		if (reply == NULL)
			return false;
		check_private(&clients[i], reply);
		synod_reply_free(reply);
	}
	return true;
}

/* ---- the program ---- */

static struct synod *open_handle(void)
{
	struct synod *synod = NULL;
	struct synod_options with = {.config_file = options.config,
				     .timeout_ms = options.timeout_ms};
	if (synod_open(&synod, &with) != SYNOD_OK) {
		fprintf(stderr, "load: %s\n",
			synod == NULL ? "out of memory" : synod_error_message(synod));
		exit(1);
	}
	return synod;
}

static void write_progress(int fd)
{
	char line[32];
	int len = snprintf(line, sizeof line, "%012llu\n",
			   (unsigned long long)atomic_load(&acknowledged));
	if (fd >= 0 && pwrite(fd, line, (size_t)len, 0) != len)
		fprintf(stderr, "load: cannot write %s: %s\n", options.progress, strerror(errno));
}

/* Until SIGTERM. */
static void run(const sigset_t *signals)
{
	const struct timespec interval = {.tv_nsec = 50 * 1000000L};
	int fd = -1;
	if (options.progress != NULL)
		fd = open(options.progress, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	for (uint32_t i = 0; i < options.clients; i++) {
		clients[i].number = i;
		clients[i].synod = open_handle();
		if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]) != 0)
			abort();
	}
	do
		write_progress(fd);
	while (sigtimedwait(signals, NULL, &interval) < 0);
	atomic_store(&stopping, true);
	for (uint32_t i = 0; i < options.clients; i++)
		pthread_join(clients[i].thread, NULL);
	write_progress(fd);
	if (fd >= 0)
		close(fd);
}

static int verify(void)
{
	int64_t deadline_ms = now_ms() + (int64_t)options.verify_s * 1000;
	uint32_t turns = 0;
	for (uint32_t i = 0; i < options.clients; i++)
		turns = clients[i].turns > turns ? clients[i].turns : turns;
	/* By a handle that has seen nothing. */
	struct synod *synod = open_handle();
	bool complete = verify_shared(synod, turns, deadline_ms) &&
			verify_private(synod, deadline_ms);
	synod_close(synod);
	printf("load: clients=%u acknowledged=%llu unknown=%llu not_applied=%llu violations=%llu\n",
	       options.clients, (unsigned long long)acknowledged, (unsigned long long)unknown,
	       (unsigned long long)not_applied, (unsigned long long)violations);
	if (violations > 0)
		return 1;
	return complete ? 0 : 3;
}

static bool parse_number(const char *text, uint32_t max, uint32_t *out)
{
	char *end;
	errno = 0;
	unsigned long value = strtoul(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value == 0 || value > max)
		return false;
	*out = (uint32_t)value;
	return true;
}

static bool parse_arguments(int argc, char **argv)
{
	static const struct option table[] = {
		{"config", required_argument, NULL, 'c'},
		{"clients", required_argument, NULL, 'n'},
		{"rate", required_argument, NULL, 'r'},
		{"timeout-ms", required_argument, NULL, 't'},
		{"progress", required_argument, NULL, 'p'},
		{"verify-s", required_argument, NULL, 'v'},
		{"prefix", required_argument, NULL, 'k'},
		{"pb", no_argument, NULL, 'b'},
		{NULL, 0, NULL, 0},
	};
	bool good = true;
	int option;
	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1 && good) {
		switch (option) {
		case 'c': options.config = optarg; break;
		case 'p': options.progress = optarg; break;
		case 'k':
			options.prefix = optarg;
			good = strlen(optarg) <= 32;
			break;
		case 'b': options.pb = true; break;
		case 'n': good = parse_number(optarg, CLIENTS_MAX, &options.clients); break;
		case 'r': good = parse_number(optarg, 100000, &options.rate); break;
		case 't': good = parse_number(optarg, 3600000, &options.timeout_ms); break;
		case 'v': good = parse_number(optarg, 3600, &options.verify_s); break;
		default: good = false;
		}
	}
	return good && optind == argc && options.config != NULL;
}

int main(int argc, char **argv)
{
	if (!parse_arguments(argc, argv)) {
		fprintf(stderr, "usage: load --config FILE [--clients N] [--rate OPS] "
				"[--timeout-ms T] [--progress FILE] [--verify-s S] [--prefix P]\n");
		return 64;
	}
	/* Blocked in every thread, and waited for in this one. */
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	run(&signals);
	int code = verify();
	for (uint32_t i = 0; i < options.clients; i++)
		synod_close(clients[i].synod);
	for (uint32_t key = 0; key < SHARED_KEYS_MAX; key++)
		free(shared_keys[key].value);
	return code;
}
