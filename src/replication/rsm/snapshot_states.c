/* The moves of snapshots that are taken and received: the tables of rsm/snapshot_states.h. */
#include "rsm/snapshot_states.h"

const struct state_table TAKE_STATES = {
	"snapshot that is taken",
	{
		[TAKE_IDLE] = {"idle", NEXT(TAKE_CREATE)},
		[TAKE_CREATE] = {"creation", NEXT(TAKE_SESSIONS) | NEXT(TAKE_IDLE)},
		[TAKE_SESSIONS] = {"encoding of the sessions", NEXT(TAKE_WRITE) | NEXT(TAKE_IDLE)},
		[TAKE_WRITE] = {"write", NEXT(TAKE_WRITE) | NEXT(TAKE_SYNC) | NEXT(TAKE_IDLE)},
		[TAKE_SYNC] = {"sync", NEXT(TAKE_WRITE) | NEXT(TAKE_RENAME) | NEXT(TAKE_IDLE)},
		[TAKE_RENAME] = {"rename", NEXT(TAKE_SYNC_DIRECTORY) | NEXT(TAKE_IDLE)},
		[TAKE_SYNC_DIRECTORY] = {"sync of the directory", NEXT(TAKE_IDLE)},
	}};

const struct state_table RECEIVE_STATES = {
	"snapshot that is received",
	{
		[RECEIVE_IDLE] = {"idle", NEXT(RECEIVE_CREATE)},
		[RECEIVE_CREATE] = {"creation", NEXT(RECEIVE_FETCH) | NEXT(RECEIVE_IDLE)},
		[RECEIVE_FETCH] = {"fetch",
				   NEXT(RECEIVE_CREATE) | NEXT(RECEIVE_SYNC) | NEXT(RECEIVE_IDLE)},
		[RECEIVE_SYNC] = {"sync", NEXT(RECEIVE_VERIFY) | NEXT(RECEIVE_IDLE)},
		[RECEIVE_VERIFY] = {"verification", NEXT(RECEIVE_RENAME) | NEXT(RECEIVE_IDLE)},
		[RECEIVE_RENAME] = {"rename", NEXT(RECEIVE_SYNC_DIRECTORY) | NEXT(RECEIVE_IDLE)},
		[RECEIVE_SYNC_DIRECTORY] = {"sync of the directory",
					    NEXT(RECEIVE_RESTORE) | NEXT(RECEIVE_IDLE)},
		[RECEIVE_RESTORE] = {"restoration", NEXT(RECEIVE_IDLE)},
	}};

const struct state_table PIECE_STATES = {
	"piece of a snapshot",
	{
		[PIECE_WANTED] = {"wanted", NEXT(PIECE_ASKED)},
		[PIECE_ASKED] = {"asked for", NEXT(PIECE_COME) | NEXT(PIECE_WANTED)},
		[PIECE_COME] = {"come", NEXT(PIECE_WRITTEN) | NEXT(PIECE_WANTED)},
		[PIECE_WRITTEN] = {"written", NEXT(PIECE_WANTED)},
	}};
