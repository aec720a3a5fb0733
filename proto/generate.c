/*
 * Generates the C of the messages: from each proto/NAME.proto
 *
 *   wire/NAME.gen.h   a plain struct for each message, an enum for each enum
 *   wire/NAME.gen.c   wire_X_decode() and wire_X_encode(), with what wire/pb.h offers
 *
 * so that a message is written once, in its .proto, and read and written in one way.
 *
 * Why generated code. protobuf-c's own unpacking trusts its input and allocates every submessage
 * and string; a reader that interprets descriptors at run time costs ten instructions a field where
 * a put has hundreds of fields. Code that stands there field by field costs what the same written
 * by hand costs, and needs no tables.
 *
 * What a message is made of comes from the descriptors that protoc-c makes out of the .proto; this
 * program is linked against them, and parses no protobuf. What descriptors can not say (limits,
 * what a text may be) stands in the comment that ends a line of the .proto, in brackets:
 *
 *	string leader = 2;       // [address] NOT_LEADER: …
 *	repeated KvOp then = 1;  // [limit TXN_OPS_MAX]
 *
 * Words of a field, separated by commas:
 *
 *   name, name N    a text of at most NAME_BYTES_MAX (N) printable ASCII characters
 *   address         HOST:PORT, or empty
 *   max N           a number above N is refused: STATUS_BAD_REQUEST
 *   limit N         a number above N, or more elements: STATUS_TOO_LARGE
 *   inline N        an array in the struct, of at most N elements (STATUS_TOO_LARGE); the others
 *                   are in the arena
 *   set             0, which is absent, is refused
 *   open            an enum of which a newer version may know more: a uint32_t
 *   status          a status code: an int, 0 or a STATUS_…
 *   as X            the field of the struct is X
 *   present         a submessage that may be absent and differs from an empty one: has_X tells
 *
 * Words of a message, in a comment behind its brace:
 *
 *   as X            the struct is wire_X (else the message's name in snake case)
 *   bare            of one number: in C it is that number, without a struct
 *   also T X        the struct has another field that no message carries
 *   head M          the fields that it shares with the message M, which must be all of M's, are a
 *                   struct of M's at the front of the struct: they have their own names there, and
 *                   `head` is all of them
 *   checked         wire_check_X() of wire/check.h has the last word on what was decoded
 *
 * And of a file, in a line of its own before anything else: `in HEADER`, the header for everybody,
 * which includes the generated one.
 *
 * Repeated elements without a limit of their own count together against MESSAGE_ELEMENTS_MAX. A
 * message that another one contains has no functions of its own. What is decoded in two walks: the
 * first reads what is in the struct and counts what will be in the arena, the second reads that; so
 * nothing is allocated for a message that breaks a limit, and a submessage that occurs twice is
 * merged.
 *
 * The other words of the comments, behind a field or in lines of their own before it, go with it
 * into the header. Everything else is an error of the .proto: it is said with its line, and nothing
 * is generated. tests/unit/wire holds what is generated against protobuf-c, which packs and unpacks
 * the same messages.
 *
 *	generate NAME.proto NAME.gen.h NAME.gen.c
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <protobuf-c/protobuf-c.h>

/* clang-format off */
#define DESCRIPTOR(symbol) extern const ProtobufCMessageDescriptor symbol;
#include "descriptors.inc"
#undef DESCRIPTOR
#define DESCRIPTOR(symbol) &symbol,
static const ProtobufCMessageDescriptor *const descriptors[] = {
#include "descriptors.inc"
};
/* clang-format on */

enum { BLOCKS = 100, LINES = 1000, TEXT = 400, WORD = 64 };

/* A line NAME = NUMBER of a message or enum, and what its comment says. */
struct line {
	char name[WORD];
	unsigned number, at;
	char c_name[WORD]; /* in the struct, if it is another one */
	char limit[WORD], inlined[WORD], max[WORD], text[WORD];
	bool address, set, open, status, present;
	char comment[TEXT], above[TEXT * 4]; /* behind it, and in lines of its own before it */
};
struct block {
	char name[WORD];   /* in the .proto */
	char c_name[WORD]; /* wire_… without wire_ */
	char also[WORD];
	char head[WORD];
	bool is_enum, bare, checked;
	bool contained, placed;
	ProtobufCFieldDescriptor
		*fields; /* those of protoc-c, with the names that they have in C */
	unsigned at;
	struct line *lines;
	unsigned count;
	char comment[TEXT * 4];
};

static const char *path;
static char header[WORD];
static struct block blocks[BLOCKS];
static unsigned nblocks;
static struct line all_lines[LINES];
static unsigned nlines;
static FILE *out;

