/* The disk of a node: threads that carry out its requests, in order within a lane. */
#include "host/disk_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/list.h"
#include "host/disk_file.h"

#define BACKGROUND_NICE 10    /* of its thread: about a tenth of a processor that others want */
#define LOOP_BYTES_MAX 32768u /* a longer write is worth a thread */
#define SLOW_US 5000u         /* a sync of the log that takes so long is slow */
/* and for so long after it, everything goes through the thread; and then until one is quick */
#define SLOW_PAUSE_US 1000000u

/*
 * Descriptors in reserve: a log segment or a snapshot for which there is none takes one of these.
 * They are filled up again as soon as there are others.
 */
#define SPARES 4u

/* In disk_request.order, of the log's lane: who carries it out. */
enum { AT_LOOP = 1, AT_THREAD };

/* A first-in first-out list of requests. */
struct queue {
	struct disk_request *first, *last;
};

struct disk_posix;

struct posix_lane {
	struct disk_posix *owner;
	pthread_t thread;
	bool started;
	/* Guarded by the lock: */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct queue queue;
	bool asleep;
	bool stopping;
};

struct disk_posix {
	struct disk disk;
	int directory_fd;
	int event_fd;
	uint64_t outstanding; /* the loop's thread only */
	struct posix_lane lanes[DISK_LANES];
	pthread_mutex_t completed_lock;
	struct queue completed; /* guarded by completed_lock */
	/* The loop's thread only: */
	bool use_loop;
	struct queue left;      /* for disk_posix_run() */
	struct queue done;      /* by it: for disk_posix_finish() */
	uint64_t log_at_thread; /* requests of the log's lane that its thread has */
	int spares[SPARES];     /* -1: given up. The bulk lane's thread only, once it runs */
	void (*on_shortage)(void *context, int error);
	void *on_shortage_context;
	/* Both threads: */
	_Atomic int shortage; /* errno of the last one that the loop has not heard of; 0: none */
	_Atomic uint64_t slow_until_us; /* the log goes through its thread until then */
	/*
	 * and until a sync after that was quick: else the loop would wait for the disk after each
	 * lull
	 */
	_Atomic bool slow;
};

static struct disk_posix *posix_of(struct disk *disk)
{
	return LIST_ITEM(disk, struct disk_posix, disk);
}

static void lock(pthread_mutex_t *mutex)
{
	int error = pthread_mutex_lock(mutex);
	ASSERT(error == 0);
}

static void unlock(pthread_mutex_t *mutex)
{
	int error = pthread_mutex_unlock(mutex);
	ASSERT(error == 0);
}

static void queue_push(struct queue *queue, struct disk_request *request)
{
	request->next = NULL;
	if (queue->first == NULL)
		queue->first = request;
	else
		queue->last->next = request;
	queue->last = request;
}

static struct disk_request *queue_take_all(struct queue *queue)
{
	struct disk_request *first = queue->first;
	queue->first = queue->last = NULL;
	return first;
}

/* Hands a finished request to the loop, and wakes the loop if it has nothing to dispatch yet. */
static void complete(struct disk_posix *posix, struct disk_request *request)
{
	lock(&posix->completed_lock);
	bool wake = posix->completed.first == NULL;
	queue_push(&posix->completed, request);
	unlock(&posix->completed_lock);
	if (wake) {
		const uint64_t one = 1;
		ssize_t written;
		do {
			written = write(posix->event_fd, &one, sizeof one);
		} while (written < 0 && errno == EINTR);
		/* EAGAIN: the counter is at its maximum, so the descriptor is readable as it is. */
		ASSERT(written == sizeof one || errno == EAGAIN);
	}
}

static uint64_t now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* From what is free, but not the last of it: somebody may be waiting to be accepted. */
static void fill_spares(struct disk_posix *posix)
{
	for (size_t i = 0; i < SPARES; i++) {
		if (posix->spares[i] != -1)
			continue;
		int one = open("/dev/null", O_RDONLY | O_CLOEXEC);
		int another = one < 0 ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (another < 0) {
			if (one >= 0)
				close(one);
			return;
		}
		close(another);
		posix->spares[i] = one;
	}
}

