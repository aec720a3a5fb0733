/* A node that does not know yet whether it is a replica of its group. */
#include "daemon/lobby.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/id.h"
#include "host/host.h"
#include "host/identity_members.h"
#include "server/server.h"
#include "wire/method.h"

/* What another one has last said. */
enum other_knows { NOT_HEARD, NO_GROUP, A_GROUP };

struct other {
	const char *name, *address;
	link_id link;
	uint64_t asked; /* id of the question that waits for its answer; 0: none */
	enum other_knows knows;
};

struct lobby {
	struct server server;
	struct lobby_options options; /* strings are copies, but those of `others` */
	uint32_t nothers;
	struct other others[LOBBY_OTHERS_MAX];
	uint64_t last_id;
	/* of the group that somebody knows; 0: nobody has said so */
	uint64_t group_id;
	struct identity_members newest; /* its list; count 0: none */
	char leader_name[NAME_BYTES_MAX + 1], leader_address[ADDRESS_BYTES_MAX + 1];
	bool joining; /* … and this node is not in it */
	enum lobby_outcome outcome;
	struct identity become;
	char text[LOBBY_TEXT_BYTES];
	uint64_t started_us, told_us;
	struct timer tick;
};

static struct lobby *lobby_of(const struct node *node)
{
	return (struct lobby *)(uintptr_t)node;
}

static void end(struct lobby *l, enum lobby_outcome outcome)
{
	if (l->outcome != LOBBY_NONE)
		return;
	l->outcome = outcome;
	node_timer_cancel(&l->server.node, &l->tick);
	l->options.over(l->options.context);
}

static const struct identity *own(const struct lobby *l)
{
	return &l->options.identity;
}

static const struct identity_member *self_in(struct lobby *l, struct identity_members *members)
{
	return identity_find_member(members, own(l)->node);
}

/* ---- what follows from what has been heard ---- */

/* Also that the others have known another directory in this one's place. */
static void tell_member(struct lobby *l, const struct identity_member *self)
{
	char id[ID_TEXT_BYTES], text[IDENTITY_MEMBERS_TEXT_BYTES];
	if (l->become.lost && l->options.lacks == NULL)
		log_event(l->server.node.log, LOG_ERROR, "directory_lost",
			  "why=\"node %s has come without its data directory: it has taken part in "
			  "the group with id %s, and does not know it "
			  "any more. Is its 'dir' right, and, if that is relative, its working "
			  "directory? Is a disk not mounted?\" "
			  "meaning=\"this replica follows and catches up, and does not vote before "
			  "its group has bound the new directory, "
			  "which it does by itself (event=member_bound); never put an older copy "
			  "of the directory in its place "
			  "(docs/operations.md)\"",
			  own(l)->node, id_text(l->group_id, id));
	log_event(l->server.node.log, LOG_INFO, "member_of",
		  "replica=%" PRIu32 " slot=%" PRIu64 " members=\"%s\"", self->replica,
		  l->newest.slot, identity_members_text(&l->newest, text));
}

static void become_member(struct lobby *l)
{
	const struct identity_member *self = self_in(l, &l->newest);
	ASSERT(self != NULL);
	l->become = *own(l);
	l->become.group_id = l->group_id;
	if (l->options.lacks == NULL) {
		l->become.replica = self->replica;
		l->become.members = l->newest;
		/*
		 * A life that was another's; a group that has not said yet whose counts has members
		 * of its beginning only.
		 */
		l->become.lost = self->life != 0 || l->newest.slot == 0;
		l->become.added = !l->become.lost;
	} else {
		(void)identity_follow(&l->become, &l->newest);
	}
	tell_member(l, self);
	end(l, LOBBY_MEMBER);
}

static void tell_joining(struct lobby *l)
{
	char group[IDENTITY_GROUP_TEXT_BYTES], members[IDENTITY_MEMBERS_TEXT_BYTES];
	identity_group_text(own(l)->role, own(l)->group, group);
	l->joining = true;
	log_event(l->server.node.log, LOG_WARN, "joining",
		  "group=%s members=\"%s\" slot=%" PRIu64
		  " meaning=\"this node is no member of its group, and its directory is empty: it "
		  "waits to be "
		  "added; type: kvctl member add %s %s %s\"",
		  group, identity_members_text(&l->newest, members), l->newest.slot, group,
		  own(l)->node, l->options.address);
}

/*
 * A member without a section: as a member the node would not start with that file. NULL: there is
 * none.
 */