__attribute__((format(printf, 2, 3), noreturn)) static void fail(unsigned at, const char *format,
								 ...)
{
	va_list arguments;

	fprintf(stderr, "%s:%u: ", path, at);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

__attribute__((format(printf, 1, 2))) static void put(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(out, format, arguments);
	va_end(arguments);
}

/* ---- What the .proto says besides the descriptors ---- */

static void copy(char *to, size_t size, const char *from, size_t len, unsigned at)
{
	while (len > 0 && isspace((unsigned char)from[len - 1]))
		len--;
	if (len >= size)
		fail(at, "too long: %.*s", (int)len, from);
	memcpy(to, from, len);
	to[len] = 0;
}

static char *skip_space(char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

/* KvOp: kv_op */
static void snake(char *to, const char *from)
{
	for (size_t i = 0; from[i] != 0; i++) {
		if (i > 0 && isupper((unsigned char)from[i]))
			*to++ = '_';
		*to++ = (char)tolower((unsigned char)from[i]);
	}
	*to = 0;
}

/* What follows `word ` in the directive; NULL if it is another word. "" if nothing follows. */
static const char *after(const char *directive, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(directive, word, len) != 0 || (directive[len] != ' ' && directive[len] != 0))
		return NULL;
	return directive[len] == 0 ? "" : directive + len + 1;
}

static bool take_argument(char *to, const char *directive, const char *word, unsigned at)
{
	const char *argument = after(directive, word);

	if (argument == NULL)
		return false;
	if (*argument == 0)
		fail(at, "[%s] of what?", word);
	copy(to, WORD, argument, strlen(argument), at);
	return true;
}

static void line_directive(struct line *l, const char *d)
{
	const char *argument = after(d, "name");

	if (argument != NULL)
		copy(l->text, WORD, *argument != 0 ? argument : "NAME_BYTES_MAX",
		     *argument != 0 ? strlen(argument) : strlen("NAME_BYTES_MAX"), l->at);
	else if (strcmp(d, "address") == 0)
		l->address = true;
	else if (strcmp(d, "set") == 0)
		l->set = true;
	else if (strcmp(d, "open") == 0)
		l->open = true;
	else if (strcmp(d, "status") == 0)
		l->status = true;
	else if (strcmp(d, "present") == 0)
		l->present = true;
	else if (!take_argument(l->max, d, "max", l->at) &&
		 !take_argument(l->limit, d, "limit", l->at) &&
		 !take_argument(l->inlined, d, "inline", l->at) &&
		 !take_argument(l->c_name, d, "as", l->at))
		fail(l->at, "a field knows no [%s] (proto/generate.c has the list)", d);
}

static void block_directive(struct block *b, const char *d)
{
	if (strcmp(d, "bare") == 0)
		b->bare = true;
	else if (strcmp(d, "checked") == 0)
		b->checked = true;
	else if (!take_argument(b->c_name, d, "as", b->at) &&
		 !take_argument(b->also, d, "also", b->at) &&
		 !take_argument(b->head, d, "head", b->at))
		fail(b->at, "a message knows no [%s] (proto/generate.c has the list)", d);
}

/* Takes the directives at the front of a comment; returns what follows them. */
static char *take_directives(char *comment, struct block *b, struct line *l, unsigned at)
{
	char *s = skip_space(comment);

	if (*s != '[')
		return s;
	char *end = strchr(s, ']');
	if (end == NULL)
		fail(at, "the bracket is not closed");
	*end = 0;
	for (char *rest = s + 1, *d; (d = strsep(&rest, ",")) != NULL;) {
		d = skip_space(d);
		if (l != NULL)
			line_directive(l, d);
		else if (b != NULL)
			block_directive(b, d);
		else if (!take_argument(header, d, "in", at))
			fail(at, "a file knows no [%s]", d);
	}
	return skip_space(end + 1);
}

/* NAME = NUMBER; at the end of a declaration. */
static void read_line(struct block *b, char *text, char *comment, unsigned at, const char *above)
{
	char *equals = strchr(text, '=');
	if (equals == NULL)
		fail(at, "one field a line, please: %s", text);
	if (nlines == LINES)
		fail(at, "too many fields");
	struct line *l = &all_lines[nlines++];
	l->at = at;
	char *end = equals;
	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	char *start = end;
	while (start > text && (isalnum((unsigned char)start[-1]) || start[-1] == '_'))
		start--;
	copy(l->name, WORD, start, (size_t)(end - start), at);
	l->number = (unsigned)strtoul(equals + 1, NULL, 10);
	memcpy(l->above, above, strlen(above) + 1);
	if (comment != NULL) {
		comment = take_directives(comment, NULL, l, at);
		copy(l->comment, TEXT, comment, strlen(comment), at);
	}
	if (b->count++ == 0)
		b->lines = l;
}

static struct block *begin_block(const char *kind, char *text, char *comment, unsigned at,
				 const char *above)
{
	char *brace = strchr(text, '{');
	if (brace == NULL || strchr(text, '}') != NULL)
		fail(at, "the brace of a %s ends its line, please", kind);
	if (nblocks == BLOCKS)
		fail(at, "too many messages");
	struct block *b = &blocks[nblocks++];
	b->at = at;
	text = skip_space(text + strlen(kind));
	copy(b->name, WORD, text, (size_t)(brace - text), at);
	snake(b->c_name, b->name);
	b->is_enum = strcmp(kind, "enum") == 0;
	if (comment != NULL)
		take_directives(comment, b, NULL, at);
	memcpy(b->comment, above, strlen(above) + 1);
	return b;
}

/* One more line of a comment. */
static void add_text(char *to, size_t size, const char *text, unsigned at)
{
	size_t len = strlen(to);

	if ((size_t)snprintf(to + len, size - len, " *%s\n", text) >= size - len)
		fail(at, "too long a comment");
}

static void read_proto(void)
{
	FILE *in = fopen(path, "r");
	static char text[4096], above[TEXT * 4];
	struct block *b = NULL;

	if (in == NULL)
		fail(0, "%s", strerror(errno));
	for (unsigned at = 1; fgets(text, sizeof text, in) != NULL; at++) {
		char *comment = strstr(text, "//"), *s = skip_space(text);
		if (comment != NULL) {
			*comment = 0;
			comment += 2;
			comment[strcspn(comment, "\n")] = 0;
		}
		if (*s == 0 && b == NULL) {
			/* The comment before a message; an empty line ends it. */
			if (comment == NULL)
				above[0] = 0;
			else if (header[0] == 0 && *skip_space(comment) == '[')
				take_directives(comment, NULL, NULL, at);
			else
				add_text(above, sizeof above, comment, at);
		} else if (*s == 0) {
			/* A comment of its own belongs to the field below it. */
			if (comment != NULL)
				add_text(above, sizeof above, comment, at);
		} else if (after(s, "message") != NULL || after(s, "enum") != NULL) {
			if (b != NULL)
				fail(at, "messages and enums stand beside each other, please");
			b = begin_block(after(s, "enum") != NULL ? "enum" : "message", s, comment,
					at, above);
			above[0] = 0;
		} else if (*s == '}') {
			b = NULL;
		} else if (b != NULL) {
			read_line(b, s, comment, at, above);
			above[0] = 0;
		}
	}
	fclose(in);
	if (header[0] == 0)
		fail(1, "a comment must say [in HEADER]");
}

/* ---- Both together ---- */

static struct block *find_block(const char *name)
{
	for (unsigned i = 0; i < nblocks; i++)
		if (strcmp(blocks[i].name, name) == 0)
			return &blocks[i];
	return NULL;
}

static const ProtobufCMessageDescriptor *find_descriptor(const struct block *b)
{
	for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++)
		if (strcmp(descriptors[i]->short_name, b->name) == 0)
			return descriptors[i];
	fail(b->at, "protoc-c knows no message %s", b->name);
}

