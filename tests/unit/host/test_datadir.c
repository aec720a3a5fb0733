/* faults: 81 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/check_main.h"
#include "host/datadir.h"
#include "host/disk_posix.h"

static char root[64], path[128], error[2048];
static struct disk *disk;

/* The configuration of node g1a, of three members. */
static struct identity g1a(void)
{
	struct identity id = {
		.cluster = "demo", .node = "g1a", .role = "shardkv", .group = 1, .replica = 1, .shards = 16};
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

static int open_as(struct identity identity)
{
	error[0] = '\0';
	known = identity;
	return datadir_open(&disk, path, &known, "test.conf", configured_id, error, sizeof error);
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

/* A missing directory is made, with its parents, for this user only; the same node may open it again. */
START_TEST(creates)
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
START_TEST(another_node)
{
	set_up("d");
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	struct identity others[6] = {G1A, G1A, G1A, G1A, G1A, G1A};
	strcpy(others[0].cluster, "prod");
	strcpy(others[1].node, "g1b");
	strcpy(others[2].role, "shardmaster");
	others[3].group = 2;
	others[4].replica = 2;
	others[5].shards = 32;
	static const char *const words[6] = {"cluster = prod", "node = g1b",  "role = shardmaster",
					     "group = 2",      "replica = 2", "shards = 32"};
	for (size_t i = 0; i < 6; i++) {
		ck_assert_int_eq(open_as(others[i]), STATUS_IDENTITY);
		ck_assert_ptr_nonnull(strstr(error, words[i]));
		ck_assert_ptr_nonnull(
			strstr(error, "belongs to another node (cluster = demo, node = g1a, role = shardkv"));
		ck_assert_ptr_null(strchr(error, '\n'));
	}
	tear_down();
}
END_TEST

/* A second opener is told that the directory is in use. */
START_TEST(locked)
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

/* A log without an identity, and an identity that is none, are refused: nobody knows whose they are. */
START_TEST(damaged)
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

/* Other files in the directory, and a half-written identity of a start that was interrupted, do no harm. */
START_TEST(other_files)
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
START_TEST(not_a_directory)
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

/* What is no regular file is named: it would not be seen where files are listed, and looked as if it were missing. */
START_TEST(no_regular_files)
{
	static const char *const names[] = {"identity", "log-0000000000000001", "segment-range", "snapshot-0000000000000007",
					    "free-0000000000000001", "agreement-log-0000000000000001"};
	char command[512], wanted[128];
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		set_up("data");
		ck_assert_int_eq(open_as(G1A), 0);
		disk_posix_destroy(disk);
		if (i > 0)
			put(names[i], "something");
		for (size_t k = 0; k < 2; k++) {
			snprintf(command, sizeof command,
				 "cd %s && if [ %zu = 0 ]; then mv %s elsewhere && ln -s elsewhere %s; else rm %s && mkdir %s; fi", path,
				 k, names[i], names[i], names[i], names[i]);
			ck_assert_int_eq(system(command), 0);
			ck_assert_int_eq(open_as(G1A), STATUS_IDENTITY);
			snprintf(wanted, sizeof wanted, ": %s is a %s: ", names[i], k == 0 ? "symbolic link" : "directory");
			ck_assert_msg(strstr(error, wanted) != NULL, "%s", error);
		}
		tear_down();
	}
}
END_TEST

/*
 * faults: 38. All that is left of a directory that has been emptied is the file that says which segments its log had: it begins anew, and
 * the next start finds nothing amiss. A snapshot is something that somebody may still need.
 */
START_TEST(emptied)
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
		ck_assert_msg(strstr(error, "it holds a snapshot but neither a log nor a file identity") != NULL, "%s", error);
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
 * A version that wrote the identity without ids and members: read, and rewritten with the members that are
 * configured.
 */
START_TEST(version_1)
{
	char text[IDENTITY_BYTES_MAX];
	set_up("d");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	put("identity",
	    "synod-identity 1\ncluster = demo\nnode = g1a\nrole = shardkv\ngroup = 1\nreplica = 1\nshards = 16\n");
	put("log-0000000000000001", "x");
	ck_assert_int_eq(open_as(G1A), 0);
	ck_assert_uint_eq(known.group_id, 0);
	disk_posix_destroy(disk);
	contents("identity", text, sizeof text);
	ck_assert_ptr_nonnull(strstr(text, "synod-identity 3\n"));
	ck_assert_ptr_nonnull(strstr(text, "member = 3 g1c 127.0.0.1:7013\n"));
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	tear_down();
}
END_TEST

/* What a newer version writes is not guessed at. */
START_TEST(newer_version)
{
	set_up("d");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	put("identity", "synod-identity 4\nwhatever\n");
	ck_assert_int_eq(open_as(G1A), STATUS_IDENTITY);
	ck_assert_ptr_nonnull(strstr(error, "of version 4: it was written by a newer program"));
	tear_down();
}
END_TEST

/*
 * faults: 91. Another list of members is refused by name: a member less, more, renamed, renumbered. Another
 * address is not.
 */
START_TEST(other_members)
{
	set_up("d");
	ck_assert_int_eq(open_as(G1A), 0);
	disk_posix_destroy(disk);
	struct identity less = G1A, more = G1A, renamed = G1A, swapped = G1A, alone = G1A, moved = G1A;
	less.members.count = 2;
	identity_add_member(&more.members, 4, "g1d", "127.0.0.1:7014");
	strcpy(renamed.members.list[2].name, "g1x");
	strcpy(swapped.members.list[1].name, "g1c");
	strcpy(swapped.members.list[2].name, "g1b");
	alone.members.count = 1;
	const struct identity wrong[5] = {less, more, renamed, swapped, alone};
	static const char *const says[5] = {
		"names (1 g1a, 2 g1b): ", "names (1 g1a, 2 g1b, 3 g1c, 4 g1d): ", "names (1 g1a, 2 g1b, 3 g1x): ",
		"g1c would become replica 2 instead of 3", "names (1 g1a): "};
	for (size_t i = 0; i < 5; i++) {
		ck_assert_int_eq(open_as(wrong[i]), STATUS_IDENTITY);
		ck_assert_ptr_nonnull(
			strstr(error, "the group's members are (1 g1a, 2 g1b, 3 g1c), but test.conf "));
		ck_assert_msg(strstr(error, says[i]) != NULL, "%s", error);
		ck_assert_ptr_null(strchr(error, '\n'));
	}
	/* Our own number: the list says it better than "another node". */
	struct identity first = swapped;
	strcpy(first.members.list[0].name, "g1b");
	strcpy(first.members.list[1].name, "g1a");
	strcpy(first.members.list[2].name, "g1c");
	first.replica = 2;
	ck_assert_int_eq(open_as(first), STATUS_IDENTITY);
	ck_assert_ptr_nonnull(strstr(error, "write 'replica = "));
	strcpy(moved.members.list[1].address, "10.0.0.7:7012");
	ck_assert_int_eq(open_as(moved), 0);
	disk_posix_destroy(disk);
	char text[IDENTITY_BYTES_MAX];
	contents("identity", text, sizeof text);
	ck_assert_ptr_nonnull(strstr(text, "member = 2 g1b 10.0.0.7:7012\n"));
	tear_down();
}
END_TEST

/* faults: 90. The cluster's id of the configuration and of the directory: not known yet, the same, another. */
START_TEST(other_cluster)
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
	ck_assert_ptr_nonnull(strstr(error, "with id 0000000000000abc, but test.conf says id = 0000000000000abd"));
	configured_id = 0;
	tear_down();
}
END_TEST

