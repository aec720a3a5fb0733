/*
 * The leader tells the shard masters where its group's voters are found, whenever that is not what
 * the newest configuration says; and once in any case: then the masters know which group it is that
 * has joined (its id), and believe it whatever its addresses will be, also if all of them have
 * changed before it is heard again. By the state of things, not by events: so nothing is lost with
 * a leader, or with the masters' answer.
 *
 * A node that listens at all addresses of its machine does not know at which of them others reach
 * it, and its group's list may say 0.0.0.0: that is of no use to anybody. What the masters know
 * already, and no other voter claims, stands in its place; without that it is left out.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clusterconf.h"
#include "rsm/members.h"
#include "shardkv/node_internal.h"
#include "wire/method.h"

#define REPORT_TIMEOUT_US 5000000u
#define REPORT_RETRY_US 500000u

static struct wire_group voters(const struct shardkv_node *n, const struct group_members *members)
{
	struct wire_group group = {.gid = n->options.gid};
	for (uint32_t i = 0; i < members->count; i++)
		if (members->list[i].role == MEMBER_VOTER && group.nmembers < REPLICAS_MAX)
			group.members[group.nmembers++] = slice_string(
				rsm_member_address(n->server.rsm, &members->list[i]));
	return group;
}

static bool claims(const struct wire_group *group, const char *address)
{
	for (uint32_t i = 0; i < group->nmembers; i++)
		if (slice_equal(group->members[i], slice_string(address)))
			return true;
	return false;
}

/* An address that is known and that no voter claims; NULL: there is none. */
static const char *unclaimed_address(const struct shard_group *known,
				     const struct wire_group *group)
{
	for (uint32_t i = 0; i < known->nmembers; i++)
		if (!claims(group, known->members[i]))
			return known->members[i];
	return NULL;
}

static bool is_any(struct slice address)
{
	char text[ADDRESS_BYTES_MAX + 1];
	snprintf(text, sizeof text, "%.*s", (int)address.len, (const char *)address.data);
	return address_is_any(text);
}

static void fill_unknown(const struct shard_group *known, struct wire_group *group)
{
	for (uint32_t i = 0; i < group->nmembers;) {
		if (!is_any(group->members[i])) {
			i++;
			continue;
		}
		const char *address = unclaimed_address(known, group);
		if (address != NULL)
			group->members[i++] = slice_string(address);
		else
			group->members[i] = group->members[--group->nmembers];
	}
}

static bool is_known(const struct shard_group *known, const struct wire_group *group)
{
	uint32_t common = 0;
	for (uint32_t i = 0; i < group->nmembers; i++)
		common += shard_group_has(known, group->members[i]);
	return common == group->nmembers && common == known->nmembers;
}

/* The masters have answered, and would not answer otherwise if they were asked again. */
static bool is_final(int status)
{
	return status == STATUS_DENIED || status == STATUS_NO_SUCH_GROUP ||
	       status == STATUS_BAD_REQUEST || status == STATUS_REMOVED;
}

static void answered(void *context, int status, struct slice payload)
{
	struct shardkv_node *n = context;
	struct report *r = &n->report;
	struct wire_master_reply reply = {.config = r->asked_config};
	struct wire_error error = {.message = slice_string("")};
	r->call = NULL;
	arena_reset(&n->server.arena);
	if (status == 0)
		status = wire_master_reply_decode(payload, &n->server.arena, &reply);
	else if (wire_error_decode(payload, &n->server.arena, &error) != 0)
		error.message = slice_string("");
	if (status == 0) {
		log_event(n->server.node.log, LOG_INFO, "members_told",
			  "group=%" PRIu64 " slot=%" PRIu64 " config=%" PRIu64, n->options.gid,
			  r->asked_slot, reply.config);
	} else {
		log_event(n->server.node.log, LOG_WARN, "members_not_told",
			  "group=%" PRIu64 " slot=%" PRIu64 " status=%s why=\"%.*s\"",
			  n->options.gid, r->asked_slot, status_name(status),
			  (int)error.message.len, (const char *)error.message.data);
		/* The group is of a later generation. */
		if (status == STATUS_REMOVED)
			generation_ask(n);
		if (!is_final(status)) {
			node_timer_after(&n->server.node, &r->retry, REPORT_RETRY_US);
			return;
		}
	}
	r->slot = r->asked_slot;
	r->config = reply.config;
	shardkv_node_wake(n);
}

static void retry(void *data)
{
	report_work(data);
}

static void tell(struct shardkv_node *n, uint32_t generation, struct wire_group *group)
{
	struct wire_master_command members = {
		.op = WIRE_MASTER_MEMBERS,
		.ngroups = 1,
		.groups = group,
		.slot = n->report.asked_slot,
		.group_id = rsm_group_id(n->server.rsm),
		.generation = generation,
	};
	struct buffer body = {0};
	wire_master_command_encode(&members, &body);
	/* Without a session: saying it twice changes nothing. */
	buffer_clear(&n->server.out);
	wire_command_encode(&(struct wire_command){.body = buffer_slice(&body)}, &n->server.out);
	n->report.call = caller_start(n->masters, METHOD_COMMAND, buffer_slice(&n->server.out),
				      node_now_us(&n->server.node) + REPORT_TIMEOUT_US, answered,
				      n);
	buffer_free(&body);
}

void report_work(struct shardkv_node *n)
{
	struct report *r = &n->report;
	const struct group_members *members = rsm_members(n->server.rsm);
	const struct shard_config *config = n->watch == NULL ? NULL : master_watch_config(n->watch);
	if (!n->serving || r->call != NULL || timer_armed(&r->retry) || config == NULL ||
	    members->slot == 0 || rsm_group_id(n->server.rsm) == 0 ||
	    (members->slot == r->slot && config->number <= r->config))
		return;
	const struct shard_group *known = shard_config_group(config, n->options.gid);
	/* When it joins again it is unknown again. */
	if (known == NULL) {
		r->slot = r->config = 0;
		return;
	}
	struct wire_group group = voters(n, members);
	fill_unknown(known, &group);
	if (group.nmembers == 0 || (r->slot != 0 && is_known(known, &group)))
		return;
	r->asked_slot = members->slot;
	r->asked_config = config->number;
	tell(n, members->generation, &group);
}

void report_init(struct shardkv_node *n)
{
	timer_init(&n->report.retry, retry, n);
}

void report_stop(struct shardkv_node *n)
{
	struct report *r = &n->report;
	if (r->call != NULL)
		caller_cancel(r->call);
	r->call = NULL;
	node_timer_cancel(&n->server.node, &r->retry);
	r->slot = r->config = 0;
}
