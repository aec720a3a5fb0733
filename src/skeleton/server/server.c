/* A server's life, and the way of its messages. */
#include "server/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "wire/method.h"

/* More than a wire_error has room for: wire_error_format() cuts where a character ends. */
#define REFUSAL_BYTES_MAX 2048u

/* ---- life ---- */

struct kept {
	struct list link;
	char text[];
};

const char *server_keep(struct server *server, const char *text)
{
	if (text == NULL)
		return NULL;
	size_t bytes = strlen(text) + 1;
	struct kept *kept = alloc_bytes(sizeof *kept + bytes);
	memcpy(kept->text, text, bytes);
	list_push_back(&server->texts, &kept->link);
	return kept->text;
}

void server_init(struct server *server, const struct server_kind *kind, const struct node_ops *ops,
		 const struct server_options *options)
{
	ASSERT(options->nmasters <= REPLICAS_MAX);
	*server = (struct server){
		.kind = kind, .nshards = options->nshards, .nmasters = options->nmasters};
	node_init(&server->node, ops, options->env, options->log);
	list_init(&server->texts);
	arena_init(&server->arena, ARENA_BYTES_MAX);
	server->cluster = server_keep(server, options->cluster);
	server->name = server_keep(server, options->name);
	server->version = server_keep(server, options->version);
	for (uint32_t i = 0; i < options->nmasters; i++)
		server->masters[i] = server_keep(server, options->masters[i]);
}

void server_done(struct server *server)
{
	if (server->rsm != NULL)
		rsm_destroy(server->rsm);
	if (server->app != NULL)
		server->app->ops->destroy(server->app);
	LIST_FOR_SAFE (link, after, &server->texts)
		free(LIST_ITEM(link, struct kept, link));
	arena_free(&server->arena);
	buffer_free(&server->out);
	node_done(&server->node);
}

/* ---- refusals ---- */

void server_reply(struct server *server, link_id from, const struct message *request, int status)
{
	node_reply(&server->node, from, request, status, buffer_slice(&server->out));
}

void server_refuse_error(struct server *server, link_id from, const struct message *request,
			 int status, const struct wire_error *error)
{
	ASSERT(status < 0);
	buffer_clear(&server->out);
	wire_error_encode(error, &server->out);
	server_reply(server, from, request, status);
}

void server_refuse(struct server *server, link_id from, const struct message *request, int status,
		   const char *format, ...)
{
	char text[REFUSAL_BYTES_MAX];
	va_list arguments;
	ASSERT(status < 0);
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	buffer_clear(&server->out);
	wire_error_format(&server->out, "%s", text);
	server_reply(server, from, request, status);
}

/* ---- requests ---- */

static const struct server_method *find_method(const struct server_kind *kind, uint16_t method)
{
	for (const struct server_method *m = kind->methods; m->method != 0; m++)
		if (m->method == method)
			return m;
	return NULL;
}

static void refuse_unknown(struct server *server, link_id from, const struct message *request)
{
	server_refuse(server, from, request, STATUS_UNKNOWN_METHOD, "%s has no method %u (%s)",
		      server->kind->text, request->method, method_text(request->method));
}

/* A request for the rsm, under the name that it knows. */
static void pass(struct server *server, link_id from, const struct message *request, uint16_t as)
{
	struct message renamed = *request;
	renamed.method = as;
	if (!rsm_message(server->rsm, from, &renamed))
		refuse_unknown(server, from, request);
}

void server_request(struct node *node, link_id from, const struct message *request)
{
	struct server *server = server_of(node);
	const struct server_method *m = find_method(server->kind, request->method);
	ASSERT(request->kind == MESSAGE_REQUEST);
	if (m != NULL && m->handle != NULL)
		m->handle(node, from, request);
	else if (m != NULL && m->as != 0)
		pass(server, from, request, m->as);
	else if (m != NULL)
		server_refuse(server, from, request, STATUS_DENIED, "%s", m->denied);
	else if (server->kind->otherwise != NULL)
		server->kind->otherwise(node, from, request);
	else
		refuse_unknown(server, from, request);
}

/* ---- node_ops ---- */

int server_start(struct node *node)
{
	return rsm_start(server_of(node)->rsm);
}

void server_message(struct node *node, link_id from, const struct message *message)
{
	if (!rsm_message(server_of(node)->rsm, from, message) && message->kind == MESSAGE_REQUEST)
		server_request(node, from, message);
}

void server_link_down(struct node *node, link_id link)
{
	rsm_link_down(server_of(node)->rsm, link);
}

void server_turn_end(struct node *node)
{
	rsm_turn_end(server_of(node)->rsm);
}

void server_stop(struct node *node)
{
	rsm_stop(server_of(node)->rsm);
}

bool server_ready(struct node *node)
{
	return rsm_ready(server_of(node)->rsm);
}

void server_stop_voting(struct node *node)
{
	rsm_stop_voting(server_of(node)->rsm);
}
