/* HTTP/1.1, as strictly as the header says. */
#include "gate/http_parse.h"

#include <strings.h>

#define EMPTY_LINES_MAX 4u
#define METHOD_BYTES_MAX 32u
#define CHUNK_LINE_BYTES_MAX 1024u
#define DROPPED_BYTES_MAX 8192u /* extensions and trailers of one request */
#define SIZE_DIGITS_MAX 16u
#define BODY_KEPT_BYTES 65536u /* a larger buffer is given back after its request */

static bool refuse(struct http_parser *p, int code, const char *why)
{
	p->state = HTTP_PARSE_REFUSED;
	p->code = code;
	p->why = why;
	return false;
}

/* ---- characters ---- */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_alphanumeric(uint8_t c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static int hex_value(uint8_t c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 9110 5.6.2 */
static bool is_token_char(uint8_t c)
{
	return is_alphanumeric(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_token_char(s.data[i]))
			return false;
	return s.len > 0;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* What a line may hold at all: RFC 9110 5.5. */
static bool is_text(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((s.data[i] < 0x20 && s.data[i] != '\t') || s.data[i] == 0x7f)
			return false;
	return true;
}

static struct slice trim(struct slice s)
{
	while (s.len > 0 && is_blank(s.data[0]))
		s = slice(s.data + 1, s.len - 1);
	while (s.len > 0 && is_blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

static bool is_word(struct slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp((const char *)s.data, word, s.len) == 0;
}

/* Takes everything before `separator`, and the separator; false: it is not there. */
static bool take_before(struct slice *s, char separator, struct slice *out)
{
	const uint8_t *found = s->len == 0 ? NULL : memchr(s->data, separator, s->len);
	if (found == NULL)
		return false;
	*out = slice(s->data, (size_t)(found - s->data));
	*s = slice(found + 1, s->len - out->len - 1);
	return true;
}

/* ---- lines ---- */

/*
 * Moves what belongs to the present line from `in` behind buffer->data + begin. True: it is
 * complete, and *line is it without its CRLF. False: more is needed, or it was refused (with `code`
 * if it is too long).
 */
static bool take_line(struct http_parser *p, struct slice *in, struct buffer *buffer, size_t begin,
		      size_t max, int code, const char *too_long, struct slice *line)
{
	const uint8_t *end = in->len == 0 ? NULL : memchr(in->data, '\n', in->len);
	size_t len = end == NULL ? in->len : (size_t)(end - in->data) + 1;
	if (buffer->len + len > max)
		return refuse(p, code, too_long);
	buffer_add(buffer, in->data, len);
	*in = slice(in->data + len, in->len - len);
	if (end == NULL)
		return false;
	*line = slice(buffer->data + begin, buffer->len - begin - 1);
	if (line->len == 0 || line->data[line->len - 1] != '\r')
		return refuse(p, 400, "a line ends with LF alone: lines must end with CRLF");
	line->len--;
	if (!is_text(*line))
		return refuse(p, 400,
			      "a control character (such as NUL, or CR without LF) in a line");
	return true;
}

/* ---- the request line ---- */

static bool set_version(struct http_parser *p, struct slice version)
{
	if (version.len != 8 || memcmp(version.data, "HTTP/", 5) != 0 ||
	    !is_digit(version.data[5]) || version.data[6] != '.' || !is_digit(version.data[7]))
		return refuse(p, 400,
			      "a malformed version: the line must be METHOD, TARGET and HTTP/1.1, "
			      "each after one space");
	if (version.data[5] != '1')
		return refuse(p, 505, "another version than HTTP/1.1 or HTTP/1.0");
	p->minor = version.data[7] == '0' ? 0 : 1;
	return true;
}

static bool set_method(struct http_parser *p, struct slice name)
{
	static const struct {
		const char *name;
		enum http_method method;
	} methods[] = {{"GET", HTTP_GET},    {"HEAD", HTTP_HEAD},     {"POST", HTTP_POST},
		       {"PUT", HTTP_PUT},    {"DELETE", HTTP_DELETE}, {"OPTIONS", HTTP_OPTIONS},
		       {"PATCH", HTTP_PATCH}};
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		if (!slice_equal(name, slice_string(methods[i].name)))
			continue;
		p->method = methods[i].method;
		return true;
	}
	return refuse(p, 501, "an unknown method");
}

/*
 * A host and perhaps a port: RFC 3986 3.2.2, without user names, and without commas, which look
 * like two hosts.
 */
static bool is_host(struct slice s)
{
	size_t i = 0;
	if (s.len > 0 && s.data[0] == '[') {
		for (i = 1; i < s.len && s.data[i] != ']'; i++)
			if (!is_alphanumeric(s.data[i]) && strchr(":.", s.data[i]) == NULL)
				return false;
		if (i < 3 || i == s.len)
			return false;
		i++;
	} else {
		for (; i < s.len && s.data[i] != ':'; i++)
			if (!is_alphanumeric(s.data[i]) &&
			    strchr("-._~!$&'()*+;=%", s.data[i]) == NULL)
				return false;
		if (i == 0)
			return false;
	}
	if (i == s.len)
		return true;
	if (s.data[i++] != ':' || s.len - i > 5)
		return false;
	unsigned port = 0;
	for (; i < s.len; i++) {
		if (!is_digit(s.data[i]))
			return false;
		port = port * 10 + (s.data[i] - '0');
	}
	return port <= 65535;
}

static bool check_target(struct http_parser *p, struct slice target)
{
	for (size_t i = 0; i < target.len; i++) {
		uint8_t c = target.data[i];
		if (c == '\t')
			return refuse(p, 400, "a tab in the request line");
		if (c == '#')
			return refuse(p, 400,
				      "a fragment in the target: '#' in a key is written %23");
		if (c == '%' && (target.len - i < 3 || hex_value(target.data[i + 1]) < 0 ||
				 hex_value(target.data[i + 2]) < 0))
			return refuse(p, 400, "malformed %XX in the target");
	}
	return true;
}

static struct http_field field_at(const struct http_parser *p, struct slice name,
				  struct slice value)
{
	return (struct http_field){
		.name = (uint16_t)(name.data - p->head.data),
		.name_len = (uint16_t)name.len,
		.value = (uint16_t)(value.data - p->head.data),
		.value_len = (uint16_t)value.len,
	};
}

static void set_text(struct buffer *out, struct slice text)
{
	buffer_clear(out);
	buffer_add_slice(out, text);
	buffer_add_u8(out, 0);
}

/* RFC 9112 3.2 */
static bool set_target(struct http_parser *p, struct slice target)
{
	static const char scheme[] = "http://";
	const size_t scheme_len = sizeof scheme - 1;
	struct slice path = target;
	if (!check_target(p, target))
		return false;
	if (target.len > scheme_len && is_word(slice(target.data, scheme_len), scheme)) {
		size_t end = scheme_len;
		while (end < target.len && target.data[end] != '/' && target.data[end] != '?')
			end++;
		struct slice host = slice(target.data + scheme_len, end - scheme_len);
		if (!is_host(host))
			return refuse(p, 400, "no host in the target");
		p->authority = true;
		p->host = field_at(p, target, host);
		path = slice(target.data + end, target.len - end);
	} else if (!(target.len == 1 && target.data[0] == '*' && p->method == HTTP_OPTIONS) &&
		   (target.len == 0 || target.data[0] != '/')) {
		return refuse(p, 400, "the target is no path: it must begin with '/'");
	}
	struct slice before;
	buffer_clear(&p->query);
	if (take_before(&path, '?', &before)) {
		set_text(&p->query, path);
		path = before;
	}
	set_text(&p->path, path.len > 0 ? path : slice_string("/"));
	return true;
}

static bool take_request_line(struct http_parser *p, struct slice line)
{
	struct slice method, target;
	if (!take_before(&line, ' ', &method) || !is_token(method) || method.len > METHOD_BYTES_MAX)
		return refuse(p, 400,
			      "malformed: a request begins with METHOD, a space and the target");
	if (!take_before(&line, ' ', &target))
		return refuse(p, 400, "no version behind the target: HTTP/1.1 is expected");
	p->state = HTTP_PARSE_FIELDS;
	p->line = p->head.len;
	return set_version(p, line) && set_method(p, method) && set_target(p, target);
}

/* ---- fields ---- */

/*
 * RFC 9112 5.1: a space before the colon, a missing name and folded lines have been ways to smuggle
 * a request.
 */
static bool split_field(struct http_parser *p, struct slice line, struct slice *name,
			struct slice *value)
{
	if (is_blank(line.data[0]))
		return refuse(p, 400, "a folded header: a line begins with a space");
	*value = line;
	if (!take_before(value, ':', name))
		return refuse(p, 400, "a header without a colon");
	if (!is_token(*name))
		return refuse(p, 400,
			      "the name of a header is empty, or holds a space or another "
			      "character that may not be");
	*value = trim(*value);
	return true;
}

static bool take_field(struct http_parser *p, struct slice line)
{
	struct slice name, value;
	if (!split_field(p, line, &name, &value))
		return false;
	if (p->nfields == HTTP_FIELDS_MAX)
		return refuse(p, 431, "too many headers");
	p->fields[p->nfields++] = field_at(p, name, value);
	p->line = p->head.len;
	return true;
}

static struct slice value_of(const struct http_parser *p, const struct http_field *field)
{
	return slice(p->head.data + field->value, field->value_len);
}

/* How many fields have the name, and the last one's value. */
static unsigned count_fields(const struct http_parser *p, const char *name, struct slice *value)
{
	unsigned count = 0;
	for (uint32_t i = 0; i < p->nfields; i++) {
		if (!is_word(slice(p->head.data + p->fields[i].name, p->fields[i].name_len), name))
			continue;
		*value = value_of(p, &p->fields[i]);
		count++;
	}
	return count;
}

bool http_parser_field(const struct http_parser *p, const char *name, struct slice *value)
{
	for (uint32_t i = 0; i < p->nfields; i++) {
		if (!is_word(slice(p->head.data + p->fields[i].name, p->fields[i].name_len), name))
			continue;
		*value = value_of(p, &p->fields[i]);
		return true;
	}
	return false;
}

static bool check_host(struct http_parser *p)
{
	struct slice host = {0};
	unsigned count = count_fields(p, "Host", &host);
	if (count > 1)
		return refuse(p, 400, "more than one Host");
	if (count == 0)
		return p->minor == 0 || refuse(p, 400, "no Host, which HTTP/1.1 demands");
	if (!is_host(host))
		return refuse(p, 400, "Host is no host");
	struct slice authority = value_of(p, &p->host);
	if (p->authority &&
	    (authority.len != host.len ||
	     strncasecmp((const char *)authority.data, (const char *)host.data, host.len) != 0))
		return refuse(p, 400, "the target names another host than Host");
	return true;
}

static bool set_length(struct http_parser *p, struct slice digits)
{
	uint64_t length = 0;
	if (digits.len == 0)
		return refuse(p, 400, "Content-Length is empty");
	for (size_t i = 0; i < digits.len; i++)
		if (!is_digit(digits.data[i]))
			return refuse(p, 400, "Content-Length is no number of digits alone");
	for (size_t i = 0; i < digits.len; i++) {
		length = length * 10 + (uint64_t)(digits.data[i] - '0');
		if (length > p->body_bytes_max)
			return refuse(p, 413, "the body is too large");
	}
	p->left = length;
	return true;
}

/*
 * A coding that exists, and that this server does not speak, in front of "chunked" (RFC 9112 6.1);
 * else a mistake.
 */
static bool refuse_coding(struct http_parser *p, struct slice value)
{
	static const char *const known[] = {"gzip", "x-gzip", "deflate", "compress", "x-compress"};
	struct slice first;
	if (take_before(&value, ',', &first) && is_word(trim(value), "chunked"))
		for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
			if (is_word(trim(first), known[i]))
				return refuse(
					p, 501,
					"a Transfer-Encoding that is not served: only chunked is");
	return refuse(p, 400, "Transfer-Encoding is not 'chunked'");
}

/* RFC 9112 6.3 */
static bool set_framing(struct http_parser *p)
{
	struct slice length = {0}, coding = {0};
	unsigned lengths = count_fields(p, "Content-Length", &length);
	unsigned codings = count_fields(p, "Transfer-Encoding", &coding);
	if (lengths > 0 && codings > 0)
		return refuse(p, 400, "both Content-Length and Transfer-Encoding");
	if (lengths > 1)
		return refuse(p, 400, "more than one Content-Length");
	if (codings > 1)
		return refuse(p, 400, "more than one Transfer-Encoding");
	if (codings > 0 && p->minor == 0)
		return refuse(p, 400, "Transfer-Encoding in HTTP/1.0");
	p->left = 0;
	p->chunked = codings > 0;
	if (lengths > 0)
		return set_length(p, length);
	return codings == 0 || is_word(coding, "chunked") || refuse_coding(p, coding);
}

static void set_connection(struct http_parser *p)
{
	bool closes = false, stays = false;
	for (uint32_t i = 0; i < p->nfields; i++) {
		if (!is_word(slice(p->head.data + p->fields[i].name, p->fields[i].name_len),
			     "Connection"))
			continue;
		struct slice rest = value_of(p, &p->fields[i]), option;
		for (bool more = true; more;) {
			more = take_before(&rest, ',', &option);
			if (!more)
				option = rest;
			closes = closes || is_word(trim(option), "close");
			stays = stays || is_word(trim(option), "keep-alive");
		}
	}
	p->keep_alive = !closes && (p->minor > 0 || stays);
}

static bool set_expectation(struct http_parser *p)
{
	struct slice value;
	p->expects = false;
	if (p->minor == 0)
		return true;
	unsigned count = count_fields(p, "Expect", &value);
	if (count > 1 || (count == 1 && !is_word(value, "100-continue")))
		return refuse(p, 417, "an expectation other than 100-continue");
	p->expects = count == 1;
	return true;
}

static bool end_head(struct http_parser *p)
{
	if (!check_host(p) || !set_framing(p) || !set_expectation(p))
		return false;
	set_connection(p);
	if (p->chunked)
		p->state = HTTP_PARSE_CHUNK_SIZE;
	else
		p->state = p->left > 0 ? HTTP_PARSE_BODY : HTTP_PARSE_DONE;
	return true;
}

/* ---- chunks ---- */

static void skip_blanks(struct slice *s)
{
	while (s->len > 0 && is_blank(s->data[0]))
		*s = slice(s->data + 1, s->len - 1);
}

static bool skip_token(struct slice *s)
{
	size_t len = 0;
	while (len < s->len && is_token_char(s->data[len]))
		len++;
	*s = slice(s->data + len, s->len - len);
	return len > 0;
}

static bool skip_quoted(struct slice *s)
{
	for (size_t i = 1; i < s->len; i++) {
		if (s->data[i] == '\\') {
			i++;
		} else if (s->data[i] == '"') {
			*s = slice(s->data + i + 1, s->len - i - 1);
			return true;
		}
	}
	return false;
}

/* RFC 9112 7.1.1: *( BWS ";" BWS name [ BWS "=" BWS value ] ) */
static bool are_extensions(struct slice s)
{
	while (s.len > 0) {
		skip_blanks(&s);
		if (s.len == 0 || s.data[0] != ';')
			return false;
		s = slice(s.data + 1, s.len - 1);
		skip_blanks(&s);
		if (!skip_token(&s))
			return false;
		struct slice after = s;
		skip_blanks(&after);
		if (after.len == 0 || after.data[0] != '=')
			continue;
		s = slice(after.data + 1, after.len - 1);
		skip_blanks(&s);
		if (s.len > 0 && s.data[0] == '"' ? !skip_quoted(&s) : !skip_token(&s))
			return false;
	}
	return true;
}

static bool drop(struct http_parser *p, size_t bytes, const char *why)
{
	p->dropped += bytes;
	return p->dropped <= DROPPED_BYTES_MAX || refuse(p, 400, why);
}

static bool take_chunk_size(struct http_parser *p, struct slice line)
{
	size_t digits = 0;
	uint64_t size = 0;
	while (digits < line.len && hex_value(line.data[digits]) >= 0 && digits <= SIZE_DIGITS_MAX)
		size = size << 4 | (uint64_t)hex_value(line.data[digits++]);
	if (digits == 0 || digits > SIZE_DIGITS_MAX)
		return refuse(p, 400, "the size of a chunk is no hexadecimal number");
	struct slice extensions = slice(line.data + digits, line.len - digits);
	if (!are_extensions(extensions))
		return refuse(p, 400,
			      "something else than an extension behind the size of a chunk");
	if (!drop(p, extensions.len, "too many extensions of chunks"))
		return false;
	if (size > p->body_bytes_max - p->body.len)
		return refuse(p, 413, "the body is too large");
	p->left = size;
	p->state = size > 0 ? HTTP_PARSE_CHUNK_DATA : HTTP_PARSE_TRAILERS;
	return true;
}

static bool take_trailer(struct http_parser *p, struct slice line)
{
	static const char *const framing[] = {"Content-Length", "Transfer-Encoding", "Host",
					      "Connection", "Expect"};
	struct slice name, value;
	if (line.len == 0) {
		p->state = HTTP_PARSE_DONE;
		return true;
	}
	if (!split_field(p, line, &name, &value))
		return false;
	for (size_t i = 0; i < sizeof framing / sizeof framing[0]; i++)
		if (is_word(name, framing[i]))
			return refuse(p, 400, "a trailer that may only stand before the body");
	return drop(p, line.len, "too many trailers");
}

static void take_body(struct http_parser *p, struct slice *in, enum http_parse_state after)
{
	size_t len = p->left < in->len ? (size_t)p->left : in->len;
	buffer_add(&p->body, in->data, len);
	*in = slice(in->data + len, in->len - len);
	p->left -= len;
	if (p->left == 0)
		p->state = after;
}

/* ---- the whole ---- */

/* A line of a chunked body, which is forgotten when it has been looked at. */
static bool step_small(struct http_parser *p, struct slice *in)
{
	struct slice line;
	size_t max = p->state == HTTP_PARSE_CHUNK_END ? 2 : CHUNK_LINE_BYTES_MAX;
	const char *too_long = p->state == HTTP_PARSE_CHUNK_END
				       ? "a chunk is longer than its size says"
				       : "a line of a chunked body is too long";
	if (!take_line(p, in, &p->small, 0, max, 400, too_long, &line))
		return false;
	bool good = true;
	if (p->state == HTTP_PARSE_CHUNK_SIZE)
		good = take_chunk_size(p, line);
	else if (p->state == HTTP_PARSE_TRAILERS)
		good = take_trailer(p, line);
	else if (line.len > 0)
		good = refuse(p, 400, "a chunk is longer than its size says");
	else
		p->state = HTTP_PARSE_CHUNK_SIZE;
	buffer_clear(&p->small);
	return good;
}

static bool step_request_line(struct http_parser *p, struct slice *in)
{
	struct slice line;
	if (p->head.len == 0 && in->data[0] != '\r' && !is_token_char(in->data[0]))
		return refuse(p, 400, "this is not HTTP");
	if (!take_line(p, in, &p->head, 0, HTTP_HEAD_BYTES_MAX, 414, "the request line is too long",
		       &line))
		return false;
	if (line.len > 0)
		return take_request_line(p, line);
	if (++p->empty_lines > EMPTY_LINES_MAX)
		return refuse(p, 400, "empty lines instead of a request");
	buffer_clear(&p->head);
	return true;
}

static bool step_field(struct http_parser *p, struct slice *in)
{
	struct slice line;
	if (!take_line(p, in, &p->head, p->line, HTTP_HEAD_BYTES_MAX, 431,
		       "the headers are too long", &line))
		return false;
	return line.len > 0 ? take_field(p, line) : end_head(p);
}

/* False: it needs more input, or was refused. */
static bool step(struct http_parser *p, struct slice *in)
{
	switch (p->state) {
	case HTTP_PARSE_LINE: return step_request_line(p, in);
	case HTTP_PARSE_FIELDS: return step_field(p, in);
	case HTTP_PARSE_BODY: take_body(p, in, HTTP_PARSE_DONE); return true;
	case HTTP_PARSE_CHUNK_DATA: take_body(p, in, HTTP_PARSE_CHUNK_END); return true;
	case HTTP_PARSE_CHUNK_SIZE:
	case HTTP_PARSE_CHUNK_END:
	case HTTP_PARSE_TRAILERS: return step_small(p, in);
	case HTTP_PARSE_DONE:
	case HTTP_PARSE_REFUSED: break;
	}
	return false;
}

enum http_parsed http_parser_feed(struct http_parser *p, struct slice *in)
{
	while (in->len > 0 && step(p, in)) {}
	if (p->state == HTTP_PARSE_REFUSED)
		return HTTP_REFUSED;
	if (p->state == HTTP_PARSE_DONE)
		return HTTP_DONE;
	/* RFC 9110 10.1.1: not if the body has begun to come without it. */
	bool waits = (p->state == HTTP_PARSE_BODY || p->state == HTTP_PARSE_CHUNK_SIZE) &&
		     p->body.len == 0 && p->small.len == 0 && p->expects;
	if (p->state > HTTP_PARSE_FIELDS)
		p->expects = false;
	return waits ? HTTP_EXPECTS : HTTP_MORE;
}

void http_parser_refuse(struct http_parser *p, int code, const char *why)
{
	refuse(p, code, why);
}

bool http_parser_begun(const struct http_parser *p)
{
	return p->state != HTTP_PARSE_LINE || p->head.len > 0;
}

static void clear_body(struct buffer *body)
{
	buffer_clear(body);
	if (body->capacity > BODY_KEPT_BYTES)
		buffer_free(body);
}

void http_parser_next(struct http_parser *p)
{
	ASSERT(p->state == HTTP_PARSE_DONE);
	buffer_clear(&p->head);
	buffer_clear(&p->path);
	buffer_clear(&p->query);
	clear_body(&p->body);
	p->state = HTTP_PARSE_LINE;
	p->nfields = 0;
	p->line = p->dropped = 0;
	p->left = p->empty_lines = 0;
	p->authority = p->expects = p->chunked = false;
}

void http_parser_free(struct http_parser *p)
{
	buffer_free(&p->head);
	buffer_free(&p->path);
	buffer_free(&p->query);
	buffer_free(&p->body);
	buffer_free(&p->small);
}
