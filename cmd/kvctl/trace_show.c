/* The events of one request in causal order: as a table, as JSON, for ShiViz */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "node/clock.h"
#include "trace.h"

static void find_effects(struct tracing *t)
{
	uint32_t count = causal_count(t->causal);
	t->effects = alloc_zeroed((size_t)count + 1, sizeof *t->effects);
	memset(t->effects, 0xff, count * sizeof *t->effects);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t cause = causal_at(t->causal, i)->cause;
		if (cause != CAUSAL_NOBODY && t->effects[cause] == CAUSAL_NOBODY)
			t->effects[cause] = i;
	}
}

struct row {
	char event[96], slot[48], ballot[32], hlc[40];
	uint32_t cause; /* line, from 1; 0: none */
};

/* The value of a word; of a receive also that of the send, which says what the message is about. */
static void word_of(const struct tracing *t, const struct causal_event *e, const char *name,
		    char *out, size_t size)
{
	struct slice value = {0};
	if (!trace_word(e->text, name, &value) && e->cause != CAUSAL_NOBODY)
		(void)trace_word(causal_at(t->causal, e->cause)->text, name, &value);
	snprintf(out, size, "%.*s", (int)value.len, (const char *)value.data);
}

static const char *other_side(const struct tracing *t, uint32_t i, char *out, size_t size)
{
	const struct causal_event *e = causal_at(t->causal, i);
	uint32_t partner = e->words.kind == TRACE_SEND ? t->effects[i] : e->cause;
	if (partner != CAUSAL_NOBODY)
		return causal_host(t->causal, causal_at(t->causal, partner)->host);
	word_of(t, e, e->words.kind == TRACE_SEND ? "to=" : "from=", out, size);
	return out;
}

/* "send accept to g1b", "receive command reply from g1a", "sync" */
static void describe(const struct tracing *t, uint32_t i, char *out, size_t size)
{
	const struct causal_event *e = causal_at(t->causal, i);
	char peer[64];
	size_t len = 0;
	for (size_t at = 0; at < e->text.len; at += len + 1) {
		const uint8_t *word = e->text.data + at;
		const uint8_t *blank = memchr(word, ' ', e->text.len - at);
		len = blank == NULL ? e->text.len - at : (size_t)(blank - word);
		bool plain = memchr(word, '=', len) == NULL ||
			     slice_has_prefix(slice(word, len), slice_string("reply="));
		size_t used = strlen(out);
		if (plain && used < size)
			snprintf(out + used, size - used, "%s%.*s", used == 0 ? "" : " ", (int)len,
				 (const char *)word);
	}
	size_t used = strlen(out);
	if (e->words.kind == TRACE_STEP || used >= size)
		return;
	const char *name = other_side(t, i, peer, sizeof peer);
	if (name[0] != '\0')
		snprintf(out + used, size - used, " %s %s",
			 e->words.kind == TRACE_SEND ? "to" : "from", name);
}

static void make_row(const struct tracing *t, uint32_t i, struct row *row)
{
	const struct causal_event *e = causal_at(t->causal, i);
	time_t seconds = (time_t)(hlc_milliseconds(e->words.hlc) / 1000);
	struct tm when;
	*row = (struct row){.cause = e->cause == CAUSAL_NOBODY ? 0 : e->cause + 1};
	describe(t, i, row->event, sizeof row->event);
	word_of(t, e, "slot=", row->slot, sizeof row->slot);
	if (row->slot[0] == '\0')
		word_of(t, e, "slots=", row->slot, sizeof row->slot);
	word_of(t, e, "ballot=", row->ballot, sizeof row->ballot);
	gmtime_r(&seconds, &when);
	size_t len = strftime(row->hlc, sizeof row->hlc, "%H:%M:%S", &when);
	snprintf(row->hlc + len, sizeof row->hlc - len, ".%03u+%u",
		 (unsigned)(hlc_milliseconds(e->words.hlc) % 1000),
		 (unsigned)(e->words.hlc & ((1u << HLC_COUNTER_BITS) - 1)));
}

