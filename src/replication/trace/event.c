/* Events as lines of text. */
#include "trace/event.h"

#include <inttypes.h>
#include <string.h>

#include "base/status.h"
#include "core/ballot.h"
#include "node/clock.h"
#include "wire/method.h"

static const char *step_text(enum trace_step step)
{
	switch (step) {
#define X(name, text) \
	case TRACE_STEP_##name: return text;
		TRACE_STEP_MAP(X)
#undef X
	case TRACE_NO_STEP: break;
	}
	return "unknown";
}

static void format_message(struct buffer *out, const struct trace_event *event, const char *peer)
{
	bool sent = event->kind == TRACE_SEND;
	buffer_format(out, "%s %s", sent ? "send" : "receive", method_text(event->method));
	if (event->reply && event->status != 0)
		buffer_format(out, " reply=%s", status_name(event->status));
	else if (event->reply)
		buffer_format(out, " reply");
	if (peer[0] != '\0')
		buffer_format(out, " %s=%s", sent ? "to" : "from", peer);
	buffer_format(out, " message=%" PRIx64 ".%" PRIu64, event->origin, event->sent);
}

void trace_event_format(struct buffer *out, const struct trace_event *event, const char *peer)
{
	const struct trace_detail *d = &event->detail;
	char ballot[BALLOT_TEXT_BYTES];
	if (event->kind == TRACE_STEP)
		buffer_format(out, "%s", step_text(event->step));
	else
		format_message(out, event, peer);
	if (d->first != 0 && d->first == d->last)
		buffer_format(out, " slot=%" PRIu64, d->first);
	else if (d->first != 0)
		buffer_format(out, " slots=%" PRIu64 "-%" PRIu64, d->first, d->last);
	if (d->ballot != 0)
		buffer_format(out, " ballot=%s", ballot_text(d->ballot, ballot));
	if (d->chosen != 0)
		buffer_format(out, " chosen=%" PRIu64, d->chosen);
	if (event->request != 0)
		buffer_format(out, " request=%016" PRIx64, event->request);
	buffer_format(out, " lamport=%" PRIu64 " hlc=%" PRIu64 ".%" PRIu64, event->lamport,
		      hlc_milliseconds(event->hlc), event->hlc & ((1u << HLC_COUNTER_BITS) - 1));
}

void trace_event_append(struct buffer *out, const char *host, uint64_t count, struct slice text)
{
	buffer_format(out, "%s {\"%s\":%" PRIu64 "}\n", host, host, count);
	buffer_add_slice(out, text);
	buffer_add_u8(out, '\n');
}

bool trace_word(struct slice text, const char *name, struct slice *value)
{
	size_t len = strlen(name);
	for (size_t at = 0; at < text.len;) {
		const uint8_t *begin = text.data + at;
		const uint8_t *blank = memchr(begin, ' ', text.len - at);
		size_t word = blank == NULL ? text.len - at : (size_t)(blank - begin);
		if (word >= len && memcmp(begin, name, len) == 0) {
			*value = slice(begin + len, word - len);
			return true;
		}
		at += word + 1;
	}
	return false;
}

static int digit_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* All of `in`, without sign or blanks. */
static bool parse_number(struct slice in, uint64_t base, uint64_t *out)
{
	uint64_t value = 0;
	if (in.len == 0)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		uint64_t digit = (uint64_t)digit_of(in.data[i]);
		if (digit >= base || value > (UINT64_MAX - digit) / base)
			return false;
		value = value * base + digit;
	}
	*out = value;
	return true;
}

static bool parse_pair(struct slice in, uint64_t base, uint64_t *first, uint64_t *second)
{
	const uint8_t *dot = in.len == 0 ? NULL : memchr(in.data, '.', in.len);
	if (dot == NULL)
		return false;
	size_t len = (size_t)(dot - in.data);
	return parse_number(slice(in.data, len), base, first) &&
	       parse_number(slice(dot + 1, in.len - len - 1), 10, second);
}

bool trace_event_parse(struct slice text, struct trace_words *out)
{
	struct slice word;
	uint64_t milliseconds, counter;
	*out = (struct trace_words){.kind = TRACE_STEP};
	if (trace_word(text, "message=", &word)) {
		if (slice_has_prefix(text, slice_string("send ")))
			out->kind = TRACE_SEND;
		else if (slice_has_prefix(text, slice_string("receive ")))
			out->kind = TRACE_RECEIVE;
		if (!parse_pair(word, 16, &out->origin, &out->sent))
			return false;
	}
	if (trace_word(text, "lamport=", &word) && !parse_number(word, 10, &out->lamport))
		return false;
	if (trace_word(text, "hlc=", &word)) {
		if (!parse_pair(word, 10, &milliseconds, &counter) ||
		    milliseconds >= (uint64_t)1 << (64 - HLC_COUNTER_BITS) ||
		    counter >> HLC_COUNTER_BITS != 0)
			return false;
		out->hlc = milliseconds << HLC_COUNTER_BITS | counter;
	}
	return true;
}

bool trace_host_parse(struct slice line, struct slice *host)
{
	const uint8_t *blank = line.len == 0 ? NULL : memchr(line.data, ' ', line.len);
	if (blank == NULL || blank == line.data || line.len > TRACE_LINE_BYTES_MAX)
		return false;
	size_t len = (size_t)(blank - line.data);
	*host = slice(line.data, len);
	for (size_t i = 0; i < len; i++)
		if (host->data[i] < '!' || host->data[i] > '~' || host->data[i] == '"' ||
		    host->data[i] == '\\')
			return false;
	return line.len > len + 2 && blank[1] == '{' && line.data[line.len - 1] == '}';
}

bool trace_line_take(struct slice *text, struct slice *line)
{
	const uint8_t *end = text->len == 0 ? NULL : memchr(text->data, '\n', text->len);
	if (end == NULL)
		return false;
	*line = slice(text->data, (size_t)(end - text->data));
	*text = slice(end + 1, text->len - line->len - 1);
	return true;
}
