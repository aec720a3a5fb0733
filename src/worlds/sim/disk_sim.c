/* The simulated disk: requests, time, crashes. */
#include "sim/disk_sim.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/crc32c.h"
#include "sim/disk_sim_state.h"

static struct inode *inode_of(const struct disk_sim *sim, const struct disk_file *file)
{
	ASSERT(file != NULL && file->process == sim->process);
	return file->inode;
}

static struct disk_file *file_open(struct disk_sim *sim, struct inode *inode)
{
	struct disk_file *file = ALLOC(struct disk_file);
	file->inode = inode_ref(inode);
	file->process = sim->process;
	list_push_back(&sim->files, &file->link);
	return file;
}

static void file_close(struct disk_file *file)
{
	list_remove(&file->link);
	inode_unref(file->inode);
	free(file);
}

static bool space_left(const struct disk_sim *sim, uint64_t bytes)
{
	uint64_t limit = sim->options.faults.space_bytes;
	return limit == 0 || disk_sim_space_used(&sim->disk) + bytes <= limit;
}

static bool is_write(enum disk_operation operation)
{
	return operation == DISK_WRITE || operation == DISK_WRITE_SYNC;
}
static bool is_sync(enum disk_operation operation)
{
	return operation == DISK_SYNC || operation == DISK_WRITE_SYNC ||
	       operation == DISK_SYNC_DIRECTORY;
}

static bool is_name_operation(enum disk_operation operation)
{
	return operation == DISK_CREATE || operation == DISK_RENAME || operation == DISK_REMOVE;
}

static void count_fault(struct disk_sim *sim, enum disk_sim_fault fault,
			enum disk_operation operation)
{
	struct disk_sim_counters *counters = &sim->counters;
	counters->faults++;
	switch (fault) {
	case DISK_SIM_STOP: counters->stops++; break;
	case DISK_SIM_TORN_WRITE: counters->torn_writes++; break;
	case DISK_SIM_NO_SPACE: counters->full++; break;
	case DISK_SIM_IO_ERROR:
		if (operation == DISK_READ)
			counters->read_errors++;
		else if (operation == DISK_WRITE)
			counters->write_errors++;
		else if (is_name_operation(operation))
			counters->name_errors++;
		else if (operation != DISK_WRITE_SYNC)
			/* of a write with sync: counted where it is known which half it was */
			counters->sync_errors++;
		break;
	default: break;
	}
}

/* Counts an operation and decides what goes wrong with it. */
static enum disk_sim_fault draw_fault(struct disk_sim *sim, enum disk_operation operation)
{
	const struct disk_sim_faults *faults = &sim->options.faults;
	enum disk_sim_fault fault = DISK_SIM_NO_FAULT;
	if (sim->operations++ == sim->fault_at) {
		fault = sim->fault;
	} else if (is_write(operation)) {
		if (rng_chance(&sim->rng, faults->write_error_ppm))
			fault = DISK_SIM_IO_ERROR;
		else if (rng_chance(&sim->rng, faults->misdirect_ppm))
			fault = DISK_SIM_MISDIRECT;
		else if (rng_chance(&sim->rng, faults->lost_write_ppm))
			fault = DISK_SIM_LOSE_WRITE;
	} else if (operation == DISK_READ && rng_chance(&sim->rng, faults->read_error_ppm)) {
		fault = DISK_SIM_IO_ERROR;
	}
	if (fault == DISK_SIM_NO_FAULT && is_name_operation(operation) &&
	    rng_chance(&sim->rng, faults->name_error_ppm))
		fault = DISK_SIM_IO_ERROR;
	if (fault == DISK_SIM_NO_FAULT && is_sync(operation) &&
	    rng_chance(&sim->rng, faults->sync_error_ppm))
		fault = DISK_SIM_IO_ERROR;
	if (fault == DISK_SIM_NO_SPACE && !is_write(operation) && operation != DISK_CREATE)
		fault = DISK_SIM_NO_FAULT;
	if ((fault == DISK_SIM_MISDIRECT || fault == DISK_SIM_LOSE_WRITE) && !is_write(operation))
		fault = DISK_SIM_NO_FAULT;
	if (fault == DISK_SIM_KILLED) {
		/* From here on it is a stop like any other. */
		sim->killed = true;
		fault = DISK_SIM_STOP;
	}
	if (fault == DISK_SIM_STOP || fault == DISK_SIM_TORN_WRITE)
		sim->stopped = true;
	if (fault != DISK_SIM_NO_FAULT)
		count_fault(sim, fault, operation);
	return fault;
}

