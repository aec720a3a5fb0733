/* Reading JSON: kv_json.h. */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/base64.h"
#include "gate/kv_json.h"

/* ---- before the parser ---- */

/*
 * An empty array costs the parser a hundred bytes, and two of the text: what counts is the number
 * of values. Each is preceded by one of [ { , : outside of strings, or is the only one. Malformed
 * text may count wrong, and is refused anyway.
 */
static const char *check_size(struct slice text)
{
	size_t depth = 0, elements = 1;
	bool in_string = false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (in_string) {
			i += c == '\\';
			in_string = c != '"';
			continue;
		}
		in_string = c == '"';
		if (c == '[' || c == '{')
			depth++;
		else if ((c == ']' || c == '}') && depth > 0)
			depth--;
		elements += c == '[' || c == '{' || c == ',' || c == ':';
		if (depth > JSON_DEPTH_MAX)
			return "the JSON is nested too deeply";
		if (elements > JSON_ELEMENTS_MAX)
			return "the JSON has too many elements";
	}
	return NULL;
}

/* ---- the parser ---- */

struct parser {
	struct arena *arena;
	const char *list; /* "then"; NULL: the whole text */
	size_t index;     /* of the object at hand in the list */
	char *error;
};

/* Sets the error; returns its status. */
__attribute__((format(printf, 3, 4))) static int fail(struct parser *p, int status,
						      const char *format, ...)
{
	char text[KV_JSON_ERROR_BYTES];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (p->list != NULL)
		snprintf(p->error, KV_JSON_ERROR_BYTES, "%.20s[%zu]: %.200s", p->list, p->index,
			 text);
	else
		snprintf(p->error, KV_JSON_ERROR_BYTES, "%.200s", text);
	return status;
}

