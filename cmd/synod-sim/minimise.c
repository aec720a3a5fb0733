/* Of a seed that fails: which faults it needs. */
#include "minimise.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "runner.h"
#include "tally.h"

#define NUMBERS_MAX 65536u /* of deeds in one run */

/* What may be left out: deeds of the nemesis by number, then backgrounds. */
struct minimiser {
	struct scene_options options;
	struct run run;
	enum verdict verdict; /* to be kept */
	uint32_t *deeds;      /* numbers of those that did something */
	uint32_t ndeeds;
	uint32_t count; /* ndeeds and backgrounds */
	uint32_t background[32];
	bool *out; /* by item: left out for good */
	bool *trial;
	bool *numbers; /* by number, for the nemesis */
	uint32_t runs, runs_max;
};

/*
 * What did nothing before, or would have come after the failure, is left out as well: it must not
 * begin to matter.
 */
static void leave_out(struct minimiser *m, const bool *out, struct scene_options *options)
{
	for (uint32_t i = 0; i < NUMBERS_MAX; i++)
		m->numbers[i] = true;
	for (uint32_t i = 0; i < m->ndeeds; i++)
		m->numbers[m->deeds[i]] = out[i];
	options->left_out = m->numbers;
	options->nleft_out = NUMBERS_MAX;
	for (uint32_t i = m->ndeeds; i < m->count; i++)
		if (out[i])
			options->backgrounds_off |= 1u << m->background[i - m->ndeeds];
}

/* out: by item; NULL: nothing is left out. */
static enum verdict run_once(struct minimiser *m, const bool *out, bool trace)
{
	struct scene_options options = m->options;
	if (out != NULL)
		leave_out(m, out, &options);
	run_start(&m->run, &options, &(struct run_wishes){.faults = true, .trace = trace});
	while (run_wait(&m->run, 1) == NULL)
		;
	m->runs++;
	return run_verdict(&m->run);
}

/*
 * Leaves out the items [first, end) of those that remain; true if it still fails, and then they
 * stay out.
 */
static bool try_without(struct minimiser *m, const uint32_t *remaining, uint32_t first,
			uint32_t end)
{
	memcpy(m->trial, m->out, m->count * sizeof *m->trial);
	for (uint32_t i = first; i < end; i++)
		m->trial[remaining[i]] = true;
	if (run_once(m, m->trial, false) != m->verdict)
		return false;
	memcpy(m->out, m->trial, m->count * sizeof *m->trial);
	return true;
}

static uint32_t remaining_of(const struct minimiser *m, uint32_t *remaining)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < m->count; i++)
		if (!m->out[i])
			remaining[count++] = i;
	return count;
}

/*
 * Ever smaller portions: half of what remains, a quarter, … one by one, until no single one can be
 * spared.
 */
static void reduce(struct minimiser *m)
{
	uint32_t *remaining = alloc_zeroed(m->count + 1, sizeof *remaining);
	uint32_t count = remaining_of(m, remaining), portion = (count + 1) / 2;
	while (count > 0 && m->runs < m->runs_max) {
		bool spared = false;
		for (uint32_t first = 0; first < count && m->runs < m->runs_max;) {
			uint32_t end = first + portion < count ? first + portion : count;
			if (try_without(m, remaining, first, end)) {
				spared = true;
				memmove(&remaining[first], &remaining[end],
					(count - end) * sizeof *remaining);
				count -= end - first;
			} else {
				first = end;
			}
		}
		fprintf(stderr, "\r%u runs, %u of %u faults remain ", m->runs, count, m->count);
		if (!spared && portion == 1)
			break;
		if (!spared || portion > count)
			portion = (portion + 1) / 2;
	}
	fputc('\n', stderr);
	free(remaining);
}

/* The list of what happened in the run that failed. */
static void collect(struct minimiser *m)
{
	const struct run_report *report = m->run.report;
	m->deeds = alloc_zeroed(report->nfaults + 1, sizeof *m->deeds);
	for (uint32_t i = 0; i < report->nfaults; i++) {
		uint32_t number = report->faults[i].number;
		if (number >= NUMBERS_MAX)
			continue;
		if (m->ndeeds == 0 || m->deeds[m->ndeeds - 1] != number)
			m->deeds[m->ndeeds++] = number;
	}
	m->numbers = alloc_zeroed(NUMBERS_MAX, sizeof *m->numbers);
	m->count = m->ndeeds;
	for (uint32_t b = 0; b < scene_nbackgrounds; b++)
		if ((report->result.backgrounds & 1u << b) != 0)
			m->background[m->count++ - m->ndeeds] = b;
	m->out = alloc_zeroed(m->count + 1, sizeof *m->out);
	m->trial = alloc_zeroed(m->count + 1, sizeof *m->trial);
}

static void print_result(const struct minimiser *m, uint32_t trace_lines)
{
	const struct run_report *report = m->run.report;
	uint32_t left = 0;
	for (uint32_t i = 0; i < m->count; i++)
		left += !m->out[i];
	printf("%u of %u faults are needed (%u runs):\n", left, m->count, m->runs);
	for (uint32_t i = m->ndeeds; i < m->count; i++)
		if (!m->out[i])
			printf("  throughout    %s\n",
			       scene_backgrounds[m->background[i - m->ndeeds]].text);
	for (uint32_t i = 0; i < report->nfaults; i++)
		printf("  %12.6f  #%-4u %s\n", (double)report->faults[i].at_us / 1e6,
		       report->faults[i].number, report->faults[i].text);
	uint64_t lines = report->ntrace < trace_lines ? report->ntrace : trace_lines;
	if (lines > RUN_TRACE_LINES)
		lines = RUN_TRACE_LINES;
	printf("the last %" PRIu64 " lines of the trace:\n", lines);
	for (uint64_t i = report->ntrace - lines; i < report->ntrace; i++)
		printf("  %s\n", report->trace[i % RUN_TRACE_LINES]);
	printf("verdict=%s %s", verdict_text(m->verdict),
	       report->result.problem[0] != '\0' ? report->result.problem : "\n");
}

enum verdict minimise(const struct scene_options *options, uint32_t runs_max, uint32_t trace_lines)
{
	struct minimiser m = {.options = *options, .runs_max = runs_max};
	m.run.report = run_report_map();
	m.verdict = run_once(&m, NULL, false);
	if (m.verdict == VERDICT_OK) {
		printf("seed=%" PRIu64 " does not fail\n", options->seed);
		return VERDICT_OK;
	}
	collect(&m);
	/*
	 * A failure may need something that did not happen in it, such as a fault that was due when
	 * its victim was down.
	 */
	if (run_once(&m, m.out, false) == m.verdict)
		reduce(&m);
	(void)run_once(&m, m.out, true);
	print_result(&m, trace_lines);
	free(m.deeds);
	free(m.numbers);
	free(m.out);
	free(m.trial);
	return m.verdict;
}
