/*
 * The real struct disk (node/disk.h): a directory of the file system.
 *
 * One thread a lane, started with the lane's first request, carries requests out
 * in the order of submission. A finished request goes to one queue of
 * completions; an eventfd becomes readable when that queue stops being empty, and
 * the event loop then calls disk_posix_dispatch(), which runs the callbacks. A
 * thread is woken once for however many requests a loop turn submits.
 *
 * After disk_posix_use_loop() small writes to the log (LOOP_BYTES_MAX) are carried out by the
 * loop's own thread, once a turn and after the turn's messages have left: that saves two wake-ups a
 * sync. The loop stands still meanwhile: large writes, during which there is a next batch to be
 * made ready, go through the thread as before, and so does everything for a while after a sync that
 * was slow (SLOW_US), so that one slow sync at most holds up heartbeats.
 *
 * Files. DISK_CREATE writes real zeros (fallocate first, so that a full disk is found
 * out early): later writes then change no metadata, and fdatasync is all they need.
 * Syncs are fdatasync; directories are fsync'ed. Descriptors are close-on-exec.
 *
 * A few descriptors are held in reserve for new files; without any left DISK_CREATE fails with
 * STATUS_SHORTAGE.
 *
 * The directory is locked (flock) while the disk exists. Errors: STATUS_NO_SPACE
 * (ENOSPC, EDQUOT), STATUS_READ_ONLY (EROFS, EACCES, EPERM), STATUS_IO.
 *
 * Threads: everything here is called on one thread, the event loop's.
 */
#ifndef SYNOD_HOST_DISK_POSIX_H
#define SYNOD_HOST_DISK_POSIX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "node/disk.h"

/*
 * Opens `directory`, creating it and its parents if need be.
 * 0; STATUS_LOCKED if another process uses it, STATUS_READ_ONLY, STATUS_NO_SPACE, STATUS_IO.
 */
int disk_posix_create(struct disk **out, const char *directory) MUST_CHECK;
/* Readable when completions wait for disk_posix_dispatch(). */
int disk_posix_fd(struct disk *disk);
/* Runs the callbacks of the requests that have completed, in order. They may submit. */
void disk_posix_dispatch(struct disk *disk);
/*
 * From now on disk_posix_run() is called at the end of every turn. Nothing may be outstanding. 0,
 * or STATUS_SHORTAGE with a sentence: there is no room for its threads, and all is as before.
 */
int disk_posix_use_loop(struct disk *disk, char *error, size_t error_size) MUST_CHECK;
/*
 * Carries out what was left for the loop's thread. True if there was anything: then
 * disk_posix_finish() is due, which runs the callbacks. The descriptor tells only of what the other
 * threads have done.
 */
bool disk_posix_run(struct disk *disk);
void disk_posix_finish(struct disk *disk);
/*
 * `callback` runs on the loop's thread, after completions, when a file met `error` for want of a
 * descriptor or of memory: it may find something to close.
 */
void disk_posix_on_shortage(struct disk *disk, void (*callback)(void *context, int error),
			    void *context);
/* Requests submitted whose callback has not run yet. */
uint64_t disk_posix_outstanding(struct disk *disk);
/*
 * Waits until nothing is outstanding, running callbacks meanwhile (and what they submit).
 * To be called before the owner of requests is destroyed: a request's memory is its owner's.
 */
void disk_posix_drain(struct disk *disk);
/* Bytes of all regular files in the directory. */
uint64_t disk_posix_bytes(struct disk *disk);
/* Nothing may be outstanding. Files that are still open stay the owner's to close before this. */
void disk_posix_destroy(struct disk *disk);

#endif
