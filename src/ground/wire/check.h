/*
 * What a .proto cannot say of a message, and proto/generate.c has no word for: the code that it
 * generates asks here. All return 0, STATUS_BAD_REQUEST or STATUS_TOO_LARGE.
 */
#ifndef SYNOD_WIRE_CHECK_H
#define SYNOD_WIRE_CHECK_H

#include "wire/wire.h"
#include "wire/wire_view.h"

/* Any text: no zero byte, at which C would cut it. */
int text_check(struct slice text) MUST_CHECK;
/* At most bytes_max printable ASCII characters; spaces are allowed in names. */
int text_check_name(struct slice text, size_t bytes_max) MUST_CHECK;
/*
 * Empty, or could be a HOST:PORT: at most ADDRESS_BYTES_MAX printable ASCII characters, no spaces.
 */
int text_check_address(struct slice text) MUST_CHECK;

/* The members ascend by their numbers, and each has a name. */
int wire_check_hello(const struct wire_hello *hello) MUST_CHECK;
/* The members ascend by their numbers; each has a name, an address and a role. */
int wire_check_members(const struct wire_members *members) MUST_CHECK;
/* Likewise, and the receiver is one of them. */
int wire_check_welcome(const struct wire_welcome *welcome) MUST_CHECK;
/* Somebody has a name and an address, nobody has neither. */
int wire_check_view_server(const struct wire_view_server *server) MUST_CHECK;
/* It comes from somebody. */
int wire_check_view_ping(const struct wire_view_ping *ping) MUST_CHECK;

#endif