/* Writes some sectors of the range. */
static void write_some(struct disk_sim *sim, struct inode *inode, uint64_t offset,
		       const uint8_t *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		size_t part = DISK_SIM_SECTOR_BYTES -
			      (size_t)((offset + done) % DISK_SIM_SECTOR_BYTES);
		if (part > len - done)
			part = len - done;
		if (rng_chance(&sim->rng, 500000))
			inode_write(inode, offset + done, data + done, part);
		done += part;
	}
}

/* The write half of an operation, into the cache. */
static int do_write(struct disk_sim *sim, enum disk_sim_fault fault, struct inode *inode,
		    uint64_t offset, const uint8_t *data, size_t len)
{
	sim->counters.writes++;
	if (fault == DISK_SIM_NO_SPACE ||
	    (offset + len > inode->size && !space_left(sim, offset + len - inode->size))) {
		sim->counters.full += fault != DISK_SIM_NO_SPACE;
		return STATUS_NO_SPACE;
	}
	switch (fault) {
	case DISK_SIM_IO_ERROR:
	case DISK_SIM_TORN_WRITE: write_some(sim, inode, offset, data, len); return STATUS_IO;
	case DISK_SIM_STOP: return STATUS_IO;
	case DISK_SIM_LOSE_WRITE: return 0;
	case DISK_SIM_MISDIRECT: {
		uint64_t sectors = inode->size / DISK_SIM_SECTOR_BYTES + 1;
		uint64_t aim = rng_below(&sim->rng, sectors) * DISK_SIM_SECTOR_BYTES +
			       offset % DISK_SIM_SECTOR_BYTES;
		if (aim + len <= inode->size)
			inode_write(inode, aim, data, len);
		return 0;
	}
	default:
		inode_write(inode, offset, data, len);
		sim->counters.bytes_written += len;
		return 0;
	}
}

static bool is_cut(const struct disk_sim *sim, const struct disk_request *request)
{
	return request->size_min > inode_of(sim, request->file)->size;
}

static int do_sync(struct disk_sim *sim, enum disk_sim_fault fault, struct inode *inode)
{
	sim->counters.syncs++;
	if (fault == DISK_SIM_STOP || fault == DISK_SIM_TORN_WRITE)
		return STATUS_IO;
	if (fault == DISK_SIM_IO_ERROR) {
		inode_sync_failed(inode);
		return STATUS_IO;
	}
	inode_sync(inode);
	return 0;
}

static int do_read(struct disk_sim *sim, enum disk_sim_fault fault, const struct inode *inode,
		   uint64_t offset, uint8_t *data, size_t len)
{
	sim->counters.reads++;
	if (fault != DISK_SIM_NO_FAULT)
		return STATUS_IO;
	if (offset + len > inode->size)
		return STATUS_TRUNCATED;
	inode_read(inode, offset, data, len);
	return 0;
}

/* Of a descriptor. */
static bool is_short(struct disk_sim *sim)
{
	bool is = sim->shortage_ppm > 0 && rng_chance(&sim->rng, sim->shortage_ppm);
	sim->counters.shortages += is;
	return is;
}

static int do_create(struct disk_sim *sim, enum disk_sim_fault fault, struct disk_request *request)
{
	request->file = NULL;
	if (fault == DISK_SIM_IO_ERROR || fault == DISK_SIM_STOP || fault == DISK_SIM_TORN_WRITE)
		return STATUS_IO;
	if (is_short(sim))
		return STATUS_SHORTAGE;
	struct inode *inode = inode_new();
	names_create(&sim->names, request->name, inode);
	int status = 0;
	if (fault == DISK_SIM_NO_SPACE || !space_left(sim, request->len)) {
		sim->counters.full += fault != DISK_SIM_NO_SPACE;
		/* As a real disk would: the file is there, filled as far as it went. */
		if (sim->options.faults.space_bytes > disk_sim_space_used(&sim->disk))
			inode_extend(inode, sim->options.faults.space_bytes -
						    disk_sim_space_used(&sim->disk));
		status = STATUS_NO_SPACE;
	} else {
		inode_extend(inode, request->len);
		request->file = file_open(sim, inode);
	}
	inode_unref(inode);
	return status;
}

