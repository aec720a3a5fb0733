/* get, and its ranges */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kvctl.h"

struct get_options {
	bool raw, keys_only, ranged;
	uint64_t limit; /* 0: none */
	const char *prefix;
	struct synod_scan scan;
	char *storage; /* the end of the prefix's range */
};

static void print_record_json(const struct get_options *options, const struct synod_record *record, bool first)
{
	json_t *object = json_object();
	kvctl_json_bytes(object, "key", record->key);
	if (!options->keys_only)
		kvctl_json_bytes(object, "value", record->value);
	json_object_set_new(object, "version", kvctl_json_u64(record->version));
	json_object_set_new(object, "modification", kvctl_json_u64(record->modification));
	if (!first)
		fputc(',', stdout);
	json_dumpf(object, stdout, JSON_COMPACT);
	json_decref(object);
}

static void print_record(const struct kvctl *kvctl, const struct get_options *options,
			 const struct synod_record *record, bool first)
{
	if (kvctl->json) {
		print_record_json(options, record, first);
		return;
	}
	kvctl_print_bytes(record->key);
	if (!options->keys_only) {
		fputc('\t', stdout);
		kvctl_print_bytes(record->value);
	}
	fputc('\n', stdout);
}

/* Page after page, printed as they come. */
static int print_pages(struct kvctl *kvctl, struct synod *s, struct get_options *options, uint64_t *count,
		       bool *more)
{
	struct synod_reply *page = NULL;
	int exit_code = EXIT_OK;
	do {
		uint64_t missing = options->limit - *count;
		options->scan.limit = options->limit != 0 && missing < 1000 ? (uint32_t)missing : 1000;
		struct synod_reply *next = synod_do_scan(s, &options->scan, kvctl->timeout_ms);
		/* The start of the scan was in the page before. */
		synod_reply_free(page);
		page = next;
		exit_code = kvctl_exit_code(page->status);
		for (size_t i = 0; i < page->nrecords; i++)
			print_record(kvctl, options, &page->records[i], (*count)++ == 0);
		*more = page->more;
		options->scan.start = page->resume;
	} while (exit_code == EXIT_OK && page->more && *count != options->limit && !ferror(stdout));
	if (exit_code != EXIT_OK)
		kvctl_failed(kvctl, page->status, page->message);
	synod_reply_free(page);
	return exit_code;
}

static int get_range(struct kvctl *kvctl, struct get_options *options)
{
	struct synod *s = kvctl_synod(kvctl);
	uint64_t count = 0;
	bool more = false;
	if (s == NULL)
		return EXIT_USAGE;
	if (kvctl->json)
		fputs("{\"records\":[", stdout);
	int exit_code = print_pages(kvctl, s, options, &count, &more);
	if (kvctl->json)
		printf("],\"count\":%" PRIu64 ",\"more\":%s}\n", count, more ? "true" : "false");
	return exit_code;
}

static int get_key(struct kvctl *kvctl, const struct get_options *options, const char *key)
{
	struct synod_op op = {.kind = SYNOD_OP_GET, .key = {.data = key, .len = strlen(key)}};
	struct synod_reply *reply = kvctl_do(kvctl, &op);
	if (reply == NULL)
		return EXIT_USAGE;
	int exit_code = kvctl_exit_code(reply->status);
	if (exit_code == EXIT_NOT_FOUND) {
		kvctl_error(kvctl, "not found: %s", key);
	} else if (exit_code != EXIT_OK) {
		kvctl_failed(kvctl, reply->status, reply->message);
	} else if (kvctl->json) {
		struct synod_record record = {
			.key = op.key,
			.value = reply->value,
			.version = reply->version,
			.modification = reply->modification,
		};
		print_record_json(options, &record, true);
		fputc('\n', stdout);
	} else {
		kvctl_print_bytes(options->keys_only ? op.key : reply->value);
		if (!options->raw)
			fputc('\n', stdout);
	}
	synod_reply_free(reply);
	return exit_code;
}

enum { GET_PREFIX, GET_RANGE, GET_LIMIT, GET_KEYS_ONLY, GET_RAW };

static int parse(struct kvctl *kvctl, int argc, char **argv, struct get_options *options)
{
	static const struct option table[] = {
		{"prefix", required_argument, NULL, KVCTL_OPTION(GET_PREFIX)},
		{"range", no_argument, NULL, KVCTL_OPTION(GET_RANGE)},
		{"limit", required_argument, NULL, KVCTL_OPTION(GET_LIMIT)},
		{"keys-only", no_argument, NULL, KVCTL_OPTION(GET_KEYS_ONLY)},
		{"raw", no_argument, NULL, KVCTL_OPTION(GET_RAW)},
		{0},
	};
	int option;
	kvctl_options_begin(argc, argv);
	while ((option = kvctl_next_option(kvctl, argc, argv, table)) >= 0 && option != '?') {
		options->raw |= option == KVCTL_OPTION(GET_RAW);
		options->keys_only |= option == KVCTL_OPTION(GET_KEYS_ONLY);
		options->ranged |= option == KVCTL_OPTION(GET_RANGE);
		if (option == KVCTL_OPTION(GET_PREFIX))
			options->prefix = optarg;
		if (option == KVCTL_OPTION(GET_LIMIT) &&
		    (!kvctl_parse_u64(optarg, &options->limit) || options->limit == 0))
			return kvctl_usage(kvctl, "--limit %s: a number from 1", optarg);
	}
	kvctl_options_end(argc, argv);
	return option == '?' ? EXIT_USAGE : EXIT_OK;
}

/* Fills in the range. 0 or EXIT_USAGE. */
static int choose_range(struct kvctl *kvctl, struct get_options *options, int count, char **operands)
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
		return kvctl_usage(kvctl, "--range A B: from A up to but not including B; without B to the end");
	options->scan.start = (struct synod_bytes){.data = operands[0], .len = strlen(operands[0])};
	if (count == 2)
		options->scan.end = (struct synod_bytes){.data = operands[1], .len = strlen(operands[1])};
	return EXIT_OK;
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
		return exit_code;
	}
	exit_code = kvctl_check_operands(kvctl, count, 1, 1);
	if (exit_code == EXIT_OK && operands[0][0] == '\0')
		exit_code = kvctl_usage(kvctl, "the key is empty");
	return exit_code == EXIT_OK ? get_key(kvctl, &options, operands[0]) : exit_code;
}
