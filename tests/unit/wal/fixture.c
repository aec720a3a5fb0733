#include <stdlib.h>

#include "fixture.h"

#include "base/alloc.h"
#include "base/crc32c.h"

static void entry_free(struct entry *e)
{
	free(e->data);
	e->data = NULL;
}

static void entries_cut(struct entries *list, size_t count)
{
	while (list->count > count)
		entry_free(&list->items[--list->count]);
}

static void entries_free(struct entries *list)
{
	entries_cut(list, 0);
	free(list->items);
	memset(list, 0, sizeof *list);
}

static struct entry entry_of(const struct wal_record *record)
{
	struct entry e = {
		.type = record->type,
		.slot = record->slot,
		.ballot = record->ballot,
		.len = record->payload.len,
		.data = alloc_bytes(record->payload.len + 1),
		.position = record->position,
	};
	if (e.len > 0)
		memcpy(e.data, record->payload.data, e.len);
	return e;
}

static void entries_add(struct entries *list, struct entry e)
{
	if (list->count == list->capacity) {
		list->capacity = list->capacity == 0 ? 64 : list->capacity * 2;
		list->items = alloc_resize(list->items, list->capacity, sizeof *list->items);
	}
	list->items[list->count++] = e;
}

bool entry_equal(const struct entry *a, const struct entry *b)
{
	return a->type == b->type && a->slot == b->slot && a->ballot == b->ballot &&
	       a->position == b->position && a->len == b->len &&
	       memcmp(a->data, b->data, a->len) == 0;
}

static void fixture_schedule(void *context, uint64_t delay_us, uint64_t ticket)
{
	struct fixture *f = context;
	ck_assert(f->event_count < sizeof f->events / sizeof *f->events);
	f->events[f->event_count++] = (struct event){.at_us = f->now_us + delay_us,
						     .ticket = ticket};
}

struct disk *fixture_disk(struct fixture *f, uint64_t seed)
{
	return disk_sim_create(&(struct disk_sim_options){
		.seed = seed, .schedule = fixture_schedule, .context = f});
}

void fixture_init(struct fixture *f, uint64_t seed, uint64_t segment_bytes)
{
	memset(f, 0, sizeof *f);
	f->segment_bytes = segment_bytes;
	f->group = 7;
	f->disk = fixture_disk(f, seed);
}

static void fixture_replay(void *context, const struct wal_record *record)
{
	struct fixture *f = context;
	entries_add(&f->recovered, entry_of(record));
}

static void fixture_durable(void *context, uint64_t sequence)
{
	struct fixture *f = context;
	ck_assert(f->fatal_status == 0);
	ck_assert(sequence > f->durable);
	f->durable = sequence;
	f->durable_before = f->durable_count;
	f->durable_count = f->appended_at_open + sequence;
	ck_assert(f->durable_count <= f->appended.count);
}

static void fixture_fatal(void *context, int status, const char *why)
{
	struct fixture *f = context;
	ck_assert(f->fatal_status == 0);
	ck_assert(status != 0 && why != NULL);
	f->fatal_status = status;
}

void fixture_age(struct fixture *f, const char *name, uint32_t version)
{
	static uint8_t data[1 << 20];
	uint64_t size = 0;
	struct wal_header header;
	struct wal_frame frame;
	ck_assert_int_eq(disk_sim_size(f->disk, name, &size), 0);
	ck_assert_uint_le(size, sizeof data);
	ck_assert_int_eq(disk_sim_peek(f->disk, name, 0, data, size), 0);
	ck_assert(wal_header_decode(data, &header));
	for (uint64_t at = WAL_HEADER_BYTES;
	     at < size && wal_record_verify(data + at, size - at, header.place, at, &frame);
	     at += frame.size)
		wal_record_seal(data + at, header.segment, at, frame.last);
	store_u32(data + 8, version);
	if (version == 1)
		store_u64(data + 56, 0);
	uint32_t crc = version < 3 ? 0 : crc32c(0, data + 8, 4);
	store_u32(data + 12, crc32c(crc, data + 16, WAL_HEADER_BYTES - 16));
	ck_assert_int_eq(disk_sim_poke(f->disk, name, 0, data, size), 0);
}

int fixture_open(struct fixture *f)
{
	struct wal_options options = {
		.disk = f->disk,
		.group = f->group,
		.replica = f->replica,
		.begun = f->begun,
		.segment_bytes = f->segment_bytes,
		.recycle_max = f->recycle_max,
		.files_max = f->files_max,
		.durable = fixture_durable,
		.fatal = fixture_fatal,
		.context = f,
	};
	ck_assert(f->wal == NULL);
	entries_cut(&f->recovered, 0);
	f->durable = 0;
	f->fatal_status = 0;
	f->appended_at_open = f->appended.count;
	return wal_open(&f->wal, &options, fixture_replay, &f->info);
}

void fixture_crash(struct fixture *f, enum disk_sim_crash kind)
{
	f->event_count = 0;
	disk_sim_crash(f->disk, kind);
	if (f->wal != NULL)
		wal_close(f->wal);
	f->wal = NULL;
}

bool fixture_step(struct fixture *f)
{
	if (f->event_count == 0)
		return false;
	size_t next = 0;
	for (size_t i = 1; i < f->event_count; i++)
		if (f->events[i].at_us < f->events[next].at_us)
			next = i;
	struct event event = f->events[next];
	f->events[next] = f->events[--f->event_count];
	f->now_us = event.at_us;
	disk_sim_complete(f->disk, event.ticket);
	return true;
}

void fixture_run(struct fixture *f)
{
	while (fixture_step(f))
		;
}

