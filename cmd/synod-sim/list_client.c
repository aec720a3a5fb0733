/* The client of that app. */
#include "list_client.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "call/caller.h"
#include "sim/nemesis.h"
#include "wire/method.h"
#include "wire/wire.h"

/* A command under way, or waiting for the session. */
struct command {
	struct list link; /* in the client's open or waiting list */
	struct list_client *client;
	struct sim_load_slot *slot;
	struct caller_call *call;
	uint64_t session;
	uint64_t sequence;
	uint64_t deadline_us;
};

struct list_client {
	struct node node;
	const struct list_client_options *options;
	struct caller *caller;
	/*
	 * One for each server alone: who asks a leader that has been replaced, or the first one
	 * that its successor has.
	 */
	struct caller *direct[SIM_NEMESIS_GROUP_MAX];
	struct list readers; /* struct reader */
	struct arena arena;
	struct buffer scratch;
	uint64_t session; /* 0: none */
	uint64_t next;
	bool registering;
	bool ending; /* being destroyed */
	struct rng reuse;
	struct list open; /* in the order of their sequence numbers */
	struct list waiting;
};

static struct list_client *client_of(struct node *node)
{
	return (struct list_client *)(void *)node;
}

static struct caller *caller_for(const struct list_client *client, const struct sim_load_slot *slot)
{
	return slot->direct == 0 ? client->caller
				 : client->direct[slot->direct / 2 % client->options->count];
}

/* ---- reads ---- */

/*
 * A caller for one read, which it confirms itself. It takes any server for the leader; most of all
 * one that does not know that another has been elected, or has just been elected itself.
 */
struct reader {
	struct list link; /* in the client's readers */
	struct caller *caller;
	struct sim_load_slot *slot;
	/* to be freed at the end of the turn: a caller is not destroyed within its callback */
	bool over;
};

/* Of a read that is not for whoever leads: which server it is for. */
static uint32_t server_for(const struct list_client *client, const struct sim_load_slot *slot)
{
	uint32_t doubtful = client->options->doubtful_leader(client->options->context);
	return doubtful != UINT32_MAX ? doubtful
				      : (uint32_t)(slot->direct / 2 % client->options->count);
}

static void end_read(struct sim_load_slot *slot, int status, struct slice payload)
{
	if (status != 0) {
		sim_load_end(slot, SIM_HISTORY_FAILED);
		return;
	}
	uint64_t *list = alloc_bytes(payload.len + 8);
	if (payload.len > 0)
		memcpy(list, payload.data, payload.len);
	sim_load_end_read(slot, list, (uint32_t)(payload.len / 8));
	free(list);
}

static void read_done(void *context, int status, struct slice payload)
{
	end_read(context, status, payload);
}

/* Of a read that others than the leader may answer. */
static void anywhere_done(void *context, int status, struct slice payload)
{
	struct sim_load_slot *slot = context;
	const struct caller_age *age = caller_answer_age(slot->call);
	if (status == 0 && slot->read == SIM_READ_STALE)
		sim_load_read_since(slot, sim_load_since_us(slot, age->known, age->us));
	end_read(slot, status, payload);
}

/*
 * From a replica that the caller chooses, or from one alone: most of all one that still follows who
 * has been replaced.
 */
static void anywhere_start(struct list_client *client, struct sim_load_slot *slot,
			   struct slice payload, uint64_t deadline_us)
{
	uint64_t choice = slot->read_choice;
	uint32_t doubtful = client->options->doubtful_follower(client->options->context);
	uint32_t one = doubtful != UINT32_MAX ? doubtful
					      : (uint32_t)((choice >> 33) % client->options->count);
	struct caller *caller = choice >> 32 & 1 ? client->caller : client->direct[one];
	struct caller_read read = {
		.stale = slot->read == SIM_READ_STALE,
		.prefer = choice >> 40 & 1 || slot->read == SIM_READ_FOLLOWER
				  ? CALLER_PREFER_FOLLOWER
				  : CALLER_PREFER_DEFAULT,
		.age_us_max = sim_load_age_us_max(slot),
	};
	slot->call = caller_start_read(caller, METHOD_QUERY, payload, deadline_us, &read,
				       anywhere_done, slot);
}

static void reader_done(void *context, int status, struct slice payload)
{
	struct reader *reader = context;
	reader->over = true;
	end_read(reader->slot, status, payload);
}

static struct reader *reader_create(struct list_client *client, struct sim_load_slot *slot)
{
	const char *addresses[SIM_NEMESIS_GROUP_MAX];
	uint32_t count = client->options->count, first = server_for(client, slot);
	for (uint32_t i = 0; i < count; i++)
		addresses[i] = client->options->addresses[(first + i) % count];
	struct reader *reader = ALLOC(struct reader);
	reader->slot = slot;
	reader->caller = caller_create(
		&(struct caller_options){.node = &client->node, .confirm_alone = 1});
	caller_set_addresses(reader->caller, addresses, count);
	list_push_back(&client->readers, &reader->link);
	return reader;
}

