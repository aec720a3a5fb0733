/* What reaches the loop from outside: calls from other threads, descriptors that are watched. */
#include <unistd.h>

#include "base/alloc.h"
#include "host/internal.h"

/*
 * The host whose turn this thread is in. A call from within a turn needs no descriptor to wake the loop: whoever
 * answers one request with the next would otherwise pay a write, a read and another look at all descriptors for each.
 */
static _Thread_local const struct host *turning;

void host_turn_begins(struct host *host)
{
	turning = host;
}

void host_turn_ends(void)
{
	turning = NULL;
}

void host_wakeup(struct host *host, struct host_call *call)
{
	bool first = false;
	pthread_mutex_lock(&host->calls_lock);
	if (!call->waiting) {
		first = host->calls == NULL;
		call->waiting = true;
		call->next = NULL;
		*host->calls_tail = call;
		host->calls_tail = &call->next;
	}
	pthread_mutex_unlock(&host->calls_lock);
	if (turning == host)
		host->calls_due = true;
	/* Cannot fail: the counter is read before it could overflow. */
	else if (first)
		(void)!write(host->calls_fd, &(uint64_t){1}, sizeof(uint64_t));
}

void host_run_calls(struct host *host)
{
	host->calls_due = false;
	pthread_mutex_lock(&host->calls_lock);
	struct host_call *call = host->calls;
	host->calls = NULL;
	host->calls_tail = &host->calls;
	/* Marked before they run, so that one that is asked for meanwhile runs again. */
	while (call != NULL) {
		struct host_call *next = call->next;
		call->waiting = false;
		pthread_mutex_unlock(&host->calls_lock);
		call->callback(call->context);
		pthread_mutex_lock(&host->calls_lock);
		call = next;
	}
	pthread_mutex_unlock(&host->calls_lock);
}

void host_on_calls(evutil_socket_t fd, short what, void *context)
{
	uint64_t count;
	(void)what;
	(void)!read(fd, &count, sizeof count);
	host_run_calls(context);
}

static void on_watch(evutil_socket_t fd, short what, void *context)
{
	struct watch *watch = context;
	(void)fd;
	(void)what;
	watch->callback(watch->context);
}

void host_watch(struct host *host, int fd, void (*callback)(void *), void *context)
{
	struct watch *watch = ALLOC(struct watch);
	watch->callback = callback;
	watch->context = context;
	watch->next = host->watches;
	host->watches = watch;
	event_assign(&watch->event, host->base, fd, EV_READ | EV_PERSIST, on_watch, watch);
	event_add(&watch->event, NULL);
}

void host_work(struct host *host, bool (*work)(void *), void (*done)(void *), void *context)
{
	ASSERT(host->work == NULL);
	host->work = work;
	host->work_done = done;
	host->work_context = context;
}
