/* The handle behind synod.h: what its files share. */
#ifndef SYNOD_LIBSYNOD_HANDLE_H
#define SYNOD_LIBSYNOD_HANDLE_H

#include <pthread.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "client/core.h"
#include "host/host.h"
#include "libsynod/thread.h"
#include "synod.h"

struct synod {
	struct client_thread *thread; /* everything of the host and the client node happens there */
	struct list on_thread;        /* in client_thread_handles() */
	bool open;
	struct host *host;
	struct client *client;
	struct log log;
	struct host_call nudge;
	uint32_t timeout_ms;
	uint32_t outstanding_max;

	pthread_mutex_t mutex;      /* guards what follows */
	pthread_cond_t room;        /* a request has ended */
	struct list submitted;      /* requests on their way to the thread */
	uint32_t outstanding;       /* requests given to the handle and not yet ended */
	uint64_t outstanding_bytes; /* and their size */
	uint32_t waiting_for_room;
	bool closing;
	bool no_memory; /* the thread has given up for want of memory; then closing is set too */

	char error[1024];
};

/*
 * Gives the request to the handle's thread; takes it in any case. SYNOD_OK, or SYNOD_CLOSED, or
 * SYNOD_BUSY (without `wait`, or when timeout_ms have passed without room): then the request has
 * been freed.
 */
int handle_submit(struct synod *s, struct client_request *request, bool wait);

/* An asynchronous call: the status that it returns. `made` is the status of making the request. */
int handle_submit_async(struct synod *s, int made, struct client_request *request,
			uint32_t timeout_ms, synod_callback done, void *context);

/* A request has ended: makes room for others. With the mutex. */
void handle_ended(struct synod *s, const struct client_request *request);
/* The status with which a request ends, that would end with `status`. */
int handle_end_status(struct synod *s, int status);
/* On the handle's thread: takes over what has been submitted. */
void handle_take_submitted(void *context);
/* On the handle's thread: as if it were closed, for want of memory. */
void handle_give_up(struct synod *s);

/* A request that somebody waits for. */
struct handle_wait {
	pthread_cond_t ended;
	bool done; /* guarded by the handle's mutex */
	struct synod_reply *reply;
	struct bytes *payload;
};

/*
 * Starts the request, and waits for its end. `made` is the status of making the request: an error
 * becomes a reply. handle_end() returns the reply; *payload is a copy that the caller unrefs, NULL
 * if there is none; payload may be NULL.
 */
void handle_begin(struct synod *s, int made, struct client_request *request, uint32_t timeout_ms,
		  struct handle_wait *wait);
struct synod_reply *handle_end(struct synod *s, struct handle_wait *wait, struct bytes **payload);
struct synod_reply *handle_run(struct synod *s, int made, struct client_request *request,
			       uint32_t timeout_ms, struct bytes **payload);

#endif
