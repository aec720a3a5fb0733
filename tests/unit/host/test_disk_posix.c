/* The real disk, in a directory of its own. Nothing here depends on how long anything takes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../support/check_main.h"
#include "base/rng.h"
#include "host/disk_posix.h"
#include "wal/wal.h"

struct fixture {
	char directory[64];
	struct disk *disk;
};

/*
 * This file's own read(), so that what happens at the worst moment can be made to happen: just
 * before one of `watched_fd`.
 */
static int watched_fd = -1;
static void (*before_read)(void);

ssize_t read(int fd, void *data, size_t len)
{
	if (fd == watched_fd && before_read != NULL) {
		void (*hook)(void) = before_read;
		before_read = NULL;
		hook();
	}
	return (ssize_t)syscall(SYS_read, fd, data, len);
}

/*
 * A disk whose syncs take long, and a clock, which goes on by that and by what a test says, and
 * never by itself.
 */
static _Atomic int64_t clock_ns = -1, sync_ns; /* -1: the real one */

int clock_gettime(clockid_t id, struct timespec *out)
{
	if (id != CLOCK_MONOTONIC || clock_ns < 0)
		return (int)syscall(SYS_clock_gettime, id, out);
	*out = (struct timespec){.tv_sec = clock_ns / 1000000000, .tv_nsec = clock_ns % 1000000000};
	return 0;
}

int fdatasync(int fd)
{
	if (clock_ns >= 0)
		clock_ns += sync_ns;
	return (int)syscall(SYS_fdatasync, fd);
}

static void begin(struct fixture *f)
{
	const char *base = getenv("TMPDIR");
	int len = snprintf(f->directory, sizeof f->directory, "%s/synod-disk-XXXXXX",
			   base != NULL ? base : "/tmp");
	ck_assert(len > 0 && (size_t)len < sizeof f->directory);
	ck_assert_ptr_nonnull(mkdtemp(f->directory));
	ck_assert_int_eq(disk_posix_create(&f->disk, f->directory), 0);
}

static void use_loop(struct fixture *f)
{
	char error[200];
	ck_assert_int_eq(disk_posix_use_loop(f->disk, error, sizeof error), 0);
}

static void end(struct fixture *f)
{
	disk_posix_destroy(f->disk);
	DIR *directory = opendir(f->directory);
	ck_assert_ptr_nonnull(directory);
	for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
		unlinkat(dirfd(directory), entry->d_name, 0);
	closedir(directory);
	ck_assert_int_eq(rmdir(f->directory), 0);
}

static int run(struct fixture *f, struct disk_request request, struct disk_file **file)
{
	int status = f->disk->ops->run_now(f->disk, &request);
	ck_assert_int_eq(status, request.status);
	if (file != NULL)
		*file = request.file;
	return status;
}

static struct disk_file *create(struct fixture *f, const char *name, size_t len)
{
	struct disk_file *file;
	ck_assert_int_eq(
		run(f, (struct disk_request){.operation = DISK_CREATE, .name = name, .len = len},
		    &file),
		0);
	return file;
}

static void close_file(struct fixture *f, struct disk_file *file)
{
	ck_assert_int_eq(run(f, (struct disk_request){.operation = DISK_CLOSE, .file = file}, NULL),
			 0);
}

/* Waits as an event loop does: no callback runs before the descriptor is readable. */
static void loop_until(struct fixture *f, const size_t *count, size_t wanted)
{
	while (*count < wanted) {
		struct pollfd wait = {.fd = disk_posix_fd(f->disk), .events = POLLIN};
		ck_assert_int_eq(poll(&wait, 1, -1), 1);
		disk_posix_dispatch(f->disk);
	}
}

static bool readable(struct fixture *f)
{
	struct pollfd wait = {.fd = disk_posix_fd(f->disk), .events = POLLIN};
	return poll(&wait, 1, 0) == 1;
}

