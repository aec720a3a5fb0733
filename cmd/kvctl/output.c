/* Answers on stdout, plain or as JSON; errors on stderr, and the exit code. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/status.h"
#include "base/utf8.h"
#include "kvctl.h"

/* ---- errors ---- */

/* On stderr, in lines that fit a terminal. */
static void print_line(const char *line)
{
	struct buffer wrapped = {0};
	kvctl_wrap(&wrapped, line, kvctl_columns(STDERR_FILENO), 2);
	buffer_add_u8(&wrapped, '\n');
	fwrite(wrapped.data, 1, wrapped.len, stderr);
	buffer_free(&wrapped);
}

__attribute__((format(printf, 2, 0))) static void print_error(const struct kvctl *kvctl,
							      const char *format, va_list arguments)
{
	char *text;
	if (vasprintf(&text, format, arguments) < 0)
		return;
	/* Data that is already written comes first, also when both go to one terminal. */
	fflush(stdout);
	char *line = kvctl->command != NULL
			     ? alloc_format("kvctl %s: %s", kvctl->command->name, text)
			     : alloc_format("kvctl: %s", text);
	print_line(line);
	free(line);
	free(text);
}

void kvctl_note(const char *format, ...)
{
	char *text;
	va_list arguments;
	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	fflush(stdout);
	if (text != NULL)
		print_line(text);
	free(text);
}

void kvctl_error(const struct kvctl *kvctl, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	print_error(kvctl, format, arguments);
	va_end(arguments);
}

int kvctl_usage(const struct kvctl *kvctl, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	print_error(kvctl, format, arguments);
	va_end(arguments);
	if (kvctl->command != NULL) {
		struct buffer usage = {0};
		kvctl_usage_line(kvctl->command, kvctl_columns(STDERR_FILENO), &usage);
		fprintf(stderr, "%.*sSee kvctl help %s.\n", (int)usage.len,
			(const char *)usage.data, kvctl->command->name);
		buffer_free(&usage);
	} else {
		fprintf(stderr, "See kvctl help.\n");
	}
	return EXIT_USAGE;
}

int kvctl_exit_code(int status)
{
	switch (status) {
	case SYNOD_OK: return EXIT_OK;
	case SYNOD_NOT_FOUND: return EXIT_NOT_FOUND;
	case SYNOD_COMPARE_FALSE: return EXIT_COMPARE_FALSE;
	case SYNOD_UNAVAILABLE:
	case SYNOD_BUSY:
	case SYNOD_NO_MEMORY:
	case SYNOD_CLOSED: return EXIT_UNAVAILABLE;
	case SYNOD_UNKNOWN: return EXIT_UNKNOWN;
	case SYNOD_CONFIG: return EXIT_USAGE;
	default: return EXIT_REFUSED;
	}
}

/* What a user may want to do next, where the message of the server cannot know. */
static const char *advice(const struct kvctl *kvctl, int status)
{
	switch (status) {
	case SYNOD_UNAVAILABLE: return kvctl->primary ? " (see kvctl view)" : " (see kvctl status)";
	case SYNOD_UNKNOWN:
		return " (it may or may not have been applied: read before you repeat it)";
	default: return "";
	}
}

int kvctl_failed(const struct kvctl *kvctl, int status, const char *message)
{
	const char *text = synod_status_text(status);
	if (status == SYNOD_OK)
		return EXIT_OK;
	if (message == NULL || message[0] == '\0')
		kvctl_error(kvctl, "%s%s", text, advice(kvctl, status));
	else if (strstr(message, text) != NULL)
		kvctl_error(kvctl, "%s%s", message, advice(kvctl, status));
	else
		kvctl_error(kvctl, "%s: %s%s", text, message, advice(kvctl, status));
	return kvctl_exit_code(status);
}

/*
 * What a failed write of the output means for the exit code. A reader that has gone wanted no more:
 * nothing is amiss.
 */
static int judge_output(const struct kvctl *kvctl, int exit_code, int error)
{
	if (error == 0 || error == EPIPE)
		return exit_code;
	if (exit_code != EXIT_OK)
		kvctl_error(kvctl, "and its output could not be written to stdout: %s",
			    strerror(error));
	else if (kvctl->applied)
		kvctl_error(kvctl,
			    "applied (do not repeat it), but its output could not be written to "
			    "stdout: %s",
			    strerror(error));
	else
		kvctl_error(kvctl, "done, but its output could not be written to stdout: %s",
			    strerror(error));
	return exit_code == EXIT_OK ? EXIT_UNPRINTED : exit_code;
}

int kvctl_flush(const struct kvctl *kvctl, int exit_code)
{
	return judge_output(kvctl, exit_code, output_end());
}

int kvctl_end(const struct kvctl *kvctl, int exit_code)
{
	return judge_output(kvctl, exit_code, output_close());
}

int kvctl_partly(const struct kvctl *kvctl, int exit_code)
{
	return exit_code == EXIT_UNAVAILABLE && kvctl->applied ? EXIT_UNKNOWN : exit_code;
}

/* ---- data ---- */

bool kvctl_is_text(struct slice bytes)
{
	return utf8_valid(bytes.data, bytes.len);
}

bool kvctl_base64_decode(struct buffer *out, struct slice in)
{
	size_t len;
	buffer_reserve(out, base64_decoded_max(in.len) + 1);
	bool good = base64_decode(in, out->data + out->len, &len);
	out->len += good ? len : 0;
	return good;
}

void kvctl_json_bytes(json_t *object, const char *name, struct synod_bytes bytes)
{
	struct slice in = slice(bytes.data, bytes.len);
	if (synod_value_omitted(bytes)) {
		json_object_set_new(object, name, json_null());
		return;
	}
	if (kvctl_is_text(in)) {
		json_object_set_new(object, name,
				    json_stringn(bytes.len > 0 ? bytes.data : "", bytes.len));
		return;
	}
	struct buffer encoded = {0};
	base64_encode(&encoded, in);
	json_object_set_new(object, name, json_stringn((const char *)encoded.data, encoded.len));
	buffer_free(&encoded);
	char *encoding = strcmp(name, "value") == 0 ? alloc_string("encoding")
						    : alloc_format("%s_encoding", name);
	json_object_set_new(object, encoding, json_string("base64"));
	free(encoding);
}

json_t *kvctl_json_u64(uint64_t value)
{
	/*
	 * jansson has signed integers; beyond them a real loses precision, but not the order of
	 * magnitude.
	 */
	return value <= INT64_MAX ? json_integer((json_int_t)value) : json_real((double)value);
}

void kvctl_print_json(json_t *json_take)
{
	json_dumpf(json_take, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
	fputc('\n', stdout);
	json_decref(json_take);
}

void kvctl_print_bytes(struct synod_bytes bytes)
{
	fwrite(bytes.data, 1, bytes.len, stdout);
}
