/* What kvbench prints. */
#include "../../../cmd/kvbench/report.h"

#include <stdlib.h>
#include <string.h>

#include "../support/check_main.h"
#include "base/alloc.h"

/* How many lines the latencies take, none of which is wider than a terminal, if all are `us`. */
static size_t latency_lines(uint64_t us)
{
	struct bench *b = ALLOC(struct bench);
	struct buffer out = {0};
	size_t lines = 0;
	for (int i = 0; i < 10; i++)
		histogram_record(&b->latency, us);
	bench_report_latency(b, &out);
	for (struct slice rest = buffer_slice(&out); rest.len > 0; lines++) {
		const uint8_t *end = memchr(rest.data, '\n', rest.len);
		ck_assert_ptr_nonnull(end);
		struct slice line;
		ck_assert(slice_take(&rest, (size_t)(end + 1 - rest.data), &line));
		size_t columns = 0;
		for (size_t i = 0; i + 1 < line.len; i++)
			columns += (line.data[i] & 0xc0) != 0x80; /* not within a character */
		ck_assert_uint_le(columns, 80);
	}
	buffer_free(&out);
	free(b);
	return lines;
}

/* Latencies take one line as long as they fit the terminal, and two when they are long. */
START_TEST(latencies_fit_the_terminal)
{
	ck_assert_uint_eq(latency_lines(1), 1);
	ck_assert_uint_eq(latency_lines(9999), 1);
	for (uint64_t us = 1; us < 1000000000; us *= 10)
		ck_assert_uint_le(latency_lines(us), 2);
	ck_assert_uint_eq(latency_lines(123456789), 2);
}
END_TEST
