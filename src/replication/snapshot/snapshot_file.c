/* Snapshots' files: written and read in pieces. */
#include "snapshot/snapshot_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <zstd.h>

#include "base/crc32c.h"
#include "base/limits.h"

#define MAGIC 0x504e53444f4e5953ull /* "SYNODSNP", little-endian */
#define COMPRESSION_LEVEL 1
#define COMPRESS_BYTES_MIN 128u
#define PAYLOAD_BYTES_MAX (1u << 30)

static uint32_t header_crc(const uint8_t *raw, uint32_t format)
{
	uint32_t crc = format == 1 ? 0 : crc32c(0, raw + 8, 4);
	return crc32c(crc, raw + 16, SNAPSHOT_HEADER_BYTES - 16);
}

void snapshot_put_header(struct buffer *out, const struct snapshot_header *header)
{
	uint8_t raw[SNAPSHOT_HEADER_BYTES] = {0};
	uint32_t format = header->format == 0 ? SNAPSHOT_FORMAT : header->format;
	store_u64(raw, MAGIC);
	store_u32(raw + 8, format);
	store_u64(raw + 16, header->slot);
	store_u64(raw + 24, header->ballot);
	store_u64(raw + 32, header->group);
	store_u64(raw + 40, header->time_us);
	store_u64(raw + 48, header->app_hash);
	store_u32(raw + 12, header_crc(raw, format));
	buffer_add(out, raw, sizeof raw);
}

static uint32_t chunk_crc(uint64_t index, const uint8_t *header, const uint8_t *payload, size_t len)
{
	uint32_t crc = crc32c(0, &index, sizeof index);
	crc = crc32c(crc, header + 8, 8);
	return crc32c(crc, payload, len);
}

void snapshot_put_chunk(struct buffer *out, uint64_t index, enum snapshot_chunk_kind kind,
			struct slice payload)
{
	ASSERT(payload.len <= PAYLOAD_BYTES_MAX);
	size_t bound = ZSTD_compressBound(payload.len);
	buffer_reserve(out, SNAPSHOT_CHUNK_HEADER_BYTES + bound);
	uint8_t *header = out->data + out->len;
	uint8_t *body = header + SNAPSHOT_CHUNK_HEADER_BYTES;
	size_t len = payload.len;
	size_t packed = 0;
	if (payload.len >= COMPRESS_BYTES_MIN)
		packed = ZSTD_compress(body, bound, payload.data, payload.len, COMPRESSION_LEVEL);
	bool compressed = packed > 0 && !ZSTD_isError(packed) && packed < payload.len;
	if (compressed)
		len = packed;
	else if (len > 0)
		memcpy(body, payload.data, len);
	memset(header, 0, SNAPSHOT_CHUNK_HEADER_BYTES);
	store_u32(header, (uint32_t)len);
	header[8] = (uint8_t)kind;
	store_u32(header + 12, compressed ? (uint32_t)payload.len : 0);
	store_u32(header + 4, chunk_crc(index, header, body, len));
	out->len += SNAPSHOT_CHUNK_HEADER_BYTES + len;
}

static int parse_header(struct snapshot_parser *p)
{
	const uint8_t *raw = p->pending.data;
	uint32_t format = load_u32(raw + 8);
	if (load_u64(raw) != MAGIC || format == 0 || load_u32(raw + 12) != header_crc(raw, format))
		return STATUS_CORRUPT;
	if (format > SNAPSHOT_FORMAT)
		return STATUS_NEWER;
	p->header = (struct snapshot_header){
		.slot = load_u64(raw + 16),
		.ballot = load_u64(raw + 24),
		.group = load_u64(raw + 32),
		.time_us = load_u64(raw + 40),
		.app_hash = load_u64(raw + 48),
		.format = format,
	};
	p->have_header = true;
	return 0;
}

/* One whole chunk stands at `raw`. */
static int parse_chunk(struct snapshot_parser *p, const uint8_t *raw, size_t len,
		       int (*chunk)(void *, enum snapshot_chunk_kind, struct slice), void *context)
{
	const uint8_t *body = raw + SNAPSHOT_CHUNK_HEADER_BYTES;
	if (p->ended || load_u32(raw + 4) != chunk_crc(p->chunks, raw, body, len))
		return STATUS_CORRUPT;
	/* What the group is comes first: the rest is to be understood by it. */
	if ((raw[8] == SNAPSHOT_GROUP) != (p->chunks == 0 && p->header.format >= 2))
		return STATUS_CORRUPT;
	p->chunks++;
	if (raw[8] == SNAPSHOT_END) {
		p->ended = true;
		return 0;
	}
	if (raw[8] != SNAPSHOT_SESSIONS && raw[8] != SNAPSHOT_APP && raw[8] != SNAPSHOT_GROUP)
		return STATUS_CORRUPT;
	if (chunk == NULL)
		return 0;
	uint32_t unpacked = load_u32(raw + 12);
	if (unpacked == 0)
		return chunk(context, (enum snapshot_chunk_kind)raw[8], slice(body, len));
	if (unpacked > PAYLOAD_BYTES_MAX)
		return STATUS_CORRUPT;
	buffer_clear(&p->unpacked);
	buffer_reserve(&p->unpacked, unpacked);
	if (ZSTD_decompress(p->unpacked.data, unpacked, body, len) != unpacked)
		return STATUS_CORRUPT;
	return chunk(context, (enum snapshot_chunk_kind)raw[8], slice(p->unpacked.data, unpacked));
}

int snapshot_parse(struct snapshot_parser *p, struct slice bytes,
		   int (*chunk)(void *, enum snapshot_chunk_kind, struct slice), void *context)
{
	buffer_add_slice(&p->pending, bytes);
	size_t at = 0;
	int status = 0;
	while (status == 0) {
		size_t left = p->pending.len - at;
		const uint8_t *raw = p->pending.data + at;
		if (!p->have_header) {
			if (left < SNAPSHOT_HEADER_BYTES)
				break;
			status = parse_header(p);
			at += SNAPSHOT_HEADER_BYTES;
			continue;
		}
		if (left < SNAPSHOT_CHUNK_HEADER_BYTES)
			break;
		size_t len = load_u32(raw);
		if (len > PAYLOAD_BYTES_MAX)
			return STATUS_CORRUPT;
		if (left < SNAPSHOT_CHUNK_HEADER_BYTES + len)
			break;
		status = parse_chunk(p, raw, len, chunk, context);
		at += SNAPSHOT_CHUNK_HEADER_BYTES + len;
	}
	buffer_consume(&p->pending, at);
	return status;
}

int snapshot_parse_end(const struct snapshot_parser *p)
{
	return p->ended && p->pending.len == 0 ? 0 : STATUS_CORRUPT;
}

void snapshot_parser_free(struct snapshot_parser *p)
{
	buffer_free(&p->pending);
	buffer_free(&p->unpacked);
	*p = (struct snapshot_parser){0};
}

const char *snapshot_name(uint64_t slot, char name[SNAPSHOT_NAME_BYTES])
{
	snprintf(name, SNAPSHOT_NAME_BYTES, "snapshot-%016" PRIx64, slot);
	return name;
}

bool snapshot_name_parse(const char *name, uint64_t *slot)
{
	int end = 0;
	return sscanf(name, "snapshot-%16" SCNx64 "%n", slot, &end) == 1 && end == 25 &&
	       name[end] == '\0';
}
