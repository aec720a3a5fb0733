/*
 * libFuzzer: what kvctl reads from people and files. The first byte chooses the parser; each either
 * says what is wrong or gives something within its limits. Records of a file that is imported are
 * written so that they read back as the same.
 */
#include <stdlib.h>

#include "../../cmd/kvctl/import_reader.h"
#include "../../cmd/kvctl/kvctl.h"
#include "base/base64.h"
#include "fuzz.h"

/*
 * The text as an exact, writable allocation, so that reading one byte too far is seen; followed by
 * a zero byte where asked for.
 */
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
	ASSERT(txn->nwhen <= KVCTL_TXN_MAX && txn->nthen <= KVCTL_TXN_MAX &&
	       txn->notherwise <= KVCTL_TXN_MAX);
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

/* A file in memory, for the reader of imports: some bytes at a time. */
struct file {
	struct slice rest;
	size_t step;
};

static ssize_t read_file(void *context, void *data, size_t size)
{
	struct file *file = context;
	size_t take = file->step < size ? file->step : size;
	take = take < file->rest.len ? take : file->rest.len;
	if (take > 0)
		memcpy(data, file->rest.data, take);
	file->rest.data += take;
	file->rest.len -= take;
	return (ssize_t)take;
}

/*
 * A record that was read is written to a line (or CSV record) that reads back as the same record,
 * and as the only one.
 */
static void check_round_trip(struct slice record, size_t key_len)
{
	struct buffer content = {0}, again = {0};
	struct synod_bytes key = {(const char *)record.data, key_len};
	struct synod_bytes value = {(const char *)record.data + key_len, record.len - key_len};
	for (enum kvctl_format format = KVCTL_TSV; format <= KVCTL_CSV; format++) {
		struct import_reader reader;
		size_t again_len = 0;
		buffer_clear(&content);
		buffer_clear(&again);
		if (format == KVCTL_CSV)
			buffer_add_slice(&content, slice_string(KVCTL_CSV_HEADER));
		kvctl_record_format(&content, key, value, format);
		ASSERT(format == KVCTL_CSV || memchr(content.data, '\n', content.len) == NULL);
		buffer_add_u8(&content, '\n');
		struct file file = {.rest = buffer_slice(&content), .step = 1000};
		import_reader_init(&reader, read_file, &file);
		enum import_next next = import_reader_next(&reader, &again, &again_len);
		ASSERT(next == IMPORT_RECORD && again_len == key_len &&
		       slice_equal(record, buffer_slice(&again)));
		next = import_reader_next(&reader, &again, &again_len);
		ASSERT(next == IMPORT_END);
		import_reader_free(&reader);
	}
	buffer_free(&content);
	buffer_free(&again);
}

/*
 * The first byte: the format, and how many bytes come at a time. What comes out is the same for any
 * number.
 */
static void records(struct slice text)
{
	struct buffer bytes = {0};
	struct import_reader reader;
	uint8_t how = input_u8(&text);
	uint32_t hashes[2] = {0};
	for (int run = 0; run < 2; run++) {
		struct file file = {.rest = text, .step = run == 0 ? SIZE_MAX : 1u + how / 4u};
		enum import_next next;
		size_t key_len = 0;
		uint64_t line = 0;
		import_reader_init(&reader, read_file, &file);
		if (how % 4 < 3)
			import_reader_set(&reader, (enum kvctl_format)(how % 4));
		do {
			buffer_clear(&bytes);
			next = import_reader_next(&reader, &bytes, &key_len);
			ASSERT(next != IMPORT_ERROR);
			ASSERT(next == IMPORT_END || reader.line >= line);
			line = reader.line;
			hashes[run] = hashes[run] * 31 + (uint32_t)next + (uint32_t)line;
			if (next != IMPORT_RECORD) {
				ASSERT(next == IMPORT_END || strlen(reader.wrong) > 0);
				continue;
			}
			ASSERT(key_len > 0 && key_len <= bytes.len);
			for (size_t i = 0; i < bytes.len; i++)
				hashes[run] = hashes[run] * 31 + bytes.data[i];
			if (run == 0)
				check_round_trip(buffer_slice(&bytes), key_len);
		} while (next == IMPORT_RECORD || next == IMPORT_WRONG);
		import_reader_free(&reader);
	}
	ASSERT(hashes[0] == hashes[1]);
	buffer_free(&bytes);
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
	static void (*const parsers[])(struct slice) = {blocks, single, records,
							words,  base64, numbers};
	struct slice in = slice(data, size);
	uint8_t which = input_u8(&in);
	char *copy = copy_of(in, false);
	parsers[which % (sizeof parsers / sizeof parsers[0])](slice(copy, in.len));
	free(copy);
	return 0;
}
