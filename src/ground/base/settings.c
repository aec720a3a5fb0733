/* Settings from files, the environment and flags. */
#include "base/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct setting settings_table[SETTINGS_COUNT] = {
#define X(name, type, standard, min, max, choices, help) \
	{#name, SETTING_##type, standard, min, max, choices, offsetof(struct settings, name), help},
	SETTINGS_MAP(X)
#undef X
};

#define X(name, type, standard, min, max, choices, help) \
	_Static_assert((standard) >= (min) && (standard) <= (max), \
		       "default of " #name " is within its range");
SETTINGS_MAP(X)
#undef X

struct unit {
	const char *suffix;
	uint64_t factor;
};

/*
 * The first unit is the setting's own; larger ones follow, so that formatting can pick the largest
 * that divides.
 */
static const struct unit UNITS_MS[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {NULL, 0}};
static const struct unit UNITS_BYTES[] = {
	{"bytes", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}, {NULL, 0}};
static const struct unit UNITS_NONE[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(const struct setting *setting)
{
	switch (setting->type) {
	case SETTING_MILLISECONDS: return UNITS_MS;
	case SETTING_BYTES: return UNITS_BYTES;
	case SETTING_COUNT:
	case SETTING_CHOICE: break;
	}
	return UNITS_NONE;
}

const struct setting *setting_find(const char *name)
{
	for (size_t i = 0; i < SETTINGS_COUNT; i++) {
		const char *want = settings_table[i].name;
		size_t k = 0;
		while (want[k] != '\0' &&
		       (name[k] == want[k] || (name[k] == '-' && want[k] == '_')))
			k++;
		if (want[k] == '\0' && name[k] == '\0')
			return &settings_table[i];
	}
	return NULL;
}

static int parse_choice(const struct setting *setting, const char *text, uint64_t *out, char *error,
			size_t error_size)
{
	size_t len = strlen(text);
	uint64_t position = 0;
	for (const char *word = setting->choices; word != NULL && len > 0; position++) {
		size_t word_len = strcspn(word, "|");
		if (word_len == len && memcmp(word, text, len) == 0) {
			*out = position;
			return 0;
		}
		word = word[word_len] == '|' ? word + word_len + 1 : NULL;
	}
	snprintf(error, error_size, "not one of %s", setting->choices);
	return STATUS_CONFIG;
}

/* Digits with an optional unit; false for everything else and for what does not fit 64 bits. */
static bool parse_number(const char *text, const struct unit *units, uint64_t *out, bool *overflow)
{
	*overflow = false;
	if (*text < '0' || *text > '9')
		return false;
	char *end;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	*overflow = errno == ERANGE;
	while (*end == ' ')
		end++;
	uint64_t factor = *end == '\0' ? 1 : 0;
	for (const struct unit *u = units; u->suffix != NULL && factor == 0; u++) {
		if (strcmp(end, u->suffix) == 0)
			factor = u->factor;
	}
	if (factor == 0)
		return false;
	uint64_t product;
	if (__builtin_mul_overflow((uint64_t)number, factor, &product))
		*overflow = true;
	*out = product;
	return true;
}

int setting_parse(const struct setting *setting, const char *text, uint64_t *out, char *error,
		  size_t error_size)
{
	if (setting->type == SETTING_CHOICE)
		return parse_choice(setting, text, out, error, error_size);
	const struct unit *units = units_of(setting);
	uint64_t value = 0;
	bool overflow;
	if (!parse_number(text, units, &value, &overflow)) {
		snprintf(error, error_size,
			 "not a whole number%s%s, allowed %" PRIu64 " … %" PRIu64,
			 units[0].suffix[0] == '\0' ? "" : " of ", units[0].suffix, setting->min,
			 setting->max);
		return STATUS_CONFIG;
	}
	if (overflow || value < setting->min || value > setting->max) {
		snprintf(error, error_size, "out of range, allowed %" PRIu64 " … %" PRIu64 "%s%s",
			 setting->min, setting->max, units[0].suffix[0] == '\0' ? "" : " ",
			 units[0].suffix);
		return STATUS_CONFIG;
	}
	*out = value;
	return 0;
}

const char *setting_format(const struct setting *setting, uint64_t value, char *out, size_t size)
{
	if (setting->type == SETTING_CHOICE) {
		const char *word = setting->choices;
		for (uint64_t i = 0; i < value; i++)
			word += strcspn(word, "|") + 1;
		snprintf(out, size, "%.*s", (int)strcspn(word, "|"), word);
		return out;
	}
	const struct unit *best = NULL;
	for (const struct unit *u = units_of(setting); u->suffix != NULL; u++) {
		if (u->factor > 1 && value > 0 && value % u->factor == 0 &&
		    setting->type == SETTING_BYTES)
			best = u;
	}
	if (best == NULL)
		snprintf(out, size, "%" PRIu64, value);
	else
		snprintf(out, size, "%" PRIu64 "%s", value / best->factor, best->suffix);
	return out;
}

void settings_default(struct settings *settings)
{
	for (size_t i = 0; i < SETTINGS_COUNT; i++)
		*setting_value(settings, &settings_table[i]) = settings_table[i].standard;
}

int settings_check(const struct settings *s, char *error, size_t error_size)
{
	if (s->heartbeat_interval_ms * 2 > s->election_timeout_ms) {
		snprintf(error, error_size,
			 "heartbeat_interval_ms = %" PRIu64
			 " is more than half of election_timeout_ms = %" PRIu64
			 ": followers would start elections under a healthy leader",
			 s->heartbeat_interval_ms, s->election_timeout_ms);
		return STATUS_CONFIG;
	}
	if (s->read_lease_ms > s->election_timeout_ms) {
		snprintf(error, error_size,
			 "read_lease_ms = %" PRIu64 " is more than election_timeout_ms = %" PRIu64
			 ": a replica that has just been started could not keep to it",
			 s->read_lease_ms, s->election_timeout_ms);
		return STATUS_CONFIG;
	}
	if (s->read_lease_ms != 0 && s->read_lease_ms < s->heartbeat_interval_ms * 2) {
		snprintf(error, error_size,
			 "read_lease_ms = %" PRIu64
			 " is less than twice heartbeat_interval_ms = %" PRIu64
			 ": it would be over before it is renewed",
			 s->read_lease_ms, s->heartbeat_interval_ms);
		return STATUS_CONFIG;
	}
	if (s->reconnect_min_ms > s->reconnect_max_ms) {
		snprintf(error, error_size,
			 "reconnect_min_ms = %" PRIu64 " is more than reconnect_max_ms = %" PRIu64,
			 s->reconnect_min_ms, s->reconnect_max_ms);
		return STATUS_CONFIG;
	}
	if (s->link_output_bytes_max > s->network_bytes_max) {
		snprintf(error, error_size,
			 "link_output_bytes_max = %" PRIu64
			 " is more than network_bytes_max = %" PRIu64,
			 s->link_output_bytes_max, s->network_bytes_max);
		return STATUS_CONFIG;
	}
	return 0;
}
