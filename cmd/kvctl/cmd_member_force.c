/*
 * member force: a group that has lost its majority goes on from one replica (rsm/force.h). Asked,
 * told what may be lost, confirmed, done, and waited for. The replica itself refuses what would
 * harm; here is looked besides whether a majority answers this machine, though not that replica.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kvctl.h"

#define ASK_TIMEOUT_MS 1500u
/* The replica asks the others, and the shard masters, before it answers. */
#define FORCE_TIMEOUT_MS 15000u
#define POLL_PAUSE_US 100000u
/* How long it may take until the group serves, if nothing is said. */
#define SERVE_PATIENCE_MS 30000u

struct forcing {
	struct kvctl *kvctl;
	struct kvctl_group group;
	const struct synod_member *from; /* in group.members */
	const char *name;                /* of it, by the command line */
	/* what the group is called, by the command line and in messages */
	const char *gid, *text;
	char text_buffer[32];
	uint32_t generation; /* that begins */
	uint64_t slot;
};

/* ---- before it is asked ---- */

static int find(struct forcing *f, const char *group, const char *from)
{
	struct kvctl *kvctl = f->kvctl;
	int exit_code = kvctl_group_parse(kvctl, group, &f->group);
	if (exit_code == EXIT_OK)
		exit_code = kvctl_group_find(kvctl, &f->group);
	if (exit_code != EXIT_OK)
		return exit_code;
	f->text = kvctl_group_text(&f->group, f->text_buffer, sizeof f->text_buffer);
	if (!kvctl_group_ask(kvctl, &f->group, ASK_TIMEOUT_MS))
		return f->group.members == NULL
			       ? kvctl_failed(kvctl, SYNOD_UNAVAILABLE, "no member answers")
			       : kvctl_failed(kvctl, f->group.members->status,
					      f->group.members->message);
	f->from = kvctl_group_member(&f->group, from);
	if (f->from != NULL) {
		f->name = f->from->name;
		return EXIT_OK;
	}
	kvctl_error(kvctl, "%s has no member \"%s\": see kvctl member list", f->text, from);
	return EXIT_REFUSED;
}

/* Repeated after it was done, and nobody was added yet. */
static bool is_done(const struct forcing *f)
{
	const struct synod_members *list = f->group.members;
	return list->generation != 0 && list->nmembers == 1 &&
	       list->members[0].number == f->from->number && list->leads;
}

/* Those who answer this machine as the members that they are. */
static int check_majority(const struct forcing *f)
{
	const struct synod_members *list = f->group.members;
	const char *addresses[MEMBERS_MAX];
	struct synod_members *answers[MEMBERS_MAX];
	uint32_t numbers[MEMBERS_MAX];
	struct buffer names = {0};
	size_t voters = 0, here = 0;
	for (size_t i = 0; i < list->nmembers && voters < MEMBERS_MAX; i++) {
		if (list->members[i].role != SYNOD_VOTER)
			continue;
		numbers[voters] = list->members[i].number;
		addresses[voters++] = list->members[i].address;
	}
	synod_members_all(kvctl_synod(f->kvctl), addresses, voters, ASK_TIMEOUT_MS, answers);
	for (size_t i = 0; i < voters; i++) {
		/* A node that waits to be a replica has no number. */
		bool answers_so = answers[i]->status == SYNOD_OK &&
				  answers[i]->replica == numbers[i] &&
				  answers[i]->group == list->group;
		if (answers_so)
			buffer_format(&names, "%s%s", here++ == 0 ? "" : ", ",
				      kvctl_group_number(&f->group, numbers[i])->name);
		synod_members_free(answers[i]);
	}
	bool refused = 2 * here > voters;
	if (refused)
		kvctl_error(f->kvctl,
			    "refused: %zu of %zu voters of %s answer (%.*s): if they cannot reach "
			    "each other, "
			    "mend the network; nothing is to be "
			    "forced while a majority lives",
			    here, voters, f->text, (int)names.len, (const char *)names.data);
	buffer_free(&names);
	return refused ? EXIT_REFUSED : EXIT_OK;
}

/* ---- asking, and confirming ---- */

static uint32_t timeout_ms(const struct kvctl *kvctl)
{
	return kvctl->timeout_given ? kvctl->timeout_ms : FORCE_TIMEOUT_MS;
}

static int ask(struct forcing *f, struct synod_force **out)
{
	*out = synod_force(kvctl_synod(f->kvctl), f->from->address, 0, timeout_ms(f->kvctl));
	int exit_code = kvctl_failed(f->kvctl, (*out)->status, (*out)->message);
	f->generation = (*out)->next;
	f->slot = (*out)->slot;
	return exit_code;
}

