/* pb and view: primary and backup, and the service that names them */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kvctl.h"

/* Views of the past that a terminal shows. */
#define HISTORY_SHOWN 8u

int kvctl_pb(struct kvctl *kvctl, int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct kvctl *kvctl, int argc, char **argv);
	} commands[] = {
		{"get", kvctl_get}, {"put", kvctl_put}, {"append", kvctl_append},
		{"del", kvctl_del}, {"cas", kvctl_cas}, {"incr", kvctl_incr},
	};
	if (argc < 2)
		return kvctl_usage(kvctl, "which operation?");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		kvctl->primary = true;
		int exit_code = commands[i].run(kvctl, argc - 1, argv + 1);
		kvctl->primary = false;
		return exit_code;
	}
	return kvctl_usage(kvctl, "\"%s\" is none of get, put, append, del, cas and incr", argv[1]);
}

/* ---- view ---- */

static const char *name_of(const struct synod_view_server *server)
{
	return server->name[0] != '\0' ? server->name : "-";
}

static const char *role_of(const struct synod_view *view, const struct synod_view_server *server)
{
	if (server->incarnation == view->primary.incarnation)
		return "primary";
	return server->incarnation == view->backup.incarnation ? "backup" : "idle";
}

bool kvctl_view_primary_lives(const struct synod_view *view)
{
	for (size_t i = 0; i < view->nservers; i++)
		if (view->servers[i].alive &&
		    view->servers[i].server.incarnation == view->primary.incarnation)
			return true;
	return false;
}

/* What is not as it should be about a view; "" if nothing is. */
static const char *trouble_of(const struct synod_view *view)
{
	bool backup = view->backup.name[0] != '\0';
	if (view->primary.name[0] == '\0')
		return "";
	if (!kvctl_view_primary_lives(view))
		return backup && view->synced ? " (the primary is gone: the backup takes over)"
					      : " (the primary is gone, and the state with it: "
						"kvctl view reset begins anew)";
	if (!view->acknowledged)
		return " (the primary has not acknowledged it yet)";
	return backup && !view->synced ? " (the backup is being filled)" : "";
}

static json_t *server_json(const struct synod_view *view, const struct synod_view_liveness *server)
{
	return json_pack("{s:s,s:s,s:s,s:b,s:o,s:o}", "name", server->server.name, "address",
			 server->server.address, "role", role_of(view, &server->server), "alive",
			 (int)server->alive, "silent_ms", kvctl_json_u64(server->silent_ms),
			 "viewnum", kvctl_json_u64(server->number));
}

static void print_json(const struct synod_view *view)
{
	json_t *history = json_array(), *servers = json_array();
	for (size_t i = 0; i < view->nhistory; i++) {
		const struct synod_view_past *past = &view->history[i];
		json_array_append_new(
			history, json_pack("{s:o,s:s,s:s,s:o,s:b,s:b}", "viewnum",
					   kvctl_json_u64(past->number), "primary",
					   past->primary.name, "backup", past->backup.name,
					   "time_us", kvctl_json_u64(past->time_us), "acknowledged",
					   (int)past->acknowledged, "synced", (int)past->synced));
	}
	for (size_t i = 0; i < view->nservers; i++)
		json_array_append_new(servers, server_json(view, &view->servers[i]));
	kvctl_print_json(json_pack("{s:o,s:s,s:s,s:s,s:s,s:b,s:b,s:o,s:o}", "viewnum",
				   kvctl_json_u64(view->number), "primary", view->primary.name,
				   "backup", view->backup.name, "primary_address",
				   view->primary.address, "backup_address", view->backup.address,
				   "acknowledged", (int)view->acknowledged, "synced",
				   (int)view->synced, "servers", servers, "history", history));
}

