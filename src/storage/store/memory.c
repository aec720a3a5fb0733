/* The in-memory engine: one copy-on-write B+tree (btree.h) a space. */
#include "store/memory.h"

#include "base/list.h"
#include "store/btree.h"

/*
 * Nodes freed with each write while there is garbage: twice what a write can make shared, so
 * garbage shrinks.
 */
#define GARBAGE_NODES_PER_WRITE 2
/* Iterators kept for reuse; a scan opens one for each shard. */
#define FREE_ITERATORS_MAX 1024u

_Static_assert(STORE_PREFETCH_MAX <= BTREE_PREFETCH_MAX, "in one go");

struct memory {
	struct store store;
	uint32_t spaces;
	uint32_t free_iterators;
	uint64_t bytes; /* of all spaces */
	uint64_t applied;
	struct btree_garbage garbage;
	struct list snapshots;
	struct list iterators;            /* in use */
	struct store_iterator *free_list; /* through `next_free` */
	struct btree trees[];
};

struct snapshot_root {
	uint32_t space;
	struct btree_node *root;
};

struct store_snapshot {
	struct memory *memory;
	struct list link;
	uint32_t count;
	struct snapshot_root roots[]; /* of spaces that are not empty, ascending */
};

struct store_iterator {
	struct memory *memory;
	struct list link;
	struct store_iterator *next_free;
	struct btree_cursor cursor;
	bool back;
};

/*
 * It reads the snapshot's roots and what hangs below them, which nobody changes but for the counts
 * of references.
 */
struct store_scan {
	const struct store_snapshot *snapshot;
	uint32_t next; /* root whose records follow */
	struct btree_cursor cursor;
};

static struct memory *memory_of(struct store *store)
{
	return (struct memory *)(void *)store;
}

static struct btree *tree_of(struct memory *m, uint32_t space)
{
	ASSERT(space < m->spaces);
	return &m->trees[space];
}

static bool memory_get(struct store *store, uint32_t space, struct slice key,
		       struct store_record *out)
{
	const struct record *record = btree_get(tree_of(memory_of(store), space)->root, key);
	if (record == NULL)
		return false;
	record_view(record, out);
	return true;
}

static void memory_prefetch(struct store *store, const struct store_lookup *lookups, uint32_t count)
{
	const struct btree_node *roots[STORE_PREFETCH_MAX];
	struct slice keys[STORE_PREFETCH_MAX];
	ASSERT(count <= STORE_PREFETCH_MAX);
	for (uint32_t i = 0; i < count; i++) {
		roots[i] = tree_of(memory_of(store), lookups[i].space)->root;
		keys[i] = lookups[i].key;
	}
	btree_prefetch(roots, keys, count);
}

static void memory_put(struct store *store, uint32_t space, const struct store_record *record)
{
	struct memory *m = memory_of(store);
	struct btree *tree = tree_of(m, space);
	uint64_t before = tree->bytes;
	btree_put(tree, record);
	m->bytes = m->bytes - before + tree->bytes;
	btree_garbage_drain(&m->garbage, GARBAGE_NODES_PER_WRITE);
}

static bool memory_remove(struct store *store, uint32_t space, struct slice key)
{
	struct memory *m = memory_of(store);
	struct btree *tree = tree_of(m, space);
	uint64_t before = tree->bytes;
	bool existed = btree_delete(tree, key);
	m->bytes = m->bytes - before + tree->bytes;
	btree_garbage_drain(&m->garbage, GARBAGE_NODES_PER_WRITE);
	return existed;
}

static void memory_drop_space(struct store *store, uint32_t space)
{
	struct memory *m = memory_of(store);
	struct btree *tree = tree_of(m, space);
	m->bytes -= tree->bytes;
	btree_clear(tree, &m->garbage);
}

static uint64_t memory_space_count(struct store *store, uint32_t space)
{
	return tree_of(memory_of(store), space)->count;
}

static uint64_t memory_bytes(struct store *store)
{
	return memory_of(store)->bytes;
}

static struct store_snapshot *memory_snapshot(struct store *store)
{
	struct memory *m = memory_of(store);
	uint32_t count = 0;
	for (uint32_t space = 0; space < m->spaces; space++)
		count += m->trees[space].root != NULL;
	struct store_snapshot *snapshot = alloc_bytes(sizeof *snapshot +
						      count * sizeof snapshot->roots[0]);
	snapshot->memory = m;
	snapshot->count = 0;
	list_push_back(&m->snapshots, &snapshot->link);
	for (uint32_t space = 0; space < m->spaces; space++) {
		struct btree_node *root = m->trees[space].root;
		if (root == NULL)
			continue;
		ASSERT(root->refs < UINT32_MAX);
		root->refs++;
		snapshot->roots[snapshot->count++] = (struct snapshot_root){.space = space,
									    .root = root};
	}
	ASSERT(snapshot->count == count);
	return snapshot;
}

static void memory_snapshot_release(struct store_snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->count; i++)
		btree_release(snapshot->roots[i].root, &snapshot->memory->garbage);
	list_remove(&snapshot->link);
	free(snapshot);
}

static const struct btree_node *snapshot_root(const struct store_snapshot *snapshot, uint32_t space)
{
	uint32_t low = 0;
	uint32_t high = snapshot->count;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (snapshot->roots[middle].space < space)
			low = middle + 1;
		else
			high = middle;
	}
	return low < snapshot->count && snapshot->roots[low].space == space
		       ? snapshot->roots[low].root
		       : NULL;
}

