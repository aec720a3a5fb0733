/* The file `identity` of a data directory. */
#include "node/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/id.h"

#define MAGIC "synod-identity "
#define VERSION 5u
#define VERSION_WITHOUT_GENERATIONS 4u
#define CHECKSUM "checksum = "
#define LOST "lost = yes\n"
#define ADDED "added = yes\n"
#define REMOVED "removed = yes\n"

/* ---- members ---- */

void identity_add_member(struct identity_members *members, uint32_t replica, const char *name,
			 const char *address)
{
	ASSERT(members->count < MEMBERS_MAX && strlen(name) <= NAME_BYTES_MAX &&
	       strlen(address) <= ADDRESS_BYTES_MAX);
	uint32_t at = members->count++;
	for (; at > 0 && members->list[at - 1].replica > replica; at--)
		members->list[at] = members->list[at - 1];
	struct identity_member *m = &members->list[at];
	*m = (struct identity_member){.replica = replica};
	snprintf(m->name, sizeof m->name, "%s", name);
	snprintf(m->address, sizeof m->address, "%s", address);
}

bool identity_members_equal(const struct identity_members *a, const struct identity_members *b)
{
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++) {
		if (a->list[i].replica != b->list[i].replica ||
		    strcmp(a->list[i].name, b->list[i].name) != 0)
			return false;
	}
	return true;
}

struct identity_member *identity_find_member(struct identity_members *members, const char *name)
{
	for (uint32_t i = 0; i < members->count; i++) {
		if (strcmp(members->list[i].name, name) == 0)
			return &members->list[i];
	}
	return NULL;
}

const char *identity_members_text(const struct identity_members *members,
				  char text[IDENTITY_MEMBERS_TEXT_BYTES])
{
	size_t used = 0;
	text[0] = '\0';
	for (uint32_t i = 0; i < members->count && used < IDENTITY_MEMBERS_TEXT_BYTES; i++) {
		int more = snprintf(text + used, IDENTITY_MEMBERS_TEXT_BYTES - used,
				    "%s%" PRIu32 " %s", i == 0 ? "" : ", ",
				    members->list[i].replica, members->list[i].name);
		used += more > 0 ? (size_t)more : 0;
	}
	return text;
}

const char *identity_group_text(const char *role, uint64_t group,
				char text[IDENTITY_GROUP_TEXT_BYTES])
{
	static const struct {
		const char *role, *text;
	} only[] = {{"shardmaster", "masters"}, {"viewserver", "views"}, {"paxos", "paxos"}};
	snprintf(text, IDENTITY_GROUP_TEXT_BYTES, "%" PRIu64, group);
	for (size_t i = 0; i < sizeof only / sizeof only[0]; i++)
		if (strcmp(role, only[i].role) == 0)
			snprintf(text, IDENTITY_GROUP_TEXT_BYTES, "%s", only[i].text);
	return text;
}

bool identity_follow(struct identity *identity, const struct identity_members *members)
{
	if (!identity_members_newer(members, identity->members.generation, identity->members.slot))
		return false;
	struct identity_members before = identity->members;
	identity->members = *members;
	for (uint32_t i = 0; i < identity->members.count; i++) {
		struct identity_member *now = &identity->members.list[i];
		const struct identity_member *then = identity_find_member(&before, now->name);
		now->seen |= then != NULL && then->replica == now->replica && then->seen;
		if (strcmp(now->name, identity->node) == 0)
			identity->replica = now->replica;
	}
	return true;
}

/* ---- the file's text ---- */

/* What an older program can read, it may. */
static uint32_t version_of(const struct identity *id)
{
	return id->superseded != 0 || id->members.generation != 0 ? VERSION
								  : VERSION_WITHOUT_GENERATIONS;
}

