/* What tests and the nemesis see of a disk, and do to it. */
#include <string.h>

#include "sim/disk_sim_state.h"

int disk_sim_size(struct disk *disk, const char *name, uint64_t *size)
{
	const struct inode *inode = names_find(&disk_sim_of(disk)->names, name);
	if (inode == NULL)
		return STATUS_NOT_FOUND;
	*size = inode->size;
	return 0;
}

int disk_sim_peek(struct disk *disk, const char *name, uint64_t offset, uint8_t *data, size_t len)
{
	const struct inode *inode = names_find(&disk_sim_of(disk)->names, name);
	if (inode == NULL)
		return STATUS_NOT_FOUND;
	if (offset + len > inode->size)
		return STATUS_TRUNCATED;
	inode_read(inode, offset, data, len);
	return 0;
}

int disk_sim_poke(struct disk *disk, const char *name, uint64_t offset, const uint8_t *data,
		  size_t len)
{
	struct disk_sim *sim = disk_sim_of(disk);
	struct inode *inode = names_find(&sim->names, name);
	if (inode == NULL) {
		inode = inode_new();
		names_create(&sim->names, name, inode);
		names_sync(&sim->names);
		inode_unref(inode);
	}
	inode_poke(inode, offset, data, len);
	return 0;
}

int disk_sim_flip(struct disk *disk, const char *name, uint64_t offset, unsigned bit)
{
	uint8_t byte;
	int status = disk_sim_peek(disk, name, offset, &byte, 1);
	if (status != 0)
		return status;
	byte ^= (uint8_t)(1u << (bit % 8));
	return disk_sim_poke(disk, name, offset, &byte, 1);
}

int disk_sim_zero(struct disk *disk, const char *name, uint64_t offset, uint64_t len)
{
	static const uint8_t zeros[DISK_SIM_SECTOR_BYTES];
	int status = names_find(&disk_sim_of(disk)->names, name) == NULL ? STATUS_NOT_FOUND : 0;
	while (status == 0 && len > 0) {
		size_t part = len < sizeof zeros ? (size_t)len : sizeof zeros;
		status = disk_sim_poke(disk, name, offset, zeros, part);
		offset += part;
		len -= part;
	}
	return status;
}

int disk_sim_truncate(struct disk *disk, const char *name, uint64_t size)
{
	struct inode *inode = names_find(&disk_sim_of(disk)->names, name);
	if (inode == NULL)
		return STATUS_NOT_FOUND;
	if (size > inode->size)
		return STATUS_TRUNCATED;
	inode_truncate(inode, size);
	return 0;
}

int disk_sim_remove(struct disk *disk, const char *name)
{
	struct disk_sim *sim = disk_sim_of(disk);
	if (names_find(&sim->names, name) == NULL)
		return STATUS_NOT_FOUND;
	names_remove(&sim->names, name);
	names_sync(&sim->names);
	return 0;
}

bool disk_sim_flip_random(struct disk *disk, const char *prefix)
{
	struct disk_sim *sim = disk_sim_of(disk);
	/* Reservoir sampling over the bytes that are not zero: each is equally likely. */
	const char *chosen_name = NULL;
	uint64_t chosen_offset = 0, seen = 0;
	for (size_t i = 0; i < sim->names.current.count; i++) {
		const struct name_entry *entry = &sim->names.current.entries[i];
		if (strncmp(entry->name, prefix, strlen(prefix)) != 0)
			continue;
		size_t position = 0;
		uint64_t number;
		void *page;
		while (map_next(&entry->inode->pages, &position, &number, &page)) {
			for (size_t at = 0; at < INODE_PAGE_BYTES; at++) {
				uint64_t offset = number * INODE_PAGE_BYTES + at;
				if (((uint8_t *)page)[at] == 0 || offset >= entry->inode->size)
					continue;
				if (rng_below(&sim->rng, ++seen) == 0) {
					chosen_name = entry->name;
					chosen_offset = offset;
				}
			}
		}
	}
	if (chosen_name == NULL)
		return false;
	return disk_sim_flip(disk, chosen_name, chosen_offset, (unsigned)rng_below(&sim->rng, 8)) ==
	       0;
}

const char *disk_sim_file(const struct disk *disk, size_t index)
{
	const struct names *names = &LIST_ITEM(disk, const struct disk_sim, disk)->names;
	return index < names->current.count ? names->current.entries[index].name : NULL;
}

bool disk_sim_name_is_synced(const struct disk *disk, const char *name)
{
	return names_is_synced(&LIST_ITEM(disk, const struct disk_sim, disk)->names, name);
}

bool disk_sim_is_synced(const struct disk *disk, const char *name)
{
	const struct inode *inode = names_find(&LIST_ITEM(disk, const struct disk_sim, disk)->names,
					       name);
	return disk_sim_name_is_synced(disk, name) && inode->writes == NULL &&
	       inode->size == inode->durable_size;
}

uint64_t disk_sim_space_used(const struct disk *disk)
{
	const struct names *names = &LIST_ITEM(disk, const struct disk_sim, disk)->names;
	uint64_t bytes = 0;
	for (size_t i = 0; i < names->current.count; i++)
		bytes += names->current.entries[i].inode->size;
	return bytes;
}
