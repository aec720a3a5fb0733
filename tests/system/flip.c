/*
 * flip: memory that changes by itself. Looks for a text in the memory of a running process, and
 * changes its last byte wherever it stands, as a broken chip or a stray pointer would: the process
 * is told nothing.
 *
 *   flip PID TEXT
 *
 * Prints how many copies have been changed.
 *
 * Exit codes: 0 at least one · 1 none · 2 the memory of the process cannot be had (see ptrace(2)) ·
 * 64 usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE (1u << 20)

/* In one piece of memory that has been read; the copies in it are written back changed. */
static int flip_piece(int memory, uint64_t at, uint8_t *data, size_t len, const char *text,
		      size_t text_len, unsigned *count)
{
	for (uint8_t *from = data;
	     (from = memmem(from, len - (size_t)(from - data), text, text_len)) != NULL;
	     from += text_len) {
		uint8_t changed = from[text_len - 1] ^ 1;
		uint64_t where = at + (uint64_t)(from - data) + text_len - 1;
		if (pwrite(memory, &changed, 1, (off_t)where) != 1)
			return errno;
		(*count)++;
	}
	return 0;
}

static int flip_range(int memory, uint64_t begin, uint64_t end, const char *text, unsigned *count)
{
	static uint8_t data[PIECE];
	size_t text_len = strlen(text);
	int status = 0;
	/*
	 * Pieces overlap, so that no copy lies across two; one that was changed is not found again.
	 */
	for (uint64_t at = begin; at < end && status == 0; at += PIECE - text_len) {
		size_t want = end - at < PIECE ? (size_t)(end - at) : PIECE;
		ssize_t got = pread(memory, data, want, (off_t)at);
		if (got < 0 && (errno == EPERM || errno == EACCES))
			return errno;
		if (got < (ssize_t)text_len)
			return 0; /* a part that cannot be read */
		status = flip_piece(memory, at, data, (size_t)got, text, text_len, count);
	}
	return status;
}

int main(int argc, char **argv)
{
	char path[64], line[512], *rest;
	unsigned count = 0;
	unsigned long pid = argc == 3 ? strtoul(argv[1], &rest, 10) : 0;
	if (pid == 0 || *rest != '\0' || strlen(argv[2]) < 8 || strlen(argv[2]) >= PIECE / 2) {
		fprintf(stderr, "usage: flip PID TEXT\n");
		return 64;
	}
	snprintf(path, sizeof path, "/proc/%lu/mem", pid);
	int memory = open(path, O_RDWR | O_CLOEXEC);
	snprintf(path, sizeof path, "/proc/%lu/maps", pid);
	FILE *maps = fopen(path, "re");
	if (memory < 0 || maps == NULL) {
		fprintf(stderr, "flip: %s: %s\n", path, strerror(errno));
		return 2;
	}
	while (fgets(line, sizeof line, maps) != NULL) {
		unsigned long begin, end;
		char rights[8];
		if (sscanf(line, "%lx-%lx %7s", &begin, &end, rights) != 3 ||
		    strncmp(rights, "rw", 2) != 0)
			continue;
		int status = flip_range(memory, begin, end, argv[2], &count);
		if (status != 0) {
			fprintf(stderr, "flip: %s\n", strerror(status));
			return 2;
		}
	}
	fclose(maps);
	close(memory);
	printf("%u\n", count);
	return count > 0 ? 0 : 1;
}
