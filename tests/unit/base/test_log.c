#include "../support/check_main.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/utf8.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOMENT_US 1769860800123456u /* 2026-01-31 12:00:00.123456 UTC */

static char line[65536];
static int lines;
static uint64_t moment_us;

static uint64_t fixed_wall_us(void *context)
{
	(void)context;
	return moment_us;
}

static void keep_line(void *context, const char *text, size_t len)
{
	(void)context;
	ck_assert_uint_lt(len, sizeof line);
	memcpy(line, text, len);
	line[len] = '\0';
	lines++;
}

static struct log log_of(enum log_format format)
{
	lines = 0;
	moment_us = MOMENT_US;
	return (struct log){
		.level = LOG_INFO,
		.format = format,
		.node = "g1a",
		.wall_us = fixed_wall_us,
		.write = keep_line,
	};
}

/* A logfmt line has level, time, node and event, then what the caller wrote. */
START_TEST(a_line_has_level_time_node_and_event)
{
	struct log log = log_of(LOG_LOGFMT);

	log_event(&log, LOG_INFO, "leader_elected", "ballot=%d.%d group=%u", 7, 2, 1u);
	ck_assert_str_eq(line, "level=info time=2026-01-31T12:00:00.123456Z node=g1a "
			       "event=leader_elected ballot=7.2 group=1\n");
	log_event(&log, LOG_ERROR, "stopped", "%s", "");
	ck_assert_str_eq(line,
			 "level=error time=2026-01-31T12:00:00.123456Z node=g1a event=stopped\n");
	log.node = NULL;
	log_event(&log, LOG_WARN, "odd", "text=%s", "two\nlines\t\x7f");
	ck_assert_str_eq(
		line, "level=warn time=2026-01-31T12:00:00.123456Z event=odd text=two lines  \n");
}
END_TEST

/* Lines below the level are not written, and their arguments not evaluated. */
START_TEST(lines_below_the_level_are_not_written)
{
	struct log log = log_of(LOG_LOGFMT);
	enum log_level level = LOG_DEBUG;
	int evaluated = 0;

	log_event(&log, LOG_DEBUG, "noise", "n=%d", ++evaluated);
	ck_assert_int_eq(lines + evaluated, 0);
	log.level = LOG_OFF;
	log_event(&log, LOG_ERROR, "noise", "n=%d", ++evaluated);
	ck_assert_int_eq(lines + evaluated, 0);
	log.level = LOG_DEBUG;
	log_event(&log, LOG_DEBUG, "noise", "n=%d", ++evaluated);
	ck_assert_int_eq(lines, 1);

	ck_assert(log_level_parse("warn", &level));
	ck_assert_int_eq(level, LOG_WARN);
	ck_assert(log_level_parse("off", &level));
	ck_assert_int_eq(level, LOG_OFF);
	ck_assert(!log_level_parse("WARN", &level));
	ck_assert(!log_level_parse("", &level));
	ck_assert_int_eq(level, LOG_OFF);
}
END_TEST

/* Dates follow the Gregorian calendar through leap years and century years. */
START_TEST(dates_follow_the_gregorian_calendar)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} moments[] = {
		{0, "1970-01-01T00:00:00.000000Z"},
		{86399, "1970-01-01T23:59:59.000000Z"},
		{951782400, "2000-02-29T00:00:00.000000Z"},
		{951868800, "2000-03-01T00:00:00.000000Z"},
		{1709164800, "2024-02-29T00:00:00.000000Z"},
		{1735689599, "2024-12-31T23:59:59.000000Z"},
		{1735689600, "2025-01-01T00:00:00.000000Z"},
		{1740787199, "2025-02-28T23:59:59.000000Z"},
		{1740787200, "2025-03-01T00:00:00.000000Z"},
		{4107542400, "2100-03-01T00:00:00.000000Z"},
		{4107542399, "2100-02-28T23:59:59.000000Z"},
	};
	struct log log = log_of(LOG_LOGFMT);

	for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
		moment_us = moments[i].seconds * 1000000;
		log_event(&log, LOG_INFO, "e", "%s", "");
		ck_assert_ptr_nonnull(strstr(line, moments[i].text));
	}
}
END_TEST

static const char *quoted(struct slice s)
{
	static char out[256];
	return log_quote(out, sizeof out, s);
}

