/* import and export */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "import.h"

#define COMPLAINTS_MAX 20u

static void complain(struct import *import, struct import_progress *progress, uint64_t line, const char *wrong)
{
	import_progress_clear(progress);
	if (import->malformed++ < COMPLAINTS_MAX)
		kvctl_error(import->kvctl, "line %" PRIu64 ": %s", line, wrong);
	if (import->malformed == COMPLAINTS_MAX)
		kvctl_error(import->kvctl, "further malformed lines are only counted");
}

static uint64_t imported(struct import *import)
{
	pthread_mutex_lock(&import->mutex);
	uint64_t count = import->imported;
	pthread_mutex_unlock(&import->mutex);
	return count;
}

static void read_lines(struct import *import, struct import_progress *progress, FILE *file)
{
	char *text = NULL;
	size_t capacity = 0;
	uint64_t line = 0, read_bytes = 0;
	ssize_t len;
	while (!import->given_up && (len = getline(&text, &capacity, file)) > 0) {
		struct buffer bytes = {0};
		size_t key_len;
		line++;
		read_bytes += (uint64_t)len;
		struct slice content = slice(text, (size_t)len - (text[len - 1] == '\n'));
		if (content.len == 0)
			continue;
		const char *wrong = kvctl_record_parse(content, &bytes, &key_len);
		if (wrong == NULL)
			import_send(import, &bytes, key_len, line);
		else
			complain(import, progress, line, wrong);
		buffer_free(&bytes);
		import_progress_draw(progress, read_bytes, imported(import));
	}
	free(text);
	import_drain(import);
	import_progress_clear(progress);
}

/* What has been done, to stderr or as JSON to stdout, and the exit code. */
static int conclude(struct import *import, const struct import_progress *progress)
{
	struct kvctl *kvctl = import->kvctl;
	double seconds = (double)(import_now_ms() - progress->began_ms) / 1000;
	int exit_code = import->worst != EXIT_OK ? import->worst : import->malformed > 0 ? EXIT_REFUSED : EXIT_OK;
	if (kvctl->json)
		kvctl_print_json(json_pack("{s:I,s:I,s:I,s:b,s:f}", "imported", (json_int_t)import->imported,
					   "malformed", (json_int_t)import->malformed, "refused",
					   (json_int_t)import->refused, "complete", !import->given_up, "seconds",
					   seconds));
	fprintf(stderr, "imported %" PRIu64 " records in %.1f s (%.0f/s)", import->imported, seconds,
		(double)import->imported / (seconds > 0.001 ? seconds : 0.001));
	if (import->malformed > 0)
		fprintf(stderr, "; %" PRIu64 " lines were malformed and skipped", import->malformed);
	if (import->refused > 0)
		fprintf(stderr, "; %" PRIu64 " records were refused", import->refused);
	if (import->given_up)
		fprintf(stderr, "; stopped before the end: to repeat the import is safe");
	fputc('\n', stderr);
	return exit_code;
}

int kvctl_import(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	int exit_code = kvctl_operands(kvctl, argc, argv, 0, 1, &first);
	if (exit_code != EXIT_OK)
		return exit_code;
	bool from_stdin = first == argc || strcmp(argv[first], "-") == 0;
	FILE *file = from_stdin ? stdin : fopen(argv[first], "re");
	if (file == NULL)
		return kvctl_usage(kvctl, "cannot open %s: %s", argv[first], strerror(errno));
	struct synod *s = kvctl_synod(kvctl);
	exit_code = EXIT_USAGE;
	if (s != NULL) {
		struct import *import = alloc_bytes(sizeof *import);
		struct import_progress progress;
		import_init(import, kvctl, s);
		import_progress_begin(&progress, file);
		read_lines(import, &progress, file);
		exit_code = conclude(import, &progress);
		import_done(import);
		free(import);
	}
	if (ferror(file)) {
		kvctl_error(kvctl, "cannot read %s: %s", from_stdin ? "stdin" : argv[first], strerror(errno));
		exit_code = EXIT_USAGE;
	}
	if (!from_stdin)
		fclose(file);
	return exit_code;
}

/* ---- export ---- */

static void print_page(const struct kvctl *kvctl, const struct synod_reply *page, struct buffer *line)
{
	for (size_t i = 0; i < page->nrecords; i++) {
		line->len = 0;
		kvctl_record_format(line, page->records[i].key, page->records[i].value, kvctl->json);
		buffer_add_u8(line, '\n');
		fwrite(line->data, 1, line->len, stdout);
	}
}

static int export_range(struct kvctl *kvctl, struct synod *s, struct synod_scan *scan)
{
	struct buffer line = {0};
	struct synod_reply *page = NULL;
	uint64_t count = 0;
	int exit_code;
	do {
		struct synod_reply *next = synod_do_scan(s, scan, kvctl->timeout_ms);
		/* The start of the scan was in the page before. */
		synod_reply_free(page);
		page = next;
		exit_code = kvctl_failed(kvctl, page->status, page->message);
		print_page(kvctl, page, &line);
		count += page->nrecords;
		scan->start = page->resume;
	} while (exit_code == EXIT_OK && page->more && !ferror(stdout));
	synod_reply_free(page);
	buffer_free(&line);
	fprintf(stderr, "exported %" PRIu64 " records%s\n", count,
		exit_code == EXIT_OK ? "" : "; stopped before the end");
	return exit_code;
}

int kvctl_export(struct kvctl *kvctl, int argc, char **argv)
{
	static const struct option options[] = {{"prefix", required_argument, NULL, KVCTL_OPTION(0)}, {0}};
	const char *prefix = "";
	int option;
	kvctl_options_begin(argc, argv);
	while ((option = kvctl_next_option(kvctl, argc, argv, options)) >= 0 && option != '?')
		if (option == KVCTL_OPTION(0))
			prefix = optarg;
	kvctl_options_end(argc, argv);
	if (option == '?' || kvctl_check_operands(kvctl, argc - optind, 0, 0) != EXIT_OK)
		return EXIT_USAGE;
	struct synod *s = kvctl_synod(kvctl);
	if (s == NULL)
		return EXIT_USAGE;
	struct synod_scan scan = {.limit = 1000};
	char *storage = alloc_bytes(strlen(prefix) + 1);
	synod_scan_prefix(&scan, prefix, strlen(prefix), storage);
	int exit_code = export_range(kvctl, s, &scan);
	free(storage);
	return exit_code;
}
