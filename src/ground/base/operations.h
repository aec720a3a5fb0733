/*
 * The operations on one key, a row each: what they are called everywhere. What an operation does
 * to a record says services/kv/operation.c; CONTRIBUTING.md says where else a new one needs a line.
 *
 * Numbers are those of proto/kv.proto and of enum synod_op_kind in synod.h; 0 is none. A number
 * stands in logs and is never used for something else.
 */
#ifndef SYNOD_BASE_OPERATIONS_H
#define SYNOD_BASE_OPERATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* clang-format off */
#define OPERATION_MAP(X) \
	/* name, number, word of commands and JSON, word of metrics, has a value, more of its JSON */ \
	X(GET, 1, "get", "get", false, "") \
	X(PUT, 2, "put", "put", true, "") \
	X(APPEND, 3, "append", "append", true, "") \
	X(DELETE, 4, "del", "delete", false, "") \
	X(CAS, 5, "cas", "cas", true, "expect expect_encoding absent ") \
	X(INCR, 6, "incr", "incr", false, "delta ")
/* clang-format on */

enum operation {
	OPERATION_NONE,
#define X(name, number, ...) OPERATION_##name = (number),
	OPERATION_MAP(X)
#undef X
		OPERATIONS /* one more than the last */
};

struct operation_row {
	const char *word, *long_word;
	bool has_value;
	const char *members; /* of its JSON object: " op key … ", each between two blanks */
};

static inline bool operation_exists(uint32_t number)
{
	return number > OPERATION_NONE && number < OPERATIONS;
}

/* NULL: there is no such operation. */
const struct operation_row *operation_row(uint32_t number);
/* The words of all, in the order of their numbers, for whoever lists them; then the other words. */
#define OPERATION_WORDS OPERATIONS
extern const char *const operation_words[OPERATION_WORDS + 1]; /* … and NULL */
/* What the word at that place stands for. */
enum operation operation_of_word(uint32_t place);

#endif
