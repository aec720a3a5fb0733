/* Walking the B+tree in key order, and checking its structure. */
#include "store/btree.h"

static void push(struct btree_cursor *cursor, const struct btree_node *node, uint32_t position)
{
	ASSERT(cursor->height < BTREE_HEIGHT_MAX);
	cursor->path[cursor->height].node = node;
	cursor->path[cursor->height].position = position;
	cursor->height++;
}

void btree_cursor_seek(struct btree_cursor *cursor, const struct btree_node *root,
		       struct slice start)
{
	cursor->height = 0;
	for (const struct btree_node *node = root; node != NULL;) {
		bool found;
		uint32_t position = btree_node_search(node, start, &found);
		if (node->level > 0)
			position += found;
		push(cursor, node, position);
		node = node->level > 0 ? node->children[position] : NULL;
	}
}

const struct record *btree_cursor_next(struct btree_cursor *cursor)
{
	while (cursor->height > 0) {
		const struct btree_node *node = cursor->path[cursor->height - 1].node;
		uint32_t *position = &cursor->path[cursor->height - 1].position;
		if (node->level == 0 && *position < node->count)
			return node->keys[(*position)++];
		if (node->level > 0 && *position < node->count) {
			++*position;
			push(cursor, node->children[*position], 0);
			/* Down the left edge of the next subtree. */
			while ((node = cursor->path[cursor->height - 1].node)->level > 0)
				push(cursor, node->children[0], 0);
			continue;
		}
		cursor->height--;
	}
	return NULL;
}

void btree_cursor_seek_end(struct btree_cursor *cursor, const struct btree_node *root)
{
	cursor->height = 0;
	for (const struct btree_node *node = root; node != NULL;) {
		push(cursor, node, node->count);
		node = node->level > 0 ? node->children[node->count] : NULL;
	}
}

const struct record *btree_cursor_previous(struct btree_cursor *cursor)
{
	while (cursor->height > 0) {
		const struct btree_node *node = cursor->path[cursor->height - 1].node;
		uint32_t *position = &cursor->path[cursor->height - 1].position;
		if (node->level == 0 && *position > 0)
			return node->keys[--*position];
		if (node->level > 0 && *position > 0) {
			--*position;
			push(cursor, node->children[*position], node->children[*position]->count);
			/* Down the right edge of the subtree before. */
			while ((node = cursor->path[cursor->height - 1].node)->level > 0)
				push(cursor, node->children[node->count],
				     node->children[node->count]->count);
			continue;
		}
		cursor->height--;
	}
	return NULL;
}

static void check_key(const struct record *key, const struct record *low, const struct record *high)
{
	ASSERT(key->refs > 0);
	ASSERT(low == NULL || slice_compare(record_key(low), record_key(key)) <= 0);
	ASSERT(high == NULL || slice_compare(record_key(key), record_key(high)) < 0);
}

static uint64_t check_node(const struct btree_node *node, const struct record *low,
			   const struct record *high)
{
	uint64_t records = 0;
	ASSERT(node->refs > 0 && node->count <= BTREE_KEYS_MAX);
	ASSERT(node->level > 0 || node->count > 0);
	for (uint32_t i = 0; i < node->count; i++) {
		bool found;
		check_key(node->keys[i], low, high);
		ASSERT(i == 0 ||
		       slice_compare(record_key(node->keys[i - 1]), record_key(node->keys[i])) < 0);
		ASSERT(btree_common_prefix(node->keys[0], node->keys[i]) >= node->skip);
		ASSERT(btree_node_search(node, record_key(node->keys[i]), &found) == i && found);
	}
	if (node->level == 0)
		return node->count;
	for (uint32_t i = 0; i <= node->count; i++) {
		ASSERT(node->children[i]->level + 1 == node->level);
		records += check_node(node->children[i], i == 0 ? low : node->keys[i - 1],
				      i == node->count ? high : node->keys[i]);
	}
	return records;
}

uint64_t btree_check(const struct btree_node *root)
{
	return root == NULL ? 0 : check_node(root, NULL, NULL);
}
