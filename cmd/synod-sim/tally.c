/* How often each kind of fault has happened in so many seeds. */
#include "tally.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

const char *verdict_text(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_OK: return "ok";
	case VERDICT_CRASH: return "crash";
	case VERDICT_SAFETY: return "safety";
	case VERDICT_LIVENESS: return "liveness";
	case VERDICT_LINEARIZABILITY: return "linearizability";
	case VERDICT_USAGE: break;
	}
	return "unknown";
}

void tally_add(struct tally *tally, const struct run *run)
{
	enum verdict verdict = run_verdict(run);
	const struct scene_result *result = &run->report->result;
	tally->seeds++;
	tally->verdicts[verdict == VERDICT_OK ? 0 : verdict - VERDICT_CRASH + 1]++;
	if (!run->report->ended)
		return;
	tally->cpu_s += run->report->cpu_s;
	tally->simulated_s += (double)result->simulated_us / 1e6;
	tally->ok += result->ok;
	tally->failed += result->failed;
	tally->unknown += result->unknown;
	tally->mixed += result->mixed;
	tally->events += result->events;
	tally->undecided += result->undecided;
	tally->excused += result->excused;
	ALLOC_ROOM(tally->by_seed, tally->nby_seed, tally->capacity, 256);
	struct tally_seed *seed = &tally->by_seed[tally->nby_seed++];
	for (unsigned f = 0; f < SIM_FAULTS; f++)
		seed->faults[f] = result->faults.of[f] > UINT32_MAX
					  ? UINT32_MAX
					  : (uint32_t)result->faults.of[f];
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *numbers, size_t count)
{
	qsort(numbers, count, sizeof *numbers, by_number);
	return numbers[count / 2];
}

/*
 * A line for each kind: in how many seeds it happened, how often in the median one of those, how
 * often at all.
 */
static void print_faults(const struct tally *tally)
{
	size_t count = tally->nby_seed;
	uint64_t *numbers = alloc_zeroed(count, sizeof *numbers),
		 *kinds = alloc_zeroed(count, sizeof *kinds),
		 *sums = alloc_zeroed(count, sizeof *sums);
	uint64_t all = 0;
	printf("\n%-28s %8s %10s %12s\n", "fault", "seeds", "median", "total");
	for (unsigned f = 0; f < SIM_FAULTS; f++) {
		size_t in = 0;
		uint64_t total = 0;
		for (size_t i = 0; i < count; i++) {
			uint64_t n = tally->by_seed[i].faults[f];
			kinds[i] += n > 0;
			sums[i] += n;
			total += n;
			if (n > 0)
				numbers[in++] = n;
		}
		all += total;
		printf("%-28s %8zu %10" PRIu64 " %12" PRIu64 "\n",
		       sim_fault_name((enum sim_fault)f), in, in == 0 ? 0 : median(numbers, in),
		       total);
	}
	uint64_t kinds_median = median(kinds, count), faults_median = median(sums, count);
	printf("in the median seed: %" PRIu64 " kinds, %" PRIu64 " faults; %" PRIu64
	       " faults in all\n",
	       kinds_median, faults_median, all);
	free(numbers);
	free(kinds);
	free(sums);
}

void tally_print(const struct tally *tally, double wall_s)
{
	if (tally->nby_seed > 0)
		print_faults(tally);
	printf("%" PRIu64 " seeds in %.1f s: %.1f seeds/s; simulated time is %.0f times the "
	       "processor time; %" PRIu64 " operations on lists ok, %" PRIu64 " failed, %" PRIu64
	       " unknown; %" PRIu64 " others\n",
	       tally->seeds, wall_s, wall_s > 0 ? (double)tally->seeds / wall_s : 0,
	       tally->cpu_s > 0 ? tally->simulated_s / tally->cpu_s : 0, tally->ok, tally->failed,
	       tally->unknown, tally->mixed);
	printf("verdicts: ok=%" PRIu64, tally->verdicts[0]);
	for (enum verdict v = VERDICT_CRASH; v <= VERDICT_LINEARIZABILITY; v++)
		printf(" %s=%" PRIu64, verdict_text(v), tally->verdicts[v - VERDICT_CRASH + 1]);
	if (tally->excused > 0)
		printf(" (in %" PRIu64
		       " seeds more failed than can be survived, and nobody answered)",
		       tally->excused);
	printf("; %" PRIu64 " histories were too hard to decide\n", tally->undecided);
}

void tally_free(struct tally *tally)
{
	free(tally->by_seed);
}
