/* get: single keys, and ranges from either end; or how many there are */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kvctl.h"

struct get_options {
	bool raw, keys_only, ranged, count;
	uint64_t limit; /* 0: none */
	const char *prefix;
	struct synod_scan scan;
	struct kvctl_read read;
	char *storage; /* the end of the prefix's range */
};

static void print_count(const struct kvctl *kvctl, const struct kvctl_read *read, uint64_t count)
{
	if (kvctl->json) {
		printf("{\"count\":%" PRIu64, count);
		kvctl_read_json_all(read);
		puts("}");
	} else {
		printf("%" PRIu64 "\n", count);
	}
}

/* reply: of a read of this record alone; NULL: it is one of many. */
static void print_record_json(const struct get_options *options, const struct synod_record *record,
			      const struct synod_reply *reply, bool first)
{
	json_t *object = json_object();
	kvctl_json_bytes(object, "key", record->key);
	if (!options->keys_only)
		kvctl_json_bytes(object, "value", record->value);
	json_object_set_new(object, "version", kvctl_json_u64(record->version));
	json_object_set_new(object, "modification", kvctl_json_u64(record->modification));
	if (reply != NULL)
		kvctl_read_json(object, reply);
	if (!first)
		fputc(',', stdout);
	json_dumpf(object, stdout, JSON_COMPACT);
	json_decref(object);
}

static void print_record(const struct kvctl *kvctl, const struct get_options *options,
			 const struct synod_record *record, bool first)
{
	if (kvctl->json) {
		print_record_json(options, record, NULL, first);
		return;
	}
	kvctl_print_bytes(record->key);
	if (!options->keys_only) {
		fputc('\t', stdout);
		kvctl_print_bytes(record->value);
	}
	fputc('\n', stdout);
}

void kvctl_scan_on(struct synod_scan *scan, const struct synod_reply *page)
{
	if (scan->reverse)
		scan->end = page->resume;
	else
		scan->start = page->resume;
}

/* Page after page, printed as they come. */
static int print_pages(struct kvctl *kvctl, struct synod *s, struct get_options *options,
		       uint64_t *count, bool *more)
{
	struct synod_reply *page = NULL;
	int exit_code = EXIT_OK;
	do {
		uint64_t missing = options->limit - *count;
		options->scan.limit = options->limit != 0 && missing < 1000 ? (uint32_t)missing
									    : 1000;
		struct synod_reply *next = synod_scan_with(s, &options->scan,
							   &options->read.options);
		/* The start of the scan was in the page before. */
		synod_reply_free(page);
		page = next;
		exit_code = kvctl_exit_code(page->status);
		for (size_t i = 0; i < page->nrecords; i++)
			print_record(kvctl, options, &page->records[i], (*count)++ == 0);
		*more = page->more;
		kvctl_read_seen(&options->read, page);
		kvctl_scan_on(&options->scan, page);
	} while (exit_code == EXIT_OK && page->more && *count != options->limit &&
		 output_error() == 0);
	if (exit_code != EXIT_OK)
		kvctl_failed(kvctl, page->status, page->message);
	synod_reply_free(page);
	return exit_code;
}

static int count_range(struct kvctl *kvctl, struct synod *s, struct get_options *options)
{
	struct synod_scan scan = options->scan;
	scan.count_only = true;
	struct synod_reply *reply = synod_scan_with(s, &scan, &options->read.options);
	kvctl_read_seen(&options->read, reply);
	int exit_code = kvctl_failed(kvctl, reply->status, reply->message);
	if (exit_code == EXIT_OK)
		print_count(kvctl, &options->read,
			    options->limit != 0 && options->limit < reply->version
				    ? options->limit
				    : reply->version);
	synod_reply_free(reply);
	return exit_code;
}

static int get_range(struct kvctl *kvctl, struct get_options *options)
{
	struct synod *s = kvctl_synod(kvctl);
	uint64_t count = 0;
	bool more = false;
	if (s == NULL)
		return EXIT_USAGE;
	if (options->count)
		return count_range(kvctl, s, options);
	if (kvctl->json)
		fputs("{\"records\":[", stdout);
	int exit_code = print_pages(kvctl, s, options, &count, &more);
	if (kvctl->json) {
		printf("],\"count\":%" PRIu64 ",\"more\":%s", count, more ? "true" : "false");
		kvctl_read_json_all(&options->read);
		puts("}");
	}
	return exit_code;
}

