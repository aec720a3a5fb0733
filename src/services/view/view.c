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

bool view_may_follow(const struct view *current, const struct view_server *primary,
		     const struct view_server *backup)
{
	bool first = view_nobody(&current->primary);
	if (view_nobody(primary) || (!view_nobody(backup) && view_same_name(primary, backup)))
		return false;
	if (first)
		return true;
	if (!current->acknowledged)
		return false;
	if (view_same_server(primary, &current->primary))
		return !view_same_server(backup, &current->backup);
	return current->synced && view_same_server(primary, &current->backup);
}

struct view view_next(const struct view *current, const struct view_server *primary,
		      const struct view_server *backup, uint64_t time_us)
{
	ASSERT(view_may_follow(current, primary, backup));
	return (struct view){
		.number = current->number + 1,
		.primary = *primary,
		.backup = *backup,
		.fresh = view_nobody(&current->primary),
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
		.acknowledged = in->acknowledged,
		.synced = in->synced,
		.fresh = in->fresh,
	};
}