void identity_format(const struct identity *id, struct buffer *out)
{
	char cluster[ID_TEXT_BYTES], group[ID_TEXT_BYTES], life[ID_TEXT_BYTES];
	size_t begin = out->len;
	buffer_format(out,
		      MAGIC "%u\ncluster = %s\nnode = %s\nrole = %s\ngroup = %" PRIu64
			    "\nreplica = %" PRIu32 "\nshards = %" PRIu32
			    "\ncluster_id = %s\ngroup_id = %s\nlife = %s\nlog = %s\n",
		      version_of(id), id->cluster, id->node, id->role, id->group, id->replica,
		      id->shards, id_text(id->cluster_id, cluster), id_text(id->group_id, group),
		      id_text(id->life, life), id->log ? "yes" : "no");
	if (id->lost)
		buffer_format(out, LOST);
	if (id->added)
		buffer_format(out, ADDED);
	if (id->removed)
		buffer_format(out, REMOVED);
	if (id->superseded != 0)
		buffer_format(out, "superseded = %" PRIu32 "\n", id->superseded);
	if (id->members.generation != 0)
		buffer_format(out, "generation = %" PRIu32 "\n", id->members.generation);
	buffer_format(out, "slot = %" PRIu64 "\n", id->members.slot);
	for (uint32_t i = 0; i < id->members.count; i++) {
		const struct identity_member *m = &id->members.list[i];
		buffer_format(out, "member = %" PRIu32 " %s %s %s %s%s\n", m->replica, m->name,
			      m->address, m->learner ? "learner" : "voter", id_text(m->life, life),
			      m->seen ? " seen" : "");
	}
	uint32_t checksum = crc32c(0, out->data + begin, out->len - begin);
	buffer_format(out, CHECKSUM "%08" PRIx32 "\n", checksum);
}

/* Copies the value of line "key = value" at *text, and goes on to the next line. */
static bool take_line(const char **text, const char *key, char *value, size_t size)
{
	size_t key_len = strlen(key);
	const char *end = strchr(*text, '\n');
	if (end == NULL || strncmp(*text, key, key_len) != 0 ||
	    strncmp(*text + key_len, " = ", 3) != 0)
		return false;
	const char *begin = *text + key_len + 3;
	size_t len = (size_t)(end - begin);
	if (len >= size)
		return false;
	memcpy(value, begin, len);
	value[len] = '\0';
	*text = end + 1;
	return true;
}

static bool take_number(const char **text, const char *key, uint64_t max, uint64_t *number)
{
	char value[24], *end;
	if (!take_line(text, key, value, sizeof value) || value[0] < '0' || value[0] > '9')
		return false;
	*number = strtoull(value, &end, 10);
	return *end == '\0' && *number <= max;
}

static bool parse_id(const char *value, uint64_t *id)
{
	*id = 0;
	return id_parse(value, id) || strcmp(value, "0000000000000000") == 0;
}

static bool take_id(const char **text, const char *key, uint64_t *id)
{
	char value[ID_TEXT_BYTES];
	return take_line(text, key, value, sizeof value) && parse_id(value, id);
}

static bool take_flag(const char **text, const char *line)
{
	bool there = strncmp(*text, line, strlen(line)) == 0;
	if (there)
		*text += strlen(line);
	return there;
}

static bool take_member(const char **text, uint32_t version, struct identity_members *members)
{
	char line[NAME_BYTES_MAX + ADDRESS_BYTES_MAX + 64], *rest = NULL, *end;
	if (members->count == MEMBERS_MAX || !take_line(text, "member", line, sizeof line))
		return false;
	const char *number = strtok_r(line, " ", &rest), *name = strtok_r(NULL, " ", &rest);
	const char *address = strtok_r(NULL, " ", &rest);
	const char *role = version > 3 ? strtok_r(NULL, " ", &rest) : "voter";
	const char *life = version > 3 ? strtok_r(NULL, " ", &rest) : "0000000000000000";
	const char *seen = strtok_r(NULL, " ", &rest);
	if (address == NULL || role == NULL || life == NULL || strlen(name) > NAME_BYTES_MAX ||
	    strlen(address) > ADDRESS_BYTES_MAX)
		return false;
	unsigned long replica = strtoul(number, &end, 10);
	if (*end != '\0' || replica == 0 || replica > UINT32_MAX ||
	    identity_find_member(members, name) != NULL)
		return false;
	identity_add_member(members, (uint32_t)replica, name, address);
	struct identity_member *m = identity_find_member(members, name);
	m->learner = strcmp(role, "learner") == 0;
	m->seen = seen != NULL;
	return parse_id(life, &m->life) && (m->learner || strcmp(role, "voter") == 0) &&
	       (seen == NULL || strcmp(seen, "seen") == 0);
}

