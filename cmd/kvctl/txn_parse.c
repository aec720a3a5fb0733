/* Conditions and operations of a transaction, from words. */
#include <ctype.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "kvctl.h"

/* Keeps a block of memory until the transaction is freed. */
static void keep(struct kvctl_txn *txn, void *block)
{
	ALLOC_ROOM(txn->blocks, txn->nblocks, txn->blocks_capacity, 16);
	txn->blocks[txn->nblocks++] = block;
}

void kvctl_txn_free(struct kvctl_txn *txn)
{
	for (size_t i = 0; i < txn->nblocks; i++)
		free(txn->blocks[i]);
	free(txn->blocks);
}

static struct slice trim(struct slice s)
{
	while (s.len > 0 && isspace(s.data[0]))
		s = slice(s.data + 1, s.len - 1);
	while (s.len > 0 && isspace(s.data[s.len - 1]))
		s.len--;
	return s;
}

/* Takes quotes off; the result is kept. */
static const char *unquote(struct kvctl_txn *txn, struct slice text, struct synod_bytes *out)
{
	struct buffer bytes = {0};
	const char *wrong = kvctl_unquote(&bytes, trim(text));
	*out = (struct synod_bytes){.len = bytes.len};
	buffer_add_u8(&bytes, 0);
	out->data = (const char *)bytes.data;
	keep(txn, bytes.data);
	return wrong;
}

/* ---- compares ---- */

static const struct {
	const char *name;
	enum synod_target target;
	bool bare;       /* without relation and value */
	uint64_t number; /* then */
} targets[] = {
	{"value", SYNOD_VALUE, false, 0},
	{"version", SYNOD_VERSION, false, 0},
	{"modification", SYNOD_MODIFICATION, false, 0},
	{"mod", SYNOD_MODIFICATION, false, 0},
	{"exists", SYNOD_EXISTS_FLAG, true, 1},
	{"missing", SYNOD_EXISTS_FLAG, true, 0},
};
#define TARGETS (sizeof targets / sizeof targets[0])
#define COMPARE_SYNTAX \
	"a compare is value(K)=V, version(K)=N, mod(K)=N, exists(K) or missing(K), with = != < " \
	"or >"

/* The length of "(K)" at the front, K possibly in quotes; 0: malformed. */
static size_t key_length(struct slice text)
{
	uint8_t quote = 0;
	if (text.len == 0 || text.data[0] != '(')
		return 0;
	for (size_t i = 1; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (quote != 0) {
			if (c == '\\' && quote == '"')
				i++;
			else if (c == quote)
				quote = 0;
		} else if ((c == '"' || c == '\'') && i == 1) {
			quote = c;
		} else if (c == ')') {
			return i + 1;
		}
	}
	return 0;
}

static bool take_relation(struct slice *text, enum synod_relation *out)
{
	static const struct {
		const char *text;
		enum synod_relation relation;
	} relations[] = {
		{"!=", SYNOD_NOT_EQUAL}, {"==", SYNOD_EQUAL},  {"=", SYNOD_EQUAL},
		{"<", SYNOD_LESS},       {">", SYNOD_GREATER},
	};
	for (size_t i = 0; i < sizeof relations / sizeof relations[0]; i++) {
		if (!slice_has_prefix(*text, slice_string(relations[i].text)))
			continue;
		*out = relations[i].relation;
		size_t len = strlen(relations[i].text);
		*text = slice(text->data + len, text->len - len);
		return true;
	}
	return false;
}

/* What stands behind "value(K)" or "version(K)". */
static const char *read_relation(struct kvctl_txn *txn, struct slice rest,
				 struct synod_compare *compare)
{
	struct synod_bytes value;
	if (!take_relation(&rest, &compare->relation))
		return COMPARE_SYNTAX;
	const char *wrong = unquote(txn, rest, &value);
	if (wrong != NULL)
		return wrong;
	if (compare->target == SYNOD_VALUE)
		compare->value = value;
	else if (!kvctl_parse_u64(value.data, &compare->number))
		return "the compare needs a number";
	return NULL;
}

