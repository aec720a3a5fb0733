/*
 * Whole paxosds in the simulated world, asked through the client library: restarts, deaf peers,
 * long polls, the length of the agreement log, full disks. faults: 2, 7, 9, 11, 21, 49
 */
#include "../support/check_main.h"
#include "agreement/service.h"
#include "base/alloc.h"
#include "client/core.h"
#include "paxos/multipaxos.h"
#include "paxoslog/paxosd.h"
#include "sim/damage.h"
#include "sim/disk_sim.h"
#include "sim/network.h"
#include "sim/world.h"
#include "wire/method.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PEERS 3u

struct bench {
	struct sim_world *world;
	struct sim_process *peers[PEERS];
	struct sim_process *user;
	struct client *client;
	struct paxosd_options options;
	char names[PEERS][8], addresses[PEERS][16];
	const char *paxosds[PEERS];
	struct client_request *request; /* to be submitted */
	/* The answer of the last request. */
	bool answered;
	int status;
	uint64_t version, modification;
	size_t nrecords;
	char message[256], value[256];
	enum wire_agreement_status state;
	enum wire_log_state slot_state;
	uint64_t min, next;
};

static struct node *build_peer(void *context, struct sim_process *process)
{
	struct bench *b = context;
	struct paxosd_options options = b->options;
	for (uint32_t i = 0; i < PEERS; i++)
		if (strcmp(process->name, b->names[i]) == 0)
			options.replica = i + 1;
	options.name = process->name;
	options.env = &process->env;
	options.log = &process->log;
	return paxosd_create(&options);
}

static struct node *build_user(void *context, struct sim_process *process)
{
	struct bench *b = context;
	b->client = client_create(
		&process->env, &process->log,
		&(struct client_options){.paxosds = b->paxosds, .npaxosds = PEERS});
	return client_node(b->client);
}

static void begin(struct bench *b, uint64_t segment_bytes)
{
	struct sim_options options;
	*b = (struct bench){.options = {.cluster = "test", .version = "test", .nmembers = PEERS}};
	sim_options_calm(&options);
	b->world = sim_world_create(7, &options);
	rsm_settings_default(&b->options.settings);
	agreement_settings_default(&b->options.agreement);
	b->options.settings.wal_segment_bytes = b->options.agreement.wal_segment_bytes =
		segment_bytes;
	b->options.paxoslog = (struct paxoslog_settings){.bytes_max = MIB, .value_bytes_max = KIB};
	for (uint32_t i = 0; i < PEERS; i++) {
		snprintf(b->names[i], sizeof b->names[i], "p%u", i + 1);
		snprintf(b->addresses[i], sizeof b->addresses[i], "p%u:7000", i + 1);
		b->paxosds[i] = b->addresses[i];
		b->options.members[i] = (struct rsm_member){.replica = i + 1,
							    .name = b->names[i],
							    .address = b->addresses[i],
							    .client_address = b->addresses[i]};
	}
	for (uint32_t i = 0; i < PEERS; i++)
		b->peers[i] = sim_process_add(b->world,
					      &(struct sim_process_spec){.name = b->names[i],
									 .address = b->addresses[i],
									 .build = build_peer,
									 .context = b,
									 .disk = true,
									 .lives = true});
	b->user = sim_process_add(
		b->world,
		&(struct sim_process_spec){.name = "u", .build = build_user, .context = b});
	for (uint32_t i = 0; i < PEERS; i++)
		sim_process_start(b->peers[i]);
	sim_process_start(b->user);
}

static void setup(struct bench *b, uint64_t segment_bytes)
{
	begin(b, segment_bytes);
	sim_world_run_for(b->world, SIM_SECOND);
}

static void teardown(struct bench *b)
{
	sim_world_destroy(b->world);
}

/* ---- asking ---- */

static void copy(char *out, size_t size, const char *data, size_t len)
{
	snprintf(out, size, "%.*s", (int)len, data);
}

static void read_payload(struct bench *b, const struct client_request *request,
			 struct slice payload)
{
	struct arena arena;
	struct wire_agreement_state state;
	struct wire_log_slot slot;
	arena_init(&arena, ARENA_BYTES_MAX);
	if (request->method == METHOD_LOG_SLOT) {
		ck_assert_int_eq(wire_log_slot_decode(payload, &arena, &slot), 0);
		b->slot_state = slot.state;
		copy(b->value, sizeof b->value, (const char *)slot.value.data, slot.value.len);
	} else {
		ck_assert_int_eq(wire_agreement_state_decode(payload, &arena, &state), 0);
		b->state = state.status;
		b->min = state.min;
		b->next = state.next;
		copy(b->value, sizeof b->value, (const char *)state.value.data, state.value.len);
	}
	arena_free(&arena);
}

static void done(struct client_request *request, const struct synod_reply *reply,
		 struct slice payload)
{
	struct bench *b = request->context;
	b->answered = true;
	b->status = reply->status;
	b->version = reply->version;
	b->modification = reply->modification;
	b->nrecords = reply->nrecords;
	copy(b->message, sizeof b->message, reply->message, strlen(reply->message));
	if (reply->nrecords > 0)
		copy(b->value, sizeof b->value, reply->records[0].value.data,
		     reply->records[0].value.len);
	if (reply->status == SYNOD_OK && request->kind == CLIENT_PEER)
		read_payload(b, request, payload);
}

static void submit(void *data, struct node *node)
{
	struct bench *b = data;
	(void)node;
	client_submit(b->client, b->request);
}

