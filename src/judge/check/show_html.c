/*
 * A violation as a page that can be sent around: one file, no scripts, nothing loaded from
 * elsewhere.
 */
#include "check/show.h"

#include <inttypes.h>

static const char HEAD[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Not "
	"linearizable</title>\n<style>\n"
	":root{--ink:#1c2430;--paper:#fff;--quiet:#5b6675;--line:#d8dee6;--read:#2f6fb5;--write:#"
	"2b8a57;--txn:#7a4fb3;--bad:#c2352b}\n"
	"@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--paper:#14181e;--quiet:#98a3b3;--"
	"line:#2c343f;--read:#6aa7e8;"
	"--write:#5cc08b;--txn:#b592e6;--bad:#ff7066}}\n"
	"body{font:15px/1.5 "
	"system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:2rem "
	"auto;max-width:1200px;padding:0 1rem}\n"
	"h1{font-size:1.35rem;color:var(--bad);overflow-wrap:anywhere}\n"
	"table{border-collapse:collapse;width:100%}\n"
	"td,th{padding:.25rem .6rem;text-align:left;border-bottom:1px solid "
	"var(--line);vertical-align:middle;font-weight:normal}\n"
	"th{color:var(--quiet);font-size:.85rem}\n"
	"td.time{width:45%;min-width:16rem}\n"
	".what{font-family:ui-monospace,monospace;font-size:.85rem;overflow-wrap:anywhere}\n"
	".where{color:var(--quiet);font-size:.85rem;overflow-wrap:anywhere}\n"
	".track{position:relative;height:1.35rem}\n"
	".bar{position:absolute;top:.15rem;bottom:.15rem;border-radius:4px;min-width:6px}\n"
	".read{background:var(--read)}.write{background:var(--write)}.txn{background:var(--txn)}\n"
	".open{opacity:.65;border-radius:4px 0 0 4px;-webkit-mask:linear-gradient(90deg,#000 "
	"40%,transparent);"
	"mask:linear-gradient(90deg,#000 40%,transparent)}\n"
	".stuck .bar{outline:3px solid var(--bad);outline-offset:1px}.stuck "
	".what{color:var(--bad);font-weight:600}\n"
	"tr:hover td{background:color-mix(in srgb,var(--line) 45%,transparent)}\n"
	".tip{display:none;position:absolute;top:1.5rem;left:0;z-index:2;background:var(--ink);"
	"color:var(--paper);padding:.4rem .7rem;"
	"border-radius:4px;font-size:.85rem;white-space:pre-line;width:max-content;max-width:26rem}"
	"\n"
	".track:hover .tip,.track:focus .tip{display:block}\n"
	".key "
	"i{display:inline-block;width:.9rem;height:.9rem;border-radius:3px;vertical-align:-2px;"
	"margin:0 .35rem 0 1rem}\n"
	"</style>\n</head>\n<body>\n";

static void add_escaped(struct buffer *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		switch (s.data[i]) {
		case '<': buffer_format(out, "&lt;"); break;
		case '>': buffer_format(out, "&gt;"); break;
		case '&': buffer_format(out, "&amp;"); break;
		case '"': buffer_format(out, "&quot;"); break;
		default: buffer_add_u8(out, s.data[i]);
		}
	}
}

/* Takes the text out of the scratch buffer. */
static void flush_escaped(struct buffer *out, struct buffer *scratch)
{
	add_escaped(out, buffer_slice(scratch));
	buffer_clear(scratch);
}

static const char *colour_of(const struct check_call *call)
{
	if (call->transaction || call->nthen != 1)
		return "txn";
	return call->then[0].kind == CHECK_GET ? "read" : "write";
}

static void add_tip(struct buffer *out, const struct check_call *call,
		    const struct show_columns *columns, bool open, double unit_us)
{
	buffer_format(
		out, "<div class=\"tip\">client %" PRIu64 ", call %" PRIu64 "\ncalled at %.1f µs\n",
		call->client, call->id, (double)(call->call - columns->first) * unit_us);
	if (call->outcome == CHECK_UNKNOWN)
		buffer_format(out,
			      "outcome unknown: had its effect at any time after that, or never");
	else
		buffer_format(out, "returned at %.1f µs, after %.1f µs%s",
			      ((double)call->ret - (double)columns->first) * unit_us,
			      (double)(call->ret - call->call) * unit_us,
			      open ? "\nwhen it returned does not matter here" : "");
	buffer_format(out, "</div>");
}

static void add_row(struct buffer *out, struct buffer *scratch, const struct check_history *h,
		    const struct check_violation *v, uint32_t item, uint32_t row,
		    const struct show_columns *columns, const struct check_names *names)
{
	const struct check_call *call = &h->calls[v->items[item].call];
	bool open = show_is_open(call, v->items[item].weakness);
	double width = 100.0 / columns->count;
	uint32_t end = open ? columns->count : columns->ret[row] + 1;
	buffer_format(out, "<tr%s><td class=\"where\">",
		      item == v->stuck ? " class=\"stuck\"" : "");
	show_place(call, names, scratch);
	flush_escaped(out, scratch);
	buffer_format(out, "</td><td class=\"where\">%" PRIu64 "</td><td class=\"what\">",
		      call->client);
	check_describe(call, v->items[item].weakness, scratch);
	flush_escaped(out, scratch);
	buffer_format(out,
		      "</td><td class=\"time\"><div class=\"track\" tabindex=\"0\"><div "
		      "class=\"bar %s%s\" style=\"left:%.2f%%;width:%.2f%%\"></div>",
		      colour_of(call), open ? " open" : "", columns->call[row] * width,
		      (end - columns->call[row]) * width);
	add_tip(out, call, columns, open, names->unit_us);
	buffer_format(out, "</div></td></tr>\n");
}

void check_show_html(const struct check_history *h, const struct check_report *report,
		     const struct check_names *names, struct buffer *out)
{
	const struct check_violation *v = &report->violation;
	struct show_rows rows;
	struct show_columns columns;
	struct buffer scratch = {0};
	ASSERT(report->verdict == CHECK_VIOLATION);
	show_rows_init(&rows, h, v);
	show_columns_init(&columns, h, v, &rows);
	buffer_format(out, "%s<h1>Not linearizable: ", HEAD);
	show_keys(h, v, &rows, &scratch);
	flush_escaped(out, &scratch);
	buffer_format(out, "</h1>\n<p>");
	show_explanation(h, v, &rows, names, &scratch);
	flush_escaped(out, &scratch);
	buffer_format(out,
		      "</p>\n<table>\n<tr><th>where</th><th>client</th><th>call</th>"
		      "<th>time, from left to right, %.0f µs in all, not to scale</th></tr>\n",
		      (double)(columns.last - columns.first) * names->unit_us);
	for (uint32_t row = 0; row < rows.count; row++)
		add_row(out, &scratch, h, v, rows.items[row], row, &columns, names);
	buffer_format(out, "</table>\n<p class=\"key where\"><i class=\"read\"></i>read<i "
			   "class=\"write\"></i>write<i class=\"txn\"></i>transaction<i "
			   "class=\"write open\"></i>had its effect at any time after its "
			   "beginning, or never</p>\n</body>\n</html>\n");
	buffer_free(&scratch);
	show_columns_free(&columns);
	show_rows_free(&rows);
}
