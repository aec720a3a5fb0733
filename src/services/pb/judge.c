/*
 * The door of a backup: what a frame says is judged before anything is done with it.
 *
 *   view, frame      1 … NUMBER_MAX (decoding); counter, commands: at most COUNT_MAX; time_us: of a
 *                    time that a clock may show
 *   flags            only those that are known (decoding); RESET and COMPLETE only with TRANSFER
 *   registered       at most ENTRY_CLIENT_MAX; sessions_max, session_idle_us: what may be
 *                    configured (decoding)
 *   value_bytes_max  at most KV_RESULT_BYTES_MAX: nobody can be configured to more
 *   batch            an entry that can be read to its end, of commands of clients; not during the
 *                    transfer
 *   records          whole, with keys, values and versions that the store can hold; only in the
 *                    transfer
 *   sessions         only in the transfer; together no more than a table can be
 *
 * Whether the commands are commands, and lead to the same keys as at the primary, is seen when they
 * are applied (backup.c).
 */
#include "rsm/judge.h"
#include "kv/operation.h"
#include "pb/internal.h"

/* Of the encoding of a table: the replies, and what a session takes besides. */
#define SESSIONS_BYTES_MAX (SESSIONS_REPLY_BYTES_MAX + UINT64_C(128) * MIB)
/* So many writes nobody has counted. */
#define COUNT_MAX (UINT64_C(1) << 56)

static const char *judge_transfer(const struct pb_node *n, const struct wire_pb_forward *frame)
{
	if (frame->batch.len > 0)
		return "batch: in the state transfer";
	if (pb_state_check_records(frame->records) != 0)
		return "records: they cannot be read";
	bool first = (frame->flags & WIRE_PB_RESET) != 0;
	uint64_t sessions = first ? 0 : n->intake.sessions.len;
	return sessions + frame->sessions.len > SESSIONS_BYTES_MAX
		       ? "sessions: more than a table can be"
		       : NULL;
}

static const char *judge_batch(const struct wire_pb_forward *frame)
{
	if (frame->records.len > 0 || frame->sessions.len > 0)
		return "records: not in the state transfer";
	return frame->batch.len == 0 ? NULL : judge_entry_value(frame->batch);
}

const char *pb_judge_frame(const struct pb_node *n, const struct wire_pb_forward *frame)
{
	if (frame->counter > COUNT_MAX || frame->commands > COUNT_MAX ||
	    frame->time_us > ENTRY_TIME_US_MAX)
		return "counter: beyond every possible one";
	if (frame->registered > ENTRY_CLIENT_MAX)
		return "registered: beyond every possible one";
	if (frame->value_bytes_max > KV_RESULT_BYTES_MAX)
		return "value_bytes_max: more than anybody can be configured to";
	if ((frame->flags & WIRE_PB_TRANSFER) != 0)
		return judge_transfer(n, frame);
	return frame->flags != 0 ? "flags: not in the state transfer" : judge_batch(frame);
}
