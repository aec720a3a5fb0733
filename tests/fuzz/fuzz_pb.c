/*
 * libFuzzer: somebody who speaks as a primary, a backup, a pbserver or a viewserver.
 *
 * A viewserver and three pbservers in the simulated world, with commands for whoever is primary.
 * The input is a program, one step after another: u8 what, then its arguments (see run_step).
 * Frames and answers that have been sent are repeated with some numbers or bytes changed, to
 * anybody, along links that nobody knows; others are made up.
 *
 * What must hold, whatever is said: no assertion, and nobody halts. As long as everything has been
 * refused, nobody has begun anew, and in the end primary and backup have the same state. A frame
 * that is the next one and makes sense is believed: against that nothing is promised, but that the
 * backup is filled anew (pb/judge.c).
 */
/* faults: 96 */
#include <stdio.h>

#include "base/alloc.h"
#include "fuzz.h"
#include "pb/internal.h"
#include "sim/link.h"
#include "sim/network.h"
#include "view/node.h"
#include "wire/method.h"
#include "wire/wire_pb.h"
#include "wire/wire_view.h"

#define SERVERS 3u
#define STEPS_MAX 200u
#define HEARD_MAX 16u
#define PING_MS 50u

struct heard {
	enum message_kind kind;
	uint16_t method;
	struct buffer payload;
};

struct bench {
	struct sim_world *world;
	struct sim_process *view, *servers[SERVERS];
	struct heard heard[HEARD_MAX];
	uint32_t nheard;
	bool believed;
	struct message message;
	struct arena arena;
	uint64_t values;
};

static struct bench b;
static const char *const names[SERVERS] = {"s1", "s2", "s3"};
static const char *const addresses[SERVERS] = {"s1:7000", "s2:7000", "s3:7000"};

static void halted(void *context, struct sim_process *process)
{
	(void)context;
	assert_failed(process->halt_reason, process->name, 0);
}

static enum sim_verdict listen(void *context, const struct sim_process *from,
			       const struct sim_process *to, const struct message *message,
			       uint64_t *delay_us)
{
	(void)context;
	(void)from;
	(void)to;
	(void)delay_us;
	if (message->method != METHOD_PB_FORWARD && message->method != METHOD_VIEW_PING)
		return SIM_PASS;
	struct heard *heard = &b.heard[b.nheard++ % HEARD_MAX];
	heard->kind = message->kind;
	heard->method = message->method;
	buffer_clear(&heard->payload);
	buffer_add_slice(&heard->payload, message->payload);
	return SIM_PASS;
}

static struct node *build_view(void *context, struct sim_process *process)
{
	(void)context;
	struct view_node_options options = {.env = &process->env,
					    .log = &process->log,
					    .cluster = "fuzz",
					    .name = "v1",
					    .version = "fuzz",
					    .nshards = 1,
					    .replica = 1,
					    .nmembers = 1,
					    .ping_interval_ms = PING_MS,
					    .dead_pings = 5,
					    .members = {{.replica = 1,
							 .name = "v1",
							 .address = "v1:7000",
							 .client_address = "v1:7000"}}};
	rsm_settings_default(&options.settings);
	options.settings.wal_segment_bytes = 64 * KIB;
	options.settings.entry_bytes = 1 * KIB;
	return view_node_create(&options);
}

static struct node *build_server(void *context, struct sim_process *process)
{
	uint32_t i = *(const uint32_t *)context;
	struct pb_node_options options = {.env = &process->env,
					  .log = &process->log,
					  .cluster = "fuzz",
					  .name = names[i],
					  .address = addresses[i],
					  .version = "fuzz",
					  .nshards = 1,
					  .nviews = 1,
					  .views = {"v1:7000"},
					  .ping_interval_ms = PING_MS,
					  .dead_pings = 5,
					  .key_bytes_max = KEY_BYTES_MAX,
					  .value_bytes_max = VALUE_BYTES_MAX,
					  .sessions_max = 4,
					  .session_idle_us = 60 * SIM_SECOND,
					  .transfer_piece_bytes = 64};
	return pb_node_create(&options);
}

