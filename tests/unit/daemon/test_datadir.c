/* faults: 81 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/check_main.h"
#include "base/crc32c.h"
#include "daemon/datadir.h"
#include "host/disk_posix.h"

static char root[64], path[128], error[2048];
static struct disk *disk;

/* The configuration of node g1a, of three members. */
static struct identity g1a(void)
{
	struct identity id = {.cluster = "demo",
			      .node = "g1a",
			      .role = "shardkv",
			      .group = 1,
			      .replica = 1,
			      .shards = 16};
	identity_add_member(&id.members, 1, "g1a", "127.0.0.1:7011");
	identity_add_member(&id.members, 2, "g1b", "127.0.0.1:7012");
	identity_add_member(&id.members, 3, "g1c", "127.0.0.1:7013");
	return id;
}
#define G1A g1a()

static void set_up(const char *name)
{
	snprintf(root, sizeof root, "/tmp/synod-datadir-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	snprintf(path, sizeof path, "%s/%s", root, name);
}

static void tear_down(void)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", root);
	ck_assert_int_eq(system(command), 0);
}

static struct identity known; /* after open_as() */
static uint64_t configured_id;
static struct identity_claim claim;
static const struct identity_listed *listed;
static uint32_t nlisted; /* 0: the members of the identity */
static bool ask_first;

static int open_as(struct identity identity)
{
	error[0] = '\0';
	known = identity;
	claim = (struct identity_claim){.file = "test.conf",
					.configured_id = configured_id,
					.nlisted = nlisted,
					.listed = listed,
					.ask_first = ask_first};
	return datadir_open(&disk, path, &known, &claim, error, sizeof error);
}

static void contents(const char *name, char *out, size_t size)
{
	char file_path[256];
	snprintf(file_path, sizeof file_path, "%s/%s", path, name);
	FILE *file = fopen(file_path, "re");
	ck_assert_ptr_nonnull(file);
	out[fread(out, 1, size - 1, file)] = '\0';
	fclose(file);
}

