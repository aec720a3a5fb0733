/* Reads histories: lines of JSON become operations. */
#include "read.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/base64.h"

#define OPS_MAX 4096u

/*
 * One line at a time. What it holds is copied into the history, so that its memory is used again
 * for the next one.
 */
struct reader {
	struct check_history *history;
	char problem[200]; /* "" : none */
	struct arena arena;
};

__attribute__((format(printf, 2, 3))) static void complain(struct reader *r, const char *format,
							   ...)
{
	va_list arguments;
	if (r->problem[0] != '\0')
		return;
	va_start(arguments, format);
	vsnprintf(r->problem, sizeof r->problem, format, arguments);
	va_end(arguments);
}

/* ---- members ---- */

static bool is_base64(struct reader *r, const json_t *object, const char *member)
{
	const json_t *encoding = json_object_get(object, member);
	if (encoding == NULL)
		return false;
	if (!json_is_string(encoding) || strcmp(json_string_value(encoding), "base64") != 0)
		complain(r, "\"%s\" can only be \"base64\"", member);
	return true;
}

static struct slice text_of(struct reader *r, const json_t *object, const char *name,
			    const char *encoding)
{
	const json_t *member = json_object_get(object, name);
	if (json_is_integer(member)) {
		char digits[24];
		int len = snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT,
				   json_integer_value(member));
		return arena_copy(&r->arena, slice(digits, (size_t)len));
	}
	if (!json_is_string(member)) {
		complain(r, "\"%s\" is %s, but should be a string", name,
			 member == NULL ? "missing" : "something else");
		return slice(NULL, 0);
	}
	struct slice text = slice(json_string_value(member), json_string_length(member));
	if (!is_base64(r, object, encoding))
		return text;
	struct slice decoded = {0};
	uint8_t *bytes = arena_get(&r->arena, base64_decoded_max(text.len) + 1);
	if (!base64_decode(text, bytes, &decoded.len))
		complain(r, "\"%s\" is not base64", name);
	decoded.data = bytes;
	return decoded;
}

static struct slice result_of(struct reader *r, const json_t *object)
{
	return text_of(r, object, "result", "result_encoding");
}

static bool is_null(const json_t *object, const char *name)
{
	const json_t *member = json_object_get(object, name);
	return member == NULL || json_is_null(member);
}

static uint64_t number_of(struct reader *r, const json_t *object, const char *name)
{
	const json_t *member = json_object_get(object, name);
	if (json_is_integer(member) && json_integer_value(member) >= 0)
		return (uint64_t)json_integer_value(member);
	if (json_is_real(member) && json_real_value(member) >= 0 && json_real_value(member) < 9e18)
		return (uint64_t)json_real_value(member);
	complain(r, "\"%s\" is %s, but should be a number that is not negative", name,
		 member == NULL ? "missing" : "something else");
	return 0;
}

static const json_t *array_of(struct reader *r, const json_t *object, const char *name,
			      uint32_t *count)
{
	const json_t *array = json_object_get(object, name);
	*count = 0;
	if (array == NULL)
		return NULL;
	if (!json_is_array(array) || json_array_size(array) > OPS_MAX)
		complain(r, "\"%s\" should be an array of at most %u", name, OPS_MAX);
	else
		*count = (uint32_t)json_array_size(array);
	return array;
}

/* The position of the member's text among the words, which end with NULL. */
static unsigned choice_of(struct reader *r, const json_t *object, const char *name,
			  const char *const *words)
{
	const char *text = json_string_value(json_object_get(object, name));
	for (unsigned i = 0; text != NULL && words[i] != NULL; i++)
		if (strcmp(words[i], text) == 0)
			return i;
	complain(r, "\"%s\" is %s%s", name,
		 text == NULL ? "missing or not a string" : "unknown: ", text == NULL ? "" : text);
	return 0;
}

/* ---- operations ---- */

static void read_get(struct reader *r, const json_t *object, struct check_op *op)
{
	op->kind = CHECK_GET;
	if (is_null(object, "result")) {
		op->saw = CHECK_SAW_MISSING;
		return;
	}
	op->saw = CHECK_SAW_VALUE;
	op->result = result_of(r, object);
}

static void read_new_value(struct reader *r, const json_t *object, struct check_op *op)
{
	if (is_null(object, "result"))
		return;
	op->saw |= CHECK_SAW_VALUE;
	op->result = result_of(r, object);
}

