/*
 * What clients asked and were told, and whether it can be true.
 *
 * Every key holds a list; an operation appends one unique value to one list, or reads a whole list.
 * For such objects linearizability (Herlihy and Wing 1990) is easy to decide: the longest list that
 * anybody saw gives each append its place and each read a place between two appends, so only these
 * questions are left, key by key:
 *
 *   every list that was read is a beginning of the longest one       no two histories of one key
 *   every value in it was appended, and none stands there twice      nothing invented, exactly once
 *   nothing that failed for certain stands in it                     definite errors are definite
 *   every acknowledged append stands in it, at the place it was told  nothing acknowledged is lost
 *   what ended before something else began does not stand after it   real time
 *
 * The last read of each key, when all is quiet, makes the fourth complete. Times are the world's,
 * which no process knows.
 */
#ifndef SYNOD_SIM_HISTORY_H
#define SYNOD_SIM_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"

enum sim_history_kind { SIM_HISTORY_APPEND, SIM_HISTORY_READ };
enum sim_history_outcome {
	SIM_HISTORY_OPEN, /* no answer (yet): like UNKNOWN */
	SIM_HISTORY_OK,
	SIM_HISTORY_FAILED,  /* certainly not applied */
	SIM_HISTORY_UNKNOWN, /* may or may not have been applied, may yet be */
};

struct sim_history_operation {
	enum sim_history_kind kind;
	enum sim_history_outcome outcome;
	uint32_t client;
	uint32_t key;
	uint64_t value;     /* APPEND: unique in the whole history, not 0 */
	uint64_t call_us;   /* or of a read: sim_history_read_since() */
	uint64_t return_us; /* OK and FAILED */
	uint32_t length;    /* OK: of the list, after an append */
	uint64_t *list;     /* OK reads: the values */
};

struct sim_history {
	struct sim_history_operation *operations;
	size_t count;
	size_t capacity;
};

/* The number of the new operation. Values are made from it: history_value(). */
size_t sim_history_call(struct sim_history *history, enum sim_history_kind kind, uint32_t client,
			uint32_t key, uint64_t now_us);
/*
 * A read that has not ended yet may have seen any state since then, which may be before or after it
 * began: what it returns is known to be so old at most.
 */
void sim_history_read_since(struct sim_history *history, size_t operation, uint64_t since_us);
void sim_history_return(struct sim_history *history, size_t operation,
			enum sim_history_outcome outcome, uint64_t now_us);
void sim_history_return_append(struct sim_history *history, size_t operation, uint32_t length,
			       uint64_t now_us);
void sim_history_return_read(struct sim_history *history, size_t operation, const uint64_t *list,
			     uint32_t length, uint64_t now_us);
void sim_history_free(struct sim_history *history);

/*
 * True if it is linearizable; otherwise says in `why` what is wrong. complete: every key was read
 * after everything else had ended, so that an acknowledged append that stands nowhere is lost.
 */
bool sim_history_check(const struct sim_history *history, bool complete, struct buffer *why);
/* One JSON object a line, in the format of kvbench --history. */
void sim_history_write(const struct sim_history *history, FILE *file);

#endif
