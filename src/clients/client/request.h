/*
 * A request on its way through the client: made and checked on any thread (request.c), then given
 * to the client node, which owns it until it calls `done` and frees it.
 *
 * Making one encodes the message, and so copies every argument, once: the node's thread only routes
 * bytes. The body has a block of its own, with room before it for the head of the COMMAND that it
 * becomes when it has a session, so that it need not be moved; from there it goes into the frame.
 * Without memory the maker returns STATUS_NO_MEMORY and nothing has happened.
 */
#ifndef SYNOD_CLIENT_REQUEST_H
#define SYNOD_CLIENT_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/list.h"
#include "base/status.h"
#include "call/caller.h"
#include "client/session.h"
#include "node/node.h"
#include "synod.h"

enum client_kind {
	CLIENT_WRITE,        /* KvCommand of one operation, to the group of its key */
	CLIENT_TXN,          /* KvCommand, to the group of its keys */
	CLIENT_READ,         /* KvQuery of one key, to its group */
	CLIENT_SCAN,         /* to every group */
	CLIENT_MASTER_WRITE, /* MasterCommand */
	CLIENT_MASTER_READ,  /* MasterQuery */
	CLIENT_STATUS,       /* of one server */
	/* TraceRequest, to one server; without an address: this client's own part */
	CLIENT_TRACE,
	CLIENT_TRANSFER, /* to the leader among some servers */
	CLIENT_MEMBERS,  /* MEMBERS, of one server */
	CLIENT_FORCE,    /* Force, to one server */
	/* ChangeMembers, to the leader among some servers, or to whom they name */
	CLIENT_CHANGE,
	CLIENT_PB_WRITE,   /* KvCommand, to the primary */
	CLIENT_PB_READ,    /* KvQuery of one key, to the primary */
	CLIENT_VIEW_READ,  /* ViewQuery, to the view service */
	CLIENT_VIEW_WRITE, /* ViewCommand, without a session: repeating it is harmless */
	CLIENT_LOG_WRITE,  /* LogCommand, to the leader of the log */
	CLIENT_LOG_READ,   /* LogQuery, to the leader */
	CLIENT_LOG_TAIL,   /* LogQuery, to any replica */
	/* to one paxosd, that of `addresses` or any: AgreementRequest, or LogQuery for LOG_SLOT */
	CLIENT_PEER,
	CLIENT_PEER_CHANGE, /* those of them that change something */
	CLIENT_KINDS,
};

/* Enough for all fields of a COMMAND before its body, and for what encoding them asks for. */
#define CLIENT_HEAD_BYTES 80u

struct client_request;

/*
 * The end of a request. The reply is valid during the call; its status is a SYNOD_… . For
 * MASTER_READ, STATUS, TRACE, MEMBERS, FORCE, PEER and VIEW_… that succeeded `payload` is the
 * server's answer, otherwise empty; then value holds the addresses of the shard masters
 * (MASTER_READ), or version the round trip in microseconds and modification the hybrid time of the
 * answer (STATUS).
 */
typedef void (*client_done)(struct client_request *request, const struct synod_reply *reply,
			    struct slice payload);

/* What holds a request up. */
enum client_wait { WAIT_NOTHING, WAIT_CONFIG, WAIT_SESSION, WAIT_PAUSE };

struct client;
struct client_group;
struct client_scan;
struct caller_call;

/* How old an answer may be that was put together from several. */
struct client_age {
	uint32_t count;
	bool unknown;
	/* everything that was acknowledged before then, of the node's clock, is in it */
	uint64_t since_us;
	uint64_t slot;     /* of the last … */
	uint64_t heard_us; /* … which came then */
};

struct client_request {
	/* The order: fixed when made. */
	enum client_kind kind;
	uint32_t timeout_ms;
	client_done done;
	void *owner, *context; /* for done */
	synod_callback callback;
	uint32_t nslots; /* hash slots of the keys */
	uint16_t *slots;
	uint8_t *block;         /* CLIENT_HEAD_BYTES and the body; NULL: no body */
	struct slice body;      /* encoded message */
	struct synod_scan scan; /* its bytes are behind the request, like slots */
	uint32_t naddresses;
	const char **addresses; /* STATUS, MEMBERS, PEER: one; TRANSFER, CHANGE: the members */
	uint16_t method;        /* 0: that of its kind (client/kinds.h) */
	bool reads;             /* READ, SCAN, LOG_READ: as `read` says, instead of as usual */
	struct caller_read read;
	uint64_t trace; /* id that its messages bear; 0: none */

