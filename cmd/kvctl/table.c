/* Aligned columns, and lines that fit a terminal. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kvctl.h"

#define COLUMNS_DEFAULT 80u
#define COLUMNS_MIN 40u     /* nothing is made narrower */
#define CELL_COLUMNS_MIN 8u /* nor a cell */
#define GAP 2u              /* between columns */

/* ---- terminals ---- */

size_t kvctl_columns(int fd)
{
	struct winsize size = {0};
	uint64_t columns = 0;
	if (isatty(fd) != 1)
		return 0;
	const char *wanted = getenv("COLUMNS");
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		columns = size.ws_col;
	else if (wanted == NULL || !kvctl_parse_u64(wanted, &columns) || columns == 0)
		columns = COLUMNS_DEFAULT;
	return columns < COLUMNS_MIN ? COLUMNS_MIN : (size_t)columns;
}

/* Width in characters: continuation bytes of UTF-8 do not count. */
static size_t width_of(const char *text, size_t len)
{
	size_t width = 0;
	for (size_t i = 0; i < len; i++)
		width += ((uint8_t)text[i] & 0xc0) != 0x80;
	return width;
}

static void add_blanks(struct buffer *out, size_t count)
{
	while (count-- > 0)
		buffer_add_u8(out, ' ');
}

void kvctl_wrap(struct buffer *out, const char *text, size_t columns, size_t indent)
{
	size_t used = 0;
	bool fresh = true; /* the line holds no word yet */
	while (*text != '\0') {
		size_t blanks = strspn(text, " "), len = strcspn(text + blanks, " \n");
		size_t width = width_of(text + blanks, len);
		if (columns > 0 && !fresh && len > 0 && used + blanks + width > columns) {
			buffer_add_u8(out, '\n');
			add_blanks(out, indent);
			used = indent;
			blanks = 0;
			text += strspn(text, " ");
		}
		buffer_add(out, text, blanks + len);
		used += blanks + width;
		fresh = false;
		text += blanks + len;
		if (*text == '\n') {
			buffer_add_u8(out, '\n');
			used = 0;
			fresh = true;
			text++;
		}
	}
}

/* ---- tables ---- */

void kvctl_table_init(struct kvctl_table *table, size_t ncolumns, const char *const *titles)
{
	*table = (struct kvctl_table){.ncolumns = ncolumns};
	ASSERT(ncolumns <= KVCTL_TABLE_COLUMNS_MAX);
	kvctl_table_row(table);
	for (size_t i = 0; i < ncolumns; i++)
		kvctl_table_cell(table, i, "%s", titles[i]);
}

void kvctl_table_row(struct kvctl_table *table)
{
	table->nrows++;
	table->cells = alloc_resize(table->cells, table->nrows * table->ncolumns,
				    sizeof *table->cells);
	for (size_t i = 0; i < table->ncolumns; i++)
		table->cells[(table->nrows - 1) * table->ncolumns + i] = NULL;
}

void kvctl_table_cell(struct kvctl_table *table, size_t column, const char *format, ...)
{
	char **cell = &table->cells[(table->nrows - 1) * table->ncolumns + column];
	va_list arguments;
	va_start(arguments, format);
	free(*cell);
	if (vasprintf(cell, format, arguments) < 0)
		*cell = NULL;
	va_end(arguments);
}

static const char *cell_at(const struct kvctl_table *table, size_t row, size_t column)
{
	const char *cell = table->cells[row * table->ncolumns + column];
	return cell != NULL ? cell : "";
}

/* How wide each column is; 0: left out. */
struct layout {
	size_t widths[KVCTL_TABLE_COLUMNS_MAX];
	size_t count;
};

static size_t total(const struct layout *layout)
{
	size_t sum = 0;
	for (size_t i = 0; i < layout->count; i++)
		sum += layout->widths[i] > 0 ? layout->widths[i] + (sum > 0 ? GAP : 0) : 0;
	return sum;
}

static struct layout natural(const struct kvctl_table *table)
{
	struct layout layout = {.count = table->ncolumns};
	for (size_t i = 0; i < table->ncolumns; i++) {
		layout.widths[i] = 1;
		for (size_t row = 0; row < table->nrows; row++) {
			const char *cell = cell_at(table, row, i);
			size_t width = width_of(cell, strlen(cell));
			if (width > layout.widths[i])
				layout.widths[i] = width;
		}
	}
	return layout;
}

