/* faults: 49, 50, 51, 55, 94 */

#include "../support/check_main.h"
#include "../support/fake_env.h"
#include "base/hashslot.h"
#include "client/core.h"
#include "wire/method.h"
#include "wire/wire.h"

#define MS 1000ull
#define NSHARDS 4u

/*
 * A scripted cluster: one shard master at m:1, groups 1 and 2 at g1:1 and g2:1. The test changes
 * these variables and then lets the cluster answer what has been sent.
 */
static struct fake_env *fake;
static struct client *client;
static struct arena arena;
static uint64_t config_number;
static uint64_t shards[NSHARDS];
static uint32_t ngroups;
static uint64_t next_client_id;
static bool silent[3];          /* by gid; 0: the shard master */
static const char *at;          /* where group 1 is, by the configuration */
static const char *gone;        /* an address at which nobody answers any more */
static const char *successor;   /* whom g1:1 names as the leader, if it is not one */
static int refusal[3];          /* a status that the group answers with, once */
static bool refuses[3];         /* … and again and again */
static uint64_t refusal_config; /* Error.config of it */
/* of what the group has, when asked for what may be old; negative: it does not know */
static int age_ms[3];
static uint32_t nstale, nindexed;
static uint32_t page_limit; /* records in one page of a scan */

/* What the groups have received. */
static struct {
	uint64_t gid, client, sequence, acknowledged;
} commands[64];
static uint32_t ncommands, nregisters, nconfigs;

/* The keys of the groups, for scans: in key order within each group. */
static const char *const keys_of_group[3][8] = {{NULL}, {"a", "c", "e", "g", "i"}, {"b", "d", "f"}};

struct outcome {
	int calls, status;
	uint64_t version;
	char text[512]; /* value, or the keys of a scan joined */
	char message[512];
	bool more;
	char resume[64];
	size_t nresults;
	bool stale, age_known;
	uint64_t age_ms, slot;
};

static void answer(const struct fake_sent *sent, int status, struct buffer *payload)
{
	if (sent->message.method == METHOD_QUERY_STALE && status == 0) {
		int age = age_ms[fake_address(fake, sent)[1] - '0'];
		struct wire_stale_reply stale = {.replica = 1,
						 .slot = 42,
						 .age_known = age >= 0,
						 .body = buffer_slice(payload),
						 .age_us = age >= 0 ? (uint64_t)age * (uint64_t)MS
								    : 0};
		struct buffer wrapped = {0};
		wire_stale_reply_encode(&stale, &wrapped);
		buffer_free(payload);
		*payload = wrapped;
	}
	struct message message = fake_reply_message(sent, status, buffer_slice(payload));
	struct node *node = client_node(client);
	node_deliver(node, sent->link, &message);
	node->ops->turn_end(node);
	buffer_free(payload);
}

static void answer_config(const struct fake_sent *sent)
{
	struct wire_group groups[2] = {
		{.gid = 1, .nmembers = 1, .members = {slice_string(at)}},
		{.gid = 2, .nmembers = 1, .members = {slice_string("g2:1")}},
	};
	struct wire_config config = {
		.number = config_number,
		.nshards = NSHARDS,
		.shards = shards,
		.ngroups = ngroups,
		.groups = groups,
	};
	struct buffer payload = {0};
	wire_config_encode(&config, &payload);
	nconfigs++;
	answer(sent, 0, &payload);
}

static void answer_command(const struct fake_sent *sent, uint64_t gid)
{
	struct wire_command command;
	struct wire_kv_command body;
	ck_assert_int_eq(wire_command_decode(sent->message.payload, &arena, &command), 0);
	ck_assert_uint_lt(ncommands, 64);
	commands[ncommands].gid = gid;
	commands[ncommands].client = command.client;
	commands[ncommands].sequence = command.sequence;
	commands[ncommands++].acknowledged = command.acknowledged;
	struct buffer payload = {0};
	if (gid == 0) {
		wire_master_reply_encode(&(struct wire_master_reply){.config = config_number + 1},
					 &payload);
	} else {
		ck_assert_int_eq(wire_kv_command_decode(command.body, &arena, &body), 0);
		struct wire_kv_result results[2] = {{.value = slice_string("new"), .version = 5},
						    {.status = STATUS_NOT_FOUND}};
		struct wire_kv_reply reply = {
			.succeeded = true, .nresults = body.nthen, .results = results};
		wire_kv_reply_encode(&reply, &payload);
	}
	answer(sent, 0, &payload);
}

static void answer_scan(const struct fake_sent *sent, uint64_t gid, const struct wire_kv_scan *scan)
{
	struct buffer payload = {0};
	if (scan->config != config_number) {
		wire_error_encode(&(struct wire_error){.config = config_number}, &payload);
		answer(sent, STATUS_WRONG_GROUP, &payload);
		return;
	}
	struct wire_kv_record records[8];
	struct wire_kv_query_reply reply = {.records = records};
	uint32_t nkeys = 0;
	while (keys_of_group[gid][nkeys] != NULL)
		nkeys++;
	for (uint32_t i = 0; i < nkeys; i++) {
		struct slice key = slice_string(
			keys_of_group[gid][scan->reverse ? nkeys - 1 - i : i]);
		if (slice_compare(key, scan->start) < 0 ||
		    (scan->end.len > 0 && slice_compare(key, scan->end) >= 0))
			continue;
		reply.count += scan->count_only;
		if (scan->count_only)
			continue;
		if (reply.nrecords == page_limit || reply.nrecords == scan->limit) {
			reply.more = true;
			reply.resume = scan->reverse ? records[reply.nrecords - 1].key : key;
			break;
		}
		records[reply.nrecords++] = (struct wire_kv_record){
			.key = key, .value = key, .version = 1};
	}
	wire_kv_query_reply_encode(&reply, &payload);
	answer(sent, 0, &payload);
}