static bool is_text(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_STRING;
}
static bool is_slice(const ProtobufCFieldDescriptor *f)
{
	return is_text(f) || f->type == PROTOBUF_C_TYPE_BYTES;
}
static bool is_message(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_MESSAGE;
}
static bool is_enum(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_ENUM;
}
static bool is_repeated(const ProtobufCFieldDescriptor *f)
{
	return f->label == PROTOBUF_C_LABEL_REPEATED;
}
/* Repeated fixed64: stays in the input as it stands there, so in C it is one slice. */
static bool is_raw(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_FIXED64;
}
static bool in_arena(const ProtobufCFieldDescriptor *f, const struct line *l)
{
	return is_repeated(f) && !is_raw(f) && l->inlined[0] == 0;
}

static struct block *type_of(const ProtobufCFieldDescriptor *f, unsigned at)
{
	const char *name =
		is_enum(f) ? ((const ProtobufCEnumDescriptor *)f->descriptor)->short_name
			   : ((const ProtobufCMessageDescriptor *)f->descriptor)->short_name;
	struct block *b = find_block(name);
	if (b == NULL)
		fail(at, "%s is of another file", name);
	return b;
}

/* Has the message, or one that it contains once, anything in the arena? */
static bool has_arrays(const struct block *b)
{
	for (unsigned i = 0; i < b->count; i++) {
		const ProtobufCFieldDescriptor *f = &b->fields[i];
		if (in_arena(f, &b->lines[i]) ||
		    (is_message(f) && !is_repeated(f) && has_arrays(type_of(f, b->at))))
			return true;
	}
	return false;
}

static void check_line(const ProtobufCFieldDescriptor *f, const struct line *l)
{
	bool number = f->type == PROTOBUF_C_TYPE_UINT32 || f->type == PROTOBUF_C_TYPE_UINT64;
	bool packable = number && is_repeated(f);
	bool single = !is_repeated(f);

	if (strcmp(f->name, l->name) != 0 || f->id != l->number)
		fail(l->at, "protoc-c has %s = %u here", f->name, f->id);
	if (!(number || is_slice(f) || is_message(f) ||
	      (single && (is_enum(f) || f->type == PROTOBUF_C_TYPE_BOOL ||
			  f->type == PROTOBUF_C_TYPE_SINT64)) ||
	      (is_raw(f) && !single)))
		fail(l->at, "no code is generated for a field of this type yet");
	if (packable && (f->flags & PROTOBUF_C_FIELD_FLAG_PACKED) == 0)
		fail(l->at, "repeated numbers are packed: [packed = true]");
	if (((l->text[0] != 0 || l->address) && !is_text(f)) || (l->text[0] != 0 && l->address) ||
	    (l->max[0] != 0 && !(number && single)) ||
	    (l->limit[0] != 0 && !(number && single) && !in_arena(f, l)) ||
	    (l->inlined[0] != 0 && (single || is_raw(f))) ||
	    (l->set && !(single && (number || (is_enum(f) && !l->open)))) ||
	    (l->open && !is_enum(f)) ||
	    (l->status && !(single && f->type == PROTOBUF_C_TYPE_UINT32)) ||
	    (l->present && !(single && is_message(f))))
		fail(l->at, "a word in the brackets does not fit the field's type");
}

