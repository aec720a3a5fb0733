/*
 * store: the key-value engine under an app. Ordered keys in numbered spaces (one
 * space a shard), batches, snapshots.
 *
 * A record is key → (value, version, modification). version counts the writes of a
 * key since it was created (1 after creation, as etcd's); modification is a
 * number from the caller that never repeats within a space, so that a key that was deleted
 * and written again cannot be mistaken for the old one.
 *
 * Engines: memory (here: a copy-on-write B+tree a space; a snapshot is a reference to the roots,
 * so taking one costs O(spaces) and writes go on). A persistent engine stands behind the same
 * interface; `applied` is what it keeps together with the data, in the same batch.
 *
 * Ownership. What store_get and iterators return points into the store and is valid until the next
 * change of the store (iterators over a snapshot: until the snapshot is released). Keys and values
 * are copied in.
 */
#ifndef SYNOD_STORE_STORE_H
#define SYNOD_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

struct store;
struct store_snapshot;
struct store_iterator;
struct store_scan;

/* What an engine can hold at most; smaller limits are the caller's business. */
#define STORE_KEY_BYTES_MAX (64u * 1024u)
#define STORE_VALUE_BYTES_MAX UINT32_MAX
#define STORE_VERSION_MAX ((1ull << 47) - 1)

struct store_record {
	struct slice key;
	struct slice value;
	uint64_t version;
	uint64_t modification;
};

/* A key that is about to be looked up. */
struct store_lookup {
	uint32_t space;
	struct slice key;
};

#define STORE_PREFETCH_MAX 16u /* lookups at a time */

struct store_ops {
	/*
	 * A hint: these keys are read or written next. The engine may bring what that needs into
	 * the processor's cache, of all together, which takes little longer than of one. Changes
	 * nothing.
	 */
	void (*prefetch)(struct store *store, const struct store_lookup *lookups, uint32_t count);
	/* True and *out filled if the key exists. */
	bool (*get)(struct store *store, uint32_t space, struct slice key,
		    struct store_record *out);
	void (*put)(struct store *store, uint32_t space, const struct store_record *record);
	/* True if the key existed. */
	bool (*remove)(struct store *store, uint32_t space, struct slice key);
	void (*drop_space)(struct store *store, uint32_t space);
	uint64_t (*space_count)(struct store *store, uint32_t space); /* records in a space */
	/* keys and values, approximately */
	uint64_t (*bytes)(struct store *store);

	/*
	 * Takes a reference to the state of now; later changes do not show in it. Snapshots may
	 * overlap.
	 */
	struct store_snapshot *(*snapshot)(struct store *store);
	void (*snapshot_release)(struct store_snapshot *snapshot);
	/*
	 * Iterates over a space in key order, from the first key ≥ start. snapshot NULL: over the
	 * live state (any change of the store ends the iterator's validity).
	 */
	struct store_iterator *(*iterate)(struct store *store, struct store_snapshot *snapshot,
					  uint32_t space, struct slice start);
	/*
	 * The same backwards: in descending order, from the last key < end; `end` empty: from the
	 * last key of all.
	 */
	struct store_iterator *(*iterate_back)(struct store *store, struct store_snapshot *snapshot,
					       uint32_t space, struct slice end);
	bool (*next)(struct store_iterator *iterator, struct store_record *out);
	void (*iterate_end)(struct store_iterator *iterator);

	/*
	 * Walks over a whole snapshot, in the order of spaces and keys. Begun and ended by the
	 * store's thread, ended before the snapshot is released; scan_next() may be called by
	 * another thread meanwhile, while the store goes on.
	 */
	struct store_scan *(*scan)(struct store_snapshot *snapshot);
	bool (*scan_next)(struct store_scan *scan, uint32_t *space, struct store_record *out);
	void (*scan_end)(struct store_scan *scan);

	/* The last log slot whose effects are contained; kept in the same batch as the data. */
	void (*set_applied)(struct store *store, uint64_t slot);
	uint64_t (*applied)(struct store *store);
	void (*destroy)(struct store *store);
};

struct store {
	const struct store_ops *ops;
};

/* An empty in-memory store with spaces 0 … spaces-1. */
struct store *store_memory_create(uint32_t spaces);

#endif