const char *kvctl_txn_compare(struct kvctl_txn *txn, struct slice text)
{
	text = trim(text);
	if (txn->nwhen == KVCTL_TXN_MAX)
		return "more than 128 compares";
	for (size_t i = 0; i < TARGETS; i++) {
		size_t len = strlen(targets[i].name);
		if (!slice_has_prefix(text, slice_string(targets[i].name)))
			continue;
		struct slice rest = trim(slice(text.data + len, text.len - len));
		size_t key = key_length(rest);
		if (key < 2)
			continue;
		struct synod_compare *compare = &txn->when[txn->nwhen];
		*compare = (struct synod_compare){.target = targets[i].target,
						  .number = targets[i].number};
		const char *wrong = unquote(txn, slice(rest.data + 1, key - 2), &compare->key);
		rest = trim(slice(rest.data + key, rest.len - key));
		if (wrong == NULL && compare->key.len == 0)
			wrong = "the key of a compare is empty";
		if (wrong == NULL && !targets[i].bare)
			wrong = read_relation(txn, rest, compare);
		else if (wrong == NULL && rest.len > 0)
			wrong = "exists(K) and missing(K) stand alone";
		txn->nwhen += wrong == NULL;
		return wrong;
	}
	return COMPARE_SYNTAX;
}

/* ---- operations ---- */

#define OP_SYNTAX \
	"an operation is put K V, get K, del K, append K V, incr K [N], cas K OLD NEW or cas " \
	"--absent K NEW"

static bool word_is(struct synod_bytes word, const char *text)
{
	return slice_equal(slice(word.data, word.len), slice_string(text));
}

static const char *read_cas(const struct kvctl_words *words, struct synod_op *op)
{
	if (words->count != 4)
		return OP_SYNTAX;
	op->kind = SYNOD_OP_CAS;
	op->absent = word_is(words->words[1], "--absent");
	op->key = words->words[op->absent ? 2 : 1];
	if (!op->absent)
		op->expect = words->words[2];
	op->value = words->words[3];
	return NULL;
}

static const char *read_op(const struct kvctl_words *words, struct synod_op *op)
{
	static const struct {
		const char *name;
		enum synod_op_kind kind;
		size_t count;
	} kinds[] = {
		{"put", SYNOD_OP_PUT, 3},       {"get", SYNOD_OP_GET, 2},
		{"del", SYNOD_OP_DELETE, 2},    {"delete", SYNOD_OP_DELETE, 2},
		{"append", SYNOD_OP_APPEND, 3}, {"incr", SYNOD_OP_INCR, 2},
		{"incr", SYNOD_OP_INCR, 3},
	};
	*op = (struct synod_op){.delta = 1};
	if (words->count > 0 && word_is(words->words[0], "cas"))
		return read_cas(words, op);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (words->count != kinds[i].count || !word_is(words->words[0], kinds[i].name))
			continue;
		op->kind = kinds[i].kind;
		op->key = words->words[1];
		if (op->kind == SYNOD_OP_INCR) {
			if (words->count == 3 && !kvctl_parse_i64(words->words[2].data, &op->delta))
				return "incr needs a whole number";
		} else if (words->count == 3) {
			op->value = words->words[2];
		}
		return NULL;
	}
	return OP_SYNTAX;
}

const char *kvctl_txn_op(struct kvctl_txn *txn, struct slice text, bool otherwise)
{
	size_t *count = otherwise ? &txn->notherwise : &txn->nthen;
	struct synod_op *op = otherwise ? &txn->otherwise[*count] : &txn->then[*count];
	struct kvctl_words words;
	if (*count == KVCTL_TXN_MAX)
		return "more than 128 operations";
	const char *wrong = kvctl_words_parse(&words, text);
	if (wrong != NULL)
		return wrong;
	keep(txn, words.words);
	keep(txn, words.storage);
	wrong = read_op(&words, op);
	if (wrong == NULL && op->key.len == 0)
		wrong = "the key of an operation is empty";
	*count += wrong == NULL;
	return wrong;
}

const char *kvctl_txn_blocks(struct kvctl_txn *txn, struct slice text, size_t *line)
{
	unsigned block = 0;
	*line = 0;
	while (text.len > 0) {
		const uint8_t *newline = memchr(text.data, '\n', text.len);
		size_t len = newline != NULL ? (size_t)(newline - text.data) : text.len;
		struct slice content = trim(slice(text.data, len));
		size_t taken = len + (newline != NULL);
		text = slice(text.data + taken, text.len - taken);
		(*line)++;
		const char *wrong = NULL;
		if (content.len == 0)
			block++;
		else if (block == 0)
			wrong = kvctl_txn_compare(txn, content);
		else if (block <= 2)
			wrong = kvctl_txn_op(txn, content, block == 2);
		else
			wrong = "there are three blocks: compares, success operations, failure "
				"operations";
		if (wrong != NULL)
			return wrong;
	}
	return NULL;
}
