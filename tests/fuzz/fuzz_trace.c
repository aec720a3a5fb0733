/*
 * libFuzzer: trace files, as kvctl trace --merge reads them. Whatever is accepted has one order, in
 * which every event stands behind its causes; and written down it is accepted again, with as many
 * events.
 */
#include <stddef.h>
#include <stdint.h>

#include "fuzz.h"
#include "trace/causal.h"

static void check_order(const struct causal *c)
{
	for (uint32_t i = 0; i < causal_count(c); i++) {
		const struct causal_event *e = causal_at(c, i);
		ASSERT(vector_get(&e->clock, e->host) == e->number);
		if (e->cause == CAUSAL_NOBODY)
			continue;
		ASSERT(e->cause < i);
		ASSERT(vector_compare(&causal_at(c, e->cause)->clock, &e->clock) == VECTOR_BEFORE);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct causal *c = causal_create(), *again = causal_create();
	struct buffer text = {0};
	if (causal_add_file(c, "fuzz", slice(data, size)) == 0 && causal_sort(c) == 0) {
		check_order(c);
		for (uint32_t i = 0; i < causal_count(c); i++)
			causal_append(c, i, &text);
		int status = causal_add_file(again, "again", buffer_slice(&text));
		ASSERT(status == 0 && causal_sort(again) == 0);
		ASSERT(causal_count(again) == causal_count(c) &&
		       causal_unmatched(again) == causal_unmatched(c));
	}
	ASSERT(causal_error(c) != NULL);
	buffer_free(&text);
	causal_destroy(c);
	causal_destroy(again);
	return 0;
}
