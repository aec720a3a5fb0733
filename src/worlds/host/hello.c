/* The first frame of each side: who is there. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "host/internal.h"
#include "wire/frame.h"
#include "wire/wire.h"

#define TEXT_BYTES_MAX 2400u /* of a refusal: it fits a frame of HELLO_BYTES_MAX */

static struct slice name_of(const char *text)
{
	return slice_string(text);
}

/* What of `hello` does not suit us: 0, or the status, with the text for the other side. */
static int judge(struct host *host, const struct wire_hello *hello, char *text)
{
	/* a client that takes any cluster */
	bool asks = hello->cluster.len == 0 && hello->node.len == 0;
	uint32_t oldest = hello->node.len == 0 ? CLIENT_VERSION_MIN : PROTOCOL_VERSION;
	if (hello->version < oldest || hello->version > PROTOCOL_VERSION) {
		snprintf(text, TEXT_BYTES_MAX,
			 "node %s speaks protocol version %u, not %u: use programs of the same "
			 "release",
			 host->name, PROTOCOL_VERSION, hello->version);
		return STATUS_WRONG_VERSION;
	}
	if (!asks && !slice_equal(hello->cluster, name_of(host->cluster))) {
		snprintf(text, TEXT_BYTES_MAX,
			 "node %s belongs to cluster '%s', not to '%.*s': compare 'name' in "
			 "cluster.conf on both "
			 "sides",
			 host->name, host->cluster, (int)hello->cluster.len,
			 (const char *)hello->cluster.data);
		return STATUS_WRONG_CLUSTER;
	}
	if (hello->target.len > 0 && !slice_equal(hello->target, name_of(host->name))) {
		snprintf(text, TEXT_BYTES_MAX,
			 "this is node %s, not '%.*s': compare 'listen' in cluster.conf, and "
			 "routes, on both sides",
			 host->name, (int)hello->target.len, (const char *)hello->target.data);
		return STATUS_WRONG_NODE;
	}
	return host_identity_judge(host, hello, text, TEXT_BYTES_MAX);
}

static void refusal(const struct host *host, int status, const char *text,
		    const struct wire_hello *hello, struct buffer *out)
{
	uint32_t generation = host_identity_own(host)->members.generation;
	wire_error_format(out, "%s", text);
	/* A field more. */
	if (status == STATUS_REMOVED && hello->generation < generation)
		wire_error_encode(&(struct wire_error){.generation = generation}, out);
}

static bool answer(struct link *link, const struct message *message, const struct wire_hello *hello)
{
	struct host *host = link->host;
	char text[TEXT_BYTES_MAX];
	struct buffer payload = {0};
	int status = judge(host, hello, text);
	if (status == 0 && !seat_take(link)) {
		snprintf(text, TEXT_BYTES_MAX,
			 "node %s has no room for another connection: %u are open, and all are "
			 "busy (connections_max)",
			 host->name, host->settings.connections_max);
		status = STATUS_BUSY;
	}
	if (status != 0)
		refusal(host, status, text, hello, &payload);
	else
		hello_encode(link, "", &payload);
	struct message reply = {
		.kind = MESSAGE_REPLY,
		.method = METHOD_HELLO,
		.status = status,
		.id = message->id,
		.payload = buffer_slice(&payload),
	};
	enum link_state next = LINK_REFUSED;
	if (status == 0) {
		link->nonce = hello->nonce;
		host_identity_heard(link, hello);
		peer_says(host, link->peer, hello);
		next = host_identity_accepted(link) ? LINK_OPEN : LINK_UNCONFIRMED;
	}
	link_become(link, next);
	link_append(link, &reply);
	buffer_free(&payload);
	if (status != 0) {
		host->hello_refused_total++;
		link_complain(link, "hello_refused", text);
	} else if (hello->node.len > 0) {
		dial_peer_is_up(host, hello->node);
		if (link->state == LINK_UNCONFIRMED)
			host_identity_unconfirmed(link);
		host_members_met(link);
	}
	return link->state != LINK_CUT;
}

/*
 * Requests that wait for this connection will not be served by this node however often they are
 * sent: they are answered, rather than left to their deadlines, so that a user sees what is wrong.
 * (Another node than expected may be a matter of the moment.)
 */
static void answer_waiting(struct link *link, int status, struct slice error)
{
	struct slice rest = buffer_slice(&link->waiting);
	struct message request;
	size_t consumed, needed;
	while (rest.len > 0 &&
	       frame_parse(rest, FRAME_BYTES_MAX, &request, &consumed, &needed) == 0) {
		(void)slice_take(&rest, consumed, &(struct slice){0});
		if (request.kind != MESSAGE_REQUEST)
			continue;
		struct message reply = {
			.kind = MESSAGE_REPLY,
			.method = request.method,
			.status = status,
			.id = request.id,
			.payload = error,
		};
		node_deliver(link->host->node, link->id, &reply);
	}
}

