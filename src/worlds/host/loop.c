/*
 * Loops and their turns.
 *
 * A turn gathers inputs (sockets, timers, calls), and then ends the turn of every host that got
 * one: its node's turn_end(), answers to requests from this process, the trace, one write for each
 * link. What a host asks for while turns are being ended belongs to the next turn, which then does
 * not wait.
 */
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "host/internal.h"

#define SLOW_TURN_US 500000u

/* ---- life ---- */

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context; /* the turn runs what is due */
}

struct host_loop *host_loop_create(void)
{
	struct host_loop *loop = ALLOC(struct host_loop);
	loop->calls_fd = -1;
	loop->armed_us = UINT64_MAX;
	list_init(&loop->touched);
	loop->scratch = alloc_bytes(SCRATCH_BYTES);
	loop->base = event_base_new();
	if (loop->base != NULL)
		event_assign(&loop->timer_event, loop->base, -1, 0, on_timer, loop);
	if (calls_init(loop))
		return loop;
	host_loop_destroy(loop);
	return NULL;
}

void host_loop_destroy(struct host_loop *loop)
{
	if (loop->base != NULL)
		event_del(&loop->timer_event);
	resolver_destroy(loop->resolver);
	calls_free(loop);
	if (loop->base != NULL)
		event_base_free(loop->base);
	timers_free(&loop->wakes);
	free(loop->scratch);
	free(loop);
}

/* ---- waiting ---- */

/* False: something is due already, do not wait. */
static bool arm_timer(struct host_loop *loop)
{
	uint64_t next_us = timers_next_us(&loop->wakes);
	if (next_us == UINT64_MAX) {
		if (loop->armed_us != UINT64_MAX)
			event_del(&loop->timer_event);
		loop->armed_us = UINT64_MAX;
		return true;
	}
	uint64_t now_us = host_clock_us(HOST_CLOCK);
	if (next_us <= now_us)
		return false;
	if (next_us != loop->armed_us || !event_pending(&loop->timer_event, EV_TIMEOUT, NULL)) {
		uint64_t wait_us = next_us - now_us;
		struct timeval wait = {.tv_sec = (time_t)(wait_us / 1000000),
				       .tv_usec = (suseconds_t)(wait_us % 1000000)};
		/* Without memory for an entry the clock is looked at again and again. */
		if (event_add(&loop->timer_event, &wait) != 0)
			return false;
		loop->armed_us = next_us;
	}
	return true;
}

/* The host's earliest timer becomes one of the loop's. */
static void update_wake(struct host *host)
{
	uint64_t next_us = timers_next_us(&host->timers);
	if (next_us == UINT64_MAX || host->stopped)
		timers_cancel(&host->loop->wakes, &host->wake);
	else if (!timer_armed(&host->wake) || host->wake.at_us != next_us)
		timers_set(&host->loop->wakes, &host->wake, next_us);
}

static void run_wakes(struct host_loop *loop)
{
	struct timer *wake;
	while ((wake = timers_take_due(&loop->wakes, loop_now_us(loop))) != NULL)
		wake->callback(wake->data);
}

/* ---- gathering ---- */

/*
 * Those that were cut before this, as far as there is time: the node may have much to do for each.
 * Being told, the node may try other links that are down too, and so on in a circle: they wait for
 * the next turn.
 */
static void settle_cuts(struct host *host)
{
	struct list cuts, *first;
	list_take_all(&host->cut, &cuts);
	struct allowance allowance;
	if (list_empty(&cuts))
		return;
	allowance_begin(&allowance, SETTLE_US);
	while ((first = list_first(&cuts)) != NULL && !allowance_spent(&allowance))
		link_settle(LIST_ITEM(first, struct link, cut));
	/*
	 * The rest in the next turn, behind those that have been cut meanwhile: nobody waits for
	 * it.
	 */
	while ((first = list_first(&cuts)) != NULL) {
		list_remove(first);
		list_push_back(&host->cut, first);
	}
}

/* At most as many as are armed: one that sets itself anew for now fires in the next turn. */
static void run_timers(struct host *host)
{
	struct timer *timer;
	uint64_t now_us = host_now_us(host);
	for (size_t n = host->timers.count;
	     n > 0 && (timer = timers_take_due(&host->timers, now_us)) != NULL; n--)
		timer->callback(timer->data);
}

/* What is due besides the messages that have been read. */
static void gather(struct host *host)
{
	host->input_due = false;
	if (host->work_is_done) {
		host->work_is_done = false;
		host->work_done(host->work_context);
	}
	settle_cuts(host);
	run_timers(host);
	links_receive(host);
}

/* ---- ending ---- */

static void flush_links(struct host *host)
{
	struct list *first;
	while ((first = list_first(&host->flush)) != NULL)
		link_flush(LIST_ITEM(first, struct link, flush));
}

static void end_turn(struct host *host)
{
	if (host->node->ops->turn_end != NULL && !host->stopped)
		host->node->ops->turn_end(host->node);
	requests_answer(host);
	tracing_flush(host);
	flush_links(host);
	list_remove(&host->touched);
	update_wake(host);
	if (!list_empty(&host->cut) || !list_empty(&host->readable) || host->input_due)
		host_touch(host);
}

/* What takes long, when everything has been sent. */
static void work(struct host *host)
{
	if (host->work == NULL || !host->work(host->work_context))
		return;
	host->work_is_done = true;
	host_touch(host);
}

/*
 * From the first look at the clock, which is the first input at the latest. A slow turn is what a
 * user notices as a slow server.
 */
static void note_turn(struct host *host)
{
	uint64_t took_us = host_clock_us(HOST_CLOCK) - host_now_us(host);
	histogram_record(&host->turn_us, took_us);
	if (took_us >= SLOW_TURN_US)
		log_event(host->log, LOG_WARN, "slow_turn", "duration_ms=%llu",
			  (unsigned long long)(took_us / 1000));
}

static void end_turns(struct host_loop *loop)
{
	struct list ending, *first;
	list_take_all(&loop->touched, &ending);
	while ((first = list_first(&ending)) != NULL)
		end_turn(LIST_ITEM(first, struct host, touched));
}

/* ---- the turn ---- */

void host_loop_turn(struct host_loop *loop, bool wait)
{
	bool idle = arm_timer(loop) && list_empty(&loop->touched) && !loop->calls_due;
	loop->now_us = 0;
	loop->gathering = true;
	calls_turn_begins(loop);
	event_base_loop(loop->base, EVLOOP_ONCE | (wait && idle ? 0 : EVLOOP_NONBLOCK));
	if (loop->owner != NULL)
		host_touch(loop->owner);
	run_wakes(loop);
	LIST_FOR (item, &loop->touched)
		gather(LIST_ITEM(item, struct host, touched));
	/* Once: one that asks for another call waits for the next turn with it. */
	if (loop->calls_due)
		calls_run(loop);
	loop->gathering = false;
	end_turns(loop);
	calls_turn_ends();
	if (loop->owner != NULL) {
		work(loop->owner);
		note_turn(loop->owner);
	}
	loop->now_us = 0;
}

bool host_turn(struct host *host, bool wait)
{
	ASSERT(host->loop->owner == host);
	if (host->stopped)
		return false;
	host_loop_turn(host->loop, wait);
	return !host->stopped;
}

bool host_run(struct host *host)
{
	while (host_turn(host, true)) {}
	return !host->stop_timed_out;
}
