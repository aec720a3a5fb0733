/*
 * Scans: a range of keys in key order, over all groups.
 *
 * Keys are spread over the groups by hash, so every group that serves a shard is asked for its part
 * of the range, page by page, and the pages are merged. A key is passed on only while every group
 * that may still have smaller ones has a page at hand. All pages of a round are of one
 * configuration: a group that has another one answers WRONG_GROUP, and the scan goes on behind the
 * last key it has collected, under a newer one. So a scan misses and repeats no key that stays; it
 * is no snapshot: a write during the scan may or may not be seen.
 *
 * A reverse scan is the same from the end of the range: keys descend, and it goes on before the
 * last key collected.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "client/internal.h"
#include "wire/method.h"
#include "wire/wire.h"

/* A reply ends after the record that passes this. */
#define REPLY_BYTES_MAX (8u * MIB)

/* One group's part. */
struct cursor {
	struct client_request *request;
	struct client_group *group;
	struct caller_call *call;
	struct bytes *page; /* the records point into it */
	struct arena arena;
	struct wire_kv_query_reply reply;
	uint32_t position; /* next record */
	bool more;         /* behind this page, from reply.resume */
};

/* A collected record; its bytes are in `data`, which moves while it grows. */
struct collected {
	size_t key, key_len, value, value_len;
	uint64_t version, modification;
};

struct client_scan {
	uint64_t config;
	uint32_t ncursors;
	struct cursor *cursors;
	struct buffer data;
	struct collected *records;
	uint32_t nrecords;
	uint64_t count; /* count_only */
};

static void page_done(void *context, int status, struct slice payload);

static void drop_cursors(struct client_scan *scan)
{
	for (uint32_t i = 0; i < scan->ncursors; i++) {
		struct cursor *cursor = &scan->cursors[i];
		if (cursor->call != NULL)
			caller_cancel(cursor->call);
		bytes_unref(cursor->page);
		arena_free(&cursor->arena);
	}
	free(scan->cursors);
	scan->cursors = NULL;
	scan->ncursors = 0;
}

static void take_back(struct client_request *request)
{
	drop_cursors(request->scanning);
	/* Counts of different configurations do not add up. */
	request->scanning->count = 0;
}

bool client_scan_recall(struct client_request *request)
{
	if (request->scanning == NULL || request->wait != WAIT_NOTHING)
		return false;
	take_back(request);
	return true;
}

void client_scan_free(struct client_request *request)
{
	struct client_scan *scan = request->scanning;
	if (scan == NULL)
		return;
	request->scanning = NULL;
	drop_cursors(scan);
	buffer_free(&scan->data);
	free(scan->records);
	free(scan);
}

/*
 * Where to go on, in `storage` if it has to be made: the smallest key behind the last one
 * collected, to start with; of a reverse scan that key itself, to end before.
 */
static struct slice resume_key(const struct client_request *request, struct buffer *storage)
{
	const struct client_scan *scan = request->scanning;
	const struct synod_bytes *whole = request->scan.reverse ? &request->scan.end
								: &request->scan.start;
	if (scan->nrecords == 0)
		return slice(whole->data, whole->len);
	const struct collected *last = &scan->records[scan->nrecords - 1];
	buffer_add(storage, scan->data.data + last->key, last->key_len);
	if (!request->scan.reverse)
		buffer_add_u8(storage, 0);
	return buffer_slice(storage);
}

static void fetch_page(struct cursor *cursor, struct slice resume)
{
	struct client_request *request = cursor->request;
	bool reverse = request->scan.reverse;
	const struct client_scan *scan = request->scanning;
	/*
	 * Each group is likely to hold its share; what is missing then is fetched with another
	 * page.
	 */
	uint32_t missing = request->scan.limit - scan->nrecords;
	uint32_t share = scan->ncursors == 1 ? missing : 2 * missing / scan->ncursors + 16;
	struct wire_kv_query query = {
		.has_scan = true,
		.scan =
			{
				.start = reverse ? slice(request->scan.start.data,
							 request->scan.start.len)
						 : resume,
				.end = reverse ? resume
					       : slice(request->scan.end.data,
						       request->scan.end.len),
				.limit = request->scan.count_only ? 0
					 : share < missing        ? share
								  : missing,
				.keys_only = request->scan.keys_only,
				.count_only = request->scan.count_only,
				.reverse = reverse,
				.config = scan->config,
			},
	};
	struct buffer payload = {0};
	wire_kv_query_encode(&query, &payload);
	if (request->reads)
		cursor->call = caller_start_read(cursor->group->caller, METHOD_QUERY,
						 buffer_slice(&payload), request->deadline_us,
						 &request->read, page_done, cursor);
	else
		cursor->call = caller_start(cursor->group->caller, METHOD_QUERY,
					    buffer_slice(&payload), request->deadline_us, page_done,
					    cursor);
	buffer_free(&payload);
}

