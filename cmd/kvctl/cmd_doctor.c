/*
 * doctor: looks for what is wrong with a cluster, and says what to do. Every check prints one line;
 * the exit code is that of the worst finding: 0 nothing or warnings, 3 something is not available.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kvctl.h"

#define CLOCK_AHEAD_MS_MAX 500
#define LAG_MAX 10000u
#define ROUND_TRIP_US_MAX 100000u

enum finding { FINDING_OK, FINDING_WARN, FINDING_FAIL };

struct doctor {
	struct kvctl *kvctl;
	struct kvctl_nodes nodes;
	json_t *findings;
	unsigned warnings, failures;
};

static void print_finding(const char *word, const char *text)
{
	struct buffer wrapped = {0};
	char *line = alloc_format("%-4s  %s", word, text);
	kvctl_wrap(&wrapped, line, kvctl_columns(STDOUT_FILENO), 6);
	printf("%.*s\n", (int)wrapped.len, (const char *)wrapped.data);
	buffer_free(&wrapped);
	free(line);
}

__attribute__((format(printf, 3, 4))) static void report(struct doctor *doctor,
							 enum finding finding, const char *format,
							 ...)
{
	static const char *const words[] = {"ok", "warn", "FAIL"};
	char *text;
	va_list arguments;
	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	doctor->warnings += finding == FINDING_WARN;
	doctor->failures += finding == FINDING_FAIL;
	if (doctor->kvctl->json)
		json_array_append_new(doctor->findings,
				      json_pack("{s:s,s:s}", "level",
						finding == FINDING_FAIL ? "fail" : words[finding],
						"message", text != NULL ? text : ""));
	else
		print_finding(words[finding], text != NULL ? text : "");
	free(text);
}

static void check_node(struct doctor *doctor, const struct kvctl_node *node)
{
	const struct synod_node_status *status = node->status;
	const char *name = node->name[0] != '\0' ? node->name : node->address;
	if (node->outsider != NULL)
		report(doctor,
		       strcmp(node->outsider, "not joined") == 0 ? FINDING_WARN : FINDING_FAIL,
		       "%s: %s: %s", name, node->outsider, node->detail);
	if (node->outsider != NULL && !kvctl_node_up(node))
		return;
	if (status->status != SYNOD_OK) {
		report(doctor, FINDING_FAIL, "%s (%s %s) does not answer: %s", name, node->role,
		       node->address, status->message);
		return;
	}
	if (strcmp(status->version, synod_version()) != 0)
		report(doctor, FINDING_WARN, "%s runs version %s, this kvctl is %s", name,
		       status->version, synod_version());
	if (status->round_trip_us > ROUND_TRIP_US_MAX)
		report(doctor, FINDING_WARN,
		       "%s took %" PRIu64 " ms to answer: a slow network, or a busy machine", name,
		       status->round_trip_us / 1000);
	if (strcmp(status->state, "recovering") == 0)
		report(doctor, FINDING_WARN, "%s is still recovering", name);
	if (strcmp(status->state, "lost") == 0)
		report(doctor, FINDING_FAIL,
		       "%s does not vote: its directory was lost; its group has one vote less, and "
		       "must not lose another",
		       name);
	if (strcmp(status->state, "entering") == 0)
		report(doctor, FINDING_FAIL,
		       "%s does not take part in agreements yet: its directory was lost, and too "
		       "few of the other paxosds have told it what "
		       "they know; no other must lose its directory before that",
		       name);
	if (strcmp(status->state, "joining") == 0)
		report(doctor, FINDING_WARN,
		       "%s is no member of its group: add it (kvctl member add), or take it out of "
		       "the configuration",
		       name);
	if (strcmp(status->state, "waiting") == 0)
		report(doctor, FINDING_WARN,
		       "%s waits for the others of its group: see event=birth_waits in its log",
		       name);
	if (strcmp(status->state, "unnamed") == 0)
		report(doctor, FINDING_FAIL,
		       "%s was started, and takes part when the shard masters have told it that "
		       "its group did not go on without it meanwhile: "
		       "start them (event=generation_waits)",
		       name);
	if (status->state_undecided > 0)
		report(doctor, FINDING_FAIL,
		       "%s: its group's replicas have different states, and no majority says which "
		       "is right: see "
		       "event=state_undecided in its log",
		       name);
	if (status->state_diverged > 0)
		report(doctor, FINDING_WARN,
		       "%s has had another state than its group since it started, %" PRIu64
		       " times, and has fetched a right one: test "
		       "its memory; see event=state_diverged in its log",
		       name, status->state_diverged);
	if (strcmp(status->state, "cut off") == 0)
		report(doctor, FINDING_FAIL,
		       "%s gets no answer from the viewservers: can it reach them?", name);
	if (strcmp(status->state, "without state") == 0)
		report(doctor, FINDING_FAIL,
		       "%s is named primary and has not got the state: kvctl view reset begins "
		       "anew",
		       name);
}

static bool is_role(const struct kvctl_node *node, enum node_role role)
{
	return strcmp(node->role, node_role_text(role)) == 0;
}

static bool replicated(const struct kvctl_node *node)
{
	return is_role(node, ROLE_SHARDMASTER) || is_role(node, ROLE_SHARDKV) ||
	       is_role(node, ROLE_VIEWSERVER) || is_role(node, ROLE_PAXOS);
}

static void check_lag(struct doctor *doctor, size_t first, uint64_t chosen)
{
	for (size_t i = first; i < doctor->nodes.count; i++) {
		const struct kvctl_node *node = &doctor->nodes.nodes[i];
		if (kvctl_same_group(node, &doctor->nodes.nodes[first]) && kvctl_node_up(node) &&
		    !kvctl_node_waits(node) && node->status->applied + LAG_MAX < chosen)
			report(doctor, FINDING_WARN,
			       "%s is %" PRIu64
			       " slots behind: it catches up, or its disk is too slow",
			       node->name, chosen - node->status->applied);
	}
}

/* The group of the node `first`, which is its first one in the list. */
static void check_group(struct doctor *doctor, size_t first)
{
	const struct kvctl_node *node = &doctor->nodes.nodes[first];
	size_t leader, members = 0, up = 0, lost = 0;
	uint64_t chosen;
	char *group = kvctl_group_name(node);
	for (size_t i = 0; i < doctor->nodes.count; i++) {
		bool same = kvctl_same_group(&doctor->nodes.nodes[i], node);
		members += same;
		up += same && kvctl_node_up(&doctor->nodes.nodes[i]);
		lost += same && kvctl_node_up(&doctor->nodes.nodes[i]) &&
			strcmp(doctor->nodes.nodes[i].status->state, "lost") == 0;
	}
	kvctl_nodes_group(&doctor->nodes, first, &leader, &chosen);
	if (up <= members / 2)
		report(doctor, FINDING_FAIL,
		       "%s: %zu of %zu members answer, which is no majority: start the others",
		       group, up, members);
	else if (leader == SIZE_MAX && up - lost <= members / 2)
		report(doctor, FINDING_FAIL,
		       "%s: no leader: %zu of %zu members answer, and %zu of these %s lost %s and "
		       "cannot tell what %s promised: "
		       "start the others, or bring a lost directory back (is a disk not mounted?)",
		       group, up, members, lost, lost == 1 ? "has" : "have",
		       lost == 1 ? "its directory" : "their directories",
		       lost == 1 ? "it has" : "they have");
	else if (leader == SIZE_MAX)
		report(doctor, FINDING_FAIL,
		       "%s: no leader, although %zu of %zu members answer: an election may be "
		       "under way, they cannot reach each "
		       "other, or the logs of too many were damaged in one place "
		       "(event=slot_undecided in their logs)",
		       group, up, members);
	else if (up < members)
		report(doctor, FINDING_WARN, "%s: led by %s, %zu of %zu members answer", group,
		       doctor->nodes.nodes[leader].name, up, members);
	else
		report(doctor, FINDING_OK, "%s: led by %s, all %zu members answer", group,
		       doctor->nodes.nodes[leader].name, members);
	if (members == 1 || members % 2 == 0)
		report(doctor, FINDING_WARN,
		       "%s: %zu member%s: an odd number from 3 survives failures at the least cost",
		       group, members, members == 1 ? "" : "s");
	check_lag(doctor, first, chosen);
	free(group);
}

