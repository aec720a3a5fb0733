/* What the leader of the view service does: it watches who pings, and proposes what follows. */
#include <inttypes.h>

#include "view/node_internal.h"

/*
 * What has been proposed and is not yet applied is proposed again after this many ping intervals:
 * it may have been lost.
 */
#define REPROPOSE_INTERVALS 10u

/* True if it has not been proposed lately; then it counts as proposed now. */
static bool propose(struct view_node *n, const struct wire_view_command *command,
		    uint64_t *proposed_us)
{
	uint64_t now_us = node_now_us(&n->server.node);
	if (*proposed_us != 0 && now_us < *proposed_us + REPROPOSE_INTERVALS * n->ping_interval_us)
		return false;
	buffer_clear(&n->server.out);
	wire_view_command_encode(command, &n->server.out);
	if (!rsm_propose(n->server.rsm, buffer_slice(&n->server.out)))
		return false;
	*proposed_us = now_us;
	return true;
}

/* Proposals belong to a view: in another one they have been dealt with. */
static const struct view *present_view(struct view_node *n)
{
	const struct view *view = view_app_current(n->server.app);
	if (view->number != n->seen_view) {
		n->seen_view = view->number;
		n->change_us = n->acknowledge_us = n->synced_us = 0;
	}
	return view;
}

static void decide(struct view_node *n)
{
	struct view_server primary, backup;
	if (!n->leading)
		return;
	const struct view *view = present_view(n);
	if (!view_table_decide(&n->table, view, node_now_us(&n->server.node), &primary, &backup))
		return;
	struct wire_view_command command = {
		.op = WIRE_VIEW_CHANGE,
		.number = view->number,
		.primary = view_server_wire(&primary),
		.backup = view_server_wire(&backup),
	};
	if (propose(n, &command, &n->change_us))
		n->changes++;
}

static void note_acknowledgement(struct view_node *n, const struct wire_view_ping *ping)
{
	const struct view *view = present_view(n);
	struct wire_view_server primary = view_server_wire(&view->primary);
	struct wire_view_command command = {.number = view->number};
	if (ping->number != view->number || !wire_view_server_equal(&ping->server, &primary))
		return;
	if (ping->synced && !view_synced(view) && !view_nobody(&view->backup)) {
		command.op = WIRE_VIEW_SYNCED;
		propose(n, &command, &n->synced_us);
	} else if (!view_acknowledged(view)) {
		command.op = WIRE_VIEW_ACKNOWLEDGE;
		propose(n, &command, &n->acknowledge_us);
	}
}

/* ---- pings ---- */

bool view_leader_ping(struct view_node *n, const struct wire_view_ping *ping)
{
	n->pings++;
	/*
	 * Between the rsm's word that it leads and the tick there is no table yet: the ping counts
	 * the next time.
	 */
	if (!n->leading)
		return true;
	if (!view_table_ping(&n->table, ping, node_now_us(&n->server.node)))
		return false;
	note_acknowledgement(n, ping);
	decide(n);
	return true;
}

/*
 * The rsm tells of entries and of leadership from within its own steps: what follows from that is
 * done in an input of its own, by this timer.
 */
void view_leader_tick(void *data)
{
	struct view_node *n = data;
	bool leads = rsm_is_leader(n->server.rsm);
	const struct view *view = present_view(n);
	if (leads && !n->leading)
		view_table_grace(&n->table, view, node_now_us(&n->server.node));
	n->leading = leads;
	if (view->number != n->logged_view) {
		n->logged_view = view->number;
		log_event(n->server.node.log, LOG_INFO, "view",
			  "view=%" PRIu64 " primary=%s backup=%s", view->number,
			  view_nobody(&view->primary) ? "-" : view->primary.name,
			  view_nobody(&view->backup) ? "-" : view->backup.name);
	}
	decide(n);
	node_timer_after(&n->server.node, &n->tick, n->ping_interval_us);
}

void view_leader_applied(void *context)
{
	struct view_node *n = context;
	const struct view *view = view_app_current(n->server.app);
	if (view->number != n->logged_view)
		node_timer_after(&n->server.node, &n->tick, 0);
}

void view_leader_changed(void *context, bool leader)
{
	struct view_node *n = context;
	/* Should it be won again before the tick, everybody deserves a new period of grace. */
	if (!leader)
		n->leading = false;
	node_timer_after(&n->server.node, &n->tick, 0);
}

/* ---- what the app asks of its leader ---- */

void view_leader_list_servers(void *context, struct wire_view_reply *reply, struct arena *arena)
{
	struct view_node *n = context;
	uint64_t now_us = node_now_us(&n->server.node);
	if (!n->leading)
		return;
	reply->servers = arena_get(arena, (n->table.count + 1) * sizeof *reply->servers);
	for (uint32_t i = 0; i < n->table.count; i++) {
		const struct view_liveness *server = &n->table.servers[i];
		reply->servers[reply->nservers++] = (struct wire_view_liveness){
			.server = view_server_wire(&server->server),
			.number = server->number,
			.silent_ms = (now_us - server->last_us) / 1000,
			.alive = view_table_alive(&n->table, &server->server, now_us),
		};
	}
}

bool view_leader_primary_lives(void *context)
{
	struct view_node *n = context;
	const struct view *view = view_app_current(n->server.app);
	/* Who does not know says yes: a reset is for good. */
	return !n->leading ||
	       view_table_alive(&n->table, &view->primary, node_now_us(&n->server.node));
}