/* faults: 92. That it has no vote is never forgotten, whatever else is learnt. */
START_TEST(lost)
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
	ck_assert_ptr_nonnull(strstr(text, "\nlost = yes\nmember = 1 g1a"));
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
START_TEST(without_log)
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
	/* Version 1 does not say whether there has been one; it was made right after the identity. */
	snprintf(command, sizeof command, "rm %s/log-*", path);
	ck_assert_int_eq(system(command), 0);
	put("identity",
	    "synod-identity 1\ncluster = demo\nnode = g1a\nrole = shardkv\ngroup = 1\nreplica = 1\nshards = 16\n");
	ck_assert_int_eq(open_as(G1A), STATUS_CORRUPT);
	tear_down();
}
END_TEST

/* faults: 92. A relative path, from another working directory than the one where the node began to live. */
START_TEST(elsewhere)
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
	ck_assert_int_eq(datadir_open(&disk, "run/g1a", &known, config, 0, error, sizeof error), 0);
	disk_posix_destroy(disk);
	ck_assert_int_eq(chdir(other), 0);
	ck_assert_int_eq(datadir_open(&disk, "run/g1a", &known, config, 0, error, sizeof error), STATUS_IDENTITY);
	snprintf(other, sizeof other,
		 "%s/run/g1a belongs to this node: start it from %s/, or write the whole path", root, root);
	ck_assert_msg(strstr(error, other) != NULL, "%s", error);
	ck_assert_int_eq(access("run", F_OK), -1);
	/* Another node's directory there says nothing. */
	strcpy(known.node, "g1b");
	ck_assert_int_eq(datadir_open(&disk, "run/g1a", &known, config, 0, error, sizeof error), 0);
	disk_posix_destroy(disk);
	ck_assert_int_eq(chdir("/"), 0);
	tear_down();
}
END_TEST

/* The only shard master of a cluster that exists does not begin anew. */
START_TEST(only_master)
{
	struct identity m1 = {.cluster = "demo", .node = "m1", .role = "shardmaster", .replica = 1, .shards = 16};
	identity_add_member(&m1.members, 1, "m1", "127.0.0.1:7001");
	set_up("d");
	configured_id = 0xabc;
	ck_assert_int_eq(open_as(m1), STATUS_IDENTITY);
	ck_assert_ptr_nonnull(strstr(
		error, "it is empty, but test.conf says that cluster demo with id 0000000000000abc exists"));
	configured_id = 0;
	ck_assert_int_eq(open_as(m1), 0);
	disk_posix_destroy(disk);
	tear_down();
}
END_TEST

/* Each byte of the file changed: refused, or what it says is the same. */
START_TEST(every_byte)
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

CHECK_MAIN("datadir", version_1, newer_version, other_members, other_cluster, lost, without_log, elsewhere, only_master,
	   every_byte, creates, another_node, locked, damaged, other_files, not_a_directory,
	   no_regular_files, emptied)
