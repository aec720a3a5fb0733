#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "../support/check_main.h"
#include "raw.h"

static struct echo one;

static void start_one(uint32_t stop_timeout_ms)
{
	struct host_options options = {.cluster = "", .node = "", .role = ""};
	host_settings_default(&options.settings);
	options.settings.stop_timeout_ms = stop_timeout_ms;
	echo_start(&one, &options);
}

struct nudged {
	struct host_call call;
	pthread_mutex_t lock;
	uint64_t produced, consumed, runs;
	pthread_t loop;
};

static void on_nudge(void *context)
{
	struct nudged *n = context;
	ck_assert(pthread_equal(n->loop, pthread_self()));
	pthread_mutex_lock(&n->lock);
	n->consumed = n->produced;
	n->runs++;
	pthread_mutex_unlock(&n->lock);
}

static struct nudged nudged[2];

static void *produce(void *context)
{
	struct nudged *n = context;
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&n->lock);
		n->produced++;
		pthread_mutex_unlock(&n->lock);
		host_wakeup(one.host, &n->call);
	}
	return NULL;
}

/*
 * Calls from other threads run on the loop's thread; none is lost, however they meet the loop, and many in a row
 * are few.
 */
START_TEST(wakeups)
{
	pthread_t threads[4];
	start_one(1000);
	for (size_t i = 0; i < 2; i++) {
		nudged[i] = (struct nudged){.call = {.callback = on_nudge, .context = &nudged[i]},
					    .loop = pthread_self()};
		pthread_mutex_init(&nudged[i].lock, NULL);
	}
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, produce, &nudged[i % 2]), 0);
	while (nudged[0].consumed < 40000 || nudged[1].consumed < 40000)
		host_turn(one.host, true);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_le(nudged[0].runs, 40000);
	echo_end(&one);
}
END_TEST

static uint64_t turn_of_call;

static void on_call(void *context)
{
	struct echo *e = context;
	turn_of_call = e->turns;
}

/* A call is an input: the turn ends after it. */
START_TEST(call_is_input)
{
	struct host_call call = {.callback = on_call, .context = &one};
	start_one(1000);
	host_turn(one.host, false);
	uint64_t before = one.turns;
	host_wakeup(one.host, &call);
	host_turn(one.host, true);
	ck_assert_uint_eq(turn_of_call, before);
	ck_assert_uint_eq(one.turns, before + 1);
	echo_end(&one);
}
END_TEST

static struct host_call repeating;
static unsigned repeated;

static void on_repeat(void *context)
{
	repeated++;
	host_wakeup(one.host, context);
}

/* A call that asks for itself runs again without waiting: in the same turn if that was still reading, otherwise in the next. */
START_TEST(call_from_within)
{
	repeating = (struct host_call){.callback = on_repeat, .context = &repeating};
	start_one(1000);
	host_wakeup(one.host, &repeating);
	for (unsigned turns = 1; turns <= 3; turns++) {
		host_turn(one.host, true);
		ck_assert_uint_eq(repeated, turns + 1);
	}
	echo_end(&one);
}
END_TEST

struct firing {
	struct timer timer;
	char name;
};
static char fired[64];
static uint64_t fired_at_us[64];
static size_t nfired;

static void on_fire(void *data)
{
	struct firing *f = data;
	fired_at_us[nfired] = node_now_us(&one.node);
	fired[nfired++] = f->name;
}

/*
 * Timers fire in the order of their times, never early; cancelled ones do not; equal times keep the order of
 * setting.
 */
