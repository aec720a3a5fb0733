/* Client ids and sequence numbers, by which a command that is repeated is executed once. */
#include "client/session.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"

_Static_assert(SESSION_WINDOW_MAX % 64 == 0, "the window is whole words");

struct client_session *client_session_create(uint64_t client)
{
	struct client_session *session = ALLOC(struct client_session);
	session->client = client;
	session->next = 1;
	session->acknowledged = 1;
	session->refs = 1;
	return session;
}

void client_session_unref(struct client_session *session)
{
	ASSERT(session->refs > 0);
	if (--session->refs == 0)
		free(session);
}

static uint64_t *word_of(struct client_session *session, uint64_t sequence)
{
	return &session->open[sequence % SESSION_WINDOW_MAX / 64];
}

static uint64_t bit_of(uint64_t sequence)
{
	return 1ull << (sequence % 64);
}

uint64_t client_session_take(struct client_session *session)
{
	if (session->next - session->acknowledged == SESSION_WINDOW_MAX)
		return 0;
	uint64_t sequence = session->next++;
	ASSERT((*word_of(session, sequence) & bit_of(sequence)) == 0);
	*word_of(session, sequence) |= bit_of(sequence);
	session->refs++;
	return sequence;
}

bool client_session_give_back(struct client_session *session, uint64_t sequence)
{
	ASSERT(sequence >= session->acknowledged && sequence < session->next);
	ASSERT((*word_of(session, sequence) & bit_of(sequence)) != 0);
	*word_of(session, sequence) &= ~bit_of(sequence);
	uint64_t before = session->acknowledged;
	while (session->acknowledged < session->next &&
	       (*word_of(session, session->acknowledged) & bit_of(session->acknowledged)) == 0)
		session->acknowledged++;
	bool moved = session->acknowledged != before;
	client_session_unref(session);
	return moved;
}
