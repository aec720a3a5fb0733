#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/check_main.h"
#include "../support/raw.h"

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
	struct host_loop *shared; /* NULL: the call is an input of `one` */
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
		if (n->shared != NULL)
			host_loop_wakeup(n->shared, &n->call);
		else
			host_wakeup(one.host, &n->call);
	}
	return NULL;
}

/*
 * Calls from other threads run on the loop's thread; none is lost, however they meet the loop, and
 * many in a row are few.
 */
START_TEST(calls_from_other_threads_run_on_the_loop)
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

/*
 * A call that asks for itself runs again without waiting: in the same turn if that was still
 * reading, otherwise in the next.
 */
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
 * Timers fire in the order of their times, never early; cancelled ones do not; equal times keep the
 * order of setting.
 */
START_TEST(timers_fire_in_order_and_never_early)
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
START_TEST(a_readable_descriptor_is_an_input)
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
START_TEST(run_returns_true_when_the_node_has_stopped)
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
START_TEST(a_node_that_does_not_stop_is_given_its_time)
{
	start_one(20);
	one.stop_at_once = false;
	host_stop(one.host);
	ck_assert(!host_run(one.host));
	echo_end(&one);
}
END_TEST

/* fatal() writes one line that says why, and ends the process with code 70. */
START_TEST(fatal_says_why_and_ends_with_70)
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

/* ---- a loop that several hosts share ---- */

#define SHARING 3
static struct host_loop *shared;
static struct echo sharing[SHARING];

#define LOOP_UNTIL(condition) \
	do { \
		while (!(condition)) \
			host_loop_turn(shared, true); \
	} while (0)

static void start_sharing(void)
{
	shared = host_loop_create();
	ck_assert_ptr_nonnull(shared);
	for (size_t i = 0; i < SHARING; i++) {
		struct host_options options = {.cluster = "test",
					       .node = "",
					       .role = "",
					       .listen = "127.0.0.1:0",
					       .loop = shared};
		host_settings_default(&options.settings);
		options.settings.reconnect_min_ms = options.settings.reconnect_max_ms = 600000;
		echo_start(&sharing[i], &options);
	}
}

static void end_sharing(void)
{
	for (size_t i = 0; i < SHARING; i++) {
		if (sharing[i].host != NULL)
			echo_end(&sharing[i]);
	}
	host_loop_destroy(shared);
}

static void end_one_of(size_t i)
{
	echo_end(&sharing[i]);
	sharing[i].host = NULL;
}

static link_id dial_sharing(size_t from, size_t to)
{
	char address[32];
	snprintf(address, sizeof address, "127.0.0.1:%u", host_port(sharing[to].host));
	return node_dial(&sharing[from].node, address);
}

/* Asks along the link, and waits for the answer. */
static void ask(struct echo *e, link_id link)
{
	uint64_t before = e->replies;
	echo_send(e, link, MESSAGE_REQUEST, before + 1, slice_string("hello"));
	LOOP_UNTIL(e->replies > before);
	ck_assert(slice_equal(buffer_slice(&e->last_payload), slice_string("hello")));
}

/*
 * Hosts on one loop talk to each other as if each had its own; one that nobody talks to has few
 * turns.
 */
START_TEST(hosts_of_a_loop_talk_as_if_alone)
{
	start_sharing();
	link_id there = dial_sharing(0, 1), back = dial_sharing(1, 0);
	for (int i = 0; i < 300; i++) {
		ask(&sharing[0], there);
		ask(&sharing[1], back);
	}
	ck_assert_uint_eq(sharing[0].requests, 300);
	ck_assert_uint_eq(sharing[1].requests, 300);
	ck_assert_uint_lt(sharing[2].turns, 300);
	end_sharing();
}
END_TEST

static uint64_t calls;

static void on_counted(void *context)
{
	(void)context;
	calls++;
}

/* A call ends the turn of its host, and of no other; one of the loop, that of none. */
START_TEST(a_call_ends_the_turn_of_its_host_only)
{
	enum { CALLS = 1000 };
	struct host_call call = {.callback = on_counted};
	start_sharing();
	host_loop_turn(shared, false);
	calls = 0;
	for (size_t of = 0; of <= SHARING; of++) {
		uint64_t before[SHARING];
		for (size_t i = 0; i < SHARING; i++)
			before[i] = sharing[i].turns;
		for (int n = 0; n < CALLS; n++) {
			uint64_t until = calls + 1;
			if (of < SHARING)
				host_wakeup(sharing[of].host, &call);
			else
				host_loop_wakeup(shared, &call);
			LOOP_UNTIL(calls == until);
		}
		/* The others' own timers may be due in some of the turns. */
		for (size_t i = 0; i < SHARING; i++) {
			if (i == of)
				ck_assert_uint_ge(sharing[i].turns - before[i], CALLS);
			else
				ck_assert_uint_lt(sharing[i].turns - before[i], CALLS / 2);
		}
	}
	end_sharing();
}
END_TEST

/* Calls from other threads all arrive, those for a host and those for the loop. */
START_TEST(calls_for_hosts_and_for_the_loop_all_arrive)
{
	pthread_t threads[4];
	start_sharing();
	one.host = sharing[1].host;
	for (size_t i = 0; i < 2; i++) {
		nudged[i] = (struct nudged){.call = {.callback = on_nudge, .context = &nudged[i]},
					    .shared = i == 0 ? shared : NULL,
					    .loop = pthread_self()};
		pthread_mutex_init(&nudged[i].lock, NULL);
	}
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, produce, &nudged[i % 2]), 0);
	LOOP_UNTIL(nudged[0].consumed == 40000 && nudged[1].consumed == 40000);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	end_sharing();
}
END_TEST