static void ask_later(struct bench *b, int made, struct client_request *request,
		      uint32_t timeout_ms)
{
	ck_assert_int_eq(made, 0);
	request->timeout_ms = timeout_ms;
	request->done = done;
	request->context = b;
	b->request = request;
	b->answered = false;
	sim_process_call(b->user, submit, b);
}

static bool answered(void *context)
{
	return ((struct bench *)context)->answered;
}

static int ask(struct bench *b, int made, struct client_request *request)
{
	ask_later(b, made, request, 3000);
	ck_assert(sim_world_run_until_true(b->world, answered, b, 10 * SIM_SECOND));
	return b->status;
}

static int agreement(struct bench *b, uint32_t peer, uint16_t method, uint64_t seq,
		     const char *value)
{
	struct client_request *request;
	struct synod_bytes bytes = {.data = value, .len = strlen(value)};
	int made = client_request_agreement(&request, b->addresses[peer], method, seq, bytes);
	return ask(b, made, request);
}

static int start(struct bench *b, uint32_t peer, uint64_t seq, const char *value)
{
	return agreement(b, peer, METHOD_AGREEMENT_START, seq, value);
}

/* Waits for the decision at one peer. */
static const char *decision(struct bench *b, uint32_t peer, uint64_t seq)
{
	ck_assert_int_eq(agreement(b, peer, METHOD_AGREEMENT_WAIT, seq, ""), SYNOD_OK);
	return b->state == WIRE_AGREEMENT_IS_DECIDED ? b->value : NULL;
}

static enum wire_agreement_status state_at(struct bench *b, uint32_t peer, uint64_t seq)
{
	ck_assert_int_eq(agreement(b, peer, METHOD_AGREEMENT_STATUS, seq, ""), SYNOD_OK);
	return b->state;
}

static int append(struct bench *b, const char *value)
{
	struct client_request *request;
	struct synod_bytes bytes = {.data = value, .len = strlen(value)};
	int made = client_request_log_append(&request, &bytes, 1, 0);
	return ask(b, made, request);
}

static int read_log(struct bench *b, bool tail, uint64_t from)
{
	struct client_request *request;
	int made = client_request_log_read(&request, tail, from, 0);
	return ask(b, made, request);
}

static enum wire_log_state slot_at(struct bench *b, uint32_t peer, uint64_t slot)
{
	struct client_request *request;
	int made = client_request_log_slot(&request, b->addresses[peer], slot);
	ck_assert_int_eq(ask(b, made, request), SYNOD_OK);
	return b->slot_state;
}

static uint32_t leader_of(const struct bench *b)
{
	for (uint32_t i = 0; i < PEERS; i++)
		if (rsm_is_leader(paxosd_rsm(b->peers[i]->node)))
			return i;
	ck_abort_msg("nobody leads");
	return 0;
}

/* ---- tests ---- */

/* Decisions, Done values and the log survive a power loss of all peers. */
START_TEST(everything_survives_a_power_loss_of_all)
{
	struct bench b;
	setup(&b, 64 * KIB);
	for (uint64_t seq = 0; seq < 5; seq++) {
		ck_assert_int_eq(start(&b, (uint32_t)seq % PEERS, seq, "value"), SYNOD_OK);
		for (uint32_t peer = 0; peer < PEERS; peer++)
			ck_assert_str_eq(decision(&b, peer, seq), "value");
	}
	for (uint32_t peer = 0; peer < PEERS; peer++)
		ck_assert_int_eq(agreement(&b, peer, METHOD_AGREEMENT_DONE, 1, ""), SYNOD_OK);
	ck_assert_int_eq(append(&b, "entry"), SYNOD_OK);
	sim_world_run_for(b.world, 2 * SIM_SECOND);
	for (uint32_t i = 0; i < PEERS; i++)
		sim_process_power_loss(b.peers[i]);
	for (uint32_t i = 0; i < PEERS; i++)
		sim_process_start(b.peers[i]);
	sim_world_run_for(b.world, 2 * SIM_SECOND);
	for (uint32_t peer = 0; peer < PEERS; peer++) {
		ck_assert_int_eq(state_at(&b, peer, 1), WIRE_AGREEMENT_IS_FORGOTTEN);
		ck_assert_str_eq(decision(&b, peer, 2), "value");
		ck_assert_uint_eq(b.min, 2);
		ck_assert_uint_eq(b.next, 5);
		ck_assert_int_eq(start(&b, peer, 0, "again"), SYNOD_COMPACTED);
	}
	ck_assert_int_eq(read_log(&b, false, 1), SYNOD_OK);
	ck_assert_str_eq(b.value, "entry");
	teardown(&b);
}
END_TEST

/* Requests of other peers do not reach the deaf one; replies to its own do. */
static enum sim_verdict deafen_first(void *context, const struct sim_process *from,
				     const struct sim_process *to, const struct message *message,
				     uint64_t *delay_us)
{
	const struct bench *b = context;
	(void)from;
	(void)delay_us;
	bool request = message->kind == MESSAGE_REQUEST && message->method == METHOD_AGREEMENT;
	return to == b->peers[0] && request ? SIM_SWALLOW : SIM_PASS;
}

/*
 * A daemon that its peers cannot reach knows nothing until it proposes, and then what was agreed
 * without it.
 */
/*
 * course: 2015 paxos TestDeaf — A deaf peer learns nothing until it proposes, and then what was
 * decided.
 */