static void check_enum(const ProtobufCFieldDescriptor *f, const struct line *l)
{
	const ProtobufCEnumDescriptor *e = f->descriptor;

	for (unsigned i = 0; i < e->n_values; i++)
		if (e->values[i].value != (int)i)
			fail(l->at, "the values of %s are not 0, 1, 2, …", e->short_name);
}

static void check_block(struct block *b)
{
	const ProtobufCMessageDescriptor *d = find_descriptor(b);

	if (b->count != d->n_fields)
		fail(b->at, "protoc-c has %u fields, not %u", d->n_fields, b->count);
	b->fields = calloc(d->n_fields + 1, sizeof *b->fields);
	if (b->fields == NULL)
		fail(b->at, "out of memory");
	memcpy(b->fields, d->fields, d->n_fields * sizeof *b->fields);
	if (b->bare && b->count != 1)
		fail(b->at, "[bare] is for one field");
	for (unsigned i = 0; i < b->count; i++) {
		ProtobufCFieldDescriptor *f = &b->fields[i];
		check_line(f, &b->lines[i]);
		if (b->lines[i].c_name[0] != 0)
			f->name = b->lines[i].c_name;
		if (b->bare && (is_slice(f) || is_message(f) || is_repeated(f)))
			fail(b->at, "[bare] is for a number");
		if (is_enum(f))
			check_enum(f, &b->lines[i]);
		if (is_message(f))
			type_of(f, b->lines[i].at)->contained = true;
	}
}

static const struct block *head_of(const struct block *b)
{
	return b->head[0] == 0 ? NULL : find_block(b->head);
}

/* The line of that number; NULL: it has none. */
static const struct line *find_line(const struct block *b, unsigned number)
{
	for (unsigned i = 0; i < b->count; i++)
		if (b->lines[i].number == number)
			return &b->lines[i];
	return NULL;
}

static void check_head(const struct block *b)
{
	const struct block *head = head_of(b);

	if (b->head[0] == 0)
		return;
	if (head == NULL || head->is_enum || head->bare || head->head[0] != 0 || has_arrays(head))
		fail(b->at, "[head %s]: not a message of single fields in this file", b->head);
	for (unsigned i = 0; i < head->count; i++) {
		const struct line *l = find_line(b, head->lines[i].number);
		const ProtobufCFieldDescriptor *f = l == NULL ? NULL : &b->fields[l - b->lines];
		if (f == NULL || strcmp(f->name, head->fields[i].name) != 0 ||
		    f->type != head->fields[i].type || is_message(f) || is_repeated(f))
			fail(b->at, "[head %s]: %s = %u is not here, or is another field", b->head,
			     head->lines[i].name, head->lines[i].number);
	}
}

static void check_blocks(void)
{
	for (unsigned i = 0; i < nblocks; i++)
		if (!blocks[i].is_enum)
			check_block(&blocks[i]);
	for (unsigned i = 0; i < nblocks; i++) {
		const struct block *b = &blocks[i];
		if (!b->is_enum)
			check_head(b);
		if (b->contained && (b->bare || (b->checked && has_arrays(b))))
			fail(b->at, "another message contains this one: not [bare], and [checked] "
				    "only without arrays in the arena");
		for (unsigned k = 0; k < b->count && !b->is_enum; k++) {
			const ProtobufCFieldDescriptor *f = &b->fields[k];
			if (is_message(f) && is_repeated(f) &&
			    has_arrays(type_of(f, b->lines[k].at)))
				fail(b->lines[k].at, "an element may have no array in the arena: "
						     "give it [inline N]");
		}
	}
}

/* ---- The header ---- */

/* Lines that stand before what they are about. */
static void put_above(const char *comment)
{
	if (*comment != 0)
		put("/*\n%s */\n", comment);
}

/* What stands behind it, and the end of the line. */
static void put_comment(const char *comment)
{
	if (*comment != 0)
		put(" /* %s */", comment);
	put("\n");
}

static void put_enum(const struct block *b)
{
	put_above(b->comment);
	put("enum wire_%s {\n", b->c_name);
	for (unsigned i = 0; i < b->count; i++) {
		put_above(b->lines[i].above);
		put("\tWIRE_%s = %u,", b->lines[i].name, b->lines[i].number);
		put_comment(b->lines[i].comment);
	}
	put("};\n\n");
}

