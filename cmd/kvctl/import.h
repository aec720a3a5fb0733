/* Records on their way into the cluster, and the bar that shows it. */
#ifndef SYNOD_KVCTL_IMPORT_H
#define SYNOD_KVCTL_IMPORT_H

#include <pthread.h>
#include <stdio.h>

#include "import_reader.h"
#include "kvctl.h"

#define IMPORT_WINDOW 256u

enum import_state { IMPORT_FREE, IMPORT_SENT, IMPORT_AGAIN, IMPORT_FAILED };

struct import_slot {
	struct import *import;
	enum import_state state; /* guarded by the import's mutex, like status and message */
	int status;
	char message[256];
	uint64_t line;
	unsigned attempts;
	bool unknown;  /* an attempt may have been applied */
	uint64_t hash; /* of the key */
	size_t key_len;
	struct buffer bytes; /* key and value */
};

struct import {
	struct kvctl *kvctl;
	struct synod *synod; /* NULL until the first record is sent */
	const char *name;    /* of the file */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct import_slot slots[IMPORT_WINDOW];
	unsigned busy; /* slots that are not free */
	uint64_t imported;
	uint64_t malformed, refused;
	uint64_t wrong_line; /* the first that does not fit; 0: all do */
	bool unknown;        /* a record that was given up may have been applied */
	int worst;           /* exit code */
	bool given_up;
	bool cut; /* what follows could not be read */
};

struct import_progress {
	bool shown; /* stderr is a terminal */
	bool drawn;
	uint64_t total_bytes; /* 0: unknown */
	uint64_t began_ms, drawn_ms;
};

void import_progress_begin(struct import_progress *progress, int fd);
/* Draws the bar, at most ten times a second. what: "records" and what becomes of them. */
void import_progress_draw(struct import_progress *progress, uint64_t read_bytes, uint64_t records,
			  const char *what);
/* Wipes the bar away, so that something else can be printed. */
void import_progress_clear(struct import_progress *progress);

void import_init(struct import *import, struct kvctl *kvctl, const char *name);
/*
 * Sends a record, once there is room in the window and no other record with its key is under way:
 * later lines win. The bytes are taken.
 */
void import_send(struct import *import, struct buffer *bytes_take, size_t key_len, uint64_t line);
/* Waits until nothing is under way. */
void import_drain(struct import *import);
void import_done(struct import *import);

#endif