START_TEST(a_deaf_peer_learns_when_it_proposes)
{
	struct bench b;
	setup(&b, 64 * KIB);
	sim_network_set_filter(b.world, deafen_first, &b);
	ck_assert_int_eq(start(&b, 1, 9, "theirs"), SYNOD_OK);
	ck_assert_str_eq(decision(&b, 2, 9), "theirs");
	sim_world_run_for(b.world, 5 * SIM_SECOND);
	ck_assert_int_eq(state_at(&b, 0, 9), WIRE_AGREEMENT_PENDING);
	ck_assert_int_eq(start(&b, 0, 9, "mine"), SYNOD_OK);
	ck_assert_str_eq(decision(&b, 0, 9), "theirs");
	teardown(&b);
}
END_TEST

/*
 * One instance that nobody is done with does not keep the whole log; and it is still there
 * afterwards.
 */
START_TEST(one_open_instance_does_not_keep_the_log)
{
	struct bench b;
	char large[200];
	setup(&b, 8 * KIB);
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	ck_assert_int_eq(start(&b, 0, 1000, "kept"), SYNOD_OK);
	ck_assert_str_eq(decision(&b, 1, 1000), "kept");
	for (uint64_t seq = 0; seq < 300; seq++) {
		ck_assert_int_eq(start(&b, (uint32_t)seq % PEERS, seq, large), SYNOD_OK);
		ck_assert(decision(&b, (uint32_t)seq % PEERS, seq) != NULL);
		for (uint32_t peer = 0; seq % 10 == 9 && peer < PEERS; peer++)
			ck_assert_int_eq(agreement(&b, peer, METHOD_AGREEMENT_DONE, seq, ""),
					 SYNOD_OK);
	}
	sim_world_run_for(b.world, 2 * SIM_SECOND);
	for (uint32_t peer = 0; peer < PEERS; peer++) {
		struct buffer metrics = {0};
		metrics_render(&b.peers[peer]->node->metrics, &metrics);
		buffer_add_u8(&metrics, '\0');
		const char *line = strstr((const char *)metrics.data,
					  "\nsynod_agreement_wal_bytes ");
		ck_assert_ptr_nonnull(line);
		/* Without cleaning it would be more than 300 × 300 bytes. */
		ck_assert_uint_le(strtoull(strchr(line, ' '), NULL, 10), 8 * 8 * KIB);
		buffer_free(&metrics);
		sim_process_restart(b.peers[peer]);
	}
	sim_world_run_for(b.world, SIM_SECOND);
	for (uint32_t peer = 0; peer < PEERS; peer++) {
		ck_assert_str_eq(decision(&b, peer, 1000), "kept");
		ck_assert_uint_eq(b.min, 300);
	}
	teardown(&b);
}
END_TEST

/* faults: 99 */
/*
 * A peer whose disk hangs can neither propose nor decide: whoever asks it, or waits there, is sent
 * on, and others go on.
 */
START_TEST(a_peer_with_a_hung_disk_sends_clients_on)
{
	struct bench b;
	struct client_request *request;
	struct synod_bytes value = {.data = "late", .len = 4};
	setup(&b, 64 * KIB);
	disk_sim_hang(b.peers[0]->disk, true);
	/* Until the hang is noticed it is believed to be slow. */
	ck_assert_int_eq(start(&b, 0, 1, "stuck"), SYNOD_OK);
	int made = client_request_agreement(&request, b.addresses[0], METHOD_AGREEMENT_WAIT, 1,
					    value);
	ask_later(&b, made, request, 4000);
	ck_assert(sim_world_run_until_true(b.world, answered, &b, 10 * SIM_SECOND));
	ck_assert_int_eq(b.status, SYNOD_UNAVAILABLE);
	ck_assert_int_eq(agreement(&b, 0, METHOD_AGREEMENT_DONE, 0, ""), SYNOD_UNAVAILABLE);
	ck_assert_int_eq(start(&b, 0, 2, "refused"), SYNOD_UNAVAILABLE);
	ck_assert_int_eq(state_at(&b, 0, 1), WIRE_AGREEMENT_PENDING);
	/* Whoever names no peer finds another one. */
	for (uint64_t seq = 10; seq < 20; seq++) {
		made = client_request_agreement(&request, NULL, METHOD_AGREEMENT_START, seq, value);
		ck_assert_int_eq(ask(&b, made, request), SYNOD_OK);
		made = client_request_agreement(&request, NULL, METHOD_AGREEMENT_WAIT, seq, value);
		ck_assert_int_eq(ask(&b, made, request), SYNOD_OK);
		ck_assert_int_eq(b.state, WIRE_AGREEMENT_IS_DECIDED);
	}
	disk_sim_hang(b.peers[0]->disk, false);
	sim_world_run_for(b.world, 3 * SIM_SECOND);
	ck_assert_str_eq(decision(&b, 0, 1), "stuck");
	ck_assert_int_eq(start(&b, 0, 2, "taken"), SYNOD_OK);
	ck_assert_str_eq(decision(&b, 0, 2), "taken");
	teardown(&b);
}
END_TEST

static uint64_t metric(const struct bench *b, uint32_t peer, const char *name)
{
	struct buffer metrics = {0};
	char line[100];
	snprintf(line, sizeof line, "\n%s ", name);
	metrics_render(&b->peers[peer]->node->metrics, &metrics);
	buffer_add_u8(&metrics, '\0');
	const char *found = strstr((const char *)metrics.data, line);
	ck_assert_ptr_nonnull(found);
	uint64_t value = strtoull(found + strlen(line), NULL, 10);
	buffer_free(&metrics);
	return value;
}

