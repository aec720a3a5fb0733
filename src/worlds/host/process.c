/* What the system counts of this process. */
#include "host/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "host/disk_posix.h"

#ifndef SYNOD_RELEASE
#define SYNOD_RELEASE "unknown"
#endif

static const uint64_t ONE = 1;

/* Allocated and not freed, without what the allocator keeps for later. */
static uint64_t heap_bytes(void *context)
{
	struct mallinfo2 info = mallinfo2();
	(void)context;
	return (uint64_t)info.uordblks + (uint64_t)info.hblkhd;
}

/* Reads a small file of /proc; "" when that is not possible. */
static void read_proc(const char *path, char *out, size_t size)
{
	ssize_t len = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, out, size - 1);
		close(fd);
	}
	out[len > 0 ? len : 0] = '\0';
}

static uint64_t pages_of_statm(int field)
{
	char text[128];
	read_proc("/proc/self/statm", text, sizeof text);
	const char *p = text;
	for (int i = 0; i < field && *p != '\0'; i++)
		p += strcspn(p, " ") + 1;
	return strtoull(p, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t virtual_bytes(void *context)
{
	(void)context;
	return pages_of_statm(0);
}

static uint64_t resident_bytes(void *context)
{
	(void)context;
	return pages_of_statm(1);
}

static uint64_t max_fds(void *context)
{
	struct rlimit limit = {0};
	(void)context;
	getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

static uint64_t open_fds(void *context)
{
	DIR *directory = opendir("/proc/self/fd");
	uint64_t count = 0;
	(void)context;
	/* Without a descriptor for counting them, all are in use. */
	if (directory == NULL)
		return errno == EMFILE ? max_fds(NULL) : 0;
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count > 3 ? count - 3 : 0; /* ".", "..", and the one that is reading */
}

static uint64_t directory_bytes(void *context)
{
	return disk_posix_bytes(context);
}

void process_metrics_register(struct metrics *m, struct disk *disk, const struct log *log)
{
	metrics_add(m, METRIC_GAUGE, "synod_build_info", "The version that runs.",
		    "version=\"" SYNOD_RELEASE "\"", &ONE);
	metrics_add_read(m, METRIC_GAUGE, "synod_heap_bytes", "Heap memory in use.", NULL,
			 heap_bytes, NULL);
	metrics_add_read(m, METRIC_GAUGE, "process_resident_memory_bytes",
			 "Resident memory size in bytes.", NULL, resident_bytes, NULL);
	metrics_add_read(m, METRIC_GAUGE, "process_virtual_memory_bytes",
			 "Virtual memory size in bytes.", NULL, virtual_bytes, NULL);
	metrics_add_read(m, METRIC_GAUGE, "process_open_fds", "Number of open file descriptors.",
			 NULL, open_fds, NULL);
	metrics_add_read(m, METRIC_GAUGE, "process_max_fds",
			 "Maximum number of open file descriptors.", NULL, max_fds, NULL);
	metrics_add(
		m, METRIC_COUNTER, "synod_log_lines_dropped_total",
		"Log lines given up because nobody took them, or the disk under the log was full.",
		NULL, &log->output.lost_total);
	if (disk != NULL)
		metrics_add_read(m, METRIC_GAUGE, "synod_data_directory_bytes",
				 "Size of all files of the data directory.", NULL, directory_bytes,
				 disk);
}

/*
 * Field 22 of /proc/self/stat: when the process started, in clock ticks after the boot. Names may
 * hold blanks, so from the last ')'.
 */
static double start_time_s(void)
{
	char text[1024];
	struct timespec now, since_boot;
	read_proc("/proc/self/stat", text, sizeof text);
	const char *p = strrchr(text, ')');
	for (int field = 2; p != NULL && field < 22; field++) {
		p = strchr(p, ' ');
		p = p == NULL ? NULL : p + 1;
	}
	if (p == NULL)
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &since_boot);
	double boot_s = (double)(now.tv_sec - since_boot.tv_sec) +
			(double)(now.tv_nsec - since_boot.tv_nsec) / 1e9;
	return boot_s + (double)strtoull(p, NULL, 10) / (double)sysconf(_SC_CLK_TCK);
}

void process_metrics_render(struct buffer *out)
{
	struct timespec cpu = {0};
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	buffer_format(
		out,
		"# HELP process_cpu_seconds_total Total user and system CPU time spent in "
		"seconds.\n"
		"# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %lld.%06ld\n",
		(long long)cpu.tv_sec, cpu.tv_nsec / 1000);
	buffer_format(out,
		      "# HELP process_start_time_seconds Start time of the process since the Unix "
		      "epoch in seconds.\n"
		      "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %.3f\n",
		      start_time_s());
}
