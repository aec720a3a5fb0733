/*
 * http_parse: HTTP/1.x requests out of a stream of bytes, by the letter of RFC 9112. Touches
 * nothing but memory.
 *
 * Why there is one. Whoever stands in front of this server (a proxy, a load balancer) must see the
 * same requests as it does, or a stranger's bytes become the next user's request. libevent's evhttp
 * takes what RFC 9112 says must be refused: "+5" as a Content-Length, and the first of two that
 * differ; a space before the colon, which makes "Transfer-Encoding :" a header that it does not
 * know; folded lines, lines that end with LF alone, values with NUL; no Host, or another one than
 * the target's. A filter in front of it would have to find the end of every request, which is all
 * that a parser does; and two parsers that disagree are the very fault. Of the parsers in Debian
 * 12, http-parser is no longer maintained and as lenient, and llhttp is not packaged. So sockets
 * and buffers remain libevent's, and the grammar is here, where a table and a fuzzer can test it.
 *
 * What is refused, with the code of the answer; the connection ends with it, since nobody knows
 * where the next request would begin:
 *   400 a line that does not end with CRLF; CR, NUL or another control character in a line; no
 *        name, or a space before the colon; a line that begins with a space; a request line that is
 *        not METHOD SP TARGET SP VERSION; a target that is neither a path, nor http://HOST/PATH
 *        with the same host as in Host, nor "*" with OPTIONS; a fragment, a malformed %XX; Host
 *        missing (1.1), twice, or no host; Content-Length twice or not only digits;
 *        Transfer-Encoding twice, other than "chunked", in HTTP/1.0, or beside a Content-Length;
 *        chunk sizes that are not 1 to 16 hexadecimal digits, malformed extensions, chunks without
 *        their CRLF, fields of framing among the trailers
 *   413  a body that is longer than may be
 *   414  a request line, 431 fields, longer than HTTP_HEAD_BYTES_MAX, or too many
 *   417  an expectation other than 100-continue
 *   501  a method or a coding that is well-formed and unknown
 *   505  another version than 1.x (1.2 to 1.9 are read as 1.1, RFC 9110 2.5)
 *
 * Empty lines before a request are skipped, a few of them. Unknown fields are kept, unknown
 * extensions of chunks and trailers dropped. The body of any method is read, so that what follows
 * it is the next request.
 */
#ifndef SYNOD_GATE_HTTP_PARSE_H
#define SYNOD_GATE_HTTP_PARSE_H

#include <stdbool.h>

#include "base/bytes.h"

/* Request line and fields: a key of the default limit, with every byte as %XX, and the rest. */
#define HTTP_HEAD_BYTES_MAX 16384u
#define HTTP_FIELDS_MAX 100u

enum http_method {
	HTTP_GET = 1,
	HTTP_HEAD = 2,
	HTTP_POST = 4,
	HTTP_PUT = 8,
	HTTP_DELETE = 16,
	HTTP_OPTIONS = 32,
	HTTP_PATCH = 64,
};

enum http_parsed {
	HTTP_MORE, /* all input was taken, and the request is not complete */
	/* the same, and the client waits for "100 Continue" before it goes on; said once */
	HTTP_EXPECTS,
	HTTP_DONE,    /* what is left of the input belongs to the next request */
	HTTP_REFUSED, /* `code` and `why`; the parser takes nothing more */
};

enum http_parse_state {
	HTTP_PARSE_LINE,
	HTTP_PARSE_FIELDS,
	HTTP_PARSE_BODY,
	HTTP_PARSE_CHUNK_SIZE,
	HTTP_PARSE_CHUNK_DATA,
	HTTP_PARSE_CHUNK_END,
	HTTP_PARSE_TRAILERS,
	HTTP_PARSE_DONE,
	HTTP_PARSE_REFUSED,
};

struct http_field {
	uint16_t name, name_len, value, value_len; /* within `head` */
};

/* Zeroed, with body_bytes_max, it waits for a request. */
struct http_parser {
	size_t body_bytes_max;

	/* Of the request, when it is complete; valid until http_parser_next() or _free(). */
	enum http_method method;
	unsigned minor; /* of the version: 0 or 1 */
	bool keep_alive;
	/* as sent, with %XX; ends with a zero byte, and holds no other; "*" for OPTIONS */
	struct buffer path;
	struct buffer query; /* the same, without '?'; empty: there is none */
	struct buffer body;
	struct buffer head;
	uint32_t nfields;
	struct http_field fields[HTTP_FIELDS_MAX];

	/* Of a refused one. */
	int code;
	const char *why; /* a constant sentence */

	/* private */
	enum http_parse_state state;
	size_t line;          /* where the unfinished line of the head begins */
	struct buffer small;  /* an unfinished line within a chunked body */
	size_t dropped;       /* bytes of extensions and trailers of this request */
	uint64_t left;        /* of the body, or of the chunk */
	unsigned empty_lines; /* before the request */
	/* the target named a host: the field that follows the line in `head` must say the same */
	bool authority;
	struct http_field host;
	bool expects, chunked;
};

/* Takes bytes from the front of *in. */
enum http_parsed http_parser_feed(struct http_parser *parser, struct slice *in);
/* Refuses a request for a reason that the parser does not know. */
void http_parser_refuse(struct http_parser *parser, int code, const char *why);
/* False: not a byte of a request is there. */
bool http_parser_begun(const struct http_parser *parser);
/* After HTTP_DONE: waits for the next request. */
void http_parser_next(struct http_parser *parser);
void http_parser_free(struct http_parser *parser);
/* The first field of that name (in any case); false: none. */
bool http_parser_field(const struct http_parser *parser, const char *name, struct slice *value);

#endif