	/* The way: the client node's own. */
	struct list link;
	struct client *client;
	enum client_wait wait;
	struct list waiting; /* in the client's list for `wait` */
	struct timer timer;  /* unless a caller keeps the deadline */
	uint64_t started_us, deadline_us;
	uint64_t config_wanted; /* the smallest number of a configuration that may help */
	uint32_t rounds;        /* of pauses */
	struct client_session *session;
	uint64_t sequence;     /* 0: none yet */
	uint32_t expired;      /* how often its session was refused */
	char *expired_why;     /* … and what the server said last; may be NULL */
	struct client_age age; /* reads: of the answers so far */
	/* an attempt in an earlier call may have been or may yet be executed */
	bool may_be_executed;
	struct client_group *group;
	struct caller_call *call;
	struct client_scan *scanning;
	uint64_t probe_id; /* STATUS, TRACE */
	link_id probe_link;
	uint32_t probe_tries;
	uint64_t probe_sent_us, probe_hlc;
};

/* 0, STATUS_NO_MEMORY, STATUS_BAD_REQUEST, STATUS_TOO_LARGE. */
int client_request_op(struct client_request **out, const struct synod_op *op) MUST_CHECK;
int client_request_txn(struct client_request **out, const struct synod_txn *txn) MUST_CHECK;
int client_request_pb(struct client_request **out, const struct synod_op *op) MUST_CHECK;
int client_request_view(struct client_request **out, bool history, bool servers) MUST_CHECK;
int client_request_view_reset(struct client_request **out, uint64_t number) MUST_CHECK;
int client_request_scan(struct client_request **out, const struct synod_scan *scan) MUST_CHECK;
/*
 * Of a read, a scan or a read of the log, not a tail: who may answer, and how old. options NULL: as
 * usual. 0, STATUS_BAD_REQUEST.
 */
int client_request_reading(struct client_request *request,
			   const struct synod_read_options *options) MUST_CHECK;
int client_request_join(struct client_request **out, const struct synod_group *groups,
			size_t ngroups) MUST_CHECK;
int client_request_leave(struct client_request **out, const uint64_t *gids,
			 size_t ngids) MUST_CHECK;
int client_request_move(struct client_request **out, uint32_t shard, uint64_t gid) MUST_CHECK;
int client_request_rebalance(struct client_request **out) MUST_CHECK;
int client_request_config(struct client_request **out, uint64_t number) MUST_CHECK;
int client_request_status(struct client_request **out, const char *address) MUST_CHECK;
/* address NULL: this client. */
int client_request_trace(struct client_request **out, const char *address, uint64_t id) MUST_CHECK;
int client_request_transfer(struct client_request **out, const char *const *members,
			    size_t nmembers, uint32_t replica) MUST_CHECK;
int client_request_members(struct client_request **out, const char *address) MUST_CHECK;
/* generation 0: only asks what would be done. */
int client_request_force(struct client_request **out, const char *address,
			 uint32_t generation) MUST_CHECK;
int client_request_change(struct client_request **out, const char *const *members, size_t nmembers,
			  const struct synod_member_change *change) MUST_CHECK;
int client_request_log_append(struct client_request **out, const struct synod_bytes *values,
			      size_t count, uint64_t at) MUST_CHECK;
int client_request_log_trim(struct client_request **out, uint64_t slot) MUST_CHECK;
int client_request_log_read(struct client_request **out, bool tail, uint64_t from,
			    uint32_t limit) MUST_CHECK;
/* address NULL: any paxosd. */
int client_request_log_slot(struct client_request **out, const char *address,
			    uint64_t slot) MUST_CHECK;
int client_request_agreement(struct client_request **out, const char *address, uint16_t method,
			     uint64_t seq, struct synod_bytes value) MUST_CHECK;
void client_request_free(struct client_request *request);

#endif