static void answer_query(const struct fake_sent *sent, uint64_t gid)
{
	struct wire_kv_query query;
	ck_assert_int_eq(wire_kv_query_decode(sent->message.payload, &arena, &query), 0);
	if (query.has_scan) {
		answer_scan(sent, gid, &query.scan);
		return;
	}
	char text[32];
	snprintf(text, sizeof text, "from %d", (int)gid);
	struct wire_kv_result result = {.value = slice_string(text), .version = 3};
	struct buffer payload = {0};
	wire_kv_query_reply_encode(&(struct wire_kv_query_reply){.nresults = 1, .results = &result},
				   &payload);
	answer(sent, 0, &payload);
}

static void answer_one(const struct fake_sent *sent)
{
	const char *address = fake_address(fake, sent);
	uint64_t gid = address[0] == 'm' ? 0 : (uint64_t)(address[1] - '0');
	struct buffer payload = {0};
	arena_reset(&arena);
	if (silent[gid] || (gone != NULL && strcmp(address, gone) == 0))
		return;
	if (successor != NULL && strcmp(address, "g1:1") == 0) {
		wire_error_encode(&(struct wire_error){.leader = slice_string(successor)},
				  &payload);
		answer(sent, STATUS_NOT_LEADER, &payload);
		return;
	}
	if (refusal[gid] != 0) {
		int status = refusal[gid];
		refusal[gid] = refuses[gid] ? status : 0;
		wire_error_encode(&(struct wire_error){.message = slice_string("scripted"),
						       .config = refusal_config},
				  &payload);
		answer(sent, status, &payload);
	} else if (sent->message.method == METHOD_REGISTER) {
		nregisters++;
		wire_register_reply_encode(next_client_id++, &payload);
		answer(sent, 0, &payload);
	} else if (sent->message.method == METHOD_CLUSTER) {
		struct wire_cluster cluster = {
			.cluster = slice_string("t"),
			.shards = NSHARDS,
			.nmasters = 1,
			.masters = {slice_string("m:1")},
		};
		wire_cluster_encode(&cluster, &payload);
		answer(sent, 0, &payload);
	} else if (sent->message.method == METHOD_STATUS) {
		wire_status_encode(&(struct wire_status){.name = slice_string("x"), .applied = 9},
				   &payload);
		answer(sent, 0, &payload);
	} else if (sent->message.method == METHOD_TRANSFER) {
		answer(sent, 0, &payload);
	} else if (sent->message.method == METHOD_QUERY && gid == 0) {
		answer_config(sent);
	} else if (sent->message.method == METHOD_QUERY ||
		   sent->message.method == METHOD_QUERY_INDEXED ||
		   sent->message.method == METHOD_QUERY_STALE) {
		nstale += sent->message.method == METHOD_QUERY_STALE;
		nindexed += sent->message.method == METHOD_QUERY_INDEXED;
		answer_query(sent, gid);
	} else {
		ck_assert_int_eq(sent->message.method, METHOD_COMMAND);
		answer_command(sent, gid);
	}
}

/* Answers everything that has been sent, and what is sent in consequence. */
static void settle(void)
{
	struct fake_sent *sent;
	while ((sent = fake_next(fake)) != NULL)
		answer_one(sent);
}

/* Lets time pass, in steps, with a cluster that answers. */
static void pass(uint64_t duration_ms)
{
	for (uint64_t i = 0; i < duration_ms; i++) {
		settle();
		fake_advance(fake, MS);
	}
	settle();
}

static void on_done(struct client_request *request, const struct synod_reply *reply,
		    struct slice payload)
{
	struct outcome *outcome = request->context;
	(void)payload;
	outcome->calls++;
	outcome->status = reply->status;
	outcome->version = reply->version;
	outcome->more = reply->more;
	outcome->nresults = reply->nresults;
	outcome->stale = reply->stale;
	outcome->age_known = reply->age_known;
	outcome->age_ms = reply->age_ms;
	outcome->slot = reply->slot;
	snprintf(outcome->message, sizeof outcome->message, "%s", reply->message);
	snprintf(outcome->resume, sizeof outcome->resume, "%s",
		 reply->resume.len > 0 ? reply->resume.data : "");
	if (reply->value.len > 0)
		snprintf(outcome->text, sizeof outcome->text, "%s", reply->value.data);
	for (size_t i = 0; i < reply->nrecords; i++)
		snprintf(outcome->text + strlen(outcome->text),
			 sizeof outcome->text - strlen(outcome->text), "%s",
			 reply->records[i].key.data);
}

static void submit(struct outcome *outcome, int made, struct client_request *request)
{
	*outcome = (struct outcome){0};
	ck_assert_int_eq(made, 0);
	request->done = on_done;
	request->context = outcome;
	client_submit(client, request);
	ck_assert_int_eq(outcome->calls, 0);
}