/* faults: 14. It would make it long again, with zeros where there was something. */
START_TEST(a_file_that_was_cut_is_not_written_to)
{
	struct fixture f;
	begin(&f);
	struct disk_file *file = create(&f, "a", 1000);
	uint8_t data[100];
	memset(data, 7, sizeof data);
	char path[128];
	snprintf(path, sizeof path, "%s/a", f.directory);
	static const enum disk_operation writes[] = {DISK_WRITE, DISK_WRITE_SYNC};
	for (size_t i = 0; i < 2; i++) {
		struct disk_request request = {.operation = writes[i],
					       .file = file,
					       .offset = 900,
					       .data = data,
					       .len = sizeof data,
					       .size_min = 1000};
		ck_assert_int_eq(truncate(path, 1000), 0);
		ck_assert_int_eq(run(&f, request, NULL), 0);
		ck_assert_int_eq(truncate(path, 999), 0);
		ck_assert_int_eq(run(&f, request, NULL), STATUS_CORRUPT);
		ck_assert_uint_eq(disk_posix_bytes(f.disk), 999);
		request.size_min = 0;
		ck_assert_int_eq(run(&f, request, NULL), 0);
		ck_assert_uint_eq(disk_posix_bytes(f.disk), 1000);
	}
	close_file(&f, file);
	end(&f);
}
END_TEST

/* Of any number of pieces, empty ones too, and as many as no single call takes. */
START_TEST(a_write_in_pieces_is_one_write)
{
	struct fixture f;
	begin(&f);
	struct disk_file *file = create(&f, "a", 0);
	enum { COUNT = 300, LONGEST = 90 };
	static uint8_t data[COUNT * LONGEST], back[COUNT * LONGEST];
	struct slice pieces[COUNT];
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 131 + i / 251);
	for (uint32_t count = 1; count <= COUNT; count += count < 4 ? 1 : 37) {
		size_t len = 0;
		for (uint32_t i = 0; i < count; i++) {
			pieces[i] = slice(data + len, i % 5 == 3 ? 0 : 1 + i * 7 % LONGEST);
			len += pieces[i].len;
		}
		struct disk_request request = {.operation = DISK_WRITE_SYNC,
					       .file = file,
					       .offset = count,
					       .len = len,
					       .pieces = pieces,
					       .npieces = count};
		ck_assert_int_eq(run(&f, request, NULL), 0);
		ck_assert_int_eq(f.disk->ops->read_now(f.disk, file, count, back, len), 0);
		ck_assert_int_eq(memcmp(back, data, len), 0);
	}
	close_file(&f, file);
	end(&f);
}
END_TEST

/* Create, write, sync, read, rename, remove and list, one after another. */
START_TEST(blocking_calls_do_what_they_say)
{
	struct fixture f;
	begin(&f);
	struct disk_file *file = create(&f, "a", 0);
	uint8_t data[100];
	memset(data, 7, sizeof data);
	ck_assert_int_eq(f.disk->ops->write_now(f.disk, file, 50, data, sizeof data), 0);
	ck_assert_int_eq(f.disk->ops->sync_now(f.disk, file), 0);
	ck_assert_uint_eq(disk_posix_bytes(f.disk), 150);
	uint8_t back[150];
	ck_assert_int_eq(f.disk->ops->read_now(f.disk, file, 0, back, sizeof back), 0);
	ck_assert(back[49] == 0 && back[50] == 7 && back[149] == 7);
	ck_assert_int_eq(f.disk->ops->read_now(f.disk, file, 100, back, 51), STATUS_TRUNCATED);
	close_file(&f, file);

	ck_assert_int_eq(
		run(&f,
		    (struct disk_request){.operation = DISK_RENAME, .name = "a", .new_name = "b"},
		    NULL),
		0);
	ck_assert_int_ne(
		run(&f,
		    (struct disk_request){.operation = DISK_RENAME, .name = "a", .new_name = "b"},
		    NULL),
		0);
	ck_assert_int_eq(run(&f, (struct disk_request){.operation = DISK_SYNC_DIRECTORY}, NULL), 0);
	uint64_t size;
	ck_assert_int_eq(f.disk->ops->open(f.disk, "a", &file, &size), STATUS_NOT_FOUND);
	ck_assert_int_eq(f.disk->ops->open(f.disk, "b", &file, &size), 0);
	ck_assert_uint_eq(size, 150);
	close_file(&f, file);
	ck_assert_int_eq(
		run(&f, (struct disk_request){.operation = DISK_REMOVE, .name = "b"}, NULL), 0);
	ck_assert_int_eq(
		run(&f, (struct disk_request){.operation = DISK_REMOVE, .name = "b"}, NULL), 0);
	ck_assert_uint_eq(disk_posix_bytes(f.disk), 0);
	end(&f);
}
END_TEST

/*
 * DISK_CREATE with a length gives a file of zeros whose blocks exist, whatever the file
 * held before.
 */