/* One cursor for each group that serves a shard. False: some shard is not served. */
static bool make_cursors(struct client_request *request, const struct shard_config *config)
{
	struct client_scan *scan = request->scanning;
	if (config->ngroups == 0)
		return false;
	scan->cursors = alloc_zeroed(config->ngroups, sizeof *scan->cursors);
	for (uint32_t i = 0; i < config->ngroups; i++) {
		if (shard_config_count(config, config->groups[i]->gid) == 0)
			continue;
		struct cursor *cursor = &scan->cursors[scan->ncursors++];
		cursor->request = request;
		cursor->group = map_get(&request->client->groups_by_gid, config->groups[i]->gid);
		ASSERT(cursor->group != NULL);
		arena_init_fallible(&cursor->arena, ARENA_BYTES_MAX);
	}
	return true;
}

void client_scan_step(struct client_request *request)
{
	struct shard_config *config = client_config(request->client);
	if (config == NULL || config->number < request->config_wanted) {
		client_wait_config(request);
		return;
	}
	if (request->scanning == NULL)
		request->scanning = ALLOC(struct client_scan);
	struct client_scan *scan = request->scanning;
	ASSERT(scan->ncursors == 0);
	scan->config = config->number;
	if (!make_cursors(request, config)) {
		request->config_wanted = config->number + 1;
		client_wait_config(request);
		return;
	}
	struct buffer storage = {0};
	struct slice resume = resume_key(request, &storage);
	for (uint32_t i = 0; i < scan->ncursors; i++)
		fetch_page(&scan->cursors[i], resume);
	buffer_free(&storage);
}

/*
 * Room for one more record; false: no memory. What a scan collects may be more than is kept in
 * reserve.
 */
static bool make_room(struct client_scan *scan, size_t len)
{
	if ((scan->nrecords & (scan->nrecords - 1)) == 0) {
		size_t capacity = scan->nrecords == 0 ? 1 : 2 * (size_t)scan->nrecords;
		struct collected *records = alloc_try_resize(scan->records,
							     capacity * sizeof *records);
		if (records == NULL)
			return false;
		scan->records = records;
	}
	if (len <= scan->data.capacity - scan->data.len)
		return true;
	return buffer_try_reserve(&scan->data,
				  len > scan->data.capacity ? len : scan->data.capacity);
}

/* False: no memory. */
static bool collect(struct client_scan *scan, const struct wire_kv_record *record)
{
	if (!make_room(scan, record->key.len + record->value.len + 2))
		return false;
	struct collected *out = &scan->records[scan->nrecords++];
	*out = (struct collected){
		.key = scan->data.len,
		.key_len = record->key.len,
		.value = scan->data.len + record->key.len + 1,
		.value_len = record->value.len,
		.version = record->version,
		.modification = record->modification,
	};
	buffer_add_slice(&scan->data, record->key);
	buffer_add_u8(&scan->data, 0);
	buffer_add_slice(&scan->data, record->value);
	buffer_add_u8(&scan->data, 0);
	return true;
}

static void finish(struct client_request *request, bool more)
{
	uint64_t now_us = node_clock_us(&request->client->node),
		 age_us = client_age_us(&request->age, now_us);
	uint64_t age_us_max = request->read.age_us_max;
	if (request->reads && age_us_max != 0 && age_us > age_us_max) {
		/*
		 * Its pages were young enough when they came, and the first had to wait for the
		 * others.
		 */
		client_finish_text(request, STATUS_UNAVAILABLE,
				   "the scan took longer than what it returns may be old (%" PRIu64
				   " ms, of %" PRIu64 " ms): ask for fewer records at a time",
				   age_us / 1000, age_us_max / 1000);
		return;
	}
	struct client_scan *scan = request->scanning;
	struct synod_record *records = alloc_zeroed(scan->nrecords + 1, sizeof *records);
	const char *data = (const char *)scan->data.data;
	for (uint32_t i = 0; i < scan->nrecords; i++) {
		const struct collected *from = &scan->records[i];
		records[i] = (struct synod_record){
			.key = {.data = data + from->key, .len = from->key_len},
			.value = {.data = data + from->value, .len = from->value_len},
			.version = from->version,
			.modification = from->modification,
		};
	}
	struct buffer storage = {0};
	struct synod_reply reply = {
		.message = "",
		.nrecords = scan->nrecords,
		.records = records,
		.more = more,
		.version = scan->count,
		.resume = {.data = ""},
	};
	if (more) {
		struct slice resume = resume_key(request, &storage);
		buffer_add_u8(&storage, 0);
		reply.resume = (struct synod_bytes){.data = (const char *)storage.data,
						    .len = resume.len};
	}
	client_age_tell(request, now_us, &reply);
	if (scan->ncursors > 1)
		reply.slot = 0;
	client_finish_reply(request, &reply, slice(NULL, 0));
	buffer_free(&storage);
	free(records);
}

static bool exhausted(const struct cursor *cursor)
{
	return cursor->position == cursor->reply.nrecords && !cursor->more;
}

