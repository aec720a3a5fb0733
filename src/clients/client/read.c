/* Reads that say who may answer them, and how old the answer may be. */
#include "client/internal.h"

int client_request_reading(struct client_request *request, const struct synod_read_options *options)
{
	struct synod_read_options read = {0};
	size_t size = sizeof read;
	if (options == NULL)
		return 0;
	/* A program that was compiled with a shorter one says nothing of what has come since. */
	if (options->size != 0 && options->size < size)
		size = options->size;
	memcpy(&read, options, size);
	bool stale = read.consistency == SYNOD_STALE;
	if ((unsigned)read.consistency > SYNOD_STALE ||
	    (unsigned)read.prefer > SYNOD_PREFER_FOLLOWER || (!stale && read.max_age_ms != 0))
		return STATUS_BAD_REQUEST;
	request->timeout_ms = read.timeout_ms;
	request->reads = stale || read.prefer == SYNOD_PREFER_FOLLOWER;
	request->read = (struct caller_read){.stale = stale,
					     .prefer = (enum caller_prefer)read.prefer,
					     .age_us_max = read.max_age_ms * 1000ull};
	return 0;
}

_Static_assert((int)SYNOD_PREFER_DEFAULT == CALLER_PREFER_DEFAULT &&
		       (int)SYNOD_PREFER_FOLLOWER == CALLER_PREFER_FOLLOWER,
	       "same numbers");

void client_age_add(struct client_age *sum, const struct caller_age *age, uint64_t now_us)
{
	uint64_t since_us = age->us < now_us ? now_us - age->us : 0;
	if (sum->count == 0 || since_us < sum->since_us)
		sum->since_us = since_us;
	sum->unknown |= !age->known;
	sum->slot = age->slot;
	sum->heard_us = now_us;
	sum->count++;
}

uint64_t client_age_us(const struct client_age *sum, uint64_t now_us)
{
	return now_us > sum->since_us ? now_us - sum->since_us : 0;
}

void client_age_tell(const struct client_request *request, uint64_t now_us,
		     struct synod_reply *reply)
{
	const struct client_age *sum = &request->age;
	if (!request->reads || !request->read.stale || sum->count == 0)
		return;
	reply->stale = true;
	reply->age_known = !sum->unknown;
	reply->age_ms = sum->unknown ? 0 : (client_age_us(sum, now_us) + 999) / 1000;
	reply->slot = sum->slot;
}