static const struct identity_member *lacking(struct lobby *l)
{
	for (uint32_t i = 0; i < l->newest.count; i++)
		if (identity_find_member(&l->options.identity.members, l->newest.list[i].name) ==
		    NULL)
			return &l->newest.list[i];
	return NULL;
}

static void join(struct lobby *l)
{
	const struct identity_member *missing = lacking(l);
	char members[IDENTITY_MEMBERS_TEXT_BYTES];
	if (missing == NULL) {
		tell_joining(l);
		return;
	}
	snprintf(l->text, sizeof l->text,
		 "the group's members are (%s), but %s has no [node %s], which is replica %" PRIu32
		 " at %s: put its section in before this "
		 "node is added",
		 identity_members_text(&l->newest, members), l->options.file, missing->name,
		 missing->replica, missing->address);
	end(l, LOBBY_REFUSED);
}

static void tell_missing(struct lobby *l)
{
	struct buffer names = {0};
	uint64_t now_us = node_now_us(&l->server.node);
	if (now_us - l->told_us < LOBBY_WAITS_MS * 1000ull)
		return;
	l->told_us = now_us;
	for (uint32_t i = 0; i < l->nothers; i++)
		if (l->others[i].knows == NOT_HEARD)
			buffer_format(&names, "%s%s", names.len == 0 ? "" : ",", l->others[i].name);
	buffer_add_u8(&names, 0);
	log_event(l->server.node.log, LOG_WARN, "birth_waits",
		  "group=%" PRIu64 " missing=%s meaning=\"a group begins when all its members have "
		  "met: start them, or take those out of "
		  "the configuration that do not exist\"",
		  own(l)->group, (const char *)names.data);
	buffer_free(&names);
}

/* All have been heard, and nobody knows a group. */
static void be_born(struct lobby *l)
{
	if (own(l)->members.count > REPLICAS_MAX) {
		snprintf(l->text, sizeof l->text,
			 "%s names %" PRIu32 " members of the group, which begins with at most %u: "
			 "take some out, and add them later (kvctl member "
			 "add)",
			 l->options.file, own(l)->members.count, REPLICAS_MAX);
		end(l, LOBBY_REFUSED);
	} else {
		end(l, LOBBY_BORN);
	}
}

static uint32_t heard(const struct lobby *l)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < l->nothers; i++)
		count += l->others[i].knows != NOT_HEARD;
	return count;
}

static void decide_without_log(struct lobby *l)
{
	if (l->group_id != 0 && self_in(l, &l->newest) != NULL)
		become_member(l);
	else if (l->group_id != 0 && !l->joining)
		join(l);
	else if (l->group_id == 0 && heard(l) == l->nothers)
		be_born(l);
	else if (l->group_id == 0)
		tell_missing(l);
}

static void decide_with_log(struct lobby *l)
{
	uint64_t now_us = node_now_us(&l->server.node);
	bool newer = l->group_id == own(l)->group_id &&
		     identity_members_newer(&l->newest, own(l)->members.generation,
					    own(l)->members.slot);
	if (newer && self_in(l, &l->newest) == NULL) {
		end(l, LOBBY_REMOVED);
	} else if (newer) {
		become_member(l);
	} else if (heard(l) == l->nothers || now_us - l->started_us > LOBBY_PATIENCE_MS * 1000ull) {
		snprintf(l->text, sizeof l->text, "%s", l->options.lacks);
		end(l, LOBBY_REFUSED);
	}
}

static void decide(struct lobby *l)
{
	if (l->outcome != LOBBY_NONE)
		return;
	if (l->options.lacks == NULL)
		decide_without_log(l);
	else
		decide_with_log(l);
}

/* ---- asking ---- */

static void ask(struct lobby *l, struct other *other)
{
	struct message message = {.kind = MESSAGE_REQUEST,
				  .method = METHOD_MEMBERS,
				  .timeout_ms = LOBBY_PATIENCE_MS,
				  .id = ++l->last_id};
	other->asked = message.id;
	node_send(&l->server.node, other->link, &message);
}

static void on_tick(void *data)
{
	struct lobby *l = data;
	for (uint32_t i = 0; i < l->nothers; i++)
		if (l->others[i].asked == 0)
			ask(l, &l->others[i]);
	decide(l);
	if (l->outcome == LOBBY_NONE)
		node_timer_after(&l->server.node, &l->tick,
				 (l->joining ? LOBBY_JOINING_ASK_MS : LOBBY_ASK_MS) * 1000ull);
}

