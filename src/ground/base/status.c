/* Names and texts of statuses. */
#include "base/status.h"

#include <stddef.h>
#include <string.h>

struct row {
	const char *name;
	const char *text;
	enum status_class class;
};

#define CODES 113 /* one past the largest code */

#define X(name, code, class, text) \
	_Static_assert((code) >= 0 && (code) < CODES, "code of " #name " fits the table");
STATUS_MAP(X)
#undef X

static const struct row rows[CODES] = {
#define X(name, code, class, text) [code] = {#name, text, STATUS_CLASS_##class},
	STATUS_MAP(X)
#undef X
};

static const struct row *find(int status)
{
	if (status > 0 || status <= -CODES || rows[-status].name == NULL)
		return NULL;
	return &rows[-status];
}

const char *status_text(int status)
{
	const struct row *row = find(status);
	return row != NULL ? row->text : "unrecognised status";
}

const char *status_name(int status)
{
	const struct row *row = find(status);
	return row != NULL ? row->name : "UNRECOGNISED";
}

const char *errno_name(int error)
{
	const char *name = error > 0 ? strerrorname_np(error) : NULL;
	return name != NULL ? name : "?";
}

/* Nothing is known about a number that is no status, least of all that nothing happened. */
enum status_class status_class(int status)
{
	const struct row *row = find(status);
	return row != NULL ? row->class : STATUS_CLASS_UNKNOWN;
}

int status_from_wire(unsigned code)
{
	const struct row *row = code < CODES ? find(-(int)code) : NULL;
	/* A local error describes the sender's machine and has no meaning here. */
	if (row == NULL || row->class == STATUS_CLASS_LOCAL)
		return STATUS_INTERNAL;
	return -(int)code;
}
