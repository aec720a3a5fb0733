/* Image of the view service's state, in one chunk; the format stands in view/app.h. */
#include <stdlib.h>

#include "base/alloc.h"
#include "view/internal.h"

#define SNAPSHOT_MAGIC 0x31535756u /* "VWS1" */

enum { FLAG_ACKNOWLEDGED = 1, FLAG_SYNCED = 2, FLAG_FRESH = 4 };

struct app_snapshot {
	struct buffer image;
};

void view_app_clear(struct view_app *views)
{
	views->count = 0;
	view_app_append(views, &(struct view){.state = VIEW_NOBODY});
}

static void put_text(struct buffer *out, const char *text)
{
	size_t len = strlen(text);
	buffer_add_u8(out, (uint8_t)len);
	buffer_add(out, text, len);
}

static void put_server(struct buffer *out, const struct view_server *server)
{
	buffer_add_u64(out, server->incarnation);
	put_text(out, server->name);
	put_text(out, server->address);
}

void view_app_image(const struct view_app *views, struct buffer *out)
{
	buffer_add_u32(out, SNAPSHOT_MAGIC);
	buffer_add_u32(out, views->count);
	for (uint32_t i = 0; i < views->count; i++) {
		const struct view *view = &views->history[i];
		buffer_add_u64(out, view->number);
		buffer_add_u8(out, (uint8_t)((view_acknowledged(view) ? FLAG_ACKNOWLEDGED : 0) |
					     (view_synced(view) ? FLAG_SYNCED : 0) |
					     (view->fresh ? FLAG_FRESH : 0)));
		buffer_add_u64(out, view->time_us);
		put_server(out, &view->primary);
		put_server(out, &view->backup);
	}
}

struct app_snapshot *view_snapshot_begin(struct app *app)
{
	struct app_snapshot *snapshot = ALLOC(struct app_snapshot);
	view_app_image(view_app_of(app), &snapshot->image);
	return snapshot;
}

int view_snapshot_next(struct app_snapshot *snapshot, size_t bytes, struct buffer *out)
{
	(void)bytes; /* some ten kilobytes */
	buffer_add_slice(out, buffer_slice(&snapshot->image));
	return 0;
}

void view_snapshot_end(struct app_snapshot *snapshot)
{
	buffer_free(&snapshot->image);
	free(snapshot);
}

void view_restore_begin(struct app *app)
{
	struct view_app *views = view_app_of(app);
	view_app_clear(views);
	views->restored = false;
}

static bool take_text(struct slice *in, char *out, size_t size)
{
	uint8_t len;
	struct slice text;
	if (!slice_take_u8(in, &len) || len >= size || !slice_take(in, len, &text))
		return false;
	memset(out, 0, size);
	if (len > 0)
		memcpy(out, text.data, len);
	return true;
}

static bool take_server(struct slice *in, struct view_server *out)
{
	return slice_take_u64(in, &out->incarnation) &&
	       take_text(in, out->name, sizeof out->name) &&
	       take_text(in, out->address, sizeof out->address);
}

/* False: no view can be so. */
static bool read_state(uint8_t flags, struct view *out)
{
	bool nobody = view_nobody(&out->primary);
	switch (flags & (FLAG_ACKNOWLEDGED | FLAG_SYNCED)) {
	case 0: out->state = VIEW_NEW; return !nobody;
	case FLAG_ACKNOWLEDGED:
		out->state = nobody ? VIEW_NOBODY : VIEW_ACKNOWLEDGED;
		return !nobody || view_nobody(&out->backup);
	case FLAG_ACKNOWLEDGED | FLAG_SYNCED:
		out->state = VIEW_SYNCED;
		return !nobody && !view_nobody(&out->backup);
	default: return false;
	}
}

static bool take_view(struct slice *in, struct view *out)
{
	uint8_t flags;
	if (!slice_take_u64(in, &out->number) || out->number > NUMBER_MAX ||
	    !slice_take_u8(in, &flags) || !slice_take_u64(in, &out->time_us) ||
	    !take_server(in, &out->primary) || !take_server(in, &out->backup))
		return false;
	out->fresh = (flags & FLAG_FRESH) != 0;
	return read_state(flags, out);
}

int view_restore_chunk(struct app *app, struct slice chunk, struct arena *arena)
{
	struct view_app *views = view_app_of(app);
	uint32_t magic, count;
	(void)arena;
	if (views->restored || !slice_take_u32(&chunk, &magic) || magic != SNAPSHOT_MAGIC ||
	    !slice_take_u32(&chunk, &count) || count == 0 || count > VIEW_HISTORY_MAX)
		return STATUS_CORRUPT;
	views->count = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct view view;
		if (!take_view(&chunk, &view) ||
		    (i > 0 && view.number != view_newest(views)->number + 1)) {
			view_app_clear(views);
			return STATUS_CORRUPT;
		}
		view_app_append(views, &view);
	}
	views->restored = chunk.len == 0;
	if (!views->restored)
		view_app_clear(views);
	return views->restored ? 0 : STATUS_CORRUPT;
}

int view_restore_end(struct app *app)
{
	return view_app_of(app)->restored ? 0 : STATUS_CORRUPT;
}