/* faults: 75 */
/*
 * What waits for the disk of one peer is bounded, though the others agree on more and more; later
 * it learns what it missed.
 */
START_TEST(a_slow_disk_bounds_memory)
{
	struct bench b;
	struct client_request *request;
	struct synod_bytes value = {.len = 512 * KIB};
	uint64_t most = 0;
	setup(&b, MIB);
	value.data = alloc_zeroed(value.len, 1);
	disk_sim_hang(b.peers[0]->disk, true);
	for (uint64_t seq = 1; seq <= 150; seq++) {
		int made = client_request_agreement(&request, b.addresses[1 + seq % 2],
						    METHOD_AGREEMENT_START, seq, value);
		ck_assert_int_eq(ask(&b, made, request), SYNOD_OK);
		sim_world_run_for(b.world, 20 * SIM_MILLISECOND);
		uint64_t unwritten = metric(&b, 0, "synod_agreement_unwritten_bytes");
		most = unwritten > most ? unwritten : most;
	}
	ck_assert_uint_gt(most, 16 * MIB);
	ck_assert_uint_lt(most, 2 * OPEN_BYTES_MAX + 4 * MIB);
	disk_sim_hang(b.peers[0]->disk, false);
	sim_world_run_for(b.world, 30 * SIM_SECOND);
	for (uint64_t seq = 1; seq <= 150; seq++)
		ck_assert_int_eq(state_at(&b, 0, seq), WIRE_AGREEMENT_IS_DECIDED);
	free((void *)(uintptr_t)value.data);
	teardown(&b);
}
END_TEST

/* Waiting ends with the decision, with the time, or when the instance is forgotten. */
START_TEST(waiting_ends_with_the_decision_or_the_time)
{
	struct bench b;
	struct client_request *request;
	setup(&b, 64 * KIB);
	ck_assert_ptr_null(decision(&b, 0, 4));
	int made = client_request_agreement(&request, b.addresses[2], METHOD_AGREEMENT_WAIT, 5,
					    (struct synod_bytes){0});
	ask_later(&b, made, request, 10000);
	sim_world_run_for(b.world, SIM_SECOND);
	ck_assert(!b.answered);
	struct bench other = b;
	made = client_request_agreement(&request, b.addresses[0], METHOD_AGREEMENT_START, 5,
					(struct synod_bytes){.data = "v", .len = 1});
	ck_assert_int_eq(ask(&other, made, request), SYNOD_OK);
	ck_assert(sim_world_run_until_true(b.world, answered, &b, SIM_SECOND));
	ck_assert_int_eq(b.state, WIRE_AGREEMENT_IS_DECIDED);
	ck_assert_str_eq(b.value, "v");
	teardown(&b);
}
END_TEST

/*
 * A reader that waits gets the value when it is appended, from any replica; at a trimmed slot it is
 * told so.
 */
START_TEST(a_waiting_reader_gets_the_value_at_any_replica)
{
	struct bench b;
	struct client_request *request;
	setup(&b, 64 * KIB);
	ck_assert_int_eq(read_log(&b, true, 1), SYNOD_OK);
	ck_assert_uint_eq(b.nrecords, 0);
	int made = client_request_log_read(&request, true, 2, 0);
	ask_later(&b, made, request, 10000);
	sim_world_run_for(b.world, SIM_MILLISECOND);
	struct bench other = b;
	ck_assert_int_eq(append(&other, "first"), SYNOD_OK);
	sim_world_run_for(b.world, SIM_SECOND);
	ck_assert(!b.answered);
	ck_assert_int_eq(append(&other, "second"), SYNOD_OK);
	ck_assert(sim_world_run_until_true(b.world, answered, &b, SIM_SECOND));
	ck_assert_uint_eq(b.nrecords, 1);
	ck_assert_str_eq(b.value, "second");
	made = client_request_log_trim(&request, 1);
	ck_assert_int_eq(ask(&b, made, request), SYNOD_OK);
	sim_world_run_for(b.world, SIM_SECOND);
	ck_assert_int_eq(read_log(&b, true, 1), SYNOD_COMPACTED);
	teardown(&b);
}
END_TEST

/*
 * A slot is empty, accepted where it was accepted but not chosen, chosen everywhere in the end, and
 * cleared.
 */
START_TEST(a_slot_is_empty_accepted_chosen_and_cleared)
{
	struct bench b;
	struct client_request *request;
	setup(&b, 64 * KIB);
	ck_assert_int_eq(append(&b, "one"), SYNOD_OK);
	uint32_t leader = leader_of(&b);
	for (uint32_t i = 0; i < PEERS; i++)
		if (i != leader)
			sim_network_cut(b.world, b.peers[leader], b.peers[i]);
	struct synod_bytes two = {.data = "two", .len = 3};
	int made = client_request_log_append(&request, &two, 1, 0);
	ask_later(&b, made, request, 10000);
	sim_world_run_for(b.world, 20 * SIM_MILLISECOND);
	struct bench other = b;
	ck_assert_int_eq(slot_at(&other, leader, 2), WIRE_LOG_ACCEPTED);
	ck_assert_str_eq(other.value, "two");
	ck_assert_int_eq(slot_at(&other, (leader + 1) % PEERS, 2), WIRE_LOG_EMPTY);
	sim_network_heal(b.world);
	ck_assert(sim_world_run_until_true(b.world, answered, &b, 10 * SIM_SECOND));
	ck_assert_int_eq(b.status, SYNOD_OK);
	sim_world_run_for(b.world, SIM_SECOND);
	for (uint32_t peer = 0; peer < PEERS; peer++)
		ck_assert_int_eq(slot_at(&b, peer, 2), WIRE_LOG_CHOSEN);
	ck_assert_int_eq(slot_at(&b, leader, 3), WIRE_LOG_EMPTY);
	made = client_request_log_trim(&request, 1);
	ck_assert_int_eq(ask(&b, made, request), SYNOD_OK);
	ck_assert_int_eq(slot_at(&b, leader_of(&b), 1), WIRE_LOG_CLEARED);
	teardown(&b);
}
END_TEST