START_TEST(a_created_file_is_really_filled)
{
	struct fixture f;
	begin(&f);
	struct disk_file *file = create(&f, "a", 0);
	uint8_t data[5000];
	memset(data, 9, sizeof data);
	ck_assert_int_eq(f.disk->ops->write_now(f.disk, file, 0, data, sizeof data), 0);
	close_file(&f, file);
	file = create(&f, "a", 1000001);
	ck_assert_int_eq(f.disk->ops->sync_now(f.disk, file), 0);
	ck_assert_int_eq(f.disk->ops->read_now(f.disk, file, 0, data, sizeof data), 0);
	for (size_t i = 0; i < sizeof data; i++)
		ck_assert_uint_eq(data[i], 0);
	char path[128];
	snprintf(path, sizeof path, "%s/a", f.directory);
	struct stat info;
	ck_assert_int_eq(stat(path, &info), 0);
	ck_assert_int_eq(info.st_size, 1000001);
	ck_assert_int_ge(info.st_blocks * 512, 1000001);
	ck_assert_uint_eq(info.st_mode & 0777, 0600);
	close_file(&f, file);
	end(&f);
}
END_TEST

enum { MANY = 300 };

struct many {
	struct disk_request requests[MANY];
	uint8_t bytes[MANY];
	size_t done[DISK_LANES];
	size_t all_done;
	bool in_submit;
};

static void many_done(struct disk_request *request)
{
	struct many *many = request->owner;
	size_t index = (size_t)(request - many->requests);
	ck_assert(!many->in_submit);
	ck_assert_int_eq(request->status, 0);
	/*
	 * Requests alternate between the lanes: within a lane they end in the order of submission.
	 */
	ck_assert_uint_eq(index / DISK_LANES, many->done[request->lane]);
	many->done[request->lane]++;
	many->all_done++;
}

static void submit_many(struct fixture *f)
{
	struct disk_file *files[DISK_LANES] = {create(f, "log", 0), create(f, "bulk", 0),
					       create(f, "background", 0)};
	struct many *many = calloc(1, sizeof *many);
	many->in_submit = true;
	for (size_t i = 0; i < MANY; i++) {
		many->bytes[i] = (uint8_t)i;
		many->requests[i] = (struct disk_request){
			.operation = i % 16 == 0 ? DISK_WRITE_SYNC : DISK_WRITE,
			.lane = (enum disk_lane)(i % DISK_LANES),
			.file = files[i % DISK_LANES],
			.offset = i % 40, /* Later writes of a lane overwrite earlier ones. */
			.data = &many->bytes[i],
			.len = 1,
			.callback = many_done,
			.owner = many,
		};
		disk_submit(f->disk, &many->requests[i]);
	}
	many->in_submit = false;
	ck_assert_uint_eq(disk_posix_outstanding(f->disk), MANY);
	loop_until(f, &many->all_done, MANY);
	ck_assert_uint_eq(disk_posix_outstanding(f->disk), 0);
	ck_assert(!readable(f));
	for (size_t lane = 0; lane < DISK_LANES; lane++) {
		for (size_t i = MANY - 40 / DISK_LANES * DISK_LANES + lane; i < MANY;
		     i += DISK_LANES) {
			uint8_t byte;
			ck_assert_int_eq(
				f->disk->ops->read_now(f->disk, files[lane], i % 40, &byte, 1), 0);
			ck_assert_uint_eq(byte, (uint8_t)i);
		}
		close_file(f, files[lane]);
	}
	free(many);
}

/*
 * Many requests on all lanes complete in order, never within submit, and have their effect
 * in order.
 */
START_TEST(requests_of_a_lane_keep_their_order)
{
	struct fixture f;
	begin(&f);
	submit_many(&f);
	submit_many(&f);
	end(&f);
}
END_TEST

struct sized {
	struct disk_request request;
	uint8_t *data;
	size_t number;
	size_t *done;
};

static void sized_done(struct disk_request *request)
{
	struct sized *sized = request->owner;
	ck_assert_int_eq(request->status, 0);
	ck_assert_uint_eq(sized->number, (*sized->done)++);
}

