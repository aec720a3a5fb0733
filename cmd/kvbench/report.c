/* What kvbench prints when it ends: plain text, or JSON. */
#include "report.h"

#include <inttypes.h>

static const struct {
	double percent;
	const char *name, *member;
} PERCENTILES[] = {{50, "p50", "p50_us"},
		   {90, "p90", "p90_us"},
		   {99, "p99", "p99_us"},
		   {99.9, "p99.9", "p999_us"}};
#define NPERCENTILES (sizeof PERCENTILES / sizeof PERCENTILES[0])

#define LINE_COLUMNS 80
#define RATES_PER_LINE 8u /* fits a terminal, like every other line */

static double per_op_us(const struct bench *b, double cpu_s)
{
	return b->ops == 0 ? 0 : cpu_s * 1e6 / (double)b->ops;
}

static double mean_us(const struct bench *b)
{
	return b->latency.count == 0 ? 0 : (double)b->latency.sum / (double)b->latency.count;
}

/* A daemon that was restarted meanwhile began to count again. */
static bool measured(const struct bench_daemon *d)
{
	return d->before.known && d->after.known && d->after.cpu_s >= d->before.cpu_s;
}

void bench_report_latency(const struct bench *b, struct buffer *out)
{
	static const char title[] = "latency in µs:";
	struct buffer end = {0};
	size_t columns = sizeof title - sizeof "" - 1; /* µ is two bytes */

	buffer_format(out, "%s", title);
	for (size_t i = 0; i < NPERCENTILES; i++)
		buffer_format(out, " %s %" PRIu64 " ", PERCENTILES[i].name,
			      histogram_percentile(&b->latency, PERCENTILES[i].percent));
	buffer_format(&end, " max %" PRIu64 "  mean %.0f\n", b->latency.max, mean_us(b));
	if (out->len - 1 + end.len - 1 > LINE_COLUMNS)
		buffer_format(out, "\n%*s", (int)columns, "");
	buffer_add_slice(out, buffer_slice(&end));
	buffer_free(&end);
}

static void print_latency(const struct bench *b)
{
	struct buffer out = {0};

	bench_report_latency(b, &out);
	printf("%.*s", (int)out.len, (const char *)out.data);
	buffer_free(&out);
}

/* ---- histogram ---- */

#define STEPS_PER_OCTAVE 4u
#define BAR_WIDTH 50u

/*
 * The upper ends of the ranges in which latencies are shown: 0, 1, 2, 3, then four in each power of
 * two. All are ends of buckets.
 */
static uint64_t range_end(unsigned i)
{
	if (i < STEPS_PER_OCTAVE)
		return i;
	unsigned octave = i / STEPS_PER_OCTAVE - 1;
	return ((uint64_t)(STEPS_PER_OCTAVE + i % STEPS_PER_OCTAVE + 1) << octave) - 1;
}

/* Calls `each` for every range in which there is something. */
static void each_range(const struct histogram *h,
		       void (*each)(void *context, uint64_t from, uint64_t to, uint64_t count),
		       void *context)
{
	uint64_t below = 0, from = 0;
	for (unsigned i = 0; below < h->count; i++) {
		uint64_t end = range_end(i), to_here = histogram_count_at_most(h, end);
		if (to_here > below)
			each(context, from, end, to_here - below);
		below = to_here;
		from = end + 1;
	}
}

static void print_bar(void *context, uint64_t from, uint64_t to, uint64_t count)
{
	const struct bench *b = context;
	unsigned width = (unsigned)(count * BAR_WIDTH / b->latency.count);
	printf("%10" PRIu64 " – %10" PRIu64 " µs %10" PRIu64 " %5.1f %% ", from, to, count,
	       100 * (double)count / (double)b->latency.count);
	for (unsigned i = 0; i < width; i++)
		putchar('#');
	putchar('\n');
}

static void print_pair(void *context, uint64_t from, uint64_t to, uint64_t count)
{
	const char **separator = context;
	(void)from;
	printf("%s[%" PRIu64 ",%" PRIu64 "]", *separator, to, count);
	*separator = ",";
}

/* ---- plain ---- */

