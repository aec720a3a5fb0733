/*
 * Audits of an app's state in a test (rsm/app.h): all at once, or in steps with other work between
 * them.
 */
#ifndef SYNOD_TESTS_UNIT_SUPPORT_AUDIT_H
#define SYNOD_TESTS_UNIT_SUPPORT_AUDIT_H

#include <check.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "rsm/app.h"

struct audited {
	uint64_t *parts;
	uint32_t count;
	bool sound;
};

/*
 * Goes on with the audit to its end, in steps of `work`; between them `meanwhile` is called if it
 * is not NULL. Ends the audit.
 */
static inline struct audited audit_finish(struct app *app, struct app_audit *audit, uint64_t work,
					  void (*meanwhile)(void *), void *context)
{
	while (app->ops->audit_next(audit, work) != 0)
		if (meanwhile != NULL)
			meanwhile(context);
	struct app_parts found = app->ops->audit_parts(audit);
	ck_assert_uint_ge(found.count, 1);
	ck_assert_uint_le(found.count, APP_PARTS_MAX);
	struct audited all = {.count = found.count, .sound = found.sound};
	all.parts = alloc_zeroed(found.count, sizeof *all.parts);
	memcpy(all.parts, found.hashes, found.count * sizeof *all.parts);
	app->ops->audit_end(audit);
	return all;
}

static inline struct audited audit_now(struct app *app)
{
	return audit_finish(app, app->ops->audit_begin(app), UINT64_MAX, NULL, NULL);
}

/* How many parts differ; *part is the last of them. */
static inline uint32_t audits_differ(const struct audited *a, const struct audited *b,
				     uint32_t *part)
{
	uint32_t count = 0;
	ck_assert_uint_eq(a->count, b->count);
	for (uint32_t i = 0; i < a->count; i++)
		if (a->parts[i] != b->parts[i]) {
			count++;
			*part = i;
		}
	return count;
}

static inline void audited_free(struct audited *a)
{
	free(a->parts);
	a->parts = NULL;
}

#endif