static void put_type(const ProtobufCFieldDescriptor *f, const struct line *l)
{
	if (is_slice(f) || is_raw(f))
		put("struct slice ");
	else if (is_message(f))
		put("struct wire_%s ", type_of(f, l->at)->c_name);
	else if (is_enum(f) && !l->open)
		put("enum wire_%s ", type_of(f, l->at)->c_name);
	else if (f->type == PROTOBUF_C_TYPE_BOOL)
		put("bool ");
	else if (f->type == PROTOBUF_C_TYPE_SINT64)
		put("int64_t ");
	else if (l->status)
		put("int ");
	else
		put("uint%u_t ", f->type == PROTOBUF_C_TYPE_UINT64 ? 64u : 32u);
}

static void put_member(const ProtobufCFieldDescriptor *f, const struct line *l)
{
	put_above(l->above);
	if (is_repeated(f) && !is_raw(f))
		put("\tuint32_t n%s;\n", f->name);
	if (l->present)
		put("\tbool has_%s;\n", f->name);
	put("\t");
	put_type(f, l);
	if (in_arena(f, l))
		put("*");
	put("%s", f->name);
	if (l->inlined[0] != 0)
		put("[%s]", l->inlined);
	put(";");
	put_comment(l->comment);
}

static void put_also(const struct block *b)
{
	if (b->also[0] != 0)
		put("\t%s; /* not in the message */\n", b->also);
}

/* Two structs that begin alike: each name of one is another name of the other's. */
static void put_head(const struct block *head)
{
	put("\tunion {\n\tstruct wire_%s head;\n\tstruct {\n", head->c_name);
	for (unsigned i = 0; i < head->count; i++) {
		put("\t");
		put_type(&head->fields[i], &head->lines[i]);
		put("%s;\n", head->fields[i].name);
	}
	put_also(head);
	put("\t};\n\t};\n");
}

/* The struct, after those of the messages that it contains. */
static void put_struct(struct block *b)
{
	const struct block *head = head_of(b);

	if (b->placed)
		return;
	b->placed = true;
	if (head != NULL)
		put_struct(find_block(b->head));
	for (unsigned i = 0; i < b->count; i++)
		if (is_message(&b->fields[i]))
			put_struct(type_of(&b->fields[i], b->at));
	if (b->bare)
		return;
	put_above(b->comment);
	put("struct wire_%s {\n", b->c_name);
	if (head != NULL)
		put_head(head);
	for (unsigned i = 0; i < b->count; i++)
		if (head == NULL || find_line(head, b->lines[i].number) == NULL)
			put_member(&b->fields[i], &b->lines[i]);
	put_also(b);
	put("};\n\n");
}

static void put_numbers(const struct block *b)
{
	put("enum {");
	for (unsigned i = 0; i < b->count; i++) {
		put(" WIRE_");
		for (const char *s = b->c_name; *s != 0; s++)
			put("%c", toupper((unsigned char)*s));
		put("_FIELD_");
		for (const char *s = b->lines[i].name; *s != 0; s++)
			put("%c", toupper((unsigned char)*s));
		put(" = %u,", b->lines[i].number);
	}
	put(" };\n");
}

/* The parameters of a bare message are of its number's type. */
static void put_decode_head(const struct block *b)
{
	put("int wire_%s_decode(struct slice in, struct arena *arena, ", b->c_name);
	if (b->bare)
		put_type(&b->fields[0], &b->lines[0]);
	else
		put("struct wire_%s ", b->c_name);
	put("*out)");
}

static void put_encode_head(const struct block *b)
{
	put("void wire_%s_encode(", b->c_name);
	if (b->bare) {
		put_type(&b->fields[0], &b->lines[0]);
		put("in");
	} else {
		put("const struct wire_%s *in", b->c_name);
	}
	put(", struct buffer *out)");
}

static void put_guard(const char *name)
{
	for (const char *s = name; *s != 0; s++)
		put("%c", isalnum((unsigned char)*s) ? toupper((unsigned char)*s) : '_');
}

static void generate_header(const char *name)
{
	put("/* Generated from %s by proto/generate.c; conventions: wire/wire.h. */\n#ifndef ",
	    name);
	put_guard(name);
	put("_GEN_H\n#define ");
	put_guard(name);
	put("_GEN_H\n\n#include <stdbool.h>\n#include <stdint.h>\n\n#include \"base/arena.h\"\n"
	    "#include \"base/bytes.h\"\n#include \"base/limits.h\"\n"
	    "#include \"base/status.h\"\n\n");
	for (unsigned i = 0; i < nblocks; i++)
		if (blocks[i].is_enum)
			put_enum(&blocks[i]);
	for (unsigned i = 0; i < nblocks; i++) {
		struct block *b = &blocks[i];
		if (b->is_enum)
			continue;
		put_struct(b);
		if (b->contained)
			continue;
		put_decode_head(b);
		put(" MUST_CHECK;\n");
		put_encode_head(b);
		put(";\n\n");
	}
	put("/* The numbers of the fields, for who looks into a message without decoding it. */\n");
	for (unsigned i = 0; i < nblocks; i++)
		if (!blocks[i].is_enum)
			put_numbers(&blocks[i]);
	put("\n#endif\n");
}

/* ---- Reading ---- */

