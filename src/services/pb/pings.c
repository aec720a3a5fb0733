/* Pinging the view service, and adopting the views that it answers. */
#include <inttypes.h>

#include "pb/internal.h"
#include "wire/method.h"

static void answered(void *context, int status, struct slice payload);

static uint64_t dead_us(const struct pb_node *n)
{
	return 1000ull * n->options.ping_interval_ms * n->options.dead_pings;
}

bool pings_fresh(struct pb_node *n)
{
	return n->answered_us != 0 && node_now_us(&n->server.node) < n->answered_us + dead_us(n);
}

static struct wire_view_server self(const struct pb_node *n)
{
	return (struct wire_view_server){
		.name = slice_string(n->server.name),
		.address = slice_string(n->options.address),
		.incarnation = n->incarnation,
	};
}

static void send_ping(struct pb_node *n)
{
	struct ping *ping = NULL;
	for (uint32_t i = 0; i < PINGS_MAX && ping == NULL; i++)
		if (n->pings[i].call == NULL)
			ping = &n->pings[i];
	if (ping == NULL)
		return;
	struct wire_view_ping message = {
		.server = self(n),
		/* A primary that it refuses to be is nothing to acknowledge. */
		.number = n->refused ? 0 : n->view,
		.synced = pb_is_primary(n) && n->synced,
		.leaving = n->stopping,
	};
	struct buffer payload = {0};
	wire_view_ping_encode(&message, &payload);
	n->goodbyes += n->stopping;
	ping->n = n;
	ping->sent_us = node_now_us(&n->server.node);
	ping->call = caller_start(n->views, METHOD_VIEW_PING, buffer_slice(&payload),
				  ping->sent_us + dead_us(n), answered, ping);
	buffer_free(&payload);
}

static void timer_fired(void *data)
{
	struct pb_node *n = data;
	send_ping(n);
	node_timer_after(&n->server.node, &n->ping_timer, 1000ull * n->options.ping_interval_ms);
}

void pings_now(struct pb_node *n)
{
	node_timer_after(&n->server.node, &n->ping_timer, 0);
}

void pings_begin_anew(struct pb_node *n)
{
	static const struct view_place nobody;
	stream_abandon(n);
	pb_state_clear(&n->state);
	backup_begin(n);
	pb_become(n, STANDING_IDLE);
	n->view = n->answered_us = 0;
	n->synced = n->refused = false;
	n->primary = n->backup = nobody;
	n->incarnation = node_random(&n->server.node) | 1;
	n->counters.anew++;
	pings_now(n);
}

void pings_start(struct pb_node *n)
{
	timer_init(&n->ping_timer, timer_fired, n);
	pings_now(n);
}

void pings_free(struct pb_node *n)
{
	node_timer_cancel(&n->server.node, &n->ping_timer);
	for (uint32_t i = 0; i < PINGS_MAX; i++)
		if (n->pings[i].call != NULL)
			caller_cancel(n->pings[i].call);
}

/* ---- views ---- */

static void set_place(struct view_place *place, const struct wire_view_server *in)
{
	/* The lengths have been checked by decoding. */
	memset(place, 0, sizeof *place);
	memcpy(place->name, in->name.len > 0 ? (const char *)in->name.data : "", in->name.len);
	memcpy(place->address, in->address.len > 0 ? (const char *)in->address.data : "",
	       in->address.len);
	place->wire = (struct wire_view_server){
		.name = slice_string(place->name),
		.address = slice_string(place->address),
		.incarnation = in->incarnation,
	};
}

/*
 * Whether this server may be primary of the view: it was primary of the one before, or a backup of
 * it that holds the whole state, or the view begins with nothing. The view service promotes nobody
 * else; that is not a reason to believe it.
 */
static bool has_the_state(const struct pb_node *n, const struct wire_view *view)
{
	bool next = view->number == n->view + 1;
	return view->fresh || (next && pb_is_complete(n));
}

static void become_primary(struct pb_node *n, const struct wire_view *view)
{
	if (view->fresh) {
		stream_abandon(n);
		pb_state_clear(&n->state);
		pb_become(n, STANDING_IDLE);
	}
	bool was_primary = pb_is_primary(n);
	pb_become(n, STANDING_PRIMARY);
	buffer_free(&n->intake.sessions);
	n->counters.promotions += !was_primary;
	stream_begin(n);
}

static void adopt(struct pb_node *n, const struct wire_view *view)
{
	struct wire_view_server me = self(n);
	bool primary = wire_view_server_equal(&view->primary, &me);
	bool backup = wire_view_server_equal(&view->backup, &me);
	bool may = has_the_state(n, view);
	n->view = view->number;
	n->refused = primary && !may;
	n->synced = false;
	set_place(&n->primary, &view->primary);
	set_place(&n->backup, &view->backup);
	if (primary && may) {
		become_primary(n, view);
	} else {
		stream_abandon(n);
		/*
		 * What an idle server holds is of no use to anybody; a backup's is replaced by the
		 * first frame.
		 */
		if (!backup)
			pb_state_clear(&n->state);
		pb_become(n, backup ? STANDING_FILLING : STANDING_IDLE);
		backup_begin(n);
	}
	log_event(n->server.node.log, LOG_INFO, "view_adopted",
		  "view=%" PRIu64 " role=%s primary=%s backup=%s", n->view,
		  pb_is_primary(n) ? "primary"
		  : backup         ? "backup"
				   : "idle",
		  n->primary.name[0] != '\0' ? n->primary.name : "-",
		  n->backup.name[0] != '\0' ? n->backup.name : "-");
	if (n->refused)
		log_event(n->server.node.log, LOG_ERROR, "promoted_without_state", "view=%" PRIu64,
			  n->view);
	if (!pb_is_primary(n))
		registrar_release(&n->registrar);
	pings_now(n);
}

static void answered(void *context, int status, struct slice payload)
{
	struct ping *ping = context;
	struct pb_node *n = ping->n;
	struct wire_view_reply reply;
	ping->call = NULL;
	arena_reset(&n->server.arena);
	if (status != 0 || wire_view_reply_decode(payload, &n->server.arena, &reply) != 0)
		return;
	if (ping->sent_us > n->answered_us)
		n->answered_us = ping->sent_us;
	if (reply.view.number > n->view)
		adopt(n, &reply.view);
}
