/* How far an import has come, on a terminal and in a file that lets it go on. */
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "import.h"

#define BAR_WIDTH 30u
#define DRAW_INTERVAL_MS 100u

void import_progress_begin(struct import_progress *progress, int fd)
{
	struct stat info;
	*progress = (struct import_progress){.shown = isatty(STDERR_FILENO) == 1,
					     .began_ms = kvctl_now_ms()};
	if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0)
		progress->total_bytes = (uint64_t)info.st_size;
}

void import_progress_draw(struct import_progress *progress, uint64_t read_bytes, uint64_t records,
			  const char *what)
{
	uint64_t now_ms = kvctl_now_ms();
	if (!progress->shown || now_ms - progress->drawn_ms < DRAW_INTERVAL_MS)
		return;
	progress->drawn_ms = now_ms;
	progress->drawn = true;
	uint64_t rate = records * 1000 / (now_ms - progress->began_ms + 1);
	if (progress->total_bytes == 0) {
		fprintf(stderr, "\r%" PRIu64 " %s, %" PRIu64 "/s\033[K", records, what, rate);
		return;
	}
	uint64_t done = read_bytes < progress->total_bytes ? read_bytes : progress->total_bytes;
	char bar[BAR_WIDTH + 1];
	size_t filled = (size_t)(done * BAR_WIDTH / progress->total_bytes);
	for (size_t i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r[%s] %3" PRIu64 "%%  %" PRIu64 " %s, %" PRIu64 "/s\033[K", bar,
		done * 100 / progress->total_bytes, records, what, rate);
}

void import_progress_clear(struct import_progress *progress)
{
	if (progress->drawn)
		fputs("\r\033[K", stderr);
	progress->drawn = false;
	progress->drawn_ms = 0;
}
