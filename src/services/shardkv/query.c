/* Reads outside the log: keys, and pages of a scan over all shards of the group in key order. */
#include "shardkv/internal.h"

#include "base/alloc.h"

static void query_keys(struct shardkv_app *a, const struct wire_kv_query *query,
		       struct arena *arena, struct reply *reply)
{
	struct wire_kv_query_reply out = {.nresults = query->nkeys};
	size_t bytes = 0;
	out.results = arena_get(arena, query->nkeys * sizeof out.results[0]);
	for (uint32_t i = 0; i < query->nkeys; i++) {
		struct store_record record;
		uint32_t shard;
		if (ownership_check_key(a, query->keys[i], &shard, reply) != 0)
			return;
		if (!a->store->ops->get(a->store, shard, query->keys[i], &record)) {
			out.results[i] = (struct wire_kv_result){.status = STATUS_NOT_FOUND};
			continue;
		}
		out.results[i] = (struct wire_kv_result){.value = record.value,
							 .version = record.version,
							 .modification = record.modification};
		bytes += record.value.len;
		if (bytes > KV_RESULT_BYTES_MAX) {
			shardkv_refuse(
				reply, STATUS_TOO_LARGE, 0,
				"the values together exceed %u bytes, ask for fewer keys at a time",
				KV_RESULT_BYTES_MAX);
			return;
		}
	}
	a->counters.key_reads += query->nkeys;
	reply->work = query->nkeys * KEY_WORK;
	wire_kv_query_reply_encode(&out, reply->body);
}

/*
 * The merge: a binary heap of one source a shard, on top the one whose key comes next: the
 * smallest, or, backwards, the largest. Keys of different shards are never equal.
 */
struct merge {
	struct shardkv_app *a;
	struct scan_source *heap; /* from 0; children of i: 2i + 1, 2i + 2 */
	uint32_t count;
	struct slice start, end;
	bool back;
};

static bool comes_before(const struct merge *m, const struct scan_source *a,
			 const struct scan_source *b)
{
	int order = slice_compare(a->record.key, b->record.key);
	return m->back ? order > 0 : order < 0;
}

static void sift_down(struct merge *m, uint32_t i)
{
	struct scan_source moving = m->heap[i];
	for (;;) {
		uint32_t child = 2 * i + 1;
		if (child >= m->count)
			break;
		if (child + 1 < m->count && comes_before(m, &m->heap[child + 1], &m->heap[child]))
			child++;
		if (!comes_before(m, &m->heap[child], &moving))
			break;
		m->heap[i] = m->heap[child];
		i = child;
	}
	m->heap[i] = moving;
}

/*
 * Fetches the next record of a source; false, and the iterator ended, when the range is exhausted.
 */
static bool source_next(struct merge *m, struct scan_source *source)
{
	struct store *store = m->a->store;
	if (store->ops->next(source->iterator, &source->record) &&
	    (m->back ? slice_compare(source->record.key, m->start) >= 0
		     : m->end.len == 0 || slice_compare(source->record.key, m->end) < 0))
		return true;
	store->ops->iterate_end(source->iterator);
	return false;
}

static void merge_begin(struct merge *m)
{
	struct shardkv_app *a = m->a;
	if (a->sources == NULL)
		a->sources = alloc_zeroed(a->nshards, sizeof a->sources[0]);
	m->heap = a->sources;
	for (uint32_t shard = 0; shard < a->nshards; shard++) {
		if (!shard_usable(&a->shards[shard]) ||
		    a->store->ops->space_count(a->store, shard) == 0)
			continue;
		struct scan_source *source = &m->heap[m->count];
		source->iterator = m->back ? a->store->ops->iterate_back(a->store, NULL, shard,
									 m->end)
					   : a->store->ops->iterate(a->store, NULL, shard,
								    m->start);
		m->count += source_next(m, source);
	}
	for (uint32_t i = m->count / 2; i-- > 0;)
		sift_down(m, i);
}

static void merge_advance(struct merge *m)
{
	if (!source_next(m, &m->heap[0]))
		m->heap[0] = m->heap[--m->count];
	if (m->count > 0)
		sift_down(m, 0);
}

static void merge_end(struct merge *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		m->a->store->ops->iterate_end(m->heap[i].iterator);
}

static void scan_page(struct shardkv_app *a, const struct wire_kv_scan *scan, uint32_t limit,
		      struct arena *arena, struct wire_kv_query_reply *out, struct merge *m)
{
	size_t bytes = 0;
	struct slice last = {0};
	uint32_t room = a->keys < limit ? (uint32_t)a->keys : limit;
	if (!scan->count_only)
		out->records = arena_get(arena, room * sizeof out->records[0]);
	for (; m->count > 0; merge_advance(m)) {
		const struct store_record *r = &m->heap[0].record;
		if (out->count == limit || bytes >= SCAN_BYTES_MAX) {
			out->more = true;
			out->resume = m->back ? last : r->key;
			return;
		}
		out->count++;
		last = r->key;
		if (scan->count_only)
			continue;
		ASSERT(out->nrecords < room);
		out->records[out->nrecords++] = (struct wire_kv_record){
			.key = r->key,
			.value = scan->keys_only ? slice(NULL, 0) : r->value,
			.version = r->version,
			.modification = r->modification,
		};
		bytes += r->key.len + (scan->keys_only ? 0 : r->value.len);
	}
}

static uint64_t count_usable(struct shardkv_app *a)
{
	uint64_t count = 0;
	for (uint32_t shard = 0; shard < a->nshards; shard++) {
		if (shard_usable(&a->shards[shard]))
			count += a->store->ops->space_count(a->store, shard);
	}
	return count;
}

static void query_scan(struct shardkv_app *a, const struct wire_kv_scan *scan, struct arena *arena,
		       struct reply *reply)
{
	if (ownership_check_scan(a, scan->config, reply) != 0)
		return;
	struct wire_kv_query_reply out = {0};
	struct merge m = {.a = a, .start = scan->start, .end = scan->end, .back = scan->reverse};
	if (scan->count_only && scan->start.len == 0 && scan->end.len == 0 && scan->limit == 0) {
		out.count = count_usable(a);
	} else {
		merge_begin(&m);
		reply->work = m.count * KEY_WORK;
		uint32_t limit = scan->limit == 0 || scan->limit > SCAN_LIMIT_MAX ? SCAN_LIMIT_MAX
										  : scan->limit;
		scan_page(a, scan, limit, arena, &out, &m);
		reply->work += out.count * KEY_WORK;
	}
	a->counters.scan_pages++;
	a->counters.scan_keys += out.count;
	wire_kv_query_reply_encode(&out, reply->body);
	merge_end(&m);
}

void query_execute(struct shardkv_app *a, const struct wire_kv_query *query, struct arena *arena,
		   struct reply *reply)
{
	if (query->has_scan == (query->nkeys > 0))
		shardkv_refuse(reply, STATUS_BAD_REQUEST, 0, "a query is for keys or for a scan");
	else if (query->has_scan)
		query_scan(a, &query->scan, arena, reply);
	else
		query_keys(a, query, arena, reply);
}
