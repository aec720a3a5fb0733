/*
 * Runs a fuzz target without a fuzzer: each file of its corpus, and simple mutations of each, made
 * from a seed.
 *
 *   build/tests/replay/fuzz_NAME [FILE or DIRECTORY]…    without arguments: tests/fuzz/corpus/NAME
 *
 * MUTATIONS (default 1000; with arguments 0) is the number of mutations of a file, SEED the seed.
 * The input under way stands in the file fuzz_NAME.crash beside the program, and stays there when
 * it crashes: give that as argument to see it again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "fuzz.h"

#define INPUT_BYTES_MAX (64u << 10)
#define FILES_MAX 512u

static char *files[FILES_MAX];
static size_t nfiles;
static char crash_name[4096];
static int crash_file;

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "replay: %s: %s\n", what, strerror(errno));
	exit(64);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_file(const char *name)
{
	struct stat status;
	if (stat(name, &status) != 0)
		give_up(name);
	if (!S_ISDIR(status.st_mode)) {
		if (nfiles < FILES_MAX && (files[nfiles++] = strdup(name)) == NULL)
			abort();
		return;
	}
	DIR *directory = opendir(name);
	if (directory == NULL)
		give_up(name);
	const struct dirent *entry;
	char path[4096];
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", name, entry->d_name);
		add_file(path);
	}
	closedir(directory);
}

static size_t read_file(const char *name, uint8_t *out)
{
	FILE *file = fopen(name, "rb");
	if (file == NULL)
		give_up(name);
	size_t len = fread(out, 1, INPUT_BYTES_MAX, file);
	fclose(file);
	return len;
}

/*
 * Runs one input. It stands in the crash file while it runs, and is handed over in an allocation of
 * its exact size, so that a sanitizer sees a byte too far.
 */
static void run(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	if (copy == NULL)
		abort();
	if (len > 0)
		memcpy(copy, data, len);
	if (ftruncate(crash_file, 0) != 0 || pwrite(crash_file, data, len, 0) != (ssize_t)len)
		give_up(crash_name);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static size_t mutate_once(struct rng *rng, uint8_t *data, size_t len)
{
	static const uint8_t interesting[] = {0, 1, 0x7f, 0x80, 0xff, '\n', '"', '{'};
	size_t at = len > 0 ? rng_below(rng, len) : 0, count = 1 + rng_below(rng, 8);
	switch (rng_below(rng, 7)) {
	case 0:
		if (len > 0)
			data[at] ^= (uint8_t)(1u << rng_below(rng, 8));
		return len;
	case 1:
		if (len > 0)
			data[at] = interesting[rng_below(rng, sizeof interesting)];
		return len;
	case 2:
		if (len > 0)
			data[at] = (uint8_t)rng_next(rng);
		return len;
	case 3: /* remove */
		count = count < len - at ? count : len - at;
		memmove(data + at, data + at + count, len - at - count);
		return len - count;
	case 4: /* repeat a piece */
	case 5:
		count = count * 4 < len - at ? count * 4 : len - at;
		if (len + count > INPUT_BYTES_MAX)
			return len;
		memmove(data + at + count, data + at, len - at);
		return len + count;
	default: return rng_below(rng, 8) == 0 ? at : len;
	}
}

static void run_mutations(const uint8_t *original, size_t original_len, uint64_t seed,
			  uint64_t mutations)
{
	static uint8_t data[INPUT_BYTES_MAX];
	struct rng rng;
	rng_seed(&rng, seed);
	for (uint64_t i = 0; i < mutations; i++) {
		size_t len = original_len;
		memcpy(data, original, len);
		for (uint64_t k = 1 + rng_below(&rng, 6); k > 0; k--)
			len = mutate_once(&rng, data, len);
		run(data, len);
	}
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	static uint8_t data[INPUT_BYTES_MAX];
	char corpus[4096];
	const char *name = strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];
	uint64_t seed = number("SEED", 1), mutations = number("MUTATIONS", argc > 1 ? 0 : 1000);

	for (int i = 1; i < argc; i++)
		add_file(argv[i]);
	if (argc == 1) {
		snprintf(corpus, sizeof corpus, "tests/fuzz/corpus/%s",
			 strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name);
		add_file(corpus);
	}
	qsort(files, nfiles, sizeof files[0], compare_names);
	snprintf(crash_name, sizeof crash_name, "%s.crash", argv[0]);
	crash_file = open(crash_name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (crash_file < 0)
		give_up(crash_name);
	run(data, 0);
	for (size_t i = 0; i < nfiles; i++) {
		size_t len = read_file(files[i], data);
		run(data, len);
		run_mutations(data, len, seed + i, mutations);
		free(files[i]);
	}
	unlink(crash_name);
	printf("%s: %zu inputs, each with %llu mutations\n", name, nfiles,
	       (unsigned long long)mutations);
	return nfiles > 0 ? 0 : 1;
}
