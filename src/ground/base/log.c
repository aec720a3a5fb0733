/* Log lines as logfmt. */
#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log_json.h"
#include "base/utf8.h"

#define ELLIPSIS "\xe2\x80\xa6"
#define ELLIPSIS_LEN 3u
#define QUOTE_SIZE_MIN 8u /* two quotes, the ellipsis and the final zero fit with room to spare */
#define DAY_US (86400ull * 1000000ull)

static const char *const level_names[] = {
	[LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn",
	[LOG_ERROR] = "error", [LOG_OFF] = "off",
};

bool log_level_parse(const char *text, enum log_level *out)
{
	for (int level = LOG_DEBUG; level <= LOG_OFF; level++) {
		if (strcmp(text, level_names[level]) == 0) {
			*out = (enum log_level)level;
			return true;
		}
	}
	return false;
}

/*
 * Year, month and day of a day since 1970-01-01 in the Gregorian calendar. The
 * year is counted from March, so that the leap day is its last day and month
 * lengths follow one straight line (153 days in five months).
 */
static void civil_date(uint64_t days, uint64_t *year, unsigned *month, unsigned *day)
{
	uint64_t since_era = days + 719468; /* days since 0000-03-01 */
	uint64_t era = since_era / 146097;  /* 400 years */
	uint64_t of_era = since_era % 146097;
	uint64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint64_t month_from_march = (5 * of_year + 2) / 153;

	*day = (unsigned)(of_year - (153 * month_from_march + 2) / 5 + 1);
	*month = (unsigned)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
	*year = era * 400 + year_of_era + (*month <= 2 ? 1 : 0);
}

static void add_time(struct buffer *out, uint64_t wall_us)
{
	uint64_t of_day = wall_us % DAY_US;
	unsigned second = (unsigned)(of_day / 1000000);
	uint64_t year;
	unsigned month, day;

	civil_date(wall_us / DAY_US, &year, &month, &day);
	buffer_format(out, "%04" PRIu64 "-%02u-%02uT%02u:%02u:%02u.%06uZ", year, month, day,
		      second / 3600, second / 60 % 60, second % 60, (unsigned)(of_day % 1000000));
}

/* One event is one line, whatever a caller let into it unquoted. */
static void remove_controls(struct buffer *text)
{
	for (size_t i = 0; i < text->len; i++)
		if (text->data[i] < 0x20 || text->data[i] == 0x7f)
			text->data[i] = ' ';
}

static void add_logfmt(struct buffer *out, const struct log *log, enum log_level level,
		       const char *event, struct slice text)
{
	buffer_format(out, "level=%s time=", level_names[level]);
	add_time(out, log->wall_us(log->context));
	if (log->node != NULL)
		buffer_format(out, " node=%s", log->node);
	buffer_format(out, " event=%s", event);
	if (text.len > 0) {
		buffer_add_u8(out, ' ');
		buffer_add_slice(out, text);
	}
}

static void add_json(struct buffer *out, const struct log *log, enum log_level level,
		     const char *event, struct slice text)
{
	buffer_format(out, "{\"level\":\"%s\",\"time\":\"", level_names[level]);
	add_time(out, log->wall_us(log->context));
	buffer_add_u8(out, '"');
	if (log->node != NULL) {
		buffer_format(out, ",\"node\":");
		log_json_string(out, slice_string(log->node));
	}
	buffer_format(out, ",\"event\":");
	log_json_string(out, slice_string(event));
	log_json_members(out, text);
	buffer_add_u8(out, '}');
}

static void write_line(const struct log *log, enum log_level level, const char *event,
		       const char *format, va_list arguments)
{
	struct buffer text = {0};
	struct buffer line = {0};

	ASSERT(level < LOG_OFF);
	buffer_vformat(&text, format, arguments);
	remove_controls(&text);
	if (log->format == LOG_JSON)
		add_json(&line, log, level, event, buffer_slice(&text));
	else
		add_logfmt(&line, log, level, event, buffer_slice(&text));
	buffer_add_u8(&line, '\n');
	log->write(log->context, (const char *)line.data, line.len);
	buffer_free(&text);
	buffer_free(&line);
}

__attribute__((format(printf, 4, 5))) static void write_own(const struct log *log,
							    enum log_level level, const char *event,
							    const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(log, level, event, format, arguments);
	va_end(arguments);
}

void log_tell_lost(const struct log *log)
{
	/* A log on a descriptor was initialised in place, and is not really constant. */
	struct log_output *output = log->has_output ? log->context : NULL;

	if (output == NULL || output->lost == 0 || !output->ready(output))
		return;
	uint64_t lost = output->lost;
	output->lost = 0;
	write_own(log, LOG_WARN, "log_lines_dropped", "lines=%" PRIu64 " why=\"nobody took them\"",
		  lost);
	if (output->lost > 0) { /* neither was this one; it does not count */
		output->lost = lost;
		output->lost_total--;
	}
}

void log_write(const struct log *log, enum log_level level, const char *event, const char *format,
	       ...)
{
	va_list arguments;

	log_tell_lost(log);
	va_start(arguments, format);
	write_line(log, level, event, format, arguments);
	va_end(arguments);
}

/*
 * The characters of `s` as they stand in a logfmt value. Writes the next one's form into
 * out (at least 5 bytes) and returns how many bytes of s it stands for.
 */
static size_t encode_character(struct slice s, char *out)
{
	uint8_t c = s.data[0];
	size_t len = utf8_length(s.data, s.len);

	if (len == 0 || ((c < 0x20 || c == 0x7f) && c != '\n' && c != '\t' && c != '\r'))
		snprintf(out, 5, "\\x%02x", c);
	else if (c == '"' || c == '\\')
		snprintf(out, 5, "\\%c", c);
	else if (c == '\n' || c == '\t' || c == '\r')
		snprintf(out, 5, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
	else
		snprintf(out, 5, "%.*s", (int)len, (const char *)s.data);
	return len == 0 ? 1 : len;
}

/* Numbers and truth values are quoted too: a string stays one when the line becomes JSON. */
static bool needs_quotes(struct slice s)
{
	if (s.len == 0 || log_json_literal(s))
		return true;
	for (size_t i = 0; i < s.len;) {
		size_t len = utf8_length(s.data + i, s.len - i);
		uint8_t c = s.data[i];
		if (len == 0 || c <= ' ' || c == 0x7f || c == '"' || c == '=' || c == '\\')
			return true;
		i += len;
	}
	return false;
}

const char *log_quote(char *out, size_t size, struct slice s)
{
	bool quoted = needs_quotes(s);
	size_t tail = quoted ? 2 : 1; /* closing quote and zero */
	size_t used = 0;

	ASSERT(size >= QUOTE_SIZE_MIN);
	if (quoted)
		out[used++] = '"';
	size_t cut = used; /* the last place where the ellipsis still fits */
	while (s.len > 0) {
		char encoded[5];
		size_t consumed = encode_character(s, encoded);
		size_t len = strlen(encoded);
		if (used + len + tail > size) {
			memcpy(out + cut, ELLIPSIS, ELLIPSIS_LEN);
			used = cut + ELLIPSIS_LEN;
			break;
		}
		memcpy(out + used, encoded, len);
		used += len;
		if (used + ELLIPSIS_LEN + tail <= size)
			cut = used;
		s = slice(s.data + consumed, s.len - consumed);
	}
	if (quoted)
		out[used++] = '"';
	out[used] = '\0';
	return out;
}