static bool checksum_fits(const char *text)
{
	const char *line = text, *next;
	while ((next = strchr(line, '\n')) != NULL && next[1] != '\0')
		line = next + 1;
	char value[16], wanted[16];
	const char *at = line;
	snprintf(wanted, sizeof wanted, "%08" PRIx32, crc32c(0, text, (size_t)(line - text)));
	return take_line(&at, "checksum", value, sizeof value) && strcmp(value, wanted) == 0;
}

static bool parse_common(const char **text, struct identity *out)
{
	uint64_t replica = 0, shards = 0;
	bool whole = take_line(text, "cluster", out->cluster, sizeof out->cluster) &&
		     take_line(text, "node", out->node, sizeof out->node) &&
		     take_line(text, "role", out->role, sizeof out->role) &&
		     take_number(text, "group", UINT64_MAX, &out->group) &&
		     take_number(text, "replica", UINT32_MAX, &replica) &&
		     take_number(text, "shards", UINT32_MAX, &shards);
	out->replica = (uint32_t)replica;
	out->shards = (uint32_t)shards;
	return whole;
}

/* Left out while it is 0. */
static bool take_generation(const char **text, const char *key, uint32_t *generation)
{
	uint64_t number = 0;
	if (strncmp(*text, key, strlen(key)) != 0 || strncmp(*text + strlen(key), " = ", 3) != 0)
		return true;
	if (!take_number(text, key, GENERATION_MAX, &number) || number == 0)
		return false;
	*generation = (uint32_t)number;
	return true;
}

int identity_parse(const char *text, struct identity *out, uint32_t *version)
{
	char value[8];
	*out = (struct identity){0};
	*version = 0;
	if (strncmp(text, MAGIC, strlen(MAGIC)) != 0)
		return STATUS_CORRUPT;
	text += strlen(MAGIC);
	*version = (uint32_t)strtoul(text, NULL, 10);
	const char *whole = text - strlen(MAGIC);
	const char *line = strchr(text, '\n');
	if (line == NULL || *version == 0)
		return STATUS_CORRUPT;
	line++;
	if (*version > VERSION)
		return 0; /* what a newer program writes there is its own affair */
	if (*version > 1 && !checksum_fits(whole))
		return STATUS_CORRUPT;
	if (!parse_common(&line, out))
		return STATUS_CORRUPT;
	if (*version == 1)
		return *line == '\0' ? 0 : STATUS_CORRUPT;
	if (!take_id(&line, "cluster_id", &out->cluster_id) ||
	    !take_id(&line, "group_id", &out->group_id) ||
	    (*version > 2 && !take_id(&line, "life", &out->life)) ||
	    !take_line(&line, "log", value, sizeof value))
		return STATUS_CORRUPT;
	out->log = strcmp(value, "yes") == 0;
	out->lost = take_flag(&line, LOST);
	out->added = take_flag(&line, ADDED);
	out->removed = take_flag(&line, REMOVED);
	if (*version > 4 && (!take_generation(&line, "superseded", &out->superseded) ||
			     !take_generation(&line, "generation", &out->members.generation)))
		return STATUS_CORRUPT;
	if (*version > 3 && !take_number(&line, "slot", UINT64_MAX, &out->members.slot))
		return STATUS_CORRUPT;
	while (strncmp(line, "member", 6) == 0) {
		if (!take_member(&line, *version, &out->members))
			return STATUS_CORRUPT;
	}
	return strncmp(line, CHECKSUM, strlen(CHECKSUM)) == 0 ? 0 : STATUS_CORRUPT;
}

