/*
 * What the in-memory engine offers beyond store.h. Creation is store_memory_create() in store.h.
 *
 * Dropping a space or releasing a snapshot only unlinks its tree; the nodes are freed a few with
 * each later write, so no single call takes long, and by whoever calls store_memory_idle_work().
 */
#ifndef SYNOD_STORE_MEMORY_H
#define SYNOD_STORE_MEMORY_H

#include "store/store.h"

/*
 * Frees at most nodes_max nodes (up to 64 records each) that nothing refers to; true while there
 * are more.
 */
bool store_memory_idle_work(struct store *store, uint64_t nodes_max);
/* Asserts every structural invariant of every space; for tests, O(size). */
void store_memory_check(struct store *store);

#endif