/* Everything but the write half of a write. */
static int carry_out(struct disk_sim *sim, enum disk_sim_fault fault, struct disk_request *request)
{
	switch (request->operation) {
	case DISK_WRITE: return 0;
	case DISK_SYNC:
	case DISK_WRITE_SYNC: return do_sync(sim, fault, inode_of(sim, request->file));
	case DISK_READ:
		return do_read(sim, fault, inode_of(sim, request->file), request->offset,
			       request->data, request->len);
	case DISK_CREATE: return do_create(sim, fault, request);
	case DISK_CLOSE: file_close(request->file); return 0;
	default: break;
	}
	if (fault != DISK_SIM_NO_FAULT)
		return STATUS_IO;
	switch (request->operation) {
	case DISK_RENAME:
		return names_rename(&sim->names, request->name, request->new_name) ? 0 : STATUS_IO;
	case DISK_REMOVE: names_remove(&sim->names, request->name); return 0;
	case DISK_SYNC_DIRECTORY:
		sim->counters.syncs++;
		names_sync(&sim->names);
		return 0;
	default: ASSERT(false);
	}
}

/* Blocking calls. */

static int sim_list(struct disk *disk, void (*each)(void *context, const char *name, uint64_t size),
		    void *context)
{
	struct disk_sim *sim = disk_sim_of(disk);
	if (sim->stopped)
		return STATUS_IO;
	for (size_t i = 0; i < sim->names.current.count; i++)
		each(context, sim->names.current.entries[i].name,
		     sim->names.current.entries[i].inode->size);
	return 0;
}

static int sim_open(struct disk *disk, const char *name, struct disk_file **out, uint64_t *size)
{
	struct disk_sim *sim = disk_sim_of(disk);
	/* Opening fails as reading does. */
	if (sim->stopped || draw_fault(sim, DISK_READ) != DISK_SIM_NO_FAULT)
		return STATUS_IO;
	struct inode *inode = names_find(&sim->names, name);
	if (inode == NULL)
		return STATUS_NOT_FOUND;
	if (is_short(sim))
		return STATUS_SHORTAGE;
	*out = file_open(sim, inode);
	*size = inode->size;
	return 0;
}

static int sim_read_now(struct disk *disk, struct disk_file *file, uint64_t offset, uint8_t *data,
			size_t len)
{
	struct disk_sim *sim = disk_sim_of(disk);
	if (sim->stopped)
		return STATUS_IO;
	return do_read(sim, draw_fault(sim, DISK_READ), inode_of(sim, file), offset, data, len);
}

static int sim_write_now(struct disk *disk, struct disk_file *file, uint64_t offset,
			 const uint8_t *data, size_t len)
{
	struct disk_sim *sim = disk_sim_of(disk);
	if (sim->stopped)
		return STATUS_IO;
	return do_write(sim, draw_fault(sim, DISK_WRITE), inode_of(sim, file), offset, data, len);
}

static int sim_sync_now(struct disk *disk, struct disk_file *file)
{
	struct disk_sim *sim = disk_sim_of(disk);
	if (sim->stopped)
		return STATUS_IO;
	return do_sync(sim, draw_fault(sim, DISK_SYNC), inode_of(sim, file));
}

/* What a write is to write, in one piece; valid until the next. */
static struct slice written(struct disk_sim *sim, const struct disk_request *request)
{
	struct buffer *whole = &sim->whole;
	if (request->npieces == 0)
		return slice(request->data, request->len);
	buffer_clear(whole);
	for (uint32_t i = 0; i < request->npieces; i++)
		buffer_add_slice(whole, request->pieces[i]);
	ASSERT(whole->len == request->len);
	return buffer_slice(whole);
}

static int write_request(struct disk_sim *sim, enum disk_sim_fault fault,
			 const struct disk_request *request)
{
	struct slice data = written(sim, request);
	return do_write(sim, fault, inode_of(sim, request->file), request->offset, data.data,
			data.len);
}

static int sim_run_now(struct disk *disk, struct disk_request *request)
{
	struct disk_sim *sim = disk_sim_of(disk);
	if (request->operation == DISK_CLOSE) {
		file_close(request->file);
		return request->status = 0;
	}
	if (sim->stopped)
		return request->status = STATUS_IO;
	enum disk_sim_fault fault = draw_fault(sim, request->operation);
	int status = 0;
	if (is_write(request->operation) && is_cut(sim, request))
		status = STATUS_CORRUPT;
	else if (is_write(request->operation))
		status = write_request(sim, fault, request);
	if (status == 0)
		status = carry_out(sim, fault, request);
	return request->status = status;
}

/* Requests. */

