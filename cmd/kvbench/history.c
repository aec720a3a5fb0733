/* Every operation and its outcome as a line of JSON, for kvcheck. */
#include "history.h"

#include <errno.h>
#include <inttypes.h>

#include "base/base64.h"
#include "base/log_json.h"
#include "base/operations.h"
#include "base/utf8.h"

#define LINES_BYTES 65536u
#define FLUSH_INTERVAL_NS 1000000000u

bool bench_history_open(struct bench_history *h, const char *path)
{
	*h = (struct bench_history){.file = fopen(path, "w")};
	pthread_mutex_init(&h->mutex, NULL);
	return h->file != NULL;
}

bool bench_history_close(struct bench_history *h)
{
	if (fclose(h->file) != 0 && h->error == 0)
		h->error = errno;
	pthread_mutex_destroy(&h->mutex);
	errno = h->error;
	return h->error == 0;
}

void bench_history_flush(struct bench_history_writer *w)
{
	struct bench_history *h = w->history;
	if (w->lines.len == 0)
		return;
	pthread_mutex_lock(&h->mutex);
	if (fwrite(w->lines.data, 1, w->lines.len, h->file) != w->lines.len && h->error == 0)
		h->error = errno;
	if (fflush(h->file) != 0 && h->error == 0)
		h->error = errno;
	pthread_mutex_unlock(&h->mutex);
	buffer_clear(&w->lines);
}

int bench_outcome(int status)
{
	switch (status) {
	case SYNOD_OK:
	case SYNOD_NOT_FOUND:
	case SYNOD_COMPARE_FALSE: return 1;
	case SYNOD_UNAVAILABLE:
	case SYNOD_BAD_REQUEST:
	case SYNOD_TOO_LARGE:
	case SYNOD_UNKNOWN_METHOD:
	case SYNOD_WRONG_CLUSTER:
	case SYNOD_WRONG_VERSION:
	case SYNOD_WRONG_NODE:
	case SYNOD_BUSY:
	case SYNOD_CROSS_GROUP:
	case SYNOD_HOLDS_DATA:
	case SYNOD_DENIED:
	case SYNOD_NOT_NUMBER:
	case SYNOD_NO_SPACE: return 0;
	default: return -1;
	}
}

/* ---- members ---- */

static void add(struct buffer *out, const char *text)
{
	buffer_add(out, text, strlen(text));
}

static void add_number(struct buffer *out, const char *member, uint64_t number)
{
	char digits[20], *p = digits + sizeof digits;
	do
		*--p = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	add(out, member);
	buffer_add(out, p, (size_t)(digits + sizeof digits - p));
}

static bool is_text(struct slice s)
{
	while (s.len > 0) {
		size_t len = utf8_length(s.data, s.len);
		if (len == 0)
			return false;
		s = slice(s.data + len, s.len - len);
	}
	return true;
}

/* `member` is ,"NAME": and `encoding` ,"NAME_encoding": */
static void add_bytes(struct buffer *out, const char *member, const char *encoding,
		      struct synod_bytes bytes)
{
	struct slice s = slice(bytes.data, bytes.len);
	add(out, member);
	if (is_text(s)) {
		log_json_string(out, s);
		return;
	}
	buffer_add_u8(out, '"');
	base64_encode(out, s);
	add(out, "\"");
	add(out, encoding);
	add(out, "\"base64\"");
}

static void add_result(struct buffer *out, struct synod_bytes value)
{
	add_bytes(out, ",\"result\":", ",\"result_encoding\":", value);
}

static void add_version(struct buffer *out, uint64_t version)
{
	if (version > 0)
		add_number(out, ",\"version\":", version);
}

/* ---- operations ---- */

static void add_asked(struct buffer *out, const struct synod_op *op)
{
	buffer_format(out, "\"op\":\"%s\"", operation_row(op->kind)->word);
	add_bytes(out, ",\"key\":", ",\"key_encoding\":", op->key);
	if (op->kind == SYNOD_OP_PUT || op->kind == SYNOD_OP_APPEND || op->kind == SYNOD_OP_CAS)
		add_bytes(out, ",\"value\":", ",\"encoding\":", op->value);
	if (op->kind == SYNOD_OP_INCR)
		buffer_format(out, ",\"value\":\"%" PRId64 "\"", op->delta);
	if (op->kind == SYNOD_OP_CAS && op->absent)
		add(out, ",\"expect\":null");
	else if (op->kind == SYNOD_OP_CAS)
		add_bytes(out, ",\"expect\":", ",\"expect_encoding\":", op->expect);
}

