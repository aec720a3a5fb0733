/* Lines that fit a terminal: tables, wrapped text, and every help text; and "did you mean". */
#include <stdio.h>
#include <stdlib.h>

#include "../../../cmd/kvctl/kvctl.h"
#include "../support/check_main.h"

static void expect_wrapped(const char *text, size_t columns, size_t indent, const char *wanted)
{
	struct buffer out = {0};
	kvctl_wrap(&out, text, columns, indent);
	buffer_add_u8(&out, 0);
	ck_assert_str_eq((const char *)out.data, wanted);
	buffer_free(&out);
}

/*
 * Text is wrapped at blanks and indented; its newlines stay, a long word stands alone, and
 * characters count, not bytes.
 */
START_TEST(text_is_broken_at_blanks)
{
	expect_wrapped("one two three", 0, 2, "one two three");
	expect_wrapped("one two three", 80, 2, "one two three");
	expect_wrapped("one two three", 7, 2, "one two\n  three");
	expect_wrapped("one two three", 8, 1, "one two\n three");
	/* Newlines stay, and a word that is too long stands alone. */
	expect_wrapped("one two\nthree four", 9, 0, "one two\nthree\nfour");
	expect_wrapped("a extraordinarily b", 6, 2, "a\n  extraordinarily\n  b");
	/* Characters count, not bytes. */
	expect_wrapped("äöü äöü", 7, 2, "äöü äöü");
	expect_wrapped("äöü äöü", 6, 2, "äöü\n  äöü");
}
END_TEST

/* The width of the widest line. */
static size_t widest(struct slice text)
{
	size_t widest_line = 0, width = 0;
	for (size_t i = 0; i < text.len; i++) {
		width = text.data[i] == '\n' ? 0 : width + ((text.data[i] & 0xc0) != 0x80);
		if (width > widest_line)
			widest_line = width;
	}
	return widest_line;
}

static void expect_table(const struct kvctl_table *table, size_t columns, const char *wanted,
			 const char *missing_wanted)
{
	struct buffer out = {0}, missing = {0};
	kvctl_table_format(table, columns, &out, &missing);
	buffer_add_u8(&out, 0);
	buffer_add_u8(&missing, 0);
	ck_assert_str_eq((const char *)out.data, wanted);
	ck_assert_str_eq((const char *)missing.data, missing_wanted);
	buffer_free(&out);
	buffer_free(&missing);
}

/*
 * On a narrow screen the least important columns go first, and are named; then cells get several
 * lines.
 */
START_TEST(tables_become_narrower)
{
	static const char *const titles[] = {"NAME", "SIZE", "LIST", "LAST"};
	struct kvctl_table table;
	kvctl_table_init(&table, 4, titles);
	table.right[1] = true;
	table.rank[1] = 1;
	table.rank[3] = 2;
	kvctl_table_row(&table);
	kvctl_table_cell(&table, 0, "a");
	kvctl_table_cell(&table, 1, "10");
	kvctl_table_cell(&table, 2, "one,two,three,four");
	kvctl_table_cell(&table, 3, "x");
	expect_table(&table, 0,
		     "NAME  SIZE  LIST                LAST\na       10  one,two,three,four  x\n",
		     "");
	expect_table(&table, 36,
		     "NAME  SIZE  LIST                LAST\na       10  one,two,three,four  x\n",
		     "");
	/* The least important column goes first, then a cell gets several lines. */
	expect_table(&table, 35, "NAME  SIZE  LIST\na       10  one,two,three,four\n", "LAST");
	expect_table(&table, 29, "NAME  LIST\na     one,two,three,four\n", "LAST, SIZE");
	expect_table(&table, 18, "NAME  LIST\na     one,two,\n      three,four\n", "LAST, SIZE");
	for (size_t columns = 16; columns < 40; columns++) {
		struct buffer out = {0}, missing = {0};
		kvctl_table_format(&table, columns, &out, &missing);
		ck_assert_uint_le(widest(buffer_slice(&out)), columns);
		buffer_free(&out);
		buffer_free(&missing);
	}
	kvctl_table_free(&table);
}
END_TEST

/*
 * Every help text fits 80 columns: the usage line, the summary in the overview, and what follows.
 */
START_TEST(every_help_text_fits_80_columns)
{
	for (size_t i = 0; i < kvctl_ncommands; i++) {
		const struct kvctl_command *command = &kvctl_commands[i];
		struct buffer usage = {0};
		kvctl_usage_line(command, 0, &usage);
		ck_assert_msg(widest(buffer_slice(&usage)) <= 80, "%s: %.*s", command->name,
			      (int)usage.len, (const char *)usage.data);
		ck_assert_msg(widest(slice_string(command->summary)) + 14 <= 80, "%s",
			      command->summary);
		ck_assert_msg(widest(slice_string(command->help)) <= 80, "%s: %s", command->name,
			      command->help);
		ck_assert(command->help[strlen(command->help) - 1] == '\n');
		buffer_free(&usage);
	}
}
END_TEST

static void expect_suggestion(const char *word, const char *wanted)
{
	char out[64], text[80] = "";
	if (wanted != NULL)
		snprintf(text, sizeof text, ", did you mean \"%s\"?", wanted);
	ck_assert_str_eq(kvctl_suggest_command(word, out, sizeof out), text);
}

/*
 * A mistyped command, or another program's word for it, gets a suggestion; nonsense gets none.
 */
START_TEST(a_mistyped_command_gets_a_suggestion)
{
	expect_suggestion("satus", "status");
	expect_suggestion("sattus", "status");
	expect_suggestion("stat", "status");
	expect_suggestion("gte", "get");
	expect_suggestion("apend", "append");
	expect_suggestion("rebalnce", "rebalance");
	expect_suggestion("set", "put");
	expect_suggestion("delete", "del");
	expect_suggestion("ls", "get --prefix");
	expect_suggestion("bogus", NULL);
	expect_suggestion("xyzzy", NULL);
	expect_suggestion("", NULL);
	expect_suggestion("a-word-that-is-much-too-long-to-be-mistyped", NULL);
}
END_TEST
