/*
 * What a hello says of who sends it, and whether that agrees with what is known here.
 *
 * MEMBERS. Each side tells the list of its group's members, its generation (rsm/force.h) and the
 * slot of the entry that says so. The newer list counts, that of the later generation whatever its
 * slot:
 *
 *   both without an entry, one of them without a group    the lists must be the same: what is about
 *                                                         to begin must agree on it
 *   the other's list is older     it is a member if our list has its name with its number. If not,
 *                                 it has been removed: it is told so
 *   … is newer                    it is a member if our list has it, and none before we have its
 *                                 list (members.c)
 *   the other waits (number 0)    it is told what we know, and speaks as nobody: it has an empty
 *                                 directory (daemon/lobby.h)
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "host/identity_internal.h"

static void describe_members(const struct wire_hello *hello, char text[IDENTITY_MEMBERS_TEXT_BYTES])
{
	size_t used = 0;
	text[0] = '\0';
	for (uint32_t i = 0; i < hello->nmembers && used < IDENTITY_MEMBERS_TEXT_BYTES; i++) {
		int more = snprintf(text + used, IDENTITY_MEMBERS_TEXT_BYTES - used,
				    "%s%" PRIu32 " %.*s", i == 0 ? "" : ", ",
				    hello->members[i].replica, (int)hello->members[i].name.len,
				    (const char *)hello->members[i].name.data);
		used += more > 0 ? (size_t)more : 0;
	}
}

static bool same_members(const struct identity_members *own, const struct wire_hello *hello)
{
	if (own->count != hello->nmembers)
		return false;
	for (uint32_t i = 0; i < own->count; i++) {
		if (own->list[i].replica != hello->members[i].replica ||
		    !slice_equal(slice_string(own->list[i].name), hello->members[i].name))
			return false;
	}
	return true;
}

static int judge_cluster(const struct host *host, const struct wire_hello *hello, char *text,
			 size_t size)
{
	const struct host_identity *id = host->identity;
	char here[ID_TEXT_BYTES], there[ID_TEXT_BYTES];
	uint64_t known = host_cluster_id(host);
	if (known == 0 || hello->cluster_id == 0 || known == hello->cluster_id)
		return 0;
	snprintf(text, size,
		 "%s%s belongs to the cluster '%s' with id %s, %s%.*s to the one with id %s: two "
		 "clusters of one "
		 "name: compare 'id' "
		 "and the addresses in cluster.conf on both sides, and the directories%s",
		 host->name[0] != '\0' ? "node " : "this client", host->name,
		 host->cluster[0] != '\0' ? host->cluster : "?", id_text(known, here),
		 hello->node.len > 0 ? "node " : "the client", (int)hello->node.len,
		 (const char *)hello->node.data, id_text(hello->cluster_id, there),
		 id->configured_id != 0 && host->name[0] == '\0'
			 ? " (the first id is that of the configuration)"
			 : "");
	return STATUS_WRONG_CLUSTER;
}

/*
 * A client's: the groups that have no cluster's id in common, because there are no shard masters.
 */
static int judge_met(struct host *host, const struct wire_hello *hello, char *text, size_t size)
{
	struct host_identity *id = host->identity;
	char first[ID_TEXT_BYTES], now[ID_TEXT_BYTES];
	if (host->role[0] != '\0' || hello->group_id == 0 || hello->group != 0 ||
	    hello->role.len > IDENTITY_ROLE_BYTES_MAX)
		return 0;
	for (size_t i = 0; i < sizeof id->met / sizeof id->met[0]; i++) {
		if (id->met[i].id == 0) {
			snprintf(id->met[i].role, sizeof id->met[i].role, "%.*s",
				 (int)hello->role.len, (const char *)hello->role.data);
			id->met[i].id = hello->group_id;
			return 0;
		}
		if (!slice_equal(slice_string(id->met[i].role), hello->role))
			continue;
		if (id->met[i].id == hello->group_id)
			return 0;
		snprintf(text, size,
			 "node %.*s belongs to the group with id %s, the others with role %s that "
			 "this client has "
			 "met to the one with "
			 "id %s: two clusters of one name",
			 (int)hello->node.len, (const char *)hello->node.data,
			 id_text(hello->group_id, now), id->met[i].role,
			 id_text(id->met[i].id, first));
		return STATUS_WRONG_CLUSTER;
	}
	return 0;
}

static bool is_of_group(const struct host *host, const struct wire_hello *hello)
{
	const struct identity *own = &host->identity->own;
	return own->members.count > 0 && hello->node.len > 0 && hello->group == own->group &&
	       slice_equal(hello->role, slice_string(host->role));
}

/* By our list: the sender, with its number. NULL: it is no member. */
static const struct identity_member *listed(const struct identity_members *members,
					    const struct wire_hello *hello)
{
	for (uint32_t i = 0; i < members->count; i++)
		if (slice_equal(slice_string(members->list[i].name), hello->node))
			return members->list[i].replica == hello->replica ? &members->list[i]
									  : NULL;
	return NULL;
}

static int refuse_members(const struct host *host, const struct wire_hello *hello, char *text,
			  size_t size)
{
	char ours[IDENTITY_MEMBERS_TEXT_BYTES], theirs[IDENTITY_MEMBERS_TEXT_BYTES];
	describe_members(hello, theirs);
	snprintf(text, size, "node %s has the members (%s) in its group, node %.*s has (%s): %s",
		 host->name, identity_members_text(&host->identity->own.members, ours),
		 (int)hello->node.len, (const char *)hello->node.data, theirs,
		 host->identity->own.group_id == 0 && hello->group_id == 0
			 ? "the sections of the group must be alike in cluster.conf on all nodes "
			   "until it has begun"
			 : "a node becomes a member when it is added (kvctl member add), with an "
			   "empty directory");
	return STATUS_WRONG_MEMBERS;
}