static void put(const char *name, const char *text)
{
	char file_path[256];
	snprintf(file_path, sizeof file_path, "%s/%s", path, name);
	FILE *file = fopen(file_path, "we");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

/*
 * A missing directory is made, with its parents, for this user only; the same node may open it
 * again.
 */
START_TEST(a_missing_directory_is_made)
{
	struct stat st;
	char file[256];
	set_up("a/b/c");
	ck_assert_int_eq(open_as(G1A), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	snprintf(file, sizeof file, "%s/identity", path);
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	disk_posix_destroy(disk);
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	tear_down();
}
END_TEST

/* Whatever of the identity differs, the directory is refused, and the line names both nodes. */
START_TEST(a_directory_of_another_node_is_refused)
{
	set_up("d");
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	struct identity others[5] = {G1A, G1A, G1A, G1A, G1A};
	strcpy(others[0].cluster, "prod");
	strcpy(others[1].node, "g1b");
	strcpy(others[2].role, "shardmaster");
	others[3].group = 2;
	others[4].shards = 32;
	static const char *const words[5] = {"cluster = prod", "node = g1b", "role = shardmaster",
					     "group = 2", "shards = 32"};
	for (size_t i = 0; i < 5; i++) {
		ck_assert_int_eq(open_as(others[i]), STATUS_IDENTITY);
		ck_assert_ptr_nonnull(strstr(error, words[i]));
		ck_assert_ptr_nonnull(strstr(
			error,
			"belongs to another node (cluster = demo, node = g1a, role = shardkv"));
		ck_assert_ptr_null(strchr(error, '\n'));
	}
	tear_down();
}
END_TEST

/* A second opener is told that the directory is in use. */
START_TEST(a_second_opener_is_told_that_it_is_in_use)
{
	struct disk *first;
	set_up("d");
	ck_assert_int_eq(open_as(G1A), 0);
	first = disk;
	ck_assert_int_eq(open_as(G1A), STATUS_LOCKED);
	ck_assert_ptr_nonnull(strstr(error, "in use by another process"));
	disk_posix_destroy(first);
	tear_down();
}
END_TEST

/*
 * A log without an identity, and an identity that is none, are refused: nobody knows whose they
 * are.
 */
START_TEST(a_log_without_an_identity_is_refused)
{
	set_up("d");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	put("log-0000000000000001", "x");
	ck_assert_int_eq(open_as(G1A), STATUS_IDENTITY);
	ck_assert_ptr_nonnull(strstr(error, "holds a log but no file identity"));
	put("identity", "");
	ck_assert_int_eq(open_as(G1A), STATUS_CORRUPT);
	put("identity", "something else\n");
	ck_assert_int_eq(open_as(G1A), STATUS_CORRUPT);
	ck_assert_ptr_nonnull(strstr(error, "damaged"));
	tear_down();
}
END_TEST

/*
 * Other files in the directory, and a half-written identity of a start that was interrupted, do no
 * harm.
 */
START_TEST(other_files_do_no_harm)
{
	set_up("d");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	put("pid", "1\n");
	put("log", "level=info\n");
	put("identity-new", "synod-iden");
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	tear_down();
}
END_TEST

/* What cannot be a directory is an error that says so. */
START_TEST(what_cannot_be_a_directory_is_an_error)
{
	set_up("d");
	FILE *file = fopen(path, "we");
	fclose(file);
	ck_assert_int_eq(open_as(G1A), STATUS_IO);
	ck_assert_ptr_nonnull(strstr(error, "not a directory"));
	strcat(path, "/below");
	ck_assert_int_ne(open_as(G1A), 0);
	ck_assert_ptr_nonnull(strstr(error, "Not a directory"));
	path[0] = '\0';
	ck_assert_int_eq(open_as(G1A), STATUS_IO);
	tear_down();
}
END_TEST

/*
 * What is no regular file is named: it would not be seen where files are listed, and looked as if
 * it were missing.
 */
START_TEST(what_is_no_regular_file_is_named)
{
	static const char *const names[] = {"identity",
					    "log-0000000000000001",
					    "segment-range",
					    "snapshot-0000000000000007",
					    "free-0000000000000001",
					    "agreement-log-0000000000000001"};
	char command[512], wanted[128];
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		set_up("data");
		ck_assert_int_eq(open_as(G1A), 0);
		disk_posix_destroy(disk);
		if (i > 0)
			put(names[i], "something");
		for (size_t k = 0; k < 2; k++) {
			snprintf(command, sizeof command,
				 "cd %s && if [ %zu = 0 ]; then mv %s elsewhere && ln -s elsewhere "
				 "%s; else rm %s && mkdir %s; fi",
				 path, k, names[i], names[i], names[i], names[i]);
			ck_assert_int_eq(system(command), 0);
			ck_assert_int_eq(open_as(G1A), STATUS_IDENTITY);
			snprintf(wanted, sizeof wanted, ": %s is a %s: ", names[i],
				 k == 0 ? "symbolic link" : "directory");
			ck_assert_msg(strstr(error, wanted) != NULL, "%s", error);
		}
		tear_down();
	}
}
END_TEST

/*
 * faults: 38. All that is left of a directory that has been emptied is the file that says which
 * segments its log had: it begins anew, and the next start finds nothing amiss. A snapshot is
 * something that somebody may still need.
 */
START_TEST(an_emptied_directory_begins_anew)
{
	static const char *const ranges[] = {"segment-range", "agreement-segment-range"};
	for (size_t i = 0; i < 2; i++) {
		char file[256];
		struct identity own = G1A;
		snprintf(own.role, sizeof own.role, "%s", i == 0 ? "shardkv" : "paxos");
		set_up("data");
		ck_assert_int_eq(mkdir(path, 0700), 0);
		put(ranges[i], "of a log that is gone");
		put("log", "of the daemon");
		put("snapshot-0000000000000007", "of slot 7");
		ck_assert_int_eq(open_as(own), STATUS_IDENTITY);
		ck_assert_msg(strstr(error,
				     "it holds a snapshot but neither a log nor a file identity") !=
				      NULL,
			      "%s", error);
		snprintf(file, sizeof file, "%s/snapshot-0000000000000007", path);
		ck_assert_int_eq(unlink(file), 0);
		snprintf(file, sizeof file, "%s/%s", path, ranges[i]);
		ck_assert_int_eq(access(file, F_OK), 0);
		ck_assert_msg(open_as(own) == 0, "%s", error);
		disk_posix_destroy(disk);
		ck_assert_int_ne(access(file, F_OK), 0);
		snprintf(file, sizeof file, "%s/log", path);
		ck_assert_int_eq(access(file, F_OK), 0);
		ck_assert_msg(open_as(own) == 0, "%s", error);
		disk_posix_destroy(disk);
		tear_down();
	}
}
END_TEST

/*
 * A version that wrote the identity without ids and members: read, and rewritten with the members
 * that are configured.
 */
START_TEST(an_identity_of_version_1_is_rewritten)
{
	char text[IDENTITY_BYTES_MAX];
	set_up("d");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	put("identity", "synod-identity 1\ncluster = demo\nnode = g1a\nrole = shardkv\ngroup = "
			"1\nreplica = 1\nshards = 16\n");
	put("log-0000000000000001", "x");
	ck_assert_int_eq(open_as(G1A), 0);
	ck_assert_uint_eq(known.group_id, 0);
	disk_posix_destroy(disk);
	contents("identity", text, sizeof text);
	ck_assert_ptr_nonnull(strstr(text, "synod-identity 4\nc"));
	ck_assert_ptr_nonnull(strstr(
		text,
		"\nslot = 0\nmember = 1 g1a 127.0.0.1:7011 voter 0000000000000000\nmember = 2 "));
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	tear_down();
}
END_TEST

/* What a newer version writes is not guessed at. */
START_TEST(a_newer_identity_is_not_guessed_at)
{
	set_up("d");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	put("identity", "synod-identity 6\nwhatever\n");
	ck_assert_int_eq(open_as(G1A), STATUS_IDENTITY);
	ck_assert_ptr_nonnull(strstr(error, "of version 6: it was written by a newer program"));
	tear_down();
}
END_TEST

/* Version 3 knew nothing of roles, lives, and lists that change. */
START_TEST(version_3_knew_no_roles_and_lives)
{
	char text[IDENTITY_BYTES_MAX];
	struct buffer out = {0};
	set_up("d");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	buffer_format(&out, "synod-identity 3\ncluster = demo\nnode = g1a\nrole = shardkv\ngroup = "
			    "1\nreplica = 1\nshards = 16\ncluster_id = 0000000000000abc\ngroup_id "
			    "= 0000000000000123\nlife = 0000000000000456\nlog = yes\nlost = "
			    "yes\nmember = 1 g1a 127.0.0.1:7011\nmember = 2 g1b 127.0.0.1:7012 "
			    "seen\nmember = 3 g1c 127.0.0.1:7013\n");
	buffer_format(&out, "checksum = %08x\n", crc32c(0, out.data, out.len));
	buffer_add_u8(&out, 0);
	put("identity", (const char *)out.data);
	put("log-0000000000000001", "x");
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	ck_assert(known.lost && known.log && known.life == 0x456 && known.group_id == 0x123 &&
		  known.cluster_id == 0xabc);
	ck_assert_uint_eq(known.members.count, 3);
	ck_assert(known.members.list[1].seen && !known.members.list[1].learner &&
		  known.members.list[1].life == 0);
	contents("identity", text, sizeof text);
	ck_assert_ptr_nonnull(strstr(text, "synod-identity 4\nc"));
	ck_assert_ptr_nonnull(
		strstr(text, "\nmember = 2 g1b 127.0.0.1:7012 voter 0000000000000000 seen\n"));
	buffer_free(&out);
	tear_down();
}
END_TEST

/* Who has been a member: its list is made by the group at slot 1042. */
static void open_member(void)
{
	struct identity_members members = {.slot = 1042};
	ck_assert_int_eq(open_as(G1A), 0);
	identity_add_member(&members, 1, "g1a", "127.0.0.1:7011");
	identity_add_member(&members, 3, "g1c", "127.0.0.1:7013");
	identity_add_member(&members, 4, "g1d", "127.0.0.1:7014");
	members.list[2].learner = true;
	members.list[1].life = 0xc;
	ck_assert(identity_follow(&known, &members));
	known.log = true;
	ck_assert_int_eq(identity_write_now(disk, &known), 0);
	disk_posix_destroy(disk);
	put("log-0000000000000001", "x");
}

/*
 * What cluster.conf has of a group whose members are g1a, g1c and g1d: g1b was removed, g1e waits
 * to be added.
 */
static struct identity_listed file_of_member[] = {
	{"m1", "shardmaster", 0, 0, "127.0.0.1:7001"}, {"g1d", "shardkv", 1, 0, "127.0.0.1:7014"},
	{"g1a", "shardkv", 1, 0, "127.0.0.1:7011"},    {"g1c", "shardkv", 1, 0, "127.0.0.1:7013"},
	{"g1b", "shardkv", 1, 0, "127.0.0.1:7012"},    {"g1e", "shardkv", 1, 0, "127.0.0.1:7015"},
};

/*
 * faults: 91. The list of the directory rules, and numbers are never positions in the file again:
 * nodes that are no members, and another order, change nothing.
 */
START_TEST(members_by_the_group)
{
	char text[IDENTITY_BYTES_MAX];
	set_up("d");
	open_member();
	listed = file_of_member;
	nlisted = 6;
	struct identity moved = G1A;
	moved.replica = 2; /* its position */
	for (int i = 0; i < 2; i++) {
		ck_assert_msg(open_as(moved) == 0, "%s", error);
		disk_posix_destroy(disk);
		ck_assert_uint_eq(known.replica, 1);
		ck_assert_uint_eq(known.members.slot, 1042);
		ck_assert_str_eq(identity_members_text(&known.members, text),
				 "1 g1a, 3 g1c, 4 g1d");
		ck_assert(known.members.list[2].learner && !known.members.list[1].learner &&
			  known.members.list[1].life == 0xc);
		nlisted = 4; /* without the sections of those that are no members */
	}
	contents("identity", text, sizeof text);
	ck_assert_ptr_nonnull(strstr(
		text, "\nslot = 1042\nmember = 1 g1a 127.0.0.1:7011 voter 0000000000000000\nmember "
		      "= 3 g1c 127.0.0.1:7013 voter 000000000000000c\nmember = 4 g1d "
		      "127.0.0.1:7014 learner 0000000000000000\n"));
	/* The group says that nothing has changed, or something older. */
	struct identity before = known;
	struct identity_members older = {.slot = 1041};
	ck_assert(!identity_follow(&known, &older) && !identity_follow(&known, &before.members));
	nlisted = 0;
	tear_down();
}
END_TEST

/*
 * faults: 91. A member that the file lacks, or gives another number, role or group, is refused by
 * name.
 */
START_TEST(a_member_that_the_file_lacks_is_refused_by_name)
{
	struct identity_listed wrong[4];
	set_up("d");
	open_member();
	memcpy(wrong, file_of_member, sizeof wrong);
	listed = wrong;
	nlisted = 3;
	ck_assert_int_eq(open_as(G1A), STATUS_IDENTITY);
	ck_assert_msg(strstr(error, "the group's members are (1 g1a, 3 g1c, 4 g1d), but test.conf "
				    "has no [node g1c], which is replica 3: ") != NULL &&
			      strstr(error, "kvctl member remove 1 g1c") != NULL,
		      "%s", error);
	/* Unless the group can be asked first. */
	ask_first = true;
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	ck_assert(claim.lacks && strstr(error, "has no [node g1c]") != NULL);
	ck_assert_uint_eq(known.members.count, 3);
	nlisted = 4;
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	ck_assert(!claim.lacks);
	/* The rest is wrong whatever the group says. */
	static const char *const says[3] = {
		"says replica = 2 for [node g1c]: it stays replica 3 ",
		"gives [node g1c] role = shardkv, group = 2 instead of role = shardkv, group = 1: ",
		"gives [node g1c] role = shardmaster, group = masters instead of role = shardkv, "
		"group = 1: "};
	for (size_t i = 0; i < 3; i++) {
		wrong[3] = file_of_member[3];
		wrong[3].replica = i == 0 ? 2 : 3;
		wrong[3].group = i == 1 ? 2 : i == 2 ? 0 : 1;
		wrong[3].role = i == 2 ? "shardmaster" : "shardkv";
		ck_assert_int_eq(open_as(G1A), STATUS_IDENTITY);
		ck_assert_msg(strstr(error, says[i]) != NULL, "%s", error);
		ck_assert_ptr_null(strchr(error, '\n'));
	}
	wrong[3] = file_of_member[3];
	wrong[3].replica = 3;
	wrong[2].replica = 1;
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	ask_first = false;
	nlisted = 0;
	tear_down();
}
END_TEST

/*
 * A group that was forced: the file says so in lines that an older program refuses, and none of
 * them is there before. Who is turned away does not start again. faults: 110
 */
START_TEST(a_forced_group_is_refused_by_older_programs)
{
	char text[2048];
	set_up("d");
	ck_assert_int_eq(open_as(G1A), 0);
	contents("identity", text, sizeof text);
	ck_assert_ptr_nonnull(strstr(text, "synod-identity 4\n"));
	known.members.slot = 9;
	/* The list of a later generation has the lower slot, and counts. */
	struct identity_members alone = {.slot = 7, .generation = 1};
	identity_add_member(&alone, 1, "g1a", "127.0.0.1:7011");
	struct identity_members older = known.members;
	older.slot = 900;
	ck_assert(identity_follow(&known, &alone));
	ck_assert(!identity_follow(&known, &older));
	ck_assert_uint_eq(known.members.count, 1);
	ck_assert_int_eq(identity_write_now(disk, &known), 0);
	disk_posix_destroy(disk);
	contents("identity", text, sizeof text);
	ck_assert_ptr_nonnull(strstr(text, "synod-identity 5\n"));
	ck_assert_ptr_nonnull(strstr(text, "\ngeneration = 1\nslot = 7\n"));
	ck_assert_int_eq(open_as(G1A), 0);
	ck_assert_uint_eq(known.members.generation, 1);
	struct identity good = known;
	known.superseded = 2;
	ck_assert_int_eq(identity_write_now(disk, &known), 0);
	disk_posix_destroy(disk);
	ck_assert_int_eq(open_as(G1A), STATUS_REMOVED);
	ck_assert_ptr_nonnull(strstr(error, "group 1 had lost its majority, and was made to go on "
					    "without node g1a, as generation 2 of itself"));
	ck_assert_ptr_nonnull(strstr(error, "kvctl member add 1 g1a 127.0.0.1:7011"));
	static const char *const wrong[] = {"generation = 0\n", "generation = 65536\n",
					    "generation = x\n", "superseded = -1\n"};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct buffer whole = {0};
		struct identity read;
		uint32_t version;
		identity_format(&good, &whole);
		buffer_add_u8(&whole, 0);
		char *at = strstr((char *)whole.data, "generation = 1\n");
		ck_assert_ptr_nonnull(at);
		char *checksum = strstr(at, "checksum = ");
		snprintf(text, sizeof text, "%.*s%s%.*s", (int)(at - (char *)whole.data),
			 (char *)whole.data, wrong[i], (int)(checksum - strchr(at, '\n') - 1),
			 strchr(at, '\n') + 1);
		size_t len = strlen(text);
		snprintf(text + len, sizeof text - len, "checksum = %08x\n", crc32c(0, text, len));
		ck_assert_int_eq(identity_parse(text, &read, &version), STATUS_CORRUPT);
		buffer_free(&whole);
	}
	tear_down();
}
END_TEST

