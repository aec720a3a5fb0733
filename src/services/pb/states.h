/*
 * What a pbserver is in the view that it has adopted, and how far the state transfer to its backup
 * is.
 *
 *   standing    IDLE ──► FILLING ──► FILLED ──► PRIMARY
 *                └── the view begins with nothing ─► PRIMARY
 *
 *               A new view, or another beginning, leads from each to IDLE or FILLING, and from
 *               PRIMARY to PRIMARY.
 *
 *   transfer    NONE ──► RECORDS ──► DONE, and with the next view again to NONE or RECORDS
 *
 * So a server that has not got the whole state never becomes primary of it: the table has no way
 * from FILLING there. Who is IDLE holds nothing.
 */
#ifndef SYNOD_PB_STATES_H
#define SYNOD_PB_STATES_H

#include "base/states.h"

enum pb_standing {
	STANDING_IDLE,    /* neither primary nor backup of the view */
	STANDING_FILLING, /* backup, on the way to the whole state */
	STANDING_FILLED,  /* backup with the whole state */
	STANDING_PRIMARY,
};

enum transfer { TRANSFER_NONE, TRANSFER_RECORDS, TRANSFER_DONE };

extern const struct state_table PB_STANDINGS, PB_TRANSFERS;

#endif
