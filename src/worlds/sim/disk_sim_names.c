/* The names of a directory: what is durable, and what is not yet. */
#include "sim/disk_sim_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum change_kind { CHANGE_CREATE, CHANGE_RENAME, CHANGE_REMOVE };

struct name_change {
	enum change_kind kind;
	char *name;
	char *new_name;
	struct inode *inode;
};

static struct name_entry *table_find(const struct name_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->entries[i].name, name) == 0)
			return &table->entries[i];
	return NULL;
}

static void table_set(struct name_table *table, const char *name, struct inode *inode)
{
	inode_ref(inode);
	struct name_entry *entry = table_find(table, name);
	if (entry != NULL) {
		inode_unref(entry->inode);
		entry->inode = inode;
		return;
	}
	ALLOC_ROOM(table->entries, table->count, table->capacity, 8);
	table->entries[table->count++] = (struct name_entry){.name = alloc_string(name),
							     .inode = inode};
}

static void table_remove(struct name_table *table, struct name_entry *entry)
{
	free(entry->name);
	inode_unref(entry->inode);
	*entry = table->entries[--table->count];
}

static void table_clear(struct name_table *table)
{
	while (table->count > 0)
		table_remove(table, &table->entries[table->count - 1]);
}

static void table_copy(struct name_table *to, const struct name_table *from)
{
	table_clear(to);
	for (size_t i = 0; i < from->count; i++)
		table_set(to, from->entries[i].name, from->entries[i].inode);
}

/* Carries out a change on a table, if what it is about is still (or already) there. */
static void table_apply(struct name_table *table, const struct name_change *change)
{
	if (change->kind == CHANGE_CREATE) {
		table_set(table, change->name, change->inode);
		return;
	}
	struct name_entry *entry = table_find(table, change->name);
	if (entry == NULL || entry->inode != change->inode)
		return;
	table_remove(table, entry);
	if (change->kind == CHANGE_RENAME)
		table_set(table, change->new_name, change->inode);
}

static void add_change(struct names *names, enum change_kind kind, const char *name,
		       const char *new_name, struct inode *inode)
{
	ALLOC_ROOM(names->changes, names->change_count, names->change_capacity, 8);
	struct name_change *change = &names->changes[names->change_count++];
	*change = (struct name_change){
		.kind = kind,
		.name = alloc_string(name),
		.new_name = new_name == NULL ? NULL : alloc_string(new_name),
		.inode = inode_ref(inode),
	};
	table_apply(&names->current, change);
}

static void drop_changes(struct names *names)
{
	for (size_t i = 0; i < names->change_count; i++) {
		free(names->changes[i].name);
		free(names->changes[i].new_name);
		inode_unref(names->changes[i].inode);
	}
	names->change_count = 0;
}

struct inode *names_find(const struct names *names, const char *name)
{
	struct name_entry *entry = table_find(&names->current, name);
	return entry == NULL ? NULL : entry->inode;
}

bool names_is_synced(const struct names *names, const char *name)
{
	const struct name_entry *now = table_find(&names->current, name),
				*durable = table_find(&names->durable, name);
	if (now == NULL || durable == NULL || now->inode != durable->inode)
		return false;
	for (size_t i = 0; i < names->change_count; i++) {
		const struct name_change *change = &names->changes[i];
		if (strcmp(change->name, name) == 0 ||
		    (change->new_name != NULL && strcmp(change->new_name, name) == 0))
			return false;
	}
	return true;
}

void names_create(struct names *names, const char *name, struct inode *inode)
{
	add_change(names, CHANGE_CREATE, name, NULL, inode);
}

bool names_rename(struct names *names, const char *name, const char *new_name)
{
	struct inode *inode = names_find(names, name);
	if (inode == NULL)
		return false;
	add_change(names, CHANGE_RENAME, name, new_name, inode);
	return true;
}

void names_remove(struct names *names, const char *name)
{
	struct inode *inode = names_find(names, name);
	if (inode != NULL)
		add_change(names, CHANGE_REMOVE, name, NULL, inode);
}

void names_sync(struct names *names)
{
	table_copy(&names->durable, &names->current);
	drop_changes(names);
}

/* An inode may come by several ways: the second time there is nothing unsynced left. */
static uint64_t lose_contents(struct inode *inode, struct rng *rng)
{
	if (inode->writes == NULL && inode->size == inode->durable_size)
		return 0;
	return inode_power_loss(inode, rng);
}

void names_power_loss(struct names *names, struct rng *rng, uint64_t *lost_writes,
		      uint64_t *lost_names)
{
	for (size_t i = 0; i < names->current.count; i++)
		*lost_writes += lose_contents(names->current.entries[i].inode, rng);
	for (size_t i = 0; i < names->durable.count; i++)
		*lost_writes += lose_contents(names->durable.entries[i].inode, rng);
	for (size_t i = 0; i < names->change_count; i++)
		*lost_writes += lose_contents(names->changes[i].inode, rng);

	uint64_t kind = rng_below(rng, 4);
	uint64_t first = rng_below(rng, names->change_count + 1);
	for (size_t i = 0; i < names->change_count; i++) {
		bool kept = kind == 1 || (kind == 2 && i < first) ||
			    (kind == 3 && rng_chance(rng, 500000));
		if (kept)
			table_apply(&names->durable, &names->changes[i]);
		else
			++*lost_names;
	}
	drop_changes(names);
	table_copy(&names->current, &names->durable);
}

void names_free(struct names *names)
{
	drop_changes(names);
	table_clear(&names->current);
	table_clear(&names->durable);
	free(names->changes);
	free(names->current.entries);
	free(names->durable.entries);
	memset(names, 0, sizeof *names);
}
