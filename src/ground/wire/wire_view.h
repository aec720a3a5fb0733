/*
 * Messages of the view service: view.proto as plain structs. The rules of wire/wire.h hold.
 */
#ifndef SYNOD_WIRE_WIRE_VIEW_H
#define SYNOD_WIRE_WIRE_VIEW_H

#include "wire/view.gen.h"
#include "wire/wire.h"

static inline bool wire_view_server_equal(const struct wire_view_server *a,
					  const struct wire_view_server *b)
{
	return a->incarnation == b->incarnation && slice_equal(a->name, b->name);
}
static inline bool wire_view_nobody(const struct wire_view_server *s)
{
	return s->incarnation == 0;
}

#endif