static uint64_t draw_delay(struct disk_sim *sim, const struct disk_request *request)
{
	const struct disk_sim_options *options = &sim->options;
	uint64_t delay = rng_range(&sim->rng, options->write_us_low, options->write_us_high);
	if (is_sync(request->operation))
		delay += rng_range(&sim->rng, options->sync_us_low, options->sync_us_high);
	if (is_write(request->operation) || request->operation == DISK_READ)
		delay += request->len / 1024 * options->us_per_kib;
	if (rng_chance(&sim->rng, options->faults.slow_ppm)) {
		delay += options->faults.slow_us;
		sim->counters.slow++;
	}
	return delay;
}

static void lane_schedule(struct disk_sim *sim, struct lane *lane, uint64_t delay_us)
{
	lane->ticket = ++sim->tickets;
	sim->options.schedule(sim->options.context, delay_us, lane->ticket);
}

/* A write's buffer is the disk's until completion, whenever a real one would come to read it. */
static uint32_t buffer_sum(const struct disk_request *request)
{
	uint32_t crc = 0;
	if (request->npieces == 0)
		return crc32c(0, request->data, request->len);
	for (uint32_t i = 0; i < request->npieces; i++)
		crc = crc32c(crc, request->pieces[i].data, request->pieces[i].len);
	return crc;
}

static void buffer_taken(struct disk_request *request)
{
	if (is_write(request->operation))
		request->order = buffer_sum(request);
}

static void buffer_given_back(const struct disk_request *request)
{
	if (is_write(request->operation))
		ASSERT(request->order == buffer_sum(request));
}

/*
 * Begins the first request of a lane. A write reaches the cache now: a crash from here on may keep
 * any of it. What is yet to be made takes its time first, while the node goes on.
 */
static void lane_begin(struct disk_sim *sim, struct lane *lane)
{
	struct disk_request *request = lane->first;
	if (sim->stopped)
		return;
	lane->making = request->make != NULL && !lane->making;
	if (lane->making) {
		lane_schedule(sim, lane, draw_delay(sim, request));
		return;
	}
	lane->fault = request->operation == DISK_CLOSE ? DISK_SIM_NO_FAULT
						       : draw_fault(sim, request->operation);
	request->status = 0;
	if (is_write(request->operation)) {
		/* An input/output error of a write with sync is one of the two halves. */
		bool both = lane->fault == DISK_SIM_IO_ERROR &&
			    request->operation == DISK_WRITE_SYNC;
		bool in_sync = both && rng_chance(&sim->rng, 500000);
		sim->counters.sync_errors += in_sync;
		sim->counters.write_errors += both && !in_sync;
		request->status = is_cut(sim, request)
					  ? STATUS_CORRUPT
					  : write_request(sim,
							  in_sync ? DISK_SIM_NO_FAULT : lane->fault,
							  request);
	}
	if (!sim->stopped)
		lane_schedule(sim, lane, draw_delay(sim, request));
}

static void sim_submit(struct disk *disk, struct disk_request *request)
{
	struct disk_sim *sim = disk_sim_of(disk);
	struct lane *lane = &sim->lanes[request->lane];
	request->next = NULL;
	if (request->make == NULL)
		buffer_taken(request);
	if (lane->first == NULL) {
		lane->first = lane->last = request;
		lane_begin(sim, lane);
	} else {
		lane->last->next = request;
		lane->last = request;
	}
}

static void lane_finish(struct disk_sim *sim, struct lane *lane)
{
	struct disk_request *request = lane->first;
	lane->ticket = 0;
	lane->held = false;
	if (lane->making && request->make(request)) {
		buffer_taken(request);
		lane_begin(sim, lane);
		return;
	}
	if (lane->making)
		request->status = STATUS_CORRUPT;
	else
		buffer_given_back(request);
	lane->making = false;
	if (request->status == 0)
		request->status = carry_out(sim, lane->fault, request);
	lane->first = request->next;
	if (lane->first != NULL)
		lane_begin(sim, lane);
	request->callback(request);
}

bool disk_sim_complete(struct disk *disk, uint64_t ticket)
{
	struct disk_sim *sim = disk_sim_of(disk);
	if (sim->stopped || ticket == 0)
		return false;
	for (int i = 0; i < DISK_LANES; i++) {
		struct lane *lane = &sim->lanes[i];
		if (lane->ticket != ticket)
			continue;
		if (lane->hang || (lane->hold && is_sync(lane->first->operation))) {
			lane->ticket = 0;
			lane->held = true;
			return false;
		}
		lane_finish(sim, lane);
		return true;
	}
	return false;
}

