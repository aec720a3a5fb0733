/*
 * Histories as pictures: a line a call, what it did on the left, when on the right. Columns are
 * times.
 *
 *   put x 1     |--|          from call to return; calls that share a column overlap
 *   get x 1          |--|
 *   del x         |--->       > unknown outcome    x failed for certain
 *
 * What it did, "-" stands for no value, "?" for a result that was not seen:
 *
 *   put K V · get K V · append K T [= V] · del K [was|missing] · cas K OLD NEW [done|refused [V]] ·
 *   incr K N [= V] any of them followed by vN: the version that it saw
 *   txn [if K=V|K!=V|K<V|K>V|K#N|+K|!K …] then OP ; OP … [else OP ; OP …] [took then|else]
 *   (#N compares the version, +K asks that it exists, !K that it does not; without `if` there is no
 *   `then`)
 */
#ifndef SYNOD_TESTS_CHECK_STORY_H
#define SYNOD_TESTS_CHECK_STORY_H

#include "check/check.h"

/* Lines end with NULL. */
void story_read(struct check_history *h, const char *const *lines);

#endif