/* ---- the file ---- */

int identity_write_now(struct disk *disk, const struct identity *identity)
{
	struct disk_request create = {.operation = DISK_CREATE, .name = IDENTITY_FILE_NEW};
	struct disk_request rename_it = {
		.operation = DISK_RENAME, .name = IDENTITY_FILE_NEW, .new_name = IDENTITY_FILE};
	struct disk_request sync_directory = {.operation = DISK_SYNC_DIRECTORY};
	int status = disk->ops->run_now(disk, &create);
	if (status != 0)
		return status;
	struct buffer text = {0};
	identity_format(identity, &text);
	struct disk_request close_it = {.operation = DISK_CLOSE, .file = create.file};
	status = disk->ops->write_now(disk, create.file, 0, text.data, text.len);
	buffer_free(&text);
	if (status == 0)
		status = disk->ops->sync_now(disk, create.file);
	int closed = disk->ops->run_now(disk, &close_it);
	if (status == 0)
		status = closed;
	if (status == 0)
		status = disk->ops->run_now(disk, &rename_it);
	if (status == 0)
		status = disk->ops->run_now(disk, &sync_directory);
	return status;
}

static int read_text(struct disk *disk, char *out, size_t out_size)
{
	struct disk_file *file;
	uint64_t size = 0;
	int status = disk->ops->open(disk, IDENTITY_FILE, &file, &size);
	if (status != 0)
		return status;
	size_t len = size < out_size - 1 ? (size_t)size : out_size - 1;
	memset(out, 0, out_size);
	if (len > 0)
		status = disk->ops->read_now(disk, file, 0, (uint8_t *)out, len);
	struct disk_request close_it = {.operation = DISK_CLOSE, .file = file};
	int closed = disk->ops->run_now(disk, &close_it);
	return status != 0 ? status : closed;
}

/* ---- the claim ---- */

struct judging {
	struct identity_claim *claim;
	const struct identity *own, *found;
	char *error;
	size_t error_size;
};

#define REFUSE(j, status, format, ...) \
	(snprintf((j)->error, (j)->error_size, "data directory %s: " format, \
		  (j)->claim->directory, __VA_ARGS__), \
	 (status))

#define DESCRIPTION_BYTES (2 * NAME_BYTES_MAX + IDENTITY_ROLE_BYTES_MAX + 160u)

static void describe(const struct identity *id, char out[DESCRIPTION_BYTES])
{
	snprintf(out, DESCRIPTION_BYTES,
		 "cluster = %.*s, node = %.*s, role = %.*s, group = %" PRIu64 ", replica = %" PRIu32
		 ", shards = %" PRIu32,
		 (int)NAME_BYTES_MAX, id->cluster, (int)NAME_BYTES_MAX, id->node,
		 (int)IDENTITY_ROLE_BYTES_MAX, id->role, id->group, id->replica, id->shards);
}

/* What the configuration says of a node. False: nothing. */
static bool find_listed(const struct judging *j, const char *name, struct identity_listed *out)
{
	for (uint32_t i = 0; i < j->claim->nlisted; i++) {
		*out = j->claim->listed[i];
		if (strcmp(out->name, name) == 0)
			return true;
	}
	const struct identity_member *m = identity_find_member(
		(struct identity_members *)&j->own->members, name);
	if (j->claim->nlisted > 0 || m == NULL)
		return false;
	*out = (struct identity_listed){m->name, j->own->role, j->own->group, m->replica,
					m->address};
	return true;
}

