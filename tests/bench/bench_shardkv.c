/*
 * Speed of the key-value app alone: bench_shardkv [KEYS [VALUE_BYTES]].
 *
 * Encoded commands through apply() and queries through query(), as the replicated state machine
 * calls them: what one core can do at most, before log and network. Rates are of processor time, so
 * that a busy machine measures the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "shardkv/app.h"
#include "store/memory.h"

#define SHARDS 256u

struct bench {
	struct app *app;
	struct arena arena;
	struct buffer command;
	struct buffer body;
	uint64_t slot;
	uint64_t keys;
};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void apply(struct bench *b, const struct wire_kv_command *command)
{
	struct reply reply = {.body = &b->body};
	static const struct group_settings settings = {.value_bytes_max = VALUE_BYTES_MAX};
	struct apply_context context = {
		.slot = ++b->slot, .settings = &settings, .arena = &b->arena};
	buffer_clear(&b->command);
	buffer_clear(&b->body);
	wire_kv_command_encode(command, &b->command);
	arena_reset(&b->arena);
	b->app->ops->apply(b->app, &context, buffer_slice(&b->command), &reply);
	if (reply.status != 0) {
		fprintf(stderr, "refused: %s\n", status_text(reply.status));
		exit(1);
	}
}

static void query(struct bench *b, const struct wire_kv_query *q)
{
	struct reply reply = {.body = &b->body};
	buffer_clear(&b->command);
	buffer_clear(&b->body);
	wire_kv_query_encode(q, &b->command);
	arena_reset(&b->arena);
	b->app->ops->query(b->app, buffer_slice(&b->command), &b->arena, &reply);
	if (reply.status != 0)
		exit(1);
}

static void own_everything(struct bench *b)
{
	static uint64_t gids[SHARDS];
	static uint32_t shards[SHARDS];
	struct wire_group group = {
		.gid = 1, .nmembers = 1, .members = {slice_string("127.0.0.1:7000")}};
	struct wire_config config = {
		.number = 1, .nshards = SHARDS, .shards = gids, .ngroups = 1, .groups = &group};
	struct buffer encoded = {0};
	for (uint32_t i = 0; i < SHARDS; i++) {
		gids[i] = 1;
		shards[i] = i;
	}
	wire_config_encode(&config, &encoded);
	struct wire_kv_command command = {
		.has_internal = true,
		.internal = {.config = buffer_slice(&encoded),
			     .ngranted = SHARDS,
			     .granted = shards},
	};
	apply(b, &command);
	buffer_free(&encoded);
}

static struct slice key_of(const struct bench *b, uint64_t n, char out[16])
{
	memcpy(out, "key:", 4);
	for (uint64_t i = 16, rest = (n * 2654435761u + 12345) % b->keys; i-- > 4; rest /= 10)
		out[i] = (char)('0' + rest % 10);
	return slice(out, 16);
}

static void report(const char *name, uint64_t count, uint64_t start)
{
	printf("%-24s %9.0f a second\n", name, (double)count * 1e9 / (double)(now_ns() - start));
}

static void measure_op(struct bench *b, const char *name, struct wire_kv_op op)
{
	char text[16];
	struct wire_kv_command command = {.nthen = 1, .then = &op};
	uint64_t start = now_ns();
	for (uint64_t n = 0; n < b->keys; n++) {
		op.key = key_of(b, n, text);
		apply(b, &command);
	}
	report(name, b->keys, start);
}

static void measure_gets(struct bench *b)
{
	char text[16];
	struct slice key;
	struct wire_kv_query q = {.nkeys = 1, .keys = &key};
	uint64_t start = now_ns();
	for (uint64_t n = 0; n < b->keys; n++) {
		key = key_of(b, n, text);
		query(b, &q);
	}
	report("get (query)", b->keys, start);
}

static void measure_scan(struct bench *b)
{
	struct arena decode;
	struct wire_kv_query_reply page = {0};
	struct wire_kv_query q = {.has_scan = true, .scan = {.limit = 1000}};
	uint8_t resume[KEY_BYTES_MAX];
	uint64_t keys = 0;
	uint64_t start = now_ns();
	arena_init(&decode, ARENA_BYTES_MAX);
	do {
		query(b, &q);
		arena_reset(&decode);
		if (wire_kv_query_reply_decode(buffer_slice(&b->body), &decode, &page) != 0)
			exit(1);
		keys += page.count;
		memcpy(resume, page.resume.data == NULL ? resume : page.resume.data,
		       page.resume.len);
		q.scan.start = slice(resume, page.resume.len);
	} while (page.more);
	report("scan, keys", keys, start);
	arena_free(&decode);
}

static void measure_snapshot(struct bench *b)
{
	uint64_t start = now_ns();
	struct app_snapshot *image = b->app->ops->snapshot_begin(b->app);
	printf("%-24s %9.1f us\n", "snapshot, begin", (double)(now_ns() - start) / 1e3);
	uint64_t bytes = 0;
	int more;
	start = now_ns();
	do {
		buffer_clear(&b->body);
		more = b->app->ops->snapshot_next(image, SNAPSHOT_CHUNK_BYTES, &b->body);
		bytes += b->body.len;
	} while (more != 0);
	b->app->ops->snapshot_end(image);
	report("snapshot, bytes", bytes, start);
}

/* In the steps of the replicated state machine (rsm/state_hash.c). */
static void measure_audit(struct bench *b)
{
	uint64_t begin = now_ns(), longest = 0, steps = 0, more;
	struct app_audit *audit = b->app->ops->audit_begin(b->app);
	printf("%-24s %9.1f us\n", "audit, begin", (double)(now_ns() - begin) / 1e3);
	begin = now_ns();
	do {
		uint64_t start = now_ns();
		more = (uint64_t)b->app->ops->audit_next(audit, 256u * KIB);
		uint64_t length = now_ns() - start;
		longest = length > longest ? length : longest;
		steps++;
	} while (more != 0);
	report("audit, keys", b->keys, begin);
	printf("%-24s %9.1f us, on average %.1f us\n", "audit, longest step", (double)longest / 1e3,
	       (double)(now_ns() - begin) / 1e3 / (double)steps);
	if (!b->app->ops->audit_parts(audit).sound)
		exit(1);
	b->app->ops->audit_end(audit);
}

