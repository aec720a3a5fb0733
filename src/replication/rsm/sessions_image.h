/*
 * The table of sessions as it is at one moment, encoded over many turns while commands go on, for a
 * snapshot: half a million sessions take too long for one.
 *
 * Sessions stand in their lists in ascending `place`; whoever is used gets a new one, at the back.
 * So the image is what has places up to that of the moment; the lists are gone through from the
 * front, and a session that is about to change, or to go, before its turn is encoded at once and
 * kept apart until its place has come. The result is what sessions_encode() would have given then.
 *
 * One at a time. sessions_clear() ends it: there is no result then.
 */
#ifndef SYNOD_RSM_SESSIONS_IMAGE_H
#define SYNOD_RSM_SESSIONS_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/list.h"

struct session;
struct sessions;

/* A session that has changed before its turn. */
struct session_apart {
	uint64_t place;
	uint64_t at, len; /* its encoding, in `apart` */
};

struct sessions_image {
	bool under_way;
	uint64_t upto;     /* places of the image */
	uint64_t passed;   /* of the present list, up to there: they are in `out` */
	struct list *list; /* that is being gone through */
	struct list *at;   /* next of it */
	struct buffer out;
	struct buffer apart;
	/* by list (once, order): a heap, the lowest place first */
	struct session_apart *heap[2];
	uint32_t count[2], capacity[2];
};

/* Of now. */
void sessions_image_begin(struct sessions *s);
/*
 * Goes on for about `bytes` bytes; true while there is more. Then the image is in
 * sessions_image_take().
 */
bool sessions_image_next(struct sessions *s, uint64_t bytes);
/* The whole image, which is the caller's from now on; nothing is under way any more. */
struct buffer sessions_image_take(struct sessions *s);
/* Given up, finished or not. */
void sessions_image_end(struct sessions *s);
/* The session is about to change: while one is under way. */
void sessions_image_note(struct sessions *s, const struct session *session);

#endif
