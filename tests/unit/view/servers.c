#include "servers.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "call/caller.h"
#include "wire/method.h"

/* ---- a server that only pings ---- */

struct pinger {
	struct node node;
	struct test_server *server;
	struct caller *caller;
	struct timer timer;
	struct arena arena;
	uint32_t calls;
};

static struct pinger *pinger_of(struct node *node)
{
	return (struct pinger *)(void *)node;
}

static void copy_name(char out[16], struct slice name)
{
	ck_assert_uint_lt(name.len, 16);
	memset(out, 0, 16);
	if (name.len > 0)
		memcpy(out, name.data, name.len);
}

static void answered(void *context, int status, struct slice payload)
{
	struct pinger *p = context;
	struct test_server *server = p->server;
	struct wire_view_reply reply;
	p->calls--;
	arena_reset(&p->arena);
	if (status != 0)
		return;
	ck_assert_int_eq(wire_view_reply_decode(payload, &p->arena, &reply), 0);
	server->answers++;
	if (reply.view.number < server->view)
		return; /* an answer that was overtaken */
	server->view = reply.view.number;
	copy_name(server->primary, reply.view.primary.name);
	copy_name(server->backup, reply.view.backup.name);
	if (!server->withhold)
		server->number = server->view;
}

static void send_ping(void *data)
{
	struct pinger *p = data;
	struct test_server *server = p->server;
	struct buffer payload = {0};
	struct wire_view_ping ping = {
		.server = {.name = slice_string(server->name),
			   .address = slice_string(server->address),
			   .incarnation = server->incarnation},
		.number = server->number,
		.synced = !server->unsynced && strcmp(server->primary, server->name) == 0,
	};
	wire_view_ping_encode(&ping, &payload);
	node_timer_after(&p->node, &p->timer, TICK_US);
	if (p->calls < 8) {
		p->calls++;
		caller_start(p->caller, METHOD_VIEW_PING, buffer_slice(&payload),
			     node_now_us(&p->node) + 5 * TICK_US, answered, p);
	}
	buffer_free(&payload);
}

static int start(struct node *node)
{
	struct pinger *p = pinger_of(node);
	p->server->incarnation = node_random(node) | 1;
	p->server->number = p->server->view = p->server->answers = 0;
	node_timer_after(node, &p->timer, 0);
	return 0;
}

static void message(struct node *node, link_id from, const struct message *message)
{
	caller_message(pinger_of(node)->caller, from, message);
}

static void link_down(struct node *node, link_id link)
{
	caller_link_down(pinger_of(node)->caller, link);
}

static void nothing(struct node *node)
{
	(void)node;
}

static void stop(struct node *node)
{
	node->env->ops->stopped(node->env);
}

static void destroy(struct node *node)
{
	struct pinger *p = pinger_of(node);
	node_timer_cancel(node, &p->timer);
	caller_destroy(p->caller);
	arena_free(&p->arena);
	node_done(node);
	free(p);
}

static bool ready(struct node *node)
{
	(void)node;
	return true;
}

static void no_json(struct node *node, struct buffer *out)
{
	(void)node;
	(void)out;
}

static const struct node_ops pinger_ops = {
	.start = start,
	.message = message,
	.link_down = link_down,
	.turn_end = nothing,
	.stop = stop,
	.destroy = destroy,
	.ready = ready,
	.status_json = no_json,
};

static struct node *build_pinger(void *context, struct sim_process *process)
{
	struct pinger *p = ALLOC(struct pinger);
	struct test_server *server = context;
	const char *addresses[REPLICAS_MAX];
	node_init(&p->node, &pinger_ops, &process->env, &process->log);
	p->server = server;
	p->caller = caller_create(
		&(struct caller_options){.node = &p->node, .attempt_timeout_ms = 2 * PING_MS});
	for (uint32_t i = 0; i < server->service->nviews; i++)
		addresses[i] = server->service->addresses[i];
	caller_set_addresses(p->caller, addresses, server->service->nviews);
	timer_init(&p->timer, send_ping, p);
	arena_init(&p->arena, ARENA_BYTES_MAX);
	return &p->node;
}

/* ---- the service ---- */

