/* What the text and the HTML page share. */
#ifndef SYNOD_CHECK_SHOW_H
#define SYNOD_CHECK_SHOW_H

#include "check/check.h"

/* In quotes, with escapes, and with the middle left out if it is long. */
void show_value(struct slice value, struct buffer *out);
/* "k" = "v" version 3; several are separated by commas. */
void show_state(struct slice key, bool missing, struct slice value, uint64_t version,
		struct buffer *out);
/* FILE:LINE, or client 3 call 17 if nothing was read from a file. */
void show_place(const struct check_call *call, const struct check_names *names, struct buffer *out);
/*
 * Which items are shown: those that certainly had an effect, and of the others those that wrote
 * something that one of these has seen. Without the rest there would be no proof, but for
 * understanding it they are too many.
 */
struct show_rows {
	uint32_t *items; /* in order of their call */
	uint32_t count;
	bool *shown; /* by item */
};
void show_rows_init(struct show_rows *r, const struct check_history *h,
		    const struct check_violation *v);
void show_rows_free(struct show_rows *r);

/* The distinct keys of the calls that are shown, in quotes. */
void show_keys(const struct check_history *h, const struct check_violation *v,
	       const struct show_rows *rows, struct buffer *out);
/* One sentence for what is shown, one for how far an order gets, one for what is then stuck. */
void show_explanation(const struct check_history *h, const struct check_violation *v,
		      const struct show_rows *rows, const struct check_names *names,
		      struct buffer *out);

/*
 * Whether the call has a time after which it certainly had its effect, as far as the violation
 * needs it.
 */
bool show_is_open(const struct check_call *call, uint32_t weakness);

/*
 * Columns for times, so that what overlaps in time overlaps on paper: each call or return that
 * follows one of the other kind begins a new column.
 */
struct show_columns {
	uint32_t *call, *ret; /* of each row; ret of an open one is the number of columns */
	uint32_t count;
	uint64_t first, last; /* times */
};
void show_columns_init(struct show_columns *c, const struct check_history *h,
		       const struct check_violation *v, const struct show_rows *rows);
void show_columns_free(struct show_columns *c);

#endif