static int judge_listed(const struct judging *j, const struct identity_member *m,
			const struct identity_listed *listed)
{
	char members[IDENTITY_MEMBERS_TEXT_BYTES], durable[IDENTITY_GROUP_TEXT_BYTES],
		configured[IDENTITY_GROUP_TEXT_BYTES];
	identity_members_text(&j->found->members, members);
	if (strcmp(listed->role, j->found->role) != 0 || listed->group != j->found->group)
		return REFUSE(
			j, STATUS_IDENTITY,
			"the group's members are (%s), but %s gives [node %s] role = %s, group = "
			"%s instead of role = %s, group "
			"= %s: a member stays in its group until it is removed (kvctl member "
			"remove %s %s): undo that; "
			"what another group needs is a node with a name and a directory of its own",
			members, j->claim->file, m->name, listed->role,
			identity_group_text(listed->role, listed->group, configured),
			j->found->role,
			identity_group_text(j->found->role, j->found->group, durable), durable,
			m->name);
	if (listed->replica != 0 && listed->replica != m->replica)
		return REFUSE(j, STATUS_IDENTITY,
			      "the group's members are (%s), but %s says replica = %" PRIu32
			      " for [node %s]: it stays replica %" PRIu32
			      " as long as it is a member: write 'replica = %" PRIu32
			      "', or leave the key out",
			      members, j->claim->file, listed->replica, m->name, m->replica,
			      m->replica);
	return 0;
}

static int judge_members(const struct judging *j)
{
	char members[IDENTITY_MEMBERS_TEXT_BYTES], group[IDENTITY_GROUP_TEXT_BYTES];
	const struct identity_member *missing = NULL;
	for (uint32_t i = 0; i < j->found->members.count; i++) {
		const struct identity_member *m = &j->found->members.list[i];
		struct identity_listed listed;
		if (!find_listed(j, m->name, &listed)) {
			missing = missing == NULL ? m : missing;
			continue;
		}
		int status = judge_listed(j, m, &listed);
		if (status != 0)
			return status;
	}
	if (missing == NULL)
		return 0;
	identity_group_text(j->found->role, j->found->group, group);
	(void)REFUSE(
		j, STATUS_IDENTITY,
		"the group's members are (%s), but %s has no [node %s], which is replica %" PRIu32
		": put its section back; if it is to leave the group, say so to the group first "
		"(kvctl member remove %s %s)",
		identity_members_text(&j->found->members, members), j->claim->file, missing->name,
		missing->replica, group, missing->name);
	j->claim->lacks = j->claim->ask_first;
	return j->claim->ask_first ? 0 : STATUS_IDENTITY;
}

static int judge_removed(const struct judging *j)
{
	char group[IDENTITY_GROUP_TEXT_BYTES];
	struct identity_listed self = {.address = "HOST:PORT"};
	/* Or the group's list has come this far, and nothing after it. */
	if (j->found->superseded != 0)
		return REFUSE(j, STATUS_REMOVED,
			      "group %s had lost its majority, and was made to go on without node "
			      "%s, as generation %" PRIu32 " of itself (kvctl "
			      "member force): what this directory holds does not count any more. "
			      "Keep a copy if what it holds may be of use; if "
			      "the node is to be a member again, give it an empty directory and "
			      "type: kvctl member add %s %s %s",
			      identity_group_text(j->found->role, j->found->group, group),
			      j->found->node, j->found->superseded, group, j->found->node,
			      find_listed(j, j->found->node, &self) ? self.address : "HOST:PORT");
	bool unlisted = j->found->members.slot != 0 &&
			identity_find_member((struct identity_members *)&j->found->members,
					     j->found->node) == NULL;
	if (!j->found->removed && !unlisted)
		return 0;
	(void)find_listed(j, j->found->node, &self);
	identity_group_text(j->found->role, j->found->group, group);
	return REFUSE(
		j, STATUS_REMOVED,
		"group %s has removed node %s, which was its replica %" PRIu32
		": take [node %s] out of %s; or, if it is to be a "
		"member again, give it an empty directory and type: kvctl member add %s %s %s",
		group, j->found->node, j->found->replica, j->found->node, j->claim->file, group,
		j->found->node, self.address);
}

