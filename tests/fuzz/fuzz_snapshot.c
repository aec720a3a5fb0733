/*
 * libFuzzer: the parser of snapshot files, fed in portions of any size.
 *
 *   input: u8 portion size, then steps:
 *     0 a header, sealed      u8 length, that many bytes over its fields
 *     1 a chunk as written    u8 kind, u16 length, payload
 *     2 a chunk, sealed       u8 kind, u32 length when decompressed, u16 length, payload as it is
 *     3 raw bytes             u16 length, bytes
 *     4 the file ends n bytes earlier
 *
 * However a file is cut into portions, it gives the same chunks and the same verdict; and verifying
 * without looking at the chunks accepts no less.
 */
#include "base/crc32c.h"
#include "fuzz.h"
#include "rsm/group_fields.h"
#include "snapshot/snapshot_file.h"

#define FILE_BYTES_MAX (64u << 10)

struct seen {
	uint64_t chunks;
	uint32_t crc;
};

static int see_chunk(void *context, enum snapshot_chunk_kind kind, struct slice payload)
{
	struct seen *seen = context;
	ASSERT(kind == SNAPSHOT_SESSIONS || kind == SNAPSHOT_APP ||
	       (kind == SNAPSHOT_GROUP && seen->chunks == 0));
	struct group_fields fields;
	if (kind == SNAPSHOT_GROUP)
		seen->crc += (uint32_t)group_fields_decode(&fields, payload);
	seen->chunks++;
	seen->crc = crc32c(seen->crc, &kind, sizeof kind);
	seen->crc = crc32c(seen->crc, payload.data, payload.len);
	return 0;
}

static int parse(struct slice file, size_t portion, bool look, struct seen *seen)
{
	struct snapshot_parser parser = {0};
	int status = 0;
	*seen = (struct seen){0};
	while (status == 0 && file.len > 0)
		status = snapshot_parse(&parser, input_bytes(&file, portion),
					look ? see_chunk : NULL, seen);
	if (status == 0)
		status = snapshot_parse_end(&parser);
	ASSERT(status == 0 || status == STATUS_CORRUPT || status == STATUS_NEWER);
	snapshot_parser_free(&parser);
	return status;
}

static void put_header(struct buffer *file, struct slice fields)
{
	struct snapshot_header header = {0};
	size_t len = fields.len < sizeof header ? fields.len : sizeof header;
	if (len > 0)
		memcpy(&header, fields.data, len);
	/* one that is none, those that there are, and a newer one */
	header.format %= SNAPSHOT_FORMAT + 2;
	snapshot_put_header(file, &header);
}

/* A chunk whose fields and payload may contradict each other, and whose checksum is right. */
static void put_sealed(struct buffer *file, uint64_t index, uint8_t kind, uint32_t unpacked,
		       struct slice payload)
{
	uint8_t header[SNAPSHOT_CHUNK_HEADER_BYTES] = {0};
	store_u32(header, (uint32_t)payload.len);
	header[8] = kind;
	store_u32(header + 12, unpacked);
	uint32_t crc = crc32c(0, &index, sizeof index);
	crc = crc32c(crc, header + 8, 8);
	store_u32(header + 4, crc32c(crc, payload.data, payload.len));
	buffer_add(file, header, sizeof header);
	buffer_add_slice(file, payload);
}

static void build(struct slice *in, struct buffer *file)
{
	uint64_t index = 0;
	while (in->len > 0 && file->len < FILE_BYTES_MAX) {
		uint8_t step = input_u8(in) % 5, kind;
		uint32_t unpacked;
		switch (step) {
		case 0: put_header(file, input_bytes(in, input_u8(in))); break;
		case 1:
			kind = input_u8(in);
			snapshot_put_chunk(file, index++, (enum snapshot_chunk_kind)kind,
					   input_bytes(in, input_u16(in)));
			break;
		case 2:
			kind = input_u8(in);
			/*
			 * Memory for what is announced is taken before it is known to be a lie;
			 * little here, so that many inputs are tried.
			 */
			unpacked = input_u32(in) % FILE_BYTES_MAX;
			put_sealed(file, index++, kind, unpacked, input_bytes(in, input_u16(in)));
			break;
		case 3: buffer_add_slice(file, input_bytes(in, input_u16(in))); break;
		default: {
			uint16_t less = input_u16(in);
			file->len -= less < file->len ? less : file->len;
		}
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice(data, size);
	size_t portion = 1u + input_u8(&in);
	struct buffer file = {0};
	struct seen whole, portions, unseen;

	build(&in, &file);
	int status = parse(buffer_slice(&file), SIZE_MAX, true, &whole);
	int again = parse(buffer_slice(&file), portion, true, &portions);
	ASSERT(status == again && whole.chunks == portions.chunks && whole.crc == portions.crc);
	int verified = parse(buffer_slice(&file), portion, false, &unseen);
	ASSERT(status != 0 || verified == 0);
	buffer_free(&file);
	return 0;
}
