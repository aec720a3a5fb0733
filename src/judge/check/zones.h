/*
 * Violations that are seen without a search, after Gibbons and Korach ("Testing shared memories",
 * 1997).
 *
 * If only one call can have written a value, the key holds it at least from when that call returned
 * until the last call that saw it began: the value's zone. Two values whose zones on one key
 * overlap, or another write that was called and returned within a zone, have no order. Stale reads,
 * lost writes and the like are of this kind, and finding none of them does not say that all is
 * well.
 */
#ifndef SYNOD_CHECK_ZONES_H
#define SYNOD_CHECK_ZONES_H

#include "check/needs.h"

bool zones_conflict(const struct component *c, const struct needs *n);

#endif