/* False: there is none left. */
static bool give_spare(struct disk_posix *posix)
{
	for (size_t i = 0; i < SPARES; i++) {
		if (posix->spares[i] == -1)
			continue;
		close(posix->spares[i]);
		posix->spares[i] = -1;
		return true;
	}
	return false;
}

static void run_bulk(struct disk_posix *posix, struct disk_request *request)
{
	fill_spares(posix);
	do {
		request->status = disk_file_run(posix->directory_fd, request);
		if (request->status == STATUS_SHORTAGE)
			posix->shortage = request->error;
	} while (request->status == STATUS_SHORTAGE && give_spare(posix));
	if (request->operation == DISK_CLOSE)
		fill_spares(posix);
}

static void run_request(struct disk_posix *posix, struct disk_request *request)
{
	if (request->lane == DISK_LANE_BULK) {
		run_bulk(posix, request);
		return;
	}
	if (request->make != NULL && !request->make(request)) {
		request->status = STATUS_CORRUPT;
		return;
	}
	bool timed = posix->use_loop && request->lane == DISK_LANE_LOG;
	uint64_t began_us = timed ? now_us() : 0;
	request->status = disk_file_run(posix->directory_fd, request);
	if (!timed)
		return;
	uint64_t ended_us = now_us();
	if (ended_us - began_us >= SLOW_US) {
		posix->slow_until_us = ended_us + SLOW_PAUSE_US;
		posix->slow = true;
	} else if (request->operation == DISK_WRITE_SYNC && ended_us >= posix->slow_until_us) {
		posix->slow = false;
	}
}

/* A lane's thread: takes all that is queued, carries it out in order, sleeps. */
static void *lane_main(void *data)
{
	struct posix_lane *lane = data;
	struct disk_posix *posix = lane->owner;
	/* Of a thread alone, on Linux. If it may not be, all are alike. */
	if (lane == &posix->lanes[DISK_LANE_BACKGROUND])
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), BACKGROUND_NICE);
	lock(&lane->lock);
	for (;;) {
		struct disk_request *request = queue_take_all(&lane->queue);
		if (request == NULL) {
			if (lane->stopping)
				break;
			lane->asleep = true;
			pthread_cond_wait(&lane->wake, &lane->lock);
			lane->asleep = false;
			continue;
		}
		unlock(&lane->lock);
		while (request != NULL) {
			/* Once completed, the request is its owner's again. */
			struct disk_request *next = request->next;
			run_request(posix, request);
			complete(posix, request);
			request = next;
		}
		lock(&lane->lock);
	}
	unlock(&lane->lock);
	return NULL;
}

/* 0, or the errno. */
static int lane_start(struct posix_lane *lane)
{
	/* Signals are the loop's. */
	sigset_t all, before;
	sigfillset(&all);
	int error = pthread_sigmask(SIG_SETMASK, &all, &before);
	ASSERT(error == 0);
	int failure = pthread_create(&lane->thread, NULL, lane_main, lane);
	error = pthread_sigmask(SIG_SETMASK, &before, NULL);
	ASSERT(error == 0);
	lane->started = failure == 0;
	return failure;
}

static void lane_submit(struct posix_lane *lane, struct disk_request *request)
{
	if (!lane->started) {
		/* A daemon's are there by now: disk_posix_use_loop(). */
		int error = lane_start(lane);
		ASSERT(error == 0);
	}
	lock(&lane->lock);
	bool wake = lane->asleep && lane->queue.first == NULL;
	queue_push(&lane->queue, request);
	unlock(&lane->lock);
	if (wake)
		pthread_cond_signal(&lane->wake);
}

/* In the order of submission: not past what the thread has. */
static bool is_for_loop(const struct disk_posix *posix, const struct disk_request *request)
{
	return posix->use_loop && posix->log_at_thread == 0 &&
	       (posix->left.first != NULL || (request->len <= LOOP_BYTES_MAX && !posix->slow &&
					      now_us() >= posix->slow_until_us));
}

static void posix_submit(struct disk *disk, struct disk_request *request)
{
	struct disk_posix *posix = posix_of(disk);
	ASSERT(request->callback != NULL);
	posix->outstanding++;
	if (request->lane == DISK_LANE_LOG) {
		request->order = is_for_loop(posix, request) ? AT_LOOP : AT_THREAD;
		if (request->order == AT_LOOP) {
			queue_push(&posix->left, request);
			return;
		}
		posix->log_at_thread++;
	}
	lane_submit(&posix->lanes[request->lane], request);
}

