/*
 * The effective configuration of one daemon: file, environment and flags put together, with the
 * origin of every value.
 */
#ifndef SYNOD_DAEMON_DAEMON_CONFIG_H
#define SYNOD_DAEMON_DAEMON_CONFIG_H

#include <stdio.h>

#include "base/clusterconf.h"
#include "host/host.h"

/* What cluster.conf calls listen, http, dir and trace: the part of a node that is text. */
enum daemon_text { DAEMON_LISTEN, DAEMON_HTTP, DAEMON_DIR, DAEMON_TRACE, DAEMON_TEXTS };

struct daemon_route {
	char *node;
	char *address;
};

/* The command line. A value that was not given is NULL. */
struct daemon_arguments {
	const char *config, *node;
	const char *texts[DAEMON_TEXTS];
	const char *settings[SETTINGS_COUNT];
	struct daemon_route *routes;
	uint32_t nroutes;
	bool print_config, help, version;
};
/* 0, or -1 after a line on stderr. */
int daemon_arguments_parse(struct daemon_arguments *arguments, int argc, char **argv) MUST_CHECK;
void daemon_arguments_free(struct daemon_arguments *arguments);
void daemon_usage(const char *program, const char *summary, FILE *out);

struct daemon_config {
	struct clusterconf conf;
	struct clusterconf_node *self; /* in conf; texts overridden */
	struct settings settings;
	/* "default", "cluster.conf:12", "SYNOD_LOG_LEVEL", "--log_level" */
	char *setting_origins[SETTINGS_COUNT];
	char *text_origins[DAEMON_TEXTS];
	struct host_peer *peers; /* the nodes of the file, with their routes */
	uint32_t npeers;
};
/* Loads and checks. 0 or STATUS_CONFIG with one line in `error`; free in any case. */
int daemon_config_load(struct daemon_config *config, const struct daemon_arguments *arguments,
		       enum node_role role, char *error, size_t error_size) MUST_CHECK;
void daemon_config_free(struct daemon_config *config);
/* Writes everything with its origin, as INI. */
void daemon_config_print(const struct daemon_config *config, FILE *out);

#endif
