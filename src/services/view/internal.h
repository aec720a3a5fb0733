/*
 * The state behind view/app.h, shared by app.c and snapshot.c.
 */
#ifndef SYNOD_VIEW_INTERNAL_H
#define SYNOD_VIEW_INTERNAL_H

#include "view/app.h"

struct view_app {
	struct app app;
	struct view_app_hooks hooks;
	/*
	 * The last views, oldest first; there is always one, in the beginning that with number 0.
	 */
	struct view history[VIEW_HISTORY_MAX];
	uint32_t count;
	bool restored; /* a restore that is under way has had its chunk */
};

static inline struct view_app *view_app_of(struct app *app)
{
	return (struct view_app *)(void *)app;
}
static inline struct view *view_newest(const struct view_app *views)
{
	ASSERT(views->count > 0);
	return (struct view *)(uintptr_t)&views->history[views->count - 1];
}
void view_app_append(struct view_app *views, const struct view *view);
/* Back to the state before the first view. */
void view_app_clear(struct view_app *views);

/* snapshot.c: the whole state as bytes, and the app_ops of that name. */
void view_app_image(const struct view_app *views, struct buffer *out);
struct app_snapshot *view_snapshot_begin(struct app *app);
int view_snapshot_next(struct app_snapshot *snapshot, size_t bytes, struct buffer *out);
void view_snapshot_end(struct app_snapshot *snapshot);
void view_restore_begin(struct app *app);
int view_restore_chunk(struct app *app, struct slice chunk, struct arena *arena);
int view_restore_end(struct app *app);

#endif