/* A value is quoted when logfmt or JSON would otherwise read something else. */
START_TEST(a_value_is_quoted_when_it_must_be)
{
	ck_assert_str_eq(quoted(slice_string("plain")), "plain");
	ck_assert_str_eq(quoted(slice_string("7.2")), "7.2");
	ck_assert_str_eq(quoted(slice_string("a/b:c,d{e}")), "a/b:c,d{e}");
	ck_assert_str_eq(quoted(slice_string("gr\xc3\xbc\xc3\x9f")), "gr\xc3\xbc\xc3\x9f");
	ck_assert_str_eq(quoted(slice_string("")), "\"\"");
	ck_assert_str_eq(quoted(slice(NULL, 0)), "\"\"");
	ck_assert_str_eq(quoted(slice_string("two words")), "\"two words\"");
	ck_assert_str_eq(quoted(slice_string("a=b")), "\"a=b\"");
	ck_assert_str_eq(quoted(slice_string("say \"hi\"")), "\"say \\\"hi\\\"\"");
	ck_assert_str_eq(quoted(slice_string("back\\slash")), "\"back\\\\slash\"");
	ck_assert_str_eq(quoted(slice_string("a\nb\tc\rd")), "\"a\\nb\\tc\\rd\"");
	ck_assert_str_eq(quoted(slice("\0\x1b\x7f", 3)), "\"\\x00\\x1b\\x7f\"");
	ck_assert_str_eq(quoted(slice_string("\xff\xc3")), "\"\\xff\\xc3\"");
	ck_assert_str_eq(quoted(slice_string("12")), "\"12\"");
	ck_assert_str_eq(quoted(slice_string("-5")), "\"-5\"");
	ck_assert_str_eq(quoted(slice_string("007")), "007");
	ck_assert_str_eq(quoted(slice_string("true")), "\"true\"");
}
END_TEST

/*
 * A value that does not fit is cut between characters, ends with an ellipsis, and stays
 * well-formed.
 */
START_TEST(a_long_value_is_cut_between_characters)
{
	char out[64];

	ck_assert_str_eq(log_quote(out, 8, slice_string("abcdefg")), "abcdefg");
	ck_assert_str_eq(log_quote(out, 8, slice_string("abcdefgh")), "abcd\xe2\x80\xa6");
	ck_assert_str_eq(log_quote(out, 9, slice_string("ab defg")), "\"ab \xe2\x80\xa6\"");
	ck_assert_str_eq(log_quote(out, 10, slice_string("ab defg")), "\"ab defg\"");
	ck_assert_str_eq(log_quote(out, 8, slice_string("\xff\xff\xff")), "\"\xe2\x80\xa6\"");
	ck_assert_str_eq(log_quote(out, 8, slice_string("\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc")),
			 "\xc3\xbc\xc3\xbc\xe2\x80\xa6");
}
END_TEST

/*
 * Integers and truth values become JSON values; everything else, and whatever is quoted, becomes a
 * string.
 */
START_TEST(integers_and_truth_values_become_json_values)
{
	struct log log = log_of(LOG_JSON);

	log_event(&log, LOG_INFO, "leader_elected",
		  "ballot=%s group=%d delta=-3 big=%llu stale last=%s id=007 ok=true", "7.2", 1,
		  18446744073709551615ull, quoted(slice_string("12")));
	ck_assert_str_eq(line, "{\"level\":\"info\",\"time\":\"2026-01-31T12:00:00.123456Z\","
			       "\"node\":\"g1a\",\"event\":\"leader_elected\",\"ballot\":\"7.2\","
			       "\"group\":1,\"delta\":-3,\"big\":18446744073709551615,\"stale\":"
			       "true,\"last\":\"12\",\"id\":\"007\",\"ok\":true}\n");
	log_event(&log, LOG_INFO, "e", "%s", "");
	ck_assert_str_eq(line, "{\"level\":\"info\",\"time\":\"2026-01-31T12:00:00.123456Z\","
			       "\"node\":\"g1a\",\"event\":\"e\"}\n");
}
END_TEST

static json_t *parse_line(void)
{
	json_error_t error;
	json_t *object = json_loads(line, 0, &error);
	ck_assert_msg(object != NULL, "%s in %s", error.text, line);
	ck_assert(json_is_object(object));
	return object;
}