static struct node *build_view(void *context, struct sim_process *process)
{
	struct service *s = context;
	struct view_node_options options = {
		.env = &process->env,
		.log = &process->log,
		.cluster = "test",
		.name = process->name,
		.version = "test",
		.nshards = 16,
		.nmembers = s->nviews,
		.ping_interval_ms = PING_MS,
		.dead_pings = DEAD_PINGS,
	};
	rsm_settings_default(&options.settings);
	/* what is empty takes longer to read than all else */
	options.settings.wal_segment_bytes = 64 * KIB;
	memcpy(options.members, s->members, sizeof s->members);
	for (uint32_t i = 0; i < s->nviews; i++)
		if (strcmp(s->names[i], process->name) == 0)
			options.replica = i + 1;
	return view_node_create(&options);
}

static bool has_leader(void *context)
{
	return service_leader(context) != NULL;
}

struct service *service_create(uint32_t nviews)
{
	struct service *s = ALLOC(struct service);
	struct sim_options options;
	sim_options_calm(&options);
	s->world = sim_world_create(1, &options);
	s->nviews = nviews;
	for (uint32_t i = 0; i < nviews; i++) {
		snprintf(s->names[i], sizeof s->names[i], "v%u", i + 1);
		snprintf(s->addresses[i], sizeof s->addresses[i], "v%u:7000", i + 1);
		s->members[i] = (struct rsm_member){.replica = i + 1,
						    .name = s->names[i],
						    .address = s->addresses[i],
						    .client_address = s->addresses[i]};
		s->views[i] = sim_process_add(s->world,
					      &(struct sim_process_spec){.name = s->names[i],
									 .address = s->addresses[i],
									 .build = build_view,
									 .context = s,
									 .disk = true});
	}
	for (uint32_t i = 0; i < SERVERS_LIMIT; i++) {
		struct test_server *server = &s->servers[i];
		server->service = s;
		snprintf(server->name, sizeof server->name, "s%u", i + 1);
		snprintf(server->address, sizeof server->address, "s%u:7000", i + 1);
		server->process = sim_process_add(
			s->world, &(struct sim_process_spec){.name = server->name,
							     .address = server->address,
							     .build = build_pinger,
							     .context = server});
	}
	for (uint32_t i = 0; i < nviews; i++)
		sim_process_start(s->views[i]);
	ck_assert(sim_world_run_until_true(s->world, has_leader, s, 10 * SIM_SECOND));
	return s;
}

void service_destroy(struct service *s)
{
	sim_world_destroy(s->world);
	free(s);
}

struct test_server *server_of(struct service *s, uint32_t number)
{
	ck_assert(number >= 1 && number <= SERVERS_LIMIT);
	return &s->servers[number - 1];
}

void servers_start(struct service *s, uint32_t number)
{
	sim_process_restart(server_of(s, number)->process);
}

void servers_stop(struct service *s, uint32_t number)
{
	sim_process_crash(server_of(s, number)->process);
}

struct sim_process *service_leader(struct service *s)
{
	for (uint32_t i = 0; i < s->nviews; i++)
		if (s->views[i]->state == SIM_RUNNING &&
		    rsm_is_leader(view_node_rsm(s->views[i]->node)))
			return s->views[i];
	return NULL;
}

static const struct view *newest(struct service *s)
{
	const struct view *view = NULL;
	for (uint32_t i = 0; i < s->nviews; i++) {
		if (!sim_process_alive(s->views[i]))
			continue;
		const struct view *current = view_node_current(s->views[i]->node);
		if (view == NULL || current->number > view->number ||
		    (current->number == view->number && view_acknowledged(current)))
			view = current;
	}
	return view;
}

static const char *name_of(const struct view_server *server)
{
	return view_nobody(server) ? "-" : server->name;
}

const char *service_view(struct service *s)
{
	static char text[2 * NAME_BYTES_MAX + 32];
	const struct view *view = newest(s);
	if (view == NULL)
		return "?";
	snprintf(text, sizeof text, "%u %s %s", (unsigned)view->number, name_of(&view->primary),
		 name_of(&view->backup));
	return text;
}

uint64_t service_number(struct service *s)
{
	return newest(s)->number;
}

bool service_reaches(struct service *s, const char *view, uint32_t ticks)
{
	for (uint32_t i = 0; i < 10 * ticks; i++) {
		if (strcmp(service_view(s), view) == 0 && view_acknowledged(newest(s)))
			return true;
		sim_world_run_for(s->world, TICK_US / 10);
	}
	return false;
}

void service_run(struct service *s, uint32_t ticks)
{
	sim_world_run_for(s->world, ticks * TICK_US);
}
