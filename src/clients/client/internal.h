/*
 * The inside of the client node, shared by the files of this directory; nobody else includes it.
 *
 *   core.c       the node's inputs and the table of callers
 *   directory.c  where the shard masters are, the newest configuration
 *   register.c   the session: client id and sequence numbers
 *   kinds.c      the table of request kinds: what follows is a matter of a request's row
 *   route.c      one request from its start to its end
 *   scan.c       scans: pages of all groups merged in key order
 *   probe.c      STATUS of one server
 *   service.c    requests to the view service, to the primary, and to the paxosds
 *   read.c       who may answer a read, and how old the answer may be
 *   reply.c      from the wire to struct synod_reply
 */
#ifndef SYNOD_CLIENT_INTERNAL_H
#define SYNOD_CLIENT_INTERNAL_H

#include "base/map.h"
#include "call/caller.h"
#include "client/core.h"
#include "client/reply.h"
#include "shardmaster/watch.h"

/*
 * Servers that are asked together: a group, the shard masters, the endpoints, the target of a
 * transfer.
 */
struct client_group {
	struct list link; /* in client->groups */
	uint64_t gid;     /* 0: not a group of the configuration */
	struct caller *caller;
	/* destroyed at the end of the turn, when no callback of its caller can be running */
	bool gone;
};

/* Where client ids come from, and the session of the present one. */
struct client_registrar {
	struct client *client;
	struct client_group *group;     /* answers `method` */
	uint16_t method;                /* REGISTER, or a service's name for it */
	struct client_session *session; /* NULL: none yet */
	struct caller_call *call;
	struct list waiters; /* requests that need a sequence number */
};

/* Servers other than the shard masters and their groups. */
enum client_service_id {
	CLIENT_NO_SERVICE,
	CLIENT_VIEWS,
	CLIENT_PB,
	CLIENT_LOG,
	/* the same servers, asked in an order of its own: readers spread over the replicas */
	CLIENT_LOG_READERS,
	CLIENT_SERVICES
};
struct client_service {
	const char *what; /* "viewserver", for messages */
	struct client_group *group;
	bool known;    /* there are addresses, or somebody to ask for them */
	bool searched; /* the addresses are what the view service has told */
	struct client_registrar registrar;
	struct caller_call *find; /* asking for the addresses */
	char *asked;              /* addresses, for messages */
};

struct client {
	struct node node;
	uint32_t timeout_ms, attempt_timeout_ms, backoff_max_ms;
	struct list requests; /* all, in the order of their start */
	uint64_t nrequests;
	struct list groups;
	struct map groups_by_gid;
	struct map groups_by_link; /* who took the last message from a link: a hint */
	bool some_gone;

	/* directory.c and register.c */
	struct client_group *masters;
	/* the endpoints; NULL: the masters are known from the start */
	struct client_group *entrance;
	struct caller_call *entrance_call;
	char *asked; /* addresses of masters or endpoints, for messages */
	struct master_watch *watch;
	bool fetching;
	uint32_t fetch_rounds;
	struct timer fetch_timer;
	struct list config_waiters;
	struct client_registrar registrar; /* of the cluster: the shard masters */
	struct client_service services[CLIENT_SERVICES];

	struct timer tick; /* armed while there are requests */
	/* since it was due last: requests that nobody has answered, and that did not last so long */
	bool unanswered, unanswered_by_service;
	struct map probes; /* request id → request */
	uint64_t next_probe_id;
	struct arena arena; /* of one message */
	bool submitting;    /* within client_submit() */
	bool stopping;
};

/* ---- core.c ---- */
struct client_group *client_group_create(struct client *client, uint64_t gid,
					 const char *const *addresses, uint32_t count);
/* Its calls must have ended or been cancelled. */
void client_group_retire(struct client *client, struct client_group *group);

