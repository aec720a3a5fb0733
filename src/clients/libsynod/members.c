/* The members' side of synod.h: what replicas say of their group, and changes of it. */
#include <stdlib.h>

#include "client/reply.h"
#include "libsynod/handle.h"
#include "wire/wire.h"

/* As many at once as one call has under way. */
#define MEMBERS_BATCH 32u

/* For when there is no memory for an answer: not to be freed. */
static struct synod_members no_memory = {.status = SYNOD_NO_MEMORY, .message = "out of memory"};

struct members_block {
	struct synod_members members; /* first: it is what the user holds */
	struct synod_member list[MEMBERS_MAX];
	struct arena arena;
};

/* Without memory "", and arena->failed says so. */
static const char *text_of(struct slice in, struct arena *arena)
{
	struct synod_bytes text;
	return client_bytes_decode(&text, in, arena) == 0 ? text.data : "";
}

static void fill(struct members_block *block, const struct wire_members *in)
{
	for (uint32_t i = 0; i < in->nmembers; i++) {
		const struct wire_member *m = &in->members[i];
		block->list[i] = (struct synod_member){
			.number = m->number,
			.name = text_of(m->name, &block->arena),
			.address = text_of(m->address, &block->arena),
			.role = (enum synod_member_role)m->role,
			.binding = m->binding,
			.life = m->life,
			.in_place_of = m->in_place_of,
			.up = m->up,
			.matched = m->matched,
			.last_heard_ms = m->last_heard_ms,
			.waits_for = text_of(m->waits_for, &block->arena),
		};
	}
	block->members = (struct synod_members){
		.status = SYNOD_OK,
		.message = "",
		.group = in->group,
		.group_id = in->group_id,
		.replica = in->replica,
		.leader = in->leader,
		.leads = in->leads,
		.slot = in->slot,
		.chosen = in->chosen,
		.next_number = in->next_number,
		.generation = in->generation,
		.nmembers = in->nmembers,
		.members = block->list,
	};
}

static struct synod_members *make(const struct synod_reply *reply, struct slice payload)
{
	struct wire_members wire;
	struct members_block *block = calloc(1, sizeof *block);
	if (block == NULL)
		return &no_memory;
	arena_init_fallible(&block->arena, ARENA_BYTES_MAX);
	block->members.status = reply->status;
	block->members.message = text_of(slice_string(reply->message), &block->arena);
	if (reply->status == SYNOD_OK && wire_members_decode(payload, &block->arena, &wire) == 0) {
		fill(block, &wire);
	} else if (reply->status == SYNOD_OK) {
		block->members.status = SYNOD_UNAVAILABLE;
		block->members.message = "the node's answer is malformed";
	}
	if (block->arena.failed) {
		synod_members_free(&block->members);
		return &no_memory;
	}
	return &block->members;
}

static void batch(struct synod *s, const char *const *addresses, size_t count, uint32_t timeout_ms,
		  struct synod_members **out)
{
	struct handle_wait waits[MEMBERS_BATCH];
	for (size_t i = 0; i < count; i++) {
		struct client_request *request = NULL;
		int made = client_request_members(&request, addresses[i]);
		handle_begin(s, made, request, timeout_ms, &waits[i]);
	}
	for (size_t i = 0; i < count; i++) {
		struct bytes *payload;
		struct synod_reply *reply = handle_end(s, &waits[i], &payload);
		out[i] = make(reply, payload != NULL ? bytes_slice(payload) : slice(NULL, 0));
		bytes_unref(payload);
		synod_reply_free(reply);
	}
}

void synod_members_all(struct synod *s, const char *const *addresses, size_t count,
		       uint32_t timeout_ms, struct synod_members **out)
{
	for (size_t i = 0; i < count; i += MEMBERS_BATCH)
		batch(s, addresses + i, count - i < MEMBERS_BATCH ? count - i : MEMBERS_BATCH,
		      timeout_ms, out + i);
}

void synod_members_free(struct synod_members *members)
{
	if (members == NULL || members == &no_memory)
		return;
	struct members_block *block = (struct members_block *)(void *)members;
	arena_free(&block->arena);
	free(block);
}

struct synod_reply *synod_change_members(struct synod *s, const char *const *addresses,
					 size_t count, const struct synod_member_change *change,
					 uint32_t timeout_ms)
{
	struct client_request *request = NULL;
	int made = client_request_change(&request, addresses, count, change);
	return handle_run(s, made, request, timeout_ms, NULL);
}

/* ---- a majority is lost ---- */

static struct synod_force no_memory_to_force = {.status = SYNOD_NO_MEMORY,
						.message = "out of memory"};

struct force_block {
	struct synod_force force; /* first: it is what the user holds */
	struct arena arena;
};

static struct synod_force *make_force(const struct synod_reply *reply, struct slice payload)
{
	struct wire_force_reply wire;
	struct force_block *block = calloc(1, sizeof *block);
	if (block == NULL)
		return &no_memory_to_force;
	arena_init_fallible(&block->arena, ARENA_BYTES_MAX);
	block->force.status = reply->status;
	block->force.message = text_of(slice_string(reply->message), &block->arena);
	block->force.text = "";
	if (reply->status == SYNOD_OK &&
	    wire_force_reply_decode(payload, &block->arena, &wire) == 0) {
		block->force.generation = wire.generation;
		block->force.next = wire.next;
		block->force.slot = wire.slot;
		block->force.chosen = wire.chosen;
		block->force.text = text_of(wire.text, &block->arena);
	} else if (reply->status == SYNOD_OK) {
		block->force.status = SYNOD_UNAVAILABLE;
		block->force.message = "the node's answer is malformed";
	}
	if (block->arena.failed) {
		synod_force_free(&block->force);
		return &no_memory_to_force;
	}
	return &block->force;
}

struct synod_force *synod_force(struct synod *s, const char *address, uint32_t generation,
				uint32_t timeout_ms)
{
	struct client_request *request = NULL;
	struct bytes *payload;
	int made = client_request_force(&request, address, generation);
	struct synod_reply *reply = handle_run(s, made, request, timeout_ms, &payload);
	struct synod_force *force = make_force(reply, payload != NULL ? bytes_slice(payload)
								      : slice(NULL, 0));
	bytes_unref(payload);
	synod_reply_free(reply);
	return force;
}

void synod_force_free(struct synod_force *force)
{
	if (force == NULL || force == &no_memory_to_force)
		return;
	struct force_block *block = (struct force_block *)(void *)force;
	arena_free(&block->arena);
	free(block);
}
