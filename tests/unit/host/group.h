/*
 * Hosts of one group for tests, on one thread: replicas that answer MEMBERS with a list of the
 * test's, note what comes to them, and count. Addresses are real ports of this machine.
 */
#ifndef SYNOD_TEST_HOST_GROUP_H
#define SYNOD_TEST_HOST_GROUP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/raw.h"
#include "host/internal.h"

#define GROUP_NODES 5u

/* A replica as far as the host is concerned. */
struct member {
	struct node node;
	struct host *host; /* NULL: it is down */
	struct log log;
	struct buffer lines; /* all that it has logged */
	struct wire_members tells;
	uint64_t oneways, asked;
	bool stopped;
};

static struct member members[GROUP_NODES + 1]; /* by number */
static char addresses[GROUP_NODES + 1][32], names[GROUP_NODES + 1][8];
static struct host_peer file[GROUP_NODES]; /* what all configurations name … */
static uint32_t nfile;                     /* … from s1 on */

static inline void note_line(void *context, const char *line, size_t len)
{
	struct member *m = context;
	buffer_add(&m->lines, (const uint8_t *)line, len);
	if (getenv("GROUP_VERBOSE") != NULL)
		fprintf(stderr, "%.*s", (int)len, line);
}

static inline bool has_logged(const struct member *m, const char *text)
{
	return m->lines.len > 0 && memmem(m->lines.data, m->lines.len, text, strlen(text)) != NULL;
}

static inline struct member *member_of(struct node *node)
{
	return LIST_ITEM(node, struct member, node);
}

static inline void member_message(struct node *node, link_id from, const struct message *message)
{
	struct member *m = member_of(node);
	struct buffer out = {0};
	m->oneways += message->kind == MESSAGE_ONEWAY;
	if (message->kind != MESSAGE_REQUEST)
		return;
	m->asked += message->method == METHOD_MEMBERS;
	if (message->method == METHOD_MEMBERS)
		wire_members_encode(&m->tells, &out);
	node_reply(node, from, message, 0, buffer_slice(&out));
	buffer_free(&out);
}

static inline void member_turn_end(struct node *node)
{
	(void)node;
}

static inline void member_stop(struct node *node)
{
	member_of(node)->stopped = true;
	node->env->ops->stopped(node->env);
}

static inline void member_stop_voting(struct node *node)
{
	(void)node;
}

static const struct node_ops MEMBER_OPS = {.message = member_message,
					   .turn_end = member_turn_end,
					   .stop = member_stop,
					   .stop_voting = member_stop_voting};

static inline void choose_port(uint32_t number)
{
	uint16_t port;
	close(raw_listen(&port));
	snprintf(addresses[number], sizeof addresses[number], "127.0.0.1:%u", port);
}

/* Names s1 … s5, all of which the configuration names as replicas of group 1. */
static inline void choose_places(void)
{
	nfile = GROUP_NODES;
	for (uint32_t i = 1; i <= GROUP_NODES; i++) {
		choose_port(i);
		snprintf(names[i], sizeof names[i], "s%u", i);
		file[i - 1] = (struct host_peer){
			.name = names[i], .address = addresses[i], .speaks = SENDER_REPLICA};
	}
}

/* Numbers as a set: bit n is member n, whose directory has the life 0x100 + n. */
static inline struct identity_members list_of(uint64_t slot, uint32_t set)
{
	struct identity_members list = {.slot = slot};
	for (uint32_t i = 1; i <= GROUP_NODES; i++) {
		if ((set >> i & 1) == 0)
			continue;
		identity_add_member(&list, i, names[i], addresses[i]);
		list.list[list.count - 1].life = 0x100 + i;
	}
	return list;
}
#define S(n) (1u << (n))

/* A member of the group with id 0x91, which knows that list. */
static inline struct identity identity_of(uint32_t number, struct identity_members list)
{
	struct identity id = {.cluster = "test",
			      .role = "shardkv",
			      .group = 1,
			      .replica = number,
			      .shards = 16,
			      .group_id = 0x91,
			      .life = 0x100 + number,
			      .log = true,
			      .members = list};
	snprintf(id.node, sizeof id.node, "%s", names[number]);
	return id;
}

static inline struct wire_members told(uint64_t group_id, const struct identity_members *list)
{
	struct wire_members out = {.group = 1, .group_id = group_id, .slot = list->slot};
	for (uint32_t i = 0; i < list->count; i++)
		out.members[out.nmembers++] = (struct wire_member){
			.number = list->list[i].replica,
			.role = 1,
			.life = list->list[i].life,
			.name = slice_string(list->list[i].name),
			.address = slice_string(list->list[i].address)};
	return out;
}

static inline struct host_options options_of(struct member *m, const struct identity *id)
{
	struct host_options options = {.cluster = "test",
				       .node = id->node,
				       .role = id->role,
				       .identity = id,
				       .listen = addresses[atoi(id->node + 1)],
				       .npeers = nfile,
				       .peers = file,
				       .log = &m->log};
	host_settings_default(&options.settings);
	options.settings.reconnect_max_ms = 20;
	options.settings.hello_timeout_ms = 2000;
	log_init_fd(&m->log, 2, names[atoi(id->node + 1)]);
	m->log.write = note_line;
	m->log.context = m;
	m->log.has_output = false;
	m->log.level = LOG_DEBUG;
	return options;
}

static inline struct member *member_start(const struct identity *id)
{
	struct member *m = &members[atoi(id->node + 1)];
	char error[512];
	*m = (struct member){0};
	struct host_options options = options_of(m, id);
	ck_assert_msg(host_create(&m->host, &options, error, sizeof error) == 0, "%s", error);
	node_init(&m->node, &MEMBER_OPS, host_env(m->host), &m->log);
	ck_assert_msg(host_start(m->host, &m->node, error, sizeof error) == 0, "%s", error);
	return m;
}

static inline struct member *member_run(uint32_t number, uint64_t slot, uint32_t set)
{
	struct identity_members list = list_of(slot, set);
	struct identity id = identity_of(number, list);
	return member_start(&id);
}

static inline void member_end(struct member *m)
{
	if (m->host == NULL)
		return;
	host_destroy(m->host);
	node_done(&m->node);
	buffer_free(&m->lines);
	m->host = NULL;
}

static inline void end_all(void)
{
	for (uint32_t i = 1; i <= GROUP_NODES; i++)
		member_end(&members[i]);
}

static inline void turn_all(void)
{
	for (uint32_t i = 1; i <= GROUP_NODES; i++)
		if (members[i].host != NULL && !host_stopped(members[i].host))
			host_turn(members[i].host, false);
	usleep(100);
}
/* A test that waits in vain is ended by the check library. */
#define AWAIT(condition) \
	do { \
		while (!(condition)) \
			turn_all(); \
	} while (0)
/* Enough turns for whatever is under way, for conditions that say that nothing happens. */
static inline void settle(void)
{
	for (int i = 0; i < 100; i++)
		turn_all();
}

/* What a replica sends to the one of that number, at the address of its list. */
static inline void say(struct member *from, uint32_t to)
{
	struct message message = {
		.kind = MESSAGE_ONEWAY, .method = METHOD_ACCEPT, .payload = slice_string("x")};
	node_send(&from->node, node_dial(&from->node, addresses[to]), &message);
}

#endif
