/* The data directory: whose it is, and that nobody else has it open. */
#include "daemon/datadir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "host/disk_posix.h"

static int status_of(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG: return STATUS_NO_SPACE;
	case EROFS:
	case EACCES:
	case EPERM: return STATUS_READ_ONLY;
	default: return STATUS_IO;
	}
}

static const char *advice_for(int status)
{
	switch (status) {
	case STATUS_NO_SPACE: return "free some space there";
	case STATUS_READ_ONLY:
		return "make it writable for this user, or set 'dir' to another directory";
	case STATUS_LOCKED:
		return "stop the other process, or set 'dir' to this node's own directory";
	default: return "set 'dir' to a usable directory";
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

/* Of a relative path, the same below `base`: is there an identity of this node? */
static bool lives_at(const char *base, size_t base_len, const char *path,
		     const struct identity *own, char *where, size_t where_size)
{
	char name[PATH_MAX], text[IDENTITY_BYTES_MAX];
	struct identity found;
	uint32_t version;
	if ((size_t)snprintf(where, where_size, "%.*s/%s", (int)base_len, base, path) >=
		    where_size ||
	    (size_t)snprintf(name, sizeof name, "%s/" IDENTITY_FILE, where) >= sizeof name)
		return false;
	FILE *file = fopen(name, "re");
	if (file == NULL)
		return false;
	size_t len = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[len] = '\0';
	return identity_parse(text, &found, &version) == 0 &&
	       strcmp(found.cluster, own->cluster) == 0 && strcmp(found.node, own->node) == 0;
}

static int check_elsewhere(const char *path, const struct identity *own, const char *file,
			   char *error, size_t error_size)
{
	char name[PATH_MAX], where[PATH_MAX], here[PATH_MAX], real[PATH_MAX];
	if (path[0] == '/' || path[0] == '\0' ||
	    (size_t)snprintf(name, sizeof name, "%s/" IDENTITY_FILE, path) >= sizeof name ||
	    access(name, F_OK) == 0 || realpath(file, real) == NULL ||
	    getcwd(here, sizeof here) == NULL)
		return 0;
	for (char *end = strrchr(real, '/'); end != NULL; end = strrchr(real, '/')) {
		*end = '\0';
		if (lives_at(real, strlen(real), path, own, where, sizeof where)) {
			snprintf(error, error_size,
				 "data directory %s: there is nothing at this path below the "
				 "working directory "
				 "%s, but %s belongs "
				 "to this node: start it from %s/, or write the whole path into %s",
				 path, here, where, real, file);
			return STATUS_IDENTITY;
		}
	}
	return 0;
}

/* 0, or a refusal that names what is no regular file. */
static int check_files(const char *path, char *error, size_t error_size)
{
	static const char *const own[] = {IDENTITY_FILE,   "log-",       "free-",   "snapshot-",
					  "segment-range", "agreement-", "damaged-"};
	int status = 0;
	DIR *directory = opendir(path);
	/* Whoever lists it next will say so. */
	if (directory == NULL)
		return 0;
	const struct dirent *entry;
	while (status == 0 && (entry = readdir(directory)) != NULL) {
		bool is_own = false;
		struct stat info;
		for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
			is_own = is_own || strncmp(entry->d_name, own[i], strlen(own[i])) == 0;
		if (!is_own ||
		    fstatat(dirfd(directory), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
		    S_ISREG(info.st_mode))
			continue;
		const char *what = S_ISLNK(info.st_mode)   ? "a symbolic link"
				   : S_ISDIR(info.st_mode) ? "a directory"
							   : "no regular file";
		snprintf(error, error_size,
			 "data directory %s: %s is %s: the files of a node must be regular ones in "
			 "its directory itself (only 'dir' as "
			 "a whole may be a link): put the file there, or move away what does not "
			 "belong there",
			 path, entry->d_name, what);
		status = STATUS_IDENTITY;
	}
	closedir(directory);
	return status;
}

static uint64_t random_id(void)
{
	uint64_t id = 0;
	while (id == 0)
		if (getrandom(&id, sizeof id, 0) != (ssize_t)sizeof id)
			abort();
	return id;
}

int datadir_open(struct disk **out, const char *path, struct identity *identity,
		 struct identity_claim *claim, char *error, size_t error_size)
{
	struct disk *disk = NULL;
	bool created;
	claim->directory = path;
	*out = NULL;
	identity->life = random_id();
	int status = check_elsewhere(path, identity, claim->file, error, error_size);
	if (status == 0)
		status = make_directories(path, error, error_size);
	if (status != 0)
		return status;
	status = disk_posix_create(&disk, path);
	if (status == STATUS_LOCKED)
		return fail(status, path, "in use by another process", error, error_size);
	if (status != 0)
		return fail(status, path, status_text(status), error, error_size);
	status = check_files(path, error, error_size);
	if (status == 0)
		status = identity_claim(disk, claim, identity, &created, error, error_size);
	if (status != 0) {
		disk_posix_destroy(disk);
		return status;
	}
	*out = disk;
	return 0;
}