static void op(struct outcome *outcome, enum synod_op_kind kind, const char *key)
{
	struct client_request *request;
	struct synod_op what = {.kind = kind,
				.key = {.data = key, .len = strlen(key)},
				.value = {.data = "v", .len = 1}};
	int made = client_request_op(&request, &what);
	submit(outcome, made, request);
}

/* From the end of everything below `end`. */
static void scan_back(struct outcome *outcome, const char *start, const char *end, uint32_t limit)
{
	struct client_request *request;
	struct synod_scan what = {.start = {.data = start, .len = strlen(start)},
				  .end = {.data = end, .len = strlen(end)},
				  .limit = limit,
				  .reverse = true};
	int made = client_request_scan(&request, &what);
	submit(outcome, made, request);
}

static void scan(struct outcome *outcome, const char *start, uint32_t limit, bool count_only)
{
	struct client_request *request;
	struct synod_scan what = {.start = {.data = start, .len = strlen(start)},
				  .limit = limit,
				  .count_only = count_only};
	int made = client_request_scan(&request, &what);
	submit(outcome, made, request);
}

/* A key whose shard is the given one. */
static const char *key_in_shard(uint32_t shard)
{
	static char keys[NSHARDS][16];
	for (int i = 0;; i++) {
		snprintf(keys[shard], sizeof keys[shard], "key%d", i);
		if (shard_of_key(slice_string(keys[shard]), NSHARDS) == shard)
			return keys[shard];
	}
}

static void create(const struct client_options *options)
{
	client = client_create(&fake->env, &fake->log, options);
	struct node *node = client_node(client);
	ck_assert_int_eq(node->ops->start(node), 0);
}

static void destroy_client(void)
{
	struct node *node = client_node(client);
	node->ops->destroy(node);
}

static void setup(void)
{
	fake = fake_create();
	arena_init(&arena, ARENA_BYTES_MAX);
	config_number = 3;
	ngroups = 2;
	for (uint32_t i = 0; i < NSHARDS; i++)
		shards[i] = i < NSHARDS / 2 ? 1 : 2;
	next_client_id = 100;
	ncommands = nregisters = nconfigs = 0;
	page_limit = 8;
	at = "g1:1";
	gone = successor = NULL;
	refusal_config = 0;
	for (int i = 0; i < 3; i++) {
		silent[i] = false;
		refusal[i] = 0;
		refuses[i] = false;
	}
	const char *masters[] = {"m:1"};
	create(&(struct client_options){.masters = masters, .nmasters = 1});
}

static void teardown(void)
{
	destroy_client();
	fake_destroy(fake);
	arena_free(&arena);
}

CHECK_FIXTURE(setup, teardown)

/*
 * A read is sent to the group that the configuration names for its key, and needs no client
 * id.
 */
START_TEST(reads_go_to_the_group_of_the_key)
{
	static struct outcome one, two;
	op(&one, SYNOD_OP_GET, key_in_shard(0));
	op(&two, SYNOD_OP_GET, key_in_shard(3));
	settle();
	ck_assert_str_eq(one.text, "from 1");
	ck_assert_str_eq(two.text, "from 2");
	ck_assert_uint_eq(one.version, 3);
	ck_assert_uint_eq(nregisters, 0);
	ck_assert_uint_eq(nconfigs, 1);
	ck_assert_uint_eq(client_outstanding(client), 0);
}
END_TEST

/*
 * The first write registers; all writes carry ascending sequence numbers of one client id,
 * over all groups.
 */
START_TEST(writes_share_one_session)
{
	static struct outcome outcomes[4];
	for (uint32_t i = 0; i < 4; i++)
		op(&outcomes[i], SYNOD_OP_PUT, key_in_shard(i));
	settle();
	ck_assert_uint_eq(nregisters, 1);
	ck_assert_uint_eq(ncommands, 4);
	for (uint32_t i = 0; i < 4; i++) {
		ck_assert_int_eq(outcomes[i].status, SYNOD_OK);
		ck_assert_uint_eq(commands[i].client, 100);
		ck_assert_uint_eq(commands[i].sequence, i + 1);
		ck_assert_uint_eq(commands[i].acknowledged, 1);
		ck_assert_uint_eq(commands[i].gid, i < 2 ? 1 : 2);
	}
	op(&outcomes[0], SYNOD_OP_PUT, key_in_shard(0));
	settle();
	ck_assert_uint_eq(commands[4].sequence, 5);
	ck_assert_uint_eq(commands[4].acknowledged, 5);
}
END_TEST

/* With endpoints alone, any node is asked with CLUSTER where the shard masters are. */
START_TEST(masters_are_found_through_endpoints)
{
	destroy_client();
	const char *endpoints[] = {"g1:1", "g2:1"};
	create(&(struct client_options){.endpoints = endpoints, .nendpoints = 2});
	static struct outcome write, config;
	struct client_request *request;
	op(&write, SYNOD_OP_PUT, "k");
	int made = client_request_config(&request, UINT64_MAX);
	submit(&config, made, request);
	settle();
	ck_assert_int_eq(write.status, SYNOD_OK);
	ck_assert_int_eq(config.status, SYNOD_OK);
}
END_TEST

