#include "list_client.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "rsm/caller.h"
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
	/* One for each server alone: who asks a leader that has been replaced, or the first one that its successor has. */
	struct caller *direct[REPLICAS_MAX];
	/* One for each server that it takes for the leader: it confirms its reads itself. After them it forgets who leads. */
	struct caller *readers[REPLICAS_MAX];
	uint32_t reading[REPLICAS_MAX]; /* under way through each of them */
	struct arena arena;
	struct buffer scratch;
	uint64_t session; /* 0: none */
	uint64_t next;
	bool registering;
	bool ending; /* being destroyed */
	struct list open;    /* in the order of their sequence numbers */
	struct list waiting;
};

static struct list_client *client_of(struct node *node)
{
	return (struct list_client *)(void *)node;
}

static struct caller *caller_for(const struct list_client *client, const struct sim_load_slot *slot)
{
	return slot->direct == 0 ? client->caller : client->direct[slot->direct / 2 % client->options->count];
}

/* ---- reads ---- */

static bool confirms(const struct sim_load_slot *slot)
{
	return slot->direct >> 63 == 1;
}

static uint32_t reader_index(const struct list_client *client, const struct sim_load_slot *slot)
{
	return (uint32_t)(slot->direct / 2 % client->options->count);
}

/* One that takes server `index` for the leader. */
static struct caller *reader_create(struct list_client *client, uint32_t index)
{
	const char *addresses[REPLICAS_MAX];
	uint32_t count = client->options->count;
	for (uint32_t i = 0; i < count; i++)
		addresses[i] = client->options->addresses[(index + i) % count];
	struct caller *caller = caller_create(
		&(struct caller_options){.node = &client->node, .confirm_reads = true, .confirm_alone = 1});
	caller_set_addresses(caller, addresses, count);
	return caller;
}

static struct caller *reader_for(struct list_client *client, const struct sim_load_slot *slot)
{
	uint32_t index = reader_index(client, slot);
	if (client->reading[index]++ == 0) {
		caller_destroy(client->readers[index]);
		client->readers[index] = reader_create(client, index);
	}
	return client->readers[index];
}

struct read {
	struct list_client *client;
	struct sim_load_slot *slot;
};

static void read_done(void *context, int status, struct slice payload)
{
	struct read *read = context;
	struct sim_load_slot *slot = read->slot;
	if (confirms(slot))
		read->client->reading[reader_index(read->client, slot)]--;
	free(read);
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

static void read_start(struct list_client *client, struct sim_load_slot *slot)
{
	uint8_t query[4];
	store_u32(query, slot->key);
	struct read *read = ALLOC(struct read);
	*read = (struct read){.client = client, .slot = slot};
	caller_start(confirms(slot) ? reader_for(client, slot) : caller_for(client, slot), METHOD_QUERY, slice(query, sizeof query),
		     node_now_us(&client->node) + slot->timeout_ms * 1000ull, read_done, read);
}

/* ---- appends ---- */

static void command_free(struct command *command)
{
	list_remove(&command->link);
	free(command);
}

static void session_register(struct list_client *client);

static void append_done(void *context, int status, struct slice payload)
{
	struct command *command = context;
	struct list_client *client = command->client;
	struct sim_load_slot *slot = command->slot;
	uint64_t session = command->session, sequence = command->sequence;
	uint32_t length = 0;
	/* A refusal (a full disk, say) speaks of one attempt only. */
	bool open = status == STATUS_UNKNOWN || status == STATUS_CANCELLED || caller_may_be_executed(command->call);
	command_free(command);
	switch (status) {
	case STATUS_OK:
		if (!slice_take_u32(&payload, &length))
			slot->load->violation(slot->load->context, "an append was answered with %zu bytes", payload.len);
		sim_load_end_append(slot, length);
		break;
	case STATUS_SESSION_EXPIRED:
		/* Of this attempt; an earlier one may have been applied before the session was evicted. */
		if (client->session == session)
			client->session = 0;
		sim_load_end(slot, SIM_HISTORY_UNKNOWN);
		break;
	case STATUS_SEQUENCE_REUSED:
		slot->load->violation(slot->load->context, "sequence %llu of client %llu was used once and called reused",
				      (unsigned long long)sequence, (unsigned long long)session);
		sim_load_end(slot, SIM_HISTORY_UNKNOWN);
		break;
	default:
		sim_load_end(slot, open ? SIM_HISTORY_UNKNOWN : SIM_HISTORY_FAILED);
		break;
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
	const struct command *oldest = LIST_ENTRY(list_first(&client->open), struct command, link);
	struct wire_command wire = {
		.client = client->session,
		.sequence = command->sequence,
		.acknowledged = oldest->session == client->session ? oldest->sequence : 1,
		.body = slice(body, sizeof body),
	};
	buffer_clear(&client->scratch);
	wire_command_encode(&wire, &client->scratch);
	command->call = caller_start(caller_for(client, command->slot), METHOD_COMMAND, buffer_slice(&client->scratch), command->deadline_us, append_done,
				     command);
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
	LIST_FOR_SAFE(link, after, &client->waiting) {
		struct command *command = LIST_ENTRY(link, struct command, link);
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
	caller_start(client->caller, METHOD_REGISTER, slice(NULL, 0), node_now_us(&client->node) + SIM_SECOND, register_done, client);
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
	for (uint32_t i = 0; i < count; i++) {
		caller_set_addresses(client->direct[i], &addresses[i], 1);
		client->readers[i] = reader_create(client, i);
	}
	return 0;
}

static void client_message(struct node *node, link_id from, const struct message *message)
{
	struct list_client *client = client_of(node);
	bool taken = caller_message(client->caller, from, message);
	for (uint32_t i = 0; !taken && i < client->options->count; i++)
		taken = caller_message(client->direct[i], from, message) || caller_message(client->readers[i], from, message);
}

static void client_link_down(struct node *node, link_id link)
{
	struct list_client *client = client_of(node);
	caller_link_down(client->caller, link);
	for (uint32_t i = 0; i < client->options->count; i++) {
		caller_link_down(client->direct[i], link);
		caller_link_down(client->readers[i], link);
	}
}

static void client_turn_end(struct node *node)
{
	(void)node;
}

static void client_stop(struct node *node)
{
	node->env->ops->stopped(node->env);
}

/* None of them has been sent. */
static void free_waiting(struct list_client *client)
{
	LIST_FOR_SAFE(link, after, &client->waiting) {
		struct command *command = LIST_ENTRY(link, struct command, link);
		sim_load_end(command->slot, SIM_HISTORY_FAILED);
		command_free(command);
	}
}

static void client_destroy(struct node *node)
{
	struct list_client *client = client_of(node);
	client->ending = true;
	caller_destroy(client->caller);
	for (uint32_t i = 0; i < client->options->count; i++) {
		caller_destroy(client->direct[i]);
		if (client->readers[i] != NULL)
			caller_destroy(client->readers[i]);
	}
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
	list_init(&client->open);
	list_init(&client->waiting);
	return &client->node;
}
