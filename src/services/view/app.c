/* Views as entries of the log. */
#include "view/app.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "view/internal.h"

static int refuse(struct reply *reply, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(struct reply *reply, int status, const char *format, ...)
{
	char text[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	buffer_clear(reply->body);
	wire_error_format(reply->body, "%s", text);
	reply->status = status;
	return status;
}

static int decode(struct slice command, struct arena *arena, struct wire_view_command *out,
		  struct reply *reply)
{
	int status = wire_view_command_decode(command, arena, out);
	return status == 0 ? 0
			   : refuse(reply, status, "not a command of the view service: %s",
				    status_text(status));
}

static int admit(struct app *app, struct slice command, struct arena *arena, struct reply *reply)
{
	struct view_app *views = view_app_of(app);
	struct wire_view_command decoded;
	if (decode(command, arena, &decoded, reply) != 0)
		return reply->status;
	if (decoded.op != WIRE_VIEW_RESET)
		return refuse(reply, STATUS_DENIED,
			      "only the view service itself may change the view");
	if (views->hooks.primary_lives != NULL && views->hooks.primary_lives(views->hooks.context))
		return refuse(reply, STATUS_DENIED,
			      "the primary of view %" PRIu64 " is alive: nothing is lost",
			      view_newest(views)->number);
	return 0;
}

void view_app_append(struct view_app *views, const struct view *view)
{
	if (views->count == VIEW_HISTORY_MAX) {
		memmove(views->history, views->history + 1,
			(VIEW_HISTORY_MAX - 1) * sizeof views->history[0]);
		views->count--;
	}
	views->history[views->count++] = *view;
}

static int change(struct view_app *views, const struct wire_view_command *command, uint64_t time_us,
		  struct reply *reply)
{
	struct view_server primary, backup;
	view_server_set(&primary, &command->primary);
	view_server_set(&backup, &command->backup);
	if (!view_may_follow(view_newest(views), &primary, &backup))
		return refuse(reply, STATUS_BAD_REQUEST,
			      "view %" PRIu64 " may not be followed by %s and %s", command->number,
			      primary.name, backup.name);
	struct view next = view_next(view_newest(views), &primary, &backup, time_us);
	view_app_append(views, &next);
	return 0;
}

static int reset(struct view_app *views, uint64_t time_us, struct reply *reply)
{
	struct view *current = view_newest(views);
	if (view_nobody(&current->primary))
		return refuse(reply, STATUS_BAD_REQUEST,
			      "there is no primary: the first server that comes will be it");
	struct view next = view_reset(current, time_us);
	view_app_append(views, &next);
	return 0;
}

static void put_reply(const struct view_app *views, struct buffer *out)
{
	struct wire_view_reply reply = {.view = view_wire(view_newest(views))};
	wire_view_reply_encode(&reply, out);
}

static void apply(struct app *app, const struct apply_context *context, struct slice command,
		  struct reply *reply)
{
	struct view_app *views = view_app_of(app);
	struct wire_view_command decoded;
	struct view *current = view_newest(views);
	reply->status = 0;
	if (decode(command, context->arena, &decoded, reply) != 0)
		return;
	int status = 0;
	if (decoded.op != WIRE_VIEW_RESET && context->client != 0)
		status = refuse(reply, STATUS_DENIED,
				"only the view service itself may change the view");
	else if (decoded.number == current->number) {
		switch (decoded.op) {
		case WIRE_VIEW_CHANGE:
			status = change(views, &decoded, context->time_us, reply);
			break;
		case WIRE_VIEW_RESET: status = reset(views, context->time_us, reply); break;
		case WIRE_VIEW_SYNCED: view_acknowledge(current, true); break;
		case WIRE_VIEW_ACKNOWLEDGE: view_acknowledge(current, false); break;
		case WIRE_VIEW_NONE: break;
		}
	}
	if (status == 0)
		put_reply(views, reply->body);
}

static void query(struct app *app, struct slice request, struct arena *arena, struct reply *reply)
{
	struct view_app *views = view_app_of(app);
	struct wire_view_query decoded;
	int status = wire_view_query_decode(request, arena, &decoded);
	reply->status = 0;
	if (status != 0) {
		refuse(reply, status, "not a query of the view service: %s", status_text(status));
		return;
	}
	struct wire_view_reply answer = {.view = view_wire(view_newest(views))};
	if (decoded.history && view_newest(views)->number > 0) {
		answer.history = arena_get(arena, views->count * sizeof *answer.history);
		for (uint32_t i = views->count; i-- > 0;) {
			const struct view *view = &views->history[i];
			if (view->number > 0)
				answer.history[answer.nhistory++] = (struct wire_view_past){
					.view = view_wire(view), .time_us = view->time_us};
		}
	}
	if (decoded.servers && views->hooks.servers != NULL)
		views->hooks.servers(views->hooks.context, &answer, arena);
	if (views->hooks.clients != NULL)
		answer.clients = views->hooks.clients(views->hooks.context);
	wire_view_reply_encode(&answer, reply->body);
}

static uint64_t hash(struct app *app)
{
	struct buffer image = {0};
	view_app_image(view_app_of(app), &image);
	uint64_t h = crc32c(0, image.data, image.len) | (uint64_t)image.len << 32;
	buffer_free(&image);
	return h;
}

static void destroy(struct app *app)
{
	free(view_app_of(app));
}

static const struct app_ops ops = {
	.admit = admit,
	.apply = apply,
	.query = query,
	.snapshot_begin = view_snapshot_begin,
	.snapshot_next = view_snapshot_next,
	.snapshot_end = view_snapshot_end,
	.restore_begin = view_restore_begin,
	.restore_chunk = view_restore_chunk,
	.restore_end = view_restore_end,
	.hash = hash,
	.destroy = destroy,
};

struct app *view_app_create(const struct view_app_hooks *hooks)
{
	struct view_app *views = ALLOC(struct view_app);
	views->app.ops = &ops;
	if (hooks != NULL)
		views->hooks = *hooks;
	view_app_clear(views);
	return &views->app;
}

const struct view *view_app_current(const struct app *app)
{
	return view_newest(view_app_of((struct app *)(uintptr_t)app));
}