/*
 * An endpoint of another cluster ends the request with WRONG_CLUSTER and the server's
 * words, without waiting.
 */
START_TEST(wrong_cluster_is_said_at_once)
{
	destroy_client();
	const char *endpoints[] = {"g1:1"};
	create(&(struct client_options){.endpoints = endpoints, .nendpoints = 1});
	refusal[1] = STATUS_WRONG_CLUSTER;
	static struct outcome read, write;
	op(&read, SYNOD_OP_GET, "k");
	op(&write, SYNOD_OP_PUT, "k");
	settle();
	ck_assert_int_eq(read.status, SYNOD_WRONG_CLUSTER);
	ck_assert_int_eq(write.status, SYNOD_WRONG_CLUSTER);
	ck_assert_str_eq(read.message, "scripted");
}
END_TEST

/*
 * WRONG_GROUP with a newer number: the configuration is fetched, and the write goes to the
 * new owner under its old sequence.
 */
START_TEST(wrong_group_takes_the_newer_configuration)
{
	static struct outcome first, moved;
	op(&first, SYNOD_OP_PUT, key_in_shard(0));
	settle();
	config_number = 4;
	shards[0] = 2;
	refusal[1] = STATUS_WRONG_GROUP;
	refusal_config = 4;
	op(&moved, SYNOD_OP_PUT, key_in_shard(0));
	pass(50);
	ck_assert_int_eq(moved.status, SYNOD_OK);
	ck_assert_uint_eq(ncommands, 2);
	ck_assert_uint_eq(commands[1].gid, 2);
	ck_assert_uint_eq(commands[1].sequence, 2);
}
END_TEST

/*
 * WRONG_GROUP with our own number or an older one: the group has not caught up, and is
 * asked again after a pause.
 */
START_TEST(group_that_lags_is_asked_again)
{
	static struct outcome outcome;
	refusal[1] = STATUS_WRONG_GROUP;
	refusal_config = 2;
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	settle();
	ck_assert_int_eq(outcome.calls, 0);
	pass(50);
	ck_assert_int_eq(outcome.status, SYNOD_OK);
	ck_assert_uint_eq(commands[0].sequence, 1);
}
END_TEST

/*
 * A request to a group that is silent because it has left is sent to the new owner once the
 * configuration shows it.
 */
START_TEST(silent_group_that_has_left_is_left)
{
	static struct outcome outcome;
	silent[1] = true;
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	pass(500);
	ck_assert_int_eq(outcome.calls, 0);
	config_number = 4;
	for (uint32_t i = 0; i < NSHARDS; i++)
		shards[i] = 2;
	pass(1500);
	ck_assert_int_eq(outcome.status, SYNOD_OK);
	ck_assert_uint_eq(commands[0].gid, 2);
	ck_assert_uint_eq(commands[0].sequence, 1);
}
END_TEST

/* Nobody is left at the addresses that are known: the shard masters know others. */
START_TEST(group_with_other_members_is_followed)
{
	static struct outcome outcome;
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	pass(10);
	ck_assert_int_eq(outcome.calls, 1);
	ck_assert_int_eq(outcome.status, SYNOD_OK);
	gone = "g1:1";
	at = "g1b:1";
	config_number = 4;
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	pass(2500);
	ck_assert_int_eq(outcome.calls, 1);
	ck_assert_int_eq(outcome.status, SYNOD_OK);
	ck_assert_uint_eq(commands[ncommands - 1].gid, 1);
	ck_assert_uint_eq(commands[ncommands - 1].sequence, 2);
}
END_TEST

/*
 * faults: 112. The same for those who never wait so long for an answer: one of their next
 * requests.
 */
START_TEST(group_with_other_members_is_followed_by_the_impatient)
{
	static struct outcome outcome;
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	pass(10);
	ck_assert_int_eq(outcome.status, SYNOD_OK);
	gone = "g1:1";
	at = "g1b:1";
	config_number = 4;
	for (int i = 0; i < 20; i++) {
		struct client_request *request;
		const char *key = key_in_shard(0);
		struct synod_op what = {.kind = SYNOD_OP_PUT,
					.key = {.data = key, .len = strlen(key)},
					.value = {.data = "v", .len = 1}};
		int made = client_request_op(&request, &what);
		request->timeout_ms = 300;
		submit(&outcome, made, request);
		pass(310);
		ck_assert_int_eq(outcome.calls, 1);
		if (outcome.status == SYNOD_OK)
			return;
	}
	ck_abort_msg("it goes on asking at addresses at which nobody is");
}
END_TEST

/* A member that was added leads, and the configuration at hand does not have it. */
START_TEST(leader_that_is_not_known_yet_is_asked)
{
	static struct outcome outcome;
	successor = "g1b:1";
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	pass(10);
	ck_assert_int_eq(outcome.calls, 1);
	ck_assert_int_eq(outcome.status, SYNOD_OK);
	op(&outcome, SYNOD_OP_GET, key_in_shard(0));
	pass(10);
	ck_assert_int_eq(outcome.calls, 1);
	ck_assert_int_eq(outcome.status, SYNOD_OK);
}
END_TEST

/*
 * SESSION_EXPIRED for a write that cannot have been executed: it gets a new id, and is sent
 * again.
 */