static int judge_ids(const struct judging *j)
{
	char found[ID_TEXT_BYTES], configured[ID_TEXT_BYTES];
	uint64_t id = j->claim->configured_id;
	if (id == 0 || j->found->cluster_id == 0 || j->found->cluster_id == id)
		return 0;
	return REFUSE(j, STATUS_IDENTITY,
		      "it belongs to cluster '%s' with id %s, but %s says id = %s: another cluster "
		      "of the same "
		      "name; set 'dir' to "
		      "this node's own directory, or use the other cluster's file",
		      j->found->cluster, id_text(j->found->cluster_id, found), j->claim->file,
		      id_text(id, configured));
}

/* `durable`: the directory has been a member's, so that its list counts. */
static int judge(const struct judging *j, bool durable)
{
	const struct identity *own = j->own, *found = j->found;
	struct identity_listed self = {.replica = own->replica};
	bool same_node = strcmp(own->cluster, found->cluster) == 0 &&
			 strcmp(own->node, found->node) == 0 &&
			 strcmp(own->role, found->role) == 0 && own->group == found->group &&
			 own->shards == found->shards;
	if (!durable || found->replica == 0)
		self.replica = 0;
	else if (j->claim->nlisted > 0)
		(void)find_listed(j, own->node, &self);
	if (!same_node ||
	    (self.replica != 0 && self.replica != found->replica && found->members.count == 0)) {
		char theirs[DESCRIPTION_BYTES], ours[DESCRIPTION_BYTES];
		describe(found, theirs);
		describe(own, ours);
		snprintf(j->error, j->error_size,
			 "data directory %s belongs to another node (%s), this node is (%s): set "
			 "'dir' to this "
			 "node's own "
			 "directory",
			 j->claim->directory, theirs, ours);
		return STATUS_IDENTITY;
	}
	int status = judge_removed(j);
	if (status == 0 && durable && found->members.count > 0)
		status = judge_members(j);
	return status == 0 ? judge_ids(j) : status;
}

/* ---- logs ---- */

#define LOGS_MAX 2u

struct logs {
	const char *prefixes[LOGS_MAX]; /* of the logs that a node of the role keeps; NULL: none */
	bool found[LOGS_MAX];
	/* there is a file that says what the log consists of (wal/range.c) */
	bool ranged[LOGS_MAX];
	bool snapshots;
};

/* Behind "log-" or "agreement-log-": what the other file is called. */
#define LOG_SUFFIX "log-"
#define RANGE_SUFFIX "segment-range"
#define RANGE_NAME_BYTES 32u

static struct logs logs_of(const struct identity *id)
{
	struct logs logs = {.prefixes = {"log-"}};
	if (strcmp(id->role, "pbserver") == 0)
		logs.prefixes[0] = NULL; /* everything is in memory */
	else if (strcmp(id->role, "paxos") == 0)
		logs.prefixes[1] = "agreement-log-";
	return logs;
}

static const char *range_name(const char *prefix, char *out, size_t size)
{
	snprintf(out, size, "%.*s" RANGE_SUFFIX, (int)(strlen(prefix) - strlen(LOG_SUFFIX)),
		 prefix);
	return out;
}

static void note_log(void *context, const char *name, uint64_t size)
{
	struct logs *logs = context;
	char range[RANGE_NAME_BYTES];
	(void)size;
	logs->snapshots = logs->snapshots || strncmp(name, "snapshot-0", strlen("snapshot-0")) == 0;
	for (size_t i = 0; i < LOGS_MAX; i++) {
		const char *prefix = logs->prefixes[i];
		if (prefix != NULL && strncmp(name, prefix, strlen(prefix)) == 0)
			logs->found[i] = true;
		else if (prefix != NULL &&
			 strcmp(name, range_name(prefix, range, sizeof range)) == 0)
			logs->ranged[i] = true;
	}
}

