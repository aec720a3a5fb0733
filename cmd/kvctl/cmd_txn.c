/* txn */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/operations.h"
#include "kvctl.h"

enum { TXN_IF, TXN_THEN, TXN_ELSE };

static int parse_option(struct kvctl *kvctl, struct kvctl_txn *txn, int option)
{
	struct slice text = slice_string(optarg);
	const char *wrong;
	if (option == KVCTL_OPTION(TXN_IF))
		wrong = kvctl_txn_compare(txn, text);
	else
		wrong = kvctl_txn_op(txn, text, option == KVCTL_OPTION(TXN_ELSE));
	return wrong == NULL ? EXIT_OK : kvctl_usage(kvctl, "\"%s\": %s", optarg, wrong);
}

/* From the options; *given says whether there were any. */
static int parse_options(struct kvctl *kvctl, int argc, char **argv, struct kvctl_txn *txn,
			 bool *given)
{
	static const struct option options[] = {
		{"if", required_argument, NULL, KVCTL_OPTION(TXN_IF)},
		{"then", required_argument, NULL, KVCTL_OPTION(TXN_THEN)},
		{"else", required_argument, NULL, KVCTL_OPTION(TXN_ELSE)},
		{0},
	};
	int option;
	*given = false;
	kvctl_options_begin(argc, argv);
	while ((option = kvctl_next_option(kvctl, argc, argv, options)) >= 0 && option != '?') {
		if (option < KVCTL_OPTION(0))
			continue;
		*given = true;
		int exit_code = parse_option(kvctl, txn, option);
		if (exit_code != EXIT_OK)
			return exit_code;
	}
	kvctl_options_end(argc, argv);
	return option == '?' ? EXIT_USAGE : kvctl_check_operands(kvctl, argc - optind, 0, 0);
}

/* From stdin. On a terminal the last block ends with a blank line too. */
static int parse_stdin(struct kvctl *kvctl, struct kvctl_txn *txn)
{
	struct buffer text = {0};
	char *line = NULL;
	size_t capacity = 0, number;
	ssize_t len;
	unsigned blank_lines = 0;
	bool terminal = isatty(STDIN_FILENO);
	static const char *const prompts[] = {
		"compares:", "success operations (get, put, del …):", "failure operations:"};
	if (terminal)
		fprintf(stderr, "%s\n", prompts[0]);
	while ((len = getline(&line, &capacity, stdin)) > 0) {
		buffer_add(&text, line, (size_t)len);
		if (len > 1)
			continue;
		if (++blank_lines == 3)
			break;
		if (terminal)
			fprintf(stderr, "%s\n", prompts[blank_lines]);
	}
	free(line);
	if (ferror(stdin)) {
		/* Half a transaction is another one. */
		buffer_free(&text);
		return kvctl_usage(kvctl, "cannot read the transaction from stdin");
	}
	const char *wrong = kvctl_txn_blocks(txn, buffer_slice(&text), &number);
	buffer_free(&text);
	return wrong == NULL ? EXIT_OK : kvctl_usage(kvctl, "line %zu: %s", number, wrong);
}

static void print_result(const struct synod_op *op, const struct synod_result *result)
{
	if (result->status == SYNOD_NOT_FOUND) {
		puts("NOT_FOUND");
	} else if (result->status == SYNOD_COMPARE_FALSE) {
		puts("COMPARE_FALSE");
	} else if (synod_value_omitted(result->value)) {
		puts("OK (the value is not known any more)");
	} else if (op->kind == SYNOD_OP_GET || op->kind == SYNOD_OP_INCR) {
		kvctl_print_bytes(result->value);
		fputc('\n', stdout);
	} else {
		puts("OK");
	}
}

static void print_json(const struct synod_reply *reply, const struct synod_op *ops)
{
	json_t *results = json_array();
	for (size_t i = 0; i < reply->nresults; i++) {
		const struct synod_result *result = &reply->results[i];
		json_t *object = json_object();
		json_object_set_new(object, "op", json_string(operation_row(ops[i].kind)->word));
		kvctl_json_bytes(object, "key", ops[i].key);
		json_object_set_new(object, "ok", json_boolean(result->status == SYNOD_OK));
		if (result->status != SYNOD_OK)
			json_object_set_new(object, "error",
					    json_string(synod_status_text(result->status)));
		if (ops[i].kind != SYNOD_OP_DELETE && ops[i].kind != SYNOD_OP_PUT &&
		    result->status != SYNOD_NOT_FOUND)
			kvctl_json_bytes(object, "value", result->value);
		json_object_set_new(object, "version", kvctl_json_u64(result->version));
		json_array_append_new(results, object);
	}
	kvctl_print_json(
		json_pack("{s:b,s:o}", "succeeded", (int)reply->succeeded, "results", results));
}

static int run(struct kvctl *kvctl, const struct kvctl_txn *txn)
{
	struct synod *s = kvctl_synod(kvctl);
	if (s == NULL)
		return EXIT_USAGE;
	struct synod_txn request = {
		.when = txn->when,
		.nwhen = txn->nwhen,
		.then = txn->then,
		.nthen = txn->nthen,
		.otherwise = txn->otherwise,
		.notherwise = txn->notherwise,
	};
	struct synod_reply *reply = synod_do_txn(s, &request, kvctl->timeout_ms);
	int exit_code = kvctl_failed(kvctl, reply->status, reply->message);
	kvctl->applied |= exit_code == EXIT_OK;
	const struct synod_op *ops = reply->succeeded ? txn->then : txn->otherwise;
	size_t nops = reply->succeeded ? txn->nthen : txn->notherwise;
	if (exit_code == EXIT_OK && reply->nresults != nops) {
		kvctl_error(kvctl, "the answer has %zu results for %zu operations", reply->nresults,
			    nops);
		exit_code = EXIT_UNKNOWN;
	} else if (exit_code == EXIT_OK) {
		if (kvctl->json) {
			print_json(reply, ops);
		} else {
			puts(reply->succeeded ? "SUCCESS" : "FAILURE");
			for (size_t i = 0; i < nops; i++)
				print_result(&ops[i], &reply->results[i]);
		}
		exit_code = reply->succeeded ? EXIT_OK : EXIT_COMPARE_FALSE;
	}
	synod_reply_free(reply);
	return exit_code;
}

int kvctl_run_txn(struct kvctl *kvctl, int argc, char **argv)
{
	struct kvctl_txn *txn = alloc_zeroed(1, sizeof *txn);
	bool given;
	int exit_code = parse_options(kvctl, argc, argv, txn, &given);
	if (exit_code == EXIT_OK && !given)
		exit_code = parse_stdin(kvctl, txn);
	if (exit_code == EXIT_OK && txn->nwhen + txn->nthen + txn->notherwise == 0)
		exit_code = kvctl_usage(kvctl, "the transaction is empty");
	if (exit_code == EXIT_OK)
		exit_code = run(kvctl, txn);
	kvctl_txn_free(txn);
	free(txn);
	return exit_code;
}
