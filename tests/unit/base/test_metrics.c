#include "../support/check_main.h"
#include "base/metrics.h"

static uint64_t twice(void *context)
{
	return 2 * *(uint64_t *)context;
}

static struct metrics m;
static struct buffer out;

static const char *render(void)
{
	buffer_clear(&out);
	metrics_render(&m, &out);
	buffer_add_u8(&out, 0);
	return (const char *)out.data;
}

static void teardown(void)
{
	metrics_free(&m);
	buffer_free(&out);
}

/* Counters and gauges are rendered with header, labels and their value at the time of rendering. */
START_TEST(values_are_rendered_with_header_and_labels)
{
	uint64_t frames = 1, depth = 2;
	char labels[] = "method=\"accept\"";

	metrics_add(&m, METRIC_COUNTER, "synod_frames_total", "Frames.", labels, &frames);
	metrics_add(&m, METRIC_GAUGE, "synod_depth", "Depth.", NULL, &depth);
	labels[0] = 'X'; /* labels are copied */
	frames = 7;
	ck_assert_str_eq(render(), "# HELP synod_frames_total Frames.\n"
				   "# TYPE synod_frames_total counter\n"
				   "synod_frames_total{method=\"accept\"} 7\n"
				   "# HELP synod_depth Depth.\n"
				   "# TYPE synod_depth gauge\n"
				   "synod_depth 2\n");
	teardown();
}
END_TEST

/* All series of one name stand together under one header, whatever the order of registration. */
START_TEST(series_of_a_name_stand_together)
{
	uint64_t a = UINT64_MAX, b = 2, c = 3;

	metrics_add(&m, METRIC_COUNTER, "x_total", "First\\line.\nSecond.", "k=\"1\"", &a);
	metrics_add_read(&m, METRIC_GAUGE, "y", "Y.", NULL, twice, &b);
	metrics_add(&m, METRIC_COUNTER, "x_total", "Ignored.", "k=\"2\"", &c);
	ck_assert_str_eq(render(), "# HELP x_total First\\\\line.\\nSecond.\n"
				   "# TYPE x_total counter\n"
				   "x_total{k=\"1\"} 18446744073709551615\n"
				   "x_total{k=\"2\"} 3\n"
				   "# HELP y Y.\n"
				   "# TYPE y gauge\n"
				   "y 4\n");
	teardown();
}
END_TEST

/* Histograms in microseconds are rendered in seconds with cumulative buckets. */
START_TEST(histograms_are_rendered_in_seconds)
{
	static struct histogram h;

	histogram_record(&h, 90);
	histogram_record(&h, 90);
	histogram_record(&h, 3000);
	histogram_record(&h, 20000000);
	metrics_add_histogram(&m, "rpc_seconds", "Time.", "peer=\"a\"", &h);
	metrics_add_histogram(&m, "rpc_seconds", "Time.", NULL, &h);
	const char *text = render();
	ck_assert_ptr_nonnull(strstr(text, "# TYPE rpc_seconds histogram\n"
					   "rpc_seconds_bucket{peer=\"a\",le=\"0.0001\"} 2\n"
					   "rpc_seconds_bucket{peer=\"a\",le=\"0.00025\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nrpc_seconds_bucket{peer=\"a\",le=\"0.0025\"} 2\n"
					   "rpc_seconds_bucket{peer=\"a\",le=\"0.005\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nrpc_seconds_bucket{peer=\"a\",le=\"10\"} 3\n"
					   "rpc_seconds_bucket{peer=\"a\",le=\"+Inf\"} 4\n"
					   "rpc_seconds_sum{peer=\"a\"} 20.003180\n"
					   "rpc_seconds_count{peer=\"a\"} 4\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nrpc_seconds_bucket{le=\"+Inf\"} 4\n"
					   "rpc_seconds_sum 20.003180\n"
					   "rpc_seconds_count 4\n"));
	teardown();
}
END_TEST
