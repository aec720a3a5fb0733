/* Lines of a script or a shell, divided into words. */
#include <stdlib.h>

#include "base/alloc.h"
#include "kvctl.h"

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* What stands behind a backslash within double quotes. */
static const char *take_escape(struct buffer *out, struct slice text, size_t *i)
{
	static const char from[] = "ntr0\\\"", to[] = "\n\t\r\0\\\"";
	if (*i >= text.len)
		return "a backslash stands at the end";
	uint8_t c = text.data[(*i)++];
	if (c == 'x') {
		int high = *i < text.len ? hex_digit(text.data[*i]) : -1;
		int low = *i + 1 < text.len ? hex_digit(text.data[*i + 1]) : -1;
		if (high < 0 || low < 0)
			return "\\x needs two hexadecimal digits";
		*i += 2;
		buffer_add_u8(out, (uint8_t)(high * 16 + low));
		return NULL;
	}
	for (size_t k = 0; k < sizeof from - 1; k++) {
		if ((uint8_t)from[k] == c) {
			buffer_add_u8(out, (uint8_t)to[k]);
			return NULL;
		}
	}
	return "unknown escape in quotes: known are \\n \\t \\r \\0 \\\\ \\\" \\xHH";
}

/* text.data[*i] is a quote: takes what stands up to its end. */
static const char *take_quoted(struct buffer *out, struct slice text, size_t *i)
{
	uint8_t quote = text.data[(*i)++];
	while (*i < text.len && text.data[*i] != quote) {
		uint8_t c = text.data[(*i)++];
		if (c == '\\' && quote == '"') {
			const char *wrong = take_escape(out, text, i);
			if (wrong != NULL)
				return wrong;
		} else {
			buffer_add_u8(out, c);
		}
	}
	if (*i == text.len)
		return "a quote is not closed";
	(*i)++;
	return NULL;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const char *take_word(struct buffer *out, struct slice line, size_t *i)
{
	while (*i < line.len && !is_blank(line.data[*i])) {
		uint8_t c = line.data[*i];
		if (c == '"' || c == '\'') {
			const char *wrong = take_quoted(out, line, i);
			if (wrong != NULL)
				return wrong;
			continue;
		}
		if (c == '\\' && *i + 1 < line.len)
			c = line.data[++*i];
		buffer_add_u8(out, c);
		(*i)++;
	}
	return NULL;
}

const char *kvctl_words_parse(struct kvctl_words *out, struct slice line)
{
	struct buffer storage = {0};
	size_t *lengths = alloc_zeroed(line.len + 1, sizeof *lengths), count = 0;
	const char *wrong = NULL;
	for (size_t i = 0; wrong == NULL;) {
		while (i < line.len && is_blank(line.data[i]))
			i++;
		if (i == line.len)
			break;
		size_t before = storage.len;
		wrong = take_word(&storage, line, &i);
		lengths[count++] = storage.len - before;
		buffer_add_u8(&storage, 0);
	}
	if (wrong == NULL) {
		out->count = count;
		out->storage = (char *)storage.data;
		out->words = alloc_zeroed(count + 1, sizeof *out->words);
		char *word = out->storage;
		for (size_t i = 0; i < count; i++) {
			out->words[i] = (struct synod_bytes){.data = word, .len = lengths[i]};
			word += lengths[i] + 1;
		}
	} else {
		buffer_free(&storage);
	}
	free(lengths);
	return wrong;
}

void kvctl_words_free(struct kvctl_words *words)
{
	free(words->words);
	free(words->storage);
}

const char *kvctl_unquote(struct buffer *out, struct slice text)
{
	if (text.len == 0 || (text.data[0] != '"' && text.data[0] != '\'')) {
		buffer_add_slice(out, text);
		return NULL;
	}
	size_t i = 0;
	const char *wrong = take_quoted(out, text, &i);
	if (wrong == NULL && i != text.len)
		wrong = "something stands behind the closing quote";
	return wrong;
}
