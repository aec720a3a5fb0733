/*
 * libFuzzer: the key-value app (fuzz_app.h): few keys, small limits, so that operations meet each
 * other and the limits.
 */
#include "fuzz_app.h"
#include "shardkv/app.h"
#include "store/memory.h"

#define SHARDS 8u
#define GID 1u
#define OPS_MAX 6u

static struct app *create(void)
{
	return shardkv_app_create(
		&(struct shardkv_app_options){.store = store_memory_create(SHARDS),
					      .gid = GID,
					      .nshards = SHARDS,
					      .key_bytes_max = 16,
					      .value_bytes_max = 200});
}

/* The texts live in `in`, or are static: nothing is copied. */
static struct slice take_key(struct slice *in)
{
	static const char *const keys[] = {
		"a", "b", "{a}1", "{a}2", "c", "0123456789abcdef", "0123456789abcdefg", ""};
	return slice_string(keys[input_u8(in) % 8]);
}

static struct slice take_value(struct slice *in)
{
	static const char *const values[] = {"", "0", "-1", "9223372036854775807", "x"};
	uint8_t which = input_u8(in);
	return which < 5 ? slice_string(values[which]) : input_bytes(in, which - 5u);
}

static uint32_t take_ops(struct slice *in, struct wire_kv_op *ops)
{
	uint32_t count = input_u8(in) % (OPS_MAX + 1);
	for (uint32_t i = 0; i < count; i++) {
		ops[i] = (struct wire_kv_op){
			.kind = (enum wire_kv_kind)(WIRE_KV_GET + input_u8(in) % WIRE_KV_INCR)};
		ops[i].absent = input_u8(in) % 2 != 0;
		ops[i].key = take_key(in);
		ops[i].value = take_value(in);
		ops[i].expect = ops[i].kind == WIRE_KV_CAS ? take_value(in) : slice(NULL, 0);
		ops[i].delta = ops[i].kind == WIRE_KV_INCR ? (int64_t)input_u64(in) : 0;
	}
	return count;
}

static uint32_t take_compares(struct slice *in, struct wire_kv_compare *compares)
{
	uint32_t count = input_u8(in) % (OPS_MAX + 1);
	for (uint32_t i = 0; i < count; i++) {
		compares[i] = (struct wire_kv_compare){
			.target = (enum wire_kv_target)(input_u8(in) % 4),
			.relation = (enum wire_kv_relation)(input_u8(in) % 4)};
		compares[i].key = take_key(in);
		compares[i].value = take_value(in);
		compares[i].number = input_u8(in);
	}
	return count;
}

static void build_internal(struct slice *in, struct buffer *out)
{
	uint64_t shards[SHARDS];
	uint32_t granted[SHARDS];
	struct buffer encoded = {0};
	struct wire_group groups[2] = {{.gid = 1, .nmembers = 1, .members = {slice_string("a:1")}},
				       {.gid = 2, .nmembers = 1, .members = {slice_string("b:1")}}};
	struct wire_config config = {.number = input_u8(in),
				     .nshards = SHARDS,
				     .shards = shards,
				     .ngroups = 2,
				     .groups = groups};
	struct wire_kv_command command = {.has_internal = true};
	uint8_t others = input_u8(in), grants = input_u8(in);
	for (uint32_t i = 0; i < SHARDS; i++) {
		shards[i] = (others >> i & 1) != 0 ? 2 : GID;
		if ((grants >> i & 1) != 0)
			granted[command.internal.ngranted++] = i;
	}
	wire_config_encode(&config, &encoded);
	uint8_t parts = input_u8(in);
	if (parts % 4 != 1)
		command.internal.config = buffer_slice(&encoded);
	if (parts % 4 == 2)
		command.internal.ngranted = 0;
	command.internal.granted = granted;
	command.internal.granted_config = parts;
	wire_kv_command_encode(&command, out);
	buffer_free(&encoded);
}

static void build_command(struct slice *in, struct buffer *out)
{
	struct wire_kv_op then[OPS_MAX], otherwise[OPS_MAX];
	struct wire_kv_compare when[OPS_MAX];
	struct wire_kv_command command = {.then = then, .otherwise = otherwise, .when = when};
	uint8_t kind = input_u8(in);
	if (kind < 32) {
		build_internal(in, out);
		return;
	}
	command.transaction = kind % 2 != 0;
	command.nthen = take_ops(in, then);
	if (command.transaction) {
		command.nwhen = take_compares(in, when);
		command.notherwise = take_ops(in, otherwise);
	}
	wire_kv_command_encode(&command, out);
}

static void build_query(struct slice *in, struct buffer *out)
{
	struct slice keys[OPS_MAX];
	struct wire_kv_query query = {.keys = keys};
	query.nkeys = input_u8(in) % (OPS_MAX + 1);
	for (uint32_t i = 0; i < query.nkeys; i++)
		keys[i] = take_key(in);
	uint8_t scan = input_u8(in);
	query.has_scan = scan % 2 != 0;
	if (query.has_scan) {
		query.scan = (struct wire_kv_scan){.start = take_key(in),
						   .end = take_key(in),
						   .limit = input_u8(in),
						   .keys_only = (scan & 2) != 0,
						   .count_only = (scan & 4) != 0,
						   .reverse = (scan & 8) != 0,
						   .config = input_u8(in)};
	}
	wire_kv_query_encode(&query, out);
}

/*
 * The header ('H', u8 format, u64 gid, u32 shards) goes on with the number of keys and the state's
 * hash.
 */
static void seal_chunk(struct app *app, struct buffer *chunk)
{
	if (chunk->len < 30 || chunk->data[0] != 'H')
		return;
	store_u64(chunk->data + 14, shardkv_app_keys(app));
	store_u64(chunk->data + 22, app->ops->hash(app));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_app f = {.create = create,
			     .build_command = build_command,
			     .build_query = build_query,
			     .seal_chunk = seal_chunk};
	fuzz_app_run(&f, slice(data, size));
	return 0;
}
