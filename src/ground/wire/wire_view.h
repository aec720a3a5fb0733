/*
 * Messages of the view service: view.proto as plain structs. The rules of wire/wire.h hold; byte
 * strings point into the input.
 */
#ifndef SYNOD_WIRE_WIRE_VIEW_H
#define SYNOD_WIRE_WIRE_VIEW_H

#include "wire/wire.h"

struct wire_view_server {
	struct slice name, address;
	uint64_t incarnation; /* 0: nobody; then name and address are empty */
};
struct wire_view {
	uint64_t number;
	struct wire_view_server primary, backup;
	bool acknowledged, synced, fresh;
};

struct wire_view_ping {
	struct wire_view_server server; /* decode refuses nobody */
	uint64_t number;
	bool synced, leaving;
};
int wire_view_ping_decode(struct slice in, struct arena *arena,
			  struct wire_view_ping *out) MUST_CHECK;
void wire_view_ping_encode(const struct wire_view_ping *in, struct buffer *out);

struct wire_view_query {
	bool history, servers;
};
int wire_view_query_decode(struct slice in, struct arena *arena,
			   struct wire_view_query *out) MUST_CHECK;
void wire_view_query_encode(const struct wire_view_query *in, struct buffer *out);

struct wire_view_past {
	struct wire_view view;
	uint64_t time_us;
};
struct wire_view_liveness {
	struct wire_view_server server;
	uint64_t number, silent_ms;
	bool alive;
};
struct wire_view_reply {
	struct wire_view view;
	uint32_t nhistory, nservers;
	struct wire_view_past *history; /* arena */
	struct wire_view_liveness *servers;
	uint64_t clients;
};
int wire_view_reply_decode(struct slice in, struct arena *arena,
			   struct wire_view_reply *out) MUST_CHECK;
void wire_view_reply_encode(const struct wire_view_reply *in, struct buffer *out);

enum wire_view_op {
	WIRE_VIEW_NONE,
	WIRE_VIEW_CHANGE,
	WIRE_VIEW_ACKNOWLEDGE,
	WIRE_VIEW_SYNCED,
	WIRE_VIEW_RESET,
};
struct wire_view_command {
	enum wire_view_op op; /* decode refuses others */
	uint64_t number;
	struct wire_view_server primary, backup;
};
int wire_view_command_decode(struct slice in, struct arena *arena,
			     struct wire_view_command *out) MUST_CHECK;
void wire_view_command_encode(const struct wire_view_command *in, struct buffer *out);

static inline bool wire_view_server_equal(const struct wire_view_server *a,
					  const struct wire_view_server *b)
{
	return a->incarnation == b->incarnation && slice_equal(a->name, b->name);
}
static inline bool wire_view_nobody(const struct wire_view_server *s)
{
	return s->incarnation == 0;
}

#endif