static void print_servers(const struct synod_view *view)
{
	static const char *const titles[] = {"NAME", "ADDRESS",   "ROLE",
					     "VIEW", "LAST PING", "HEALTH"};
	struct kvctl_table table;
	kvctl_table_init(&table, 6, titles);
	table.right[3] = table.right[4] = true;
	for (size_t i = 0; i < view->nservers; i++) {
		const struct synod_view_liveness *server = &view->servers[i];
		kvctl_table_row(&table);
		kvctl_table_cell(&table, 0, "%s", server->server.name);
		kvctl_table_cell(&table, 1, "%s", server->server.address);
		kvctl_table_cell(&table, 2, "%s", role_of(view, &server->server));
		kvctl_table_cell(&table, 3, "%" PRIu64, server->number);
		kvctl_table_cell(&table, 4, "%" PRIu64 " ms ago", server->silent_ms);
		kvctl_table_cell(&table, 5, "%s", server->alive ? "alive" : "dead");
	}
	kvctl_table_print(&table);
	kvctl_table_free(&table);
}

static void print_history(const struct synod_view *view)
{
	static const char *const titles[] = {"VIEW", "SINCE", "PRIMARY", "BACKUP"};
	struct kvctl_table table;
	kvctl_table_init(&table, 4, titles);
	table.right[0] = true;
	for (size_t i = 0; i < view->nhistory && i < HISTORY_SHOWN; i++) {
		const struct synod_view_past *past = &view->history[i];
		time_t seconds = (time_t)(past->time_us / 1000000);
		struct tm when;
		char text[32];
		gmtime_r(&seconds, &when);
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &when);
		kvctl_table_row(&table);
		kvctl_table_cell(&table, 0, "%" PRIu64, past->number);
		kvctl_table_cell(&table, 1, "%s", text);
		kvctl_table_cell(&table, 2, "%s", name_of(&past->primary));
		kvctl_table_cell(&table, 3, "%s", name_of(&past->backup));
	}
	kvctl_table_print(&table);
	kvctl_table_free(&table);
}

static void print_view(const struct synod_view *view)
{
	struct buffer wrapped = {0};
	char *line = alloc_format("view %" PRIu64 ": primary %s, backup %s%s", view->number,
				  name_of(&view->primary), name_of(&view->backup),
				  trouble_of(view));
	kvctl_wrap(&wrapped, line, kvctl_columns(STDOUT_FILENO), 2);
	printf("%.*s\n", (int)wrapped.len, (const char *)wrapped.data);
	buffer_free(&wrapped);
	free(line);
	if (view->nservers > 0) {
		putchar('\n');
		print_servers(view);
	}
	if (view->nhistory > 0) {
		putchar('\n');
		print_history(view);
	}
}

static int show(struct kvctl *kvctl, struct synod *s)
{
	struct synod_view *view = synod_view(s, kvctl->timeout_ms);
	int exit_code = kvctl_failed(kvctl, view->status, view->message);
	if (exit_code == EXIT_OK && kvctl->json)
		print_json(view);
	else if (exit_code == EXIT_OK)
		print_view(view);
	synod_view_free(view);
	return exit_code;
}

static int reset(struct kvctl *kvctl, struct synod *s)
{
	struct synod_view *view = synod_view(s, kvctl->timeout_ms);
	uint64_t number = view->number;
	int exit_code = kvctl_failed(kvctl, view->status, view->message);
	synod_view_free(view);
	if (exit_code != EXIT_OK)
		return exit_code;
	struct synod_reply *reply = synod_view_reset(s, number);
	exit_code = kvctl_failed(kvctl, reply->status, reply->message);
	kvctl->applied |= exit_code == EXIT_OK;
	if (exit_code == EXIT_OK && kvctl->json)
		kvctl_print_json(json_pack("{s:o}", "given_up", kvctl_json_u64(number)));
	else if (exit_code == EXIT_OK)
		printf("OK: view %" PRIu64 " is given up\n", number);
	synod_reply_free(reply);
	return exit_code;
}

int kvctl_view(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	int exit_code = kvctl_operands(kvctl, argc, argv, 0, 1, &first);
	if (exit_code != EXIT_OK)
		return exit_code;
	bool give_up = first < argc && strcmp(argv[first], "reset") == 0;
	if (first < argc && !give_up)
		return kvctl_usage(kvctl, "\"%s\" is not reset", argv[first]);
	struct synod *s = kvctl_synod(kvctl);
	if (s == NULL)
		return EXIT_USAGE;
	return give_up ? reset(kvctl, s) : show(kvctl, s);
}