static void print_daemons(const struct bench *b, const struct bench_daemons *d)
{
	printf("processor time, µs an operation: kvbench %.1f\n", per_op_us(b, b->own_cpu_s));
	if (!d->known)
		printf("  the daemons' is not known without --config FILE\n");
	else if (d->count > 0)
		printf("  %-12s %-12s %8s  %8s %13s %13s\n", "NODE", "ROLE", "µs/OP", "OF A CORE",
		       "RESIDENT", "HEAP");
	for (uint32_t i = 0; i < d->count; i++) {
		const struct bench_daemon *daemon = &d->daemons[i];
		double cpu_s = daemon->after.cpu_s - daemon->before.cpu_s;
		if (measured(daemon))
			printf("  %-12s %-12s %7.1f %8.1f %% %9.1f MiB %9.1f MiB\n", daemon->name,
			       daemon->role, per_op_us(b, cpu_s), 100 * cpu_s / b->seconds,
			       (double)daemon->after.resident_bytes / 1048576,
			       (double)daemon->after.heap_bytes / 1048576);
		else
			printf("  %-12s %-12s not available: %s\n", daemon->name, daemon->role,
			       daemon->http == NULL ? "no http address is configured"
						    : "no answer, or restarted meanwhile");
	}
}

void bench_report_plain(const struct bench *b, const struct bench_daemons *d)
{
	const struct bench_options *o = &b->options;
	printf("workload %s, %u clients: %" PRIu64 " operations in %.2f s: %.0f/s\n%" PRIu64
	       " errors, %" PRIu64 " unknown\n",
	       o->workload_name, o->clients, b->ops, b->seconds, (double)b->ops / b->seconds,
	       b->errors, b->unknown);
	if (b->missing + b->conflicts > 0)
		printf("of these, %" PRIu64 " found no key, %" PRIu64
		       " were refused because of a conflict\n",
		       b->missing, b->conflicts);
	if (o->rate > 0)
		printf("open loop, %.0f/s asked for: %" PRIu64 " operations could not be started\n",
		       o->rate, b->unsent);
	print_latency(b);
	for (uint32_t i = 0; i < b->nrates; i++)
		printf("%s%" PRIu64,
		       i == 0                    ? "each second: "
		       : i % RATES_PER_LINE == 0 ? "\n             "
						 : " ",
		       b->rates[i]);
	printf("%s", b->nrates > 0 ? "\n" : "");
	if (o->histogram)
		each_range(&b->latency, print_bar, (void *)(uintptr_t)b);
	print_daemons(b, d);
}

/* ---- JSON ---- */

static void print_json_daemon(const struct bench *b, const struct bench_daemon *d)
{
	double cpu_s = d->after.cpu_s - d->before.cpu_s;
	printf("{\"name\":\"%s\",\"role\":\"%s\",\"available\":%s", d->name, d->role,
	       measured(d) ? "true" : "false");
	if (measured(d))
		printf(",\"cpu_s\":%.3f,\"cpu_us_per_op\":%.2f,\"resident_bytes\":%" PRIu64
		       ",\"heap_bytes\":%" PRIu64,
		       cpu_s, per_op_us(b, cpu_s), d->after.resident_bytes, d->after.heap_bytes);
	printf("}");
}

void bench_report_json(const struct bench *b, const struct bench_daemons *d)
{
	const struct bench_options *o = &b->options;
	printf("{\"workload\":\"%s\",\"clients\":%u,\"connections\":%u,\"pipeline\":%u,\"keys\":"
	       "%" PRIu64 ",\"dist\":\"%s\",\"value_size\":%u",
	       o->workload_name, o->clients, o->connections, o->pipeline, o->keys,
	       o->distribution == BENCH_ZIPFIAN ? "zipfian" : "uniform", o->value_size);
	if (o->rate > 0)
		printf(",\"rate\":%.2f,\"unsent\":%" PRIu64, o->rate, b->unsent);
	printf(",\"ops\":%" PRIu64 ",\"seconds\":%.3f,\"ops_per_s\":%.1f,\"errors\":%" PRIu64
	       ",\"unknown\":%" PRIu64 ",\"missing\":%" PRIu64 ",\"conflicts\":%" PRIu64,
	       b->ops, b->seconds, (double)b->ops / b->seconds, b->errors, b->unknown, b->missing,
	       b->conflicts);
	for (size_t i = 0; i < NPERCENTILES; i++)
		printf(",\"%s\":%" PRIu64, PERCENTILES[i].member,
		       histogram_percentile(&b->latency, PERCENTILES[i].percent));
	printf(",\"max_us\":%" PRIu64 ",\"mean_us\":%.1f,\"rates\":[", b->latency.max, mean_us(b));
	for (uint32_t i = 0; i < b->nrates; i++)
		printf("%s%" PRIu64, i == 0 ? "" : ",", b->rates[i]);
	/* How many were above the range before, and at most so long. */
	const char *separator = "";
	printf("],\"histogram_us\":[");
	each_range(&b->latency, print_pair, &separator);
	printf("],\"cpu_us_per_op\":%.2f,\"daemons\":[", per_op_us(b, b->own_cpu_s));
	for (uint32_t i = 0; i < d->count; i++) {
		printf("%s", i == 0 ? "" : ",");
		print_json_daemon(b, &d->daemons[i]);
	}
	printf("]}\n");
}