/* Negative: a comes before b in this scan. */
static int scan_order(const struct client_request *request, struct slice a, struct slice b)
{
	return request->scan.reverse ? slice_compare(b, a) : slice_compare(a, b);
}

/* The cursor with the first key at hand; NULL when all are exhausted. */
static struct cursor *first_cursor(struct client_scan *scan)
{
	struct cursor *best = NULL;
	for (uint32_t i = 0; i < scan->ncursors; i++) {
		struct cursor *cursor = &scan->cursors[i];
		if (exhausted(cursor))
			continue;
		ASSERT(cursor->position < cursor->reply.nrecords);
		if (best == NULL ||
		    scan_order(cursor->request, cursor->reply.records[cursor->position].key,
			       best->reply.records[best->position].key) < 0)
			best = cursor;
	}
	return best;
}

/* Fetches what is missing for going on; true if something is, and the scan has to wait. */
static bool fetch_missing(struct client_scan *scan)
{
	bool missing = false;
	for (uint32_t i = 0; i < scan->ncursors; i++) {
		struct cursor *cursor = &scan->cursors[i];
		if (cursor->call == NULL && cursor->position == cursor->reply.nrecords &&
		    cursor->more)
			fetch_page(cursor, cursor->reply.resume);
		missing |= cursor->call != NULL;
	}
	return missing;
}

static bool anything_left(const struct client_scan *scan)
{
	for (uint32_t i = 0; i < scan->ncursors; i++)
		if (!exhausted(&scan->cursors[i]))
			return true;
	return false;
}

static void go_on(struct client_request *request)
{
	struct client_scan *scan = request->scanning;
	while (scan->nrecords < request->scan.limit && scan->data.len < REPLY_BYTES_MAX) {
		if (fetch_missing(scan))
			return;
		struct cursor *cursor = first_cursor(scan);
		if (cursor == NULL)
			break;
		if (!collect(scan, &cursor->reply.records[cursor->position++])) {
			client_finish_text(request, STATUS_NO_MEMORY,
					   "no memory for the records of a scan");
			return;
		}
	}
	finish(request, anything_left(scan));
}

/*
 * Does what a page promises to be more lie behind its last key? That of a reverse scan ends before
 * it.
 */
static bool moves_on(const struct client_request *request, struct slice last, struct slice resume)
{
	int order = slice_compare(last, resume);
	return request->scan.reverse ? order >= 0 && resume.len > 0 : order < 0;
}

/*
 * Takes a page. Its keys are in the scan's order, and a page that promises more moves on: a scan
 * ends.
 */
static int take_page(struct cursor *cursor, struct slice payload)
{
	struct bytes *page = bytes_try_copy(payload);
	struct wire_kv_query_reply reply;
	if (page == NULL)
		return STATUS_NO_MEMORY;
	bytes_unref(cursor->page);
	cursor->page = page;
	arena_reset(&cursor->arena);
	int status = wire_kv_query_reply_decode(bytes_slice(page), &cursor->arena, &reply);
	if (status != 0)
		return cursor->arena.failed ? STATUS_NO_MEMORY : status;
	for (uint32_t i = 1; i < reply.nrecords; i++)
		if (scan_order(cursor->request, reply.records[i - 1].key, reply.records[i].key) >=
		    0)
			return STATUS_BAD_REQUEST;
	if (reply.more && reply.nrecords > 0 &&
	    !moves_on(cursor->request, reply.records[reply.nrecords - 1].key, reply.resume))
		return STATUS_BAD_REQUEST;
	cursor->reply = reply;
	cursor->position = 0;
	cursor->more = reply.more;
	return 0;
}

static void wrong_group(struct client_request *request, struct slice payload)
{
	struct client *client = request->client;
	struct synod_reply reply = {0};
	arena_reset(&client->arena);
	uint64_t number = client_reply_decode_error(&reply, STATUS_WRONG_GROUP, payload,
						    &client->arena);
	take_back(request);
	if (number > client_config(client)->number) {
		request->config_wanted = number;
		client_wait_config(request);
		return;
	}
	client_directory_refresh(client);
	client_route_pause(request);
}

static void page_done(void *context, int status, struct slice payload)
{
	struct cursor *cursor = context;
	struct client_request *request = cursor->request;
	if (request->reads && status == 0)
		client_age_add(&request->age, caller_answer_age(cursor->call),
			       node_clock_us(&request->client->node));
	cursor->call = NULL;
	if (status == STATUS_WRONG_GROUP) {
		wrong_group(request, payload);
		return;
	}
	int taken = status == 0 ? take_page(cursor, payload) : 0;
	if (taken == STATUS_NO_MEMORY) {
		client_finish_text(request, taken, "no memory for a page of a scan");
		return;
	}
	if (taken != 0) {
		client_finish_text(request, STATUS_INTERNAL,
				   "group %" PRIu64 " sent a malformed page", cursor->group->gid);
		return;
	}
	if (status != 0) {
		client_note_unanswered(request, status);
		client_finish(request, status, payload);
		return;
	}
	request->scanning->count += cursor->reply.count;
	go_on(request);
}