static void submit_sized(struct fixture *f, struct disk_file *file, struct sized *sized,
			 size_t number, size_t len, size_t *done)
{
	*sized = (struct sized){.data = malloc(len), .number = number, .done = done};
	ck_assert_ptr_nonnull(sized->data);
	memset(sized->data, (int)number, len);
	sized->request = (struct disk_request){
		.operation = DISK_WRITE_SYNC,
		.lane = DISK_LANE_LOG,
		.file = file,
		.data = sized->data,
		.len = len,
		.callback = sized_done,
		.owner = sized,
	};
	disk_submit(f->disk, &sized->request);
}

/*
 * After use_loop, small writes to the log wait for run, and their callbacks for dispatch.
 * Large ones need neither.
 */
START_TEST(the_loop_carries_out_small_writes)
{
	struct fixture f;
	begin(&f);
	use_loop(&f);
	struct disk_file *file = create(&f, "log", 0);
	struct sized small, large;
	size_t done = 0;
	ck_assert(!disk_posix_run(f.disk));
	submit_sized(&f, file, &small, 0, 100, &done);
	ck_assert(!readable(&f));
	ck_assert(disk_posix_run(f.disk));
	ck_assert(!disk_posix_run(f.disk));
	ck_assert_uint_eq(done, 0);
	disk_posix_finish(f.disk);
	ck_assert_uint_eq(done, 1);
	submit_sized(&f, file, &large, 1, 1000000, &done);
	ck_assert(!disk_posix_run(f.disk));
	loop_until(&f, &done, 2);
	free(small.data);
	free(large.data);
	close_file(&f, file);
	end(&f);
}
END_TEST

/* One small write; true if it was the loop's to carry out. */
static bool write_is_loops(struct fixture *f, struct disk_file *file)
{
	struct sized small;
	size_t done = 0;
	submit_sized(f, file, &small, 0, 100, &done);
	bool loops = disk_posix_run(f->disk);
	if (loops)
		disk_posix_finish(f->disk);
	loop_until(f, &done, 1);
	free(small.data);
	return loops;
}

/*
 * faults: 75, 99. A loop that waits for a slow disk neither hears its peers nor is heard: its group
 * would elect another leader.
 */
START_TEST(a_slow_disk_is_the_threads)
{
	struct fixture f;
	clock_ns = 1000000000;
	begin(&f);
	use_loop(&f);
	struct disk_file *file = create(&f, "log", 0);
	ck_assert(write_is_loops(&f, file));
	sync_ns = 1000000000;
	ck_assert(write_is_loops(&f, file)); /* nobody knew */
	for (int i = 0; i < 3; i++) {
		ck_assert(!write_is_loops(&f, file));
		clock_ns += 60000000000; /* a lull makes it no quicker */
	}
	sync_ns = 100000;
	ck_assert(!write_is_loops(&f, file)); /* nobody knew */
	ck_assert(write_is_loops(&f, file));
	close_file(&f, file);
	end(&f);
	clock_ns = -1;
	sync_ns = 0;
}
END_TEST

/*
 * Drain returns also when the last turn ran what was left and nobody has run the callbacks.
 */
START_TEST(drain_takes_what_the_loop_has_carried_out)
{
	struct fixture f;
	begin(&f);
	use_loop(&f);
	struct disk_file *file = create(&f, "log", 0);
	struct sized small;
	size_t done = 0;
	submit_sized(&f, file, &small, 0, 100, &done);
	ck_assert(disk_posix_run(f.disk));
	disk_posix_drain(f.disk);
	ck_assert_uint_eq(done, 1);
	ck_assert_uint_eq(disk_posix_outstanding(f.disk), 0);
	free(small.data);
	close_file(&f, file);
	end(&f);
}
END_TEST

/*
 * Whoever carries a write to the log out, the loop or the thread: they complete, and have
 * their effect, in order.
 */
START_TEST(small_and_large_writes_keep_their_order)
{
	struct fixture f;
	begin(&f);
	use_loop(&f);
	struct disk_file *file = create(&f, "log", 0);
	static struct sized sized[200];
	struct rng rng;
	size_t done = 0, submitted = 0;
	rng_seed(&rng, 1);
	while (done < 200) {
		for (uint64_t n = rng_below(&rng, 4); n > 0 && submitted < 200; n--, submitted++)
			submit_sized(&f, file, &sized[submitted], submitted,
				     rng_chance(&rng, 300000) ? 100000 : 100, &done);
		/*
		 * As a turn of the loop: what has completed until now, then the work that was left.
		 */
		disk_posix_dispatch(f.disk);
		disk_posix_finish(f.disk);
		disk_posix_run(f.disk);
		uint8_t byte;
		if (done == submitted && done > 0) {
			ck_assert_int_eq(f.disk->ops->read_now(f.disk, file, 0, &byte, 1), 0);
			ck_assert_uint_eq(byte, (uint8_t)(done - 1));
		}
	}
	ck_assert_uint_eq(disk_posix_outstanding(f.disk), 0);
	for (size_t i = 0; i < 200; i++)
		free(sized[i].data);
	close_file(&f, file);
	end(&f);
}
END_TEST