START_TEST(expired_session_is_replaced)
{
	static struct outcome outcome;
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	settle();
	refusal[1] = STATUS_SESSION_EXPIRED;
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	settle();
	ck_assert_int_eq(outcome.status, SYNOD_OK);
	ck_assert_uint_eq(nregisters, 2);
	ck_assert_uint_eq(commands[1].client, 101);
	ck_assert_uint_eq(commands[1].sequence, 1);
}
END_TEST

/*
 * SESSION_EXPIRED when an earlier copy may have been executed: a new id could apply it
 * twice, so the outcome is UNKNOWN.
 */
START_TEST(expired_session_after_a_lost_attempt_is_unknown)
{
	static struct outcome outcome;
	silent[1] = true;
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	pass(500);
	silent[1] = false;
	refusal[1] = STATUS_SESSION_EXPIRED;
	pass(1000);
	ck_assert_int_eq(outcome.calls, 1);
	ck_assert_int_eq(outcome.status, SYNOD_UNKNOWN);
	ck_assert_uint_eq(ncommands, 0);
}
END_TEST

/*
 * New sessions that are refused, too: fewer and fewer are asked for, and in the end it is
 * said why.
 */
START_TEST(expiry_again_and_again_is_not_a_flood)
{
	static struct outcome outcome;
	refusal[1] = STATUS_SESSION_EXPIRED;
	refuses[1] = true;
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	pass(5100);
	ck_assert_int_eq(outcome.calls, 1);
	ck_assert_int_eq(outcome.status, SYNOD_UNAVAILABLE);
	ck_assert_uint_gt(nregisters, 2);
	ck_assert_uint_lt(nregisters, 25);
	ck_assert_ptr_nonnull(strstr(outcome.message, "sessions_max"));
	ck_assert_ptr_nonnull(strstr(outcome.message, "scripted"));
	/* It has passed: the next write has nothing to wait for. */
	refusal[1] = 0;
	refuses[1] = false;
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	settle();
	ck_assert_int_eq(outcome.status, SYNOD_OK);
}
END_TEST

/* Somebody else has used our id: nothing was executed, and under a new one it is. */
START_TEST(used_numbers_get_a_new_session)
{
	static struct outcome outcome;
	refusal[1] = STATUS_SEQUENCE_REUSED;
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	settle();
	ck_assert_int_eq(outcome.status, SYNOD_OK);
	ck_assert_uint_eq(nregisters, 2);
	ck_assert_uint_eq(commands[0].client, 101);
}
END_TEST

/*
 * A write of unknown outcome ends its session: the next write registers anew, and is done under
 * the new id.
 */
START_TEST(a_session_of_unknown_outcome_is_not_used_again)
{
	static struct outcome outcome;
	silent[1] = true;
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	pass(500);
	silent[1] = false;
	refusal[1] = STATUS_SESSION_EXPIRED;
	pass(1000);
	ck_assert_int_eq(outcome.status, SYNOD_UNKNOWN);
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	settle();
	ck_assert_int_eq(outcome.status, SYNOD_OK);
	ck_assert_uint_eq(nregisters, 2);
	ck_assert_uint_eq(commands[0].client, 101);
}
END_TEST

/*
 * A write that never got past the shard masters was certainly not executed, and the message
 * names them.
 */
START_TEST(deadline_without_masters_is_unavailable)
{
	static struct outcome outcome;
	silent[0] = true;
	op(&outcome, SYNOD_OP_PUT, "k");
	pass(5100);
	ck_assert_int_eq(outcome.status, SYNOD_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(outcome.message, "m:1"));
}
END_TEST

/*
 * A write that was sent and not answered ends UNKNOWN; a read changes nothing, and ends
 * UNAVAILABLE.
 */
START_TEST(deadline_after_sending_is_unknown_for_writes_only)
{
	static struct outcome write, read;
	silent[1] = true;
	op(&write, SYNOD_OP_PUT, key_in_shard(0));
	op(&read, SYNOD_OP_GET, key_in_shard(0));
	pass(5100);
	ck_assert_int_eq(write.status, SYNOD_UNKNOWN);
	ck_assert_int_eq(read.status, SYNOD_UNAVAILABLE);
}
END_TEST

/* A refusal of the moment says nothing of an earlier attempt that was lost. */
START_TEST(no_space_after_a_lost_attempt_is_unknown)
{
	static struct outcome outcome;
	silent[1] = true;
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	pass(500);
	silent[1] = false;
	refusal[1] = STATUS_NO_SPACE;
	pass(1000);
	ck_assert_int_eq(outcome.status, SYNOD_UNKNOWN);
	refusal[1] = STATUS_NO_SPACE;
	op(&outcome, SYNOD_OP_PUT, key_in_shard(0));
	settle();
	ck_assert_int_eq(outcome.status, SYNOD_NO_SPACE);
}
END_TEST

/* Without any group a request waits for one, and its deadline says what is missing. */
START_TEST(cluster_without_groups_is_explained)
{
	static struct outcome late, served, scanned;
	config_number = 0;
	ngroups = 0;
	for (uint32_t i = 0; i < NSHARDS; i++)
		shards[i] = 0;
	op(&late, SYNOD_OP_GET, "k");
	pass(3000);
	op(&served, SYNOD_OP_GET, key_in_shard(0));
	scan(&scanned, "", 0, false);
	pass(2100);
	ck_assert_int_eq(late.status, SYNOD_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(late.message, "join"));
	config_number = 1;
	ngroups = 2;
	for (uint32_t i = 0; i < NSHARDS; i++)
		shards[i] = 1 + i % 2;
	pass(1000);
	ck_assert_str_eq(served.text, "from 1");
	ck_assert_str_eq(scanned.text, "abcdefgi");
}
END_TEST