static const char *missing_log(const struct logs *logs)
{
	for (size_t i = 0; i < LOGS_MAX; i++) {
		if (logs->prefixes[i] != NULL && !logs->found[i])
			return logs->prefixes[i];
	}
	return NULL;
}

int identity_has_log(struct disk *disk, const struct identity *identity, bool *has_log)
{
	struct logs logs = logs_of(identity);
	int status = disk->ops->list(disk, note_log, &logs);
	*has_log = logs.prefixes[0] != NULL && missing_log(&logs) == NULL;
	return status;
}

/*
 * An identity without a log: whatever was promised is forgotten. Version 1 does not say whether
 * there has been a log yet.
 */
static bool has_any_log(const struct logs *logs)
{
	return logs->found[0] || logs->found[1];
}

static int judge_log(const struct judging *j, const struct logs *logs, uint32_t version)
{
	const char *missing = missing_log(logs);
	if (missing == NULL || (version > 1 && !j->found->log))
		return 0;
	return REFUSE(j, STATUS_CORRUPT,
		      "it belongs to this node, but its log (files %s…) is missing: a replica "
		      "without its log "
		      "would break promises that "
		      "it has made; find the files, or leave everything as it is; the other "
		      "replicas go on "
		      "without this one "
		      "(docs/operations.md)",
		      missing);
}

/*
 * Somebody has emptied the directory, but for what the log consisted of. That belongs to a life of
 * which nothing else is left; the directory begins another one, which its group knows apart. First
 * it goes, and durably: an identity that finds it would miss its log.
 */
static int remove_ranges(struct disk *disk, const struct logs *logs)
{
	struct disk_request sync_directory = {.operation = DISK_SYNC_DIRECTORY};
	char range[RANGE_NAME_BYTES];
	for (size_t i = 0; i < LOGS_MAX; i++) {
		if (!logs->ranged[i])
			continue;
		struct disk_request remove = {
			.operation = DISK_REMOVE,
			.name = range_name(logs->prefixes[i], range, sizeof range)};
		int status = disk->ops->run_now(disk, &remove);
		if (status == 0)
			status = disk->ops->run_now(disk, &sync_directory);
		if (status != 0)
			return status;
	}
	return 0;
}

static int claim_new(struct disk *disk, const struct judging *j, const struct logs *logs,
		     struct identity *own)
{
	char id[ID_TEXT_BYTES];
	if (has_any_log(logs))
		return REFUSE(
			j, STATUS_IDENTITY,
			"it holds a log but no file %s, so whose it is cannot be told: find that "
			"file, or "
			"leave everything as "
			"it is; the other replicas go on without this one (docs/operations.md)",
			IDENTITY_FILE);
	if (logs->snapshots)
		return REFUSE(j, STATUS_IDENTITY,
			      "it holds a snapshot but neither a log nor a file %s, so whose it is "
			      "cannot be told: find "
			      "the other files; if they are lost, move the snapshots away, and the "
			      "node starts as one that has "
			      "lost its directory (docs/operations.md)",
			      IDENTITY_FILE);
	/*
	 * The cluster has begun to live with this replica's directory: there was nobody else who
	 * could.
	 */
	if (j->claim->configured_id != 0 && own->members.count == 1 &&
	    strcmp(own->role, "shardmaster") == 0)
		return REFUSE(j, STATUS_IDENTITY,
			      "it is empty, but %s says that cluster %s with id %s exists, and "
			      "this is its only "
			      "shard master: is "
			      "'dir' right, and, if it is relative, the working directory? Is a "
			      "disk not mounted?",
			      j->claim->file, own->cluster, id_text(j->claim->configured_id, id));
	int status = remove_ranges(disk, logs);
	if (status == 0)
		status = identity_write_now(disk, own);
	if (status != 0)
		return REFUSE(j, status, "cannot write its file %s: %s", IDENTITY_FILE,
			      disk_problem(disk, status));
	return 0;
}

