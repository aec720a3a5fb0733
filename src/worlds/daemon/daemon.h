/*
 * What the mains of all daemons have in common: arguments, configuration, data directory, signals,
 * HTTP, the loop, exit codes.
 *
 *   static struct node *create(const struct daemon *daemon) { … }
 *   int main(int argc, char **argv)
 *   {
 *           return daemon_main(&(struct daemon_kind){"shardkvd", "…", ROLE_SHARDKV, create}, argc,
 *           argv);
 *   }
 *
 * A value comes from (later wins): its default, cluster.conf, SYNOD_NAME in the environment, --name
 * on the command line. So can be set every setting of base/settings.h, and this node's listen,
 * http, dir and trace. --config and --node may be SYNOD_CONFIG and SYNOD_NODE.
 *
 * SIGTERM and SIGINT ask the node to stop; a second one ends the process at once. SIGHUP, SIGUSR1,
 * SIGUSR2, SIGPIPE and SIGXFSZ are ignored: a file that may not grow any more (ulimit -f) is a full
 * disk. Log lines go to stderr.
 *
 * Exit codes: 0 stopped when asked to · 1 could not start (data directory, address, recovery) · 64
 * usage · 70 fatal while running · 78 configuration. Before every code but 0 there is one line on
 * stderr that says what to do.
 */
#ifndef SYNOD_DAEMON_DAEMON_H
#define SYNOD_DAEMON_DAEMON_H

#include "base/clusterconf.h"
#include "base/log.h"
#include "node/identity.h"
#include "node/node.h"

#define EXIT_OK 0
#define EXIT_START 1
#define EXIT_USAGE 64
#define EXIT_CONFIG 78

struct http;

/* What a node is made of. Valid as long as the node. */
struct daemon {
	const struct clusterconf *conf;
	const struct clusterconf_node *self; /* with listen, http and dir as overridden */
	struct settings settings;            /* effective */
	/* of the directory: number and members, by the group or at its beginning */
	const struct identity *identity;
	/* its log is to begin that generation of the group (rsm/force.h); 0: none */
	uint32_t force;
	const char *version; /* of the program */
	struct env *env;
	struct log *log;
};

struct daemon_kind {
	const char *program;
	const char *summary; /* one line for --help */
	enum node_role role;
	struct node *(*create)(const struct daemon *daemon);
	/* Adds pages of its own to the HTTP endpoint, if there is one (gate/http.h). NULL: none. */
	void (*serve_http)(const struct daemon *daemon, struct node *node, struct http *http);
};

int daemon_main(const struct daemon_kind *kind, int argc, char **argv);

#endif