static void print_table(const struct tracing *t)
{
	static const char *const titles[] = {"LINE",   "NODE",  "EVENT",   "SLOT",
					     "BALLOT", "CAUSE", "LAMPORT", "HLC"};
	struct kvctl_table table;
	struct row row;
	kvctl_table_init(&table, 8, titles);
	table.rank[6] = 3;
	table.rank[4] = 2;
	table.rank[7] = 1;
	table.right[0] = table.right[3] = table.right[4] = table.right[5] = table.right[6] = true;
	for (uint32_t i = 0; i < causal_count(t->causal); i++) {
		const struct causal_event *e = causal_at(t->causal, i);
		make_row(t, i, &row);
		kvctl_table_row(&table);
		kvctl_table_cell(&table, 0, "%" PRIu32, i + 1);
		kvctl_table_cell(&table, 1, "%s", causal_host(t->causal, e->host));
		kvctl_table_cell(&table, 2, "%s", row.event);
		kvctl_table_cell(&table, 3, "%s", row.slot);
		kvctl_table_cell(&table, 4, "%s", row.ballot);
		if (row.cause != 0)
			kvctl_table_cell(&table, 5, "%" PRIu32, row.cause);
		else
			kvctl_table_cell(&table, 5, "%s", "");
		kvctl_table_cell(&table, 6, "%" PRIu64, e->words.lamport);
		kvctl_table_cell(&table, 7, "%s", row.hlc);
	}
	kvctl_table_print(&table);
	kvctl_table_free(&table);
}

static json_t *clock_json(const struct tracing *t, const struct vector *clock)
{
	json_t *out = json_object();
	for (uint32_t i = 0; i < clock->count; i++)
		json_object_set_new(out, causal_host(t->causal, clock->entries[i].host),
				    kvctl_json_u64(clock->entries[i].count));
	return out;
}

static void print_json(const struct tracing *t, const struct synod_reply *reply)
{
	char id[24];
	json_t *events = json_array();
	struct row row;
	for (uint32_t i = 0; i < causal_count(t->causal); i++) {
		const struct causal_event *e = causal_at(t->causal, i);
		make_row(t, i, &row);
		json_t *event = json_pack(
			"{s:i,s:s,s:s,s:o,s:o,s:o,s:o}", "line", (int)i + 1, "node",
			causal_host(t->causal, e->host), "event", row.event, "lamport",
			kvctl_json_u64(e->words.lamport), "hlc_ms",
			kvctl_json_u64(hlc_milliseconds(e->words.hlc)), "hlc_counter",
			kvctl_json_u64(e->words.hlc & ((1u << HLC_COUNTER_BITS) - 1)), "clock",
			clock_json(t, &e->clock));
		if (row.slot[0] != '\0')
			json_object_set_new(event, "slot", json_string(row.slot));
		if (row.ballot[0] != '\0')
			json_object_set_new(event, "ballot", json_string(row.ballot));
		if (row.cause != 0)
			json_object_set_new(event, "cause", json_integer(row.cause));
		json_array_append_new(events, event);
	}
	snprintf(id, sizeof id, "%016" PRIx64, t->id);
	json_t *out = json_pack("{s:s,s:s,s:s,s:o}", "trace", id, "op",
				t->value == NULL ? "get" : "put", "outcome",
				reply->status == SYNOD_OK ? "ok" : synod_status_text(reply->status),
				"events", events);
	kvctl_json_bytes(out, "key", (struct synod_bytes){.data = t->key, .len = strlen(t->key)});
	kvctl_print_json(out);
}

static int write_shiviz(const struct tracing *t)
{
	struct buffer text = {0};
	FILE *file = fopen(t->shiviz, "we");
	for (uint32_t i = 0; i < causal_count(t->causal); i++)
		causal_append(t->causal, i, &text);
	int error = file == NULL || fwrite(text.data, 1, text.len, file) != text.len ? errno : 0;
	if (file != NULL && fclose(file) != 0 && error == 0)
		error = errno;
	buffer_free(&text);
	if (error != 0)
		kvctl_error(t->kvctl, "cannot write %s: %s", t->shiviz, strerror(error));
	else
		fprintf(stderr, "%s: for ShiViz, the expression is: %s\n", t->shiviz,
			TRACE_EXPRESSION);
	return error == 0 ? EXIT_OK : EXIT_UNPRINTED;
}

int trace_show(struct tracing *t, const struct synod_reply *reply)
{
	find_effects(t);
	if (t->kvctl->json)
		print_json(t, reply);
	else
		print_table(t);
	return t->shiviz != NULL ? write_shiviz(t) : EXIT_OK;
}
