/* Insertion, deletion and lazy freeing of the copy-on-write B+tree. */
#include "store/btree.h"

#define CACHE_LINE_BYTES 64u
/* of a record; of longer ones the processor sees that they are read in order */
#define PREFETCH_RECORD_BYTES 320u

struct record *btree_get(const struct btree_node *root, struct slice key)
{
	const struct btree_node *node = root;
	if (node == NULL)
		return NULL;
	while (node->level > 0) {
		bool found;
		uint32_t position = btree_node_search(node, key, &found);
		node = node->children[position + found];
	}
	int position = btree_leaf_find(node, key);
	return position < 0 ? NULL : node->keys[position];
}

static void prefetch_lines(const void *data, size_t len)
{
	for (size_t i = 0; i < len; i += CACHE_LINE_BYTES)
		__builtin_prefetch((const uint8_t *)data + i);
}

static void prefetch_node(const struct btree_node *node)
{
	prefetch_lines(node, offsetof(struct btree_node, keys));
}

void btree_prefetch(const struct btree_node *roots[], const struct slice keys[], uint32_t count)
{
	ASSERT(count <= BTREE_PREFETCH_MAX);
	struct record *const *slots[BTREE_PREFETCH_MAX];
	for (uint32_t i = 0; i < count; i++)
		if (roots[i] != NULL)
			prefetch_node(roots[i]);
	for (bool inner = true; inner;) {
		inner = false;
		/* A search compares with the first key before it looks at the heads. */
		for (uint32_t i = 0; i < count; i++)
			if (roots[i] != NULL && roots[i]->level > 0)
				__builtin_prefetch(roots[i]->keys[0]->data);
		for (uint32_t i = 0; i < count; i++) {
			if (roots[i] == NULL || roots[i]->level == 0)
				continue;
			bool found;
			uint32_t position = btree_node_search(roots[i], keys[i], &found);
			roots[i] = roots[i]->children[position + found];
			prefetch_node(roots[i]);
			inner = true;
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		slots[i] = NULL;
		if (roots[i] == NULL || roots[i]->count == 0)
			continue;
		uint32_t position = btree_leaf_guess(roots[i], keys[i]);
		if (position < roots[i]->count) {
			slots[i] = &roots[i]->keys[position];
			__builtin_prefetch(slots[i]);
		}
	}
	for (uint32_t i = 0; i < count; i++)
		if (slots[i] != NULL)
			prefetch_lines(*slots[i], PREFETCH_RECORD_BYTES);
}

/*
 * Makes the node in *slot ours alone. Its parent already is, so one reference means that nobody
 * else can reach it.
 */
static struct btree_node *own(struct btree_node **slot)
{
	struct btree_node *node = *slot;
	if (node->refs == 1)
		return node;
	*slot = btree_node_copy(node);
	node->refs--;
	return *slot;
}

static void insert_child(struct btree_node *node, uint32_t position, struct record *separator,
			 struct btree_node *child)
{
	size_t behind = node->count - position;
	memmove(&node->children[position + 2], &node->children[position + 1],
		behind * sizeof node->children[0]);
	node->children[position + 1] = child;
	btree_node_insert_key(node, position, separator);
}

/*
 * Moves keys from `from` on (and the children after them) to a new right neighbour. Heads are left
 * to the caller.
 */
static struct btree_node *split_off(struct btree_node *node, uint32_t from)
{
	struct btree_node *right = btree_node_new(node->level);
	right->count = (uint8_t)(node->count - from);
	memcpy(right->keys, &node->keys[from], right->count * sizeof node->keys[0]);
	if (node->level > 0)
		memcpy(right->children, &node->children[from],
		       (right->count + 1u) * sizeof node->children[0]);
	node->count = (uint8_t)from;
	return right;
}

/*
 * Puts a new record into a leaf; returns the right half and its separator if the leaf had to be
 * split.
 */
static struct btree_node *leaf_insert(struct btree_node *leaf, uint32_t position,
				      struct record *record, struct record **separator)
{
	if (leaf->count < BTREE_KEYS_MAX) {
		btree_node_insert_key(leaf, position, record);
		return NULL;
	}
	uint32_t middle = position == leaf->count ? leaf->count : leaf->count / 2u;
	struct btree_node *right = split_off(leaf, middle);
	if (right->count > 0) {
		btree_node_rehead(leaf);
		btree_node_rehead(right);
	}
	if (position > middle || right->count == 0)
		btree_node_insert_key(right, position - middle, record);
	else
		btree_node_insert_key(leaf, position, record);
	*separator = btree_separator(leaf->keys[leaf->count - 1], right->keys[0]);
	return right;
}

/*
 * Puts a new child behind child `position` of an inner node; splits like leaf_insert(), the middle
 * key moves up.
 */
static struct btree_node *inner_insert(struct btree_node *node, uint32_t position,
				       struct record *key, struct btree_node *child,
				       struct record **separator)
{
	if (node->count < BTREE_KEYS_MAX) {
		insert_child(node, position, key, child);
		return NULL;
	}
	uint32_t middle = position == node->count ? node->count - 1u : node->count / 2u;
	struct btree_node *right = split_off(node, middle + 1);
	*separator = node->keys[middle];
	node->count = (uint8_t)middle;
	btree_node_rehead(node);
	btree_node_rehead(right);
	if (position > middle)
		insert_child(right, position - middle - 1, key, child);
	else
		insert_child(node, position, key, child);
	return right;
}

static void replace(struct btree *tree, struct record **slot, const struct store_record *with)
{
	struct record *old = *slot;
	tree->bytes += with->value.len;
	tree->bytes -= old->value_len;
	if (old->refs > 1 || old->value_len != with->value.len) {
		*slot = record_new(with); /* before the old one goes: `with` may point into it */
		record_unref(old);
		return;
	}
	ASSERT(with->version <= STORE_VERSION_MAX);
	old->version = with->version & STORE_VERSION_MAX;
	old->modification = with->modification;
	if (with->value.len > 0)
		memmove(old->data + old->key_len, with->value.data, with->value.len);
}

static struct btree_node *insert_into(struct btree *tree, struct btree_node **slot,
				      const struct store_record *record, struct record **separator)
{
	struct btree_node *node = own(slot);
	if (node->level == 0) {
		/*
		 * Most puts are of keys that exist, and finding these spares a look at the leaf's
		 * first key.
		 */
		int at = btree_leaf_find(node, record->key);
		if (at >= 0) {
			replace(tree, &node->keys[at], record);
			return NULL;
		}
	}
	bool found;
	uint32_t position = btree_node_search(node, record->key, &found);
	if (node->level > 0) {
		position += found;
		struct record *key = NULL;
		struct btree_node *right = insert_into(tree, &node->children[position], record,
						       &key);
		return right == NULL ? NULL : inner_insert(node, position, key, right, separator);
	}
	tree->count++;
	tree->bytes += record->key.len + record->value.len;
	return leaf_insert(node, position, record_new(record), separator);
}

void btree_put(struct btree *tree, const struct store_record *record)
{
	if (tree->root == NULL)
		tree->root = btree_node_new(0);
	struct record *separator = NULL;
	struct btree_node *right = insert_into(tree, &tree->root, record, &separator);
	if (right == NULL)
		return;
	struct btree_node *root = btree_node_new((uint8_t)(tree->root->level + 1));
	root->children[0] = tree->root;
	insert_child(root, 0, separator, right);
	tree->root = root;
}

/*
 * Takes child `position` out of an owned inner node with the separator beside it; the child itself
 * is the caller's.
 */
static void remove_child(struct btree_node *node, uint32_t position)
{
	ASSERT(node->count > 0);
	record_unref(btree_node_remove_key(node, position > 0 ? position - 1 : 0));
	size_t behind = node->count + 1u - position;
	memmove(&node->children[position], &node->children[position + 1],
		behind * sizeof node->children[0]);
}

static uint32_t merged_count(const struct btree_node *left, const struct btree_node *right)
{
	return left->count + right->count + (left->level > 0 ? 1u : 0u);
}

/* Appends child position + 1 of an owned parent to child `position`. */
static void merge_children(struct btree_node *parent, uint32_t position)
{
	struct btree_node *left = own(&parent->children[position]);
	/* Owning the right one too takes references to its contents, which then move. */
	struct btree_node *right = own(&parent->children[position + 1]);
	if (left->level > 0) {
		/* The separator is still needed between the two runs of children. */
		left->keys[left->count++] = record_ref(parent->keys[position]);
		memcpy(&left->children[left->count], right->children,
		       (right->count + 1u) * sizeof right->children[0]);
	}
	memcpy(&left->keys[left->count], right->keys, right->count * sizeof right->keys[0]);
	left->count = (uint8_t)(left->count + right->count);
	btree_node_rehead(left);
	free(right);
	remove_child(parent, position + 1);
}

/* Restores the shape after something was removed below child `position` of an owned inner node. */
static void repair_child(struct btree_node *node, uint32_t position)
{
	if (node->children[position]->count >= BTREE_MERGE_BELOW)
		return;
	if (position > 0 && merged_count(node->children[position - 1], node->children[position]) <=
				    BTREE_MERGED_MAX)
		merge_children(node, position - 1);
	else if (position < node->count &&
		 merged_count(node->children[position], node->children[position + 1]) <=
			 BTREE_MERGED_MAX)
		merge_children(node, position);
}

/*
 * Removes a key that is there, and returns its record. *slot becomes NULL if nothing is left below
 * it.
 */
static struct record *remove_from(struct btree_node **slot, struct slice key)
{
	struct btree_node *node = own(slot);
	bool found;
	uint32_t position = btree_node_search(node, key, &found);
	struct record *removed;
	if (node->level == 0) {
		ASSERT(found);
		removed = btree_node_remove_key(node, position);
		if (node->count > 0)
			return removed;
	} else {
		position += found;
		removed = remove_from(&node->children[position], key);
		if (node->children[position] != NULL) {
			repair_child(node, position);
			return removed;
		}
		if (node->count > 0) {
			remove_child(node, position);
			return removed;
		}
	}
	free(node);
	*slot = NULL;
	return removed;
}

bool btree_delete(struct btree *tree, struct slice key)
{
	if (btree_get(tree->root, key) == NULL) /* first, so that a miss copies nothing */
		return false;
	struct record *removed = remove_from(&tree->root, key);
	ASSERT(tree->count > 0);
	tree->count--;
	tree->bytes -= record_bytes(removed);
	record_unref(removed);
	while (tree->root != NULL && tree->root->level > 0 && tree->root->count == 0) {
		/* The path was just written, so the old root is ours alone. */
		struct btree_node *root = tree->root;
		tree->root = root->children[0];
		free(root);
	}
	ASSERT((tree->root == NULL) == (tree->count == 0));
	return true;
}

void btree_release(struct btree_node *root, struct btree_garbage *garbage)
{
	if (root == NULL)
		return;
	ASSERT(root->refs > 0);
	if (--root->refs > 0)
		return;
	root->next_garbage = garbage->first;
	garbage->first = root;
	garbage->count++;
}

void btree_clear(struct btree *tree, struct btree_garbage *garbage)
{
	btree_release(tree->root, garbage);
	*tree = (struct btree){0};
}

bool btree_garbage_drain(struct btree_garbage *garbage, uint64_t nodes_max)
{
	for (uint64_t n = 0; n < nodes_max && garbage->first != NULL; n++) {
		struct btree_node *node = garbage->first;
		garbage->first = node->next_garbage;
		garbage->count--;
		for (uint32_t i = 0; i < node->count; i++)
			record_unref(node->keys[i]);
		for (uint32_t i = 0; i < btree_node_children(node); i++)
			btree_release(node->children[i], garbage);
		free(node);
	}
	return garbage->first != NULL;
}
