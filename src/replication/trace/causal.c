/* Events of many nodes, each behind what caused it. */
#include "trace/causal_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

struct causal *causal_create(void)
{
	return ALLOC(struct causal);
}

void causal_destroy(struct causal *c)
{
	if (c == NULL)
		return;
	for (uint32_t i = 0; i < c->count; i++)
		vector_free(&c->events[i].clock);
	for (uint32_t i = 0; i < c->nhosts; i++) {
		vector_free(&c->hosts[i].clock);
		free(c->hosts[i].name);
		free(c->hosts[i].events);
	}
	free(c->hosts);
	free(c->events);
	free(c->places);
	free(c->order);
	free(c->position);
	buffer_free(&c->text);
	map_free(&c->sends);
	free(c);
}

int causal_refuse(struct causal *c, int status, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(c->error, sizeof c->error, format, arguments);
	va_end(arguments);
	return status;
}

const char *causal_error(const struct causal *c)
{
	return c->error;
}

/* ---- gathering ---- */

static bool is_host(const struct causal *c, uint32_t host, struct slice name)
{
	return host < c->nhosts && slice_equal(slice_string(c->hosts[host].name), name);
}

/* The host's number, which may be a new one; CAUSAL_NOBODY: there are too many. */
static uint32_t host_of(struct causal *c, struct slice name)
{
	if (is_host(c, c->last_host, name))
		return c->last_host;
	for (uint32_t i = 0; i < c->nhosts; i++)
		if (is_host(c, i, name))
			return i;
	if (c->nhosts == VECTOR_HOSTS_MAX)
		return CAUSAL_NOBODY;
	c->hosts = alloc_resize(c->hosts, c->nhosts + 1, sizeof *c->hosts);
	c->hosts[c->nhosts] = (struct host){
		.name = alloc_format("%.*s", (int)name.len, (const char *)name.data)};
	return c->nhosts++;
}

static void grow(struct causal *c)
{
	if (c->count < c->capacity)
		return;
	c->capacity = c->capacity == 0 ? 256 : c->capacity * 2;
	c->events = alloc_resize(c->events, c->capacity, sizeof *c->events);
	c->places = alloc_resize(c->places, c->capacity, sizeof *c->places);
}

/*
 * The send with this identity: its event + 1 in the slot of the map, whose key is returned; or the
 * free one behind.
 */
uint64_t causal_send_key(const struct causal *c, const struct trace_words *words)
{
	uint64_t key = (words->origin ^ words->sent * 0x9e3779b97f4a7c15ull) *
		       0xbf58476d1ce4e5b9ull;
	for (;; key++) {
		uintptr_t found = (uintptr_t)map_get(&c->sends, key);
		if (found == 0)
			return key;
		const struct trace_words *other = &c->events[found - 1].words;
		if (other->origin == words->origin && other->sent == words->sent)
			return key;
	}
}

int causal_add(struct causal *c, struct slice host, struct slice text)
{
	struct trace_words words;
	if (!trace_event_parse(text, &words))
		return causal_refuse(
			c, STATUS_BAD_REQUEST, "a malformed number in the event \"%.*s\"",
			(int)(text.len > 300 ? 300 : text.len), (const char *)text.data);
	if (c->count == CAUSAL_EVENTS_MAX || c->text.len + text.len > CAUSAL_TEXT_BYTES_MAX)
		return causal_refuse(
			c, STATUS_TOO_LARGE,
			"more than %u events or %llu bytes: merge traces of a shorter time",
			CAUSAL_EVENTS_MAX, CAUSAL_TEXT_BYTES_MAX);
	uint32_t number = host_of(c, host);
	if (number == CAUSAL_NOBODY)
		return causal_refuse(
			c, STATUS_TOO_LARGE,
			"more than %u hosts in one trace: leave some of the traces out",
			VECTOR_HOSTS_MAX);
	uint64_t key = words.kind == TRACE_SEND ? causal_send_key(c, &words) : 0;
	if (words.kind == TRACE_SEND && map_get(&c->sends, key) != NULL)
		return causal_refuse(
			c, STATUS_CORRUPT,
			"message %" PRIx64 ".%" PRIu64
			" is sent twice, at last by %s: the same trace was given twice",
			words.origin, words.sent, c->hosts[number].name);
	grow(c);
	struct host *h = &c->hosts[number];
	ALLOC_ROOM(h->events, h->count, h->capacity, 64);
	h->events[h->count++] = c->count;
	c->last_host = number;
	c->places[c->count] = (struct text_place){.at = c->text.len, .len = text.len};
	c->events[c->count] = (struct causal_event){
		.host = number, .number = h->count, .cause = CAUSAL_NOBODY, .words = words};
	buffer_add_slice(&c->text, text);
	c->count++;
	if (words.kind == TRACE_SEND)
		map_put(&c->sends, key, (void *)(uintptr_t)c->count);
	return 0;
}

int causal_add_file(struct causal *c, const char *name, struct slice content)
{
	struct slice line, host, text;
	uint64_t number = 1;
	for (; content.len > 0; number += 2) {
		/* The end of a file whose writer was killed or is still writing. */
		if (!trace_line_take(&content, &line) || !trace_line_take(&content, &text))
			return 0;
		if (!trace_host_parse(line, &host))
			return causal_refuse(
				c, STATUS_BAD_REQUEST,
				"%.200s:%" PRIu64
				": expected HOST {\"HOST\":N,…}, as --trace FILE writes it",
				name, number);
		int status = causal_add(c, host, text);
		if (status == 0)
			continue;
		char why[sizeof c->error];
		memcpy(why, c->error, sizeof why);
		return causal_refuse(c, status, "%.200s:%" PRIu64 ": %.280s", name, number + 1,
				     why);
	}
	return 0;
}

/* ---- looking ---- */

uint32_t causal_count(const struct causal *c)
{
	return c->count;
}

const struct causal_event *causal_at(const struct causal *c, uint32_t i)
{
	ASSERT(i < c->count);
	return &c->events[c->order[i]];
}

uint32_t causal_hosts(const struct causal *c)
{
	return c->nhosts;
}

const char *causal_host(const struct causal *c, uint32_t host)
{
	ASSERT(host < c->nhosts);
	return c->hosts[host].name;
}

uint64_t causal_unmatched(const struct causal *c)
{
	return c->unmatched;
}

void causal_append(const struct causal *c, uint32_t i, struct buffer *out)
{
	const struct causal_event *e = causal_at(c, i);
	buffer_format(out, "%s {", c->hosts[e->host].name);
	for (uint32_t k = 0; k < e->clock.count; k++)
		buffer_format(out, "%s\"%s\":%" PRIu64, k == 0 ? "" : ",",
			      c->hosts[e->clock.entries[k].host].name, e->clock.entries[k].count);
	buffer_format(out, "}\n");
	buffer_add_slice(out, e->text);
	buffer_add_u8(out, '\n');
}