static void read_delete(const json_t *object, struct check_op *op)
{
	const json_t *found = json_object_get(object, "found");
	op->kind = CHECK_DELETE;
	if (json_is_boolean(found))
		op->saw = json_is_true(found) ? CHECK_SAW_PRESENT : CHECK_SAW_MISSING;
}

static void read_cas(struct reader *r, const json_t *object, struct check_op *op)
{
	op->kind = CHECK_CAS;
	op->value = text_of(r, object, "value", "encoding");
	op->absent = json_is_null(json_object_get(object, "expect")) ||
		     json_is_true(json_object_get(object, "absent"));
	if (!op->absent)
		op->expect = text_of(r, object, "expect", "expect_encoding");
	if (json_is_false(json_object_get(object, "result")) ||
	    json_is_false(json_object_get(object, "ok")))
		op->saw = CHECK_SAW_REFUSED;
	else
		op->saw = CHECK_SAW_DONE;
	if (!json_is_true(json_object_get(object, "refused")))
		return;
	op->saw = CHECK_SAW_REFUSED;
	if (is_null(object, "result"))
		op->saw |= CHECK_SAW_MISSING;
	else
		read_new_value(r, object, op);
}

static void read_incr(struct reader *r, const json_t *object, struct check_op *op)
{
	char digits[24] = "", *end = digits;
	op->kind = CHECK_INCR;
	op->delta = 1;
	read_new_value(r, object, op);
	if (is_null(object, "value"))
		return;
	struct slice text = text_of(r, object, "value", "encoding");
	if (text.len > 0 && text.len < sizeof digits)
		memcpy(digits, text.data, text.len);
	errno = 0;
	op->delta = strtoll(digits, &end, 10);
	if (end == digits || *end != '\0' || errno != 0)
		complain(r, "\"value\" of an incr should be a whole number");
}

static void read_op(struct reader *r, const json_t *object, struct check_op *op)
{
	*op = (struct check_op){0};
	op->key = text_of(r, object, "key", "key_encoding");
	uint32_t place = choice_of(r, object, "op", operation_words);
	switch (operation_of_word(place)) {
	case OPERATION_GET: read_get(r, object, op); break;
	case OPERATION_PUT:
		op->kind = CHECK_PUT;
		op->value = text_of(r, object, "value", "encoding");
		break;
	case OPERATION_APPEND:
		op->kind = CHECK_APPEND;
		op->value = text_of(r, object, "value", "encoding");
		read_new_value(r, object, op);
		break;
	case OPERATION_DELETE: read_delete(object, op); return;
	case OPERATION_CAS: read_cas(r, object, op); break;
	case OPERATION_INCR: read_incr(r, object, op); break;
	default: break; /* choice_of() has complained */
	}
	if (is_null(object, "version"))
		return;
	op->saw |= CHECK_SAW_VERSION;
	op->version = number_of(r, object, "version");
}

/* ---- transactions ---- */

static void read_compare(struct reader *r, const json_t *object, struct check_compare *compare)
{
	static const char *const targets[] = {"value", "version", "exists", NULL};
	static const char *const relations[] = {"=", "!=", "<", ">", NULL};
	*compare = (struct check_compare){.key = text_of(r, object, "key", "key_encoding")};
	compare->target = (enum check_target)choice_of(r, object, "target", targets);
	compare->relation = (enum check_relation)choice_of(r, object, "relation", relations);
	if (compare->target == CHECK_VALUE)
		compare->value = text_of(r, object, "value", "encoding");
	else
		compare->number = number_of(r, object, "number");
}

static struct check_op *read_ops(struct reader *r, const json_t *object, const char *name,
				 uint32_t *count)
{
	const json_t *array = array_of(r, object, name, count);
	struct check_op *ops = arena_get_zeroed(&r->arena, (*count + 1) * sizeof *ops);
	for (uint32_t i = 0; i < *count; i++)
		read_op(r, json_array_get(array, i), &ops[i]);
	return ops;
}

