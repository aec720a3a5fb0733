#include "wire/sender.h"

#include "wire/method.h"

uint32_t method_senders(uint16_t method)
{
	/* No default: the compiler names a method that is missing here. */
	switch ((enum method)method) {
	case METHOD_HELLO:
	case METHOD_PING:
	case METHOD_STATUS:
	case METHOD_CLUSTER:
	case METHOD_TRACE:
	case METHOD_IDENTITY:
	case METHOD_COMMAND:
	case METHOD_QUERY:
	case METHOD_REGISTER:
	case METHOD_TRANSFER:
	case METHOD_WATCH:
	case METHOD_QUERY_UNCONFIRMED:
	case METHOD_BALLOT:
	case METHOD_QUERY_INDEXED:
	case METHOD_QUERY_STALE:
	case METHOD_MEMBERS:
	case METHOD_CHANGE_MEMBERS:
	case METHOD_FORCE:
	case METHOD_AGREEMENT_START:
	case METHOD_AGREEMENT_STATUS:
	case METHOD_AGREEMENT_DONE:
	case METHOD_AGREEMENT_BOUNDS:
	case METHOD_AGREEMENT_WAIT:
	case METHOD_LOG_COMMAND:
	case METHOD_LOG_QUERY:
	case METHOD_LOG_REGISTER:
	case METHOD_LOG_TAIL:
	case METHOD_LOG_SLOT:
	case METHOD_LOG_QUERY_INDEXED:
	case METHOD_LOG_QUERY_STALE: return SENDER_ANYBODY;
	case METHOD_PRE_VOTE:
	case METHOD_PRE_VOTE_REPLY:
	case METHOD_PREPARE:
	case METHOD_PROMISE:
	case METHOD_ACCEPT:
	case METHOD_ACCEPTED:
	case METHOD_REJECT:
	case METHOD_FETCH:
	case METHOD_CHOSEN:
	case METHOD_TAKE_OVER:
	case METHOD_SNAPSHOT_FETCH:
	case METHOD_SNAPSHOT_CHUNK:
	case METHOD_READ_INDEX:
	case METHOD_READ_INDEX_REPLY:
	case METHOD_STATE_HASH:
	case METHOD_WELCOME:
	case METHOD_STARTED:
	case METHOD_SNAPSHOT_TURN:
	case METHOD_AGREEMENT: return SENDER_REPLICA;
	case METHOD_VIEW_PING:
	case METHOD_PB_FORWARD: return SENDER_PB;
	case METHOD_NUMBER_MAX: break;
	}
	return 0;
}

const char *sender_text(uint32_t senders)
{
	if ((senders & SENDER_REPLICA) != 0)
		return "a member of the same group, on a connection that it has confirmed,";
	if ((senders & SENDER_PB) != 0)
		return "a primary/backup server of this cluster, on a connection that it has "
		       "confirmed,";
	return "nobody";
}