/* What is meant for another service does not get into the log. */
START_TEST(what_is_for_another_service_stays_out_of_the_log)
{
	struct bench b;
	struct client_request *request;
	setup(&b, 64 * KIB);
	int made = client_request_agreement(&request, b.addresses[leader_of(&b)], METHOD_COMMAND, 5,
					    (struct synod_bytes){0});
	ck_assert_int_eq(ask(&b, made, request), SYNOD_UNKNOWN_METHOD);
	made = client_request_agreement(&request, b.addresses[0], METHOD_QUERY, 5,
					(struct synod_bytes){0});
	ck_assert_int_eq(ask(&b, made, request), SYNOD_UNKNOWN_METHOD);
	ck_assert_int_eq(read_log(&b, false, 0), SYNOD_OK);
	ck_assert_uint_eq(b.version, 0);
	teardown(&b);
}
END_TEST

/*
 * A full disk refuses new proposals clearly; what there is can still be read; with space again all
 * goes on.
 */
START_TEST(a_full_disk_refuses_new_proposals)
{
	struct bench b;
	char large[900];
	struct disk_sim_faults faults = {.space_bytes = 1};
	setup(&b, 16 * KIB);
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	ck_assert_int_eq(start(&b, 0, 0, "before"), SYNOD_OK);
	ck_assert_str_eq(decision(&b, 0, 0), "before");
	disk_sim_set_faults(b.peers[0]->disk, &faults);
	int status = SYNOD_OK;
	for (uint64_t seq = 3; seq < 150 && status == SYNOD_OK; seq += 3) {
		status = start(&b, 0, seq, large);
		if (status == SYNOD_OK)
			sim_world_run_for(b.world, 20 * SIM_MILLISECOND);
	}
	ck_assert_int_eq(status, SYNOD_NO_SPACE);
	ck_assert_str_eq(decision(&b, 0, 0), "before");
	disk_sim_set_faults(b.peers[0]->disk, NULL);
	sim_world_run_for(b.world, 3 * SIM_SECOND);
	ck_assert_int_eq(start(&b, 0, 300, "after"), SYNOD_OK);
	ck_assert_str_eq(decision(&b, 2, 300), "after");
	teardown(&b);
}
END_TEST

/* Starts the last peer soon after its end. */
struct caretaker {
	struct bench *b;
	struct timer timer;
};

static void look_after(void *data)
{
	struct caretaker *caretaker = data;
	struct bench *b = caretaker->b;
	if (!sim_process_alive(b->peers[2]))
		sim_process_start(b->peers[2]);
	ck_assert_msg(b->peers[2]->state != SIM_HALTED, "it does not start: %s",
		      b->peers[2]->halt_reason);
	sim_world_timer_set(b->world, &caretaker->timer, b->world->now_us + 5 * SIM_MILLISECOND);
}

/* The last peer's first life, with a fault at its disk's `at`-th operation; how many there were. */
static uint64_t live(uint64_t at, enum disk_sim_fault fault)
{
	enum { INSTANCES = 24, FORGOTTEN = 16 };
	struct bench b;
	struct caretaker caretaker = {.b = &b};
	char values[INSTANCES][201];
	setup(&b, 4 * KIB);
	sim_process_crash(b.peers[2]);
	sim_process_wipe(b.peers[2]);
	uint64_t begin = disk_sim_operations(b.peers[2]->disk);
	if (at != UINT64_MAX)
		disk_sim_fault_at(b.peers[2]->disk, begin + at, fault);
	timer_init(&caretaker.timer, look_after, &caretaker);
	look_after(&caretaker);
	for (uint64_t seq = 0; seq < INSTANCES; seq++) {
		snprintf(values[seq], sizeof values[seq], "%0200u", (unsigned)seq);
		ck_assert_int_eq(start(&b, seq % 2, seq, values[seq]), SYNOD_OK);
		ck_assert_str_eq(decision(&b, 1, seq), values[seq]);
		sim_world_run_for(b.world, 10 * SIM_MILLISECOND);
		for (uint32_t peer = 0; peer < PEERS && seq < FORGOTTEN; peer++)
			(void)agreement(&b, peer, METHOD_AGREEMENT_DONE, seq, "");
	}
	sim_world_run_for(b.world, SIM_SECOND);
	uint64_t count = disk_sim_operations(b.peers[2]->disk) - begin;
	disk_sim_fault_at(b.peers[2]->disk, UINT64_MAX, DISK_SIM_NO_FAULT);
	sim_world_timer_cancel(b.world, &caretaker.timer);
	/* What was decided is so, everywhere and after another end of all. */
	for (uint32_t i = 0; i < PEERS; i++)
		sim_process_power_loss(b.peers[i]);
	for (uint32_t i = 0; i < PEERS; i++) {
		sim_process_start(b.peers[i]);
		ck_assert_int_eq(b.peers[i]->state, SIM_RUNNING);
	}
	sim_world_run_for(b.world, 2 * SIM_SECOND);
	for (uint64_t seq = 0; seq < INSTANCES; seq++) {
		const char *decided = state_at(&b, 2, seq) == WIRE_AGREEMENT_IS_FORGOTTEN
					      ? NULL
					      : decision(&b, 2, seq);
		CHECK_THAT(decided == NULL ? seq < FORGOTTEN : strcmp(decided, values[seq]) == 0,
			   "operation %u: instance %u has lost its decision", (unsigned)at,
			   (unsigned)seq);
	}
	teardown(&b);
	return count;
}