static void read_transaction(struct reader *r, const json_t *object, struct check_call *call)
{
	const json_t *succeeded = json_object_get(object, "succeeded");
	const json_t *when = array_of(r, object, "when", &call->nwhen);
	call->transaction = true;
	if (json_object_get(object, "ops") == NULL)
		complain(r, "a transaction has \"ops\"");
	call->when = arena_get_zeroed(&r->arena, (call->nwhen + 1) * sizeof *call->when);
	for (uint32_t i = 0; i < call->nwhen; i++)
		read_compare(r, json_array_get(when, i), &call->when[i]);
	if (json_is_boolean(succeeded))
		call->branch = json_is_true(succeeded) ? CHECK_BRANCH_THEN : CHECK_BRANCH_OTHERWISE;
	bool otherwise = call->branch == CHECK_BRANCH_OTHERWISE;
	call->then = read_ops(r, object, otherwise ? "other" : "ops", &call->nthen);
	call->otherwise = read_ops(r, object, otherwise ? "ops" : "other", &call->notherwise);
}

/* ---- lines ---- */

static void read_outcome(struct reader *r, const json_t *object, struct check_call *call)
{
	const json_t *ok = json_object_get(object, "ok");
	if (ok == NULL || (!json_is_boolean(ok) && !json_is_null(ok)))
		complain(r, "\"ok\" should be true, false or null");
	call->outcome = json_is_true(ok)   ? CHECK_OK
			: json_is_null(ok) ? CHECK_UNKNOWN
					   : CHECK_FAILED;
	call->call = number_of(r, object, "call");
	if (!is_null(object, "return"))
		call->ret = number_of(r, object, "return");
	else if (call->outcome == CHECK_OK)
		complain(r, "\"return\" is missing");
	if (call->outcome == CHECK_OK && call->ret < call->call)
		complain(r, "\"return\" is before \"call\"");
}

static void read_call(struct reader *r, const json_t *object, uint32_t file, uint32_t line)
{
	struct check_call call = {.file = file, .line = line, .id = line};
	const char *op = json_string_value(json_object_get(object, "op"));
	if (!is_null(object, "client"))
		call.client = number_of(r, object, "client");
	if (!is_null(object, "id"))
		call.id = number_of(r, object, "id");
	if (op != NULL && strcmp(op, "txn") == 0) {
		read_transaction(r, object, &call);
	} else {
		call.then = arena_get_zeroed(&r->arena, sizeof *call.then);
		call.nthen = 1;
		read_op(r, object, call.then);
	}
	read_outcome(r, object, &call);
	/* It was certainly not done, and that it was not says what was there. */
	if (call.outcome == CHECK_FAILED && call.nthen == 1 && !call.transaction &&
	    json_is_true(json_object_get(object, "refused")) && call.then[0].kind == CHECK_CAS &&
	    call.ret >= call.call)
		call.outcome = CHECK_OK;
	if (r->problem[0] == '\0')
		check_history_add(r->history, &call);
}

static void read_line(struct reader *r, const char *text, size_t len, uint32_t file, uint32_t line)
{
	json_error_t error;
	json_t *object = json_loadb(text, len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
	if (object == NULL)
		complain(r, "not JSON: %s", error.text);
	else if (!json_is_object(object))
		complain(r, "not a JSON object");
	else
		read_call(r, object, file, line);
	json_decref(object);
	arena_reset(&r->arena);
}

static bool is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strchr(" \t\r\n", text[i]) == NULL)
			return false;
	return true;
}

bool kvcheck_read(struct check_history *h, const char *path, uint32_t file, char **error)
{
	struct reader r = {.history = h};
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	char *text = NULL;
	size_t size = 0;
	uint32_t line = 0;
	*error = NULL;
	if (in == NULL) {
		*error = alloc_format("%s: %s", path, strerror(errno));
		return false;
	}
	arena_init(&r.arena, SIZE_MAX);
	errno = 0;
	for (ssize_t len; r.problem[0] == '\0' && (len = getline(&text, &size, in)) >= 0;
	     errno = 0) {
		line++;
		if (!is_blank(text, (size_t)len))
			read_line(&r, text, (size_t)len, file, line);
	}
	if (r.problem[0] != '\0')
		*error = alloc_format("%s:%u: %s", path, line, r.problem);
	else if (ferror(in))
		*error = alloc_format("%s: %s", path, strerror(errno));
	if (in != stdin)
		fclose(in);
	free(text);
	arena_free(&r.arena);
	return *error == NULL;
}
