/*
 * Status codes: one list for functions, replies on the wire and exit codes.
 *
 * A function that can fail because of the world returns 0 or one of the
 * negative STATUS_… values and is marked MUST_CHECK. On the wire the positive
 * code travels in the frame header of a reply. The codes are part of the
 * protocol (docs/protocol.md): add at the end, never renumber.
 *
 * The class says what a caller may conclude:
 *   OK        it happened (or the question was answered)
 *   ANSWER    the server's answer is "no": not found, compare false
 *   RETRY     certainly not applied; another server or a later try may succeed
 *   REFUSED   certainly not applied; the same request will be refused again
 *   UNKNOWN   may or may not have been applied
 *   LOCAL     never crosses the wire: an error of this process or its machine
 */
#ifndef SYNOD_BASE_STATUS_H
#define SYNOD_BASE_STATUS_H

/* clang-format off */
#define STATUS_MAP(X) \
	/* name, code, class, text */ \
	X(OK, 0, OK, "ok") \
	X(NOT_FOUND, 1, ANSWER, "not found") \
	X(COMPARE_FALSE, 2, ANSWER, "compare is false") \
	X(UNAVAILABLE, 3, RETRY, "unavailable, not applied") \
	X(UNKNOWN, 4, UNKNOWN, "outcome unknown") \
	X(BAD_REQUEST, 5, REFUSED, "bad request") \
	X(TOO_LARGE, 6, REFUSED, "too large") \
	X(UNKNOWN_METHOD, 7, REFUSED, "unknown method") \
	X(WRONG_CLUSTER, 8, REFUSED, "wrong cluster") \
	X(WRONG_VERSION, 9, REFUSED, "protocol version not supported") \
	X(WRONG_NODE, 10, REFUSED, "connected to another node than asked for") \
	X(NOT_LEADER, 11, RETRY, "not the leader") \
	X(WRONG_GROUP, 12, RETRY, "key is served by another group") \
	X(BUSY, 13, RETRY, "too busy, not applied") \
	X(SESSION_EXPIRED, 14, REFUSED, "session expired") \
	X(SEQUENCE_REUSED, 15, REFUSED, "sequence number reused or already acknowledged") \
	X(DEADLINE, 16, RETRY, "deadline passed before the request was started") \
	X(CROSS_GROUP, 17, REFUSED, "keys belong to different groups") \
	X(HOLDS_DATA, 18, REFUSED, "shard may hold data and cannot be moved") \
	X(EXISTS, 19, REFUSED, "already exists") \
	X(NO_SUCH_GROUP, 20, REFUSED, "no such group") \
	X(DENIED, 21, REFUSED, "denied") \
	X(NOT_NUMBER, 22, REFUSED, "value is not a 64-bit integer") \
	X(NO_SPACE, 23, REFUSED, "no space, writes are refused") \
	X(COMPACTED, 24, REFUSED, "no longer kept") \
	X(INTERNAL, 25, UNKNOWN, "internal error") \
	X(WRONG_MEMBERS, 26, REFUSED, "the members of the group differ") \
	X(LOST_DIRECTORY, 27, REFUSED, "a member has come without its data directory") \
	X(REMOVED, 28, REFUSED, "the group has removed this node") \
	X(NO_MEMORY, 100, LOCAL, "out of memory") \
	X(IO, 101, LOCAL, "input/output error") \
	X(CORRUPT, 102, LOCAL, "corrupt data") \
	X(TRUNCATED, 103, LOCAL, "truncated data") \
	X(CONFIG, 104, LOCAL, "invalid configuration") \
	X(IDENTITY, 105, LOCAL, "data directory belongs to another node") \
	X(LOCKED, 106, LOCAL, "data directory is in use by another process") \
	X(READ_ONLY, 107, LOCAL, "not writable") \
	X(ADDRESS_IN_USE, 108, LOCAL, "address already in use") \
	X(CLOSED, 109, LOCAL, "closed") \
	X(CANCELLED, 110, LOCAL, "cancelled") \
	X(NEWER, 111, LOCAL, "written by a newer version of this program") \
	X(SHORTAGE, 112, LOCAL, "no file descriptor, or no memory, for now")
/* clang-format on */

enum status {
#define X(name, code, class, text) STATUS_##name = -(code),
	STATUS_MAP(X)
#undef X
};

enum status_class {
	STATUS_CLASS_OK,
	STATUS_CLASS_ANSWER,
	STATUS_CLASS_RETRY,
	STATUS_CLASS_REFUSED,
	STATUS_CLASS_UNKNOWN,
	STATUS_CLASS_LOCAL,
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* The text of a status ("not found"); "unrecognised status" for a number that is none. */
const char *status_text(int status);
/* The name of a status ("NOT_FOUND"). */
const char *status_name(int status);
enum status_class status_class(int status);
/* The name of an errno ("EMFILE"); "?" for a number that is none. */
const char *errno_name(int error);
/*
 * The status for a code that came off the wire; STATUS_INTERNAL if this version does not know it.
 */
int status_from_wire(unsigned code);
static inline unsigned status_to_wire(int status)
{
	return (unsigned)(-status);
}

#endif
