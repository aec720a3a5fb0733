/*
 * A replicated state machine for tests: a list of numbers. Its snapshots are larger than its
 * commands, so that few commands make snapshots of many pieces.
 *
 *   command u64 value, then anything: appends the value and the checksum of the rest; the reply is
 *            the new length, u64. TALLY_RETRY is refused with BUSY, and changes nothing, while the
 *            number of values is odd.
 *   query    anything: all values, u64 each
 */
#ifndef SYNOD_TESTS_TALLY_H
#define SYNOD_TESTS_TALLY_H

#include "rsm/app.h"

#define TALLY_RETRY UINT64_MAX
#define TALLY_ITEM_BYTES 1024u /* one value in a snapshot */

/* Audited in so many parts: value i (from 0) is in part i % TALLY_PARTS, "quarter i". */
#define TALLY_PARTS 4u

struct app *tally_create(void);
/*
 * What must not happen: value i becomes another one. By itself: what is kept about all values no
 * longer fits them; or as if it had been applied: it does.
 */
void tally_flip(struct app *app, uint64_t i);
void tally_apply_wrongly(struct app *app, uint64_t i);
/* What each query, or command, is said to take (rsm/app.h). */
extern uint64_t tally_query_work, tally_command_work;

#endif