static void print_value(const struct kvctl *kvctl, const struct get_options *options,
			const char *key, const struct synod_reply *reply)
{
	struct synod_record record = {
		.key = {.data = key, .len = strlen(key)},
		.value = reply->value,
		.version = reply->version,
		.modification = reply->modification,
	};
	if (kvctl->json) {
		print_record_json(options, &record, reply, true);
		fputc('\n', stdout);
		return;
	}
	kvctl_print_bytes(options->keys_only ? record.key : record.value);
	if (!options->raw)
		fputc('\n', stdout);
}

/* One of several values: a line as export writes it, so that whatever bytes it has, it is one. */
static void print_line(const struct kvctl *kvctl, const struct get_options *options,
		       const char *key, const struct synod_reply *reply, bool first)
{
	struct synod_record record = {
		.key = {.data = key, .len = strlen(key)},
		.value = reply->value,
		.version = reply->version,
		.modification = reply->modification,
	};
	if (kvctl->json) {
		print_record_json(options, &record, reply, first);
		return;
	}
	if (options->keys_only) {
		print_record(kvctl, options, &record, first);
		return;
	}
	struct buffer line = {0};
	kvctl_record_format(&line, record.key, record.value, KVCTL_TSV);
	buffer_add_u8(&line, '\n');
	fwrite(line.data, 1, line.len, stdout);
	buffer_free(&line);
}

static struct synod_reply *get_key(struct kvctl *kvctl, struct get_options *options,
				   const char *key)
{
	struct synod_op op = {.kind = SYNOD_OP_GET, .key = {.data = key, .len = strlen(key)}};
	struct synod *s = kvctl->primary ? NULL : kvctl_synod(kvctl);
	if (kvctl->primary)
		return kvctl_do(kvctl, &op);
	if (s == NULL)
		return NULL;
	struct synod_reply *reply = synod_get_with(s, key, op.key.len, &options->read.options);
	kvctl_read_seen(&options->read, reply);
	return reply;
}

/*
 * Each key is read by itself. A missing one is said and makes the exit code 1, and the others are
 * printed; any other failure is the end.
 */
static int get_keys(struct kvctl *kvctl, struct get_options *options, int count, char **keys)
{
	uint64_t found = 0;
	bool array = kvctl->json && count > 1 && !options->count;
	int exit_code = EXIT_OK;
	if (array)
		fputc('[', stdout);
	for (int i = 0; i < count; i++) {
		struct synod_reply *reply = get_key(kvctl, options, keys[i]);
		int one = reply == NULL ? EXIT_USAGE : kvctl_exit_code(reply->status);
		bool first = found == 0;
		found += one == EXIT_OK;
		if (options->count && one == EXIT_NOT_FOUND)
			one = EXIT_OK;
		else if (one == EXIT_NOT_FOUND)
			kvctl_error(kvctl, "not found: %s", keys[i]);
		else if (one != EXIT_OK && reply != NULL)
			kvctl_failed(kvctl, reply->status, reply->message);
		else if (one == EXIT_OK && !options->count && count == 1)
			print_value(kvctl, options, keys[i], reply);
		else if (one == EXIT_OK && !options->count)
			print_line(kvctl, options, keys[i], reply, first);
		synod_reply_free(reply);
		exit_code = one != EXIT_OK ? one : exit_code;
		if (exit_code != EXIT_OK && exit_code != EXIT_NOT_FOUND)
			break;
	}
	if (array)
		fputs("]\n", stdout);
	if (options->count && exit_code == EXIT_OK)
		print_count(kvctl, &options->read, found);
	return exit_code;
}

enum { GET_PREFIX, GET_RANGE, GET_LIMIT, GET_KEYS_ONLY, GET_RAW, GET_COUNT, GET_REVERSE, GET_READ };

