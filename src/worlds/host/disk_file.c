/* Files of a data directory, and what the system says of them. */
#include "host/disk_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"

/* Written by one call. */
#define PIECES_MAX 64u

struct disk_file {
	int fd;
};

static int status_of_errno(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG: /* by a limit of the process (ulimit -f), or of the file system */
		return STATUS_NO_SPACE;
	case EROFS:
	case EACCES:
	case EPERM: return STATUS_READ_ONLY;
	case ENOENT: return STATUS_NOT_FOUND;
	default: return STATUS_IO;
	}
}

static struct disk_file *file_new(int fd)
{
	struct disk_file *file = ALLOC(struct disk_file);
	file->fd = fd;
	return file;
}

/* open() of something in the directory, continued when interrupted. */
static int open_at(int directory_fd, const char *name, int flags)
{
	int fd;
	do {
		fd = openat(directory_fd, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	} while (fd < 0 && errno == EINTR);
	return fd;
}

/* An open() that fails for want of a descriptor, or of memory for one, has done nothing. */
static int status_of_open(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ? STATUS_SHORTAGE
								     : status_of_errno(error);
}

int disk_file_open(int directory_fd, const char *name, struct disk_file **out, uint64_t *size)
{
	int fd = open_at(directory_fd, name, O_RDWR);
	if (fd < 0)
		return status_of_open(errno);
	struct stat info;
	if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
		close(fd);
		errno = EINVAL;
		return STATUS_IO;
	}
	*out = file_new(fd);
	*size = (uint64_t)info.st_size;
	return 0;
}

void disk_file_name(const struct disk_file *file, char *out, size_t size)
{
	char link[64], path[PATH_MAX];
	snprintf(link, sizeof link, "/proc/self/fd/%d", file->fd);
	ssize_t len = readlink(link, path, sizeof path - 1);
	path[len > 0 ? len : 0] = '\0';
	const char *slash = strrchr(path, '/');
	snprintf(out, size, "%s", slash == NULL || slash[1] == '\0' ? "a file" : slash + 1);
}

int disk_file_read(struct disk_file *file, uint64_t offset, uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t got = pread(file->fd, data, len, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return status_of_errno(errno);
		if (got == 0)
			return STATUS_TRUNCATED;
		data += got;
		offset += (uint64_t)got;
		len -= (size_t)got;
	}
	return 0;
}

/*
 * Clean pages are given up before and after: what is read is what is on the medium, and nobody's
 * pages make room for it.
 */
static int read_fresh(const struct disk_request *request)
{
	off_t offset = (off_t)request->offset, len = (off_t)request->len;
	(void)posix_fadvise(request->file->fd, offset, len, POSIX_FADV_DONTNEED);
	int status = disk_file_read(request->file, request->offset, request->data, request->len);
	(void)posix_fadvise(request->file->fd, offset, len, POSIX_FADV_DONTNEED);
	return status;
}

int disk_file_write(struct disk_file *file, uint64_t offset, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t written = pwrite(file->fd, data, len, (off_t)offset);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return status_of_errno(errno);
		if (written == 0)
			return STATUS_IO;
		data += written;
		offset += (uint64_t)written;
		len -= (size_t)written;
	}
	return 0;
}

/* What is left of the pieces, in one call; how much was written, or -1. */
static ssize_t write_some(struct disk_file *file, uint64_t offset, const struct slice *pieces,
			  uint32_t count, size_t done)
{
	struct iovec parts[PIECES_MAX];
	int used = 0;
	for (uint32_t i = 0; i < count && used < (int)PIECES_MAX; i++, done = 0)
		parts[used++] = (struct iovec){
			.iov_base = (void *)(uintptr_t)(pieces[i].data + done),
			.iov_len = pieces[i].len - done};
	return pwritev(file->fd, parts, used, (off_t)offset);
}

static int write_pieces(struct disk_file *file, uint64_t offset, const struct slice *pieces,
			uint32_t count)
{
	size_t done = 0; /* of the first */
	for (;;) {
		while (count > 0 && done >= pieces->len) {
			done -= pieces->len;
			pieces++;
			count--;
		}
		if (count == 0)
			return 0;
		ssize_t written = write_some(file, offset, pieces, count, done);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return status_of_errno(errno);
		if (written == 0)
			return STATUS_IO;
		offset += (uint64_t)written;
		done += (size_t)written;
	}
}

int disk_file_sync(struct disk_file *file)
{
	while (fdatasync(file->fd) != 0) {
		/* Only an interruption is no failure: any other error must not be tried again. */
		if (errno != EINTR)
			return status_of_errno(errno);
	}
	return 0;
}

