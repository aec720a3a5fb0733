#include "host/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/disk_posix.h"

#define IDENTITY_FILE "identity"
#define IDENTITY_NEW "identity-new"
#define IDENTITY_BYTES_MAX 1024u
#define LOG_PREFIX "log-"

static int status_of(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
		return STATUS_NO_SPACE;
	case EROFS:
	case EACCES:
	case EPERM:
		return STATUS_READ_ONLY;
	default:
		return STATUS_IO;
	}
}

static const char *advice_for(int status)
{
	switch (status) {
	case STATUS_NO_SPACE:
		return "free some space there";
	case STATUS_READ_ONLY:
		return "make it writable for this user, or set 'dir' to another directory";
	case STATUS_LOCKED:
		return "stop the other process, or set 'dir' to this node's own directory";
	default:
		return "set 'dir' to a usable directory";
	}
}

static int fail(int status, const char *path, const char *what, char *error, size_t error_size)
{
	snprintf(error, error_size, "data directory %s: %s: %s", path, what, advice_for(status));
	return status;
}

/* mkdir -p */
static int make_directories(const char *path, char *error, size_t error_size)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	if (len == 0 || len >= sizeof part)
		return fail(STATUS_IO, path, "not a usable path", error, error_size);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0700) != 0 && errno != EEXIST) {
			int failed = errno;
			char what[PATH_MAX + 64];
			snprintf(what, sizeof what, "cannot create %s: %s", part, strerror(failed));
			return fail(status_of(failed), path, what, error, error_size);
		}
	}
	struct stat st;
	if (stat(path, &st) != 0)
		return fail(status_of(errno), path, strerror(errno), error, error_size);
	if (!S_ISDIR(st.st_mode))
		return fail(STATUS_IO, path, "not a directory", error, error_size);
	if (access(path, R_OK | W_OK | X_OK) != 0)
		return fail(status_of(errno), path, strerror(errno), error, error_size);
	return 0;
}

static void format_identity(const struct datadir_identity *id, char *out, size_t size)
{
	snprintf(out, size,
		 "synod-identity 1\ncluster = %s\nnode = %s\nrole = %s\ngroup = %" PRIu64
		 "\nreplica = %u\nshards = %u\n",
		 id->cluster, id->node, id->role, id->group, id->replica, id->shards);
}

/* "cluster = demo, node = g1a, …" out of the file's lines, without the first. */
static void describe(const char *identity, char *out, size_t size)
{
	const char *line = strchr(identity, '\n');
	size_t used = 0;
	if (line == NULL)
		line = identity;
	for (line += *line == '\n'; *line != '\0' && used + 2 < size; line++) {
		if (*line == '\n' && line[1] != '\0') {
			out[used++] = ',';
			out[used++] = ' ';
		} else if (*line != '\n') {
			out[used++] = *line;
		}
	}
	out[used] = '\0';
}

static int check_identity(const char *path, const char *found, const char *own, char *error, size_t error_size)
{
	char theirs[IDENTITY_BYTES_MAX], ours[IDENTITY_BYTES_MAX];
	if (strcmp(found, own) == 0)
		return 0;
	if (strncmp(found, "synod-identity ", 15) != 0) {
		snprintf(error, error_size,
			 "data directory %s: its file %s is damaged: restore it, or set 'dir' to an empty "
			 "directory",
			 path, IDENTITY_FILE);
		return STATUS_CORRUPT;
	}
	describe(found, theirs, sizeof theirs);
	describe(own, ours, sizeof ours);
	snprintf(error, error_size,
		 "data directory %s belongs to another node (%s), this node is (%s): set 'dir' to this node's own "
		 "directory",
		 path, theirs, ours);
	return STATUS_IDENTITY;
}

static void note_log(void *context, const char *name, uint64_t size)
{
	(void)size;
	if (strncmp(name, LOG_PREFIX, strlen(LOG_PREFIX)) == 0)
		*(bool *)context = true;
}

static int write_identity(struct disk *disk, const char *own)
{
	struct disk_request create = {.operation = DISK_CREATE, .name = IDENTITY_NEW};
	struct disk_request rename_it = {
		.operation = DISK_RENAME, .name = IDENTITY_NEW, .new_name = IDENTITY_FILE};
	struct disk_request sync_directory = {.operation = DISK_SYNC_DIRECTORY};
	int status = disk->ops->run_now(disk, &create);
	if (status != 0)
		return status;
	struct disk_request close_it = {.operation = DISK_CLOSE, .file = create.file};
	status = disk->ops->write_now(disk, create.file, 0, (const uint8_t *)own, strlen(own));
	if (status == 0)
		status = disk->ops->sync_now(disk, create.file);
	int closed = disk->ops->run_now(disk, &close_it);
	if (status == 0)
		status = closed;
	if (status == 0)
		status = disk->ops->run_now(disk, &rename_it);
	if (status == 0)
		status = disk->ops->run_now(disk, &sync_directory);
	return status;
}

static int read_identity(struct disk *disk, char *out, size_t out_size)
{
	struct disk_file *file;
	uint64_t size = 0;
	int status = disk->ops->open(disk, IDENTITY_FILE, &file, &size);
	if (status != 0)
		return status;
	size_t len = size < out_size - 1 ? (size_t)size : out_size - 1;
	memset(out, 0, out_size);
	if (len > 0)
		status = disk->ops->read_now(disk, file, 0, (uint8_t *)out, len);
	struct disk_request close_it = {.operation = DISK_CLOSE, .file = file};
	int closed = disk->ops->run_now(disk, &close_it);
	return status != 0 ? status : closed;
}

static int claim(struct disk *disk, const char *path, const struct datadir_identity *identity, char *error,
		 size_t error_size)
{
	char own[IDENTITY_BYTES_MAX], found[IDENTITY_BYTES_MAX];
	bool has_log = false;
	format_identity(identity, own, sizeof own);
	int status = read_identity(disk, found, sizeof found);
	if (status == 0)
		return check_identity(path, found, own, error, error_size);
	if (status != STATUS_NOT_FOUND)
		return fail(status, path, "cannot read its file " IDENTITY_FILE, error, error_size);
	status = disk->ops->list(disk, note_log, &has_log);
	if (status != 0)
		return fail(status, path, "cannot list it", error, error_size);
	if (has_log) {
		snprintf(error, error_size,
			 "data directory %s holds a log but no file %s: restore that file, or set 'dir' to an "
			 "empty directory",
			 path, IDENTITY_FILE);
		return STATUS_IDENTITY;
	}
	status = write_identity(disk, own);
	if (status != 0)
		return fail(status, path, "cannot write its file " IDENTITY_FILE, error, error_size);
	return 0;
}

int datadir_open(struct disk **out, const char *path, const struct datadir_identity *identity, char *error,
		 size_t error_size)
{
	struct disk *disk = NULL;
	*out = NULL;
	int status = make_directories(path, error, error_size);
	if (status != 0)
		return status;
	status = disk_posix_create(&disk, path);
	if (status == STATUS_LOCKED)
		return fail(status, path, "in use by another process", error, error_size);
	if (status != 0)
		return fail(status, path, status_text(status), error, error_size);
	status = claim(disk, path, identity, error, error_size);
	if (status != 0) {
		disk_posix_destroy(disk);
		return status;
	}
	*out = disk;
	return 0;
}
