/*
 * import and export. What a file holds is read by import_reader.c, and sent by import_window.c.
 *
 * A regular file is read twice: first as a whole, and only if all of it fits anything is sent. From
 * a pipe what comes before the first line that does not fit is imported, and nothing behind it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "import.h"

#define COMPLAINTS_MAX 20u

/* Where the records come from. */
struct source {
	const char *name;
	int fd;
	bool said; /* the format */
	enum kvctl_format format;
};

static ssize_t read_source(void *context, void *data, size_t size)
{
	const struct source *source = context;
	return read(source->fd, data, size);
}

static void open_reader(struct import_reader *reader, struct source *source)
{
	import_reader_init(reader, read_source, source);
	if (source->said)
		import_reader_set(reader, source->format);
}

static void complain(struct import *import, struct import_progress *progress,
		     const struct import_reader *reader)
{
	import_progress_clear(progress);
	if (import->wrong_line == 0)
		import->wrong_line = reader->line;
	if (import->malformed++ < COMPLAINTS_MAX)
		kvctl_error(import->kvctl, "%s, line %" PRIu64 ": %s", import->name, reader->line,
			    reader->wrong);
	if (import->malformed == COMPLAINTS_MAX)
		kvctl_error(import->kvctl, "further lines that do not fit are only counted");
}

static uint64_t imported(struct import *import)
{
	pthread_mutex_lock(&import->mutex);
	uint64_t count = import->imported;
	pthread_mutex_unlock(&import->mutex);
	return count;
}

static int cannot_read(struct import *import, int error)
{
	kvctl_error(import->kvctl, "cannot read %s: %s", import->name, strerror(error));
	return EXIT_USAGE;
}

/* Reads everything and sends nothing. EXIT_OK: the whole file fits. */
static int check_all(struct import *import, struct import_progress *progress, struct source *source)
{
	struct import_reader reader;
	struct buffer bytes = {0};
	size_t key_len;
	uint64_t count = 0;
	enum import_next next;
	open_reader(&reader, source);
	do {
		buffer_clear(&bytes);
		next = import_reader_next(&reader, &bytes, &key_len);
		count += next == IMPORT_RECORD;
		if (next == IMPORT_WRONG || next == IMPORT_WRONG_LAST)
			complain(import, progress, &reader);
		import_progress_draw(progress, reader.read_bytes, count, "records checked");
	} while (next == IMPORT_RECORD || next == IMPORT_WRONG);
	import_progress_clear(progress);
	int exit_code = next == IMPORT_ERROR ? cannot_read(import, reader.error) : EXIT_OK;
	buffer_free(&bytes);
	import_reader_free(&reader);
	return exit_code == EXIT_OK && import->malformed > 0 ? EXIT_REFUSED : exit_code;
}

static int send_all(struct import *import, struct import_progress *progress, struct source *source)
{
	struct import_reader reader;
	struct buffer bytes = {0};
	size_t key_len;
	enum import_next next = IMPORT_RECORD;
	open_reader(&reader, source);
	while (!import->given_up) {
		buffer_clear(&bytes);
		next = import_reader_next(&reader, &bytes, &key_len);
		if (next != IMPORT_RECORD)
			break;
		import_send(import, &bytes, key_len, reader.line);
		import_progress_draw(progress, reader.read_bytes, imported(import), "records");
	}
	import_drain(import);
	import_progress_clear(progress);
	if (next == IMPORT_WRONG || next == IMPORT_WRONG_LAST)
		complain(import, progress, &reader);
	int exit_code = next == IMPORT_ERROR ? cannot_read(import, reader.error) : EXIT_OK;
	buffer_free(&bytes);
	import_reader_free(&reader);
	return exit_code == EXIT_OK && import->malformed > 0 ? EXIT_REFUSED : exit_code;
}

