/* Marks and verdicts, as bytes. */
#include "rsm/hash_entry.h"

#include "base/digest.h"

static uint64_t add_part(uint64_t hash, uint64_t part)
{
	return digest_mix(hash, part);
}

uint64_t hash_of_parts(const uint64_t *parts, uint32_t count)
{
	uint64_t hash = count;
	for (uint32_t i = 0; i < count; i++)
		hash = add_part(hash, parts[i]);
	return hash;
}

uint64_t hash_of_encoded_parts(struct slice parts)
{
	uint64_t hash = parts.len / 8, part = 0;
	while (slice_take_u64(&parts, &part))
		hash = add_part(hash, part);
	return hash;
}

void hash_mark_encode(struct buffer *out)
{
	buffer_add_u8(out, HASH_MARK);
}

void hash_verdict_encode(const struct hash_verdict *v, struct buffer *out)
{
	ASSERT(v->nreports > 0 && v->nreports <= REPLICAS_MAX && v->nlisted <= HASH_LISTED_MAX);
	ASSERT(v->right.len == 0 || v->right.len == v->parts * sizeof(uint64_t));
	buffer_add_u8(out, HASH_VERDICT);
	buffer_add_u64(out, v->slot);
	buffer_add_u32(out, v->members);
	buffer_add_u32(out, v->parts);
	buffer_add_u8(out, (uint8_t)v->nreports);
	for (uint32_t i = 0; i < v->nreports; i++) {
		buffer_add_u32(out, v->reports[i].replica);
		buffer_add_u8(out, v->reports[i].sound);
		buffer_add_u64(out, v->reports[i].hash);
	}
	buffer_add_u32(out, v->differing);
	buffer_add_u32(out, v->nlisted);
	for (uint32_t i = 0; i < v->nlisted; i++) {
		buffer_add_u32(out, v->listed[i].part);
		for (uint32_t k = 0; k < v->nreports; k++)
			buffer_add_u64(out, v->listed[i].hashes[k]);
	}
	buffer_add_u32(out, (uint32_t)(v->right.len / sizeof(uint64_t)));
	buffer_add_slice(out, v->right);
}

static bool take_reports(struct slice *in, struct hash_verdict *v)
{
	uint8_t count, sound;
	if (!slice_take_u8(in, &count) || count == 0 || count > REPLICAS_MAX || count > v->members)
		return false;
	v->nreports = count;
	for (uint32_t i = 0; i < count; i++) {
		struct hash_report *report = &v->reports[i];
		if (!slice_take_u32(in, &report->replica) || !slice_take_u8(in, &sound) ||
		    !slice_take_u64(in, &report->hash) || sound > 1 || report->replica == 0 ||
		    (i > 0 && report->replica <= v->reports[i - 1].replica))
			return false;
		report->sound = sound == 1;
	}
	return true;
}

static bool take_listed(struct slice *in, struct hash_verdict *v)
{
	if (!slice_take_u32(in, &v->differing) || !slice_take_u32(in, &v->nlisted) ||
	    v->differing > v->parts || v->nlisted > v->differing || v->nlisted > HASH_LISTED_MAX)
		return false;
	for (uint32_t i = 0; i < v->nlisted; i++) {
		struct hash_differing *differing = &v->listed[i];
		if (!slice_take_u32(in, &differing->part) || differing->part >= v->parts ||
		    (i > 0 && differing->part <= v->listed[i - 1].part))
			return false;
		for (uint32_t k = 0; k < v->nreports; k++)
			if (!slice_take_u64(in, &differing->hashes[k]))
				return false;
	}
	return true;
}

static bool take_verdict(struct slice *in, struct hash_verdict *v)
{
	uint32_t right;
	if (!slice_take_u64(in, &v->slot) || v->slot == 0 || !slice_take_u32(in, &v->members) ||
	    !slice_take_u32(in, &v->parts) || v->parts <= HASH_PARTS_OWN ||
	    v->parts > HASH_PARTS_MAX)
		return false;
	if (!take_reports(in, v) || !take_listed(in, v) || !slice_take_u32(in, &right) ||
	    (right != 0 && right != v->parts))
		return false;
	return slice_take(in, right * sizeof(uint64_t), &v->right);
}

int hash_entry_decode(struct slice body, enum hash_kind *kind, struct hash_verdict *out)
{
	uint8_t number;
	if (!slice_take_u8(&body, &number))
		return STATUS_CORRUPT;
	*kind = (enum hash_kind)number;
	switch (number) {
	case HASH_MARK: break;
	case HASH_VERDICT:
		if (!take_verdict(&body, out))
			return STATUS_CORRUPT;
		break;
	default: return STATUS_NEWER;
	}
	return body.len == 0 ? 0 : STATUS_CORRUPT;
}

bool hash_verdict_unanimous(const struct hash_verdict *v)
{
	for (uint32_t i = 1; i < v->nreports; i++)
		if (v->reports[i].hash != v->reports[0].hash)
			return false;
	return true;
}

static uint32_t right_by_majority(const struct hash_verdict *v)
{
	for (uint32_t i = 0; i < v->nreports; i++) {
		uint32_t same = 0;
		for (uint32_t k = 0; k < v->nreports; k++)
			same += v->reports[k].hash == v->reports[i].hash;
		if (2 * same > v->members)
			return i;
	}
	return HASH_NOBODY;
}

static uint32_t right_by_soundness(const struct hash_verdict *v)
{
	uint32_t right = HASH_NOBODY;
	if (2 * v->nreports <= v->members)
		return HASH_NOBODY;
	for (uint32_t i = 0; i < v->nreports; i++) {
		if (!v->reports[i].sound)
			continue;
		if (right != HASH_NOBODY && v->reports[right].hash != v->reports[i].hash)
			return HASH_NOBODY;
		if (right == HASH_NOBODY)
			right = i;
	}
	return right;
}

uint32_t hash_verdict_right(const struct hash_verdict *v)
{
	uint32_t right = right_by_majority(v);
	return right != HASH_NOBODY ? right : right_by_soundness(v);
}