struct chain {
	struct fixture *f;
	struct disk_request request;
	uint8_t data[32];
	char name[8];
	size_t done;
};

static void chain_next(struct disk_request *request)
{
	/* Each callback submits the next step of: create, write, sync, read, close, remove. */
	static const enum disk_operation steps[] = {
		DISK_CREATE, DISK_WRITE,          DISK_SYNC,  DISK_READ,
		DISK_RENAME, DISK_SYNC_DIRECTORY, DISK_CLOSE, DISK_REMOVE,
	};
	struct chain *chain = request->owner;
	ck_assert_int_eq(request->status, 0);
	if (++chain->done == sizeof steps / sizeof *steps)
		return;
	if (steps[chain->done] == DISK_REMOVE)
		request->name = request->new_name;
	if (steps[chain->done] == DISK_READ)
		memset(chain->data, 0, sizeof chain->data);
	if (steps[chain->done] == DISK_CLOSE)
		for (size_t i = 0; i < sizeof chain->data; i++)
			ck_assert_uint_eq(chain->data[i], 5);
	request->operation = steps[chain->done];
	request->len = sizeof chain->data;
	request->data = chain->data;
	disk_submit(chain->f->disk, request);
}

static void run_chain(bool at_loop)
{
	struct fixture f;
	begin(&f);
	if (at_loop)
		use_loop(&f);
	struct chain chain = {.f = &f, .name = "a"};
	memset(chain.data, 5, sizeof chain.data);
	chain.request = (struct disk_request){
		.operation = DISK_CREATE,
		.lane = DISK_LANE_LOG,
		.name = chain.name,
		.new_name = "b",
		.callback = chain_next,
		.owner = &chain,
	};
	disk_submit(f.disk, &chain.request);
	ck_assert_uint_eq(chain.done, 0);
	disk_posix_drain(f.disk);
	ck_assert_uint_eq(chain.done, 8);
	ck_assert_uint_eq(disk_posix_outstanding(f.disk), 0);
	ck_assert_uint_eq(disk_posix_bytes(f.disk), 0);
	end(&f);
}

/* A chain of every operation, each submitted from the callback of the one before. */
START_TEST(callbacks_may_submit)
{
	for (int use_loop = 0; use_loop <= 1; use_loop++)
		run_chain(use_loop == 1);
}
END_TEST

/*
 * A second disk on the same directory is LOCKED until the first is gone; parents are
 * created.
 */
START_TEST(a_directory_has_one_user)
{
	struct fixture f;
	begin(&f);
	struct disk *other;
	ck_assert_int_eq(disk_posix_create(&other, f.directory), STATUS_LOCKED);
	ck_assert_ptr_null(other);
	char path[128];
	snprintf(path, sizeof path, "%s/x/y", f.directory);
	ck_assert_int_eq(disk_posix_create(&other, path), 0);
	disk_posix_destroy(other);
	ck_assert_int_eq(disk_posix_create(&other, path), 0);
	disk_posix_destroy(other);
	ck_assert_int_eq(rmdir(path), 0);
	snprintf(path, sizeof path, "%s/x", f.directory);
	ck_assert_int_eq(rmdir(path), 0);
	struct disk_file *file = create(&f, "plain", 1);
	close_file(&f, file);
	snprintf(path, sizeof path, "%s/plain", f.directory);
	ck_assert_int_ne(disk_posix_create(&other, path), 0);
	end(&f);
}
END_TEST

