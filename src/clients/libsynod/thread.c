/* The thread on which handles of libsynod run, and how callers reach it. */
#include "libsynod/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libsynod/handle.h"

struct client_thread {
	pthread_t id;
	struct host_loop *loop;
	struct alloc_reserve *reserve;
	struct list handles; /* the thread's own */
	struct host_call leave;
	bool leaving; /* the thread's own: nobody holds it any more */

	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t changed;
	uint32_t holders;
	bool ended; /* nothing runs on it any more */
};

/* Something to be done on the thread, for which somebody waits. */
struct errand {
	struct host_call call;
	struct client_thread *thread;
	void (*deed)(void *context);
	void *context;
	bool done; /* guarded by the thread's mutex */
};

/*
 * What could not be allocated in a turn came from the reserve, so that the turn was completed. When
 * there is no memory to fill that up again, all handles are wound up, as if they were closed.
 */
static void *run(void *argument)
{
	struct client_thread *thread = argument;
	alloc_reserve_use(thread->reserve);
	bool enough = true;
	while (enough && !thread->leaving) {
		host_loop_turn(thread->loop, true);
		enough = alloc_reserve_refill(thread->reserve);
	}
	LIST_FOR (item, &thread->handles)
		handle_give_up(LIST_ITEM(item, struct synod, on_thread));
	alloc_reserve_use(NULL);
	pthread_mutex_lock(&thread->mutex);
	thread->ended = true;
	pthread_cond_broadcast(&thread->changed);
	pthread_mutex_unlock(&thread->mutex);
	return NULL;
}

static void on_leave(void *context)
{
	struct client_thread *thread = context;
	thread->leaving = true;
}

static void free_thread(struct client_thread *thread)
{
	struct alloc_reserve *before = alloc_reserve_use(thread->reserve);
	if (thread->loop != NULL)
		host_loop_destroy(thread->loop);
	alloc_reserve_use(before);
	alloc_reserve_free(thread->reserve);
	pthread_cond_destroy(&thread->changed);
	pthread_mutex_destroy(&thread->mutex);
	free(thread);
}

/* The thread takes no signals: they belong to the program. */
static int create_thread(struct client_thread *thread)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread->id, NULL, run, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

int client_thread_start(struct client_thread **out, char *error, size_t error_size)
{
	struct client_thread *thread = calloc(1, sizeof *thread);
	if (thread == NULL) {
		snprintf(error, error_size, "out of memory");
		return STATUS_NO_MEMORY;
	}
	pthread_mutex_init(&thread->mutex, NULL);
	pthread_cond_init(&thread->changed, NULL);
	list_init(&thread->handles);
	thread->holders = 1;
	thread->leave = (struct host_call){.callback = on_leave, .context = thread};
	thread->reserve = alloc_reserve_create();
	if (thread->reserve == NULL) {
		snprintf(error, error_size, "out of memory");
		free_thread(thread);
		return STATUS_NO_MEMORY;
	}
	struct alloc_reserve *before = alloc_reserve_use(thread->reserve);
	thread->loop = host_loop_create();
	bool enough = alloc_reserve_refill(thread->reserve);
	alloc_reserve_use(before);
	int failure = 0;
	if (thread->loop == NULL || !enough)
		snprintf(error, error_size,
			 "cannot create an event loop: out of memory, or of descriptors");
	else if ((failure = create_thread(thread)) != 0)
		snprintf(error, error_size, "cannot start a thread: %s", strerror(failure));
	if (thread->loop == NULL || !enough || failure != 0) {
		free_thread(thread);
		return STATUS_NO_MEMORY;
	}
	*out = thread;
	return 0;
}

struct client_thread *client_thread_hold(struct client_thread *thread)
{
	pthread_mutex_lock(&thread->mutex);
	thread->holders++;
	pthread_mutex_unlock(&thread->mutex);
	return thread;
}

void client_thread_release(struct client_thread *thread)
{
	pthread_mutex_lock(&thread->mutex);
	bool last = --thread->holders == 0;
	pthread_mutex_unlock(&thread->mutex);
	if (!last)
		return;
	host_loop_wakeup(thread->loop, &thread->leave);
	pthread_join(thread->id, NULL);
	free_thread(thread);
}

struct host_loop *client_thread_loop(struct client_thread *thread)
{
	return thread->loop;
}

struct list *client_thread_handles(struct client_thread *thread)
{
	return &thread->handles;
}

bool client_thread_is_this(const struct client_thread *thread)
{
	return pthread_equal(pthread_self(), thread->id) != 0;
}

static void run_errand(void *context)
{
	struct errand *errand = context;
	struct client_thread *thread = errand->thread;
	errand->deed(errand->context);
	pthread_mutex_lock(&thread->mutex);
	errand->done = true;
	pthread_cond_broadcast(&thread->changed);
	pthread_mutex_unlock(&thread->mutex);
}

bool client_thread_do(struct client_thread *thread, void (*deed)(void *context), void *context)
{
	struct errand errand = {.thread = thread, .deed = deed, .context = context};
	errand.call = (struct host_call){.callback = run_errand, .context = &errand};
	host_loop_wakeup(thread->loop, &errand.call);
	pthread_mutex_lock(&thread->mutex);
	while (!errand.done && !thread->ended)
		pthread_cond_wait(&thread->changed, &thread->mutex);
	bool done = errand.done;
	pthread_mutex_unlock(&thread->mutex);
	if (!done)
		host_loop_forget(thread->loop, &errand.call);
	return done;
}

void client_thread_do_for(struct client_thread *thread, void (*deed)(void *context), void *context)
{
	pthread_mutex_lock(&thread->mutex);
	struct alloc_reserve *before = alloc_reserve_use(thread->reserve);
	deed(context);
	alloc_reserve_use(before);
	pthread_mutex_unlock(&thread->mutex);
}