/* Text that went through log_quote() arrives in JSON unchanged, control characters and all. */
START_TEST(quoted_text_survives_json)
{
	static const char *const alphabet[] = {"a",
					       " ",
					       "\"",
					       "\\",
					       "=",
					       "\n",
					       "\t",
					       "\r",
					       "\x01",
					       "\x7f",
					       "n",
					       "x",
					       "0",
					       "f",
					       "\xc3\xbc",
					       "\xe2\x82\xac",
					       "\xf0\x9f\x90\x98"};
	struct log log = log_of(LOG_JSON);
	struct rng rng;

	rng_seed(&rng, 21);
	for (int round = 0; round < 3000; round++) {
		char text[64] = "", out[512];
		uint64_t parts = rng_below(&rng, 12);
		for (uint64_t i = 0; i < parts; i++)
			strcat(text,
			       alphabet[rng_below(&rng, sizeof alphabet / sizeof alphabet[0])]);
		log_event(&log, LOG_INFO, "e", "before=1 key=%s after=2",
			  log_quote(out, sizeof out, slice_string(text)));
		json_t *object = parse_line();
		ck_assert_str_eq(json_string_value(json_object_get(object, "key")), text);
		ck_assert_int_eq(json_integer_value(json_object_get(object, "before")), 1);
		ck_assert_int_eq(json_integer_value(json_object_get(object, "after")), 2);
		json_decref(object);
	}
}
END_TEST

/* Whatever bytes a caller lets through, a line is one line, and a JSON line is valid JSON. */
START_TEST(any_bytes_give_valid_json)
{
	static const char syntax[] = "\"\\= x0";
	struct log log = log_of(LOG_JSON);
	struct rng rng;

	rng_seed(&rng, 22);
	for (int round = 0; round < 5000; round++) {
		char text[40];
		size_t len = rng_below(&rng, sizeof text);
		for (size_t i = 0; i < len; i++)
			text[i] = rng_chance(&rng, 500000) ? syntax[rng_below(&rng, 6)]
							   : (char)rng_range(&rng, 1, 255);
		text[len] = '\0';
		log_event(&log, LOG_INFO, "e", "%s", text);
		ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
		json_decref(parse_line());
	}
}
END_TEST