static int parse(struct kvctl *kvctl, int argc, char **argv, struct get_options *options)
{
	static const struct option table[] = {
		{"prefix", required_argument, NULL, KVCTL_OPTION(GET_PREFIX)},
		{"range", no_argument, NULL, KVCTL_OPTION(GET_RANGE)},
		{"limit", required_argument, NULL, KVCTL_OPTION(GET_LIMIT)},
		{"keys-only", no_argument, NULL, KVCTL_OPTION(GET_KEYS_ONLY)},
		{"raw", no_argument, NULL, KVCTL_OPTION(GET_RAW)},
		{"count", no_argument, NULL, KVCTL_OPTION(GET_COUNT)},
		{"reverse", no_argument, NULL, KVCTL_OPTION(GET_REVERSE)},
		KVCTL_READ_OPTIONS(GET_READ),
		{0},
	};
	int option;
	kvctl_options_begin(argc, argv);
	while ((option = kvctl_next_option(kvctl, argc, argv, table)) >= 0 && option != '?') {
		options->raw |= option == KVCTL_OPTION(GET_RAW);
		options->keys_only |= option == KVCTL_OPTION(GET_KEYS_ONLY);
		options->ranged |= option == KVCTL_OPTION(GET_RANGE);
		options->count |= option == KVCTL_OPTION(GET_COUNT);
		options->scan.reverse |= option == KVCTL_OPTION(GET_REVERSE);
		if (option == KVCTL_OPTION(GET_PREFIX))
			options->prefix = kvctl_option_text(optarg);
		if (option == KVCTL_OPTION(GET_LIMIT) &&
		    (!kvctl_parse_u64(optarg, &options->limit) || options->limit == 0))
			return kvctl_usage(kvctl, "--limit %s: a number from 1", optarg);
		if (option >= KVCTL_OPTION(GET_READ) &&
		    kvctl_read_option(kvctl, &options->read,
				      (enum kvctl_read_option)(option - KVCTL_OPTION(GET_READ)),
				      kvctl_option_text(optarg)) != EXIT_OK)
			return EXIT_USAGE;
	}
	kvctl_options_end(argc, argv);
	return option == '?' ? EXIT_USAGE : kvctl_read_check(kvctl, &options->read);
}

/* Fills in the range. 0 or EXIT_USAGE. */
static int choose_range(struct kvctl *kvctl, struct get_options *options, int count,
			char **operands)
{
	if (options->prefix != NULL && options->ranged)
		return kvctl_usage(kvctl, "either --prefix or --range");
	if (options->prefix != NULL) {
		size_t len = strlen(options->prefix);
		options->storage = malloc(len + 1);
		if (options->storage == NULL || count > 0)
			return kvctl_usage(kvctl, "--prefix P stands alone");
		synod_scan_prefix(&options->scan, options->prefix, len, options->storage);
		return EXIT_OK;
	}
	if (count < 1 || count > 2)
		return kvctl_usage(
			kvctl,
			"--range A B: from A up to but not including B; without B to the end");
	options->scan.start = (struct synod_bytes){.data = operands[0], .len = strlen(operands[0])};
	if (count == 2)
		options->scan.end = (struct synod_bytes){.data = operands[1],
							 .len = strlen(operands[1])};
	return EXIT_OK;
}

/* Of single keys. 0 or EXIT_USAGE. */
static int check_keys(struct kvctl *kvctl, const struct get_options *options, int count,
		      char **keys)
{
	int exit_code = kvctl_check_operands(kvctl, count, 1, INT32_MAX);
	for (int i = 0; exit_code == EXIT_OK && i < count; i++)
		if (keys[i][0] == '\0')
			exit_code = kvctl_usage(kvctl, "the key is empty");
	if (exit_code == EXIT_OK && (options->limit != 0 || options->scan.reverse))
		exit_code = kvctl_usage(kvctl, "--limit and --reverse go with --prefix or --range");
	if (exit_code == EXIT_OK && options->raw && count > 1)
		exit_code = kvctl_usage(kvctl, "--raw is for one key: where would the values end?");
	return exit_code;
}

int kvctl_get(struct kvctl *kvctl, int argc, char **argv)
{
	struct get_options options = {0};
	int exit_code = parse(kvctl, argc, argv, &options);
	if (exit_code != EXIT_OK)
		return exit_code;
	char **operands = argv + optind;
	int count = argc - optind;
	if (kvctl->primary && (options.prefix != NULL || options.ranged))
		return kvctl_usage(kvctl, "a primary is asked for single keys");
	if (options.prefix != NULL || options.ranged) {
		exit_code = choose_range(kvctl, &options, count, operands);
		options.scan.keys_only = options.keys_only;
		if (exit_code == EXIT_OK)
			exit_code = get_range(kvctl, &options);
		free(options.storage);
	} else {
		exit_code = check_keys(kvctl, &options, count, operands);
		if (exit_code == EXIT_OK)
			exit_code = get_keys(kvctl, &options, count, operands);
	}
	kvctl_read_tell(kvctl, &options.read);
	return exit_code;
}