/* Where the field is: out->name, or *out. */
static const char *place(const struct block *b, const ProtobufCFieldDescriptor *f)
{
	static char text[WORD * 2];

	snprintf(text, sizeof text, b->bare ? "*out" : "out->%s", f->name);
	return text;
}

/* What one occurrence of the field does in the first walk. */
static void put_read_single(const struct block *b, const ProtobufCFieldDescriptor *f,
			    const struct line *l)
{
	const char *at = place(b, f);

	if (is_message(f)) {
		struct block *t = type_of(f, l->at);
		put("if (pb_expect(&r, PB_BYTES)) pb_fail(&r, read_%s(r.bytes, &%s));", t->c_name,
		    at);
		if (l->present)
			put(" out->has_%s = true;", f->name);
	} else if (is_enum(f) && !l->open) {
		const ProtobufCEnumDescriptor *e = f->descriptor;
		put("if (pb_get_enum(&r, WIRE_%s)) %s = (enum wire_%s)r.value;",
		    e->values[e->n_values - 1].name, at, type_of(f, l->at)->c_name);
	} else {
		const char *getter = "u32";
		if (is_slice(f) || is_raw(f))
			getter = "bytes";
		else if (f->type == PROTOBUF_C_TYPE_BOOL)
			getter = "bool";
		else if (f->type == PROTOBUF_C_TYPE_SINT64)
			getter = "s64";
		else if (f->type == PROTOBUF_C_TYPE_UINT64)
			getter = "u64";
		else if (l->status)
			getter = "status";
		put("pb_get_%s(&r, &%s);", getter, at);
	}
}

static void put_check_text(const struct line *l, const char *at)
{
	if (l->address)
		put("pb_fail(&r, text_check_address(%s));", at);
	else if (l->text[0] != 0)
		put("pb_fail(&r, text_check_name(%s, %s));", at, l->text);
	else
		put("pb_fail(&r, text_check(%s));", at);
}

/* One more element of an array in the struct, or, in the second walk, in the arena. */
static void put_read_element(const ProtobufCFieldDescriptor *f, const struct line *l)
{
	if (is_message(f))
		put("pb_fail(&r, read_%s(r.bytes, &out->%s[out->n%s++]));",
		    type_of(f, l->at)->c_name, f->name, f->name);
	else
		put("out->%s[out->n%s++] = r.bytes;", f->name, f->name);
	if (is_text(f)) {
		char at[WORD * 3];
		put(" ");
		snprintf(at, sizeof at, "out->%s[out->n%s - 1]", f->name, f->name);
		put_check_text(l, at);
	}
}

static unsigned bits(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_UINT64 ? 64 : 32;
}

static void put_read_inline(const ProtobufCFieldDescriptor *f, const struct line *l)
{
	if (!is_slice(f) && !is_message(f)) {
		put("{ uint32_t count = out->n%s; pb_count_numbers(&r, &count, %s); "
		    "pb_more_u%us(&r, out->%s, &out->n%s); }",
		    f->name, l->inlined, bits(f), f->name, f->name);
		return;
	}
	/* It is counted by the element itself. */
	put("if (pb_room(&r, out->n%s, %s)) { ", f->name, l->inlined);
	put_read_element(f, l);
	put(" }");
}

/* The limit of an array in the arena: its own, or what the others of the message leave. */
static void put_limit(const struct block *b, const ProtobufCFieldDescriptor *f,
		      const struct line *l)
{
	if (l->limit[0] != 0) {
		put("%s", l->limit);
		return;
	}
	put("MESSAGE_ELEMENTS_MAX");
	for (unsigned i = 0; i < b->count; i++) {
		const ProtobufCFieldDescriptor *other = &b->fields[i];
		if (other != f && in_arena(other, &b->lines[i]) && b->lines[i].limit[0] == 0)
			put(" - out->n%s", other->name);
	}
}

static bool second_walk(const ProtobufCFieldDescriptor *f, const struct line *l)
{
	return in_arena(f, l) ||
	       (is_message(f) && !is_repeated(f) && has_arrays(type_of(f, l->at)));
}

static void put_case(const struct block *b, const ProtobufCFieldDescriptor *f, const struct line *l)
{
	put("\t\tcase %u: ", f->id);
	if (second_walk(f, l) && !b->contained)
		put("pb_begin_rest(rest, &r, field); ");
	if (in_arena(f, l)) {
		put(is_slice(f) || is_message(f) ? "pb_count(" : "pb_count_numbers(");
		put("&r, &out->n%s, ", f->name);
		put_limit(b, f, l);
		put(");");
	} else if (is_repeated(f) && !is_raw(f)) {
		put_read_inline(f, l);
	} else {
		put_read_single(b, f, l);
	}
	put(" break;\n");
}

