/* A violation on a terminal. */
#include "check/show.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"

#define BAR_COLUMNS_MAX 64u
#define TEXT_COLUMNS_MAX 72u

/* Characters, not bytes. */
static uint32_t width_of(struct slice s)
{
	uint32_t width = 0;
	for (size_t i = 0; i < s.len; i++)
		width += (s.data[i] & 0xc0) != 0x80;
	return width;
}

static void add_padded(struct buffer *out, struct slice s, uint32_t width)
{
	buffer_add_slice(out, s);
	for (uint32_t i = width_of(s); i < width; i++)
		buffer_add_u8(out, ' ');
}

/* Two characters a column where there is room, otherwise all squeezed into the room. */
static uint32_t scale(uint32_t column, uint32_t columns)
{
	return columns * 2 <= BAR_COLUMNS_MAX ? column * 2 : column * BAR_COLUMNS_MAX / columns;
}

static void add_bar(struct buffer *out, const struct show_columns *c, uint32_t row, bool open)
{
	uint32_t from = scale(c->call[row], c->count), to = scale(c->ret[row], c->count);
	for (uint32_t i = 0; i < from; i++)
		buffer_add_u8(out, ' ');
	buffer_add_u8(out, '|');
	for (uint32_t i = from + 1; i < to; i++)
		buffer_add_u8(out, open ? '.' : '-');
	buffer_add_u8(out, open ? '>' : '|');
}

struct row {
	struct buffer place, text;
};

static struct row *make_rows(const struct check_history *h, const struct check_violation *v,
			     const struct show_rows *shown, const struct check_names *names,
			     uint32_t *place_width, uint32_t *text_width)
{
	struct row *rows = alloc_zeroed(shown->count + 1, sizeof *rows);
	for (uint32_t i = 0; i < shown->count; i++) {
		const struct check_item *item = &v->items[shown->items[i]];
		const struct check_call *call = &h->calls[item->call];
		show_place(call, names, &rows[i].place);
		if (names->files != NULL)
			buffer_format(&rows[i].place, "  client %" PRIu64, call->client);
		check_describe(call, item->weakness, &rows[i].text);
		uint32_t place = width_of(buffer_slice(&rows[i].place)),
			 text = width_of(buffer_slice(&rows[i].text));
		if (text > TEXT_COLUMNS_MAX)
			text = TEXT_COLUMNS_MAX;
		*place_width = place > *place_width ? place : *place_width;
		*text_width = text > *text_width ? text : *text_width;
	}
	return rows;
}

/* A text that is too long for its column has a line of its own. */
static void add_row(struct buffer *out, const struct row *row, uint32_t place_width,
		    uint32_t text_width)
{
	buffer_format(out, "  ");
	add_padded(out, buffer_slice(&row->place), place_width);
	buffer_format(out, "  ");
	if (width_of(buffer_slice(&row->text)) > text_width) {
		buffer_add_slice(out, buffer_slice(&row->text));
		buffer_format(out, "\n  ");
		add_padded(out, slice(NULL, 0), place_width + text_width + 2);
	} else {
		add_padded(out, buffer_slice(&row->text), text_width);
	}
	buffer_format(out, "  ");
}

void check_show_text(const struct check_history *h, const struct check_report *report,
		     const struct check_names *names, struct buffer *out)
{
	const struct check_violation *v = &report->violation;
	struct show_rows shown;
	struct show_columns columns;
	uint32_t place_width = 0, text_width = 0;
	bool any_open = false;
	ASSERT(report->verdict == CHECK_VIOLATION);
	show_rows_init(&shown, h, v);
	show_columns_init(&columns, h, v, &shown);
	struct row *rows = make_rows(h, v, &shown, names, &place_width, &text_width);
	buffer_format(out, "not linearizable: ");
	show_keys(h, v, &shown, out);
	buffer_format(out, "\n\n");
	for (uint32_t i = 0; i < shown.count; i++) {
		const struct check_item *item = &v->items[shown.items[i]];
		bool open = show_is_open(&h->calls[item->call], item->weakness);
		any_open |= open;
		add_row(out, &rows[i], place_width, text_width);
		add_bar(out, &columns, i, open);
		buffer_format(out, "%s\n", shown.items[i] == v->stuck ? "  <- does not fit" : "");
		buffer_free(&rows[i].place);
		buffer_free(&rows[i].text);
	}
	buffer_format(out, "\nTime runs from left to right, %.0f µs in all, and not to scale. ",
		      (double)(columns.last - columns.first) * names->unit_us);
	if (any_open)
		buffer_format(out, "A dotted call may have had its effect at any time after its "
				   "beginning, or never. ");
	buffer_format(out, "\n");
	show_explanation(h, v, &shown, names, out);
	buffer_format(out, "\n");
	free(rows);
	show_columns_free(&columns);
	show_rows_free(&shown);
}