static void end_at_every_operation(enum disk_sim_fault fault)
{
	uint64_t count = live(UINT64_MAX, DISK_SIM_NO_FAULT);
	ck_assert_uint_gt(count, 60);
	for (uint64_t at = 0; at < count; at++)
		live(at, fault);
}

/*
 * Both logs of a paxosd, from its first start on: wherever it ends, it starts again and knows what
 * was decided. faults: 93
 */
START_TEST(a_paxosd_may_be_killed_at_every_operation)
{
	end_at_every_operation(DISK_SIM_KILLED);
}
END_TEST

/* The same when its machine loses power. faults: 23, 93 */
START_TEST(a_paxosd_may_lose_power_at_every_operation)
{
	end_at_every_operation(DISK_SIM_STOP);
}
END_TEST

static uint64_t votes_of(const struct bench *b, uint32_t peer)
{
	const struct agreement *core = paxosd_agreement(b->peers[peer]->node);
	const struct agreement_counters *counters = core == NULL ? NULL : agreement_counters(core);
	return counters == NULL ? 0
				: counters->sent[WIRE_AGREEMENT_PROMISE] +
					  counters->sent[WIRE_AGREEMENT_ACCEPTED];
}

/*
 * faults: 104. A directory is replaced by an older copy that lacks agreements, and nothing else:
 * the log stood still meanwhile, and nobody was started. It is recognised all the same, whichever
 * peer's it is, and if the others have been started since as well.
 */
START_LOOP_TEST(a_copy_that_lacks_agreements_is_recognised, 0, 6)
{
	struct bench b;
	uint32_t of = (uint32_t)_i % PEERS;
	bool restarts = _i >= (int)PEERS;
	setup(&b, 64 * KIB);
	for (uint64_t seq = 0; seq < 3; seq++)
		ck_assert_str_eq((start(&b, (uint32_t)seq, seq, "early"), decision(&b, of, seq)),
				 "early");
	sim_world_run_for(b.world, 2 * SIM_SECOND);
	struct disk_sim_image *image = disk_sim_copy(b.peers[of]->disk);
	struct rsm_moment before, after;
	rsm_moment(paxosd_rsm(b.peers[of]->node), &before);
	for (uint64_t seq = 3; seq < 9; seq++)
		ck_assert_str_eq((start(&b, of, seq, "late"), decision(&b, of, seq)), "late");
	sim_world_run_for(b.world, 6 * SIM_SECOND);
	rsm_moment(paxosd_rsm(b.peers[of]->node), &after);
	ck_assert(before.last == after.last && before.promised == after.promised &&
		  before.count == after.count);
	sim_process_power_loss(b.peers[of]);
	sim_process_put_back(b.peers[of], image, before.life, 0);
	disk_sim_image_free(image);
	for (uint32_t i = 0; restarts && i < PEERS; i++)
		if (i != of)
			sim_process_power_loss(b.peers[i]);
	for (uint32_t i = 0; i < PEERS; i++)
		if (!sim_process_alive(b.peers[i]))
			sim_process_start(b.peers[i]);
	uint64_t until = b.world->now_us + 20 * SIM_SECOND;
	while (b.peers[of]->env.life == before.life) {
		ck_assert_uint_eq(votes_of(&b, of), 0);
		ck_assert_uint_lt(b.world->now_us, until);
		sim_world_run_for(b.world, SIM_MILLISECOND);
	}
	/* It takes part again when it has been told what it lacks. */
	while (agreement_standing(paxosd_agreement(b.peers[of]->node)) != AGREEMENT_INSIDE) {
		ck_assert_uint_lt(b.world->now_us, until);
		sim_world_run_for(b.world, SIM_MILLISECOND);
	}
	ck_assert_int_eq(start(&b, of, 3, "other"), SYNOD_OK);
	for (uint64_t seq = 3; seq < 9; seq++)
		ck_assert_str_eq(decision(&b, of, seq), "late");
	teardown(&b);
}
END_TEST

static bool is_inside(void *context)
{
	const struct sim_process *peer = context;
	const struct agreement *core = sim_process_alive(peer) ? paxosd_agreement(peer->node)
							       : NULL;
	return core != NULL && agreement_standing(core) == AGREEMENT_INSIDE;
}

/* Of a peer that is down. False: nothing has come of it. */
static bool damage_agreement(struct sim_process *peer, uint64_t seed)
{
	struct rng rng;
	struct buffer what = {0};
	enum sim_fault fault;
	rng_seed(&rng, seed);
	bool done = sim_damage_log(peer->disk, SIM_LOG_OF_AGREEMENT, &rng, &fault, &what);
	buffer_free(&what);
	return done;
}