static void tell(const struct forcing *f, const struct synod_force *force)
{
	kvctl_note("%s is to go on from %s alone, as generation %" PRIu32 " of itself:", f->text,
		   f->name, force->next);
	for (const char *line = force->text; *line != '\0';) {
		size_t len = strcspn(line, "\n");
		kvctl_note("  %.*s", (int)len, line);
		line += len + (line[len] != '\0');
	}
	kvctl_note("This cannot be undone. Those who are turned away never serve again, whatever "
		   "their disks hold.");
}

static int confirm(const struct forcing *f, bool yes)
{
	char line[NAME_BYTES_MAX + 2];
	if (yes)
		return EXIT_OK;
	if (isatty(STDIN_FILENO) != 1)
		return kvctl_usage(f->kvctl, "nothing was done: there is no terminal to confirm it "
					     "at; --yes confirms it");
	fprintf(stderr, "Type the node's name, %s, to go on: ", f->name);
	if (fgets(line, sizeof line, stdin) == NULL)
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, f->name) == 0)
		return EXIT_OK;
	kvctl_error(f->kvctl, "not confirmed: nothing was done");
	return EXIT_REFUSED;
}

/* ---- doing it ---- */

static int await(struct forcing *f)
{
	const char *address = f->from->address;
	uint64_t until_ms = kvctl_now_ms() +
			    (f->kvctl->timeout_given ? f->kvctl->timeout_ms : SERVE_PATIENCE_MS);
	for (;;) {
		struct synod_members *list;
		synod_members_all(kvctl_synod(f->kvctl), &address, 1, ASK_TIMEOUT_MS, &list);
		bool serves = list->status == SYNOD_OK && list->generation >= f->generation &&
			      list->leads;
		synod_members_free(list);
		if (serves)
			return EXIT_OK;
		if (kvctl_now_ms() >= until_ms) {
			kvctl_error(f->kvctl,
				    "it is decided, and %s does not serve yet: see kvctl status, "
				    "and what %s has "
				    "logged; ask again",
				    f->text, f->name);
			return EXIT_UNKNOWN;
		}
		usleep(POLL_PAUSE_US);
	}
}

static int force(struct forcing *f)
{
	struct synod_force *force = synod_force(kvctl_synod(f->kvctl), f->from->address,
						f->generation, timeout_ms(f->kvctl));
	int exit_code = kvctl_failed(f->kvctl, force->status, force->message);
	f->kvctl->applied |= exit_code == EXIT_OK;
	synod_force_free(force);
	return exit_code == EXIT_OK ? await(f) : exit_code;
}

static void print(const struct forcing *f)
{
	if (f->kvctl->json) {
		kvctl_print_json(json_pack("{s:b,s:I,s:o}", "ok", 1, "generation",
					   (json_int_t)f->generation, "slot",
					   kvctl_json_u64(f->slot)));
		return;
	}
	puts("OK");
	kvctl_note("%s has one member. Add others, each with an empty directory: kvctl member add "
		   "%s NODE [HOST:PORT]",
		   f->text, f->gid);
}

static int run(struct forcing *f, bool yes)
{
	struct synod_force *told = NULL;
	if (is_done(f)) {
		kvctl_note("%s goes on from %s alone already", f->text, f->name);
		f->generation = f->group.members->generation;
		f->slot = f->group.members->chosen;
		print(f);
		return EXIT_OK;
	}
	int exit_code = check_majority(f);
	if (exit_code == EXIT_OK)
		exit_code = ask(f, &told);
	if (exit_code == EXIT_OK) {
		tell(f, told);
		exit_code = confirm(f, yes);
	}
	synod_force_free(told);
	if (exit_code == EXIT_OK)
		exit_code = force(f);
	if (exit_code == EXIT_OK)
		print(f);
	return exit_code;
}

int kvctl_member_force(struct kvctl *kvctl, int count, char **operands, const char *from, bool yes)
{
	struct forcing f = {.kvctl = kvctl, .gid = count > 0 ? operands[0] : ""};
	if (count != 1 || from == NULL)
		return kvctl_usage(kvctl, "member force GID --from NODE [--yes]");
	int exit_code = find(&f, operands[0], from);
	if (exit_code == EXIT_OK)
		exit_code = run(&f, yes);
	kvctl_group_free(&f.group);
	return exit_code;
}