static void free_readers(struct list_client *client, bool all)
{
	LIST_FOR_SAFE (link, after, &client->readers) {
		struct reader *reader = LIST_ITEM(link, struct reader, link);
		if (!all && !reader->over)
			continue;
		caller_destroy(reader->caller);
		list_remove(link);
		free(reader);
	}
}

static void read_start(struct list_client *client, struct sim_load_slot *slot)
{
	uint8_t query[4];
	store_u32(query, slot->key);
	struct slice payload = slice(query, sizeof query);
	uint64_t deadline_us = node_now_us(&client->node) + slot->timeout_ms * 1000ull;
	if (slot->read != SIM_READ_LEADER) {
		anywhere_start(client, slot, payload, deadline_us);
	} else if (slot->direct == 0) {
		caller_start(client->caller, METHOD_QUERY, payload, deadline_us, read_done, slot);
	} else if (slot->direct >> 63 == 0) {
		caller_start(client->direct[server_for(client, slot)], METHOD_QUERY, payload,
			     deadline_us, read_done, slot);
	} else {
		struct reader *reader = reader_create(client, slot);
		caller_start(reader->caller, METHOD_QUERY_UNCONFIRMED, payload, deadline_us,
			     reader_done, reader);
	}
}

/* ---- appends ---- */

static void command_free(struct command *command)
{
	list_remove(&command->link);
	free(command);
}

static void session_register(struct list_client *client);

static void reuse_done(void *context, int status, struct slice payload)
{
	struct sim_load *load = context;
	(void)payload;
	if (status == STATUS_OK)
		load->violation(load->context, "a command under the sequence of another one was "
					       "answered as if it were that");
}

/*
 * As a stray client would, at once, while the first one's answer may still be kept. It is never
 * applied. faults: 54
 */
static void reuse_sequence(struct list_client *client, const struct sim_load_slot *slot,
			   uint64_t session, uint64_t sequence)
{
	uint8_t body[12];
	if (client->ending || rng_below(&client->reuse, 100) >= client->options->reuse_percent)
		return;
	store_u32(body, slot->key);
	store_u64(body + 4, ~slot->value);
	struct wire_command wire = {.client = session,
				    .sequence = sequence,
				    .acknowledged = 1,
				    .body = slice(body, sizeof body)};
	buffer_clear(&client->scratch);
	wire_command_encode(&wire, &client->scratch);
	caller_start(caller_for(client, slot), METHOD_COMMAND, buffer_slice(&client->scratch),
		     node_now_us(&client->node) + SIM_SECOND, reuse_done, slot->load);
}

static void append_done(void *context, int status, struct slice payload)
{
	struct command *command = context;
	struct list_client *client = command->client;
	struct sim_load_slot *slot = command->slot;
	uint64_t session = command->session, sequence = command->sequence;
	uint32_t length = 0;
	/* A refusal (a full disk, say) speaks of one attempt only. */
	bool open = status == STATUS_UNKNOWN || status == STATUS_CANCELLED ||
		    caller_may_be_executed(command->call);
	command_free(command);
	switch (status) {
	case STATUS_OK:
		reuse_sequence(client, slot, session, sequence);
		if (!slice_take_u32(&payload, &length))
			slot->load->violation(slot->load->context,
					      "an append was answered with %zu bytes", payload.len);
		sim_load_end_append(slot, length);
		break;
	case STATUS_SESSION_EXPIRED:
		/*
		 * Of this attempt; an earlier one may have been applied before the session was
		 * evicted.
		 */
		if (client->session == session)
			client->session = 0;
		sim_load_end(slot, SIM_HISTORY_UNKNOWN);
		break;
	case STATUS_SEQUENCE_REUSED:
		slot->load->violation(
			slot->load->context,
			"sequence %llu of client %llu was used once and called reused",
			(unsigned long long)sequence, (unsigned long long)session);
		sim_load_end(slot, SIM_HISTORY_UNKNOWN);
		break;
	default: sim_load_end(slot, open ? SIM_HISTORY_UNKNOWN : SIM_HISTORY_FAILED); break;
	}
}

static void command_send(struct list_client *client, struct command *command)
{
	uint8_t body[12];
	store_u32(body, command->slot->key);
	store_u64(body + 4, command->slot->value);
	command->session = client->session;
	command->sequence = client->next++;
	list_push_back(&client->open, &command->link);
	const struct command *oldest = LIST_ITEM(list_first(&client->open), struct command, link);
	struct wire_command wire = {
		.client = client->session,
		.sequence = command->sequence,
		.acknowledged = oldest->session == client->session ? oldest->sequence : 1,
		.body = slice(body, sizeof body),
	};
	buffer_clear(&client->scratch);
	wire_command_encode(&wire, &client->scratch);
	command->call = caller_start(caller_for(client, command->slot), METHOD_COMMAND,
				     buffer_slice(&client->scratch), command->deadline_us,
				     append_done, command);
}