/* faults: 39. Who has been removed does not start again, and is told how it could come back. */
START_TEST(a_removed_member_does_not_start_again)
{
	set_up("d");
	open_member();
	ck_assert_int_eq(open_as(G1A), STATUS_IDENTITY); /* the file has g1b */
	listed = file_of_member;
	nlisted = 6;
	ck_assert_int_eq(open_as(G1A), 0);
	struct identity_members members = {.slot = 1043};
	identity_add_member(&members, 3, "g1c", "127.0.0.1:7013");
	struct identity before = known;
	ck_assert(identity_follow(&known, &members));
	ck_assert_int_eq(identity_write_now(disk, &known), 0);
	disk_posix_destroy(disk);
	/* it was killed before it could note more */
	ck_assert_int_eq(open_as(G1A), STATUS_REMOVED);
	ck_assert_int_eq(disk_posix_create(&disk, path), 0);
	before.removed = true;
	ck_assert_int_eq(identity_write_now(disk, &before), 0);
	disk_posix_destroy(disk);
	ck_assert_int_eq(open_as(G1A), STATUS_REMOVED);
	ck_assert_msg(strstr(error, "group 1 has removed node g1a, which was its replica 1: take "
				    "[node g1a] out of test.conf") != NULL &&
			      strstr(error, "an empty directory and type: kvctl member add 1 g1a "
					    "127.0.0.1:7011") != NULL,
		      "%s", error);
	ck_assert_ptr_null(strchr(error, '\n'));
	nlisted = 0;
	tear_down();
}
END_TEST

