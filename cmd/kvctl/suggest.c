/* "did you mean": the known word that a mistyped one is closest to. */
#include <stdio.h>

#include "kvctl.h"

/* Longer words are nobody's typing mistake. */
#define WORD_MAX 32u

/*
 * How many letters have to be inserted, taken away, changed, or exchanged with their neighbour, to
 * make one of the other (optimal string alignment).
 */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][WORD_MAX + 1];
	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3],
		       *two_above = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    two_above[j - 2] + 1 < best)
				best = two_above[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[a_len % 3][b_len];
}

const char *kvctl_closest(const char *word, const char *const *candidates, size_t count)
{
	size_t len = strlen(word), best = SIZE_MAX;
	const char *found = NULL;
	if (len == 0 || len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t candidate_len = strlen(candidates[i]);
		if (candidate_len > WORD_MAX)
			continue;
		size_t wrong = distance(word, len, candidates[i], candidate_len);
		size_t longer = len > candidate_len ? len : candidate_len;
		/* One letter in three may be wrong; what was only begun counts as one. */
		if (len >= 2 && strncmp(candidates[i], word, len) == 0)
			wrong = 1;
		if (wrong <= 1 + (longer - 1) / 4 && wrong < longer && wrong < best) {
			best = wrong;
			found = candidates[i];
		}
	}
	return found;
}

/* What the same is called elsewhere. */
static const char *other_name(const char *word)
{
	static const char *const names[][2] = {
		{"set", "put"},           {"delete", "del"},        {"rm", "del"},
		{"remove", "del"},        {"unset", "del"},         {"incrby", "incr"},
		{"decr", "incr KEY -1"},  {"keys", "get --prefix"}, {"scan", "get --prefix"},
		{"list", "get --prefix"}, {"ls", "get --prefix"},   {"multi", "txn"},
		{"exec", "txn"},          {"load", "import"},       {"restore", "import"},
		{"dump", "export"},       {"backup", "export"},     {"members", "member list"},
		{"info", "status"},       {"endpoint", "status"},   {"health", "status"},
	};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i][0], word) == 0)
			return names[i][1];
	return NULL;
}

const char *kvctl_suggest_command(const char *word, char *out, size_t size)
{
	const char *names[64];
	size_t count = 0;
	for (size_t i = 0; i < kvctl_ncommands && count < sizeof names / sizeof names[0]; i++)
		if (kvctl_commands[i].run != kvctl_not_served)
			names[count++] = kvctl_commands[i].name;
	const char *found = other_name(word);
	if (found == NULL)
		found = kvctl_closest(word, names, count);
	out[0] = '\0';
	if (found != NULL)
		snprintf(out, size, ", did you mean \"%s\"?", found);
	return out;
}