static void txn(struct outcome *outcome, const char *first, const char *second)
{
	struct client_request *request;
	struct synod_op ops[2] = {
		{.kind = SYNOD_OP_PUT, .key = {.data = first, .len = strlen(first)}},
		{.kind = SYNOD_OP_GET, .key = {.data = second, .len = strlen(second)}},
	};
	int made = client_request_txn(&request, &(struct synod_txn){.then = ops, .nthen = 2});
	submit(outcome, made, request);
}

/*
 * A transaction whose keys lie in one group is one command; every operation has its result.
 */
START_TEST(transactions_within_a_group)
{
	static struct outcome outcome;
	txn(&outcome, key_in_shard(0), key_in_shard(1));
	settle();
	ck_assert_int_eq(outcome.status, SYNOD_OK);
	ck_assert_uint_eq(outcome.nresults, 2);
	ck_assert_uint_eq(ncommands, 1);
}
END_TEST

/*
 * Keys in different groups: refused here, without asking anybody, with a hint at hash tags.
 */
START_TEST(transactions_across_groups_are_refused)
{
	static struct outcome outcome;
	op(&outcome, SYNOD_OP_GET, "warm up");
	settle();
	txn(&outcome, key_in_shard(0), key_in_shard(3));
	fake_advance(fake, 0);
	ck_assert_int_eq(outcome.status, SYNOD_CROSS_GROUP);
	ck_assert_ptr_nonnull(strstr(outcome.message, "{"));
	ck_assert_ptr_null(fake_next(fake));
}
END_TEST

/*
 * A scan collects the keys of all groups in global order, whatever the sizes of the pages.
 */
START_TEST(scans_are_merged_in_key_order)
{
	for (page_limit = 1; page_limit <= 8; page_limit++) {
		static struct outcome outcome;
		scan(&outcome, "", 0, false);
		settle();
		ck_assert_int_eq(outcome.calls, 1);
		ck_assert_str_eq(outcome.text, "abcdefgi");
		ck_assert(!outcome.more);
	}
}
END_TEST

/*
 * A scan that ends by its limit says where to go on, and the pages together are the whole
 * range.
 */
START_TEST(scans_stop_at_their_limit_and_resume)
{
	for (uint32_t limit = 1; limit <= 9; limit++) {
		static struct outcome outcome;
		char all[32] = "", start[64] = "";
		uint32_t pages = 0;
		do {
			page_limit = 2;
			scan(&outcome, start, limit, false);
			settle();
			ck_assert_int_eq(outcome.status, SYNOD_OK);
			ck_assert_uint_le(strlen(outcome.text), limit);
			strcat(all, outcome.text);
			strcpy(start, outcome.resume);
			/* The smallest key behind "c" is "c\0", which a C string cannot hold. */
			if (outcome.more && start[0] != '\0' && start[1] == '\0')
				strcat(start, "\1");
			pages++;
		} while (outcome.more);
		ck_assert_str_eq(all, "abcdefgi");
		ck_assert_uint_eq(pages, (8 + limit - 1) / limit);
	}
}
END_TEST

/*
 * A configuration that changes between two pages makes the scan go on under the new one,
 * without a gap or a repetition.
 */
START_TEST(scans_survive_a_new_configuration)
{
	static struct outcome outcome;
	page_limit = 2;
	op(&outcome, SYNOD_OP_GET, "warm up");
	settle();
	scan(&outcome, "", 0, false);
	for (int i = 0; i < 3; i++)
		answer_one(fake_next(fake));
	config_number = 4;
	pass(100);
	ck_assert_int_eq(outcome.calls, 1);
	ck_assert_str_eq(outcome.text, "abcdefgi");
}
END_TEST

/*
 * Backwards, in global order too; and the pages of any limit together are the whole range,
 * each key once.
 */
START_TEST(reverse_scans_are_merged_from_the_end)
{
	for (page_limit = 1; page_limit <= 8; page_limit++) {
		static struct outcome outcome;
		scan_back(&outcome, "b", "i", 0);
		settle();
		ck_assert_str_eq(outcome.text, "gfedcb");
		ck_assert(!outcome.more);
		for (uint32_t limit = 1; limit <= 9; limit++) {
			char all[32] = "", end[64] = "";
			uint32_t pages = 0;
			do {
				scan_back(&outcome, "", end, limit);
				settle();
				ck_assert_int_eq(outcome.status, SYNOD_OK);
				ck_assert_uint_le(strlen(outcome.text), limit);
				strcat(all, outcome.text);
				strcpy(end, outcome.resume);
				pages++;
			} while (outcome.more);
			ck_assert_str_eq(all, "igfedcba");
			ck_assert_uint_eq(pages, (8 + limit - 1) / limit);
		}
	}
}
END_TEST

/*
 * The configuration changes between two pages: the scan goes on before the last key that it
 * has.
 */
