/* log: the replicated log */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kvctl.h"

/* Of one long poll of tail; the server answers somewhat earlier. */
#define TAIL_TIMEOUT_MS 10000u
#define RETRY_PAUSE_US 200000u

struct log_options {
	uint64_t at, count;
	const char *peer;
	struct kvctl_read *read;
	char **operands; /* behind the action */
	int noperands;
};

static int parse_slot(struct kvctl *kvctl, const char *text, uint64_t min, uint64_t *out)
{
	if (kvctl_parse_u64(text, out) && *out >= min)
		return EXIT_OK;
	return kvctl_usage(kvctl, "\"%s\" is no slot: they are numbered from 1", text);
}

/* ---- append, trim ---- */

static int append(struct kvctl *kvctl, struct synod *s, const struct log_options *options)
{
	struct buffer input = {0};
	size_t count = options->noperands > 0 ? (size_t)options->noperands : 1;
	struct synod_bytes *values = alloc_zeroed(count, sizeof *values);
	int exit_code = EXIT_OK;
	if (options->noperands == 0 && !kvctl_read_stdin(&input))
		exit_code = kvctl_usage(kvctl, "cannot read the value from stdin");
	values[0] = (struct synod_bytes){.data = (const char *)input.data, .len = input.len};
	for (int i = 0; i < options->noperands; i++)
		values[i] = (struct synod_bytes){.data = options->operands[i],
						 .len = strlen(options->operands[i])};
	if (exit_code == EXIT_OK) {
		struct synod_reply *reply = synod_log_append(s, values, count, options->at,
							     kvctl->timeout_ms);
		exit_code = kvctl_failed(kvctl, reply->status, reply->message);
		kvctl->applied |= exit_code == EXIT_OK;
		if (exit_code == EXIT_OK && kvctl->json)
			kvctl_print_json(json_pack("{s:o,s:o}", "slot",
						   kvctl_json_u64(reply->version), "count",
						   kvctl_json_u64(count)));
		else if (exit_code == EXIT_OK)
			printf("%" PRIu64 "\n", reply->version);
		synod_reply_free(reply);
	}
	free(values);
	buffer_free(&input);
	return exit_code;
}

static int trim(struct kvctl *kvctl, struct synod *s, const struct log_options *options)
{
	uint64_t slot;
	int exit_code = parse_slot(kvctl, options->operands[0], 1, &slot);
	if (exit_code != EXIT_OK)
		return exit_code;
	struct synod_reply *reply = synod_log_trim(s, slot, kvctl->timeout_ms);
	exit_code = kvctl_failed(kvctl, reply->status, reply->message);
	kvctl->applied |= exit_code == EXIT_OK;
	if (exit_code == EXIT_OK && kvctl->json)
		kvctl_print_json(json_pack("{s:o}", "first", kvctl_json_u64(reply->modification)));
	else if (exit_code == EXIT_OK)
		puts("OK");
	synod_reply_free(reply);
	return exit_code;
}

/* ---- read, tail ---- */

static json_t *entry_json(const struct synod_record *record)
{
	json_t *object = json_pack("{s:o}", "slot", kvctl_json_u64(record->version));
	kvctl_json_bytes(object, "value", record->value);
	return object;
}

static void print_entry(const struct synod_record *record)
{
	printf("%" PRIu64 "\t", record->version);
	kvctl_print_bytes(record->value);
	fputc('\n', stdout);
}

static int parse_range(struct kvctl *kvctl, const struct log_options *options, uint64_t *from,
		       uint64_t *count)
{
	int exit_code = options->noperands > 0 ? parse_slot(kvctl, options->operands[0], 0, from)
					       : EXIT_OK;
	if (exit_code == EXIT_OK && options->noperands > 1 &&
	    !kvctl_parse_u64(options->operands[1], count))
		exit_code = kvctl_usage(kvctl, "\"%s\" is no number of slots",
					options->operands[1]);
	return exit_code;
}