static bool refused(struct link *link, const struct message *message)
{
	struct wire_error error = {0};
	char why[TEXT_BYTES_MAX + 64];
	if (wire_error_decode(message->payload, &link->host->arena, &error) != 0)
		error.message = slice_string(status_text(message->status));
	snprintf(why, sizeof why, "hello refused: %.*s", (int)error.message.len,
		 (const char *)error.message.data);
	if (message->status == STATUS_LOST_DIRECTORY && (link->may & SENDER_REPLICA) != 0) {
		char text[TEXT_BYTES_MAX];
		snprintf(text, sizeof text, "%.*s", (int)error.message.len,
			 (const char *)error.message.data);
		host_identity_lost(link->host, text);
	}
	if (message->status == STATUS_REMOVED && (link->may & SENDER_REPLICA) != 0) {
		char text[TEXT_BYTES_MAX];
		snprintf(text, sizeof text, "%.*s", (int)error.message.len,
			 (const char *)error.message.data);
		if (error.generation > host_identity_own(link->host)->members.generation)
			host_members_superseded(link->host, error.generation, text);
		else
			host_members_removed(link->host, text);
	}
	if (message->status == STATUS_WRONG_CLUSTER || message->status == STATUS_WRONG_VERSION) {
		/* What the node sends in its answers must not join what is being answered. */
		link_cut(link, why);
		answer_waiting(link, message->status, message->payload);
	} else {
		link_cut(link, why);
	}
	return false;
}

/*
 * The node there is not the one that is meant: requests are answered if that will not change by
 * itself.
 */
static bool not_met(struct link *link, int status, const char *text)
{
	struct buffer error = {0};
	link_cut(link, text);
	if (status == STATUS_WRONG_CLUSTER) {
		wire_error_format(&error, "%s", text);
		answer_waiting(link, status, buffer_slice(&error));
		buffer_free(&error);
	}
	return false;
}

static bool accept_answer(struct link *link, const struct wire_hello *hello)
{
	struct host *host = link->host;
	char why[TEXT_BYTES_MAX];
	if (host->cluster[0] != '\0' && !slice_equal(hello->cluster, name_of(host->cluster))) {
		snprintf(why, sizeof why, "the node there belongs to cluster '%.*s'",
			 (int)hello->cluster.len, (const char *)hello->cluster.data);
		return not_met(link, STATUS_WRONG_NODE, why);
	}
	if (link->name[0] != '\0' && !slice_equal(hello->node, name_of(link->name))) {
		snprintf(why, sizeof why, "the node there is '%.*s'", (int)hello->node.len,
			 (const char *)hello->node.data);
		return not_met(link, STATUS_WRONG_NODE, why);
	}
	if (!peer_is_at_hint(host, link, hello))
		return not_met(link, STATUS_WRONG_NODE,
			       "another directory than that of the member has answered");
	if (link_unsent(link) > 0) {
		link_reject(link, "an answer before the question");
		return false;
	}
	int status = host_identity_met(link, hello, why, sizeof why);
	if (status != 0)
		return not_met(link, status, why);
	link->is_there = slice_equal(hello->address, slice_string(link->route));
	dial_opened(link);
	host_identity_opened(link);
	host_members_met(link);
	return link->state != LINK_CUT;
}

bool hello_receive(struct link *link, const struct message *message)
{
	struct host *host = link->host;
	enum message_kind expected = link->dialled ? MESSAGE_REPLY : MESSAGE_REQUEST;
	struct wire_hello hello;
	size_t bytes = FRAME_HEADER_BYTES + message->payload.len;
	if (message->kind != expected || message->method != METHOD_HELLO || message->id != 0) {
		link_reject(link, "the first frame is no hello");
		return false;
	}
	arena_reset(&host->arena);
	if (message->status != 0) {
		traffic_count(link, TRAFFIC_RECEIVED, METHOD_HELLO, bytes);
		return refused(link, message);
	}
	if (wire_hello_decode(message->payload, &host->arena, &hello) != 0) {
		link_reject(link, "a malformed hello");
		return false;
	}
	if (!link->dialled)
		link->peer = peer_find(host, hello.node);
	if (!link->dialled && link->peer == host->others && hello.node.len > 0)
		link->name = alloc_format("%.*s", (int)hello.node.len,
					  (const char *)hello.node.data);
	link->peer_life = hello.life;
	link->disk_life = hello.disk_life;
	traffic_count(link, TRAFFIC_RECEIVED, METHOD_HELLO, bytes);
	return link->dialled ? accept_answer(link, &hello) : answer(link, message, &hello);
}
