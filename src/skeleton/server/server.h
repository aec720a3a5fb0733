/*
 * What the nodes of all daemons have: their names, STATUS and CLUSTER, a table of the methods that
 * they answer, a way to refuse.
 *
 * A service begins with a struct server, so that its struct node is at the beginning of all of it,
 * and describes its kind in a constant:
 *
 *	static const struct server_method methods[] = {
 *		{METHOD_VIEW_PING, .handle = ping},
 *		{METHOD_STATUS, .handle = server_answer_status},
 *		{METHOD_CLUSTER, .handle = server_answer_cluster},
 *		{0},
 *	};
 *	static const struct server_kind kind = {"viewserver", "a viewserver", methods, …};
 *
 * The table is all that the service answers itself. What it does not have is refused with
 * UNKNOWN_METHOD: a new RPC is one row. A request goes to the rsm first (server_message()), which
 * takes what it knows (rsm/rsm.h); a service that lets through to it only what its table says calls
 * server_request() instead, and has rows with `as`.
 *
 * Its struct node_ops is the service's own. Where it has nothing to add it names the functions of
 * this header; where it has, it calls them.
 *
 * Ownership: strings of the options are copied. rsm and app belong to the server, from when they
 * are assigned on; NULL: the service has none.
 */
#ifndef SYNOD_SERVER_SERVER_H
#define SYNOD_SERVER_SERVER_H

#include "base/arena.h"
#include "base/limits.h"
#include "base/list.h"
#include "node/node.h"
#include "rsm/rsm.h"
#include "wire/wire.h"

struct server_method {
	uint16_t method; /* 0 ends the table */
	/* One of these: the service answers; … */
	void (*handle)(struct node *node, link_id from, const struct message *request);
	/* … or the rsm does, which knows it under this name (and so will the reply); … */
	uint16_t as;
	/* … or it is DENIED, for this reason. */
	const char *denied;
};

struct server_kind {
	const char *role; /* in STATUS: "viewserver"; NULL: fill_status() sets it */
	const char *text; /* in sentences: "a viewserver" */
	const struct server_method *methods;
	/* Requests that are not in the table. NULL: they are refused with UNKNOWN_METHOD. */
	void (*otherwise)(struct node *node, link_id from, const struct message *request);
	/*
	 * What the service adds to what the rsm has filled in, and the server: name, role, version.
	 * Slices are of what lives until the next input. NULL: nothing.
	 */
	void (*fill_status)(struct node *node, struct wire_status *status);
	/* The same of CLUSTER, where the server has filled in everything. NULL: nothing. */
	void (*fill_cluster)(struct node *node, struct wire_cluster *cluster);
	/*
	 * Further members of the JSON status, each with a comma in front. NULL: none.
	 */
	void (*write_json)(struct node *node, struct buffer *out);
};

struct server_options {
	struct env *env;
	struct log *log;
	const char *cluster; /* told by CLUSTER, with the number of shards and the shard masters */
	const char *name;    /* of this node */
	const char *version; /* of the program */
	uint32_t nshards;
	uint32_t nmasters;
	const char *const *masters; /* HOST:PORT, as clients are told them */
};

/*
 * Of the options of a service, which have members of these names: what they say is said once. A
 * service that tells others than it is told itself sets `masters` afterwards.
 */
#define SERVER_OPTIONS_WITHOUT_MASTERS_OF(options) \
	((struct server_options){.env = (options)->env, \
				 .log = (options)->log, \
				 .cluster = (options)->cluster, \
				 .name = (options)->name, \
				 .version = (options)->version, \
				 .nshards = (options)->nshards})
#define SERVER_OPTIONS_OF(options) \
	((struct server_options){.env = (options)->env, \
				 .log = (options)->log, \
				 .cluster = (options)->cluster, \
				 .name = (options)->name, \
				 .version = (options)->version, \
				 .nshards = (options)->nshards, \
				 .nmasters = (options)->nmasters, \
				 .masters = (options)->masters})

struct server {
	struct node node;
	const struct server_kind *kind;
	const char *cluster, *name, *version;
	uint32_t nshards, nmasters;
	const char *masters[REPLICAS_MAX];
	struct rsm *rsm;
	struct app *app;
	struct list texts;  /* of server_keep() */
	struct arena arena; /* of what is decoded: reset by whoever decodes a message */
	struct buffer out;  /* of what is encoded: its contents last until the next answer */
};

static inline struct server *server_of(struct node *node)
{
	return (struct server *)(void *)((char *)node - offsetof(struct server, node));
}

/* `ops` and `kind` must outlive the server. */
void server_init(struct server *server, const struct server_kind *kind, const struct node_ops *ops,
		 const struct server_options *options);
/* Frees all that a struct server holds, rsm and app among it; the service frees the struct. */
void server_done(struct server *server);
/* A copy that lives as long as the server; NULL of NULL. */
const char *server_keep(struct server *server, const char *text);

/* ---- answers ---- */

void server_refuse(struct server *server, link_id from, const struct message *request, int status,
		   const char *format, ...) __attribute__((format(printf, 5, 6)));
/* … with more than a text. */
void server_refuse_error(struct server *server, link_id from, const struct message *request,
			 int status, const struct wire_error *error);
/* Answers with what stands in server->out. */
void server_reply(struct server *server, link_id from, const struct message *request, int status);

/* ---- rows of a table ---- */

void server_answer_status(struct node *node, link_id from, const struct message *request);
void server_answer_cluster(struct node *node, link_id from, const struct message *request);

/* ---- node_ops ---- */

/* Of a service with an rsm. */
int server_start(struct node *node);
void server_message(struct node *node, link_id from, const struct message *message);
void server_link_down(struct node *node, link_id link);
void server_turn_end(struct node *node);
void server_stop(struct node *node);
bool server_ready(struct node *node);
void server_stop_voting(struct node *node);
/* Of any service. */
void server_write_json(struct node *node, struct buffer *out);

/* A request, by the table alone. */
void server_request(struct node *node, link_id from, const struct message *request);

#endif