static int refuse_removed(const struct host *host, const struct wire_hello *hello, char *text,
			  size_t size)
{
	const struct identity *own = &host->identity->own;
	char group[IDENTITY_GROUP_TEXT_BYTES], members[IDENTITY_MEMBERS_TEXT_BYTES];
	snprintf(text, size,
		 "node %.*s, which was replica %" PRIu32
		 " of group %s, has been removed from it: since slot %" PRIu64
		 " its members are (%s); take the section of that node out of cluster.conf; or, if "
		 "it is to be a member again, give it "
		 "an empty directory and add it (kvctl member add)",
		 (int)hello->node.len, (const char *)hello->node.data, hello->replica,
		 identity_group_text(own->role, own->group, group), own->members.slot,
		 identity_members_text(&own->members, members));
	return STATUS_REMOVED;
}

static int refuse_superseded(const struct host *host, const struct wire_hello *hello, char *text,
			     size_t size)
{
	const struct identity *own = &host->identity->own;
	char group[IDENTITY_GROUP_TEXT_BYTES], members[IDENTITY_MEMBERS_TEXT_BYTES];
	snprintf(text, size,
		 "group %s had lost its majority, and was made to go on as generation %" PRIu32
		 " of itself (kvctl member "
		 "force), in which its members are (%s); node %.*s is of generation %" PRIu32
		 ", and none of them",
		 identity_group_text(own->role, own->group, group), own->members.generation,
		 identity_members_text(&own->members, members), (int)hello->node.len,
		 (const char *)hello->node.data, hello->generation);
	return STATUS_REMOVED;
}

static int refuse_lost(const struct host *host, const struct wire_hello *hello, char *text,
		       size_t size)
{
	char id[ID_TEXT_BYTES];
	snprintf(text, size,
		 "node %.*s has come without its data directory: it has taken part in the group "
		 "with id %s, "
		 "and does not know "
		 "it any more. Is its 'dir' right, and, if that is relative, its working "
		 "directory? Is a "
		 "disk not mounted? "
		 "With another directory it does not vote (docs/operations.md)",
		 (int)hello->node.len, (const char *)hello->node.data,
		 id_text(host->identity->own.group_id, id));
	return STATUS_LOST_DIRECTORY;
}

static int judge_members(struct host *host, const struct wire_hello *hello, char *text, size_t size)
{
	const struct host_identity *id = host->identity;
	const struct identity_members *own = &id->own.members;
	bool begun = id->own.group_id != 0, they_begun = hello->group_id != 0;
	if (own->slot == 0 && hello->members_slot == 0 && (!begun || !they_begun)) {
		/* Who waits while the other's group lives may yet be added to it. */
		bool may_differ = (hello->replica == 0 && begun) || (id->waits && they_begun);
		if (!may_differ && !same_members(own, hello))
			return refuse_members(host, hello, text, size);
	}
	if (hello->replica == 0 || id->waits)
		return 0;
	const struct identity_member *member = listed(own, hello);
	const struct identity_members theirs = {.generation = hello->generation,
						.slot = hello->members_slot};
	bool older = identity_members_newer(own, hello->generation, hello->members_slot);
	if (begun && they_begun && hello->generation < own->generation && !hello->lost &&
	    (member == NULL || member->life != hello->disk_life))
		return refuse_superseded(host, hello, text, size);
	if (member == NULL && begun && they_begun && older)
		return refuse_removed(host, hello, text, size);
	if (member == NULL && !identity_members_newer(&theirs, own->generation, own->slot))
		return refuse_members(host, hello, text, size);
	if (!they_begun && !hello->lost && member != NULL && member->seen)
		return refuse_lost(host, hello, text, size);
	return 0;
}

static int judge_group(struct host *host, const struct wire_hello *hello, char *text, size_t size)
{
	const struct identity *own = &host->identity->own;
	char here[ID_TEXT_BYTES], there[ID_TEXT_BYTES];
	if (!is_of_group(host, hello))
		return 0;
	if (hello->group_id != 0 && own->group_id != 0 && hello->group_id != own->group_id) {
		snprintf(text, size,
			 "node %s belongs to the group with id %s, node %.*s to the one with id "
			 "%s: two groups of "
			 "one name; set 'dir' of "
			 "each node to its own directory",
			 host->name, id_text(own->group_id, here), (int)hello->node.len,
			 (const char *)hello->node.data, id_text(hello->group_id, there));
		return STATUS_WRONG_CLUSTER;
	}
	return judge_members(host, hello, text, size);
}

int host_identity_judge(struct host *host, const struct wire_hello *hello, char *text, size_t size)
{
	int status = judge_cluster(host, hello, text, size);
	if (status == 0)
		status = judge_group(host, hello, text, size);
	return status;
}

void host_identity_heard(struct link *link, const struct wire_hello *hello)
{
	bool same = is_of_group(link->host, hello);
	link->cluster_id = hello->cluster_id;
	link->group_id = hello->group_id;
	link->members_slot = same ? hello->members_slot : 0;
	link->generation = same ? hello->generation : 0;
	link->waits = same && hello->replica == 0;
}

int host_identity_met(struct link *link, const struct wire_hello *hello, char *text, size_t size)
{
	struct host *host = link->host;
	int status = host_identity_judge(host, hello, text, size);
	if (status == 0)
		status = judge_met(host, hello, text, size);
	if (status != 0)
		return status;
	host_identity_heard(link, hello);
	if (host->role[0] == '\0')
		identity_learn_cluster(host->identity, hello->cluster_id);
	return 0;
}