/* What has been done, to stderr or as JSON to stdout. */
static void conclude(const struct import *import, const struct import_progress *progress,
		     bool checked_only)
{
	double seconds = (double)(kvctl_now_ms() - progress->began_ms) / 1000;
	if (import->kvctl->json) {
		json_t *object = json_pack(
			"{s:I,s:I,s:I,s:b,s:f}", "imported", (json_int_t)import->imported,
			"malformed", (json_int_t)import->malformed, "refused",
			(json_int_t)import->refused, "complete",
			!import->given_up && import->malformed == 0 && !import->cut, "seconds",
			seconds);
		if (import->wrong_line != 0)
			json_object_set_new(object, "line", kvctl_json_u64(import->wrong_line));
		kvctl_print_json(object);
	}
	if (checked_only) {
		kvctl_note("nothing was imported");
		return;
	}
	struct buffer text = {0};
	buffer_format(&text, "imported %" PRIu64 " records in %.1f s (%.0f/s)", import->imported,
		      seconds, (double)import->imported / (seconds > 0.001 ? seconds : 0.001));
	if (import->wrong_line != 0)
		buffer_format(&text,
			      "; stopped at line %" PRIu64 ", nothing from there on was imported",
			      import->wrong_line);
	if (import->refused > 0)
		buffer_format(&text, "; %" PRIu64 " records were refused", import->refused);
	if (import->given_up || import->cut)
		buffer_format(&text, "; stopped before the end: to repeat the import is safe");
	kvctl_note("%.*s", (int)text.len, (const char *)text.data);
	buffer_free(&text);
}

/* A file is checked before anything else happens; then everything is sent. */
static int import_source(struct import *import, struct source *source)
{
	struct kvctl *kvctl = import->kvctl;
	struct import_progress progress;
	struct stat info;
	off_t begin = lseek(source->fd, 0, SEEK_CUR);
	bool regular = fstat(source->fd, &info) == 0 && S_ISREG(info.st_mode) && begin >= 0;
	import_progress_begin(&progress, source->fd);
	int exit_code = regular ? check_all(import, &progress, source) : EXIT_OK;
	if (exit_code == EXIT_OK && regular && lseek(source->fd, begin, SEEK_SET) < 0)
		exit_code = cannot_read(import, errno);
	if (exit_code != EXIT_OK) {
		conclude(import, &progress, true);
		return exit_code;
	}
	import->synod = kvctl_synod(kvctl);
	if (import->synod == NULL)
		return EXIT_USAGE;
	import_progress_begin(&progress, source->fd);
	exit_code = send_all(import, &progress, source);
	import->cut = exit_code == EXIT_USAGE;
	kvctl->applied = import->imported > 0;
	conclude(import, &progress, false);
	if (import->worst != EXIT_OK)
		exit_code = import->worst;
	/* 3 would say that nothing was applied, and 64 that nothing was tried. */
	if (import->unknown && exit_code == EXIT_UNAVAILABLE)
		exit_code = EXIT_UNKNOWN;
	return kvctl->applied && exit_code == EXIT_USAGE ? EXIT_UNKNOWN
							 : kvctl_partly(kvctl, exit_code);
}

static bool is_named_csv(const char *name)
{
	size_t len = strlen(name);
	return len > 4 && strcasecmp(name + len - 4, ".csv") == 0;
}

static int format_option(struct kvctl *kvctl, enum kvctl_format *format)
{
	return kvctl_parse_format(optarg, format)
		       ? EXIT_OK
		       : kvctl_usage(kvctl, "--format %s: tsv, jsonl or csv", optarg);
}

int kvctl_import(struct kvctl *kvctl, int argc, char **argv)
{
	static const struct option options[] = {
		{"format", required_argument, NULL, KVCTL_OPTION(0)}, {0}};
	struct source source = {.name = "stdin", .fd = STDIN_FILENO};
	int option, exit_code = EXIT_OK;
	kvctl_options_begin(argc, argv);
	while (exit_code == EXIT_OK &&
	       (option = kvctl_next_option(kvctl, argc, argv, options)) != -1) {
		if (option == '?')
			return EXIT_USAGE;
		if (option != KVCTL_OPTION(0))
			continue;
		source.said = true;
		exit_code = format_option(kvctl, &source.format);
	}
	kvctl_options_end(argc, argv);
	if (exit_code == EXIT_OK)
		exit_code = kvctl_check_operands(kvctl, argc - optind, 0, 1);
	if (exit_code != EXIT_OK)
		return exit_code;
	if (optind < argc && strcmp(argv[optind], "-") != 0) {
		source.name = argv[optind];
		source.fd = open(source.name, O_RDONLY | O_CLOEXEC);
		if (source.fd < 0)
			return kvctl_usage(kvctl, "cannot open %s: %s", source.name,
					   strerror(errno));
		if (!source.said && is_named_csv(source.name)) {
			source.said = true;
			source.format = KVCTL_CSV;
		}
	}
	struct import *import = alloc_bytes(sizeof *import);
	import_init(import, kvctl, source.name);
	exit_code = import_source(import, &source);
	import_done(import);
	free(import);
	if (source.fd != STDIN_FILENO)
		close(source.fd);
	return exit_code;
}