static wal_position append(struct fixture *f, struct wal_record *record)
{
	wal_position position;
	uint64_t sequence = wal_append(f->wal, record, &position);
	record->position = position;
	entries_add(&f->appended, entry_of(record));
	ck_assert_uint_eq(f->appended_at_open + sequence, f->appended.count);
	return position;
}

wal_position fixture_append(struct fixture *f, enum wal_type type, uint64_t slot, uint64_t ballot,
			    const void *data, size_t len)
{
	struct wal_record record = {
		.type = type, .slot = slot, .ballot = ballot, .payload = slice(data, len)};
	/* Every other payload is the log's to keep. */
	if (slot % 2 == 0) {
		record.held = bytes_copy(record.payload);
		record.payload = bytes_slice(record.held);
	}
	wal_position position = append(f, &record);
	bytes_unref(record.held);
	return position;
}

wal_position fixture_lend(struct fixture *f, uint64_t slot, struct bytes *payload)
{
	struct wal_record record = {.type = WAL_ACCEPT,
				    .slot = slot,
				    .ballot = 1,
				    .payload = bytes_slice(payload),
				    .held = payload};
	return append(f, &record);
}

wal_position fixture_accept(struct fixture *f, uint64_t slot, size_t len)
{
	uint8_t *data = alloc_bytes(len + 1);
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(slot * 31 + i * 7 + 1);
	wal_position position = fixture_append(f, WAL_ACCEPT, slot, 1, data, len);
	free(data);
	return position;
}

void fixture_flush(struct fixture *f)
{
	wal_flush(f->wal);
	fixture_run(f);
}

const char *fixture_compare(struct fixture *f, wal_position released)
{
	size_t r = 0, m = 0;
	uint64_t promise = 0;
	if (f->recovered.count > 0 && wal_position_offset(f->recovered.items[0].position) == 0) {
		if (f->recovered.items[0].type != WAL_PROMISE)
			return "the header's record is no promise";
		promise = f->recovered.items[0].ballot;
		r = 1;
	}
	if (f->info.records != f->recovered.count)
		return "info.records is wrong";
	uint64_t first_segment = 0;
	if (f->recovered.count > 0)
		first_segment = wal_position_segment(f->recovered.items[0].position);
	uint64_t promise_before = 0;
	while (m < f->appended.count &&
	       wal_position_segment(f->appended.items[m].position) < first_segment) {
		const struct entry *e = &f->appended.items[m];
		if (e->position >= released)
			return "a record that was not released is missing at the front";
		if (e->type != WAL_SNAPSHOT && e->ballot > promise_before)
			promise_before = e->ballot;
		m++;
	}
	if (promise != promise_before)
		return "the promise did not survive";
	for (; r < f->recovered.count; r++, m++) {
		if (m >= f->appended.count)
			return "more was recovered than was appended";
		if (!entry_equal(&f->recovered.items[r], &f->appended.items[m]))
			return "a recovered record differs from what was appended";
	}
	if (m < f->durable_count)
		return "durable records are missing at the end";
	entries_cut(&f->appended, m);
	f->durable_count = f->durable_before = m;
	f->appended_at_open = m;
	return NULL;
}

static void fixture_read_done(void *context, int status, const struct wal_record *record)
{
	struct fixture *f = context;
	f->read_done = true;
	f->read_status = status;
	entry_free(&f->read);
	if (status == 0)
		f->read = entry_of(record);
	else
		ck_assert_ptr_null(record);
}

void fixture_read_begin(struct fixture *f, wal_position position)
{
	f->read_done = false;
	wal_read(f->wal, position, fixture_read_done, f);
}

int fixture_read(struct fixture *f, wal_position position)
{
	fixture_read_begin(f, position);
	while (!f->read_done)
		ck_assert(fixture_step(f));
	return f->read_status;
}

void fixture_free(struct fixture *f)
{
	if (f->wal != NULL)
		wal_close(f->wal);
	disk_sim_destroy(f->disk);
	entries_free(&f->appended);
	entries_free(&f->recovered);
	entry_free(&f->read);
}

static void file_list_add(void *context, const char *name, uint64_t size)
{
	struct file_list *list = context;
	ck_assert(list->count < sizeof list->items / sizeof *list->items &&
		  strlen(name) < sizeof list->items[0].name);
	strcpy(list->items[list->count].name, name);
	list->items[list->count++].size = size;
}

struct file_list fixture_files(const struct fixture *f)
{
	struct file_list list = {.count = 0};
	ck_assert_int_eq(f->disk->ops->list(f->disk, file_list_add, &list), 0);
	return list;
}

size_t fixture_count_files(const struct fixture *f, const char *prefix)
{
	struct file_list list = fixture_files(f);
	size_t count = 0;
	for (size_t i = 0; i < list.count; i++)
		count += strncmp(list.items[i].name, prefix, strlen(prefix)) == 0;
	return count;
}

void fixture_copy(struct fixture *to, const struct fixture *from)
{
	fixture_init(to, 1, from->segment_bytes);
	to->recycle_max = from->recycle_max;
	to->files_max = from->files_max;
	struct file_list files = fixture_files(from);
	for (size_t i = 0; i < files.count; i++) {
		uint8_t *data = alloc_bytes(files.items[i].size + 1);
		ck_assert_int_eq(disk_sim_peek(from->disk, files.items[i].name, 0, data,
					       files.items[i].size),
				 0);
		ck_assert_int_eq(
			disk_sim_poke(to->disk, files.items[i].name, 0, data, files.items[i].size),
			0);
		free(data);
	}
}
