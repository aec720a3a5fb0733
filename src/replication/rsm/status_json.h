/*
 * A node's status as one JSON object: GET /api/v1/status of every service, and the element of
 * `kvctl status -o json`.
 */
#ifndef SYNOD_RSM_STATUS_JSON_H
#define SYNOD_RSM_STATUS_JSON_H

#include "base/bytes.h"
#include "wire/wire.h"

void status_json(const struct wire_status *status, struct buffer *out);
/*
 * The same without the brace at its end: a service adds members of its own, each with a comma in
 * front, and the brace.
 */
void status_json_open(const struct wire_status *status, struct buffer *out);

#endif