static void check_groups(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->nodes.count; i++) {
		bool seen = !replicated(&doctor->nodes.nodes[i]);
		for (size_t j = 0; j < i && !seen; j++)
			seen = kvctl_same_group(&doctor->nodes.nodes[i], &doctor->nodes.nodes[j]);
		if (!seen)
			check_group(doctor, i);
	}
}

/* Primary and backup, if there are servers for that. */
static void check_pair(struct doctor *doctor)
{
	bool any = false;
	for (size_t i = 0; i < doctor->nodes.count; i++)
		any |= is_role(&doctor->nodes.nodes[i], ROLE_PBSERVER);
	if (!any)
		return;
	struct synod_view *view = synod_view(kvctl_synod(doctor->kvctl), 0);
	if (view->status != SYNOD_OK)
		report(doctor, FINDING_FAIL, "the view service does not answer: %s", view->message);
	else if (view->primary.name[0] == '\0')
		report(doctor, FINDING_FAIL,
		       "view %" PRIu64 " has no primary: no pbserver has pinged", view->number);
	else if (!kvctl_view_primary_lives(view))
		report(doctor, FINDING_FAIL,
		       "the primary %s of view %" PRIu64
		       " is dead: the backup takes over, or, if it is gone too, the state "
		       "is lost: kvctl view reset begins anew",
		       view->primary.name, view->number);
	else if (view->backup.name[0] == '\0')
		report(doctor, FINDING_WARN,
		       "the primary %s has no backup: the next failure loses the state",
		       view->primary.name);
	else if (!view->synced)
		report(doctor, FINDING_WARN, "the backup %s is being filled by the primary %s",
		       view->backup.name, view->primary.name);
	else
		report(doctor, FINDING_OK, "view %" PRIu64 ": primary %s, backup %s", view->number,
		       view->primary.name, view->backup.name);
	synod_view_free(view);
}