static int read_log(struct kvctl *kvctl, struct synod *s, const struct log_options *options)
{
	uint64_t from = 0, left = UINT64_MAX, first = 0, last = 0;
	json_t *entries = json_array();
	bool more = true;
	int exit_code = parse_range(kvctl, options, &from, &left);
	while (exit_code == EXIT_OK && more && left > 0) {
		uint32_t limit = left < UINT32_MAX ? (uint32_t)left : 0;
		struct synod_reply *reply = synod_log_read_with(s, from, limit,
								&options->read->options);
		kvctl_read_seen(options->read, reply);
		exit_code = kvctl_failed(kvctl, reply->status, reply->message);
		for (size_t i = 0; i < reply->nrecords; i++) {
			from = reply->records[i].version + 1;
			if (kvctl->json)
				json_array_append_new(entries, entry_json(&reply->records[i]));
			else
				print_entry(&reply->records[i]);
		}
		first = reply->modification;
		last = reply->version;
		left -= reply->nrecords < left ? reply->nrecords : left;
		more = reply->more && output_error() == 0;
		synod_reply_free(reply);
	}
	if (exit_code == EXIT_OK && kvctl->json) {
		json_t *object = json_pack("{s:o,s:o,s:O}", "first", kvctl_json_u64(first), "last",
					   kvctl_json_u64(last), "entries", entries);
		kvctl_read_json_age(object, options->read);
		kvctl_print_json(object);
	}
	kvctl_read_tell(kvctl, options->read);
	json_decref(entries);
	return exit_code;
}

/* Where to begin when nobody says so: behind the newest. */
static int find_end(struct kvctl *kvctl, struct synod *s, uint64_t *from)
{
	struct synod_reply *reply = synod_log_read(s, 0, 1, kvctl->timeout_ms);
	int exit_code = kvctl_failed(kvctl, reply->status, reply->message);
	*from = reply->version + 1;
	synod_reply_free(reply);
	return exit_code;
}

static int tail(struct kvctl *kvctl, struct synod *s, const struct log_options *options)
{
	uint64_t from = 0, left = options->count > 0 ? options->count : UINT64_MAX;
	bool complained = false;
	int exit_code = parse_range(kvctl, options, &from, &left);
	if (exit_code == EXIT_OK && options->noperands == 0)
		exit_code = find_end(kvctl, s, &from);
	while (exit_code == EXIT_OK && left > 0 && output_error() == 0) {
		struct synod_reply *reply = synod_log_tail(
			s, from, left < 1024 ? (uint32_t)left : 0, TAIL_TIMEOUT_MS);
		for (size_t i = 0; i < reply->nrecords; i++) {
			from = reply->records[i].version + 1;
			if (kvctl->json)
				kvctl_print_json(entry_json(&reply->records[i]));
			else
				print_entry(&reply->records[i]);
		}
		left -= reply->nrecords;
		fflush(stdout);
		/* Whoever follows a log wants to go on when it does. */
		bool away = reply->status == SYNOD_UNAVAILABLE;
		if (reply->status != SYNOD_OK && (!away || !complained))
			exit_code = kvctl_failed(kvctl, reply->status, reply->message);
		complained = away;
		if (away) {
			exit_code = EXIT_OK;
			usleep(RETRY_PAUSE_US);
		}
		synod_reply_free(reply);
	}
	return exit_code;
}

/* ---- slot ---- */