/* What must hold at the end of a message. */
static void put_checks(const struct block *b)
{
	for (unsigned i = 0; i < b->count; i++) {
		const ProtobufCFieldDescriptor *f = &b->fields[i];
		const struct line *l = &b->lines[i];
		const char *at = place(b, f);
		if (is_repeated(f) && !is_raw(f))
			continue;
		if (l->set)
			put("\tif (%s == 0) pb_fail(&r, STATUS_BAD_REQUEST);\n", at);
		if (l->max[0] != 0)
			put("\tif (%s > %s) pb_fail(&r, STATUS_BAD_REQUEST);\n", at, l->max);
		if (l->limit[0] != 0)
			put("\tif (%s > %s) pb_fail(&r, STATUS_TOO_LARGE);\n", at, l->limit);
		if (is_raw(f))
			put("\tif (%s.len %% 8 != 0) pb_fail(&r, STATUS_BAD_REQUEST);\n", at);
		if (is_text(f)) {
			put("\t");
			put_check_text(l, at);
			put("\n");
		}
	}
}

/* `return r.status`, and what a check written by hand says. */
static void put_return(const struct block *b, bool whole)
{
	if (b->checked && whole)
		put("\treturn r.status != 0 ? r.status : wire_check_%s(out);\n}\n", b->c_name);
	else
		put("\treturn r.status;\n}\n");
}

/* What the first walk leaves to the second in a message that is not contained. */
static bool leaves_rest(const struct block *b)
{
	return has_arrays(b) && !b->contained;
}

static void put_read(const struct block *b)
{
	put("\nstatic int read_%s(struct slice in, ", b->c_name);
	if (b->bare)
		put_type(&b->fields[0], &b->lines[0]);
	else
		put("struct wire_%s ", b->c_name);
	put("*out%s)\n{\n\tstruct pb_reader r = pb_reader(in);\n\n",
	    leaves_rest(b) ? ", struct slice *rest" : "");
	put(leaves_rest(b) ? "\tfor (const uint8_t *field = r.at; pb_next(&r); field = r.at)\n"
			   : "\twhile (pb_next(&r))\n");
	put("\t\tswitch (r.number) {\n");
	for (unsigned i = 0; i < b->count; i++)
		put_case(b, &b->fields[i], &b->lines[i]);
	put("\t\tdefault: break;\n\t\t}\n");
	put_checks(b);
	put_return(b, !has_arrays(b));
}

/* Allocates what the first walk has counted. */
static void put_allocate(const struct block *b)
{
	put("\nstatic bool allocate_%s(struct pb_reader *r, struct arena *arena, "
	    "struct wire_%s *out)\n{\n\treturn ",
	    b->c_name, b->c_name);
	const char *and = "";
	for (unsigned i = 0; i < b->count; i++) {
		const ProtobufCFieldDescriptor *f = &b->fields[i];
		if (in_arena(f, &b->lines[i]))
			put("%spb_array(r, arena, &out->n%s, sizeof *out->%s, &out->%s)", and,
			    f->name, f->name, f->name);
		else if (second_walk(f, &b->lines[i]))
			put("%sallocate_%s(r, arena, &out->%s)", and, type_of(f, b->at)->c_name,
			    f->name);
		else
			continue;
		and = " &&\n\t       ";
	}
	put(";\n}\n");
}

static void put_fill_cases(const struct block *b)
{
	put("\twhile (pb_next(&r))\n\t\tswitch (r.number) {\n");
	for (unsigned i = 0; i < b->count; i++) {
		const ProtobufCFieldDescriptor *f = &b->fields[i];
		const struct line *l = &b->lines[i];
		if (!second_walk(f, l))
			continue;
		put("\t\tcase %u: ", f->id);
		if (!in_arena(f, l))
			put("pb_fail(&r, fill_%s(r.bytes, &out->%s));", type_of(f, l->at)->c_name,
			    f->name);
		else if (is_slice(f) || is_message(f))
			put_read_element(f, l);
		else
			put("pb_more_u%us(&r, out->%s, &out->n%s);", bits(f), f->name, f->name);
		put(" break;\n");
	}
	put("\t\tdefault: break;\n\t\t}\n");
}

static void put_fill(const struct block *b)
{
	put("\nstatic int fill_%s(struct slice in, struct wire_%s *out)\n{\n"
	    "\tstruct pb_reader r = pb_reader(in);\n\n",
	    b->c_name, b->c_name);
	put_fill_cases(b);
	put("\treturn r.status;\n}\n");
}

static void put_decode(const struct block *b)
{
	put("\n");
	put_decode_head(b);
	put("\n{\n");
	if (b->bare)
		put("\t*out = 0;\n");
	else
		put("\t*out = (struct wire_%s){0};\n", b->c_name);
	if (!has_arrays(b)) {
		put("\t(void)arena;\n\treturn read_%s(in, out);\n}\n", b->c_name);
		return;
	}
	put("\tstruct slice rest = {0};\n\tint status = read_%s(in, out, &rest);\n"
	    "\tif (status != 0%s)\n\t\treturn status;\n\n"
	    "\tstruct pb_reader r = pb_reader(rest);\n"
	    "\tif (!allocate_%s(&r, arena, out))\n\t\treturn r.status;\n",
	    b->c_name, b->checked ? "" : " || rest.len == 0", b->c_name);
	put_fill_cases(b);
	put_return(b, true);
}