static struct store_iterator *new_iterator(struct memory *m, bool back)
{
	struct store_iterator *iterator = m->free_list;
	if (iterator != NULL) {
		m->free_list = iterator->next_free;
		m->free_iterators--;
	} else {
		iterator = alloc_bytes(sizeof *iterator);
	}
	iterator->memory = m;
	iterator->back = back;
	list_push_back(&m->iterators, &iterator->link);
	return iterator;
}

static struct store_iterator *memory_iterate(struct store *store, struct store_snapshot *snapshot,
					     uint32_t space, struct slice start)
{
	struct memory *m = memory_of(store);
	struct btree *tree = tree_of(m, space);
	struct store_iterator *iterator = new_iterator(m, false);
	btree_cursor_seek(&iterator->cursor,
			  snapshot == NULL ? tree->root : snapshot_root(snapshot, space), start);
	return iterator;
}

static struct store_iterator *memory_iterate_back(struct store *store,
						  struct store_snapshot *snapshot, uint32_t space,
						  struct slice end)
{
	struct memory *m = memory_of(store);
	struct btree *tree = tree_of(m, space);
	const struct btree_node *root = snapshot == NULL ? tree->root
							 : snapshot_root(snapshot, space);
	struct store_iterator *iterator = new_iterator(m, true);
	if (end.len == 0)
		btree_cursor_seek_end(&iterator->cursor, root);
	else
		btree_cursor_seek(&iterator->cursor, root, end);
	return iterator;
}

static bool memory_next(struct store_iterator *iterator, struct store_record *out)
{
	const struct record *record = iterator->back ? btree_cursor_previous(&iterator->cursor)
						     : btree_cursor_next(&iterator->cursor);
	if (record == NULL)
		return false;
	record_view(record, out);
	return true;
}

static void memory_iterate_end(struct store_iterator *iterator)
{
	struct memory *m = iterator->memory;
	list_remove(&iterator->link);
	if (m->free_iterators >= FREE_ITERATORS_MAX) {
		free(iterator);
		return;
	}
	iterator->next_free = m->free_list;
	m->free_list = iterator;
	m->free_iterators++;
}

static struct store_scan *memory_scan(struct store_snapshot *snapshot)
{
	struct store_scan *scan = ALLOC(struct store_scan);
	scan->snapshot = snapshot;
	return scan;
}

static bool memory_scan_next(struct store_scan *scan, uint32_t *space, struct store_record *out)
{
	const struct store_snapshot *snapshot = scan->snapshot;
	const struct record *record;
	while ((record = btree_cursor_next(&scan->cursor)) == NULL) {
		if (scan->next == snapshot->count)
			return false;
		btree_cursor_seek(&scan->cursor, snapshot->roots[scan->next++].root,
				  slice(NULL, 0));
	}
	*space = snapshot->roots[scan->next - 1].space;
	record_view(record, out);
	return true;
}

static void memory_scan_end(struct store_scan *scan)
{
	free(scan);
}

static void memory_set_applied(struct store *store, uint64_t slot)
{
	struct memory *m = memory_of(store);
	ASSERT(slot >= m->applied || slot == 0); /* 0: emptied before a restore */
	m->applied = slot;
}

static uint64_t memory_applied(struct store *store)
{
	return memory_of(store)->applied;
}

static void memory_destroy(struct store *store)
{
	struct memory *m = memory_of(store);
	ASSERT(list_empty(&m->snapshots) && list_empty(&m->iterators));
	for (uint32_t space = 0; space < m->spaces; space++)
		btree_clear(&m->trees[space], &m->garbage);
	while (btree_garbage_drain(&m->garbage, UINT64_MAX))
		;
	while (m->free_list != NULL) {
		struct store_iterator *next = m->free_list->next_free;
		free(m->free_list);
		m->free_list = next;
	}
	free(m);
}

static const struct store_ops memory_ops = {
	.prefetch = memory_prefetch,
	.get = memory_get,
	.put = memory_put,
	.remove = memory_remove,
	.drop_space = memory_drop_space,
	.space_count = memory_space_count,
	.bytes = memory_bytes,
	.snapshot = memory_snapshot,
	.snapshot_release = memory_snapshot_release,
	.iterate = memory_iterate,
	.iterate_back = memory_iterate_back,
	.next = memory_next,
	.iterate_end = memory_iterate_end,
	.scan = memory_scan,
	.scan_next = memory_scan_next,
	.scan_end = memory_scan_end,
	.set_applied = memory_set_applied,
	.applied = memory_applied,
	.destroy = memory_destroy,
};

struct store *store_memory_create(uint32_t spaces)
{
	struct memory *m = alloc_zeroed(1, sizeof *m + spaces * sizeof m->trees[0]);
	m->store.ops = &memory_ops;
	m->spaces = spaces;
	list_init(&m->snapshots);
	list_init(&m->iterators);
	return &m->store;
}

bool store_memory_idle_work(struct store *store, uint64_t nodes_max)
{
	ASSERT(store->ops == &memory_ops);
	return btree_garbage_drain(&memory_of(store)->garbage, nodes_max);
}

void store_memory_check(struct store *store)
{
	ASSERT(store->ops == &memory_ops);
	struct memory *m = memory_of(store);
	uint64_t bytes = 0;
	for (uint32_t space = 0; space < m->spaces; space++) {
		ASSERT(btree_check(m->trees[space].root) == m->trees[space].count);
		bytes += m->trees[space].bytes;
	}
	ASSERT(bytes == m->bytes);
}