/*
 * What was answered. False for a cas that was refused: it had no effect for certain, and tells
 * something.
 */
static bool add_answer(struct buffer *out, const struct synod_op *op,
		       const struct synod_result *result)
{
	bool found = result->status != SYNOD_NOT_FOUND;
	switch (op->kind) {
	case SYNOD_OP_GET:
	case SYNOD_OP_APPEND:
	case SYNOD_OP_INCR:
		if (found)
			add_result(out, result->value);
		else
			add(out, ",\"result\":null");
		break;
	case SYNOD_OP_DELETE: add(out, found ? ",\"found\":true" : ",\"found\":false"); return true;
	case SYNOD_OP_CAS:
		if (result->status == SYNOD_OK)
			break;
		add(out, ",\"refused\":true");
		if (found)
			add_result(out, result->value);
		else
			add(out, ",\"result\":null");
		add_version(out, found ? result->version : 0);
		return false;
	case SYNOD_OP_PUT: break;
	}
	add_version(out, found ? result->version : 0);
	return true;
}

static void add_ops(struct buffer *out, const char *member, const struct synod_op *ops,
		    uint32_t count, const struct synod_result *results)
{
	add(out, member);
	for (uint32_t i = 0; i < count; i++) {
		add(out, i == 0 ? "{" : ",{");
		add_asked(out, &ops[i]);
		if (results != NULL && !add_answer(out, &ops[i], &results[i]))
			add(out, ",\"ok\":false");
		add(out, "}");
	}
	add(out, "]");
}

static void add_transaction(struct buffer *out, const struct bench_request *r,
			    const struct synod_reply *reply, bool answered)
{
	bool otherwise = answered && !reply->succeeded;
	const struct synod_op *done = otherwise ? r->otherwise : r->then,
			      *other = otherwise ? r->then : r->otherwise;
	uint32_t ndone = otherwise ? r->notherwise : r->nthen,
		 nother = otherwise ? r->nthen : r->notherwise;
	add(out, "\"op\":\"txn\"");
	for (uint32_t i = 0; i < r->nwhen; i++) {
		add(out, i == 0 ? ",\"when\":[{\"target\":\"version\",\"relation\":\"=\""
				: ",{\"target\":\"version\",\"relation\":\"=\"");
		add_bytes(out, ",\"key\":", ",\"key_encoding\":", r->when[i].key);
		add_number(out, ",\"number\":", r->when[i].number);
		add(out, "}");
	}
	if (r->nwhen > 0)
		add(out, "]");
	add_ops(out, ",\"ops\":[", done, ndone,
		answered && reply->nresults == ndone ? reply->results : NULL);
	if (nother > 0)
		add_ops(out, ",\"other\":[", other, nother, NULL);
	if (answered)
		add(out, reply->succeeded ? ",\"succeeded\":true" : ",\"succeeded\":false");
}

/* Something that was answered is not known any more: the checker is told as if nothing had been. */
static bool anything_omitted(const struct synod_reply *reply)
{
	bool omitted = synod_value_omitted(reply->value);
	for (size_t i = 0; i < reply->nresults; i++)
		omitted |= synod_value_omitted(reply->results[i].value);
	return omitted;
}

void bench_history_write(struct bench_history_writer *w, const struct bench_request *r,
			 const struct synod_reply *reply, const struct bench_history_times *times)
{
	static const char *const outcomes[] = {",\"ok\":null", ",\"ok\":false", ",\"ok\":true"};
	struct buffer *out = &w->lines;
	int outcome = anything_omitted(reply) ? -1 : bench_outcome(reply->status);
	add_number(out, "{\"client\":", times->client);
	add_number(out, ",\"id\":", times->id);
	add(out, ",");
	if (r->kind == BENCH_TRANSACTION) {
		add_transaction(out, r, reply, outcome == 1);
	} else {
		add_asked(out, &r->then[0]);
		struct synod_result result = {.status = reply->status,
					      .value = reply->value,
					      .version = reply->version,
					      .modification = reply->modification};
		if (outcome == 1 && !add_answer(out, &r->then[0], &result))
			outcome = 0;
	}
	add(out, outcomes[outcome + 1]);
	add_number(out, ",\"call\":", times->call_ns);
	add_number(out, ",\"return\":", times->return_ns);
	add(out, "}\n");
	if (out->len >= LINES_BYTES || times->return_ns - w->flushed_ns >= FLUSH_INTERVAL_NS) {
		bench_history_flush(w);
		w->flushed_ns = times->return_ns;
	}
}
