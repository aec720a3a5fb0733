/*
 * A server in a process of its own: a real host, and a node that answers by itself. As a shard
 * master it knows one configuration, in which group 1 has all shards; as a group it holds the value
 * "value" under every key.
 */
#ifndef SYNOD_TESTS_FAKE_SERVER_H
#define SYNOD_TESTS_FAKE_SERVER_H

#include <stdint.h>
#include <sys/types.h>

struct fake_server {
	pid_t pid;
	char address[32];
};

/* group_address NULL: a group; otherwise the shard master of that group. */
void fake_server_start(struct fake_server *server, const char *group_address);
void fake_server_stop(struct fake_server *server);

/* A shard master and its group. */
struct fake_cluster {
	struct fake_server group, master;
	char config_file[32]; /* names the shard master; removed by the end */
};
void fake_cluster_start(struct fake_cluster *cluster);
void fake_cluster_stop(struct fake_cluster *cluster);

#endif
