/*
 * log_index: where each slot's latest accepted record stands in the wal. Dense array over the slots
 * after the newest snapshot.
 */
#ifndef SYNOD_RSM_LOG_INDEX_H
#define SYNOD_RSM_LOG_INDEX_H

#include <stdint.h>

#include "wal/wal.h"

struct log_index {
	uint64_t first;          /* slots below are not held */
	uint64_t count;          /* slots first … first + count - 1 */
	uint64_t head;           /* array position of `first` */
	uint64_t capacity;       /* power of two */
	wal_position *positions; /* 0: none */
};

void log_index_init(struct log_index *x, uint64_t first);
/* Records the position of a slot's record; a slot below `first` is ignored. */
void log_index_set(struct log_index *x, uint64_t slot, wal_position position);
/* 0 if the log does not hold the slot. */
wal_position log_index_get(const struct log_index *x, uint64_t slot);
void log_index_drop_below(struct log_index *x, uint64_t first);
/* The smallest position that is still needed; UINT64_MAX if none is. */
wal_position log_index_oldest(const struct log_index *x);
void log_index_free(struct log_index *x);

#endif
