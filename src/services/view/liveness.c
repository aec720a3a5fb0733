/* Who has pinged lately: soft state of the leader. */
#include "view/liveness.h"

void view_table_init(struct view_table *table, uint64_t dead_us)
{
	table->dead_us = dead_us;
	table->count = 0;
}

static struct view_liveness *find(const struct view_table *table, const struct view_server *server)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (view_same_name(&table->servers[i].server, server))
			return (struct view_liveness *)(uintptr_t)&table->servers[i];
	return NULL;
}

void view_table_grace(struct view_table *table, const struct view *view, uint64_t now_us)
{
	const struct view_server *const members[] = {&view->primary, &view->backup};
	table->count = 0;
	for (size_t i = 0; i < 2; i++)
		if (!view_nobody(members[i]))
			table->servers[table->count++] = (struct view_liveness){
				.server = *members[i],
				.number = view->number,
				.since_us = now_us,
				.last_us = now_us};
}

static bool is_silent(const struct view_table *table, const struct view_liveness *server,
		      uint64_t now_us)
{
	return now_us >= server->last_us + table->dead_us;
}

/* A place for one more name: a new one, or that of a server that has been dead for longest. */
static struct view_liveness *make_place(struct view_table *table, uint64_t now_us)
{
	struct view_liveness *oldest = &table->servers[0];
	if (table->count < VIEW_SERVERS_MAX)
		return &table->servers[table->count++];
	for (uint32_t i = 1; i < table->count; i++)
		if (table->servers[i].last_us < oldest->last_us)
			oldest = &table->servers[i];
	if (!is_silent(table, oldest, now_us))
		return NULL;
	memmove(oldest, oldest + 1,
		(size_t)(table->servers + table->count - 1 - oldest) * sizeof *oldest);
	return &table->servers[table->count - 1];
}

bool view_table_ping(struct view_table *table, const struct wire_view_ping *ping, uint64_t now_us)
{
	struct view_server server;
	view_server_set(&server, &ping->server);
	struct view_liveness *known = find(table, &server);
	bool continues = known != NULL && view_same_server(&known->server, &server) &&
			 !is_silent(table, known, now_us);
	if (known == NULL)
		known = make_place(table, now_us);
	if (known == NULL)
		return false;
	known->server = server;
	known->number = ping->number;
	/* Who says goodbye is dead from now on, as if it had been silent for long. */
	known->last_us = ping->leaving && now_us > table->dead_us ? now_us - table->dead_us
								  : now_us;
	if (!continues)
		known->since_us = now_us;
	return true;
}

bool view_table_alive(const struct view_table *table, const struct view_server *server,
		      uint64_t now_us)
{
	const struct view_liveness *known = find(table, server);
	return known != NULL && view_same_server(&known->server, server) &&
	       !is_silent(table, known, now_us);
}

/*
 * True if `lost` is to be given up on the word of `stays`: it is known to have restarted, or it has
 * been silent for too long and `stays` has been heard since then.
 */
static bool is_lost(const struct view_table *table, const struct view_server *lost,
		    const struct view_server *stays, uint64_t now_us)
{
	const struct view_liveness *known = find(table, lost), *witness = find(table, stays);
	if (witness == NULL)
		return false;
	/*
	 * Everybody in the view is in the table from the beginning: who is not has made way as the
	 * one dead for longest.
	 */
	if (known == NULL || !view_same_server(&known->server, lost))
		return true;
	return is_silent(table, known, now_us) &&
	       witness->last_us >= known->last_us + table->dead_us;
}

/* The server that has been alive for longest, other than the primary; nobody if there is none. */
static struct view_server choose_idle(const struct view_table *table,
				      const struct view_server *primary, uint64_t now_us)
{
	const struct view_liveness *best = NULL;
	for (uint32_t i = 0; i < table->count; i++) {
		const struct view_liveness *server = &table->servers[i];
		if (is_silent(table, server, now_us) || view_same_name(&server->server, primary))
			continue;
		if (best == NULL || server->since_us < best->since_us)
			best = server;
	}
	return best == NULL ? (struct view_server){0} : best->server;
}

bool view_table_decide(const struct view_table *table, const struct view *current, uint64_t now_us,
		       struct view_server *primary, struct view_server *backup)
{
	static const struct view_server nobody;
	*primary = current->primary;
	*backup = current->backup;
	if (view_nobody(&current->primary)) {
		*primary = choose_idle(table, &nobody, now_us);
		*backup = nobody;
		return !view_nobody(primary);
	}
	if (!view_acknowledged(current))
		return false;
	bool has_backup = !view_nobody(&current->backup);
	bool primary_alive = view_table_alive(table, &current->primary, now_us);
	bool backup_alive = has_backup && view_table_alive(table, &current->backup, now_us);
	if (backup_alive && is_lost(table, &current->primary, &current->backup, now_us)) {
		*primary = current->backup;
		*backup = choose_idle(table, primary, now_us);
	} else if (primary_alive &&
		   (!has_backup || (!backup_alive &&
				    is_lost(table, &current->backup, &current->primary, now_us)))) {
		*backup = choose_idle(table, primary, now_us);
	}
	return view_may_follow(current, primary, backup);
}
