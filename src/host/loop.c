/* Turns of the loop. */
#include <time.h>

#include "host/internal.h"

#define SLOW_TURN_US 500000u

void host_on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context; /* the turn runs what is due */
}

/* False: something is due already, do not wait. */
static bool arm_timer(struct host *host)
{
	uint64_t next_us = timers_next_us(&host->timers);
	if (next_us == UINT64_MAX) {
		if (host->armed_us != UINT64_MAX)
			event_del(&host->timer_event);
		host->armed_us = UINT64_MAX;
		return true;
	}
	uint64_t now_us = host_clock_us(CLOCK_MONOTONIC);
	if (next_us <= now_us)
		return false;
	if (next_us != host->armed_us || !event_pending(&host->timer_event, EV_TIMEOUT, NULL)) {
		uint64_t wait_us = next_us - now_us;
		struct timeval wait = {.tv_sec = (time_t)(wait_us / 1000000),
				       .tv_usec = (suseconds_t)(wait_us % 1000000)};
		/* Without memory for an entry the clock is looked at again and again. */
		if (event_add(&host->timer_event, &wait) != 0)
			return false;
		host->armed_us = next_us;
	}
	return true;
}

/*
 * Those that were cut before this. Being told, the node may try other links that are down too, and so on in a
 * circle: they wait for the next turn.
 */
static void settle_cuts(struct host *host)
{
	struct list cuts, *first;
	list_init(&cuts);
	while ((first = list_first(&host->cut)) != NULL) {
		list_remove(first);
		list_push_back(&cuts, first);
	}
	while ((first = list_first(&cuts)) != NULL)
		link_settle(LIST_ENTRY(first, struct link, cut));
}

/* At most as many as are armed: one that sets itself anew for now fires in the next turn. */
static void run_timers(struct host *host)
{
	struct timer *timer;
	uint64_t now_us = host_now_us(host);
	for (size_t n = host->timers.count; n > 0 && (timer = timers_take_due(&host->timers, now_us)) != NULL; n--)
		timer->callback(timer->data);
}

static void flush_links(struct host *host)
{
	struct list *first;
	while ((first = list_first(&host->flush)) != NULL)
		link_flush(LIST_ENTRY(first, struct link, flush));
}

/*
 * From the first look at the clock, which is the first input at the latest. A slow turn is what a user notices
 * as a slow server.
 */
static void note_turn(struct host *host)
{
	uint64_t took_us = host_clock_us(CLOCK_MONOTONIC) - host_now_us(host);
	histogram_record(&host->turn_us, took_us);
	if (took_us >= SLOW_TURN_US)
		log_event(host->log, LOG_WARN, "slow_turn", "duration_ms=%llu",
			  (unsigned long long)(took_us / 1000));
}

bool host_turn(struct host *host, bool wait)
{
	if (host->stopped)
		return false;
	bool idle = arm_timer(host) && list_empty(&host->cut) && !host->input_due && !host->calls_due;
	host->now_us = 0;
	host->input_due = false;
	host->gathering = true;
	host_turn_begins(host);
	event_base_loop(host->base, EVLOOP_ONCE | (wait && idle ? 0 : EVLOOP_NONBLOCK));
	if (host->work_is_done) {
		host->work_is_done = false;
		host->work_done(host->work_context);
	}
	settle_cuts(host);
	run_timers(host);
	/* Once: one that asks for another call waits for the next turn with it. */
	if (host->calls_due)
		host_run_calls(host);
	if (host->node->ops->turn_end != NULL && !host->stopped)
		host->node->ops->turn_end(host->node);
	host->gathering = false;
	requests_answer(host);
	tracing_flush(host);
	flush_links(host);
	host_turn_ends();
	if (host->work != NULL && host->work(host->work_context))
		host->work_is_done = host->input_due = true;
	note_turn(host);
	host->now_us = 0;
	return !host->stopped;
}

bool host_run(struct host *host)
{
	while (host_turn(host, true)) {}
	return !host->stop_timed_out;
}