/* Leaves out the column that matters least; false: all that are left stay. */
static bool leave_out(const struct kvctl_table *table, struct layout *layout,
		      struct buffer *missing)
{
	size_t worst = SIZE_MAX;
	for (size_t i = 0; i < layout->count; i++)
		if (layout->widths[i] > 0 && table->rank[i] > 0 &&
		    (worst == SIZE_MAX || table->rank[i] > table->rank[worst]))
			worst = i;
	if (worst == SIZE_MAX)
		return false;
	layout->widths[worst] = 0;
	buffer_format(missing, "%s%s", missing->len > 0 ? ", " : "", cell_at(table, 0, worst));
	return true;
}

/* Makes the widest column narrower by at most `excess`; false: none can be. */
static bool narrow(const struct kvctl_table *table, struct layout *layout, size_t excess)
{
	size_t widest = SIZE_MAX, second = CELL_COLUMNS_MIN;
	for (size_t i = 0; i < layout->count; i++) {
		if (table->right[i] || layout->widths[i] <= CELL_COLUMNS_MIN)
			continue;
		if (widest == SIZE_MAX || layout->widths[i] > layout->widths[widest]) {
			second = widest == SIZE_MAX ? second : layout->widths[widest];
			widest = i;
		} else if (layout->widths[i] > second) {
			second = layout->widths[i];
		}
	}
	if (widest == SIZE_MAX)
		return false;
	/* Down to the next one, so that two wide ones share what there is. */
	size_t least = second < layout->widths[widest] ? second : layout->widths[widest] - 1;
	size_t wanted = layout->widths[widest] > excess ? layout->widths[widest] - excess : 0;
	layout->widths[widest] = wanted > least ? wanted : least;
	return true;
}

/* How many bytes of a cell stand in its next line: up to a comma or a blank if there is one. */
static size_t piece(const char *text, size_t width)
{
	size_t len = 0, seen = 0, good = 0;
	while (text[len] != '\0') {
		if (((uint8_t)text[len] & 0xc0) != 0x80 && ++seen > width)
			break;
		len++;
		if (text[len - 1] == ',' || text[len - 1] == ' ')
			good = len;
	}
	return text[len] == '\0' || good == 0 ? len : good;
}

static void format_row(const struct kvctl_table *table, size_t row, const struct layout *layout,
		       struct buffer *out)
{
	const char *rest[KVCTL_TABLE_COLUMNS_MAX];
	bool more = true;
	for (size_t i = 0; i < table->ncolumns; i++)
		rest[i] = cell_at(table, row, i);
	while (more) {
		size_t blanks = 0; /* not written yet, so that none stand at the end of a line */
		more = false;
		for (size_t i = 0; i < table->ncolumns; i++) {
			if (layout->widths[i] == 0)
				continue;
			size_t len = piece(rest[i], layout->widths[i]);
			size_t padding = layout->widths[i] - width_of(rest[i], len);
			if (table->right[i])
				blanks += padding;
			if (len > 0) {
				add_blanks(out, blanks);
				buffer_add(out, rest[i], len);
				blanks = 0;
			}
			blanks += GAP + (table->right[i] ? 0 : padding);
			rest[i] += len;
			more |= rest[i][0] != '\0';
		}
		buffer_add_u8(out, '\n');
	}
}

void kvctl_table_format(const struct kvctl_table *table, size_t columns, struct buffer *out,
			struct buffer *missing)
{
	struct layout layout = natural(table);
	while (columns > 0 && total(&layout) > columns)
		if (!leave_out(table, &layout, missing))
			break;
	while (columns > 0 && total(&layout) > columns)
		if (!narrow(table, &layout, total(&layout) - columns))
			break;
	for (size_t row = 0; row < table->nrows; row++)
		format_row(table, row, &layout, out);
}

void kvctl_table_print(const struct kvctl_table *table)
{
	struct buffer out = {0}, missing = {0};
	kvctl_table_format(table, kvctl_columns(STDOUT_FILENO), &out, &missing);
	fwrite(out.data, 1, out.len, stdout);
	if (missing.len > 0)
		kvctl_note("(no room for %.*s; -o json has all)", (int)missing.len,
			   (const char *)missing.data);
	buffer_free(&out);
	buffer_free(&missing);
}

void kvctl_table_free(struct kvctl_table *table)
{
	for (size_t i = 0; i < table->nrows * table->ncolumns; i++)
		free(table->cells[i]);
	free(table->cells);
}
