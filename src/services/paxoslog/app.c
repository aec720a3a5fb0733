/* The log of values as an app. */
#include "paxoslog/app.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "wire/wire.h"

#define SNAPSHOT_MAGIC 0x31474c50u /* "PLG1" */

struct paxoslog {
	struct app app;
	struct paxoslog_settings settings;
	struct slots slots;
	bool restoring, header_seen;
	uint64_t expected; /* last slot of the snapshot */
};

struct app_snapshot {
	struct slots_image image;
	bool header_written;
	bool pending;       /* value is the next to be written */
	uint64_t slot, sum; /* its number; of the hashes of those before it */
	struct slice value;
};

static struct paxoslog *log_of(const struct app *app)
{
	return (struct paxoslog *)(void *)((char *)(uintptr_t)app - offsetof(struct paxoslog, app));
}

/* ---- commands ---- */

static int decode(struct slice command, struct arena *arena, struct wire_log_command *out,
		  struct buffer *error)
{
	int status = wire_log_command_decode(command, arena, out);
	if (status == 0 && (out->nvalues > 0) == (out->trim > 0))
		status = STATUS_BAD_REQUEST;
	if (status != 0)
		wire_error_format(error,
				  "not a command of the log: it appends 1 to %u values, or trims",
				  WIRE_LOG_VALUES_MAX);
	return status;
}

static int admit(struct app *app, struct slice command, struct arena *arena, struct reply *reply)
{
	const struct paxoslog *log = log_of(app);
	struct wire_log_command decoded;
	uint64_t bytes = log->slots.bytes;
	int status = decode(command, arena, &decoded, reply->body);
	if (status != 0 || decoded.trim > 0)
		return status;
	for (uint32_t i = 0; i < decoded.nvalues; i++) {
		size_t len = decoded.values[i].len;
		if (len > log->settings.value_bytes_max) {
			wire_error_format(reply->body,
					  "a value of %zu bytes; the limit is %u (value_bytes_max)",
					  len, log->settings.value_bytes_max);
			return STATUS_TOO_LARGE;
		}
		bytes += len + SLOTS_ENTRY_BYTES;
	}
	if (bytes <= log->settings.bytes_max)
		return 0;
	wire_error_format(reply->body,
			  "the log holds %" PRIu64 " bytes in slots %" PRIu64 " to %" PRIu64
			  ", its limit is %" PRIu64
			  " (log_values_bytes_max): no space before somebody trims it",
			  log->slots.bytes, log->slots.first, log->slots.last,
			  log->settings.bytes_max);
	return STATUS_NO_SPACE;
}

static int append(struct paxoslog *log, const struct wire_log_command *command,
		  struct wire_log_reply *answer, struct buffer *error)
{
	uint64_t next = log->slots.last + 1;
	if (command->at != 0 && command->at != next) {
		wire_error_format(error, "the next slot is %" PRIu64 ", not %" PRIu64, next,
				  command->at);
		return STATUS_COMPARE_FALSE;
	}
	for (uint32_t i = 0; i < command->nvalues; i++)
		slots_append(&log->slots, command->values[i]);
	answer->slot = next;
	return 0;
}

static int trim(struct paxoslog *log, uint64_t slot, struct buffer *error)
{
	if (slot > log->slots.last) {
		wire_error_format(error, "there is no slot %" PRIu64 " yet, the newest is %" PRIu64,
				  slot, log->slots.last);
		return STATUS_NOT_FOUND;
	}
	slots_trim(&log->slots, slot);
	return 0;
}

static void apply(struct app *app, const struct apply_context *context, struct slice command,
		  struct reply *reply)
{
	struct paxoslog *log = log_of(app);
	struct wire_log_command decoded;
	struct wire_log_reply answer = {0};
	reply->status = decode(command, context->arena, &decoded, reply->body);
	if (reply->status == 0)
		reply->status = decoded.trim > 0 ? trim(log, decoded.trim, reply->body)
						 : append(log, &decoded, &answer, reply->body);
	if (reply->status != 0)
		return;
	answer.first = log->slots.first;
	answer.last = log->slots.last;
	wire_log_reply_encode(&answer, reply->body);
}

/* ---- reads ---- */

void paxoslog_app_read(const struct app *app, const struct wire_log_query *query,
		       struct arena *arena, struct reply *reply)
{
	const struct slots *slots = &log_of(app)->slots;
	uint64_t from = query->from == 0 ? slots->first : query->from;
	uint32_t limit = query->limit == 0 || query->limit > WIRE_LOG_VALUES_MAX
				 ? WIRE_LOG_VALUES_MAX
				 : query->limit;
	struct wire_log_entries entries = {
		.from = from, .first = slots->first, .last = slots->last};
	if (from < slots->first) {
		wire_error_format(reply->body,
				  "slot %" PRIu64 " has been trimmed, the oldest is %" PRIu64, from,
				  slots->first);
		reply->status = STATUS_COMPACTED;
		return;
	}
	entries.values = arena_get(arena, limit * sizeof *entries.values);
	size_t bytes = 0;
	/* At least one, whatever its size. */
	for (uint64_t slot = from;
	     slot <= slots->last && entries.nvalues < limit && bytes < SCAN_BYTES_MAX; slot++) {
		struct slice value = slots_get(slots, slot);
		entries.values[entries.nvalues++] = value;
		bytes += value.len;
	}
	wire_log_entries_encode(&entries, reply->body);
}

static void query(struct app *app, struct slice request, struct arena *arena, struct reply *reply)
{
	struct wire_log_query decoded;
	reply->status = wire_log_query_decode(request, arena, &decoded);
	if (reply->status != 0)
		wire_error_format(reply->body, "not a query of the log");
	else
		paxoslog_app_read(app, &decoded, arena, reply);
}