static int show_slot(struct kvctl *kvctl, struct synod *s, const struct log_options *options)
{
	static const char *const states[] = {"empty", "accepted", "chosen", "cleared"};
	uint64_t number;
	int exit_code = parse_slot(kvctl, options->operands[0], 1, &number);
	if (exit_code != EXIT_OK)
		return exit_code;
	struct synod_log_slot *slot = synod_log_slot(s, options->peer, number, kvctl->timeout_ms);
	exit_code = kvctl_failed(kvctl, slot->status, slot->message);
	bool filled = slot->state == SYNOD_LOG_ACCEPTED || slot->state == SYNOD_LOG_CHOSEN;
	if (exit_code == EXIT_OK && kvctl->json) {
		json_t *object = json_pack("{s:o,s:s,s:o,s:o}", "slot", kvctl_json_u64(number),
					   "state", states[slot->state], "first",
					   kvctl_json_u64(slot->first), "last",
					   kvctl_json_u64(slot->last));
		if (filled)
			kvctl_json_bytes(object, "value", slot->value);
		kvctl_print_json(object);
	} else if (exit_code == EXIT_OK) {
		fputs(states[slot->state], stdout);
		if (filled) {
			fputc(' ', stdout);
			kvctl_print_bytes(slot->value);
		}
		fputc('\n', stdout);
	}
	synod_log_slot_free(slot);
	return exit_code;
}

static int run(struct kvctl *kvctl, const char *action, const struct log_options *options)
{
	static const struct {
		const char *name;
		int min, max;
		int (*run)(struct kvctl *kvctl, struct synod *s, const struct log_options *options);
	} actions[] = {
		{"append", 0, 1024, append}, {"read", 0, 2, read_log},  {"tail", 0, 1, tail},
		{"trim", 1, 1, trim},        {"slot", 1, 1, show_slot},
	};
	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
		if (strcmp(action, actions[i].name) != 0)
			continue;
		if (options->read->given && actions[i].run != read_log)
			return kvctl_usage(kvctl,
					   "--consistency, --prefer and --max-age go with read");
		int exit_code = kvctl_check_operands(kvctl, options->noperands, actions[i].min,
						     actions[i].max);
		if (exit_code != EXIT_OK)
			return exit_code;
		struct synod *s = kvctl_synod(kvctl);
		return s == NULL ? EXIT_USAGE : actions[i].run(kvctl, s, options);
	}
	return kvctl_usage(kvctl, "\"%s\" is none of append, read, tail, trim and slot", action);
}

int kvctl_log(struct kvctl *kvctl, int argc, char **argv)
{
	static const struct option specific[] = {
		{"at", required_argument, NULL, KVCTL_OPTION(0)},
		{"count", required_argument, NULL, KVCTL_OPTION(1)},
		{"peer", required_argument, NULL, KVCTL_OPTION(2)},
		KVCTL_READ_OPTIONS(3),
		{0},
	};
	struct kvctl_read read = {0};
	struct log_options options = {.read = &read};
	const char *peer = NULL;
	bool good = true;
	int option;
	kvctl_options_begin(argc, argv);
	while ((option = kvctl_next_option(kvctl, argc, argv, specific)) >= 0 && option != '?') {
		if (option == KVCTL_OPTION(0))
			good = good && parse_slot(kvctl, optarg, 1, &options.at) == EXIT_OK;
		else if (option == KVCTL_OPTION(1) && !kvctl_parse_u64(optarg, &options.count))
			good = kvctl_usage(kvctl, "--count %s: no number", optarg) == EXIT_OK;
		else if (option == KVCTL_OPTION(2))
			peer = optarg;
		else if (option >= KVCTL_OPTION(3))
			good = good &&
			       kvctl_read_option(kvctl, &read,
						 (enum kvctl_read_option)(option - KVCTL_OPTION(3)),
						 kvctl_option_text(optarg)) == EXIT_OK;
	}
	kvctl_options_end(argc, argv);
	if (option == '?' || !good || kvctl_read_check(kvctl, &read) != EXIT_OK ||
	    kvctl_check_operands(kvctl, argc - optind, 1, 1025) != EXIT_OK)
		return EXIT_USAGE;
	const char *action = argv[optind];
	options.operands = argv + optind + 1;
	options.noperands = argc - optind - 1;
	int exit_code = kvctl_peer_option(kvctl, peer, &options.peer);
	return exit_code == EXIT_OK ? run(kvctl, action, &options) : exit_code;
}