/* faults: 78. No descriptor of the disk is inherited by a program that the process starts. */
START_TEST(descriptors_are_close_on_exec)
{
	struct fixture f;
	begin(&f);
	struct disk_file *file = create(&f, "a", 10);
	DIR *open_files = opendir("/proc/self/fd");
	ck_assert_ptr_nonnull(open_files);
	size_t found = 0;
	for (const struct dirent *entry; (entry = readdir(open_files)) != NULL;) {
		char link[300], target[256];
		snprintf(link, sizeof link, "/proc/self/fd/%s", entry->d_name);
		ssize_t len = readlink(link, target, sizeof target - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		if (strncmp(target, f.directory, strlen(f.directory)) != 0 &&
		    strstr(target, "eventfd") == NULL)
			continue;
		found++;
		ck_assert_int_ne(fcntl(atoi(entry->d_name), F_GETFD) & FD_CLOEXEC, 0);
	}
	closedir(open_files);
	ck_assert_uint_ge(found, 3);
	close_file(&f, file);
	end(&f);
}
END_TEST

/* faults: 21. When a limit lets only the first part of a write through, the write has failed. */
START_TEST(a_write_that_ends_early_is_an_error)
{
	struct fixture f;
	begin(&f);
	struct disk_file *file = create(&f, "a", 0);
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		signal(SIGXFSZ, SIG_IGN);
		struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
		uint8_t data[8192] = {1};
		if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
			_exit(2);
		/*
		 * Half of it is written, the rest fails: a short write must not pass for a success.
		 */
		struct disk_request another = {
			.operation = DISK_CREATE, .name = "b", .len = sizeof data};
		if (f.disk->ops->write_now(f.disk, file, 0, data, sizeof data) != STATUS_NO_SPACE)
			_exit(1);
		/* A file that may not be so long is as one for which there is no space. */
		_exit(f.disk->ops->run_now(f.disk, &another) == STATUS_NO_SPACE ? 0 : 3);
	}
	int status;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close_file(&f, file);
	end(&f);
}
END_TEST

/* faults: 97. No room for a thread is an error with a reason, and nothing is begun. */
START_TEST(no_room_for_a_thread_is_an_error)
{
	struct fixture f;
	begin(&f);
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		char error[200];
		struct rlimit none = {0};
		/* Root has no limit. */
		if ((geteuid() == 0 && setuid(65534) != 0) || setrlimit(RLIMIT_NPROC, &none) != 0)
			_exit(2);
		if (disk_posix_use_loop(f.disk, error, sizeof error) != STATUS_SHORTAGE)
			_exit(1);
		_exit(strstr(error, "ulimit -u") != NULL && disk_posix_outstanding(f.disk) == 0
			      ? 0
			      : 3);
	}
	int status;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	end(&f);
}
END_TEST

/* A wal on the real disk. */

struct wal_user {
	uint64_t durable;
	uint64_t replayed;
	uint64_t next_slot;
};

static void user_replay(void *context, const struct wal_record *record)
{
	struct wal_user *user = context;
	ck_assert_uint_eq(record->slot, user->next_slot++);
	ck_assert_uint_eq(record->payload.len, record->slot % 500);
	user->replayed++;
}

static void user_durable(void *context, uint64_t sequence)
{
	((struct wal_user *)context)->durable = sequence;
}

static void user_fatal(void *context, int status, const char *why)
{
	(void)context;
	ck_abort_msg("%s: %s", why, status_text(status));
}

/* Records over several segments are all there when the log is opened again. */
START_TEST(a_wal_lives_on_the_real_disk)
{
	struct fixture f;
	begin(&f);
	use_loop(&f);
	struct wal_user user = {.next_slot = 1};
	struct wal_options options = {
		.disk = f.disk,
		.group = 1,
		.segment_bytes = 16384,
		.durable = user_durable,
		.fatal = user_fatal,
		.context = &user,
	};
	uint8_t payload[500] = {3};
	uint64_t slot = 1;
	for (int life = 0; life < 3; life++) {
		struct wal *wal;
		struct wal_recovery info;
		user = (struct wal_user){.next_slot = 1};
		ck_assert_int_eq(wal_open(&wal, &options, user_replay, &info), 0);
		ck_assert_uint_eq(user.replayed, slot - 1);
		uint64_t appended = 0;
		for (int batch = 0; batch < 30; batch++) {
			for (int i = 0; i < 7; i++, slot++) {
				struct wal_record record = {.type = WAL_ACCEPT,
							    .slot = slot,
							    .payload = slice(payload, slot % 500)};
				appended = wal_append(wal, &record, NULL);
			}
			wal_flush(wal);
			disk_posix_run(f.disk);
			disk_posix_finish(f.disk);
			disk_posix_dispatch(f.disk);
		}
		disk_posix_drain(f.disk);
		ck_assert_uint_eq(user.durable, appended);
		wal_close(wal);
	}
	end(&f);
}
END_TEST