const struct slots *paxoslog_app_slots(const struct app *app)
{
	const struct paxoslog *log = log_of(app);
	return log->restoring ? NULL : &log->slots;
}

/* ---- snapshots ---- */

static struct app_snapshot *snapshot_begin(struct app *app)
{
	struct app_snapshot *snapshot = ALLOC(struct app_snapshot);
	slots_image_take(&snapshot->image, &log_of(app)->slots);
	return snapshot;
}

static int snapshot_next(struct app_snapshot *snapshot, size_t bytes, struct buffer *out)
{
	size_t start = out->len;
	if (!snapshot->header_written) {
		buffer_add_u32(out, SNAPSHOT_MAGIC);
		buffer_add_u64(out, snapshot->image.first);
		buffer_add_u64(out, snapshot->image.last);
		snapshot->header_written = true;
		snapshot->slot = snapshot->image.first;
		snapshot->pending = slots_image_next(&snapshot->image, &snapshot->value);
	}
	while (snapshot->pending && out->len - start < bytes) {
		buffer_add_u32(out, (uint32_t)snapshot->value.len);
		buffer_add_slice(out, snapshot->value);
		snapshot->sum += slots_hash_of(snapshot->slot++, snapshot->value);
		snapshot->pending = slots_image_next(&snapshot->image, &snapshot->value);
	}
	if (!snapshot->pending && snapshot->sum != snapshot->image.hash)
		return STATUS_CORRUPT;
	return snapshot->pending;
}

static void snapshot_end(struct app_snapshot *snapshot)
{
	slots_image_free(&snapshot->image);
	free(snapshot);
}

static void restore_begin(struct app *app)
{
	struct paxoslog *log = log_of(app);
	slots_free(&log->slots);
	slots_init(&log->slots, 1);
	log->restoring = true;
	log->header_seen = false;
	log->expected = 0;
}

static int take_header(struct paxoslog *log, struct slice *in)
{
	uint32_t magic;
	uint64_t first, last;
	if (!slice_take_u32(in, &magic) || magic != SNAPSHOT_MAGIC || !slice_take_u64(in, &first) ||
	    !slice_take_u64(in, &last) || first == 0 || last == UINT64_MAX || first > last + 1)
		return STATUS_CORRUPT;
	slots_init(&log->slots, first);
	log->expected = last;
	log->header_seen = true;
	return 0;
}

static int restore_chunk(struct app *app, struct slice chunk, struct arena *arena)
{
	struct paxoslog *log = log_of(app);
	int status = log->header_seen ? 0 : take_header(log, &chunk);
	(void)arena;
	while (status == 0 && chunk.len > 0) {
		uint32_t len;
		struct slice value;
		if (log->slots.last == log->expected || !slice_take_u32(&chunk, &len) ||
		    !slice_take(&chunk, len, &value))
			return STATUS_CORRUPT;
		slots_append(&log->slots, value);
	}
	return status;
}

/* Of nothing at all: the empty log. */
static int restore_end(struct app *app)
{
	struct paxoslog *log = log_of(app);
	if (log->slots.last != log->expected)
		return STATUS_CORRUPT;
	log->restoring = false;
	return 0;
}

static uint64_t hash(struct app *app)
{
	const struct slots *slots = &log_of(app)->slots;
	return (slots->hash * 31 + slots->first) * 31 + slots->last;
}

/* ---- audits: one part ---- */

#define VALUE_WORK 64u /* of a value, besides its bytes */

struct app_audit {
	struct slots_image image;
	uint64_t slot, sum, kept, hash;
};

static struct app_audit *audit_begin(struct app *app)
{
	struct app_audit *audit = ALLOC(struct app_audit);
	const struct slots *slots = &log_of(app)->slots;
	slots_image_take(&audit->image, slots);
	audit->slot = slots->first;
	audit->kept = slots->hash;
	return audit;
}

static int audit_next(struct app_audit *audit, uint64_t work)
{
	struct slice value;
	for (uint64_t done = 0; done < work; done += VALUE_WORK + value.len) {
		if (!slots_image_next(&audit->image, &value)) {
			audit->hash = ((audit->sum * 31 + audit->kept) * 31 + audit->image.first) *
					      31 +
				      audit->image.last;
			return 0;
		}
		audit->sum += slots_hash_of(audit->slot++, value);
	}
	return 1;
}

static struct app_parts audit_parts(const struct app_audit *audit)
{
	return (struct app_parts){
		.count = 1, .hashes = &audit->hash, .sound = audit->sum == audit->kept};
}

static void audit_end(struct app_audit *audit)
{
	slots_image_free(&audit->image);
	free(audit);
}

static void part_name(struct app *app, uint32_t part, struct buffer *out)
{
	(void)app;
	(void)part;
	buffer_format(out, "values of the log");
}

static void destroy(struct app *app)
{
	struct paxoslog *log = log_of(app);
	slots_free(&log->slots);
	free(log);
}

static const struct app_ops ops = {
	.admit = admit,
	.apply = apply,
	.query = query,
	.snapshot_begin = snapshot_begin,
	.snapshot_next = snapshot_next,
	.snapshot_end = snapshot_end,
	.restore_begin = restore_begin,
	.restore_chunk = restore_chunk,
	.restore_end = restore_end,
	.hash = hash,
	.audit_begin = audit_begin,
	.audit_next = audit_next,
	.audit_parts = audit_parts,
	.audit_end = audit_end,
	.part_name = part_name,
	.destroy = destroy,
};

struct app *paxoslog_app_create(const struct paxoslog_settings *settings)
{
	struct paxoslog *log = ALLOC(struct paxoslog);
	log->app.ops = &ops;
	log->settings = *settings;
	slots_init(&log->slots, 1);
	return &log->app;
}