START_TEST(reverse_scans_survive_a_new_configuration)
{
	static struct outcome outcome;
	page_limit = 2;
	op(&outcome, SYNOD_OP_GET, "warm up");
	settle();
	scan_back(&outcome, "", "", 0);
	for (int i = 0; i < 3; i++)
		answer_one(fake_next(fake));
	config_number = 4;
	pass(100);
	ck_assert_int_eq(outcome.calls, 1);
	ck_assert_str_eq(outcome.text, "igfedcba");
}
END_TEST

/* A count asks every group for its number and transfers no key. */
START_TEST(counts_are_added_up)
{
	static struct outcome outcome;
	scan(&outcome, "", 0, true);
	settle();
	ck_assert_int_eq(outcome.status, SYNOD_OK);
	ck_assert_uint_eq(outcome.version, 8);
	ck_assert_str_eq(outcome.text, "");
}
END_TEST

static void get_with(struct outcome *outcome, const char *key,
		     const struct synod_read_options *options)
{
	struct client_request *request;
	struct synod_op what = {.kind = SYNOD_OP_GET, .key = {.data = key, .len = strlen(key)}};
	int made = client_request_op(&request, &what);
	ck_assert_int_eq(client_request_reading(request, options), 0);
	submit(outcome, made, request);
}

static void scan_with(struct outcome *outcome, const struct synod_read_options *options)
{
	struct client_request *request;
	int made = client_request_scan(&request,
				       &(struct synod_scan){.start = {.data = "", .len = 0}});
	ck_assert_int_eq(client_request_reading(request, options), 0);
	submit(outcome, made, request);
}

/* They say how old they may be, and a scan as its oldest page does; others say nothing. */
START_TEST(reads_that_may_be_old)
{
	static struct outcome outcome;
	const struct synod_read_options stale = {.size = sizeof stale, .consistency = SYNOD_STALE};
	age_ms[1] = 30;
	get_with(&outcome, key_in_shard(0), &stale);
	settle();
	ck_assert_str_eq(outcome.text, "from 1");
	ck_assert(outcome.stale && outcome.age_known);
	ck_assert_uint_eq(outcome.age_ms, 30);
	ck_assert_uint_eq(outcome.slot, 42);
	age_ms[1] = -1;
	get_with(&outcome, key_in_shard(0), &stale);
	settle();
	ck_assert(outcome.stale && !outcome.age_known);
	age_ms[1] = 30;
	age_ms[2] = 50;
	page_limit = 2;
	scan_with(&outcome, &stale);
	settle();
	ck_assert_str_eq(outcome.text, "abcdefgi");
	ck_assert(outcome.stale && outcome.age_known);
	ck_assert_uint_eq(outcome.age_ms, 50);
	ck_assert_uint_eq(outcome.slot, 0);
	age_ms[2] = -1;
	scan_with(&outcome, &stale);
	settle();
	ck_assert(outcome.stale && !outcome.age_known);
	ck_assert_uint_ge(nstale, 4);
	ck_assert_uint_eq(nindexed, 0);
	get_with(&outcome, key_in_shard(0),
		 &(struct synod_read_options){.prefer = SYNOD_PREFER_FOLLOWER});
	settle();
	ck_assert_str_eq(outcome.text, "from 1");
	ck_assert(!outcome.stale);
	ck_assert_uint_eq(nindexed, 1);
	get_with(&outcome, key_in_shard(0), NULL);
	settle();
	ck_assert(!outcome.stale);
	ck_assert_uint_eq(nindexed, 1);
}
END_TEST

/*
 * What is too old is had from the leader; a scan that needs more time than its pages may be
 * old has none of them to return.
 */
START_TEST(reads_that_may_not_be_so_old)
{
	static struct outcome outcome;
	struct synod_read_options young = {
		.size = sizeof young, .consistency = SYNOD_STALE, .max_age_ms = 40};
	age_ms[1] = 30;
	age_ms[2] = 50;
	get_with(&outcome, key_in_shard(3), &young);
	settle();
	ck_assert_str_eq(outcome.text, "from 2");
	ck_assert(outcome.stale && outcome.age_known);
	ck_assert_uint_eq(outcome.age_ms, 0);
	ck_assert_uint_eq(outcome.slot, 0);
	scan_with(&outcome, &young);
	settle();
	ck_assert_str_eq(outcome.text, "abcdefgi");
	ck_assert_uint_eq(outcome.age_ms, 30);
	silent[2] = true;
	scan_with(&outcome, &young);
	settle();
	silent[2] = false;
	fake_advance(fake, 20 * MS);
	ck_assert_int_eq(outcome.calls, 0);
	pass(2000);
	ck_assert_int_eq(outcome.calls, 1);
	ck_assert_int_eq(outcome.status, SYNOD_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(outcome.message, "fewer records"));
	/* A shard that is not served there yet: the leader claims it. */
	refusal[1] = STATUS_WRONG_GROUP;
	get_with(&outcome, key_in_shard(0), &young);
	settle();
	ck_assert_int_eq(outcome.status, SYNOD_OK);
	ck_assert_uint_eq(outcome.slot, 0);
}
END_TEST

/*
 * A program that was compiled with fewer options says nothing of the others, whatever lies
 * behind its own.
 */