static void register_done(void *context, int status, struct slice payload)
{
	struct list_client *client = context;
	uint64_t id = 0;
	if (client->ending)
		return;
	client->registering = false;
	if (status == 0 && wire_register_reply_decode(payload, &client->arena, &id) == 0) {
		client->session = id;
		client->next = 1;
	}
	arena_reset(&client->arena);
	uint64_t now_us = node_now_us(&client->node);
	LIST_FOR_SAFE (link, after, &client->waiting) {
		struct command *command = LIST_ITEM(link, struct command, link);
		list_remove(&command->link);
		if (client->session != 0) {
			command_send(client, command);
		} else if (command->deadline_us <= now_us) {
			sim_load_end(command->slot, SIM_HISTORY_FAILED);
			command_free(command);
		} else {
			list_push_front(&client->waiting, &command->link);
		}
	}
	if (!list_empty(&client->waiting))
		session_register(client);
}

static void session_register(struct list_client *client)
{
	if (client->registering)
		return;
	client->registering = true;
	caller_start(client->caller, METHOD_REGISTER, slice(NULL, 0),
		     node_now_us(&client->node) + SIM_SECOND, register_done, client);
}

static void append_start(struct list_client *client, struct sim_load_slot *slot)
{
	struct command *command = ALLOC(struct command);
	command->client = client;
	command->slot = slot;
	command->deadline_us = node_now_us(&client->node) + slot->timeout_ms * 1000ull;
	if (rng_below(&slot->load->world->rng_workload, 100) < slot->load->options.renew_percent)
		client->session = 0;
	if (client->session != 0) {
		command_send(client, command);
		return;
	}
	list_push_back(&client->waiting, &command->link);
	session_register(client);
}

void list_client_submit(struct node *node, struct sim_load_slot *slot)
{
	struct list_client *client = client_of(node);
	if (slot->kind == SIM_HISTORY_READ)
		read_start(client, slot);
	else
		append_start(client, slot);
}

/* ---- the node ---- */

static int client_start(struct node *node)
{
	struct list_client *client = client_of(node);
	const char *const *addresses = client->options->addresses;
	uint32_t count = client->options->count;
	caller_set_addresses(client->caller, addresses, count);
	for (uint32_t i = 0; i < count; i++)
		caller_set_addresses(client->direct[i], &addresses[i], 1);
	return 0;
}

static void client_message(struct node *node, link_id from, const struct message *message)
{
	struct list_client *client = client_of(node);
	bool taken = caller_message(client->caller, from, message);
	for (uint32_t i = 0; !taken && i < client->options->count; i++)
		taken = caller_message(client->direct[i], from, message);
	for (struct list *link = client->readers.next; !taken && link != &client->readers;
	     link = link->next)
		taken = caller_message(LIST_ITEM(link, struct reader, link)->caller, from, message);
}

static void client_link_down(struct node *node, link_id link)
{
	struct list_client *client = client_of(node);
	caller_link_down(client->caller, link);
	for (uint32_t i = 0; i < client->options->count; i++)
		caller_link_down(client->direct[i], link);
	LIST_FOR (position, &client->readers)
		caller_link_down(LIST_ITEM(position, struct reader, link)->caller, link);
}

static void client_turn_end(struct node *node)
{
	free_readers(client_of(node), false);
}

static void client_stop(struct node *node)
{
	node->env->ops->stopped(node->env);
}

/* None of them has been sent. */
static void free_waiting(struct list_client *client)
{
	LIST_FOR_SAFE (link, after, &client->waiting) {
		struct command *command = LIST_ITEM(link, struct command, link);
		sim_load_end(command->slot, SIM_HISTORY_FAILED);
		command_free(command);
	}
}

static void client_destroy(struct node *node)
{
	struct list_client *client = client_of(node);
	client->ending = true;
	caller_destroy(client->caller);
	for (uint32_t i = 0; i < client->options->count; i++)
		caller_destroy(client->direct[i]);
	free_readers(client, true);
	ASSERT(list_empty(&client->open)); /* the caller has ended them */
	free_waiting(client);
	arena_free(&client->arena);
	buffer_free(&client->scratch);
	node_done(node);
	free(client);
}

static bool client_ready(struct node *node)
{
	(void)node;
	return true;
}

static void client_status_json(struct node *node, struct buffer *out)
{
	(void)node;
	buffer_format(out, "{}");
}

static const struct node_ops client_ops = {
	.start = client_start,
	.message = client_message,
	.link_down = client_link_down,
	.turn_end = client_turn_end,
	.stop = client_stop,
	.destroy = client_destroy,
	.ready = client_ready,
	.status_json = client_status_json,
};

struct node *list_client_build(void *context, struct sim_process *process)
{
	struct list_client *client = ALLOC(struct list_client);
	node_init(&client->node, &client_ops, &process->env, &process->log);
	client->options = context;
	client->caller = caller_create(&(struct caller_options){.node = &client->node});
	for (uint32_t i = 0; i < client->options->count; i++)
		client->direct[i] = caller_create(&(struct caller_options){.node = &client->node});
	arena_init(&client->arena, ARENA_BYTES_MAX);
	/* Drawn apart from everything else, so that it changes nothing for those who do not. */
	rng_seed(&client->reuse,
		 process->world->seed * 31 + process->index * 4099u + process->incarnation);
	list_init(&client->readers);
	list_init(&client->open);
	list_init(&client->waiting);
	return &client->node;
}
