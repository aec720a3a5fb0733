/* A file's contents: what is durable, and what is not yet. */
#include "sim/disk_sim_inode.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "sim/disk_sim.h"

struct inode_write {
	struct inode_write *next;
	uint64_t offset;
	size_t len;
	bool abandoned; /* its sync has failed */
	uint8_t data[];
};

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}
static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

struct inode *inode_new(void)
{
	struct inode *inode = ALLOC(struct inode);
	inode->refs = 1;
	return inode;
}

struct inode *inode_ref(struct inode *inode)
{
	inode->refs++;
	return inode;
}

static void drop_writes(struct inode *inode)
{
	while (inode->writes != NULL) {
		struct inode_write *write = inode->writes;
		inode->writes = write->next;
		free(write);
	}
	inode->last_write = NULL;
	inode->write_count = 0;
}

void inode_unref(struct inode *inode)
{
	ASSERT(inode->refs > 0);
	if (--inode->refs > 0)
		return;
	drop_writes(inode);
	size_t position = 0;
	uint64_t key;
	void *page;
	while (map_next(&inode->pages, &position, &key, &page))
		free(page);
	map_free(&inode->pages);
	free(inode);
}

static void read_pages(const struct inode *inode, uint64_t offset, uint8_t *data, size_t len)
{
	while (len > 0) {
		size_t within = (size_t)(offset % INODE_PAGE_BYTES);
		size_t part = smaller(INODE_PAGE_BYTES - within, len);
		const uint8_t *page = map_get(&inode->pages, offset / INODE_PAGE_BYTES);
		if (page == NULL)
			memset(data, 0, part);
		else
			memcpy(data, page + within, part);
		offset += part;
		data += part;
		len -= part;
	}
}

static void write_pages(struct inode *inode, uint64_t offset, const uint8_t *data, size_t len)
{
	while (len > 0) {
		size_t within = (size_t)(offset % INODE_PAGE_BYTES);
		size_t part = smaller(INODE_PAGE_BYTES - within, len);
		uint8_t *page = map_get(&inode->pages, offset / INODE_PAGE_BYTES);
		if (page == NULL) {
			page = alloc_zeroed(1, INODE_PAGE_BYTES);
			map_put(&inode->pages, offset / INODE_PAGE_BYTES, page);
		}
		memcpy(page + within, data, part);
		offset += part;
		data += part;
		len -= part;
	}
}

void inode_read(const struct inode *inode, uint64_t offset, uint8_t *data, size_t len)
{
	ASSERT(offset + len <= inode->size);
	read_pages(inode, offset, data, len);
	for (const struct inode_write *write = inode->writes; write != NULL; write = write->next) {
		uint64_t begin = larger(offset, write->offset);
		uint64_t end = smaller(offset + len, write->offset + write->len);
		if (begin < end)
			memcpy(data + (begin - offset), write->data + (begin - write->offset),
			       end - begin);
	}
}

void inode_write(struct inode *inode, uint64_t offset, const uint8_t *data, size_t len)
{
	if (len == 0)
		return;
	struct inode_write *write = alloc_bytes(sizeof *write + len);
	*write = (struct inode_write){.offset = offset, .len = len};
	memcpy(write->data, data, len);
	if (inode->last_write == NULL)
		inode->writes = write;
	else
		inode->last_write->next = write;
	inode->last_write = write;
	inode->write_count++;
	inode->size = larger(inode->size, offset + len);
}

void inode_extend(struct inode *inode, uint64_t size)
{
	inode->size = larger(inode->size, size);
}

void inode_sync(struct inode *inode)
{
	struct inode_write **link = &inode->writes;
	inode->last_write = NULL;
	inode->write_count = 0;
	while (*link != NULL) {
		struct inode_write *write = *link;
		if (write->abandoned) {
			inode->last_write = write;
			inode->write_count++;
			link = &write->next;
			continue;
		}
		write_pages(inode, write->offset, write->data, write->len);
		/*
		 * It becomes durable, and has to stay visible over older abandoned writes of the
		 * same bytes: those are brought up to date.
		 */
		for (struct inode_write *older = inode->writes; older != write;
		     older = older->next) {
			uint64_t begin = larger(older->offset, write->offset);
			uint64_t end = smaller(older->offset + older->len,
					       write->offset + write->len);
			if (begin < end)
				memcpy(older->data + (begin - older->offset),
				       write->data + (begin - write->offset), end - begin);
		}
		*link = write->next;
		free(write);
	}
	inode->durable_size = inode->size;
}

void inode_sync_failed(struct inode *inode)
{
	for (struct inode_write *write = inode->writes; write != NULL; write = write->next)
		write->abandoned = true;
}

/* Makes the part of a write durable that lies in one sector and within the file. */
static void keep_sector(struct inode *inode, const struct inode_write *write, uint64_t sector)
{
	uint64_t begin = larger(write->offset, sector * DISK_SIM_SECTOR_BYTES);
	uint64_t end = smaller(write->offset + write->len, (sector + 1) * DISK_SIM_SECTOR_BYTES);
	end = smaller(end, inode->durable_size);
	if (begin < end)
		write_pages(inode, begin, write->data + (begin - write->offset), end - begin);
}