static void note_leader(struct lobby *l, const struct wire_members *told)
{
	for (uint32_t i = 0; i < told->nmembers; i++) {
		const struct wire_member *m = &told->members[i];
		if (m->number != told->leader)
			continue;
		snprintf(l->leader_name, sizeof l->leader_name, "%.*s", (int)m->name.len,
			 (const char *)m->name.data);
		snprintf(l->leader_address, sizeof l->leader_address, "%.*s", (int)m->address.len,
			 (const char *)m->address.data);
	}
}

/* Of two lists of one group the newer one counts; what a group is, who has been heard first. */
static void take_list(struct lobby *l, uint64_t group_id, const struct identity_members *members)
{
	if (l->group_id == 0)
		l->group_id = group_id;
	if (l->group_id != group_id ||
	    (l->newest.count > 0 &&
	     !identity_members_newer(members, l->newest.generation, l->newest.slot)))
		return;
	l->newest = *members;
}

static void answered(struct lobby *l, struct other *other, const struct message *message)
{
	struct wire_members told;
	struct identity_members members;
	other->asked = 0;
	arena_reset(&l->server.arena);
	if (message->status != 0 ||
	    wire_members_decode(message->payload, &l->server.arena, &told) != 0 ||
	    told.group != own(l)->group)
		return;
	identity_members_of_wire(&told, &members);
	/* A replica that has lost its log may know it from its directory alone. */
	uint64_t group_id = told.group_id != 0 ? told.group_id
					       : host_link_group_id(l->options.host, other->link);
	other->knows = group_id == 0 ? NO_GROUP : A_GROUP;
	if (group_id != 0) {
		note_leader(l, &told);
		take_list(l, group_id, &members);
	}
	decide(l);
}

/* ---- being told, and asked ---- */

static void welcomed(struct lobby *l, const struct message *message)
{
	struct wire_welcome welcome;
	struct wire_members told;
	struct identity_members members;
	arena_reset(&l->server.arena);
	if (l->options.lacks != NULL ||
	    wire_welcome_decode(message->payload, &l->server.arena, &welcome) != 0 ||
	    welcome.group != own(l)->group || welcome.group_id == 0 || welcome.slot == 0)
		return;
	told = (struct wire_members){.slot = welcome.slot,
				     .generation = welcome.generation,
				     .nmembers = welcome.nmembers};
	memcpy(told.members, welcome.members, sizeof told.members);
	identity_members_of_wire(&told, &members);
	const struct identity_member *self = self_in(l, &members);
	if (self == NULL || self->replica != welcome.number) {
		log_event(l->server.node.log, LOG_WARN, "welcome_refused",
			  "why=\"it is for another node than %s\" number=%" PRIu32, own(l)->node,
			  welcome.number);
		return;
	}
	if (l->group_id != 0 && l->group_id != welcome.group_id) {
		log_event(l->server.node.log, LOG_WARN, "welcome_refused",
			  "why=\"it comes from another group than the others know\"");
		return;
	}
	take_list(l, welcome.group_id, &members);
	decide(l);
}

static void answer_members(struct node *node, link_id from, const struct message *request)
{
	struct lobby *l = lobby_of(node);
	struct wire_members reply = {.group = own(l)->group,
				     .group_id = l->options.lacks == NULL ? 0 : own(l)->group_id,
				     .slot = own(l)->members.slot,
				     .generation = own(l)->members.generation,
				     .next_number = 1};
	for (uint32_t i = 0; i < own(l)->members.count; i++) {
		const struct identity_member *m = &own(l)->members.list[i];
		reply.members[reply.nmembers++] = (struct wire_member){
			.number = m->replica,
			.role = m->learner ? 2 : 1,
			.life = m->life,
			.name = slice_string(m->name),
			.address = slice_string(m->address)};
		reply.next_number = m->replica + 1;
	}
	buffer_clear(&l->server.out);
	wire_members_encode(&reply, &l->server.out);
	server_reply(&l->server, from, request, 0);
}

static void fill_status(struct node *node, struct wire_status *status)
{
	struct lobby *l = lobby_of(node);
	status->role = slice_string(own(l)->role);
	status->group = own(l)->group;
	status->state = slice_string(l->joining ? "joining" : "waiting");
	status->leader = slice_string(l->leader_address);
	status->leader_name = slice_string(l->leader_name);
	status->uptime_ms = (node_now_us(node) - l->started_us) / 1000;
}

