/*
 * The kinds of requests, a row each: how a request of the kind gets to where it is answered, and
 * what becomes of the answer. A new kind is a row in kinds.c, besides what makes the request
 * (client/request.h).
 *
 *   start ──► step ──┬─► the caller, or whoever sends it ──► decode, tell ──► end ──► release
 *               ▲    └─ puts it aside: configuration, session, pause
 *               └────────── a refusal of the way, or recall ◄──┘
 */
#ifndef SYNOD_CLIENT_KINDS_H
#define SYNOD_CLIENT_KINDS_H

#include "client/internal.h"

enum client_form {
	FORM_PLAIN,   /* the body as it is */
	FORM_COMMAND, /* as the body of a COMMAND without a session: repeating it is harmless */
	/* … with one: it goes through a log, and is applied once however often it is sent */
	FORM_SESSION,
};

struct client_kind_row {
	const char *name;
	uint16_t method; /* 0: the request says */
	enum client_form form;
	enum client_service_id
		service; /* CLIENT_NO_SERVICE: shard masters, groups, or by address */
	/* It changes something: an outcome that is not known is told as such. */
	bool changes;
	/* The client has got it. NULL: begins with its first step. */
	void (*start)(struct client_request *request);
	/* Sends it, or puts it aside. It is not under way. NULL: its start is all. */
	void (*step)(struct client_request *request);
	/*
	 * There is a newer configuration: true if the request was on a way that no longer leads to
	 * its keys, and has been taken back. Ends nothing. NULL: configurations do not matter.
	 */
	bool (*recall)(struct client_request *request);
	/* It has an outcome, and nothing is under way any more. May be NULL. */
	void (*end)(struct client_request *request);
	/* The outcome has been told: what held its bytes may go. May be NULL. */
	void (*release)(struct client_request *request);
	/* From the answer to the reply: 0 or a status, as client/reply.h says. NULL: as it is. */
	int (*decode)(struct synod_reply *out, struct slice payload, struct arena *arena);
	/* Beside the answer: what the client itself knows of it. May be NULL. */
	void (*tell)(const struct client_request *request, struct synod_reply *reply);
};

extern const struct client_kind_row client_kinds[CLIENT_KINDS];

static inline const struct client_kind_row *client_kind(const struct client_request *request)
{
	return &client_kinds[request->kind];
}
/* True for what goes through a log, and is applied exactly once with the help of a session. */
static inline bool client_request_writes(const struct client_request *request)
{
	return client_kind(request)->form == FORM_SESSION;
}
static inline uint16_t client_request_method(const struct client_request *request)
{
	return request->method != 0 ? request->method : client_kind(request)->method;
}

#endif