/*
 * faults: 91. Before the group has said who its members are they are those of the file at the
 * beginning: until there is a log, the file may change; then a member less, renamed, renumbered is
 * refused, one more is none. Addresses follow the file.
 */
START_TEST(until_there_is_a_log_the_members_are_those_of_the_file)
{
	char text[IDENTITY_BYTES_MAX];
	struct identity less = G1A, more = G1A, renamed = G1A, swapped = G1A, alone = G1A,
			moved = G1A;
	less.members.count = 2;
	identity_add_member(&more.members, 4, "g1d", "127.0.0.1:7014");
	strcpy(renamed.members.list[2].name, "g1x");
	strcpy(swapped.members.list[1].name, "g1c");
	strcpy(swapped.members.list[2].name, "g1b");
	alone.members.count = 1;
	const struct identity others[5] = {less, renamed, swapped, alone, more};
	static const char *const says[5] = {
		"has no [node g1c], which is replica 3", "has no [node g1c], which is replica 3",
		"says replica = 3 for [node g1b]", "has no [node g1b], which is replica 2", NULL};
	set_up("d");
	for (size_t i = 0; i < 5; i++) {
		ck_assert_int_eq(open_as(others[i]), 0);
		ck_assert(identity_members_equal(&known.members, &others[i].members));
		disk_posix_destroy(disk);
	}
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	put("log-0000000000000001", "x");
	for (size_t i = 0; i < 5; i++) {
		ck_assert_int_eq(open_as(others[i]), says[i] == NULL ? 0 : STATUS_IDENTITY);
		if (says[i] == NULL) {
			ck_assert_str_eq(identity_members_text(&known.members, text),
					 "1 g1a, 2 g1b, 3 g1c");
			disk_posix_destroy(disk);
			continue;
		}
		ck_assert_ptr_nonnull(strstr(
			error, "the group's members are (1 g1a, 2 g1b, 3 g1c), but test.conf "));
		ck_assert_msg(strstr(error, says[i]) != NULL, "%s", error);
		ck_assert_ptr_null(strchr(error, '\n'));
	}
	strcpy(moved.members.list[1].address, "10.0.0.7:7012");
	ck_assert_int_eq(open_as(moved), 0);
	disk_posix_destroy(disk);
	contents("identity", text, sizeof text);
	ck_assert_ptr_nonnull(strstr(text, "member = 2 g1b 10.0.0.7:7012 voter "));
	tear_down();
}
END_TEST

