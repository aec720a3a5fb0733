/*
 * The replicated state machine that the simulator runs when it is about rsm alone: lists of numbers.
 *
 *   command  u32 key, u64 value      appends; the reply is the new length, u32
 *   query    u32 key                 the reply is the whole list, u64 each
 *
 * Snapshot chunks: u32 key, u32 count, u64 values…; a list may take several chunks.
 */
#ifndef SYNOD_SIM_LIST_APP_H
#define SYNOD_SIM_LIST_APP_H

#include "rsm/app.h"

struct app *list_app_create(void);

#endif
