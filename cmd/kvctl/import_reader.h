/*
 * Records out of a file, as kvctl import takes them: tab-separated, JSON lines, CSV (kvctl.h has
 * the formats).
 *
 * The format is said, or decided once. By the first line that is not the same in tsv and jsonl: a
 * JSON object without tabs is; KEY<tab>VALUE makes it tsv, anything else that begins like JSON
 * jsonl. CSV has to be said, or begins with a header that names the columns key and value. After
 * that every line is read by the rules of that format, and one that does not fit is wrong.
 *
 * A UTF-8 byte order mark at the very beginning is dropped; UTF-16, and files that are compressed,
 * are refused by name. Lines end with LF or CR LF, in tsv all like the first; a carriage return
 * elsewhere in tsv, or outside of quotes in CSV, is wrong, and so is a zero byte. Empty lines are
 * skipped, and the last line needs no end. Other bytes are taken as they are.
 *
 * Limits: a line, or a CSV record, of IMPORT_LINE_BYTES_MAX. Ownership: the reader owns its
 * buffers; `wrong` is valid until the next call. Errors of reading keep their errno in `error`.
 */
#ifndef SYNOD_KVCTL_IMPORT_READER_H
#define SYNOD_KVCTL_IMPORT_READER_H

#include "kvctl.h"

/* A value may stand in JSON with six bytes for each of its own. */
#define IMPORT_LINE_BYTES_MAX (6u * COMMAND_BYTES_MAX + 64u * KIB)
/* Key and value of one record: one command has to hold them. */
#define IMPORT_RECORD_BYTES_MAX (COMMAND_BYTES_MAX - 4u * KIB)
#define IMPORT_FIELDS_MAX 16u

/* As read(2): bytes, 0 at the end, or -1 and errno. */
typedef ssize_t (*import_read)(void *context, void *data, size_t size);

enum import_next {
	IMPORT_RECORD,
	IMPORT_END,
	IMPORT_WRONG,      /* `wrong` says what is; what follows can be read */
	IMPORT_WRONG_LAST, /* the same, but nothing more can be read */
	IMPORT_ERROR,      /* of reading: `error` */
};

struct import_reader {
	uint64_t line; /* where the record just read begins, from 1 */
	uint64_t read_bytes;
	int error;
	const char *wrong;
	bool decided;
	enum kvctl_format format;

	/* Private. */
	bool said;
	import_read read;
	void *context;
	struct buffer input; /* read, and not looked at from `at` on */
	size_t at;
	bool ended, begun, seen_any;
	bool skipping;  /* the rest of a line that is too long is still to come */
	uint64_t lines; /* whose end has been passed */
	enum { ENDING_UNKNOWN, ENDING_LF, ENDING_CRLF } ending;
	struct buffer text; /* the fields of a CSV record, one behind the other */
	char message[200];
	/* CSV: the ends of the fields in `text`, and which column is which; -1: none */
	size_t nfields, ends[IMPORT_FIELDS_MAX];
	bool has_header;
	size_t ncolumns;
	int columns[4]; /* key, value, key_encoding, encoding */
};

void import_reader_init(struct import_reader *reader, import_read read, void *context);
/* The user has said which format it is. */
void import_reader_set(struct import_reader *reader, enum kvctl_format format);
void import_reader_free(struct import_reader *reader);
/*
 * Appends a record's key and value to `out`: the key's length in *key_len, the value is the rest.
 */
enum import_next import_reader_next(struct import_reader *reader, struct buffer *out,
				    size_t *key_len);

/* ---- between the files ---- */

/* Reads more behind what there is. False at the end of the input, or after an error. */
bool import_fill(struct import_reader *reader);
/* What is wrong, in words. Returns IMPORT_WRONG. */
enum import_next import_wrong(struct import_reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Checks what a record must be in every format. */
enum import_next import_judge(struct import_reader *reader, const struct buffer *out, size_t before,
			      size_t key_len);
/* import_csv.c: the next CSV record. */
enum import_next import_csv_next(struct import_reader *reader, struct buffer *out, size_t *key_len);

#endif