static void open_bench(uint64_t seed)
{
	static const uint32_t numbers[SERVERS] = {0, 1, 2};
	struct sim_options options;
	b = (struct bench){0};
	arena_init(&b.arena, ARENA_BYTES_MAX);
	sim_options_calm(&options);
	b.world = sim_world_create(seed, &options);
	b.world->halted = halted;
	sim_network_set_filter(b.world, listen, NULL);
	b.view = sim_process_add(b.world, &(struct sim_process_spec){.name = "v1",
								     .address = "v1:7000",
								     .build = build_view,
								     .disk = true});
	sim_process_start(b.view);
	for (uint32_t i = 0; i < SERVERS; i++) {
		b.servers[i] = sim_process_add(
			b.world,
			&(struct sim_process_spec){.name = names[i],
						   .address = addresses[i],
						   .build = build_server,
						   .context = (void *)(uintptr_t)&numbers[i]});
		sim_process_start(b.servers[i]);
	}
}

static void close_bench(void)
{
	sim_world_destroy(b.world);
	for (uint32_t i = 0; i < HEARD_MAX; i++)
		buffer_free(&b.heard[i].payload);
	arena_free(&b.arena);
}

static uint32_t in_role(enum pb_role role)
{
	for (uint32_t i = 0; i < SERVERS; i++)
		if (pb_node_info(b.servers[i]->node).role == role)
			return i;
	return UINT32_MAX;
}

static void hand_over(void *data, struct node *node)
{
	node->ops->message(node, *(const link_id *)data, &b.message);
}

/* Along a link that nobody has dialled. */
static void say(struct sim_process *to, enum message_kind kind, uint16_t method,
		struct slice payload)
{
	link_id nobodys = 99;
	b.message = (struct message){.kind = kind, .method = method, .id = 1, .payload = payload};
	sim_process_call(to, hand_over, &nobodys);
}

static void put(struct slice *in)
{
	uint32_t primary = in_role(PB_PRIMARY);
	uint8_t what = input_u8(in);
	char key[2] = {(char)('a' + what % 8), 0}, value[24];
	struct buffer body = {0}, command = {0};
	if (primary == UINT32_MAX)
		return;
	snprintf(value, sizeof value, "%llu", (unsigned long long)++b.values);
	struct wire_kv_op op = {.kind = what >= 128 ? WIRE_KV_APPEND : WIRE_KV_PUT,
				.key = slice_string(key),
				.value = slice_string(value)};
	wire_kv_command_encode(&(struct wire_kv_command){.nthen = 1, .then = &op}, &body);
	wire_command_encode(&(struct wire_command){.client = what / 8 % 4,
						   .sequence = b.values,
						   .body = buffer_slice(&body)},
			    &command);
	say(b.servers[primary], MESSAGE_REQUEST, METHOD_COMMAND, buffer_slice(&command));
	buffer_free(&body);
	buffer_free(&command);
}

static uint64_t number(struct slice *in, uint64_t near)
{
	switch (input_u8(in) % 4) {
	case 0: return near + input_u8(in) - 4;
	case 1: return input_u64(in);
	case 2: return UINT64_C(1) << input_u8(in) % 64;
	default: return UINT64_MAX - input_u8(in);
	}
}

static void change_frame(struct slice *in, struct wire_pb_forward *f)
{
	switch (input_u8(in) % 11) {
	case 0: f->view = number(in, f->view); break;
	case 1: f->frame = number(in, f->frame); break;
	case 2: f->flags = input_u8(in); break;
	case 3: f->value_bytes_max = (uint32_t)number(in, f->value_bytes_max); break;
	case 4: f->counter = number(in, f->counter); break;
	case 5: f->time_us = number(in, f->time_us); break;
	case 6: f->digest = number(in, f->digest); break;
	case 7: f->commands = number(in, f->commands); break;
	case 8: f->batch = input_bytes(in, input_u8(in) % 80); break;
	case 9: f->records = input_bytes(in, input_u8(in) % 80); break;
	default: f->sessions = input_bytes(in, input_u8(in) % 80); break;
	}
}

