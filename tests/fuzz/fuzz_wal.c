/*
 * libFuzzer: recovery of the log from segment files of any contents, on a simulated disk.
 *
 *   input: steps that write a directory
 *     0 a segment file      u8 id, u8 size in units of 64 bytes; what follows goes into it
 *     1 a header, sealed    u8 what to get wrong (bits: id, capacity, group), u8 first batch, u8
 *                           promise
 *     2 a record, sealed    u8 type and last-of-batch bit, u8 batch, u8 slot, u8 ballot, u8 length,
 *                           payload; goes behind the one before
 *     3 raw bytes           u16 offset, u8 length, bytes
 *     4 skip                u8: the next record begins so many units of 8 bytes later
 *     5 a free file         u8 number, u8 size
 *     6 a file of another kind, or with an absurd number
 *     7 damage              u16 offset, u8 xor
 *
 * What must hold: recovery ends with a log, or with STATUS_CORRUPT or STATUS_NEWER and a problem
 * that says why. Whatever it replays stands on disk where it says, verifies, and comes in order.
 * And a log that was opened can be appended to, and after that replays the same records and the new
 * one.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "fuzz.h"
#include "sim/disk_sim.h"
#include "wal/format.h"
#include "wal/wal.h"

#define GROUP 7u
#define SEGMENT_BYTES 1024u
#define FILE_BYTES_MAX (64u * 256u)

/* The file that is being written. */
struct target {
	struct disk *disk;
	char name[WAL_NAME_BYTES];
	uint64_t id;
	uint8_t data[FILE_BYTES_MAX + 256];
	uint64_t size;
	uint64_t at; /* where the next record goes */
};

/* What a replay was, in short. */
struct replayed {
	const struct disk *disk;
	uint64_t records;
	wal_position last;
	uint32_t crc;
};

static uint64_t tickets[64];
static size_t ntickets;

static void schedule(void *context, uint64_t delay_us, uint64_t ticket)
{
	(void)context;
	(void)delay_us;
	ASSERT(ntickets < sizeof tickets / sizeof tickets[0]);
	tickets[ntickets++] = ticket;
}

static void drain(struct disk *disk)
{
	while (ntickets > 0) {
		uint64_t ticket = tickets[0];
		memmove(tickets, tickets + 1, --ntickets * sizeof tickets[0]);
		disk_sim_complete(disk, ticket);
	}
}

/* ---- writing the directory ---- */

static void save(struct target *t)
{
	if (t->name[0] == '\0')
		return;
	(void)!disk_sim_remove(t->disk, t->name);
	int status = disk_sim_poke(t->disk, t->name, 0, t->data, t->size);
	ASSERT(status == 0);
}

static void begin_segment(struct target *t, uint64_t id, uint64_t size)
{
	save(t);
	memset(t->data, 0, sizeof t->data);
	t->id = id;
	t->size = size;
	t->at = WAL_HEADER_BYTES;
	wal_name(t->name, WAL_LOG_PREFIX, id);
}

static void put_header(struct target *t, struct slice *in)
{
	uint8_t wrong = input_u8(in);
	struct wal_header header = {
		.segment = t->id + (wrong & 1),
		.capacity = t->size + (wrong >> 1 & 1) * 8u,
		.group = GROUP + (wrong >> 2 & 1),
		.first_batch = input_u8(in),
		.promise = input_u8(in),
	};
	wal_header_encode(t->data, &header);
}

static void put_record(struct target *t, struct slice *in)
{
	uint8_t type = input_u8(in);
	uint64_t batch = input_u8(in);
	struct wal_record record = {
		.type = (enum wal_type)(type % 6), .slot = input_u8(in), .ballot = input_u8(in)};
	record.payload = input_bytes(in, input_u8(in));
	size_t size = wal_record_size(record.payload.len);
	if (t->at + size > sizeof t->data)
		return;
	wal_record_encode(t->data + t->at, &record, batch);
	wal_record_seal(t->data + t->at, wal_place(t->id, GROUP, 0), t->at, (type & 0x80) != 0);
	t->at += size;
}

static void put_other_file(struct target *t, uint8_t which)
{
	static const char *const names[] = {"log-ffffffffffffffff",  "log-1",
					    "free-ffffffffffffffff", "log-0000000100000000",
					    "LOG-0000000000000001",  "snapshot-0000000000000001",
					    "free-0000000000000000"};
	int status = disk_sim_poke(t->disk, names[which % 7], 0, t->data, 64);
	ASSERT(status == 0);
}

