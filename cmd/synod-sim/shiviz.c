/* A run as a log with vector clocks, for ShiViz. */
#include "shiviz.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sim/causal_trace.h"

struct shiviz {
	const char *path;
	struct sim_causal_trace trace;
};

struct shiviz *shiviz_begin(struct sim_world *world, const char *path)
{
	if (path == NULL)
		return NULL;
	struct shiviz *shiviz = ALLOC(struct shiviz);
	shiviz->path = path;
	shiviz->trace.causal = causal_create();
	sim_causal_trace_begin(world, &shiviz->trace);
	return shiviz;
}

static bool write_file(const struct shiviz *shiviz)
{
	const struct causal *causal = shiviz->trace.causal;
	struct buffer text = {0};
	FILE *file = fopen(shiviz->path, "we");
	for (uint32_t i = 0; file != NULL && i < causal_count(causal); i++) {
		buffer_clear(&text);
		causal_append(causal, i, &text);
		fwrite(text.data, 1, text.len, file);
	}
	buffer_free(&text);
	bool good = file != NULL && !ferror(file);
	good = file != NULL && fclose(file) == 0 && good;
	if (!good)
		fprintf(stderr, "synod-sim: cannot write %s: %s\n", shiviz->path, strerror(errno));
	else
		fprintf(stderr,
			"%s: %" PRIu32 " events of %" PRIu32
			" hosts%s; the expression for ShiViz is: %s\n",
			shiviz->path, causal_count(causal), causal_hosts(causal),
			shiviz->trace.full ? ", the first of more: take fewer --seconds" : "",
			TRACE_EXPRESSION);
	return good;
}

int shiviz_end(struct shiviz *shiviz, struct sim_world *world)
{
	if (shiviz == NULL)
		return 0;
	sim_causal_trace_end(world, &shiviz->trace);
	int status = causal_sort(shiviz->trace.causal);
	if (status != 0)
		fprintf(stderr, "synod-sim: %s\n", causal_error(shiviz->trace.causal));
	else if (!write_file(shiviz))
		status = STATUS_IO;
	causal_destroy(shiviz->trace.causal);
	free(shiviz);
	return status;
}