static uint64_t first_sector(const struct inode_write *write)
{
	return write->offset / DISK_SIM_SECTOR_BYTES;
}
static uint64_t end_sector(const struct inode_write *write)
{
	return (write->offset + write->len + DISK_SIM_SECTOR_BYTES - 1) / DISK_SIM_SECTOR_BYTES;
}

/* The first `whole` writes, and some sectors of the next one. */
static void keep_first(struct inode *inode, size_t whole, struct rng *rng)
{
	size_t index = 0;
	for (const struct inode_write *write = inode->writes; write != NULL;
	     write = write->next, index++) {
		if (write->abandoned)
			continue;
		if (index > whole)
			break;
		uint64_t begin = first_sector(write), end = end_sector(write);
		/* Torn: either cut off at one sector, or any of them missing. */
		bool cut = rng_chance(rng, 500000);
		uint64_t cut_at = rng_range(rng, begin, end);
		for (uint64_t sector = begin; sector < end; sector++)
			if (index < whole || (cut ? sector < cut_at : rng_chance(rng, 500000)))
				keep_sector(inode, write, sector);
	}
}

/*
 * Each sector at a version of its own: it holds the effect of the writes up to one of them. (A
 * disk writes whole sectors from a cache in which later writes lie on earlier ones.)
 */
static void keep_versions(struct inode *inode, struct rng *rng)
{
	/* sector → number of writes that count; a pointer, so shifted by 1 */
	struct map versions = {0};
	uintptr_t index = 0;
	for (const struct inode_write *write = inode->writes; write != NULL;
	     write = write->next, index++) {
		if (write->abandoned)
			continue;
		for (uint64_t sector = first_sector(write); sector < end_sector(write); sector++) {
			uintptr_t version = (uintptr_t)map_get(&versions, sector);
			if (version == 0) {
				version = (uintptr_t)rng_below(rng, inode->write_count + 1) + 1;
				map_put(&versions, sector, (void *)version);
			}
			if (index < version - 1)
				keep_sector(inode, write, sector);
		}
	}
	map_free(&versions);
}

/*
 * Whether what is durable differs from what was written. (A later write that was kept may be the
 * reason: then this one is gone as well.)
 */
static bool is_lost(const struct inode *inode, const struct inode_write *write)
{
	uint8_t page[INODE_PAGE_BYTES];
	if (write->offset + write->len > inode->durable_size)
		return true;
	for (size_t done = 0; done < write->len; done += sizeof page) {
		size_t part = smaller(sizeof page, write->len - done);
		read_pages(inode, write->offset + done, page, part);
		if (memcmp(page, write->data + done, part) != 0)
			return true;
	}
	return false;
}

uint64_t inode_power_loss(struct inode *inode, struct rng *rng)
{
	uint64_t kind = rng_below(rng, 4), lost = 0;
	bool size_kept = kind == 1 || (kind != 0 && rng_chance(rng, 500000));
	if (size_kept)
		inode->durable_size = inode->size;
	if (kind == 1)
		keep_first(inode, inode->write_count, rng);
	else if (kind == 2)
		keep_first(inode, rng_below(rng, inode->write_count + 1), rng);
	else if (kind == 3)
		keep_versions(inode, rng);
	for (const struct inode_write *write = inode->writes; write != NULL; write = write->next)
		lost += is_lost(inode, write);
	drop_writes(inode);
	inode->size = inode->durable_size;
	return lost;
}

void inode_poke(struct inode *inode, uint64_t offset, const uint8_t *data, size_t len)
{
	write_pages(inode, offset, data, len);
	for (struct inode_write *write = inode->writes; write != NULL; write = write->next) {
		uint64_t begin = larger(offset, write->offset);
		uint64_t end = smaller(offset + len, write->offset + write->len);
		if (begin < end)
			memcpy(write->data + (begin - write->offset), data + (begin - offset),
			       end - begin);
	}
	inode->size = larger(inode->size, offset + len);
	inode->durable_size = larger(inode->durable_size, offset + len);
}

void inode_truncate(struct inode *inode, uint64_t size)
{
	static const uint8_t zeros[INODE_PAGE_BYTES];
	/* What was cut off must not come back when the file grows again. */
	for (uint64_t offset = size; offset < inode->size;
	     offset += INODE_PAGE_BYTES - offset % INODE_PAGE_BYTES) {
		size_t len = smaller(INODE_PAGE_BYTES - offset % INODE_PAGE_BYTES,
				     inode->size - offset);
		if (map_get(&inode->pages, offset / INODE_PAGE_BYTES) != NULL)
			write_pages(inode, offset, zeros, len);
	}
	for (struct inode_write *write = inode->writes; write != NULL; write = write->next)
		if (write->offset + write->len > size)
			write->len = write->offset < size ? (size_t)(size - write->offset) : 0;
	inode->size = size;
	inode->durable_size = smaller(inode->durable_size, size);
}
