/* The file `starts`. */
#include "rsm/start_file.h"

#include <string.h>

#include "base/crc32c.h"

#define VERSION 1u
#define COPY_BYTES 512u
#define FILE_BYTES (2 * COPY_BYTES)

static const char magic[8] = {'S', 'Y', 'N', 'O', 'D', 'R', 'U', 'N'};

_Static_assert(48 + STARTS_LISTED * 8 <= COPY_BYTES, "a chain fits a sector");

static uint32_t crc_of(const uint8_t *data)
{
	return crc32c(crc32c(0, data + 8, 4), data + 16, COPY_BYTES - 16);
}

static void encode(const struct start_chain *chain, uint8_t out[COPY_BYTES])
{
	memset(out, 0, COPY_BYTES);
	memcpy(out, magic, sizeof magic);
	store_u32(out + 8, VERSION);
	store_u64(out + 16, chain->life);
	store_u64(out + 24, chain->root);
	store_u64(out + 32, chain->count);
	store_u32(out + 40, chain->listed);
	for (uint32_t i = 0; i < chain->listed; i++)
		store_u64(out + 48 + 8 * i, chain->nonces[i]);
	store_u32(out + 12, crc_of(out));
}

static bool is_whole(const uint8_t data[COPY_BYTES])
{
	return memcmp(data, magic, sizeof magic) == 0 && load_u32(data + 12) == crc_of(data);
}

/* False: this copy says nothing. */
static bool decode(const uint8_t data[COPY_BYTES], struct start_chain *chain)
{
	*chain = (struct start_chain){0};
	if (!is_whole(data) || load_u32(data + 8) != VERSION || load_u32(data + 40) > STARTS_LISTED)
		return false;
	chain->life = load_u64(data + 16);
	chain->root = load_u64(data + 24);
	chain->count = load_u64(data + 32);
	chain->listed = load_u32(data + 40);
	for (uint32_t i = 0; i < chain->listed; i++)
		chain->nonces[i] = load_u64(data + 48 + 8 * i);
	return chain->count >= chain->listed && chain->listed > 0;
}

/* *older: which copy is to be written first. */
static int read_file(struct disk *disk, struct log *log, struct disk_file *file, uint64_t size,
		     struct start_chain *chain, uint32_t *older)
{
	uint8_t data[FILE_BYTES] = {0};
	struct start_chain copies[2];
	bool good[2];
	size_t len = size < sizeof data ? (size_t)size : sizeof data;
	int status = len == 0 ? 0 : disk->ops->read_now(disk, file, 0, data, len);
	for (uint32_t i = 0; i < 2 && status == 0; i++) {
		if (is_whole(data + i * COPY_BYTES) &&
		    load_u32(data + i * COPY_BYTES + 8) > VERSION)
			return STATUS_NEWER;
		good[i] = decode(data + i * COPY_BYTES, &copies[i]);
	}
	if (status != 0)
		return status;
	if (!good[0] && !good[1])
		log_event(log, LOG_WARN, "starts_damaged",
			  "file=%s meaning=\"which starts this directory has had is not known any "
			  "more\"",
			  START_FILE);
	*older = good[0] && (!good[1] || copies[0].count >= copies[1].count) ? 1 : 0;
	if (good[0] || good[1])
		*chain = copies[1 - *older];
	return 0;
}

static int write_copy(struct disk *disk, struct disk_file *file, uint32_t which,
		      uint8_t data[COPY_BYTES])
{
	struct disk_request request = {
		.operation = DISK_WRITE_SYNC,
		.file = file,
		.offset = which * COPY_BYTES,
		.data = data,
		.len = COPY_BYTES,
	};
	return disk->ops->run_now(disk, &request);
}

static int write_both(struct disk *disk, struct disk_file *file, uint32_t first,
		      const struct start_chain *chain)
{
	uint8_t data[COPY_BYTES];
	encode(chain, data);
	int status = write_copy(disk, file, first, data);
	return status == 0 ? write_copy(disk, file, 1 - first, data) : status;
}

static void close_file(struct disk *disk, struct disk_file *file)
{
	struct disk_request request = {.operation = DISK_CLOSE, .file = file};
	(void)disk->ops->run_now(disk, &request);
}

/* Whatever bears its name is whole. */
static int create(struct disk *disk, const struct start_chain *chain)
{
	struct disk_request request = {
		.operation = DISK_CREATE, .name = START_FILE_NEW, .len = FILE_BYTES};
	int status = disk->ops->run_now(disk, &request);
	if (status != 0)
		return status;
	status = write_both(disk, request.file, 0, chain);
	close_file(disk, request.file);
	request = (struct disk_request){
		.operation = DISK_RENAME, .name = START_FILE_NEW, .new_name = START_FILE};
	if (status == 0)
		status = disk->ops->run_now(disk, &request);
	request = (struct disk_request){.operation = DISK_SYNC_DIRECTORY};
	return status == 0 ? disk->ops->run_now(disk, &request) : status;
}

static void add_start(struct start_chain *chain, uint64_t life, uint64_t nonce)
{
	if (chain->life != life)
		*chain = (struct start_chain){.life = life, .root = nonce};
	uint32_t kept = chain->listed < STARTS_LISTED ? chain->listed : STARTS_LISTED - 1;
	memmove(&chain->nonces[1], &chain->nonces[0], kept * sizeof chain->nonces[0]);
	chain->nonces[0] = nonce;
	chain->listed = kept + 1;
	chain->count++;
}

int start_file_note(struct disk *disk, struct log *log, uint64_t life, uint64_t nonce,
		    struct start_chain *chain)
{
	struct disk_file *file = NULL;
	uint64_t size = 0;
	uint32_t older = 0;
	*chain = (struct start_chain){0};
	int status = disk->ops->open(disk, START_FILE, &file, &size);
	bool exists = status != STATUS_NOT_FOUND;
	if (exists && status == 0)
		status = read_file(disk, log, file, size, chain, &older);
	add_start(chain, life, nonce);
	if (!exists)
		status = create(disk, chain);
	else if (status == 0)
		status = write_both(disk, file, older, chain);
	if (file != NULL)
		close_file(disk, file);
	if (status == STATUS_NO_SPACE) {
		log_event(log, LOG_WARN, "start_not_noted",
			  "file=%s status=%s meaning=\"an older copy of this directory is "
			  "recognised by what it has "
			  "promised and accepted alone, until there is space\"",
			  START_FILE, status_name(status));
		*chain = (struct start_chain){
			.life = life, .count = 1, .listed = 1, .nonces = {nonce}};
		return 0;
	}
	if (status == STATUS_NEWER)
		log_event(log, LOG_ERROR, "starts_unusable",
			  "file=%s problem=\"it was written by a newer version of this program: "
			  "start that version "
			  "again\"",
			  START_FILE);
	else if (status != 0)
		log_event(log, LOG_ERROR, "start_not_noted", "file=%s status=%s problem=\"%s\"",
			  START_FILE, status_name(status), status_text(status));
	return status;
}
