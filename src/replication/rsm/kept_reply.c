/*
 * What is kept of a reply in its session, and what a repeated command is answered.
 *
 * An app may have a shorter form for long replies (rsm/app.h). Whether it is used follows from the
 * log alone: from the entry's format, the reply, and how much the session table, which is
 * replicated, holds. Entries of the first version are applied as it applied them, so that all
 * replicas have one table, whichever version applied which entry. What a client sees depends on it
 * only if the reply was lost, and then only in values that its key does not have any more.
 */
#include "rsm/internal.h"

#define SHORT_REPLIES_SINCE 3u /* entry format */

void kept_reply_record(struct rsm *rsm, struct session *session,
		       const struct entry_command *command, uint32_t format, int status)
{
	struct slice reply = buffer_slice(&rsm->reply_body);
	bool whole = reply.len <= SESSION_REPLY_WHOLE_MAX &&
		     rsm->sessions.reply_bytes + reply.len <= SESSIONS_WHOLE_BYTES_MAX;
	buffer_clear(&rsm->kept_reply);
	if (format >= SHORT_REPLIES_SINCE && status == 0 && !whole &&
	    rsm->app->ops->shorten != NULL &&
	    rsm->app->ops->shorten(rsm->app, reply, &rsm->arena, &rsm->kept_reply))
		reply = buffer_slice(&rsm->kept_reply);
	sessions_record(session, command->sequence, command->body, status, reply);
}

void kept_reply_answer(struct rsm *rsm, const struct requester *to,
		       const struct session_reply *kept, struct slice command)
{
	struct slice reply = session_reply_body(kept);
	arena_reset(&rsm->arena);
	buffer_clear(&rsm->reply_body);
	if (kept->status == 0 && rsm->app->ops->complete != NULL &&
	    rsm->app->ops->complete(rsm->app, reply, command, &rsm->arena, &rsm->reply_body))
		reply = buffer_slice(&rsm->reply_body);
	rsm->turn.applied += reply.len;
	answer(rsm, to, kept->status, reply);
}