/* ---- Writing ---- */

static void put_write_repeated(const ProtobufCFieldDescriptor *f, const struct line *l)
{
	if (l->inlined[0] != 0)
		put("\tASSERT(in->n%s <= %s);\n", f->name, l->inlined);
	if (!is_slice(f) && !is_message(f)) {
		put("\tpb_put_u%us(out, %u, in->%s, in->n%s);\n", bits(f), f->id, f->name, f->name);
		return;
	}
	put("\tfor (uint32_t i = 0; i < in->n%s; i++)\n", f->name);
	if (is_message(f))
		put("\t\tput_%s(out, %u, &in->%s[i]);\n", type_of(f, l->at)->c_name, f->id,
		    f->name);
	else
		put("\t\tpb_put_element(out, %u, in->%s[i]);\n", f->id, f->name);
}

static void put_write_message(const ProtobufCFieldDescriptor *f, const struct line *l)
{
	const char *type = type_of(f, l->at)->c_name;

	if (l->present) {
		put("\tif (in->has_%s)\n\t\tput_%s(out, %u, &in->%s);\n", f->name, type, f->id,
		    f->name);
		return;
	}
	put("\t{\n\t\tsize_t start = out->len;\n\t\tput_%s(out, %u, &in->%s);\n"
	    "\t\tpb_drop_empty(out, start, %u);\n\t}\n",
	    type, f->id, f->name, f->id);
}

static void put_write(const struct block *b, const ProtobufCFieldDescriptor *f,
		      const struct line *l)
{
	const char *in = b->bare ? "" : "in->";
	const char *name = b->bare ? "in" : f->name;

	if (is_repeated(f) && !is_raw(f))
		put_write_repeated(f, l);
	else if (is_message(f))
		put_write_message(f, l);
	else if (is_slice(f) || is_raw(f))
		put("\tpb_put_bytes(out, %u, in->%s);\n", f->id, f->name);
	else if (l->status)
		put("\tpb_put_u64(out, %u, status_to_wire(%s%s));\n", f->id, in, name);
	else
		put("\tpb_put_%s64(out, %u, %s%s);\n",
		    f->type == PROTOBUF_C_TYPE_SINT64 ? "s" : "u", f->id, in, name);
}

/* At least so many bytes: what need not be moved when the length is known. */
static void put_length_min(const struct block *b)
{
	const char *plus = "";

	for (unsigned i = 0; i < b->count; i++) {
		const ProtobufCFieldDescriptor *f = &b->fields[i];
		if (is_repeated(f) && (is_slice(f) || is_message(f) || is_raw(f)))
			continue;
		if (is_repeated(f))
			put("%sin->n%s", plus, f->name);
		else if (is_slice(f))
			put("%sin->%s.len", plus, f->name);
		else
			continue;
		plus = " + ";
	}
	if (*plus == 0)
		put("0");
}

static void put_writer(const struct block *b)
{
	put("\n");
	if (b->contained) {
		put("static void put_%s(struct buffer *out, uint32_t number, "
		    "const struct wire_%s *in)\n{\n"
		    "\tstruct pb_mark mark = pb_begin(out, number, ",
		    b->c_name, b->c_name);
		put_length_min(b);
		put(");\n");
	} else {
		put_encode_head(b);
		put("\n{\n");
	}
	for (unsigned i = 0; i < b->count; i++)
		put_write(b, &b->fields[i], &b->lines[i]);
	put("%s}\n", b->contained ? "\tpb_end(out, mark);\n" : "");
}

/* The functions of a message, after those of the messages that it contains. */
static void put_functions(struct block *b)
{
	if (b->placed)
		return;
	b->placed = true;
	for (unsigned i = 0; i < b->count; i++)
		if (is_message(&b->fields[i]))
			put_functions(type_of(&b->fields[i], b->at));
	put_read(b);
	if (has_arrays(b)) {
		put_allocate(b);
		if (b->contained)
			put_fill(b);
	}
	if (!b->contained)
		put_decode(b);
	put_writer(b);
}

static void generate_code(const char *name)
{
	put("/* Generated from %s by proto/generate.c. */\n#include \"%s\"\n"
	    "#include \"wire/check.h\"\n#include \"wire/pb.h\"\n",
	    name, header);
	for (unsigned i = 0; i < nblocks; i++)
		blocks[i].placed = blocks[i].is_enum;
	for (unsigned i = 0; i < nblocks; i++)
		put_functions(&blocks[i]);
}

static void begin_output(const char *name)
{
	out = fopen(name, "w");
	if (out == NULL) {
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
		exit(1);
	}
}

static void end_output(const char *name)
{
	if (fflush(out) != 0 || ferror(out) != 0 || fclose(out) != 0) {
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
		exit(1);
	}
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: generate NAME.proto NAME.gen.h NAME.gen.c\n");
		return 64;
	}
	path = argv[1];
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	read_proto();
	check_blocks();
	begin_output(argv[2]);
	generate_header(name);
	end_output(argv[2]);
	begin_output(argv[3]);
	generate_code(name);
	end_output(argv[3]);
	return 0;
}
