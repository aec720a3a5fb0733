/*
 * Turns logfmt text into JSON members, and strings into JSON strings.
 *
 *   ballot=7.2 slot=12 key="a b" stale   →   ,"ballot":"7.2","slot":12,"key":"a b","stale":true
 *
 * A bare integer, true or false becomes that JSON value; everything else, and
 * whatever was quoted, becomes a string, so that a member's type does not
 * depend on what its text looks like. The result is valid JSON for any input:
 * a byte that is not UTF-8 is written as the four characters \xNN.
 */
#ifndef SYNOD_BASE_LOG_JSON_H
#define SYNOD_BASE_LOG_JSON_H

#include <stdbool.h>

#include "base/bytes.h"

/* Every member is preceded by a comma. */
void log_json_members(struct buffer *out, struct slice logfmt);
/* `s` as a JSON string, with its quotes. */
void log_json_string(struct buffer *out, struct slice s);
/* True for what a bare logfmt value would turn into something else than a string. */
bool log_json_literal(struct slice s);

#endif
