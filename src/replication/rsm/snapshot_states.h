/*
 * The states of snapshots that are taken, and of those that come from a peer. Serving pieces to
 * others has none (rsm/snapshot_send.c): each piece is asked for by its offset.
 *
 *   taken      IDLE ──► CREATE ──► SESSIONS ──► WRITE ──► SYNC ──► RENAME ──► SYNC_DIRECTORY ──► IDLE
 *                                               └─┘ ◄─────┘ the next chunk
 *
 *   received   IDLE ──► CREATE ──► FETCH ──► SYNC ──► VERIFY ──► RENAME ──► SYNC_DIRECTORY
 *                          ▲         │                                          │
 *                          └─────────┘ the source offers another snapshot       ▼
 *                                                                   IDLE ◄── RESTORE
 *
 *   a piece    WANTED ──► ASKED ──► COME ──► WRITTEN ──► WANTED (of the next window)
 *                            └─ silence, or another snapshot: WANTED
 *
 * Whatever fails, is aborted or comes too late leads back to IDLE, from each state: a crash or an
 * end at any of them leaves the old snapshot and the log as they were. So the state is replaced
 * only by what has been verified, and got its name, and nothing gets its name before it is synced.
 */
#ifndef SYNOD_RSM_SNAPSHOT_STATES_H
#define SYNOD_RSM_SNAPSHOT_STATES_H

#include "base/states.h"

enum take_step {
	TAKE_IDLE,
	TAKE_CREATE,
	TAKE_SESSIONS, /* they are being encoded */
	TAKE_WRITE,
	TAKE_SYNC,
	TAKE_RENAME,
	TAKE_SYNC_DIRECTORY,
};

enum receive_step {
	RECEIVE_IDLE,
	RECEIVE_CREATE,
	RECEIVE_FETCH, /* pieces have been asked for, and are written as they come */
	RECEIVE_SYNC,
	RECEIVE_VERIFY,
	RECEIVE_RENAME,
	RECEIVE_SYNC_DIRECTORY,
	RECEIVE_RESTORE,
};

enum piece_state { PIECE_WANTED, PIECE_ASKED, PIECE_COME, PIECE_WRITTEN };

/* Names are what is being done: "creation". */
extern const struct state_table TAKE_STATES, RECEIVE_STATES, PIECE_STATES;

#endif
