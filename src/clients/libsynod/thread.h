/*
 * The thread of a handle, or of several that share one: a loop (host/host.h) with the hosts of all
 * its handles, and one reserve of memory (base/alloc.h).
 *
 * It lives as long as a handle holds it. It ends earlier only by giving up: when the reserve cannot
 * be filled up again at the end of a turn, every handle on it is given up (handle_give_up()) while
 * there is something left to do it with, and then nothing runs on it any more; what is left of the
 * handles is taken apart by whoever closes them.
 */
#ifndef SYNOD_LIBSYNOD_THREAD_H
#define SYNOD_LIBSYNOD_THREAD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/status.h"
#include "host/host.h"

struct client_thread;

/*
 * A new thread, held once. 0, or STATUS_NO_MEMORY (or another resource of which there is only so
 * much, as `error` says).
 */
int client_thread_start(struct client_thread **out, char *error, size_t error_size) MUST_CHECK;
/* Holds it once more. */
struct client_thread *client_thread_hold(struct client_thread *thread);
/* Lets go of it; whoever does so last waits for its end. Not on the thread itself. */
void client_thread_release(struct client_thread *thread);

struct host_loop *client_thread_loop(struct client_thread *thread);
/* What is on the thread: struct synod's `on_thread`. Only within client_thread_do(). */
struct list *client_thread_handles(struct client_thread *thread);
bool client_thread_is_this(const struct client_thread *thread);

/*
 * Runs `deed` on the thread, and returns when it has run. False if the thread has given up: then
 * `deed` has not run, and does not. Not on the thread itself.
 */
bool client_thread_do(struct client_thread *thread, void (*deed)(void *context),
		      void *context) MUST_CHECK;
/*
 * Runs `deed` on the calling thread, for the thread that has given up: with its reserve, and one
 * caller at a time.
 */
void client_thread_do_for(struct client_thread *thread, void (*deed)(void *context), void *context);

#endif
