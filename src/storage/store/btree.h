/*
 * Copy-on-write B+tree of records, in key order.
 *
 * Nodes are reference counted. A snapshot is one more reference to the root; a writer copies each
 * node on its way down that has more than one reference, and a copy takes references to what the
 * original points to, so sharing moves down the tree only as far as writes do. A node with one
 * reference, reached through nodes with one reference, belongs to the live tree alone and is
 * changed in place.
 *
 * Search. A node knows how many first bytes all its keys share (`skip`) and keeps of each key the
 * four bytes after them as a big-endian number (`heads`), so that most of a binary search reads the
 * node only and not the keys.
 *
 * Shape. An inner node has count separators and count + 1 children; child i holds the keys below
 * separator i, child i + 1 those from it on. A separator is the shortest key that parts its two
 * sides, so a deleted record is not kept alive by the tree above it. Insertion at the end of a
 * full node starts a new one instead of halving it: keys that arrive in order fill nodes
 * completely. A node that falls below a quarter is merged into a neighbour if both together stay
 * below three quarters; an empty one is removed. So any two neighbours together hold at least a
 * quarter of a node, which bounds the height.
 *
 * Freeing. Nodes that lose their last reference go to a struct btree_garbage and are taken apart by
 * btree_garbage_drain() a few at a time, so dropping a tree of any size costs O(1).
 */
#ifndef SYNOD_STORE_BTREE_H
#define SYNOD_STORE_BTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/record.h"

#define BTREE_KEYS_MAX 64
#define BTREE_MERGE_BELOW (BTREE_KEYS_MAX / 4)
#define BTREE_MERGED_MAX (BTREE_KEYS_MAX * 3 / 4)
#define BTREE_HEIGHT_MAX 16
#define BTREE_PREFETCH_MAX 16

struct btree_node {
	uint32_t refs;
	uint16_t skip;
	uint8_t count; /* keys */
	uint8_t level; /* 0: leaf */
	union {
		uint32_t heads[BTREE_KEYS_MAX];
		struct btree_node *next_garbage; /* of a node without references */
	};
	struct record *keys[BTREE_KEYS_MAX];
	struct btree_node *children[]; /* inner nodes: BTREE_KEYS_MAX + 1 */
};

struct btree_garbage {
	struct btree_node *first;
	uint64_t count; /* nodes in the list; what hangs below them is not yet counted */
};

struct btree {
	struct btree_node *root; /* NULL: empty */
	uint64_t count;
	uint64_t bytes; /* keys and values */
};

/* The record of `key`, or NULL; borrowed until the next change of the tree. */
struct record *btree_get(const struct btree_node *root, struct slice key);
/*
 * Brings what searches for keys[i] below roots[i] read into the processor's cache, all at once: the
 * searches go down together, a level at a time, so that while one waits for memory the others do
 * too. A hint without effect; roots (which it overwrites) may be NULL. At most BTREE_PREFETCH_MAX.
 */
void btree_prefetch(const struct btree_node *roots[], const struct slice keys[], uint32_t count);
/* Inserts or replaces; everything is copied, even out of the tree itself. */
void btree_put(struct btree *tree, const struct store_record *record);
/* True if the key existed. */
bool btree_delete(struct btree *tree, struct slice key);
/* Empties the tree in O(1). */
void btree_clear(struct btree *tree, struct btree_garbage *garbage);

/* Drops a reference to a root; NULL is fine. */
void btree_release(struct btree_node *root, struct btree_garbage *garbage);
/* Takes at most nodes_max nodes apart; true while there is more. */
bool btree_garbage_drain(struct btree_garbage *garbage, uint64_t nodes_max);

/*
 * A position in a tree, between two records. Valid as long as the nodes are: until a change, or,
 * below a root that is held, until its release.
 */
struct btree_cursor {
	uint32_t height; /* frames in use; 0: at the end */
	struct {
		const struct btree_node *node;
		uint32_t position;
	} path[BTREE_HEIGHT_MAX];
};

/* Before the first record with a key ≥ start. */
void btree_cursor_seek(struct btree_cursor *cursor, const struct btree_node *root,
		       struct slice start);
/* Behind the last record. */
void btree_cursor_seek_end(struct btree_cursor *cursor, const struct btree_node *root);
/*
 * The next record, borrowed, or NULL at the end. After a seek a cursor goes one way: forward with
 * this one, or backward with the other.
 */
const struct record *btree_cursor_next(struct btree_cursor *cursor);
/* The record before the position, borrowed, or NULL at the beginning. */
const struct record *btree_cursor_previous(struct btree_cursor *cursor);

/*
 * Checks every structural invariant below `root` and asserts if one is broken; returns the number
 * of records. For tests: O(size).
 */
uint64_t btree_check(const struct btree_node *root);

/* ---- between the files of the tree (btree_node.c) ---- */

struct btree_node *btree_node_new(uint8_t level);
/* A copy with one reference, which shares keys and children with the original. */
struct btree_node *btree_node_copy(const struct btree_node *node);
/* The position of the first key ≥ `key`; *found: it is equal. */
uint32_t btree_node_search(const struct btree_node *node, struct slice key, bool *found);
/* As above for a key that is in the leaf, or else for nothing: -1 if the key is not there. */
int btree_leaf_find(const struct btree_node *leaf, struct slice key);
/* Where the key is if it is there and no other has the same head, without a look at any key. */
uint32_t btree_leaf_guess(const struct btree_node *leaf, struct slice key);
/* Takes over the reference to `key`. The node has room. */
void btree_node_insert_key(struct btree_node *node, uint32_t position, struct record *key);
/* Takes the key out; its reference goes to the caller. */
struct record *btree_node_remove_key(struct btree_node *node, uint32_t position);
/* Sets skip and heads from the keys. */
void btree_node_rehead(struct btree_node *node);
/* How many first bytes two keys share. */
uint32_t btree_common_prefix(const struct record *a, const struct record *b);
/* A new separator: the shortest prefix of `right` that is greater than `left`. */
struct record *btree_separator(const struct record *left, const struct record *right);

static inline uint32_t btree_node_children(const struct btree_node *node)
{
	return node->level == 0 ? 0 : node->count + 1u;
}

#endif