static bool same_addresses(const struct identity_members *a, const struct identity_members *b)
{
	for (uint32_t i = 0; i < a->count && i < b->count; i++)
		if (strcmp(a->list[i].address, b->list[i].address) != 0)
			return false;
	return true;
}

/* Completes `own` from the file; true: the file must be written anew. */
static bool take_over(struct identity *own, const struct identity *found, const struct judging *j,
		      bool durable, uint32_t version)
{
	struct identity before = *found;
	bool differs = version < VERSION_WITHOUT_GENERATIONS;
	own->cluster_id = found->cluster_id;
	own->group_id = found->group_id;
	if (found->life != 0)
		own->life = found->life;
	own->log = found->log;
	own->lost = found->lost;
	own->added = found->added;
	own->superseded = found->superseded;
	if (durable && found->members.count > 0) {
		own->members = found->members;
		own->replica = found->replica;
	} else if (durable && found->replica != 0) {
		own->replica = found->replica;
	}
	for (uint32_t i = 0; !durable && i < own->members.count; i++) {
		struct identity_member *m = &own->members.list[i];
		const struct identity_member *then = identity_find_member(&before.members, m->name);
		m->seen = then != NULL && then->replica == m->replica && then->seen;
	}
	/* Before the group has said it, addresses are what the configuration says. */
	for (uint32_t i = 0; own->members.slot == 0 && i < own->members.count; i++) {
		struct identity_member *m = &own->members.list[i];
		struct identity_listed listed;
		if (find_listed(j, m->name, &listed))
			snprintf(m->address, sizeof m->address, "%s", listed.address);
	}
	return differs || before.replica != own->replica ||
	       !identity_members_equal(&before.members, &own->members) ||
	       !same_addresses(&before.members, &own->members);
}

int identity_claim(struct disk *disk, struct identity_claim *claim, struct identity *own,
		   bool *created, char *error, size_t error_size)
{
	char text[IDENTITY_BYTES_MAX];
	struct identity found;
	uint32_t version = 0;
	struct logs logs = logs_of(own);
	struct identity configured = *own;
	struct judging j = {.claim = claim,
			    .own = &configured,
			    .found = &found,
			    .error = error,
			    .error_size = error_size};
	*created = claim->lacks = false;
	int status = read_text(disk, text, sizeof text);
	if (status != 0 && status != STATUS_NOT_FOUND)
		return REFUSE(&j, status, "cannot read its file %s: %s", IDENTITY_FILE,
			      disk_problem(disk, status));
	int listed = disk->ops->list(disk, note_log, &logs);
	if (listed != 0)
		return REFUSE(&j, listed, "cannot list it: %s", disk_problem(disk, listed));
	if (status == STATUS_NOT_FOUND) {
		*created = true;
		return claim_new(disk, &j, &logs, own);
	}
	if (identity_parse(text, &found, &version) != 0)
		return REFUSE(&j, STATUS_CORRUPT,
			      "its file %s is damaged, so whose it is cannot be told: leave "
			      "everything as it is; "
			      "the other replicas "
			      "go on without this one (docs/operations.md)",
			      IDENTITY_FILE);
	if (version > VERSION)
		return REFUSE(&j, STATUS_IDENTITY,
			      "its file %s is of version %" PRIu32
			      ": it was written by a newer program",
			      IDENTITY_FILE, version);
	bool durable = has_any_log(&logs) || found.log || found.members.slot != 0 ||
		       identity_lacks_vote(&found);
	status = judge(&j, durable);
	if (status == 0)
		status = judge_log(&j, &logs, version);
	if (status != 0 || !take_over(own, &found, &j, durable, version))
		return status;
	status = identity_write_now(disk, own);
	return status == 0 ? 0
			   : REFUSE(&j, status, "cannot write its file %s: %s", IDENTITY_FILE,
				    disk_problem(disk, status));
}