/*
 * faults: 14, 15. The log of a peer's agreements is damaged: it begins anew with another life, is
 * told what it must know, and its vote counts again. Its start may be interrupted wherever one
 * likes.
 */
static bool damaged_agreement(uint64_t seed, uint32_t of, uint64_t at, enum disk_sim_fault fault)
{
	struct bench b;
	uint64_t deadline_us = 20 * SIM_SECOND;
	setup(&b, 4 * KIB);
	for (uint64_t seq = 0; seq < 60; seq++)
		ck_assert_str_eq(
			(start(&b, (uint32_t)seq % PEERS, seq, "value"), decision(&b, of, seq)),
			"value");
	/*
	 * Or the others do not know yet how far its log had come, and would not miss what is lost
	 * of it.
	 */
	sim_world_run_for(b.world, seed % 2 * SIM_SECOND);
	struct sim_process *peer = b.peers[of];
	uint64_t life = peer->env.life;
	sim_process_power_loss(peer);
	bool done = damage_agreement(peer, seed);
	uint64_t begin_at = disk_sim_operations(peer->disk);
	disk_sim_fault_at(peer->disk, begin_at + at, fault);
	sim_process_start(peer);
	sim_world_run_for(b.world, 200 * SIM_MILLISECOND);
	bool reached = disk_sim_operations(peer->disk) > begin_at + at;
	disk_sim_fault_at(peer->disk, UINT64_MAX, DISK_SIM_NO_FAULT);
	if (!sim_process_alive(peer))
		sim_process_start(peer);
	ck_assert_msg(peer->state == SIM_RUNNING, "seed %" PRIu64 " operation %" PRIu64 ": %s",
		      seed, at, peer->halt_reason);
	ck_assert(sim_world_run_until_true(b.world, is_inside, peer, deadline_us));
	ck_assert(done ? peer->env.life != life : peer->env.life == life);
	/* Its vote counts, and it remembers. */
	sim_process_power_loss(b.peers[(of + 1) % PEERS]);
	ck_assert_int_eq(start(&b, of, 7, "other"), SYNOD_OK);
	for (uint64_t seq = 0; seq < 60; seq++)
		ck_assert_str_eq(decision(&b, of, seq), "value");
	ck_assert_str_eq((start(&b, of, 100, "later"), decision(&b, of, 100)), "later");
	life = peer->env.life;
	sim_process_power_loss(peer);
	sim_process_start(peer);
	ck_assert(sim_world_run_until_true(b.world, is_inside, peer, deadline_us));
	ck_assert_uint_eq(peer->env.life, life);
	ck_assert_str_eq(decision(&b, of, 100), "later");
	teardown(&b);
	return reached;
}

/*
 * The agreements of one of three are damaged at rest: it serves again, and what was decided is
 * still what was decided.
 */
START_TEST(damage_to_the_agreements_of_one_is_healed)
{
	for (uint64_t seed = 1; seed <= 12; seed++)
		damaged_agreement(seed, (uint32_t)seed % PEERS, UINT64_MAX / 2, DISK_SIM_NO_FAULT);
}
END_TEST

/* The same, killed or without power at each operation of the start that finds the damage. */
START_TEST(healing_may_be_interrupted_at_every_operation)
{
	uint64_t at = 0;
	while (at < 60 && damaged_agreement(3, (uint32_t)at % PEERS, at,
					    at % 2 == 0 ? DISK_SIM_STOP : DISK_SIM_KILLED))
		at++;
	ck_assert_uint_gt(at, 15);
}
END_TEST

/*
 * With damage to the logs of two of three, nobody is left to tell: they say nothing, rather than
 * something else.
 */
START_TEST(two_damaged_agreements_say_nothing)
{
	struct bench b;
	setup(&b, 4 * KIB);
	for (uint64_t seq = 0; seq < 60; seq++)
		ck_assert_str_eq(
			(start(&b, (uint32_t)seq % PEERS, seq, "value"), decision(&b, 0, seq)),
			"value");
	sim_world_run_for(b.world, SIM_SECOND);
	for (uint32_t i = 0; i < 2; i++) {
		sim_process_power_loss(b.peers[i]);
		uint64_t seed = 1;
		while (!damage_agreement(b.peers[i], seed))
			seed++;
	}
	for (uint32_t i = 0; i < 2; i++)
		sim_process_start(b.peers[i]);
	sim_world_run_for(b.world, 5 * SIM_SECOND);
	for (uint32_t i = 0; i < 2; i++) {
		ck_assert(!is_inside(b.peers[i]));
		ck_assert_int_eq(start(&b, i, 5, "other"), SYNOD_UNAVAILABLE);
	}
	ck_assert_str_eq(decision(&b, 2, 5), "value");
	teardown(&b);
}
END_TEST

