/*
 * The replicated state machine that the simulator runs when it is about rsm alone: lists of
 * numbers.
 *
 *   command  u32 key, u64 value      appends; the reply is the new length, u32
 *   query    u32 key                 the reply is the whole list, u64 each
 *
 * Snapshot chunks: u32 key, u32 count, u64 values…; a list may take several chunks.
 */
#ifndef SYNOD_SIM_LIST_APP_H
#define SYNOD_SIM_LIST_APP_H

#include "rsm/app.h"

/*
 * Audited in parts: list `key` is in part key % LIST_PARTS; the last one is the sum of all digests.
 */
#define LIST_PARTS 8u

struct app *list_app_create(void);
struct rng;
/*
 * What must not happen: a value changes, or (kept) the sum. Which part; false: there is no value.
 */
bool list_app_change(struct app *app, struct rng *rng, bool kept, uint32_t *part);

#endif
