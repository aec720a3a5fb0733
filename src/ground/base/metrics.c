/* Counters, gauges and histograms, and their text for Prometheus. */
#include "base/metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"

#define MICROSECONDS 1000000u

/* Upper bounds of the rendered histogram buckets. */
static const struct {
	uint64_t us;
	const char *seconds;
} bounds[] = {
	{100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},
	{2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"},
	{50000, "0.05"},  {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},
	{1000000, "1"},   {2500000, "2.5"}, {5000000, "5"},   {10000000, "10"},
};

static struct metric *add(struct metrics *m, enum metric_type type, const char *name,
			  const char *help, const char *labels)
{
	ALLOC_ROOM(m->items, m->count, m->capacity, 32);
	struct metric *item = &m->items[m->count++];
	*item = (struct metric){
		.type = type,
		.name = name,
		.help = help,
		.labels = labels != NULL ? alloc_string(labels) : NULL,
	};
	return item;
}

void metrics_add(struct metrics *m, enum metric_type type, const char *name, const char *help,
		 const char *labels, const uint64_t *value)
{
	ASSERT(type != METRIC_HISTOGRAM);
	add(m, type, name, help, labels)->value = value;
}

void metrics_add_read(struct metrics *m, enum metric_type type, const char *name, const char *help,
		      const char *labels, uint64_t (*read)(void *), void *context)
{
	ASSERT(type != METRIC_HISTOGRAM);
	struct metric *item = add(m, type, name, help, labels);
	item->read = read;
	item->context = context;
}

void metrics_add_histogram(struct metrics *m, const char *name, const char *help,
			   const char *labels, const struct histogram *h)
{
	add(m, METRIC_HISTOGRAM, name, help, labels)->histogram = h;
}

static void render_header(const struct metric *item, struct buffer *out)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
	};
	buffer_format(out, "# HELP %s ", item->name);
	for (const char *p = item->help; *p != '\0'; p++) {
		if (*p == '\n')
			buffer_add(out, "\\n", 2);
		else if (*p == '\\')
			buffer_add(out, "\\\\", 2);
		else
			buffer_add_u8(out, (uint8_t)*p);
	}
	buffer_format(out, "\n# TYPE %s %s\n", item->name, types[item->type]);
}

static void render_value(const struct metric *item, struct buffer *out)
{
	uint64_t value = item->read != NULL ? item->read(item->context) : *item->value;

	if (item->labels != NULL)
		buffer_format(out, "%s{%s} %" PRIu64 "\n", item->name, item->labels, value);
	else
		buffer_format(out, "%s %" PRIu64 "\n", item->name, value);
}

static void render_bucket(const struct metric *item, const char *bound, uint64_t count,
			  struct buffer *out)
{
	buffer_format(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", item->name,
		      item->labels != NULL ? item->labels : "", item->labels != NULL ? "," : "",
		      bound, count);
}

static void render_histogram(const struct metric *item, struct buffer *out)
{
	const struct histogram *h = item->histogram;
	const char *open = item->labels != NULL ? "{" : "";
	const char *close = item->labels != NULL ? "}" : "";
	const char *labels = item->labels != NULL ? item->labels : "";

	for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++)
		render_bucket(item, bounds[i].seconds, histogram_count_at_most(h, bounds[i].us),
			      out);
	render_bucket(item, "+Inf", h->count, out);
	buffer_format(out, "%s_sum%s%s%s %" PRIu64 ".%06" PRIu64 "\n", item->name, open, labels,
		      close, h->sum / MICROSECONDS, h->sum % MICROSECONDS);
	buffer_format(out, "%s_count%s%s%s %" PRIu64 "\n", item->name, open, labels, close,
		      h->count);
}

static bool same_name(const struct metric *a, const struct metric *b)
{
	return a->name == b->name || strcmp(a->name, b->name) == 0;
}

static bool named_before(const struct metrics *m, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (same_name(&m->items[i], &m->items[index]))
			return true;
	return false;
}

/*
 * The format wants all series of a name together under one header, whatever the
 * order of registration. A few hundred series make the quadratic search cheap.
 */
void metrics_render(const struct metrics *m, struct buffer *out)
{
	for (size_t i = 0; i < m->count; i++) {
		if (named_before(m, i))
			continue;
		render_header(&m->items[i], out);
		for (size_t j = i; j < m->count; j++) {
			const struct metric *item = &m->items[j];
			if (!same_name(item, &m->items[i]))
				continue;
			ASSERT(item->type == m->items[i].type);
			if (item->type == METRIC_HISTOGRAM)
				render_histogram(item, out);
			else
				render_value(item, out);
		}
	}
}

void metrics_free(struct metrics *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->items[i].labels);
	free(m->items);
	*m = (struct metrics){0};
}
