/*
 * --consistency, --prefer and --max-age: who answers a read, and what is said of how old the answer
 * may be.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kvctl.h"

static int word(struct kvctl *kvctl, const char *option, const char *argument,
		const char *const words[], int *out)
{
	for (*out = 0; words[*out] != NULL; ++*out)
		if (strcmp(argument, words[*out]) == 0)
			return EXIT_OK;
	return kvctl_usage(kvctl, "%s %s: it is %s or %s", option, argument, words[0], words[1]);
}

static int max_age(struct kvctl *kvctl, const char *argument, uint32_t *ms)
{
	uint64_t number;
	/* Ages are told in milliseconds, so that is what a number without a unit is. */
	if (kvctl_parse_u64(argument, &number)) {
		*ms = (uint32_t)number;
		if (number >= 1 && number <= 24u * 3600000u)
			return EXIT_OK;
	} else if (kvctl_parse_duration(argument, ms)) {
		return EXIT_OK;
	}
	return kvctl_usage(
		kvctl,
		"--max-age %s: milliseconds, or a number with ms, s, m or h, from 1ms to 24h",
		argument);
}

int kvctl_read_option(struct kvctl *kvctl, struct kvctl_read *read, enum kvctl_read_option option,
		      const char *argument)
{
	static const char *const consistencies[] = {"linearizable", "stale", NULL};
	static const char *const preferences[] = {"leader", "follower", NULL};
	int chosen = 0, exit_code = EXIT_OK;
	switch (option) {
	case KVCTL_READ_CONSISTENCY:
		exit_code = word(kvctl, "--consistency", argument, consistencies, &chosen);
		read->options.consistency = chosen == 1 ? SYNOD_STALE : SYNOD_LINEARIZABLE;
		break;
	case KVCTL_READ_PREFER:
		exit_code = word(kvctl, "--prefer", argument, preferences, &chosen);
		read->options.prefer = chosen == 1 ? SYNOD_PREFER_FOLLOWER : SYNOD_PREFER_LEADER;
		break;
	case KVCTL_READ_MAX_AGE:
		exit_code = max_age(kvctl, argument, &read->options.max_age_ms);
		break;
	}
	read->given = true;
	return exit_code;
}

int kvctl_read_check(struct kvctl *kvctl, struct kvctl_read *read)
{
	read->options.size = sizeof read->options;
	read->options.timeout_ms = kvctl->timeout_ms;
	if (read->options.max_age_ms != 0 && read->options.consistency != SYNOD_STALE)
		return kvctl_usage(kvctl, "--max-age goes with --consistency stale: a linearizable "
					  "answer is never old");
	if (read->given && kvctl->primary)
		return kvctl_usage(kvctl, "the primary answers by itself: --consistency, --prefer "
					  "and --max-age are for replicas");
	return EXIT_OK;
}

void kvctl_read_seen(struct kvctl_read *read, const struct synod_reply *reply)
{
	if (!reply->stale)
		return;
	read->seen = true;
	read->unknown |= !reply->age_known;
	if (reply->age_ms > read->age_ms)
		read->age_ms = reply->age_ms;
}

void kvctl_read_tell(const struct kvctl *kvctl, const struct kvctl_read *read)
{
	if (!read->seen || kvctl->json)
		return;
	/* What was read comes first, where both go to one terminal. */
	fflush(stdout);
	if (read->unknown)
		fprintf(stderr, "age: unknown (the replica has not heard of a confirmed leader "
				"since it started)\n");
	else
		fprintf(stderr, "age: at most %" PRIu64 " ms\n", read->age_ms);
}

/* null: unknown. */
static json_t *age(const struct kvctl_read *read)
{
	return read->unknown ? json_null() : kvctl_json_u64(read->age_ms);
}

void kvctl_read_json_age(json_t *object, const struct kvctl_read *read)
{
	if (read->seen)
		json_object_set_new(object, "age_ms", age(read));
}

void kvctl_read_json(json_t *object, const struct synod_reply *reply)
{
	struct kvctl_read one = {0};
	kvctl_read_seen(&one, reply);
	if (!one.seen)
		return;
	kvctl_read_json_age(object, &one);
	json_object_set_new(object, "slot",
			    reply->slot != 0 ? kvctl_json_u64(reply->slot) : json_null());
}

void kvctl_read_json_all(const struct kvctl_read *read)
{
	if (!read->seen)
		return;
	fputs(",\"age_ms\":", stdout);
	if (read->unknown)
		fputs("null", stdout);
	else
		printf("%" PRIu64, read->age_ms);
}