/* ---- export ---- */

static void print_page(const struct synod_reply *page, enum kvctl_format format,
		       struct buffer *line)
{
	for (size_t i = 0; i < page->nrecords; i++) {
		line->len = 0;
		kvctl_record_format(line, page->records[i].key, page->records[i].value, format);
		buffer_add_u8(line, '\n');
		fwrite(line->data, 1, line->len, stdout);
	}
}

static int export_range(struct kvctl *kvctl, struct synod *s, struct synod_scan *scan,
			enum kvctl_format format)
{
	struct buffer line = {0};
	struct synod_reply *page = NULL;
	uint64_t count = 0;
	int exit_code;
	if (format == KVCTL_CSV)
		fputs(KVCTL_CSV_HEADER, stdout);
	do {
		struct synod_reply *next = synod_do_scan(s, scan, kvctl->timeout_ms);
		/* The start of the scan was in the page before. */
		synod_reply_free(page);
		page = next;
		exit_code = kvctl_failed(kvctl, page->status, page->message);
		print_page(page, format, &line);
		count += page->nrecords;
		scan->start = page->resume;
	} while (exit_code == EXIT_OK && page->more && output_error() == 0);
	synod_reply_free(page);
	buffer_free(&line);
	fflush(stdout);
	/*
	 * Whoever reads only the beginning knows that. What else keeps the output from being
	 * written is said behind the command.
	 */
	if (output_error() == 0)
		fprintf(stderr, "exported %" PRIu64 " records%s\n", count,
			exit_code == EXIT_OK ? "" : "; stopped before the end");
	return exit_code;
}

int kvctl_export(struct kvctl *kvctl, int argc, char **argv)
{
	enum { EXPORT_PREFIX, EXPORT_FORMAT };
	static const struct option options[] = {
		{"prefix", required_argument, NULL, KVCTL_OPTION(EXPORT_PREFIX)},
		{"format", required_argument, NULL, KVCTL_OPTION(EXPORT_FORMAT)},
		{0},
	};
	const char *prefix = "";
	enum kvctl_format format = KVCTL_TSV;
	bool said = false;
	int option, exit_code = EXIT_OK;
	kvctl_options_begin(argc, argv);
	while (exit_code == EXIT_OK &&
	       (option = kvctl_next_option(kvctl, argc, argv, options)) != -1) {
		if (option == '?')
			return EXIT_USAGE;
		if (option == KVCTL_OPTION(EXPORT_PREFIX))
			prefix = kvctl_option_text(optarg);
		if (option != KVCTL_OPTION(EXPORT_FORMAT))
			continue;
		said = true;
		exit_code = format_option(kvctl, &format);
	}
	kvctl_options_end(argc, argv);
	if (exit_code == EXIT_OK)
		exit_code = kvctl_check_operands(kvctl, argc - optind, 0, 0);
	if (exit_code != EXIT_OK)
		return exit_code;
	if (kvctl->json && !said)
		format = KVCTL_JSONL;
	struct synod *s = kvctl_synod(kvctl);
	if (s == NULL)
		return EXIT_USAGE;
	struct synod_scan scan = {.limit = 1000};
	char *storage = alloc_bytes(strlen(prefix) + 1);
	synod_scan_prefix(&scan, prefix, strlen(prefix), storage);
	exit_code = export_range(kvctl, s, &scan, format);
	free(storage);
	return exit_code;
}