/* Certainly not applied; somebody else may know more. */
static void refuse_no_replica(struct node *node, link_id from, const struct message *request)
{
	struct lobby *l = lobby_of(node);
	struct wire_error error = {
		.message = slice_string(
			l->joining
				? "this node is no member of its group yet: ask another one"
				: "this node waits for the others of its group: ask again later"),
		.leader = slice_string(l->leader_address),
	};
	server_refuse_error(&l->server, from, request, STATUS_NOT_LEADER, &error);
}

/* ---- the node ---- */

static int start(struct node *node)
{
	struct lobby *l = lobby_of(node);
	l->started_us = l->told_us = node_now_us(node);
	for (uint32_t i = 0; i < l->nothers; i++)
		l->others[i].link = node_dial(node, l->others[i].address);
	node_timer_after(node, &l->tick, 0);
	return 0;
}

static void on_message(struct node *node, link_id from, const struct message *message)
{
	struct lobby *l = lobby_of(node);
	if (message->kind == MESSAGE_REPLY) {
		for (uint32_t i = 0; i < l->nothers; i++)
			if (l->others[i].link == from && l->others[i].asked == message->id &&
			    message->method == METHOD_MEMBERS)
				answered(l, &l->others[i], message);
	} else if (message->method == METHOD_WELCOME) {
		welcomed(l, message);
	} else if (message->kind == MESSAGE_REQUEST) {
		server_request(node, from, message);
	} /* the rest is what replicas say to each other */
}

static void link_down(struct node *node, link_id link)
{
	struct lobby *l = lobby_of(node);
	for (uint32_t i = 0; i < l->nothers; i++)
		if (l->others[i].link == link)
			l->others[i].asked = 0;
}

static void turn_end(struct node *node)
{
	(void)node;
}

static void stop(struct node *node)
{
	node_timer_cancel(node, &lobby_of(node)->tick);
	node->env->ops->stopped(node->env);
}

static void destroy(struct node *node)
{
	struct lobby *l = lobby_of(node);
	node_timer_cancel(node, &l->tick);
	server_done(&l->server);
	free(l);
}

static bool ready(struct node *node)
{
	(void)node;
	return false;
}

/* It has none. */
static void stop_voting(struct node *node)
{
	(void)node;
}

static const struct node_ops ops = {
	.start = start,
	.message = on_message,
	.link_down = link_down,
	.turn_end = turn_end,
	.stop = stop,
	.destroy = destroy,
	.ready = ready,
	.stop_voting = stop_voting,
	.status_json = server_write_json,
};

/* All else, CLUSTER too, is for another node: refuse_no_replica(). */
static const struct server_method methods[] = {
	{METHOD_MEMBERS, .handle = answer_members},
	{METHOD_STATUS, .handle = server_answer_status},
	{0},
};

static const struct server_kind kind = {
	.text = "this node",
	.methods = methods,
	.otherwise = refuse_no_replica,
	.fill_status = fill_status,
};

struct node *lobby_create(const struct lobby_options *options)
{
	struct lobby *l = ALLOC(struct lobby);
	ASSERT(options->nothers <= LOBBY_OTHERS_MAX);
	struct server *server = &l->server;
	server_init(server, &kind, &ops,
		    &(struct server_options){.env = options->env,
					     .log = options->log,
					     .cluster = options->cluster,
					     .name = options->identity.node,
					     .version = options->version});
	l->options = *options;
	l->options.cluster = server->cluster;
	l->options.version = server->version;
	l->options.file = server_keep(server, options->file);
	l->options.address = server_keep(server, options->address);
	l->options.lacks = server_keep(server, options->lacks);
	for (uint32_t i = 0; i < options->nothers; i++)
		l->others[l->nothers++] = (struct other){
			.name = server_keep(server, options->others[i].name),
			.address = server_keep(server, options->others[i].address)};
	timer_init(&l->tick, on_tick, l);
	return &l->server.node;
}

enum lobby_outcome lobby_outcome(const struct node *lobby)
{
	return lobby_of(lobby)->outcome;
}

void lobby_identity(const struct node *lobby, struct identity *identity)
{
	const struct lobby *l = lobby_of(lobby);
	ASSERT(l->outcome == LOBBY_MEMBER);
	identity->group_id = l->become.group_id;
	identity->replica = l->become.replica;
	identity->members = l->become.members;
	identity->lost = l->become.lost;
	identity->added = l->become.added;
}

uint32_t lobby_superseded(const struct node *lobby)
{
	const struct lobby *l = lobby_of(lobby);
	return l->newest.generation > own(l)->members.generation ? l->newest.generation : 0;
}

const char *lobby_text(const struct node *lobby)
{
	return lobby_of(lobby)->text;
}