/* Made before its disk was bound: by what the copy knows, the group has only just begun. */
START_LOOP_TEST(a_copy_from_the_beginning_is_recognised, 0, 3)
{
	struct bench b;
	uint32_t of = (uint32_t)_i % PEERS;
	const struct consensus *core;
	struct rsm_moment moment;
	begin(&b, 64 * KIB);
	do {
		ck_assert_uint_lt(b.world->now_us, SIM_SECOND);
		sim_world_run_for(b.world, 20);
		core = rsm_core(paxosd_rsm(b.peers[of]->node));
		/*
		 * What is chosen is on the disk together with what is accepted next: the list of
		 * members.
		 */
	} while (core == NULL || consensus_chosen_slot(core) == 0 ||
		 consensus_durable_slot(core) <= consensus_chosen_slot(core));
	ck_assert_uint_eq(consensus_members(core)->slot, 0);
	struct disk_sim_image *image = disk_sim_copy(b.peers[of]->disk);
	rsm_moment(paxosd_rsm(b.peers[of]->node), &moment);
	sim_world_run_for(b.world, SIM_SECOND);
	for (uint64_t seq = 0; seq < 4; seq++)
		ck_assert_str_eq((start(&b, of, seq, "value"), decision(&b, of, seq)), "value");
	sim_world_run_for(b.world, 6 * SIM_SECOND);
	sim_process_power_loss(b.peers[of]);
	sim_process_put_back(b.peers[of], image, moment.life, 0);
	disk_sim_image_free(image);
	sim_process_start(b.peers[of]);
	/* Others ask for its word while nobody has answered yet. */
	start(&b, (of + 1) % PEERS, 4, "next");
	uint64_t until = b.world->now_us + 20 * SIM_SECOND;
	while (b.peers[of]->env.life == moment.life) {
		ck_assert_uint_eq(votes_of(&b, of), 0);
		ck_assert_int_ne(agreement_standing(paxosd_agreement(b.peers[of]->node)),
				 AGREEMENT_INSIDE);
		ck_assert_uint_lt(b.world->now_us, until);
		sim_world_run_for(b.world, 100);
	}
	for (uint64_t seq = 0; seq < 4; seq++)
		ck_assert_str_eq(decision(&b, of, seq), "value");
	teardown(&b);
}
END_TEST

/*
 * Its log would be as long as that of the right one, by which its next start is to be recognised.
 */
START_LOOP_TEST(a_doubted_copy_learns_nothing, 0, 3)
{
	struct bench b;
	uint32_t of = (uint32_t)_i % PEERS;
	struct sim_rule rules[PEERS];
	setup(&b, 64 * KIB);
	ck_assert_str_eq((start(&b, of, 0, "early"), decision(&b, of, 0)), "early");
	sim_process_power_loss(b.peers[of]);
	/* Nobody compares what it holds. */
	for (uint32_t i = 0; i < PEERS; i++) {
		rules[i] = (struct sim_rule){.from = b.peers[i],
					     .to = b.peers[of],
					     .method = METHOD_STARTED,
					     .verdict = SIM_DROP,
					     .count = UINT64_MAX};
		sim_network_add_rule(b.world, &rules[i]);
	}
	sim_process_start(b.peers[of]);
	struct rsm_moment before, after;
	rsm_moment(paxosd_rsm(b.peers[of]->node), &before);
	for (uint64_t seq = 1; seq < 5; seq++)
		ck_assert_str_eq((start(&b, (of + 1) % PEERS, seq, "late"),
				  decision(&b, (of + 1) % PEERS, seq)),
				 "late");
	sim_world_run_for(b.world, 2 * SIM_SECOND);
	ck_assert(rsm_is_doubted(paxosd_rsm(b.peers[of]->node)));
	ck_assert_uint_eq(votes_of(&b, of), 0);
	rsm_moment(paxosd_rsm(b.peers[of]->node), &after);
	ck_assert_uint_eq(after.beside, before.beside);
	sim_network_clear_rules(b.world);
	for (uint64_t seq = 1; seq < 5; seq++)
		ck_assert_str_eq(decision(&b, of, seq), "late");
	teardown(&b);
}
END_TEST

/*
 * faults: 104. Nor does it go on with what it had begun before it has been compared: a copy that is
 * started several times would claim what the disk held whose place it has taken.
 */
START_LOOP_TEST(a_doubted_copy_goes_on_with_nothing, 0, 3)
{
	struct bench b;
	uint32_t of = (uint32_t)_i % PEERS;
	struct sim_rule rules[2 * PEERS];
	struct rsm_moment first, last;
	setup(&b, 64 * KIB);
	for (uint32_t i = 0; i < 2 * PEERS; i++) {
		struct sim_process *other = b.peers[i % PEERS];
		bool claims = i >= PEERS;
		rules[i] = (struct sim_rule){.from = claims ? other : b.peers[of],
					     .to = claims ? b.peers[of] : other,
					     .method = claims ? METHOD_STARTED : METHOD_AGREEMENT,
					     .verdict = SIM_DROP,
					     .count = UINT64_MAX};
		sim_network_add_rule(b.world, &rules[i]);
	}
	start(&b, of, 0, "begun");
	sim_world_run_for(b.world, SIM_SECOND);
	ck_assert_uint_gt(agreement_proposing(paxosd_agreement(b.peers[of]->node)), 0);
	for (int round = 0; round < 3; round++) {
		sim_process_power_loss(b.peers[of]);
		sim_process_start(b.peers[of]);
		rsm_moment(paxosd_rsm(b.peers[of]->node), round == 0 ? &first : &last);
		sim_world_run_for(b.world, SIM_SECOND);
		ck_assert(rsm_is_doubted(paxosd_rsm(b.peers[of]->node)));
	}
	ck_assert_uint_eq(first.beside, last.beside);
	sim_network_clear_rules(b.world);
	ck_assert_str_eq((start(&b, of, 0, "begun"), decision(&b, of, 0)), "begun");
	teardown(&b);
}
END_TEST