int disk_posix_use_loop(struct disk *disk, char *error, size_t error_size)
{
	struct disk_posix *posix = posix_of(disk);
	ASSERT(disk_posix_outstanding(disk) == 0);
	/* Now, not with the first request: later there may be no room for a thread. */
	for (int i = 0; i < DISK_LANES; i++) {
		int failure = posix->lanes[i].started ? 0 : lane_start(&posix->lanes[i]);
		if (failure == 0)
			continue;
		snprintf(error, error_size,
			 "cannot start a thread for the disk: %s: raise the limit (ulimit -u, "
			 "TasksMax=)",
			 strerror(failure));
		return STATUS_SHORTAGE;
	}
	posix->use_loop = true;
	return 0;
}

bool disk_posix_run(struct disk *disk)
{
	struct disk_posix *posix = posix_of(disk);
	struct disk_request *request = queue_take_all(&posix->left);
	if (request == NULL)
		return false;
	while (request != NULL) {
		struct disk_request *next = request->next;
		run_request(posix, request);
		queue_push(&posix->done, request);
		request = next;
	}
	return true;
}

int disk_posix_fd(struct disk *disk)
{
	return posix_of(disk)->event_fd;
}

static void run_callbacks(struct disk_posix *posix, struct disk_request *request)
{
	while (request != NULL) {
		struct disk_request *next = request->next;
		ASSERT(posix->outstanding > 0);
		posix->outstanding--;
		if (request->lane == DISK_LANE_LOG && request->order == AT_THREAD)
			posix->log_at_thread--;
		request->callback(request);
		request = next;
	}
}

void disk_posix_dispatch(struct disk *disk)
{
	struct disk_posix *posix = posix_of(disk);
	uint64_t count;
	ssize_t got;
	/*
	 * Before the queue is taken: what completes afterwards makes the descriptor readable again.
	 */
	do {
		got = read(posix->event_fd, &count, sizeof count);
	} while (got < 0 && errno == EINTR);
	ASSERT(got == sizeof count || errno == EAGAIN);
	lock(&posix->completed_lock);
	struct disk_request *request = queue_take_all(&posix->completed);
	unlock(&posix->completed_lock);
	run_callbacks(posix, request);
	int error = atomic_exchange(&posix->shortage, 0);
	if (error != 0 && posix->on_shortage != NULL)
		posix->on_shortage(posix->on_shortage_context, error);
}

void disk_posix_on_shortage(struct disk *disk, void (*callback)(void *context, int error),
			    void *context)
{
	posix_of(disk)->on_shortage = callback;
	posix_of(disk)->on_shortage_context = context;
}

void disk_posix_finish(struct disk *disk)
{
	struct disk_posix *posix = posix_of(disk);
	run_callbacks(posix, queue_take_all(&posix->done));
}

uint64_t disk_posix_outstanding(struct disk *disk)
{
	return posix_of(disk)->outstanding;
}

void disk_posix_drain(struct disk *disk)
{
	struct disk_posix *posix = posix_of(disk);
	while (posix->outstanding > 0) {
		/*
		 * What the loop's thread has carried out, or is to, comes first: no descriptor
		 * tells of it.
		 */
		if (posix->done.first != NULL || disk_posix_run(disk)) {
			disk_posix_finish(disk);
			continue;
		}
		struct pollfd wait = {.fd = posix->event_fd, .events = POLLIN};
		int ready = poll(&wait, 1, -1);
		ASSERT(ready >= 0 || errno == EINTR);
		disk_posix_dispatch(disk);
	}
}

/* Of a blocking call; what the system has said is still in errno. */
static int told(struct disk *disk, int status, const char *name)
{
	if (status == STATUS_TRUNCATED)
		snprintf(disk->problem, sizeof disk->problem, "%.100s is shorter than it was",
			 name);
	else if (status != 0 && status != STATUS_NOT_FOUND && status != STATUS_CORRUPT)
		snprintf(disk->problem, sizeof disk->problem, "%.100s: %s", name, strerror(errno));
	return status;
}

