/* The digest of a record. */
#include "kv/digest.h"

uint64_t digest_record(const struct store_record *record)
{
	uint64_t state = digest_mix(record->version, record->modification);
	return digest_bytes(digest_bytes(state, record->key), record->value);
}
