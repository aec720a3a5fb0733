/* Numbers, durations and words of the command line. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kvctl.h"

bool kvctl_parse_u64(const char *text, uint64_t *out)
{
	char *end;
	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return false;
	*out = value;
	return true;
}

bool kvctl_parse_i64(const char *text, int64_t *out)
{
	char *end;
	if (!isdigit((unsigned char)text[text[0] == '-' || text[0] == '+']))
		return false;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return false;
	*out = value;
	return true;
}

bool kvctl_parse_duration(const char *text, uint32_t *ms)
{
	static const struct {
		const char *suffix;
		double ms;
	} units[] = {{"ms", 1},    {"s", 1000},    {"", 1000},
		     {"m", 60000}, {"min", 60000}, {"h", 3600000}};
	char *end;
	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return false;
	/* Hexadecimal and exponents are nobody's idea of a duration. */
	if (strspn(text, "0123456789.") + strspn(text + strspn(text, "0123456789."), "mshin") !=
	    strlen(text))
		return false;
	double value = strtod(text, &end);
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcmp(end, units[i].suffix) != 0)
			continue;
		value *= units[i].ms;
		if (value < 1 || value > 24 * 3600000.0)
			return false;
		*ms = (uint32_t)value;
		return true;
	}
	return false;
}

const char *kvctl_format_bytes(uint64_t bytes, char *out, size_t size)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t unit = 0;
	while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
		value /= 1024;
		unit++;
	}
	snprintf(out, size, unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value, units[unit]);
	return out;
}

const char *kvctl_format_duration(uint64_t ms, char *out, size_t size)
{
	uint64_t s = ms / 1000;
	if (s < 60)
		snprintf(out, size, "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(out, size, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 48 * 3600)
		snprintf(out, size, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(out, size, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
	return out;
}

uint64_t kvctl_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
