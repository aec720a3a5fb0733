#include "story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPS_MAX 8

struct words {
	char *word[64];
	unsigned count, next;
};

static void split(struct words *w, char *text)
{
	*w = (struct words){0};
	for (char *p = strtok(text, " "); p != NULL; p = strtok(NULL, " "))
		w->word[w->count++] = p;
}

static const char *peek(const struct words *w)
{
	return w->next < w->count ? w->word[w->next] : "";
}

static const char *take(struct words *w)
{
	ASSERT(w->next < w->count);
	return w->word[w->next++];
}

static bool take_if(struct words *w, const char *word)
{
	if (strcmp(peek(w), word) != 0)
		return false;
	w->next++;
	return true;
}

static void read_result(struct words *w, struct check_op *op)
{
	const char *text = take(w);
	if (strcmp(text, "-") == 0)
		op->saw |= CHECK_SAW_MISSING;
	else if (strcmp(text, "?") != 0)
		op->saw |= CHECK_SAW_VALUE;
	op->result = slice_string(text);
}

static void read_cas(struct words *w, struct check_op *op)
{
	op->kind = CHECK_CAS;
	op->absent = strcmp(peek(w), "-") == 0;
	op->expect = slice_string(take(w));
	op->value = slice_string(take(w));
	if (take_if(w, "done"))
		op->saw = CHECK_SAW_DONE;
	if (!take_if(w, "refused"))
		return;
	op->saw = CHECK_SAW_REFUSED;
	if (peek(w)[0] != '\0' && strchr(";v", peek(w)[0]) == NULL)
		read_result(w, op);
}

static void read_op(struct words *w, struct check_op *op)
{
	const char *name = take(w);
	*op = (struct check_op){.key = slice_string(take(w))};
	if (strcmp(name, "put") == 0) {
		op->kind = CHECK_PUT;
		op->value = slice_string(take(w));
	} else if (strcmp(name, "get") == 0) {
		op->kind = CHECK_GET;
		read_result(w, op);
	} else if (strcmp(name, "append") == 0) {
		op->kind = CHECK_APPEND;
		op->value = slice_string(take(w));
	} else if (strcmp(name, "del") == 0) {
		op->kind = CHECK_DELETE;
		op->saw = take_if(w, "was")       ? CHECK_SAW_PRESENT
			  : take_if(w, "missing") ? CHECK_SAW_MISSING
						  : 0;
	} else if (strcmp(name, "cas") == 0) {
		read_cas(w, op);
	} else {
		ASSERT(strcmp(name, "incr") == 0);
		op->kind = CHECK_INCR;
		op->delta = atoi(take(w));
	}
	if (take_if(w, "="))
		read_result(w, op);
	if (peek(w)[0] == 'v') {
		op->saw |= CHECK_SAW_VERSION;
		op->version = strtoull(take(w) + 1, NULL, 10);
	}
}

static void read_compare(char *word, struct check_compare *compare)
{
	*compare = (struct check_compare){.target = CHECK_EXISTS, .number = word[0] == '+'};
	compare->key = slice_string(word + 1);
	if (word[0] == '+' || word[0] == '!')
		return;
	size_t key = strcspn(word, "=!<>#");
	char sign = word[key];
	compare->key = slice(word, key);
	compare->target = sign == '#' ? CHECK_VERSION : CHECK_VALUE;
	compare->relation = sign == '<'   ? CHECK_LESS
			    : sign == '>' ? CHECK_GREATER
			    : sign == '!' ? CHECK_NOT_EQUAL
					  : CHECK_EQUAL;
	const char *value = word + key + 1 + (sign == '!');
	compare->value = slice_string(value);
	compare->number = strtoull(value, NULL, 10);
}

static uint32_t read_ops(struct words *w, struct check_op *ops)
{
	uint32_t count = 0;
	do
		read_op(w, &ops[count++]);
	while (take_if(w, ";"));
	return count;
}

static void read_call(struct words *w, struct check_call *call)
{
	call->nthen = 1;
	if (!take_if(w, "txn")) {
		read_op(w, &call->then[0]);
		return;
	}
	call->transaction = true;
	if (take_if(w, "if"))
		while (strcmp(peek(w), "then") != 0)
			read_compare(w->word[w->next++], &call->when[call->nwhen++]);
	take_if(w, "then");
	call->nthen = read_ops(w, call->then);
	if (take_if(w, "else"))
		call->notherwise = read_ops(w, call->otherwise);
	if (take_if(w, "took"))
		call->branch = strcmp(take(w), "then") == 0 ? CHECK_BRANCH_THEN
							    : CHECK_BRANCH_OTHERWISE;
}

void story_read(struct check_history *h, const char *const *lines)
{
	check_history_init(h);
	for (uint32_t i = 0; lines[i] != NULL; i++) {
		struct check_compare when[OPS_MAX];
		struct check_op then[OPS_MAX], otherwise[OPS_MAX];
		struct check_call call = {.client = i,
					  .id = i,
					  .line = i + 1,
					  .when = when,
					  .then = then,
					  .otherwise = otherwise};
		struct words words;
		char text[256];
		snprintf(text, sizeof text, "%s", lines[i]);
		char *bar = strchr(text, '|');
		ASSERT(bar != NULL);
		size_t end = strspn(bar + 1, "-") + 1;
		call.call = (uint64_t)(bar - text);
		call.ret = call.call + end;
		call.outcome = bar[end] == '>'   ? CHECK_UNKNOWN
			       : bar[end] == 'x' ? CHECK_FAILED
						 : CHECK_OK;
		*bar = '\0';
		split(&words, text);
		read_call(&words, &call);
		ASSERT(words.next == words.count);
		check_history_add(h, &call);
	}
}