/*
 * faults: 90. The cluster's id of the configuration and of the directory: not known yet, the same,
 * another.
 */
START_TEST(the_cluster_of_the_directory_must_be_the_configured_one)
{
	set_up("d");
	ck_assert_int_eq(open_as(G1A), 0);
	known.cluster_id = 0xabc;
	known.group_id = 0x123;
	known.members.list[1].seen = true;
	ck_assert_int_eq(identity_write_now(disk, &known), 0);
	disk_posix_destroy(disk);
	ck_assert_int_eq(open_as(G1A), 0);
	ck_assert_uint_eq(known.cluster_id, 0xabc);
	ck_assert_uint_eq(known.group_id, 0x123);
	ck_assert(known.members.list[1].seen && !known.members.list[2].seen);
	disk_posix_destroy(disk);
	configured_id = 0xabc;
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	configured_id = 0xabd;
	ck_assert_int_eq(open_as(G1A), STATUS_IDENTITY);
	ck_assert_ptr_nonnull(strstr(
		error, "with id 0000000000000abc, but test.conf says id = 0000000000000abd"));
	configured_id = 0;
	tear_down();
}
END_TEST

/* faults: 92. That it has no vote is never forgotten, whatever else is learnt. */
START_TEST(a_lost_vote_is_never_forgotten)
{
	char text[IDENTITY_BYTES_MAX];
	set_up("d");
	ck_assert_int_eq(open_as(G1A), 0);
	ck_assert(!known.lost);
	contents("identity", text, sizeof text);
	ck_assert_ptr_null(strstr(text, "lost"));
	known.lost = true;
	ck_assert_int_eq(identity_write_now(disk, &known), 0);
	disk_posix_destroy(disk);
	contents("identity", text, sizeof text);
	ck_assert_ptr_nonnull(strstr(text, "\nlost = yes\nslot = 0\nmember = 1 g1a"));
	ck_assert_int_eq(open_as(G1A), 0);
	ck_assert(known.lost);
	known.log = true;
	known.group_id = 0x123;
	ck_assert_int_eq(identity_write_now(disk, &known), 0);
	disk_posix_destroy(disk);
	put("log-0000000000000001", "x");
	ck_assert_int_eq(open_as(G1A), 0);
	ck_assert(known.lost && known.log && known.group_id == 0x123);
	disk_posix_destroy(disk);
	tear_down();
}
END_TEST