START_TEST(timers)
{
	struct firing f[6];
	nfired = 0;
	memset(fired, 0, sizeof fired);
	start_one(1000);
	for (size_t i = 0; i < 6; i++) {
		f[i].name = (char)('a' + i);
		timer_init(&f[i].timer, on_fire, &f[i]);
	}
	uint64_t now_us = node_now_us(&one.node);
	node_timer_at(&one.node, &f[0].timer, now_us + 30000);
	node_timer_at(&one.node, &f[1].timer, now_us + 10000);
	node_timer_at(&one.node, &f[2].timer, now_us + 20000);
	node_timer_at(&one.node, &f[3].timer, now_us + 20000);
	node_timer_at(&one.node, &f[4].timer, now_us + 15000);
	node_timer_at(&one.node, &f[5].timer, 0);
	node_timer_cancel(&one.node, &f[4].timer);
	while (nfired < 5)
		host_turn(one.host, true);
	ck_assert_str_eq(fired, "fbcda");
	for (size_t i = 0; i < nfired; i++)
		ck_assert_uint_ge(fired_at_us[i], f[fired[i] - 'a'].timer.at_us);
	echo_end(&one);
}
END_TEST

static void on_again(void *data)
{
	struct firing *f = data;
	nfired++;
	node_timer_after(&one.node, &f->timer, 0);
}

/* A timer that sets itself for now cannot keep a turn from ending. */
START_TEST(timer_without_end)
{
	struct firing f = {.name = 'x'};
	nfired = 0;
	start_one(1000);
	timer_init(&f.timer, on_again, &f);
	node_timer_after(&one.node, &f.timer, 0);
	for (int i = 0; i < 10; i++)
		host_turn(one.host, true);
	ck_assert_uint_eq(one.turns, 10);
	ck_assert_uint_ge(nfired, 9);
	node_timer_cancel(&one.node, &f.timer);
	echo_end(&one);
}
END_TEST

static uint64_t watched;

static void on_watched(void *context)
{
	uint64_t count;
	int fd = *(int *)context;
	ck_assert_int_eq(read(fd, &count, sizeof count), sizeof count);
	watched += count;
}

/* A watched descriptor is an input each time it becomes readable. */
START_TEST(watching)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	start_one(1000);
	host_watch(one.host, fd, on_watched, &fd);
	for (uint64_t i = 1; i <= 3; i++) {
		ck_assert_int_eq(write(fd, &(uint64_t){1}, 8), 8);
		host_turn(one.host, true);
		while (watched < i)
			host_turn(one.host, true);
	}
	ck_assert_uint_eq(watched, 3);
	echo_end(&one);
	close(fd);
}
END_TEST

/* host_run() returns true when the node says that it has stopped. */
START_TEST(orderly_stop)
{
	start_one(60000);
	host_stop(one.host);
	host_stop(one.host);
	ck_assert(host_run(one.host));
	ck_assert(!host_turn(one.host, false));
	echo_end(&one);
}
END_TEST

/* A node that does not stop is given its time, and host_run() says so. */
START_TEST(stop_timeout)
{
	start_one(20);
	one.stop_at_once = false;
	host_stop(one.host);
	ck_assert(!host_run(one.host));
	echo_end(&one);
}
END_TEST

/* fatal() writes one line that says why, and ends the process with code 70. */
START_TEST(fatal)
{
	int out[2], status = 0;
	char line[512] = "";
	ck_assert_int_eq(pipe(out), 0);
	pid_t child = fork();
	if (child == 0) {
		struct host_options options = {.cluster = "", .node = "", .role = ""};
		struct log log;
		host_settings_default(&options.settings);
		echo_start(&one, &options);
		log_init_fd(&log, out[1], "n1");
		*options.log = log;
		node_fatal(&one.node, STATUS_IO, "sync of %s failed", "log-1");
	}
	close(out[1]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 70);
	ck_assert_int_gt(read(out[0], line, sizeof line - 1), 0);
	ck_assert_ptr_nonnull(strstr(line, "level=error"));
	ck_assert_ptr_nonnull(strstr(line, "event=fatal status=IO why=\"sync of log-1 failed\"\n"));
	close(out[0]);
}
END_TEST

CHECK_MAIN("loop", wakeups, call_is_input, call_from_within, timers, timer_without_end, watching, orderly_stop, stop_timeout, fatal)