static int fill_with_zeros(struct disk_file *file, uint64_t len)
{
	static const uint8_t zeros[256 * 1024];
	/*
	 * Finds out about a full disk before any work is done, and asks for one extent. Not every
	 * file system can.
	 */
	if (fallocate(file->fd, 0, 0, (off_t)len) != 0 && status_of_errno(errno) == STATUS_NO_SPACE)
		return STATUS_NO_SPACE;
	for (uint64_t offset = 0; offset < len;) {
		size_t part = len - offset < sizeof zeros ? (size_t)(len - offset) : sizeof zeros;
		int status = disk_file_write(file, offset, zeros, part);
		if (status != 0)
			return status;
		offset += part;
	}
	return 0;
}

static int file_create(int directory_fd, struct disk_request *request)
{
	request->file = NULL;
	int fd = open_at(directory_fd, request->name, O_RDWR | O_CREAT | O_TRUNC);
	if (fd < 0) {
		request->error = errno;
		return status_of_open(errno);
	}
	struct disk_file *file = file_new(fd);
	int status = request->len == 0 ? 0 : fill_with_zeros(file, request->len);
	if (status != 0) {
		close(fd);
		free(file);
		return status;
	}
	request->file = file;
	return 0;
}

static int file_close(struct disk_file *file)
{
	/* The descriptor is gone whatever close() returns; the caller has synced what matters. */
	int status = close(file->fd) == 0 || errno == EINTR ? 0 : status_of_errno(errno);
	free(file);
	return status;
}

static int directory_sync(int directory_fd)
{
	while (fsync(directory_fd) != 0)
		if (errno != EINTR)
			return status_of_errno(errno);
	return 0;
}

/* A write beyond the end would make the file long again, with zeros where something has gone. */
static int file_write(const struct disk_request *request)
{
	struct stat info;
	if (request->size_min > 0 && fstat(request->file->fd, &info) != 0)
		return status_of_errno(errno);
	if (request->size_min > 0 && (uint64_t)info.st_size < request->size_min)
		return STATUS_CORRUPT;
	if (request->npieces > 0)
		return write_pieces(request->file, request->offset, request->pieces,
				    request->npieces);
	return disk_file_write(request->file, request->offset, request->data, request->len);
}

int disk_file_run(int directory_fd, struct disk_request *request)
{
	int status;
	switch (request->operation) {
	case DISK_WRITE: return file_write(request);
	case DISK_READ:
		return request->fresh ? read_fresh(request)
				      : disk_file_read(request->file, request->offset,
						       request->data, request->len);
	case DISK_SYNC: return disk_file_sync(request->file);
	case DISK_WRITE_SYNC:
		status = file_write(request);
		return status != 0 ? status : disk_file_sync(request->file);
	case DISK_CREATE: return file_create(directory_fd, request);
	case DISK_CLOSE: return file_close(request->file);
	case DISK_RENAME:
		return renameat(directory_fd, request->name, directory_fd, request->new_name) == 0
			       ? 0
			       : status_of_errno(errno);
	case DISK_REMOVE:
		return unlinkat(directory_fd, request->name, 0) == 0 || errno == ENOENT
			       ? 0
			       : status_of_errno(errno);
	case DISK_SYNC_DIRECTORY: return directory_sync(directory_fd);
	}
	ASSERT(false);
}

int disk_file_list(int directory_fd, void (*each)(void *context, const char *name, uint64_t size),
		   void *context)
{
	int fd = open_at(directory_fd, ".", O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return status_of_errno(errno);
	DIR *directory = fdopendir(fd);
	if (directory == NULL) {
		close(fd);
		return STATUS_IO;
	}
	int status = 0;
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(directory);
		if (entry == NULL) {
			status = errno == 0 ? 0 : status_of_errno(errno);
			break;
		}
		struct stat info;
		if (fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(info.st_mode))
			each(context, entry->d_name, (uint64_t)info.st_size);
	}
	closedir(directory);
	return status;
}

/* Makes a directory, and its name durable in the directory above. One that exists is fine. */
static int make_directory(const char *path)
{
	if (mkdir(path, 0700) != 0)
		return errno == EEXIST ? 0 : status_of_errno(errno);
	char *parent = alloc_format("%s/..", path);
	int fd = open_at(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY);
	free(parent);
	if (fd < 0)
		return status_of_errno(errno);
	int status = directory_sync(fd);
	close(fd);
	return status;
}

static int make_directories(const char *path)
{
	char *copy = alloc_string(path);
	int status = 0;
	for (char *slash = copy; status == 0 && (slash = strchr(slash + 1, '/')) != NULL;) {
		*slash = '\0';
		status = make_directory(copy);
		*slash = '/';
	}
	if (status == 0)
		status = make_directory(copy);
	free(copy);
	return status;
}

int disk_directory_open(const char *path, int *out)
{
	if (*path == '\0')
		return STATUS_NOT_FOUND;
	int status = make_directories(path);
	if (status != 0)
		return status;
	/* The directory itself may be a symbolic link, its files may not. */
	int fd;
	do {
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return status_of_errno(errno);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		status = errno == EWOULDBLOCK ? STATUS_LOCKED : status_of_errno(errno);
		close(fd);
		return status;
	}
	*out = fd;
	return 0;
}