static void on_due(void *data)
{
	nfired++;
	node_timer_after(&sharing[2].node, data, 0);
}

/* A timer of one host fires in the turn in which it is due, though only others get inputs. */
START_TEST(a_timer_fires_in_the_turn_in_which_it_is_due)
{
	struct timer timer;
	struct host_call call = {.callback = on_counted};
	nfired = 0;
	start_sharing();
	timer_init(&timer, on_due, &timer);
	node_timer_after(&sharing[2].node, &timer, 5000);
	LOOP_UNTIL(nfired > 0);
	nfired = 0;
	for (int turns = 0; turns < 100; turns++) {
		host_wakeup(sharing[0].host, &call);
		host_loop_turn(shared, true);
	}
	ck_assert_uint_ge(nfired, 100);
	node_timer_cancel(&sharing[2].node, &timer);
	end_sharing();
}
END_TEST

static link_id to_nobody;

static void send_at_turn_end(struct node *node)
{
	struct echo *e = echo_of(node);
	echo_turn_end(node);
	if (to_nobody != 0)
		echo_send(e, to_nobody, MESSAGE_REQUEST, 1, slice_string("hello"));
	to_nobody = 0;
}

/*
 * What is cut while turns are ended is told in the very next one, though that host gets no input.
 */
START_TEST(a_link_that_is_cut_at_a_turns_end_is_told_next)
{
	struct node_ops ops = ECHO_OPS;
	struct host_call call = {.callback = on_counted};
	ops.turn_end = send_at_turn_end;
	start_sharing();
	sharing[0].node.ops = &ops;
	link_id nobody = node_dial(&sharing[0].node, "127.0.0.1:1");
	echo_send(&sharing[0], nobody, MESSAGE_ONEWAY, 0, slice_string("hello"));
	LOOP_UNTIL(sharing[0].downs == 1);
	for (uint64_t i = 2; i < 20; i++) {
		to_nobody = nobody;
		host_wakeup(sharing[0].host, &call);
		LOOP_UNTIL(to_nobody == 0);
		ck_assert_uint_eq(sharing[0].downs, i - 1);
		/* What the turn would wait for if it did. */
		host_wakeup(sharing[1].host, &call);
		host_loop_turn(shared, true);
		ck_assert_uint_eq(sharing[0].downs, i);
		ck_assert_uint_eq(sharing[0].last_down, nobody);
	}
	end_sharing();
}
END_TEST

static struct host_call letters[4];
static char order[16];

/* "a" forgets "b". */
static void on_letter(void *context)
{
	const struct host_call *call = context;
	size_t letter = (size_t)(call - letters);
	order[strlen(order)] = (char)('a' + letter);
	if (letter == 0)
		host_loop_forget(shared, &letters[1]);
}

static void queue_letters(const char *text)
{
	memset(order, 0, sizeof order);
	for (; *text != '\0'; text++)
		host_loop_wakeup(shared, &letters[*text - 'a']);
}

/*
 * A call that is forgotten does not run, not even when its turn had come; the others do, and it may
 * be used again.
 */
START_TEST(a_forgotten_call_does_not_run)
{
	start_sharing();
	for (size_t i = 0; i < 4; i++)
		letters[i] = (struct host_call){.callback = on_letter, .context = &letters[i]};
	queue_letters("cdb");
	host_loop_forget(shared, &letters[2]);
	host_loop_forget(shared, &letters[1]);
	host_loop_wakeup(shared, &letters[2]);
	host_loop_turn(shared, true);
	ck_assert_str_eq(order, "dc");
	queue_letters("cabd");
	host_loop_turn(shared, true);
	ck_assert_str_eq(order, "cad");
	queue_letters("b");
	host_loop_forget(shared, &letters[3]); /* which does not wait */
	host_loop_turn(shared, true);
	ck_assert_str_eq(order, "b");
	end_sharing();
}
END_TEST

static void on_end_one(void *context)
{
	(void)context;
	end_one_of(1);
}

/*
 * A host may be destroyed within a turn in which it had inputs; the others go on, and see its links
 * go down.
 */
START_TEST(a_host_may_be_destroyed_within_its_turn)
{
	struct host_call input = {.callback = on_counted}, end = {.callback = on_end_one};
	struct timer timer;
	start_sharing();
	link_id to_one = dial_sharing(0, 1), to_two = dial_sharing(0, 2);
	ask(&sharing[0], to_one);
	ask(&sharing[1], dial_sharing(1, 2));
	timer_init(&timer, on_counted, NULL);
	node_timer_after(&sharing[1].node, &timer, 0);
	host_wakeup(sharing[1].host, &input);
	host_loop_wakeup(shared, &end);
	echo_send(&sharing[0], to_one, MESSAGE_REQUEST, 100, slice_string("hello"));
	LOOP_UNTIL(sharing[0].downs == 1);
	ck_assert_uint_eq(sharing[0].last_down, to_one);
	ask(&sharing[0], to_two);
	end_one_of(0);
	uint64_t before = sharing[2].turns;
	host_wakeup(sharing[2].host, &input);
	LOOP_UNTIL(sharing[2].turns > before);
	end_sharing();
}
END_TEST

/* A host that has stopped has no turns any more; the others do. */
START_TEST(a_host_that_has_stopped_has_no_turns)
{
	struct host_call call = {.callback = on_counted};
	start_sharing();
	link_id link = dial_sharing(0, 2);
	ask(&sharing[0], link);
	host_stop(sharing[1].host);
	ck_assert(host_stopped(sharing[1].host) && !host_stopped(sharing[0].host));
	uint64_t before = sharing[1].turns;
	host_wakeup(sharing[1].host, &call);
	ask(&sharing[0], link);
	ck_assert_uint_eq(sharing[1].turns, before);
	end_sharing();
}
END_TEST
