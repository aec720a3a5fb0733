/*
 * trace --merge: what daemons and clients have written with --trace FILE, as one trace with vector
 * clocks
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kvctl.h"
#include "trace/causal.h"

#define FILE_BYTES_MAX CAUSAL_TEXT_BYTES_MAX
#define READ_BYTES (1u << 20)

static int add_file(struct kvctl *kvctl, struct causal *c, const char *name)
{
	struct buffer content = {0};
	FILE *file = fopen(name, "re");
	size_t got = 1;
	while (file != NULL && got > 0 && content.len <= FILE_BYTES_MAX) {
		buffer_reserve(&content, READ_BYTES);
		got = fread(content.data + content.len, 1, READ_BYTES, file);
		content.len += got;
	}
	int exit_code = EXIT_OK;
	if (file == NULL || ferror(file)) {
		kvctl_error(kvctl, "cannot read %s: %s", name, strerror(errno));
		exit_code = EXIT_USAGE;
	} else if (causal_add_file(c, name, buffer_slice(&content)) != 0) {
		kvctl_error(kvctl, "%s", causal_error(c));
		exit_code = EXIT_USAGE;
	}
	if (file != NULL)
		fclose(file);
	buffer_free(&content);
	return exit_code;
}

static void print(const struct causal *c)
{
	struct buffer text = {0};
	for (uint32_t i = 0; i < causal_count(c); i++) {
		buffer_clear(&text);
		causal_append(c, i, &text);
		fwrite(text.data, 1, text.len, stdout);
	}
	buffer_free(&text);
}

int kvctl_trace_merge(struct kvctl *kvctl, int count, char **files)
{
	struct causal *c = causal_create();
	int exit_code = EXIT_OK;
	for (int i = 0; i < count && exit_code == EXIT_OK; i++)
		exit_code = add_file(kvctl, c, files[i]);
	if (exit_code == EXIT_OK && causal_sort(c) != 0) {
		kvctl_error(kvctl, "%s", causal_error(c));
		exit_code = EXIT_USAGE;
	}
	if (exit_code == EXIT_OK) {
		print(c);
		fprintf(stderr,
			"%" PRIu32 " events of %" PRIu32 " hosts; %" PRIu64
			" messages received whose sending is in none of the files\n"
			"for ShiViz, the expression is: %s\n",
			causal_count(c), causal_hosts(c), causal_unmatched(c), TRACE_EXPRESSION);
	}
	causal_destroy(c);
	return exit_code;
}
