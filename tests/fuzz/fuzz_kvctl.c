/*
 * libFuzzer: what kvctl reads from people and files. The first byte chooses the parser; each either says what is wrong or
 * gives something within its limits. A record that was read is written to a line that reads back as the same record.
 */
#include <stdlib.h>

#include "../../cmd/kvctl/kvctl.h"
#include "base/base64.h"
#include "fuzz.h"

/* The text as an exact, writable allocation, so that reading one byte too far is seen; followed by a zero byte where asked for. */
static char *copy_of(struct slice text, bool terminated)
{
	char *copy = malloc(text.len + 1);
	if (copy == NULL)
		abort();
	if (text.len > 0)
		memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	if (terminated || text.len == 0)
		return copy;
	char *exact = realloc(copy, text.len);
	return exact != NULL ? exact : copy;
}

static void check_bytes(struct synod_bytes bytes)
{
	volatile char sum = 0;
	for (size_t i = 0; i < bytes.len; i++)
		sum = (char)(sum + bytes.data[i]);
}

static void check_txn(const struct kvctl_txn *txn)
{
	ASSERT(txn->nwhen <= KVCTL_TXN_MAX && txn->nthen <= KVCTL_TXN_MAX && txn->notherwise <= KVCTL_TXN_MAX);
	for (size_t i = 0; i < txn->nwhen; i++) {
		check_bytes(txn->when[i].key);
		check_bytes(txn->when[i].value);
		ASSERT(txn->when[i].key.len > 0);
	}
	for (size_t i = 0; i < txn->nthen; i++) {
		check_bytes(txn->then[i].key);
		check_bytes(txn->then[i].value);
		check_bytes(txn->then[i].expect);
		ASSERT(txn->then[i].key.len > 0);
	}
}

static void blocks(struct slice text)
{
	static struct kvctl_txn txn;
	size_t line = 0;
	memset(&txn, 0, sizeof txn);
	if (kvctl_txn_blocks(&txn, text, &line) == NULL)
		check_txn(&txn);
	kvctl_txn_free(&txn);
}

static void single(struct slice text)
{
	static struct kvctl_txn txn;
	memset(&txn, 0, sizeof txn);
	if (kvctl_txn_compare(&txn, text) == NULL)
		ASSERT(txn.nwhen == 1);
	if (kvctl_txn_op(&txn, text, false) == NULL)
		ASSERT(txn.nthen == 1);
	check_txn(&txn);
	kvctl_txn_free(&txn);
}

static void record(struct slice text)
{
	struct buffer first = {0}, second = {0}, line = {0};
	size_t key_len = 0, again_len = 0;
	if (kvctl_record_parse(text, &first, &key_len) == NULL) {
		ASSERT(key_len > 0 && key_len <= first.len);
		struct synod_bytes key = {(const char *)first.data, key_len};
		struct synod_bytes value = {(const char *)first.data + key_len, first.len - key_len};
		for (int json = 0; json < 2; json++) {
			buffer_clear(&line);
			buffer_clear(&second);
			kvctl_record_format(&line, key, value, json != 0);
			ASSERT(memchr(line.data, '\n', line.len) == NULL);
			const char *wrong = kvctl_record_parse(buffer_slice(&line), &second, &again_len);
			ASSERT(wrong == NULL && again_len == key_len &&
			       slice_equal(buffer_slice(&first), buffer_slice(&second)));
		}
	}
	buffer_free(&first);
	buffer_free(&second);
	buffer_free(&line);
}

static void words(struct slice text)
{
	struct kvctl_words out;
	struct buffer value = {0};
	if (kvctl_words_parse(&out, text) == NULL) {
		for (size_t i = 0; i < out.count; i++) {
			check_bytes(out.words[i]);
			ASSERT(out.words[i].data[out.words[i].len] == '\0');
		}
		kvctl_words_free(&out);
	}
	if (kvctl_unquote(&value, text) == NULL)
		ASSERT(value.len <= text.len);
	buffer_free(&value);
}

static void base64(struct slice text)
{
	struct buffer encoded = {0}, decoded = {0};
	base64_encode(&encoded, text);
	bool good = kvctl_base64_decode(&decoded, buffer_slice(&encoded));
	ASSERT(good && slice_equal(buffer_slice(&decoded), text));
	buffer_clear(&decoded);
	if (kvctl_base64_decode(&decoded, text))
		ASSERT(decoded.len <= text.len);
	buffer_free(&encoded);
	buffer_free(&decoded);
}

static void numbers(struct slice text)
{
	char *copy = copy_of(text, true);
	uint32_t ms;
	uint64_t u64;
	int64_t i64;
	(void)kvctl_parse_duration(copy, &ms);
	(void)kvctl_parse_u64(copy, &u64);
	(void)kvctl_parse_i64(copy, &i64);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(struct slice) = {blocks, single, record, words, base64, numbers};
	struct slice in = slice(data, size);
	uint8_t which = input_u8(&in);
	char *copy = copy_of(in, false);
	parsers[which % (sizeof parsers / sizeof parsers[0])](slice(copy, in.len));
	free(copy);
	return 0;
}
