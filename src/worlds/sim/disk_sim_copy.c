/* Copies of whole disks. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sim/disk_sim_state.h"

struct disk_sim_image {
	struct names names;
};

static bool is_zero(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != 0)
			return false;
	return true;
}

/* What the process sees of it, all of it durable. */
static struct inode *copy_of(const struct inode *from)
{
	uint8_t page[INODE_PAGE_BYTES];
	struct inode *to = inode_new();
	for (uint64_t at = 0; at < from->size; at += sizeof page) {
		size_t len = from->size - at < sizeof page ? (size_t)(from->size - at)
							   : sizeof page;
		inode_read(from, at, page, len);
		/* The last one makes it as long. */
		if (!is_zero(page, len) || at + len == from->size)
			inode_poke(to, at, page, len);
	}
	return to;
}

static void copy_names(struct names *to, const struct names *from)
{
	for (size_t i = 0; i < from->current.count; i++) {
		struct inode *inode = copy_of(from->current.entries[i].inode);
		names_create(to, from->current.entries[i].name, inode);
		inode_unref(inode);
	}
	names_sync(to);
}

struct disk_sim_image *disk_sim_copy(const struct disk *disk)
{
	struct disk_sim_image *image = ALLOC(struct disk_sim_image);
	copy_names(&image->names, &LIST_ITEM(disk, const struct disk_sim, disk)->names);
	return image;
}

void disk_sim_put_back(struct disk *disk, const struct disk_sim_image *image)
{
	disk_sim_wipe(disk);
	copy_names(&disk_sim_of(disk)->names, &image->names);
}

void disk_sim_image_free(struct disk_sim_image *image)
{
	if (image == NULL)
		return;
	names_free(&image->names);
	free(image);
}