static void write_directory(struct disk *disk, struct slice *in)
{
	static struct target t;
	memset(&t, 0, sizeof t);
	t.disk = disk;
	while (in->len > 0) {
		uint8_t step = input_u8(in) % 8;
		uint64_t offset;
		switch (step) {
		case 0: {
			uint8_t id = input_u8(in);
			begin_segment(&t, id, 64u * input_u8(in));
			break;
		}
		case 1: put_header(&t, in); break;
		case 2: put_record(&t, in); break;
		case 3: {
			offset = input_u16(in) % FILE_BYTES_MAX;
			struct slice bytes = input_bytes(in, input_u8(in));
			if (bytes.len > 0)
				memcpy(t.data + offset, bytes.data, bytes.len);
			break;
		}
		case 4:
			offset = input_u8(in) * 8u;
			t.at = (t.at + offset) % FILE_BYTES_MAX;
			break;
		case 5: {
			char name[WAL_NAME_BYTES];
			wal_name(name, WAL_FREE_PREFIX, input_u8(in));
			int status = disk_sim_poke(disk, name, 0, t.data,
						   input_u8(in) % 2 != 0 ? SEGMENT_BYTES : 64);
			ASSERT(status == 0);
			break;
		}
		case 6: put_other_file(&t, input_u8(in)); break;
		default: offset = input_u16(in) % FILE_BYTES_MAX; t.data[offset] ^= input_u8(in);
		}
	}
	save(&t);
}

/* ---- recovery ---- */

static void check_on_disk(struct replayed *r, const struct wal_record *record)
{
	char name[WAL_NAME_BYTES];
	uint64_t segment = wal_position_segment(record->position),
		 offset = wal_position_offset(record->position), size;
	wal_name(name, WAL_LOG_PREFIX, segment);
	struct disk *disk = (struct disk *)(uintptr_t)r->disk;
	int status = disk_sim_size(disk, name, &size);
	ASSERT(status == 0);
	uint8_t *data = malloc(size);
	ASSERT(data != NULL);
	status = disk_sim_peek(disk, name, 0, data, size);
	ASSERT(status == 0);
	if (offset == 0) {
		/* The promise of the first header. */
		struct wal_header header;
		bool good = wal_header_decode(data, &header);
		ASSERT(good && record->type == WAL_PROMISE && record->ballot == header.promise &&
		       r->records == 0);
	} else {
		struct wal_frame frame;
		struct wal_header header;
		bool good = wal_header_decode(data, &header) &&
			    wal_record_verify(data + offset, size - offset, header.place, offset,
					      &frame);
		ASSERT(good && frame.type == record->type && frame.slot == record->slot &&
		       frame.ballot == record->ballot);
		ASSERT(slice_equal(frame.payload, record->payload));
	}
	free(data);
}

static void replay(void *context, const struct wal_record *record)
{
	struct replayed *r = context;
	ASSERT(record->type >= WAL_PROMISE && record->type <= WAL_STARTS);
	ASSERT(r->records == 0 || record->position > r->last);
	check_on_disk(r, record);
	r->records++;
	r->last = record->position;
	uint64_t fields[4] = {record->type, record->slot, record->ballot, record->position};
	r->crc = crc32c(r->crc, fields, sizeof fields);
	r->crc = crc32c(r->crc, record->payload.data, record->payload.len);
}

static void durable(void *context, uint64_t sequence)
{
	(void)context;
	(void)sequence;
}

static void fatal(void *context, int status, const char *why)
{
	(void)context;
	(void)status;
	assert_failed(why, __FILE__, __LINE__);
}

static int open_log(struct disk *disk, struct wal **wal, struct replayed *r)
{
	struct wal_recovery info;
	*r = (struct replayed){.disk = disk};
	struct wal_options options = {.disk = disk,
				      .group = GROUP,
				      .segment_bytes = SEGMENT_BYTES,
				      .durable = durable,
				      .fatal = fatal,
				      .context = r};
	int status = wal_open(wal, &options, replay, &info);
	ASSERT(status == 0 || status == STATUS_CORRUPT || status == STATUS_NEWER);
	ASSERT((status == 0) == (*wal != NULL));
	ASSERT((status != 0) == (info.problem[0] != '\0'));
	ASSERT(info.records == r->records);
	return status;
}

/* Appends one record, and expects to read everything again. */
static void go_on(struct disk *disk, struct wal *wal, struct replayed before)
{
	struct wal_record record = {
		.type = WAL_ACCEPT, .slot = 77, .ballot = 88, .payload = slice_string("payload")};
	struct replayed after;
	before.disk = disk;
	wal_append(wal, &record, &record.position);
	wal_flush(wal);
	drain(disk);
	ASSERT(wal_durable(wal) == 1);
	disk_sim_crash(disk, DISK_SIM_POWER);
	wal_close(wal);
	int status = open_log(disk, &wal, &after);
	ASSERT(status == 0);
	replay(&before, &record);
	ASSERT(before.records == after.records && before.crc == after.crc);
	disk_sim_crash(disk, DISK_SIM_KILL);
	wal_close(wal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice(data, size);
	struct disk *disk = disk_sim_create(
		&(struct disk_sim_options){.seed = 1, .schedule = schedule});
	struct wal *wal;
	struct replayed r;

	ntickets = 0;
	write_directory(disk, &in);
	if (open_log(disk, &wal, &r) == 0)
		go_on(disk, wal, r);
	disk_sim_destroy(disk);
	return 0;
}