START_TEST(options_of_other_versions)
{
	static struct outcome outcome;
	struct synod_read_options options = {
		.size = offsetof(struct synod_read_options, max_age_ms),
		.consistency = SYNOD_STALE,
		.max_age_ms = 1,
		.timeout_ms = 1};
	age_ms[1] = 30;
	get_with(&outcome, key_in_shard(0), &options);
	settle();
	ck_assert(outcome.stale);
	ck_assert_uint_eq(outcome.age_ms, 30);
	options.size = 1000;
	options.max_age_ms = 20;
	options.timeout_ms = 0;
	get_with(&outcome, key_in_shard(0), &options);
	settle();
	ck_assert_uint_eq(outcome.age_ms, 0);
}
END_TEST

/* Half a range is no answer: with one group silent the scan ends UNAVAILABLE. */
START_TEST(a_scan_that_loses_a_group_fails_as_a_whole)
{
	static struct outcome outcome;
	silent[2] = true;
	scan(&outcome, "", 0, false);
	pass(5100);
	ck_assert_int_eq(outcome.status, SYNOD_UNAVAILABLE);
	ck_assert_uint_eq(client_outstanding(client), 0);
}
END_TEST

/* A change of the configuration is a command with a session, at the shard masters. */
START_TEST(master_commands_are_written_with_a_session)
{
	static struct outcome outcome;
	struct client_request *request;
	int made = client_request_rebalance(&request);
	submit(&outcome, made, request);
	settle();
	ck_assert_int_eq(outcome.status, SYNOD_OK);
	ck_assert_uint_eq(outcome.version, 4);
	ck_assert_uint_eq(commands[0].gid, 0);
	ck_assert_uint_eq(commands[0].client, 100);
}
END_TEST

/*
 * STATUS is asked of the one server; a refused connection is reported as soon as a second
 * try has failed too.
 */
START_TEST(status_asks_one_server)
{
	static struct outcome up, down;
	struct client_request *request;
	int made = client_request_status(&request, "g1:1");
	submit(&up, made, request);
	settle();
	ck_assert_int_eq(up.status, SYNOD_OK);
	made = client_request_status(&request, "g2:1");
	submit(&down, made, request);
	struct node *node = client_node(client);
	node->ops->link_down(node, fake_next(fake)->link);
	ck_assert_int_eq(down.calls, 0);
	node->ops->link_down(node, fake_next(fake)->link);
	ck_assert_int_eq(down.status, SYNOD_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(down.message, "g2:1"));
}
END_TEST

/* TRANSFER goes to the members that are given, not to a group of the configuration. */
START_TEST(transfer_finds_the_leader)
{
	static struct outcome outcome;
	struct client_request *request;
	const char *members[] = {"g1:1", "g2:1"};
	int made = client_request_transfer(&request, members, 2, 0);
	submit(&outcome, made, request);
	refusal[1] = STATUS_NOT_LEADER;
	settle();
	ck_assert_int_eq(outcome.status, SYNOD_OK);
}
END_TEST

/*
 * A client that stops ends what is under way with CLOSED, wherever it waits, and tells its
 * world.
 */
START_TEST(stopping_ends_everything_under_way)
{
	static struct outcome outcomes[5];
	op(&outcomes[0], SYNOD_OP_GET, "warm up");
	settle();
	silent[0] = silent[1] = silent[2] = true;
	op(&outcomes[0], SYNOD_OP_GET, "a");
	op(&outcomes[1], SYNOD_OP_PUT, "b");
	scan(&outcomes[2], "", 0, false);
	struct client_request *request;
	int made = client_request_config(&request, 1);
	submit(&outcomes[3], made, request);
	made = client_request_status(&request, "g1:1");
	submit(&outcomes[4], made, request);
	struct node *node = client_node(client);
	node->ops->stop(node);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(outcomes[i].calls, 1);
		ck_assert_int_eq(outcomes[i].status, SYNOD_CLOSED);
	}
	ck_assert(fake->stopped);
}
END_TEST

/* Writes beyond the session's window wait for the oldest, and go on when it has ended. */
START_TEST(stuck_write_does_not_stop_the_others_until_the_window_is_full)
{
	enum { N = SESSION_WINDOW_MAX };
	static struct outcome stuck, last, others[N];
	silent[1] = true;
	op(&stuck, SYNOD_OP_PUT, key_in_shard(0));
	settle();
	fake_advance(fake, 4000 * MS);
	settle();
	for (int i = 0; i < N - 1; i++)
		op(&others[i], SYNOD_OP_PUT, key_in_shard(3));
	op(&last, SYNOD_OP_PUT, key_in_shard(3));
	uint32_t sent = 0;
	struct fake_sent *message;
	while ((message = fake_next(fake)) != NULL) {
		if (message->message.method != METHOD_COMMAND)
			continue;
		sent++;
		ncommands = 0;
		answer_one(message);
	}
	ck_assert_uint_eq(sent, N - 1);
	ck_assert_int_eq(others[N - 2].status, SYNOD_OK);
	ck_assert_int_eq(others[N - 2].calls, 1);
	ck_assert_int_eq(last.calls, 0);
	ncommands = 0;
	pass(1100);
	ck_assert_int_eq(stuck.status, SYNOD_UNKNOWN);
	ck_assert_int_eq(last.calls, 1);
	ck_assert_int_eq(last.status, SYNOD_OK);
}
END_TEST
