/*
 * Files of a data directory: the system calls behind disk_posix. Every function
 * blocks, may be called on any thread, and returns 0 or a status:
 * STATUS_NO_SPACE (ENOSPC, EDQUOT), STATUS_READ_ONLY (EROFS, EACCES, EPERM),
 * STATUS_NOT_FOUND, STATUS_TRUNCATED (the file ends before), STATUS_IO. Interrupted calls
 * and short writes are continued.
 */
#ifndef SYNOD_HOST_DISK_FILE_H
#define SYNOD_HOST_DISK_FILE_H

#include "base/status.h"
#include "node/disk.h"

#define DISK_FILE_NAME_BYTES 256u

/*
 * Opens and locks a directory, creating it and its parents. STATUS_LOCKED if another process holds
 * it.
 */
int disk_directory_open(const char *path, int *fd) MUST_CHECK;
/* Regular files only. */
int disk_file_list(int directory_fd, void (*each)(void *context, const char *name, uint64_t size),
		   void *context) MUST_CHECK;
int disk_file_open(int directory_fd, const char *name, struct disk_file **out,
		   uint64_t *size) MUST_CHECK;
/* The name that it has now, for messages. */
void disk_file_name(const struct disk_file *file, char *out, size_t size);
int disk_file_read(struct disk_file *file, uint64_t offset, uint8_t *data, size_t len) MUST_CHECK;
int disk_file_write(struct disk_file *file, uint64_t offset, const uint8_t *data,
		    size_t len) MUST_CHECK;
int disk_file_sync(struct disk_file *file) MUST_CHECK;
/* Carries out any request; its status is returned, not stored. */
int disk_file_run(int directory_fd, struct disk_request *request) MUST_CHECK;

#endif
