/*
 * cluster.conf: which nodes there are, and how they are set. One INI file for daemons and tools.
 *
 *   [cluster]
 *   name = demo                 ; letters, digits, . _ -
 *   id = 0c5d1e2f3a4b5968       ; optional: of this cluster and no other of its name
 *   shards = 256                ; optional
 *   election_timeout_ms = 200   ; optional: any setting (base/settings.h), for all nodes
 *
 *   [node g1a]
 *   role = shardkv              ; shardmaster | shardkv | viewserver | pbserver | paxos
 *   group = 1                   ; shardkv only
 *   replica = 1                 ; optional, until the group has begun; otherwise the position among
 *                               the nodes of the same ; role and group, from 1
 *   listen = 127.0.0.1:7011     ; HOST:PORT, [IPv6]:PORT
 *   http = 127.0.0.1:8011       ; optional
 *   trace = run/g1a.trace       ; optional: a causal trace of everything (docs/tracing.md)
 *   dir = run/g1a               ; data directory
 *   log_level = debug           ; optional: any setting, for this node
 *
 * Comments begin with ';' or '#'. Whatever is not in this list, stands twice, is missing,
 * malformed, or in conflict (two nodes with one address or directory, two replicas that are given
 * one number) is an error that names file, line, key, value and what would be right. Numbers count
 * when a group begins; then they are what the group says (node/identity.h), and sections come and
 * go: a position that is another one's number gives way to the lowest free one.
 *
 * This module reads a text that the caller gives; it touches no file.
 */
#ifndef SYNOD_BASE_CLUSTERCONF_H
#define SYNOD_BASE_CLUSTERCONF_H

#include "base/settings.h"

#define CLUSTERCONF_NODES_MAX (GROUPS_MAX * MEMBERS_MAX + 64u)

enum node_role {
	ROLE_NONE,
	ROLE_SHARDMASTER,
	ROLE_SHARDKV,
	ROLE_VIEWSERVER,
	ROLE_PBSERVER,
	ROLE_PAXOS
};

/* "shardkv" */
const char *node_role_text(enum node_role role);

struct clusterconf_node {
	char *name;
	enum node_role role;
	uint64_t group;        /* 0 unless shardkv */
	uint32_t replica;      /* from 1 */
	uint32_t replica_line; /* 0: the number is the position */
	char *listen;
	char *http;  /* NULL: none */
	char *trace; /* file for a causal trace; NULL: none */
	char *dir;
	/* the file's: defaults, then [cluster], then [node] */
	struct settings settings;
	uint32_t setting_lines[SETTINGS_COUNT]; /* where each setting was set; 0: default */
	uint32_t line, listen_line, http_line, dir_line, trace_line;
};

struct clusterconf {
	char *file; /* as given, for messages */
	char *name;
	uint32_t name_line;
	uint64_t id; /* 0: the file does not say */
	uint32_t id_line;
	uint32_t shards;
	uint32_t shards_line;     /* 0: default */
	struct settings settings; /* defaults, then [cluster]: what tools use */
	uint32_t setting_lines[SETTINGS_COUNT];
	uint32_t nnodes;
	struct clusterconf_node *nodes; /* in the order of the file */
};

/*
 * Parses `text`; `file` names it in messages. 0, or STATUS_CONFIG with one line in `error`; *out
 * must be freed in the first case only.
 */
int clusterconf_parse(struct clusterconf *out, const char *file, struct slice text, char *error,
		      size_t error_size) MUST_CHECK;
void clusterconf_free(struct clusterconf *conf);

const struct clusterconf_node *clusterconf_find(const struct clusterconf *conf, const char *name);
/*
 * The next node of that role (and group) after `previous`, NULL for the first; NULL at the end. In
 * the order of the file.
 */
const struct clusterconf_node *clusterconf_next(const struct clusterconf *conf, enum node_role role,
						uint64_t group,
						const struct clusterconf_node *previous);

/* 1 … NAME_BYTES_MAX letters, digits and . _ -, beginning with a letter or digit. */
bool name_valid(const char *name);
/* HOST:PORT or [IPv6]:PORT, port 1 … 65535, at most ADDRESS_BYTES_MAX bytes. */
bool address_valid(const char *address);
/* It stands for all addresses of its machine: to listen at, and for nobody to reach. */
bool address_is_any(const char *address);

#endif