static json_t *load(struct parser *p, struct slice text)
{
	json_error_t error;
	const char *wrong = text.len == 0 ? "the body is empty" : check_size(text);
	if (wrong != NULL) {
		fail(p, STATUS_BAD_REQUEST, "%s", wrong);
		return NULL;
	}
	json_t *root = json_loadb((const char *)text.data, text.len,
				  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (root == NULL)
		fail(p, STATUS_BAD_REQUEST, "malformed JSON: line %d, column %d: %s", error.line,
		     error.column, error.text);
	else if (!json_is_object(root))
		fail(p, STATUS_BAD_REQUEST, "the JSON is not an object");
	if (json_is_object(root))
		return root;
	json_decref(root);
	return NULL;
}

/*
 * Every member of the object must be in `allowed`, a list of names separated and enclosed by
 * blanks.
 */
static int check_members(struct parser *p, json_t *object, const char *allowed)
{
	const char *name;
	json_t *value;
	if (!json_is_object(object))
		return fail(p, STATUS_BAD_REQUEST, "not an object");
	json_object_foreach(object, name, value)
	{
		char padded[32];
		int len = snprintf(padded, sizeof padded, " %s ", name);
		if (len >= (int)sizeof padded || strchr(name, ' ') != NULL ||
		    strstr(allowed, padded) == NULL)
			return fail(p, STATUS_BAD_REQUEST,
				    "there is no member \"%.40s\" here, only%.*s", name,
				    (int)strlen(allowed) - 1, allowed);
	}
	return 0;
}

static int take_base64(struct parser *p, const char *name, struct slice text, struct slice *out)
{
	uint8_t *bytes = arena_get(p->arena, base64_decoded_max(text.len) + 1);
	size_t len;
	if (!base64_decode(text, bytes, &len))
		return fail(p, STATUS_BAD_REQUEST, "\"%s\" is malformed base64", name);
	*out = slice(bytes, len);
	return 0;
}

/* The bytes of a member that must be there; `encoding_name` is the member that may say "base64". */
static int take_bytes(struct parser *p, const json_t *object, const char *name,
		      const char *encoding_name, struct slice *out)
{
	const json_t *member = json_object_get(object, name);
	const json_t *encoding = json_object_get(object, encoding_name);
	if (member == NULL)
		return fail(p, STATUS_BAD_REQUEST, "\"%s\" is missing", name);
	if (!json_is_string(member))
		return fail(p, STATUS_BAD_REQUEST, "\"%s\" is not a string", name);
	struct slice text = slice(json_string_value(member), json_string_length(member));
	if (encoding == NULL) {
		*out = arena_copy(p->arena, text);
		return 0;
	}
	if (!json_is_string(encoding) || strcmp(json_string_value(encoding), "base64") != 0)
		return fail(p, STATUS_BAD_REQUEST, "\"%s\" can only be \"base64\"", encoding_name);
	return take_base64(p, name, text, out);
}

static int take_key(struct parser *p, const json_t *object, struct slice *out)
{
	int status = take_bytes(p, object, "key", "key_encoding", out);
	if (status == 0 && out->len == 0)
		status = fail(p, STATUS_BAD_REQUEST, "the key is empty");
	return status;
}

static int take_number(struct parser *p, const json_t *object, const char *name, json_int_t *out)
{
	const json_t *member = json_object_get(object, name);
	if (member == NULL)
		return fail(p, STATUS_BAD_REQUEST, "\"%s\" is missing", name);
	if (!json_is_integer(member))
		return fail(p, STATUS_BAD_REQUEST, "\"%s\" is not an integer", name);
	*out = json_integer_value(member);
	return 0;
}

/*
 * The position of a member's text in `words`; `fallback` if there is no such member. Negative:
 * failed.
 */
static int take_word(struct parser *p, const json_t *object, const char *name,
		     const char *const *words, size_t count, int fallback)
{
	const json_t *member = json_object_get(object, name);
	char expected[96] = "";
	if (member == NULL && fallback >= 0)
		return fallback;
	for (size_t i = 0; i < count; i++) {
		if (json_is_string(member) && strcmp(json_string_value(member), words[i]) == 0)
			return (int)i;
		size_t len = strlen(expected);
		snprintf(expected + len, sizeof expected - len, " %s", words[i]);
	}
	return fail(p, STATUS_BAD_REQUEST, "\"%s\" must be one of%s", name, expected);
}

/* ---- records ---- */

int kv_json_parse_record(struct slice text, struct arena *arena, struct wire_kv_command *out,
			 char error[KV_JSON_ERROR_BYTES])
{
	struct parser parser = {.arena = arena, .error = error};
	json_t *root = load(&parser, text);
	if (root == NULL)
		return STATUS_BAD_REQUEST;
	struct wire_kv_op *op = arena_get_zeroed(arena, sizeof *op);
	op->kind = WIRE_KV_PUT;
	*out = (struct wire_kv_command){.nthen = 1, .then = op};
	int status = check_members(&parser, root, " key key_encoding value encoding ");
	if (status == 0)
		status = take_key(&parser, root, &op->key);
	if (status == 0)
		status = take_bytes(&parser, root, "value", "encoding", &op->value);
	json_decref(root);
	return status;
}

/* ---- transactions ---- */

static int parse_number_compare(struct parser *p, const json_t *object, struct wire_kv_compare *out)
{
	json_int_t number = 1;
	bool optional = out->target == WIRE_KV_EXISTS && json_object_get(object, "number") == NULL;
	int status = optional ? 0 : take_number(p, object, "number", &number);
	if (status == 0 && (number < 0 || (out->target == WIRE_KV_EXISTS && number > 1)))
		status = fail(p, STATUS_BAD_REQUEST, "\"number\" is out of range");
	out->number = (uint64_t)number;
	return status;
}

static int parse_compare(struct parser *p, json_t *object, void *element)
{
	static const char *const targets[] = {"value", "version", "modification", "exists"};
	static const char *const relations[] = {"=", "!=", "<", ">"};
	struct wire_kv_compare *out = element;
	if (!json_is_object(object))
		return fail(p, STATUS_BAD_REQUEST, "not an object");
	int target = take_word(p, object, "target", targets, 4, -1);
	int relation = target < 0 ? target
				  : take_word(p, object, "relation", relations, 4, WIRE_KV_EQUAL);
	if (relation < 0)
		return relation;
	out->target = (enum wire_kv_target)target;
	out->relation = (enum wire_kv_relation)relation;
	bool by_value = out->target == WIRE_KV_VALUE;
	int status = check_members(p, object,
				   by_value ? " target relation key key_encoding value encoding "
					    : " target relation key key_encoding number ");
	if (status == 0)
		status = take_key(p, object, &out->key);
	if (status != 0)
		return status;
	return by_value ? take_bytes(p, object, "value", "encoding", &out->value)
			: parse_number_compare(p, object, out);
}

static int parse_cas(struct parser *p, const json_t *object, struct wire_kv_op *out)
{
	const json_t *absent = json_object_get(object, "absent");
	if (absent != NULL && !json_is_boolean(absent))
		return fail(p, STATUS_BAD_REQUEST, "\"absent\" is not true or false");
	out->absent = json_is_true(absent);
	if (!out->absent)
		return take_bytes(p, object, "expect", "expect_encoding", &out->expect);
	if (json_object_get(object, "expect") != NULL)
		return fail(p, STATUS_BAD_REQUEST, "either \"expect\" or \"absent\"");
	return 0;
}

static int parse_op(struct parser *p, json_t *object, void *element)
{
	struct wire_kv_op *out = element;
	json_int_t delta = 1;
	if (!json_is_object(object))
		return fail(p, STATUS_BAD_REQUEST, "not an object");
	int name = take_word(p, object, "op", operation_words, OPERATION_WORDS, -1);
	if (name < 0)
		return name;
	out->kind = (enum wire_kv_kind)operation_of_word((uint32_t)name);
	const struct operation_row *row = operation_row(out->kind);
	int status = check_members(p, object, row->members);
	if (status == 0)
		status = take_key(p, object, &out->key);
	if (status == 0 && row->has_value)
		status = take_bytes(p, object, "value", "encoding", &out->value);
	if (status == 0 && out->kind == WIRE_KV_CAS)
		status = parse_cas(p, object, out);
	if (status == 0 && out->kind == WIRE_KV_INCR && json_object_get(object, "delta") != NULL)
		status = take_number(p, object, "delta", &delta);
	out->delta = out->kind == WIRE_KV_INCR ? delta : 0;
	return status;
}

/* A list of the transaction: its elements are `size` bytes long each. */
static int parse_list(struct parser *p, const json_t *root, const char *name, size_t size,
		      int (*parse)(struct parser *, json_t *, void *), uint32_t *count,
		      void *elements)
{
	json_t *list = json_object_get(root, name);
	uint8_t *array = NULL;
	*count = 0;
	if (list == NULL)
		return 0;
	if (!json_is_array(list))
		return fail(p, STATUS_BAD_REQUEST, "\"%s\" is not an array", name);
	if (json_array_size(list) > TXN_OPS_MAX)
		return fail(p, STATUS_TOO_LARGE, "\"%s\" has more than %u elements", name,
			    TXN_OPS_MAX);
	*count = (uint32_t)json_array_size(list);
	array = arena_get_zeroed(p->arena, *count * size);
	memcpy(elements, &array, sizeof array);
	p->list = name;
	for (p->index = 0; p->index < *count; p->index++) {
		int status = parse(p, json_array_get(list, p->index), array + p->index * size);
		if (status != 0)
			return status;
	}
	p->list = NULL;
	return 0;
}

int kv_json_parse_txn(struct slice text, struct arena *arena, struct wire_kv_command *out,
		      char error[KV_JSON_ERROR_BYTES])
{
	struct parser parser = {.arena = arena, .error = error};
	json_t *root = load(&parser, text);
	if (root == NULL)
		return STATUS_BAD_REQUEST;
	*out = (struct wire_kv_command){.transaction = true};
	int status = check_members(&parser, root, " if then else ");
	if (status == 0)
		status = parse_list(&parser, root, "if", sizeof *out->when, parse_compare,
				    &out->nwhen, &out->when);
	if (status == 0)
		status = parse_list(&parser, root, "then", sizeof *out->then, parse_op, &out->nthen,
				    &out->then);
	if (status == 0)
		status = parse_list(&parser, root, "else", sizeof *out->otherwise, parse_op,
				    &out->notherwise, &out->otherwise);
	if (status == 0 && out->nwhen + out->nthen + out->notherwise == 0)
		status = fail(&parser, STATUS_BAD_REQUEST, "the transaction is empty");
	json_decref(root);
	return status;
}
