/* put, append, cas, incr */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kvctl.h"

static struct synod_bytes bytes_of(const char *text)
{
	return (struct synod_bytes){.data = text, .len = strlen(text)};
}

static int check_key(struct kvctl *kvctl, const char *key)
{
	return key[0] != '\0' ? EXIT_OK : kvctl_usage(kvctl, "the key is empty");
}

bool kvctl_read_stdin(struct buffer *out)
{
	size_t got;
	do {
		buffer_reserve(out, 65536);
		got = fread(out->data + out->len, 1, 65536, stdin);
		out->len += got;
	} while (got > 0 && out->len <= 2u * COMMAND_BYTES_MAX);
	return !ferror(stdin);
}

/* What a write has done. */
static void print_written(const struct kvctl *kvctl, const char *key,
			  const struct synod_reply *reply, bool value)
{
	if (kvctl->json) {
		json_t *object = json_object();
		kvctl_json_bytes(object, "key", bytes_of(key));
		if (value)
			kvctl_json_bytes(object, "value", reply->value);
		json_object_set_new(object, "version", kvctl_json_u64(reply->version));
		json_object_set_new(object, "modification", kvctl_json_u64(reply->modification));
		kvctl_print_json(object);
	} else {
		puts("OK");
	}
}

static int do_op(struct kvctl *kvctl, const struct synod_op *op, struct synod_reply **reply)
{
	*reply = kvctl_do(kvctl, op);
	return *reply != NULL ? kvctl_exit_code((*reply)->status) : EXIT_USAGE;
}

static int run_op(struct kvctl *kvctl, const struct synod_op *op, bool value)
{
	struct synod_reply *reply;
	int exit_code = do_op(kvctl, op, &reply);
	if (exit_code == EXIT_OK)
		print_written(kvctl, op->key.data, reply, value);
	else if (reply != NULL)
		kvctl_failed(kvctl, reply->status, reply->message);
	synod_reply_free(reply);
	return exit_code;
}

int kvctl_put(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	struct buffer value = {0};
	int exit_code = kvctl_operands(kvctl, argc, argv, 1, 2, &first);
	if (exit_code == EXIT_OK)
		exit_code = check_key(kvctl, argv[first]);
	if (exit_code != EXIT_OK)
		return exit_code;
	struct synod_op op = {.kind = SYNOD_OP_PUT, .key = bytes_of(argv[first])};
	if (argc - first == 2) {
		op.value = bytes_of(argv[first + 1]);
	} else {
		if (isatty(STDIN_FILENO))
			fprintf(stderr, "The value is read from here; Ctrl-D ends it.\n");
		if (!kvctl_read_stdin(&value))
			return kvctl_usage(kvctl, "cannot read the value from stdin");
		op.value = (struct synod_bytes){.data = (const char *)value.data, .len = value.len};
	}
	exit_code = run_op(kvctl, &op, false);
	buffer_free(&value);
	return exit_code;
}

int kvctl_append(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	int exit_code = kvctl_operands(kvctl, argc, argv, 2, 2, &first);
	if (exit_code == EXIT_OK)
		exit_code = check_key(kvctl, argv[first]);
	if (exit_code != EXIT_OK)
		return exit_code;
	struct synod_op op = {.kind = SYNOD_OP_APPEND,
			      .key = bytes_of(argv[first]),
			      .value = bytes_of(argv[first + 1])};
	return run_op(kvctl, &op, true);
}

/* The answer "no" of a compare-and-set, with what is there. */
static void print_cas_refusal(const struct kvctl *kvctl, const struct synod_op *op,
			      const struct synod_reply *reply)
{
	if (reply->status == SYNOD_NOT_FOUND)
		kvctl_error(kvctl, "not found: %s (--absent sets a key that is missing)",
			    op->key.data);
	else if (reply->status == SYNOD_COMPARE_FALSE && op->absent)
		kvctl_error(kvctl, "the key exists: %s", op->key.data);
	else if (reply->status == SYNOD_COMPARE_FALSE && reply->value.len <= 200 &&
		 kvctl_is_text(slice(reply->value.data, reply->value.len)))
		kvctl_error(kvctl, "the value is another one: %s", reply->value.data);
	else
		kvctl_failed(kvctl, reply->status, reply->message);
}

int kvctl_cas(struct kvctl *kvctl, int argc, char **argv)
{
	static const struct option options[] = {{"absent", no_argument, NULL, KVCTL_OPTION(0)},
						{0}};
	struct synod_op op = {.kind = SYNOD_OP_CAS};
	int option;
	kvctl_options_begin(argc, argv);
	while ((option = kvctl_next_option(kvctl, argc, argv, options)) >= 0 && option != '?')
		op.absent |= option == KVCTL_OPTION(0);
	kvctl_options_end(argc, argv);
	int count = op.absent ? 2 : 3;
	if (option == '?' || kvctl_check_operands(kvctl, argc - optind, count, count) != EXIT_OK)
		return EXIT_USAGE;
	char **operands = argv + optind;
	if (check_key(kvctl, operands[0]) != EXIT_OK)
		return EXIT_USAGE;
	op.key = bytes_of(operands[0]);
	op.value = bytes_of(operands[count - 1]);
	if (!op.absent)
		op.expect = bytes_of(operands[1]);
	struct synod_reply *reply;
	int exit_code = do_op(kvctl, &op, &reply);
	if (exit_code == EXIT_OK)
		print_written(kvctl, op.key.data, reply, false);
	else if (reply != NULL)
		print_cas_refusal(kvctl, &op, reply);
	synod_reply_free(reply);
	return exit_code;
}

int kvctl_incr(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	int exit_code = kvctl_operands(kvctl, argc, argv, 1, 2, &first);
	if (exit_code == EXIT_OK)
		exit_code = check_key(kvctl, argv[first]);
	if (exit_code != EXIT_OK)
		return exit_code;
	struct synod_op op = {.kind = SYNOD_OP_INCR, .key = bytes_of(argv[first]), .delta = 1};
	if (argc - first == 2 && !kvctl_parse_i64(argv[first + 1], &op.delta))
		return kvctl_usage(kvctl, "%s is no whole number of 64 bits", argv[first + 1]);
	struct synod_reply *reply;
	exit_code = do_op(kvctl, &op, &reply);
	if (exit_code == EXIT_OK && kvctl->json)
		print_written(kvctl, argv[first], reply, true);
	else if (exit_code == EXIT_OK)
		printf("%s\n", reply->value.data);
	else if (reply != NULL)
		kvctl_failed(kvctl, reply->status, reply->message);
	synod_reply_free(reply);
	return exit_code;
}
