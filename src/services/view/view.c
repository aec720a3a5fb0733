/* One view after the other: the rule. */
#include "view/view.h"

bool view_same_name(const struct view_server *a, const struct view_server *b)
{
	return strcmp(a->name, b->name) == 0;
}

bool view_same_server(const struct view_server *a, const struct view_server *b)
{
	return a->incarnation == b->incarnation && view_same_name(a, b);
}

const struct state_table VIEW_STATES = {
	"view",
	{
		[VIEW_NOBODY] = {"without primary", 0},
		[VIEW_NEW] = {"new", NEXT(VIEW_ACKNOWLEDGED) | NEXT(VIEW_SYNCED)},
		[VIEW_ACKNOWLEDGED] = {"acknowledged", NEXT(VIEW_SYNCED)},
		[VIEW_SYNCED] = {"synced", 0},
	}};

const struct state_table VIEW_SUCCESSORS = {
	"view that follows",
	{
		[VIEW_NOBODY] = {"without primary", NEXT(VIEW_NEW)},
		[VIEW_NEW] = {"new", NEXT(VIEW_NOBODY)},
		[VIEW_ACKNOWLEDGED] = {"acknowledged", NEXT(VIEW_NEW) | NEXT(VIEW_NOBODY)},
		[VIEW_SYNCED] = {"synced", NEXT(VIEW_NEW) | NEXT(VIEW_NOBODY)},
	}};

void view_acknowledge(struct view *view, bool synced)
{
	enum view_state to = synced && !view_nobody(&view->backup) ? VIEW_SYNCED
								   : VIEW_ACKNOWLEDGED;
	/* It may be told more than once, and late. */
	if (view->state != VIEW_NOBODY && view->state < to)
		view->state = state_move(&VIEW_STATES, view->state, to);
	ASSERT(view->state != VIEW_SYNCED || !view_nobody(&view->backup));
	ASSERT(view_acknowledged(view));
}

bool view_may_follow(const struct view *current, const struct view_server *primary,
		     const struct view_server *backup)
{
	bool first = view_nobody(&current->primary);
	if (view_nobody(primary) || (!view_nobody(backup) && view_same_name(primary, backup)))
		return false;
	if (first)
		return true;
	if (!view_acknowledged(current))
		return false;
	if (view_same_server(primary, &current->primary))
		return !view_same_server(backup, &current->backup);
	return view_synced(current) && view_same_server(primary, &current->backup);
}

struct view view_next(const struct view *current, const struct view_server *primary,
		      const struct view_server *backup, uint64_t time_us)
{
	ASSERT(view_may_follow(current, primary, backup));
	return (struct view){
		.number = current->number + 1,
		.primary = *primary,
		.backup = *backup,
		.state = state_move(&VIEW_SUCCESSORS, current->state, VIEW_NEW),
		.fresh = view_nobody(&current->primary),
		.time_us = time_us,
	};
}

struct view view_reset(const struct view *current, uint64_t time_us)
{
	ASSERT(!view_nobody(&current->primary));
	return (struct view){
		.number = current->number + 1,
		.state = state_move(&VIEW_SUCCESSORS, current->state, VIEW_NOBODY),
		.time_us = time_us,
	};
}

static void copy_text(char *out, size_t size, struct slice in)
{
	ASSERT(in.len < size);
	memset(out, 0, size);
	if (in.len > 0)
		memcpy(out, in.data, in.len);
}

void view_server_set(struct view_server *out, const struct wire_view_server *in)
{
	out->incarnation = in->incarnation;
	copy_text(out->name, sizeof out->name, in->name);
	copy_text(out->address, sizeof out->address, in->address);
}

struct wire_view_server view_server_wire(const struct view_server *in)
{
	return (struct wire_view_server){
		.incarnation = in->incarnation,
		.name = slice_string(in->name),
		.address = slice_string(in->address),
	};
}

struct wire_view view_wire(const struct view *in)
{
	return (struct wire_view){
		.number = in->number,
		.primary = view_server_wire(&in->primary),
		.backup = view_server_wire(&in->backup),
		.acknowledged = view_acknowledged(in),
		.synced = view_synced(in),
		.fresh = in->fresh,
	};
}