/* ---- directory.c ---- */
void client_directory_init(struct client *client, const struct client_options *options);
void client_directory_done(struct client *client);
/* NULL before the first. */
struct shard_config *client_config(const struct client *client);
/* The group of a hash slot in the newest configuration; NULL if the shard is unassigned. */
struct client_group *client_group_of_slot(struct client *client, uint32_t slot);
/* Fetches the newest configuration, soon. */
void client_directory_refresh(struct client *client);
bool client_masters_known(const struct client *client);
/* Asks the endpoints where the shard masters are, unless that is known or being asked. */
void client_find_masters(struct client *client);
/* Puts the request aside until there is a configuration with at least the number that it wants. */
void client_wait_config(struct client_request *request);
/* Until when the client tries what it asks on its own account. */
uint64_t client_background_deadline_us(struct client *client);
/* The request that waits first in a list of requests; NULL if it is empty. */
struct client_request *client_first_waiting(struct list *waiters);
/* Refusals that no further try will change: a wrong cluster name, say. */
bool client_hopeless(int status);
/* Ends all requests of the list with the status; payload: an encoded Error. */
void client_fail_waiters(struct client *client, struct list *waiters, int status,
			 struct slice payload);

/* ---- register.c ---- */

void client_registrar_init(struct client_registrar *registrar, struct client *client,
			   struct client_group *group);
void client_registrar_done(struct client_registrar *registrar);
/* Gives the request a sequence number; false: it has been put aside until that can be done. */
bool client_take_sequence(struct client_request *request);
/* The session of a request is unknown to a group: the next sequence number comes from a new one. */
void client_session_lost(struct client_request *request);

/* A request has ended: its sequence number is settled. */
void client_session_settled(struct client_request *request);

/* ---- route.c ---- */
void client_route_start(struct client_request *request);
/* Sends a request to the group in the form of its kind, once it has a session if it needs one. */
void client_route_send(struct client_request *request, struct client_group *group);
/* Goes on with a request that is not under way. */
void client_route_step(struct client_request *request);
/* For kinds (client/kinds.h): steps, to … */
void client_route_to_keys(struct client_request *request);
void client_route_to_masters(struct client_request *request);
void client_route_to_named(struct client_request *request);
/* … and what else they do. */
void client_route_forget_named(struct client_request *request);
bool client_route_recall(struct client_request *request);
void client_route_tell_masters(const struct client_request *request, struct synod_reply *reply);
/* Goes on after a pause that grows with each round. */
void client_route_pause(struct client_request *request);
/* Takes the request out of whatever list it waits in. */
void client_stop_waiting(struct client_request *request);
/*
 * The end of a request: calls done and frees it. status: 0 or a STATUS_…; payload: the server's
 * reply or an encoded Error.
 */
/* Nobody has answered it, if the status says so: the tick looks for others who may. */
void client_note_unanswered(const struct client_request *request, int status);
void client_finish(struct client_request *request, int status, struct slice payload);
void client_finish_text(struct client_request *request, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void client_finish_reply(struct client_request *request, const struct synod_reply *reply,
			 struct slice payload);

/* ---- read.c ---- */
/* One more answer, which has just come. */
void client_age_add(struct client_age *sum, const struct caller_age *age, uint64_t now_us);
uint64_t client_age_us(const struct client_age *sum, uint64_t now_us);
/* Fills in what the reply says of it. */
void client_age_tell(const struct client_request *request, uint64_t now_us,
		     struct synod_reply *reply);

/* ---- scan.c ---- */
void client_scan_step(struct client_request *request);
/* Takes everything back; the next step goes on behind the last key that was collected. */
bool client_scan_recall(struct client_request *request);
void client_scan_free(struct client_request *request);

/* ---- probe.c ---- */
void client_probe_start(struct client_request *request);
void client_probe_cancel(struct client_request *request);
bool client_probe_message(struct client *client, link_id from, const struct message *message);
/* Fills in what the answer's way tells. */
void client_probe_measure(const struct client_request *request, struct synod_reply *reply);
void client_probe_link_down(struct client *client, link_id link);

/* ---- service.c ---- */
void client_services_init(struct client *client, const struct client_options *options);
void client_services_done(struct client *client);
/* The service that a request is for; NULL: the cluster. */
struct client_service *client_service_of(const struct client_request *request);
void client_service_step(struct client_request *request);
/* To the paxosd that it names; if it names none, to any. */
void client_service_to_peer(struct client_request *request);
/* Somebody waits for long: perhaps there are servers that we do not know. */
void client_services_refresh(struct client *client);

#endif
