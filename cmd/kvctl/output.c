#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/status.h"
#include "base/utf8.h"
#include "kvctl.h"

/* ---- errors ---- */

__attribute__((format(printf, 2, 0))) static void print_error(const struct kvctl *kvctl, const char *format,
							      va_list arguments)
{
	char *text;
	if (vasprintf(&text, format, arguments) < 0)
		return;
	/* Data that is already written comes first, also when both go to one terminal. */
	fflush(stdout);
	if (kvctl->command != NULL)
		fprintf(stderr, "kvctl %s: %s\n", kvctl->command->name, text);
	else
		fprintf(stderr, "kvctl: %s\n", text);
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
	if (kvctl->command != NULL)
		fprintf(stderr, "usage: kvctl %s%s%s\nSee kvctl help %s.\n", kvctl->command->name,
			kvctl->command->arguments[0] != '\0' ? " " : "", kvctl->command->arguments,
			kvctl->command->name);
	else
		fprintf(stderr, "See kvctl help.\n");
	return EXIT_USAGE;
}

int kvctl_exit_code(int status)
{
	switch (status) {
	case SYNOD_OK:
		return EXIT_OK;
	case SYNOD_NOT_FOUND:
		return EXIT_NOT_FOUND;
	case SYNOD_COMPARE_FALSE:
		return EXIT_COMPARE_FALSE;
	case SYNOD_UNAVAILABLE:
	case SYNOD_BUSY:
	case SYNOD_NO_MEMORY:
	case SYNOD_CLOSED:
		return EXIT_UNAVAILABLE;
	case SYNOD_UNKNOWN:
		return EXIT_UNKNOWN;
	case SYNOD_CONFIG:
		return EXIT_USAGE;
	default:
		return EXIT_REFUSED;
	}
}

/* What a user may want to do next, where the message of the server cannot know. */
static const char *advice(const struct kvctl *kvctl, int status)
{
	switch (status) {
	case SYNOD_UNAVAILABLE:
		return kvctl->primary ? " (see kvctl view)" : " (see kvctl status)";
	case SYNOD_UNKNOWN:
		return " (it may or may not have been applied: read before you repeat it)";
	default:
		return "";
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

int kvctl_flush(const struct kvctl *kvctl, int exit_code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return exit_code;
	if (errno != EPIPE)
		kvctl_error(kvctl, "cannot write to stdout: %s", strerror(errno));
	clearerr(stdout);
	return exit_code == EXIT_OK ? EXIT_UNAVAILABLE : exit_code;
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
	if (kvctl_is_text(in)) {
		json_object_set_new(object, name, json_stringn(bytes.len > 0 ? bytes.data : "", bytes.len));
		return;
	}
	struct buffer encoded = {0};
	base64_encode(&encoded, in);
	json_object_set_new(object, name, json_stringn((const char *)encoded.data, encoded.len));
	buffer_free(&encoded);
	char *encoding = strcmp(name, "value") == 0 ? alloc_string("encoding") : alloc_format("%s_encoding", name);
	json_object_set_new(object, encoding, json_string("base64"));
	free(encoding);
}

json_t *kvctl_json_u64(uint64_t value)
{
	/* jansson has signed integers; beyond them a real loses precision, but not the order of magnitude. */
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

/* ---- tables ---- */

void kvctl_table_init(struct kvctl_table *table, size_t ncolumns, const char *const *titles)
{
	*table = (struct kvctl_table){.ncolumns = ncolumns};
	ASSERT(ncolumns <= sizeof table->right / sizeof table->right[0]);
	kvctl_table_row(table);
	for (size_t i = 0; i < ncolumns; i++)
		kvctl_table_cell(table, i, "%s", titles[i]);
}

void kvctl_table_row(struct kvctl_table *table)
{
	table->nrows++;
	table->cells = alloc_resize(table->cells, table->nrows * table->ncolumns, sizeof *table->cells);
	for (size_t i = 0; i < table->ncolumns; i++)
		table->cells[(table->nrows - 1) * table->ncolumns + i] = NULL;
}

void kvctl_table_cell(struct kvctl_table *table, size_t column, const char *format, ...)
{
	char **cell = &table->cells[(table->nrows - 1) * table->ncolumns + column];
	va_list arguments;
	va_start(arguments, format);
	free(*cell);
	if (vasprintf(cell, format, arguments) < 0)
		*cell = NULL;
	va_end(arguments);
}

static const char *cell_at(const struct kvctl_table *table, size_t row, size_t column)
{
	const char *cell = table->cells[row * table->ncolumns + column];
	return cell != NULL ? cell : "";
}

/* Width in characters: continuation bytes of UTF-8 do not count. */
static int width_of(const char *cell)
{
	int width = 0;
	for (; *cell != '\0'; cell++)
		width += ((uint8_t)*cell & 0xc0) != 0x80;
	return width;
}

static void print_row(const struct kvctl_table *table, size_t row, const int *widths)
{
	for (size_t i = 0; i < table->ncolumns; i++) {
		const char *cell = cell_at(table, row, i);
		int padding = widths[i] - width_of(cell);
		bool last = i + 1 == table->ncolumns;
		printf("%*s%s%*s", table->right[i] ? padding : 0, "", cell, table->right[i] || last ? 0 : padding,
		       "");
		fputs(last ? "\n" : "  ", stdout);
	}
}

void kvctl_table_print(const struct kvctl_table *table)
{
	int widths[sizeof table->right / sizeof table->right[0]] = {0};
	for (size_t row = 0; row < table->nrows; row++)
		for (size_t i = 0; i < table->ncolumns; i++)
			if (width_of(cell_at(table, row, i)) > widths[i])
				widths[i] = width_of(cell_at(table, row, i));
	for (size_t row = 0; row < table->nrows; row++)
		print_row(table, row, widths);
}

void kvctl_table_free(struct kvctl_table *table)
{
	for (size_t i = 0; i < table->nrows * table->ncolumns; i++)
		free(table->cells[i]);
	free(table->cells);
}