/* A frame: one that was sent, with changes, as the next one of the receiver or not. */
static void forge_frame(struct slice *in, uint32_t to, struct slice genuine)
{
	struct wire_pb_forward frame;
	struct buffer payload = {0};
	struct pb_node *n = pb_node_of(b.servers[to]->node);
	arena_reset(&b.arena);
	if (wire_pb_forward_decode(genuine, &b.arena, &frame) != 0)
		frame = (struct wire_pb_forward){.view = 1,
						 .frame = 1,
						 .sessions_max = 4,
						 .session_idle_us = 1000,
						 .digest = n->state.digest};
	if (input_u8(in) % 2 == 0) {
		frame.view = n->view;
		frame.frame = n->intake.received + 1;
	}
	for (uint32_t changes = input_u8(in) % 4; changes > 0; changes--)
		change_frame(in, &frame);
	wire_pb_forward_encode(&frame, &payload);
	uint64_t taken = n->counters.frames_taken, anew = n->counters.anew,
		 hash = pb_state_hash(&n->state);
	bool impossible = pb_judge_frame(n, &frame) != NULL;
	say(b.servers[to], MESSAGE_REQUEST, METHOD_PB_FORWARD, buffer_slice(&payload));
	bool believed = n->counters.frames_taken != taken || n->counters.anew != anew;
	ASSERT(!impossible || (!believed && pb_state_hash(&n->state) == hash));
	b.believed = b.believed || believed;
	buffer_free(&payload);
}

/*
 * Some bytes of what was said, or all of it at a wrong place; an answer along a link on which
 * nothing was asked.
 */
static void repeat(struct slice *in, const struct heard *heard, struct sim_process *to)
{
	struct buffer payload = {0};
	buffer_add_slice(&payload, buffer_slice(&heard->payload));
	for (uint32_t changes = input_u8(in) % 4; changes > 0 && payload.len > 0; changes--) {
		uint8_t where = input_u8(in);
		payload.data[where % payload.len] ^= input_u8(in);
	}
	/*
	 * What a pbserver says of itself is believed; that is the view service's trust in its
	 * servers.
	 */
	if (heard->method == METHOD_VIEW_PING && heard->kind == MESSAGE_REQUEST && to == b.view)
		b.believed = true;
	uint64_t taken = 0, anew = 0;
	struct pb_node *n = to == b.view ? NULL : pb_node_of(to->node);
	if (n != NULL)
		taken = n->counters.frames_taken, anew = n->counters.anew;
	say(to, heard->kind, heard->method, buffer_slice(&payload));
	if (n != NULL)
		b.believed = b.believed || n->counters.frames_taken != taken ||
			     n->counters.anew != anew;
	buffer_free(&payload);
}

static void run_step(struct slice *in)
{
	uint8_t what = input_u8(in), which = input_u8(in);
	const struct heard *heard = &b.heard[b.nheard < HEARD_MAX ? 0 : which % HEARD_MAX];
	uint32_t to = in_role(which % 4 == 3 ? PB_IDLE : PB_BACKUP);
	switch (what % 8) {
	case 0: sim_world_run_for(b.world, which * UINT64_C(1000)); break;
	case 1:
	case 2: put(in); break;
	case 3:
		if (what >= 224)
			sim_process_restart(b.servers[which % SERVERS]);
		break;
	case 4:
		repeat(in, heard,
		       which / 16 % 4 == 3 ? b.view : b.servers[which / 16 % 4 % SERVERS]);
		break;
	default:
		if (to != UINT32_MAX)
			forge_frame(in, to, buffer_slice(&heard->payload));
		break;
	}
}

static bool settled(void *context)
{
	(void)context;
	uint32_t primary = in_role(PB_PRIMARY), backup = in_role(PB_BACKUP);
	if (primary == UINT32_MAX || backup == UINT32_MAX)
		return false;
	struct pb_node_info p = pb_node_info(b.servers[primary]->node),
			    q = pb_node_info(b.servers[backup]->node);
	return p.synced && q.complete && p.view == q.view && p.frame == q.frame &&
	       pb_state_hash(pb_node_state(b.servers[primary]->node)) ==
		       pb_state_hash(pb_node_state(b.servers[backup]->node));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice(data, size);
	uint8_t seed = input_u8(&in);
	uint32_t restarts = 0;
	open_bench(seed);
	sim_world_run_for(b.world, 400000 + (uint64_t)seed * 1000);
	for (uint32_t steps = 0; in.len > 0 && steps < STEPS_MAX; steps++)
		run_step(&in);
	for (uint32_t i = 0; i < SERVERS; i++) {
		restarts += b.servers[i]->incarnation - 1;
		ASSERT(b.believed || pb_node_info(b.servers[i]->node).anew == 0);
	}
	/* Two that restart at once have lost the state: nobody serves, as it must be. */
	if (b.believed || restarts > 1) {
		sim_world_run_for(b.world, SIM_SECOND);
	} else {
		bool whole = sim_world_run_until_true(b.world, settled, NULL, 20 * SIM_SECOND);
		ASSERT(whole);
	}
	close_bench();
	return 0;
}
