/* Single nodes of the B+tree: search by heads, insertion and removal of keys. */
#include "store/btree.h"

#include <endian.h>

struct btree_node *btree_node_new(uint8_t level)
{
	ASSERT(level < BTREE_HEIGHT_MAX);
	size_t children = level == 0 ? 0 : BTREE_KEYS_MAX + 1;
	struct btree_node *node = alloc_bytes(sizeof *node + children * sizeof node->children[0]);
	node->refs = 1;
	node->skip = 0;
	node->count = 0;
	node->level = level;
	return node;
}

struct btree_node *btree_node_copy(const struct btree_node *node)
{
	struct btree_node *copy = btree_node_new(node->level);
	copy->skip = node->skip;
	copy->count = node->count;
	memcpy(copy->heads, node->heads, node->count * sizeof node->heads[0]);
	for (uint32_t i = 0; i < node->count; i++)
		copy->keys[i] = record_ref(node->keys[i]);
	for (uint32_t i = 0; i < btree_node_children(node); i++) {
		copy->children[i] = node->children[i];
		ASSERT(copy->children[i]->refs < UINT32_MAX);
		copy->children[i]->refs++;
	}
	return copy;
}

uint32_t btree_common_prefix(const struct record *a, const struct record *b)
{
	uint32_t limit = a->key_len < b->key_len ? a->key_len : b->key_len;
	uint32_t i = 0;
	while (i < limit && a->data[i] == b->data[i])
		i++;
	return i;
}

struct record *btree_separator(const struct record *left, const struct record *right)
{
	uint32_t common = btree_common_prefix(left, right);
	/* left < right, so right goes on where left ends or differs */
	ASSERT(common < right->key_len);
	struct store_record separator = {.key = slice(right->data, common + 1)};
	return record_new(&separator);
}

/*
 * The four bytes of a key after the first `skip`, zeros past its end. Equal heads say nothing,
 * unequal ones decide.
 */
static uint32_t head_of(struct slice key, uint32_t skip)
{
	uint32_t head = 0;
	if (key.len >= skip + sizeof head)
		memcpy(&head, key.data + skip, sizeof head);
	else if (key.len > skip)
		memcpy(&head, key.data + skip, key.len - skip);
	return be32toh(head);
}

void btree_node_rehead(struct btree_node *node)
{
	/* Keys are in order, so what the first and the last share, all share. */
	uint32_t common = node->count == 0
				  ? 0
				  : btree_common_prefix(node->keys[0], node->keys[node->count - 1]);
	node->skip = common < UINT16_MAX ? (uint16_t)common : UINT16_MAX;
	for (uint32_t i = 0; i < node->count; i++)
		node->heads[i] = head_of(record_key(node->keys[i]), node->skip);
}

/* The first position whose head is not below `head`. */
static uint32_t heads_lower_bound(const struct btree_node *node, uint32_t head)
{
	uint32_t base = 0;
	uint32_t len = node->count;
	while (len > 0) {
		uint32_t half = len / 2;
		bool below = node->heads[base + half] < head;
		base = below ? base + half + 1 : base;
		len = below ? len - half - 1 : half;
	}
	return base;
}

/*
 * Searches by head, then by whole keys among equal heads; `key` shares the node's first skip bytes.
 */
static uint32_t search_tail(const struct btree_node *node, struct slice key, bool *found)
{
	uint32_t head = head_of(key, node->skip);
	uint32_t low = heads_lower_bound(node, head);
	uint32_t high = low;
	*found = false;
	while (high < node->count && node->heads[high] == head)
		high++;
	/* An empty key, from which a scan may start, need not point anywhere. */
	struct slice tail = key.len == 0 ? key : slice(key.data + node->skip, key.len - node->skip);
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		struct slice other = record_key(node->keys[middle]);
		int order = slice_compare(slice(other.data + node->skip, other.len - node->skip),
					  tail);
		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t btree_node_search(const struct btree_node *node, struct slice key, bool *found)
{
	*found = false;
	if (node->count == 0)
		return 0;
	if (node->skip > 0) {
		size_t common = key.len < node->skip ? key.len : node->skip;
		int order = common == 0 ? 0 : memcmp(key.data, node->keys[0]->data, common);
		if (order > 0)
			return node->count;
		if (order < 0 || key.len < node->skip)
			return 0;
	}
	return search_tail(node, key, found);
}

int btree_leaf_find(const struct btree_node *leaf, struct slice key)
{
	bool found;
	if (key.len < leaf->skip)
		return -1;
	uint32_t position = search_tail(leaf, key, &found);
	if (!found)
		return -1;
	/*
	 * The tails are equal; the first bytes were not looked at until here, to spare the cache
	 * one line.
	 */
	if (leaf->skip > 0 && memcmp(leaf->keys[position]->data, key.data, leaf->skip) != 0)
		return -1;
	return (int)position;
}

uint32_t btree_leaf_guess(const struct btree_node *leaf, struct slice key)
{
	return heads_lower_bound(leaf, head_of(key, leaf->skip));
}

void btree_node_insert_key(struct btree_node *node, uint32_t position, struct record *key)
{
	ASSERT(node->count < BTREE_KEYS_MAX && position <= node->count);
	size_t behind = node->count - position;
	memmove(&node->keys[position + 1], &node->keys[position], behind * sizeof node->keys[0]);
	memmove(&node->heads[position + 1], &node->heads[position], behind * sizeof node->heads[0]);
	node->keys[position] = key;
	node->count++;
	const struct record *other = node->keys[position == 0 ? node->count - 1 : 0];
	if (node->count == 1 || btree_common_prefix(key, other) < node->skip)
		btree_node_rehead(node);
	else
		node->heads[position] = head_of(record_key(key), node->skip);
}

struct record *btree_node_remove_key(struct btree_node *node, uint32_t position)
{
	ASSERT(position < node->count);
	struct record *key = node->keys[position];
	size_t behind = node->count - position - 1u;
	memmove(&node->keys[position], &node->keys[position + 1], behind * sizeof node->keys[0]);
	memmove(&node->heads[position], &node->heads[position + 1], behind * sizeof node->heads[0]);
	node->count--;
	return key;
}