/* What was held is asked for again, if nothing holds it any more. */
static void lane_let_go(struct disk_sim *sim, struct lane *lane)
{
	if (!lane->held || lane->hang || (lane->hold && is_sync(lane->first->operation)))
		return;
	lane->held = false;
	lane_schedule(sim, lane, 1);
}

void disk_sim_hold_syncs(struct disk *disk, enum disk_lane number, bool hold)
{
	struct disk_sim *sim = disk_sim_of(disk);
	struct lane *lane = &sim->lanes[number];
	lane->hold = hold;
	lane_let_go(sim, lane);
}

void disk_sim_hang_lane(struct disk *disk, enum disk_lane number, bool hang)
{
	struct disk_sim *sim = disk_sim_of(disk);
	sim->lanes[number].hang = hang;
	lane_let_go(sim, &sim->lanes[number]);
}

void disk_sim_hang(struct disk *disk, bool hang)
{
	for (int i = 0; i < DISK_LANES; i++)
		disk_sim_hang_lane(disk, (enum disk_lane)i, hang);
}

/* The process and its faults. */

void disk_sim_crash(struct disk *disk, enum disk_sim_crash kind)
{
	struct disk_sim *sim = disk_sim_of(disk);
	memset(sim->lanes, 0, sizeof sim->lanes);
	if (!sim->machine_short)
		sim->shortage_ppm = 0;
	sim->process++;
	sim->stopped = sim->killed = false;
	sim->counters.crashes++;
	if (kind == DISK_SIM_KILL)
		return;
	names_power_loss(&sim->names, &sim->rng, &sim->counters.lost_writes,
			 &sim->counters.lost_names);
}

void disk_sim_wipe(struct disk *disk)
{
	struct disk_sim *sim = disk_sim_of(disk);
	disk_sim_crash(disk, DISK_SIM_KILL);
	names_free(&sim->names);
}

void disk_sim_set_faults(struct disk *disk, const struct disk_sim_faults *faults)
{
	disk_sim_of(disk)->options.faults = faults == NULL ? (struct disk_sim_faults){0} : *faults;
}

void disk_sim_short_of_descriptors(struct disk *disk, uint32_t ppm, bool machine)
{
	disk_sim_of(disk)->shortage_ppm = ppm;
	disk_sim_of(disk)->machine_short = machine;
}

void disk_sim_fault_at(struct disk *disk, uint64_t operation, enum disk_sim_fault fault)
{
	disk_sim_of(disk)->fault_at = operation;
	disk_sim_of(disk)->fault = fault;
}

uint64_t disk_sim_operations(const struct disk *disk)
{
	return LIST_ITEM(disk, const struct disk_sim, disk)->operations;
}

void disk_sim_stop(struct disk *disk)
{
	disk_sim_of(disk)->stopped = true;
}

bool disk_sim_stopped(const struct disk *disk)
{
	return LIST_ITEM(disk, const struct disk_sim, disk)->stopped;
}

bool disk_sim_killed(const struct disk *disk)
{
	return LIST_ITEM(disk, const struct disk_sim, disk)->killed;
}

const struct disk_sim_counters *disk_sim_counters(const struct disk *disk)
{
	return &LIST_ITEM(disk, const struct disk_sim, disk)->counters;
}

struct disk *disk_sim_create(const struct disk_sim_options *options)
{
	static const struct disk_ops ops = {
		.list = sim_list,
		.open = sim_open,
		.read_now = sim_read_now,
		.write_now = sim_write_now,
		.sync_now = sim_sync_now,
		.run_now = sim_run_now,
		.submit = sim_submit,
	};
	struct disk_sim *sim = ALLOC(struct disk_sim);
	sim->disk.ops = &ops;
	sim->options = *options;
	sim->fault_at = UINT64_MAX;
	if (options->write_us_high == 0 && options->sync_us_high == 0) {
		sim->options.write_us_low = 20;
		sim->options.write_us_high = 60;
		sim->options.sync_us_low = 80;
		sim->options.sync_us_high = 200;
		sim->options.us_per_kib = 1;
	}
	rng_seed(&sim->rng, options->seed);
	list_init(&sim->files);
	return &sim->disk;
}

void disk_sim_destroy(struct disk *disk)
{
	struct disk_sim *sim = disk_sim_of(disk);
	LIST_FOR_SAFE (link, after, &sim->files)
		file_close(LIST_ITEM(link, struct disk_file, link));
	names_free(&sim->names);
	buffer_free(&sim->whole);
	free(sim);
}
