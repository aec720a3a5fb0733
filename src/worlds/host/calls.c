/* What reaches the loop from outside: calls from other threads, descriptors that are watched. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/internal.h"

/*
 * The loop whose turn this thread is in. A call from within a turn needs no descriptor to wake the
 * loop: whoever answers one request with the next would otherwise pay a write, a read and another
 * look at all descriptors for each.
 */
static _Thread_local const struct host_loop *turning;

void calls_turn_begins(struct host_loop *loop)
{
	turning = loop;
}

void calls_turn_ends(void)
{
	turning = NULL;
}

static void on_calls(evutil_socket_t fd, short what, void *context)
{
	uint64_t count;
	(void)what;
	(void)!read(fd, &count, sizeof count);
	calls_run(context);
}

bool calls_init(struct host_loop *loop)
{
	pthread_mutex_init(&loop->calls_lock, NULL);
	loop->calls_tail = &loop->calls;
	loop->calls_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->base == NULL || loop->calls_fd < 0)
		return false;
	event_assign(&loop->calls_event, loop->base, loop->calls_fd, EV_READ | EV_PERSIST, on_calls,
		     loop);
	return event_add(&loop->calls_event, NULL) == 0;
}

void calls_free(struct host_loop *loop)
{
	if (loop->calls_fd >= 0) {
		if (event_initialized(&loop->calls_event))
			event_del(&loop->calls_event);
		close(loop->calls_fd);
	}
	pthread_mutex_destroy(&loop->calls_lock);
}

static void enqueue(struct host_loop *loop, struct host_call *call, struct host *host)
{
	bool first = false;
	pthread_mutex_lock(&loop->calls_lock);
	if (!call->waiting) {
		first = loop->calls == NULL;
		call->waiting = true;
		call->host = host;
		call->next = NULL;
		*loop->calls_tail = call;
		loop->calls_tail = &call->next;
	}
	pthread_mutex_unlock(&loop->calls_lock);
	if (turning == loop)
		loop->calls_due = true;
	/* Cannot fail: the counter is read before it could overflow. */
	else if (first)
		(void)!write(loop->calls_fd, &(uint64_t){1}, sizeof(uint64_t));
}

void host_wakeup(struct host *host, struct host_call *call)
{
	enqueue(host->loop, call, host);
}

void host_loop_wakeup(struct host_loop *loop, struct host_call *call)
{
	enqueue(loop, call, NULL);
}

/* Those that wait now: what is asked for meanwhile waits for the next time. */
void calls_run(struct host_loop *loop)
{
	struct host_call *call;
	loop->calls_due = false;
	pthread_mutex_lock(&loop->calls_lock);
	loop->running = loop->calls;
	loop->calls = NULL;
	loop->calls_tail = &loop->calls;
	while ((call = loop->running) != NULL) {
		struct host *host = call->host;
		loop->running = call->next;
		/* before it runs, so that one that is asked for meanwhile runs again */
		call->waiting = false;
		pthread_mutex_unlock(&loop->calls_lock);
		if (host != NULL)
			host_touch(host);
		call->callback(call->context);
		pthread_mutex_lock(&loop->calls_lock);
	}
	pthread_mutex_unlock(&loop->calls_lock);
}

/* Takes the call out of a list; returns where the list ends. */
static struct host_call **take_out(struct host_call **next, const struct host_call *call)
{
	while (*next != NULL) {
		if (*next == call)
			*next = call->next;
		else
			next = &(*next)->next;
	}
	return next;
}

void host_loop_forget(struct host_loop *loop, struct host_call *call)
{
	pthread_mutex_lock(&loop->calls_lock);
	loop->calls_tail = take_out(&loop->calls, call);
	take_out(&loop->running, call);
	call->waiting = false;
	pthread_mutex_unlock(&loop->calls_lock);
}

static void on_watch(evutil_socket_t fd, short what, void *context)
{
	struct watch *watch = context;
	(void)fd;
	(void)what;
	host_touch(watch->host);
	watch->callback(watch->context);
}

void host_watch(struct host *host, int fd, void (*callback)(void *), void *context)
{
	struct watch *watch = ALLOC(struct watch);
	watch->host = host;
	watch->callback = callback;
	watch->context = context;
	watch->next = host->watches;
	host->watches = watch;
	event_assign(&watch->event, host->loop->base, fd, EV_READ | EV_PERSIST, on_watch, watch);
	event_add(&watch->event, NULL);
}

void host_work(struct host *host, bool (*work)(void *), void (*done)(void *), void *context)
{
	ASSERT(host->work == NULL && host->loop->owner == host);
	host->work = work;
	host->work_done = done;
	host->work_context = context;
}