/* A directory that has had a log, and has none any more. */
START_TEST(a_directory_without_its_log_is_refused)
{
	char command[256];
	set_up("d");
	ck_assert_int_eq(open_as(G1A), 0);
	known.log = true;
	ck_assert_int_eq(identity_write_now(disk, &known), 0);
	disk_posix_destroy(disk);
	ck_assert_int_eq(open_as(G1A), STATUS_CORRUPT);
	ck_assert_ptr_nonnull(strstr(error, "its log (files log-…) is missing"));
	put("log-0000000000000004", "x");
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	/*
	 * Version 1 does not say whether there has been one; it was made right after the identity.
	 */
	snprintf(command, sizeof command, "rm %s/log-*", path);
	ck_assert_int_eq(system(command), 0);
	put("identity", "synod-identity 1\ncluster = demo\nnode = g1a\nrole = shardkv\ngroup = "
			"1\nreplica = 1\nshards = 16\n");
	ck_assert_int_eq(open_as(G1A), STATUS_CORRUPT);
	tear_down();
}
END_TEST

/*
 * faults: 92. A relative path, from another working directory than the one where the node began to
 * live.
 */
START_TEST(a_relative_path_follows_no_other_working_directory)
{
	char config[160], other[320];
	set_up("d");
	snprintf(config, sizeof config, "%s/run/cluster.conf", root);
	snprintf(other, sizeof other, "%s/run", root);
	ck_assert_int_eq(mkdir(other, 0700), 0);
	FILE *file = fopen(config, "we");
	fclose(file);
	ck_assert_int_eq(chdir(root), 0);
	known = G1A;
	claim = (struct identity_claim){.file = config};
	ck_assert_int_eq(datadir_open(&disk, "run/g1a", &known, &claim, error, sizeof error), 0);
	disk_posix_destroy(disk);
	ck_assert_int_eq(chdir(other), 0);
	ck_assert_int_eq(datadir_open(&disk, "run/g1a", &known, &claim, error, sizeof error),
			 STATUS_IDENTITY);
	snprintf(other, sizeof other,
		 "%s/run/g1a belongs to this node: start it from %s/, or write the whole path",
		 root, root);
	ck_assert_msg(strstr(error, other) != NULL, "%s", error);
	ck_assert_int_eq(access("run", F_OK), -1);
	/* Another node's directory there says nothing. */
	strcpy(known.node, "g1b");
	ck_assert_int_eq(datadir_open(&disk, "run/g1a", &known, &claim, error, sizeof error), 0);
	disk_posix_destroy(disk);
	ck_assert_int_eq(chdir("/"), 0);
	tear_down();
}
END_TEST

