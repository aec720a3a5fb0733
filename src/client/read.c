/* Reads that say who may answer them, and how old the answer may be: the calls of synod.h, and what a request notes of it. */
#include "client/handle.h"
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
	if ((unsigned)read.consistency > SYNOD_STALE || (unsigned)read.prefer > SYNOD_PREFER_FOLLOWER ||
	    (!stale && read.max_age_ms != 0))
		return STATUS_BAD_REQUEST;
	request->timeout_ms = read.timeout_ms;
	request->reads = stale || read.prefer == SYNOD_PREFER_FOLLOWER;
	request->read = (struct caller_read){
		.stale = stale, .prefer = (enum caller_prefer)read.prefer, .age_us_max = read.max_age_ms * 1000ull};
	return 0;
}

_Static_assert((int)SYNOD_PREFER_DEFAULT == CALLER_PREFER_DEFAULT && (int)SYNOD_PREFER_FOLLOWER == CALLER_PREFER_FOLLOWER,
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

void client_age_tell(const struct client_request *request, uint64_t now_us, struct synod_reply *reply)
{
	const struct client_age *sum = &request->age;
	if (!request->reads || !request->read.stale || sum->count == 0)
		return;
	reply->stale = true;
	reply->age_known = !sum->unknown;
	reply->age_ms = sum->unknown ? 0 : (client_age_us(sum, now_us) + 999) / 1000;
	reply->slot = sum->slot;
}

/* ---- the calls ---- */

/* Of a request that has been made, or of none: its status. */
static int read_made(int made, struct client_request **request, const struct synod_read_options *options)
{
	if (made != 0)
		return made;
	int status = client_request_reading(*request, options);
	if (status != 0) {
		client_request_free(*request);
		*request = NULL;
	}
	return status;
}

static int make_get(struct client_request **request, const void *key, size_t key_len, const struct synod_read_options *options)
{
	struct synod_op op = {.kind = SYNOD_OP_GET, .key = {.data = key, .len = key_len}};
	return read_made(client_request_op(request, &op), request, options);
}

/* The options' time-out is the request's. */
static uint32_t timeout_of(const struct client_request *request)
{
	return request != NULL ? request->timeout_ms : 0;
}

int synod_get_with_async(struct synod *s, const void *key, size_t key_len, const struct synod_read_options *options,
			 synod_callback done, void *context)
{
	struct client_request *request = NULL;
	int made = make_get(&request, key, key_len, options);
	return handle_submit_async(s, made, request, timeout_of(request), done, context);
}

struct synod_reply *synod_get_with(struct synod *s, const void *key, size_t key_len, const struct synod_read_options *options)
{
	struct client_request *request = NULL;
	int made = make_get(&request, key, key_len, options);
	return handle_run(s, made, request, timeout_of(request), NULL);
}

int synod_scan_with_async(struct synod *s, const struct synod_scan *scan, const struct synod_read_options *options,
			  synod_callback done, void *context)
{
	struct client_request *request = NULL;
	int made = read_made(client_request_scan(&request, scan), &request, options);
	return handle_submit_async(s, made, request, timeout_of(request), done, context);
}

struct synod_reply *synod_scan_with(struct synod *s, const struct synod_scan *scan, const struct synod_read_options *options)
{
	struct client_request *request = NULL;
	int made = read_made(client_request_scan(&request, scan), &request, options);
	return handle_run(s, made, request, timeout_of(request), NULL);
}

struct synod_reply *synod_log_read_with(struct synod *s, uint64_t from, uint32_t limit, const struct synod_read_options *options)
{
	struct client_request *request = NULL;
	int made = read_made(client_request_log_read(&request, false, from, limit), &request, options);
	return handle_run(s, made, request, timeout_of(request), NULL);
}