/* What the next test has asked of the disk. */
static struct {
	struct fixture f;
	struct disk_request requests[3];
	int answered;
} three;

static void one_of_three_done(struct disk_request *request)
{
	ck_assert_int_eq(request->status, 0);
	three.answered++;
}

static void ask_for(int i)
{
	static const char *const names[] = {"a", "b", "c"};
	three.requests[i] = (struct disk_request){.operation = DISK_CREATE,
						  .lane = DISK_LANE_BULK,
						  .name = names[i],
						  .callback = one_of_three_done};
	disk_submit(three.f.disk, &three.requests[i]);
}

/*
 * The second request ends while the loop is about to read: the lane's thread has begun the third
 * one, so that is certain.
 */
static void second_ends(void)
{
	char path[96];
	struct stat st;
	snprintf(path, sizeof path, "%s/c", three.f.directory);
	ask_for(1);
	ask_for(2);
	while (stat(path, &st) != 0)
		usleep(1000);
}

/*
 * What ends between the look at the descriptor and the look at the queue is taken, or makes
 * the descriptor readable again.
 */
START_TEST(a_completion_in_the_middle_of_a_dispatch_is_heard)
{
	begin(&three.f);
	watched_fd = disk_posix_fd(three.f.disk);
	ask_for(0);
	struct pollfd wait = {.fd = watched_fd, .events = POLLIN};
	ck_assert_int_eq(poll(&wait, 1, -1), 1);
	before_read = second_ends;
	disk_posix_dispatch(three.f.disk);
	ck_assert(before_read == NULL);
	while (three.answered < 3) {
		ck_assert_msg(poll(&wait, 1, 20000) == 1, "%d of 3 completions are heard of",
			      three.answered);
		disk_posix_dispatch(three.f.disk);
	}
	for (int i = 0; i < 3; i++)
		close_file(&three.f, three.requests[i].file);
	end(&three.f);
}
END_TEST

struct creation {
	struct disk_request request;
	size_t *done;
};

static void note_created(struct disk_request *request)
{
	++*((struct creation *)request->owner)->done;
}

static void note_shortage(void *context, int error)
{
	*(int *)context = error;
}

/*
 * faults: 97. Without descriptors a few new files are opened all the same; then creation fails, and
 * may be tried again.
 */
START_TEST(new_files_have_descriptors_in_reserve)
{
	struct fixture f;
	struct rlimit before, limit;
	struct creation creations[16];
	char names[16][16];
	size_t done = 0, opened = 0;
	int shortage = 0, spare[8];
	begin(&f);
	disk_posix_on_shortage(f.disk, note_shortage, &shortage);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (int i = 0; i < 8; i++)
		spare[i] = dup(0);
	limit = before;
	limit.rlim_cur = (rlim_t)spare[7] + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (size_t i = 0; i < 16; i++) {
		snprintf(names[i], sizeof names[i], "new%zu", i);
		creations[i] = (struct creation){.request = {.operation = DISK_CREATE,
							     .lane = DISK_LANE_BULK,
							     .name = names[i],
							     .callback = note_created,
							     .owner = &creations[i]},
						 .done = &done};
		disk_submit(f.disk, &creations[i].request);
		loop_until(&f, &done, i + 1);
		if (creations[i].request.status == 0)
			opened++;
		else
			ck_assert_int_eq(creations[i].request.status, STATUS_SHORTAGE);
	}
	ck_assert_uint_eq(opened, 4);
	ck_assert_int_eq(creations[0].request.status, 0);
	ck_assert_int_eq(creations[15].request.error, EMFILE);
	ck_assert_int_eq(shortage, EMFILE);
	/* What is closed may be opened again. */
	close_file(&f, creations[0].request.file);
	creations[0].request.operation = DISK_CREATE;
	disk_submit(f.disk, &creations[0].request);
	loop_until(&f, &done, 17);
	ck_assert_int_eq(creations[0].request.status, 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (size_t i = 0; i < 8; i++)
		close(spare[i]);
	for (size_t i = 0; i < 16; i++)
		if (creations[i].request.status == 0)
			close_file(&f, creations[i].request.file);
	end(&f);
}
END_TEST