static int told_of(struct disk *disk, int status, const struct disk_file *file)
{
	char name[DISK_FILE_NAME_BYTES];
	int error = errno;
	if (status == 0)
		return 0;
	disk_file_name(file, name, sizeof name);
	errno = error;
	return told(disk, status, name);
}

static int posix_list(struct disk *disk,
		      void (*each)(void *context, const char *name, uint64_t size), void *context)
{
	return told(disk, disk_file_list(posix_of(disk)->directory_fd, each, context),
		    "the list of its files");
}

static int posix_open(struct disk *disk, const char *name, struct disk_file **out, uint64_t *size)
{
	return told(disk, disk_file_open(posix_of(disk)->directory_fd, name, out, size), name);
}

static int posix_read_now(struct disk *disk, struct disk_file *file, uint64_t offset, uint8_t *data,
			  size_t len)
{
	return told_of(disk, disk_file_read(file, offset, data, len), file);
}

static int posix_write_now(struct disk *disk, struct disk_file *file, uint64_t offset,
			   const uint8_t *data, size_t len)
{
	return told_of(disk, disk_file_write(file, offset, data, len), file);
}

static int posix_sync_now(struct disk *disk, struct disk_file *file)
{
	return told_of(disk, disk_file_sync(file), file);
}

static int posix_run_now(struct disk *disk, struct disk_request *request)
{
	bool named = request->operation == DISK_CREATE || request->operation == DISK_RENAME ||
		     request->operation == DISK_REMOVE;
	request->status = disk_file_run(posix_of(disk)->directory_fd, request);
	if (named)
		return told(disk, request->status, request->name);
	if (request->operation == DISK_CLOSE || request->operation == DISK_SYNC_DIRECTORY)
		return told(disk, request->status, "its directory");
	return told_of(disk, request->status, request->file);
}

static void add_size(void *context, const char *name, uint64_t size)
{
	(void)name;
	*(uint64_t *)context += size;
}

uint64_t disk_posix_bytes(struct disk *disk)
{
	uint64_t bytes = 0;
	return disk_file_list(posix_of(disk)->directory_fd, add_size, &bytes) == 0 ? bytes : 0;
}

int disk_posix_create(struct disk **out, const char *directory)
{
	static const struct disk_ops ops = {
		.list = posix_list,
		.open = posix_open,
		.read_now = posix_read_now,
		.write_now = posix_write_now,
		.sync_now = posix_sync_now,
		.run_now = posix_run_now,
		.submit = posix_submit,
	};
	*out = NULL;
	int directory_fd;
	int status = disk_directory_open(directory, &directory_fd);
	if (status != 0)
		return status;
	int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event_fd < 0) {
		close(directory_fd);
		return STATUS_IO;
	}
	struct disk_posix *posix = ALLOC(struct disk_posix);
	posix->disk.ops = &ops;
	posix->directory_fd = directory_fd;
	posix->event_fd = event_fd;
	memset(posix->spares, -1, sizeof posix->spares);
	fill_spares(posix);
	pthread_mutex_init(&posix->completed_lock, NULL);
	for (int i = 0; i < DISK_LANES; i++) {
		posix->lanes[i].owner = posix;
		pthread_mutex_init(&posix->lanes[i].lock, NULL);
		pthread_cond_init(&posix->lanes[i].wake, NULL);
	}
	*out = &posix->disk;
	return 0;
}

void disk_posix_destroy(struct disk *disk)
{
	struct disk_posix *posix = posix_of(disk);
	ASSERT(posix->outstanding == 0);
	for (int i = 0; i < DISK_LANES; i++) {
		struct posix_lane *lane = &posix->lanes[i];
		if (lane->started) {
			lock(&lane->lock);
			lane->stopping = true;
			unlock(&lane->lock);
			pthread_cond_signal(&lane->wake);
			pthread_join(lane->thread, NULL);
		}
		pthread_mutex_destroy(&lane->lock);
		pthread_cond_destroy(&lane->wake);
	}
	pthread_mutex_destroy(&posix->completed_lock);
	while (give_spare(posix)) {}
	close(posix->event_fd);
	close(posix->directory_fd); /* releases the lock */
	free(posix);
}
