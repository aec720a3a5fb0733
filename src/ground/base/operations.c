/* The table of operations, looked up. */
#include "base/operations.h"

#include "base/assert.h"

#define PLAIN " op key key_encoding "
#define VALUE_true "value encoding "
#define VALUE_false ""

static const struct operation_row rows[OPERATIONS] = {
#define X(name, number, word, full, value, members) \
	[number] = {word, full, value, PLAIN VALUE_##value members},
	OPERATION_MAP(X)
#undef X
};

const struct operation_row *operation_row(uint32_t number)
{
	return operation_exists(number) ? &rows[number] : NULL;
}

/* "delete" is what `del` is in metrics; people write it elsewhere too. */
const char *const operation_words[OPERATION_WORDS + 1] = {
#define X(name, number, word, full, ...) [(number)-1] = (word),
	OPERATION_MAP(X)
#undef X
		[OPERATIONS - 1] = "delete",
};

enum operation operation_of_word(uint32_t place)
{
	ASSERT(place < OPERATION_WORDS);
	return place == OPERATIONS - 1 ? OPERATION_DELETE : (enum operation)(place + 1);
}
