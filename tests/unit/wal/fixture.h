/*
 * What the tests of the wal share: a simulated disk with its own small clock, a wal on
 * it, and a model, which is the plain list of what was appended.
 */
#ifndef TESTS_UNIT_WAL_FIXTURE_H
#define TESTS_UNIT_WAL_FIXTURE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../support/check_main.h"
#include "base/rng.h"
#include "sim/disk_sim.h"
#include "wal/format.h"
#include "wal/wal.h"

struct event {
	uint64_t at_us;
	uint64_t ticket;
};

struct entry {
	enum wal_type type;
	uint64_t slot;
	uint64_t ballot;
	size_t len;
	uint8_t *data;
	wal_position position;
};

struct entries {
	struct entry *items;
	size_t count, capacity;
};

struct fixture {
	struct disk *disk;
	uint64_t now_us;
	struct event events[16];
	size_t event_count;

	struct wal *wal;
	uint64_t segment_bytes;
	uint32_t recycle_max, files_max;
	uint64_t group;
	uint64_t replica;
	bool begun;
	struct wal_recovery info;
	int fatal_status; /* of options.fatal; 0: not called */
	uint64_t durable; /* last told by options.durable */

	struct entries appended;  /* the model */
	size_t appended_at_open;  /* sequence s is appended.items[appended_at_open + s - 1] */
	size_t durable_count;     /* the first so many of the model are durable */
	size_t durable_before;    /* what durable_count was before the last batch */
	struct entries recovered; /* what the last opening replayed */

	/* The last wal_read. */
	bool read_done;
	int read_status;
	struct entry read;
};

void fixture_init(struct fixture *f, uint64_t seed, uint64_t segment_bytes);
void fixture_free(struct fixture *f);
/* A disk whose requests end in this fixture's time. */
struct disk *fixture_disk(struct fixture *f, uint64_t seed);
/* A fixture without a wal whose disk has the same files, all durable. */
void fixture_copy(struct fixture *to, const struct fixture *from);

/* Opens the wal; what it replays is in f->recovered. */
/* Makes a segment one of an earlier format. */
void fixture_age(struct fixture *f, const char *name, uint32_t version);
int fixture_open(struct fixture *f);
/* Ends the process as a crash does. */
void fixture_crash(struct fixture *f, enum disk_sim_crash kind);
/* Ends one disk request, the one that is due first; false if there is none. */
bool fixture_step(struct fixture *f);
/* Lets all requests end. */
void fixture_run(struct fixture *f);
wal_position fixture_append(struct fixture *f, enum wal_type type, uint64_t slot, uint64_t ballot,
			    const void *data, size_t len);
/* An accept of ballot 1 with a payload of `len` bytes that depend on the slot. */
wal_position fixture_accept(struct fixture *f, uint64_t slot, size_t len);
/* An accept of ballot 1 whose payload the log may keep instead of copying it. */
wal_position fixture_lend(struct fixture *f, uint64_t slot, struct bytes *payload);
/* Flushes and lets all requests end. */
void fixture_flush(struct fixture *f);
/* Asks for a record; f->read_done, f->read_status and f->read tell the rest. */
void fixture_read_begin(struct fixture *f, wal_position position);
/* Reads and waits; the record is in f->read. */
int fixture_read(struct fixture *f, wal_position position);

/*
 * Compares what was recovered with the model. The recovered records must be the model's
 * from the beginning of a segment on, none from `released` on missing at the front, to its end, or
 * an earlier one that is not before durable_count; the promise before them must be
 * right. The model is then cut at that end. Returns what is wrong, or NULL.
 */
const char *fixture_compare(struct fixture *f, wal_position released);
bool entry_equal(const struct entry *a, const struct entry *b);

struct file_list {
	struct {
		char name[48];
		uint64_t size;
	} items[512];
	size_t count;
};

struct file_list fixture_files(const struct fixture *f);
size_t fixture_count_files(const struct fixture *f, const char *prefix);

#endif