static bool in_group(const struct kvctl_node *node, uint64_t gid, const char *address)
{
	return node->group == gid && strcmp(node->address, address) == 0;
}

/* cluster.conf against the configuration of the shard masters. */
static void check_members(struct doctor *doctor, const struct synod_config *config)
{
	for (size_t i = 0; i < config->ngroups; i++) {
		for (size_t j = 0; j < config->groups[i].nmembers; j++) {
			bool found = false;
			for (size_t k = 0; k < doctor->nodes.count; k++)
				found |= in_group(&doctor->nodes.nodes[k], config->groups[i].gid,
						  config->groups[i].members[j]);
			if (!found)
				report(doctor, FINDING_WARN,
				       "group %" PRIu64
				       " has the member %s, which cluster.conf does not list",
				       config->groups[i].gid, config->groups[i].members[j]);
		}
	}
}

static void check_config(struct doctor *doctor)
{
	struct synod_config *config = synod_config(kvctl_synod(doctor->kvctl), UINT64_MAX);
	size_t unassigned = 0;
	if (config->status != SYNOD_OK) {
		report(doctor, FINDING_FAIL, "the shard masters do not answer: %s",
		       config->message);
		synod_config_free(config);
		return;
	}
	for (size_t i = 0; i < config->nshards; i++)
		unassigned += config->shards[i] == 0;
	if (config->ngroups == 0)
		report(doctor, FINDING_FAIL, "no group has joined: kvctl join GID HOST:PORT,…");
	else if (unassigned > 0)
		report(doctor, FINDING_FAIL, "%zu of %zu shards are served by no group", unassigned,
		       config->nshards);
	else
		report(doctor, FINDING_OK, "configuration %" PRIu64 ": %zu shards on %zu groups",
		       config->number, config->nshards, config->ngroups);
	check_members(doctor, config);
	synod_config_free(config);
}

/*
 * Every answer carries its sender's hybrid clock, which is never behind the clock of any machine it
 * has heard of. So a cluster that is ahead of us shows a skew somewhere; who is wrong, it cannot
 * tell.
 */
static void check_clocks(struct doctor *doctor)
{
	int64_t most_ms = 0;
	bool any = false;
	for (size_t i = 0; i < doctor->nodes.count; i++) {
		const struct synod_node_status *status = doctor->nodes.nodes[i].status;
		any |= status->status == SYNOD_OK;
		if (status->status == SYNOD_OK && status->clock_ahead_ms > most_ms)
			most_ms = status->clock_ahead_ms;
	}
	if (most_ms > CLOCK_AHEAD_MS_MAX)
		report(doctor, FINDING_WARN,
		       "a clock in the cluster is %" PRIi64
		       " ms ahead of this machine's: set the clocks with NTP",
		       most_ms);
	else if (any)
		report(doctor, FINDING_OK,
		       "no clock in the cluster is ahead of this machine's by more than %d ms",
		       CLOCK_AHEAD_MS_MAX);
}

static int conclude(struct doctor *doctor)
{
	if (doctor->kvctl->json)
		kvctl_print_json(json_pack("{s:O,s:i,s:i}", "findings", doctor->findings,
					   "warnings", (int)doctor->warnings, "failures",
					   (int)doctor->failures));
	else
		printf("%u failure%s, %u warning%s\n", doctor->failures,
		       doctor->failures == 1 ? "" : "s", doctor->warnings,
		       doctor->warnings == 1 ? "" : "s");
	json_decref(doctor->findings);
	return doctor->failures > 0 ? EXIT_UNAVAILABLE : EXIT_OK;
}

int kvctl_doctor(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	struct doctor doctor = {.kvctl = kvctl};
	int exit_code = kvctl_operands(kvctl, argc, argv, 0, 0, &first);
	if (exit_code == EXIT_OK)
		exit_code = kvctl_nodes_ask(kvctl, &doctor.nodes);
	if (exit_code != EXIT_OK)
		return exit_code;
	doctor.findings = json_array();
	if (kvctl->config_file != NULL)
		report(&doctor, FINDING_OK, "%s is valid and lists %zu nodes", kvctl->config_file,
		       doctor.nodes.count);
	for (size_t i = 0; i < doctor.nodes.count; i++)
		check_node(&doctor, &doctor.nodes.nodes[i]);
	check_groups(&doctor);
	check_pair(&doctor);
	check_config(&doctor);
	check_clocks(&doctor);
	exit_code = conclude(&doctor);
	kvctl_nodes_free(&doctor.nodes);
	return exit_code;
}