int main(int argc, char **argv)
{
	struct bench b = {.keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000};
	size_t value_bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 256;
	struct shardkv_app_options options = {
		.store = store_memory_create(SHARDS),
		.gid = 1,
		.nshards = SHARDS,
		.key_bytes_max = KEY_BYTES_MAX,
		.value_bytes_max = VALUE_BYTES_MAX,
	};
	b.app = shardkv_app_create(&options);
	arena_init(&b.arena, ARENA_BYTES_MAX);
	uint8_t *value = calloc(1, value_bytes + 1);
	own_everything(&b);
	measure_op(&b, "put (new)",
		   (struct wire_kv_op){.kind = WIRE_KV_PUT, .value = slice(value, value_bytes)});
	measure_op(&b, "put (overwrite)",
		   (struct wire_kv_op){.kind = WIRE_KV_PUT, .value = slice(value, value_bytes)});
	measure_op(&b, "append",
		   (struct wire_kv_op){.kind = WIRE_KV_APPEND, .value = slice_string("12345678")});
	measure_op(&b, "get (command)", (struct wire_kv_op){.kind = WIRE_KV_GET});
	measure_gets(&b);
	measure_scan(&b);
	measure_snapshot(&b);
	measure_audit(&b);
	measure_op(&b, "delete", (struct wire_kv_op){.kind = WIRE_KV_DELETE});
	b.app->ops->destroy(b.app);
	arena_free(&b.arena);
	buffer_free(&b.command);
	buffer_free(&b.body);
	free(value);
	return 0;
}
