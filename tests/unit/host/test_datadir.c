/* faults: 81 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../support/check_main.h"
#include "host/datadir.h"
#include "host/disk_posix.h"

static char root[64], path[128], error[2048];
static struct disk *disk;

static const struct datadir_identity G1A = {
	.cluster = "demo", .node = "g1a", .role = "shardkv", .group = 1, .replica = 1, .shards = 16};

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

static int open_as(struct datadir_identity identity)
{
	error[0] = '\0';
	return datadir_open(&disk, path, &identity, error, sizeof error);
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
	struct datadir_identity others[6] = {G1A, G1A, G1A, G1A, G1A, G1A};
	others[0].cluster = "prod";
	others[1].node = "g1b";
	others[2].role = "shardmaster";
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

CHECK_MAIN("datadir", creates, another_node, locked, damaged, other_files, not_a_directory)