/* UTF-8 is told from other bytes as RFC 3629 defines it. */
START_TEST(utf8_is_told_from_other_bytes)
{
	static const struct {
		const char *bytes;
		size_t length;
	} cases[] = {
		{"a", 1},
		{"\xc2\x80", 2},
		{"\xdf\xbf", 2},
		{"\xe0\xa0\x80", 3},
		{"\xed\x9f\xbf", 3},
		{"\xee\x80\x80", 3},
		{"\xf0\x90\x80\x80", 4},
		{"\xf4\x8f\xbf\xbf", 4},
		{"\x80", 0},
		{"\xc0\x80", 0},
		{"\xc1\xbf", 0},
		{"\xe0\x9f\xbf", 0},
		{"\xed\xa0\x80", 0},
		{"\xf0\x8f\xbf\xbf", 0},
		{"\xf4\x90\x80\x80", 0},
		{"\xf5\x80\x80\x80", 0},
		{"\xc3(", 0},
		{"\xe2\x82", 0},
		{"\xe2\x82(", 0},
		{"\xff", 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		ck_assert_uint_eq(
			utf8_length((const uint8_t *)cases[i].bytes, strlen(cases[i].bytes)),
			cases[i].length);
}
END_TEST

/* A log on a descriptor writes each line with one write and the system's time. */
START_TEST(each_line_is_one_write)
{
	int ends[2];
	char text[512];
	struct log log;

	ck_assert_int_eq(pipe(ends), 0);
	log_init_fd(&log, ends[1], "m1");
	log_event(&log, LOG_INFO, "started", "port=%d", 7001);
	ssize_t len = read(ends[0], text, sizeof text - 1);
	ck_assert_int_gt(len, 0);
	text[len] = '\0';
	ck_assert_ptr_eq(strstr(text, "level=info time=2"), text);
	ck_assert_ptr_nonnull(strstr(text, "Z node=m1 event=started port=7001\n"));
	close(ends[0]);
	close(ends[1]);
}
END_TEST

static size_t drain(int fd, char *out, size_t size)
{
	size_t got = 0;
	ssize_t len;
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (got < size - 1 && (len = read(fd, out + got, size - 1 - got)) > 0)
		got += (size_t)len;
	out[got] = '\0';
	return got;
}

/*
 * A pipe, or a socket, that nobody reads takes no log line and holds nobody up; when it is read
 * again, the next line comes after one that says how many are missing. Whole lines, all of them.
 * The descriptor's flags are those that it came with.
 */
static void nobody_reads(int reading, int writing)
{
	static char text[1u << 22];
	struct log log;
	unsigned said = 0, first_lost = 0;
	int flags = fcntl(writing, F_GETFL);

	log_init_fd(&log, writing, "m1");
	while (log.output.lost < 5)
		log_event(&log, LOG_INFO, "tick", "n=%u text=%0500d", ++said, 0);
	first_lost = said - 4;
	ck_assert_int_eq(fcntl(writing, F_GETFL), flags);
	ck_assert_uint_gt(drain(reading, text, sizeof text), 0);
	log_tell_lost(&log);
	log_tell_lost(&log); /* once */
	log_event(&log, LOG_INFO, "after", "n=%u", ++said);
	size_t len = strlen(text);
	ck_assert_uint_gt(drain(reading, text + len, sizeof text - len), 0);
	ck_assert_ptr_nonnull(strstr(text + len, "level=warn time=2"));
	ck_assert_ptr_nonnull(strstr(text + len, "event=log_lines_dropped lines=5 why="));
	ck_assert_ptr_nonnull(strstr(text + len, "event=after"));
	ck_assert_uint_eq(log.output.lost_total, 5);
	unsigned ticks = 0, others = 0;
	for (char *at = strtok(text, "\n"); at != NULL; at = strtok(NULL, "\n")) {
		char expected[32];
		snprintf(expected, sizeof expected, "event=tick n=%u ", ticks + 1);
		ck_assert_msg(strncmp(at, "level=", 6) == 0 || ticks + 1 == first_lost, "%.60s",
			      at);
		if (strstr(at, expected) != NULL)
			ticks++;
		else
			others++;
	}
	ck_assert_uint_ge(ticks, first_lost - 1);
	ck_assert_uint_le(others, 3);
	close(reading);
	/* Nobody will ever read: given up as well, without a signal. */
	log_event(&log, LOG_INFO, "tick", "n=%u", 0u);
	ck_assert_uint_eq(log.output.lost_total, 6);
	close(writing);
	log_event(&log, LOG_INFO, "tick", "n=%u", 0u);
	ck_assert_uint_eq(log.output.lost_total, 7);
}

/* A pipe that is not read: lines are lost and counted, and the writer does not wait. */
START_TEST(an_unread_pipe_costs_lines_and_no_time)
{
	int ends[2];

	ck_assert_ptr_ne(signal(SIGPIPE, SIG_IGN), SIG_ERR);
	ck_assert_int_eq(pipe(ends), 0);
	nobody_reads(ends[0], ends[1]);
}
END_TEST

/* There is no descriptor for opening the pipe once more. */
START_TEST(unread_pipe_without_descriptor)
{
	int ends[2];
	struct rlimit limit;

	ck_assert_ptr_ne(signal(SIGPIPE, SIG_IGN), SIG_ERR);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	nobody_reads(ends[0], ends[1]);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}
END_TEST

/* A socket that is not read: lines are lost and counted, and the writer does not wait. */
START_TEST(an_unread_socket_costs_lines_and_no_time)
{
	int ends[2];

	ck_assert_ptr_ne(signal(SIGPIPE, SIG_IGN), SIG_ERR);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	nobody_reads(ends[0], ends[1]);
}
END_TEST

/* A full disk costs the lines of its time. */
START_TEST(a_full_disk_costs_the_lines_of_its_time)
{
	struct log log;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	log_init_fd(&log, fd, "m1");
	log_event(&log, LOG_INFO, "tick", "n=%d", 1);
	log_event(&log, LOG_INFO, "tick", "n=%d", 2);
	ck_assert_uint_eq(log.output.lost_total, 2);
	ck_assert_uint_eq(log.output.lost, 2);
	close(fd);
}
END_TEST