/* The only shard master of a cluster that exists does not begin anew. */
START_TEST(the_only_shard_master_does_not_begin_anew)
{
	struct identity m1 = {
		.cluster = "demo", .node = "m1", .role = "shardmaster", .replica = 1, .shards = 16};
	identity_add_member(&m1.members, 1, "m1", "127.0.0.1:7001");
	set_up("d");
	configured_id = 0xabc;
	ck_assert_int_eq(open_as(m1), STATUS_IDENTITY);
	ck_assert_ptr_nonnull(strstr(error, "it is empty, but test.conf says that cluster demo "
					    "with id 0000000000000abc exists"));
	configured_id = 0;
	ck_assert_int_eq(open_as(m1), 0);
	disk_posix_destroy(disk);
	tear_down();
}
END_TEST

/* Each byte of the file changed: refused, or what it says is the same. */
START_TEST(each_changed_byte_is_refused_or_means_the_same)
{
	char text[IDENTITY_BYTES_MAX], changed[IDENTITY_BYTES_MAX];
	set_up("d");
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	contents("identity", text, sizeof text);
	for (size_t i = 0; text[i] != '\0'; i++) {
		strcpy(changed, text);
		changed[i] ^= 1;
		put("identity", changed);
		ck_assert_msg(open_as(G1A) != 0, "byte %zu", i);
		changed[i] = '\0'; /* cut off */
		put("identity", changed);
		ck_assert_msg(open_as(G1A) != 0, "cut before byte %zu", i);
	}
	tear_down();
}
END_TEST
