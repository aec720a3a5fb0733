/*
 * member add, remove, replace, promote: ask the group's leader for the change, and wait until it
 * has had its effect. What is asked for is done by the group itself from then on: who is
 * interrupted while he waits has lost nothing, and may ask again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kvctl.h"

#define POLL_PAUSE_US 100000u
#define ASK_TIMEOUT_MS 1500u
/* How it goes on is said this often. */
#define PROGRESS_MS 2000u
/* A process that has been removed ends by itself; one that has not after this is told of. */
#define END_PATIENCE_MS 10000u
/* Who is at the address of a new member must answer so soon, or nobody is there yet. */
#define LOOK_TIMEOUT_MS 500u

struct change {
	struct kvctl *kvctl;
	struct kvctl_group group;
	enum synod_member_op op;
	const char *name, *address;   /* ADD, REPLACE: the new one */
	char *old_name, *old_address; /* REMOVE, REPLACE, PROMOTE: whom it is about */
	uint32_t old;
	uint32_t number;   /* ADD, REPLACE: which it has got */
	uint64_t slot;     /* of the list that says so */
	uint64_t until_ms; /* 0: there is no end to the patience */
	const char *text;  /* what the group is called */
	char text_buffer[32];
	char told[320]; /* of the progress */
	uint64_t told_ms;
};

static const struct {
	const char *action;
	enum synod_member_op op;
	int min, max; /* operands */
	const char *usage;
} actions[] = {
	{"add", SYNOD_MEMBER_ADD, 2, 3, "member add GID NODE [HOST:PORT]"},
	{"remove", SYNOD_MEMBER_REMOVE, 2, 2, "member remove GID NODE"},
	{"replace", SYNOD_MEMBER_REPLACE, 3, 4, "member replace GID OLD NEW [HOST:PORT]"},
	{"promote", SYNOD_MEMBER_PROMOTE, 2, 2, "member promote GID NODE"},
};
#define ACTIONS (sizeof actions / sizeof actions[0])

static size_t find_action(const char *action)
{
	size_t i = 0;
	while (i < ACTIONS && strcmp(actions[i].action, action) != 0)
		i++;
	return i;
}

bool kvctl_member_changes(const char *action)
{
	return find_action(action) < ACTIONS;
}

static bool is_adding(const struct change *c)
{
	return c->op == SYNOD_MEMBER_ADD || c->op == SYNOD_MEMBER_REPLACE;
}

/* ---- what is asked ---- */

/* The new member, by the command line and cluster.conf. */
static int name_new(struct change *c, const char *name, const char *address)
{
	int exit_code;
	const struct clusterconf *conf = kvctl_conf(c->kvctl, &exit_code);
	const struct clusterconf_node *node = conf == NULL ? NULL : clusterconf_find(conf, name);
	c->name = name;
	c->address = address;
	if (exit_code != EXIT_OK)
		return exit_code;
	if (!name_valid(name))
		return kvctl_usage(c->kvctl,
				   "\"%s\" is no name of a node: 1 to %u letters, digits and . _ "
				   "-, beginning with a letter or a digit",
				   name, NAME_BYTES_MAX);
	if (node != NULL && (node->role != c->group.kind || node->group != c->group.group))
		return kvctl_usage(c->kvctl, "cluster.conf says that %s is a %s of group %" PRIu64,
				   name, node_role_text(node->role), node->group);
	if (address == NULL && node == NULL)
		return kvctl_usage(
			c->kvctl,
			"where is %s? Give its HOST:PORT, or add its section to cluster.conf",
			name);
	if (address == NULL)
		c->address = node->listen;
	if (!address_valid(c->address))
		return kvctl_usage(c->kvctl, "\"%s\" is no HOST:PORT", c->address);
	if (address_is_any(c->address))
		return kvctl_usage(c->kvctl,
				   "%s stands for all addresses of a machine: give the one at "
				   "which others reach %s",
				   c->address, name);
	if (node != NULL && strcmp(node->listen, c->address) != 0)
		return kvctl_usage(c->kvctl, "cluster.conf says that %s listens at %s", name,
				   node->listen);
	return EXIT_OK;
}

/* Whom it is about, as the group knows it. */
static int name_old(struct change *c, const char *word)
{
	const struct synod_member *member = kvctl_group_member(&c->group, word);
	struct buffer names = {0};
	if (member != NULL) {
		c->old = member->number;
		c->old_name = alloc_string(member->name);
		c->old_address = alloc_string(member->address);
		return EXIT_OK;
	}
	for (size_t i = 0; i < c->group.members->nmembers; i++)
		buffer_format(&names, "%s%s", i == 0 ? "" : ", ",
			      c->group.members->members[i].name);
	kvctl_error(c->kvctl, "%s has no member \"%s\": its members are %.*s", c->text, word,
		    (int)names.len, (const char *)names.data);
	buffer_free(&names);
	return EXIT_REFUSED;
}

static uint32_t left_ms(const struct change *c, uint32_t most_ms)
{
	uint64_t now_ms = kvctl_now_ms();
	if (c->until_ms == 0 || c->until_ms > now_ms + most_ms)
		return most_ms;
	return c->until_ms > now_ms ? (uint32_t)(c->until_ms - now_ms) : 1;
}

static int ask(struct change *c)
{
	const char *addresses[MEMBERS_MAX];
	size_t count = 0;
	struct synod_member_change change = {
		.op = c->op, .name = c->name, .address = c->address, .number = c->old};
	for (size_t i = 0; i < c->group.members->nmembers && count < MEMBERS_MAX; i++)
		addresses[count++] = c->group.members->members[i].address;
	/* A refusal comes at once; what takes longer is that nobody leads. */
	struct synod_reply *reply = synod_change_members(kvctl_synod(c->kvctl), addresses, count,
							 &change, left_ms(c, c->kvctl->timeout_ms));
	int exit_code = kvctl_failed(c->kvctl, reply->status, reply->message);
	c->slot = reply->version;
	c->number = (uint32_t)reply->modification;
	synod_reply_free(reply);
	c->kvctl->applied |= exit_code == EXIT_OK;
	return exit_code;
}

/* ---- the wait ---- */

/* They differ in numbers alone. */
static bool is_same(const char *a, const char *b)
{
	static const char digits[] = "0123456789";
	for (;; a++, b++) {
		a += strspn(a, digits);
		b += strspn(b, digits);
		if (*a != *b || *a == '\0')
			return *a == *b;
	}
}

static void tell(struct change *c, const char *what)
{
	uint64_t now_ms = kvctl_now_ms();
	/* At once what is new, and now and then how it goes on. */
	if (strcmp(c->told, what) == 0 ||
	    (is_same(c->told, what) && now_ms < c->told_ms + PROGRESS_MS))
		return;
	snprintf(c->told, sizeof c->told, "%s", what);
	c->told_ms = now_ms;
	kvctl_note("%s", what);
}

/* Of a learner. */
static void tell_learner(struct change *c, const struct synod_member *member)
{
	char what[320];
	if (!c->group.members->leads)
		snprintf(what, sizeof what, "waiting for a leader of %s", c->text);
	else if (member->waits_for[0] != '\0')
		snprintf(what, sizeof what, "%s has no vote yet: %s", member->name,
			 member->waits_for);
	else
		snprintf(what, sizeof what, "%s has no vote yet, and has caught up", member->name);
	tell(c, what);
}

/* The list says that it has had its effect. *exit_code: why it never will. */
static bool is_done(struct change *c, int *exit_code)
{
	const struct synod_members *list = c->group.members;
	if (list->slot < c->slot) {
		tell(c, "waiting for the group to say so");
		return false;
	}
	if (c->op == SYNOD_MEMBER_REMOVE) {
		if (!list->leads)
			tell(c, "waiting for a leader of those who stay");
		return kvctl_group_number(&c->group, c->old) == NULL && list->leads;
	}
	const struct synod_member *member = kvctl_group_number(&c->group, c->number);
	if (member == NULL) {
		kvctl_error(c->kvctl, "%s has been removed again meanwhile",
			    is_adding(c) ? c->name : c->old_name);
		*exit_code = EXIT_REFUSED;
		return true;
	}
	if (member->role == SYNOD_VOTER)
		return c->op != SYNOD_MEMBER_REPLACE ||
		       kvctl_group_number(&c->group, c->old) == NULL;
	tell_learner(c, member);
	return false;
}

static int too_late(const struct change *c)
{
	char how[64];
	snprintf(how, sizeof how, "kvctl member list %s",
		 c->group.kind == ROLE_SHARDMASTER  ? "masters"
		 : c->group.kind == ROLE_VIEWSERVER ? "views"
						    : "paxos");
	if (c->group.kind == ROLE_SHARDKV)
		snprintf(how, sizeof how, "kvctl member list %" PRIu64, c->group.group);
	kvctl_error(c->kvctl,
		    "the change is chosen and goes on by itself, and was not done when the time "
		    "was over%s%s; %s shows how far it is",
		    c->told[0] != '\0' ? ": " : "", c->told, how);
	return EXIT_UNKNOWN;
}

static bool is_late(const struct change *c)
{
	return c->until_ms != 0 && kvctl_now_ms() >= c->until_ms;
}

static int wait_until_done(struct change *c)
{
	int exit_code = EXIT_OK;
	for (;;) {
		if (!kvctl_group_ask(c->kvctl, &c->group, left_ms(c, ASK_TIMEOUT_MS)))
			tell(c, "no member answers");
		else if (is_done(c, &exit_code))
			return exit_code;
		if (is_late(c))
			return too_late(c);
		usleep(POLL_PAUSE_US);
	}
}

/*
 * Who has been removed, or replaced, ends by itself when it hears of it; one that had only waited
 * to be added waits on.
 */
static int wait_until_gone(struct change *c)
{
	struct synod *s = kvctl_synod(c->kvctl);
	uint64_t patience_ms = kvctl_now_ms() + END_PATIENCE_MS;
	char what[320];
	for (;;) {
		struct synod_node_status *status = synod_node_status(s, c->old_address,
								     left_ms(c, ASK_TIMEOUT_MS));
		bool runs = status->status == SYNOD_OK && strcmp(status->name, c->old_name) == 0 &&
			    strcmp(status->state, "joining") != 0;
		synod_node_status_free(status);
		if (!runs)
			return EXIT_OK;
		snprintf(what, sizeof what, "%s is no member any more; its process still runs",
			 c->old_name);
		tell(c, what);
		if (is_late(c))
			return too_late(c);
		if (kvctl_now_ms() >= patience_ms) {
			kvctl_note("%s still runs: stop it", c->old_name);
			return EXIT_OK;
		}
		usleep(POLL_PAUSE_US);
	}
}

static int await_effect(struct change *c)
{
	int exit_code = wait_until_done(c);
	if (exit_code == EXIT_OK && (c->op == SYNOD_MEMBER_REMOVE || c->op == SYNOD_MEMBER_REPLACE))
		exit_code = wait_until_gone(c);
	return exit_code;
}

static void print(const struct change *c)
{
	uint32_t number = c->op == SYNOD_MEMBER_REMOVE ? c->old : c->number;
	const struct synod_member *member = kvctl_group_number(&c->group, number);
	if (!c->kvctl->json) {
		puts("OK");
		return;
	}
	json_t *object = json_pack("{s:b,s:I,s:o}", "ok", 1, "number", (json_int_t)number, "slot",
				   kvctl_json_u64(c->slot));
	if (member != NULL)
		json_object_set_new(
			object, "role",
			json_string(member->role == SYNOD_LEARNER ? "learner" : "voter"));
	kvctl_print_json(object);
}

/* ---- all together ---- */

static int prepare(struct change *c, int count, char **operands)
{
	bool adds = c->op == SYNOD_MEMBER_ADD;
	int exit_code = kvctl_group_parse(c->kvctl, operands[0], &c->group);
	if (exit_code == EXIT_OK && c->group.kind == ROLE_PAXOS)
		return kvctl_usage(c->kvctl, "the members of the paxosds are those of "
					     "cluster.conf: they cannot be changed");
	if (exit_code == EXIT_OK && adds)
		exit_code = name_new(c, operands[1], count > 2 ? operands[2] : NULL);
	if (exit_code == EXIT_OK && c->op == SYNOD_MEMBER_REPLACE)
		exit_code = name_new(c, operands[2], count > 3 ? operands[3] : NULL);
	if (exit_code == EXIT_OK)
		exit_code = kvctl_group_find(c->kvctl, &c->group);
	if (exit_code != EXIT_OK)
		return exit_code;
	c->text = kvctl_group_text(&c->group, c->text_buffer, sizeof c->text_buffer);
	if (!kvctl_group_ask(c->kvctl, &c->group, left_ms(c, ASK_TIMEOUT_MS)))
		return c->group.members == NULL
			       ? kvctl_failed(c->kvctl, SYNOD_UNAVAILABLE, "no member answers")
			       : kvctl_failed(c->kvctl, c->group.members->status,
					      c->group.members->message);
	/* Asked again after it was done: the new one has taken the place of who is gone. */
	const struct synod_member *there = c->op == SYNOD_MEMBER_REPLACE
						   ? kvctl_group_member(&c->group, operands[2])
						   : NULL;
	if (there != NULL && strcmp(there->address, c->address) == 0 &&
	    kvctl_group_member(&c->group, operands[1]) == NULL) {
		c->op = SYNOD_MEMBER_ADD;
		return EXIT_OK;
	}
	return adds ? EXIT_OK : name_old(c, operands[1]);
}

/* Somebody of that name, or at that address, is a member: the group judges that. */
static bool is_listed(const struct change *c)
{
	for (size_t i = 0; i < c->group.members->nmembers; i++) {
		const struct synod_member *m = &c->group.members->members[i];
		if (strcmp(m->name, c->name) == 0 || strcmp(m->address, c->address) == 0)
			return true;
	}
	return false;
}

/*
 * Whoever is at the address of the new one must be the new one. That nobody is there yet is fine,
 * and told.
 */
static int look_there(const struct change *c)
{
	struct synod_node_status *there = synod_node_status(kvctl_synod(c->kvctl), c->address,
							    left_ms(c, LOOK_TIMEOUT_MS));
	int exit_code = EXIT_OK;
	if (there->status != SYNOD_OK) {
		kvctl_note("%s does not answer at %s yet (%s)", c->name, c->address,
			   there->message);
	} else if (strcmp(there->name, c->name) != 0) {
		kvctl_error(
			c->kvctl,
			"at %s is %s, not %s: compare the address, and 'listen' in cluster.conf",
			c->address, there->name, c->name);
		exit_code = EXIT_REFUSED;
	}
	synod_node_status_free(there);
	return exit_code;
}

static void note_begin(const struct change *c)
{
	const struct synod_member *member = kvctl_group_number(&c->group, c->number);
	if (c->op == SYNOD_MEMBER_ADD && member != NULL)
		kvctl_note("%s is member %u of %s already", c->name, c->number, c->text);
	else if (c->op == SYNOD_MEMBER_ADD)
		kvctl_note("%s is member %u of %s, as a learner: it becomes a voter when it has "
			   "caught up",
			   c->name, c->number, c->text);
	else if (c->op == SYNOD_MEMBER_REPLACE)
		kvctl_note("%s is member %u of %s, as a learner: it takes the place of %s when it "
			   "has caught up",
			   c->name, c->number, c->text, c->old_name);
	else if (c->op == SYNOD_MEMBER_REMOVE)
		kvctl_note("%s is removed from %s", c->old_name, c->text);
}

int kvctl_member_change(struct kvctl *kvctl, const char *action, int count, char **operands,
			bool wait)
{
	size_t i = find_action(action);
	struct change c = {.kvctl = kvctl, .op = actions[i].op};
	if (count < actions[i].min || count > actions[i].max)
		return kvctl_usage(kvctl, "%s", actions[i].usage);
	if (kvctl->timeout_given)
		c.until_ms = kvctl_now_ms() + kvctl->timeout_ms;
	int exit_code = prepare(&c, count, operands);
	if (exit_code == EXIT_OK)
		exit_code = is_adding(&c) && !is_listed(&c) ? look_there(&c) : EXIT_OK;
	if (exit_code == EXIT_OK)
		exit_code = ask(&c);
	if (exit_code == EXIT_OK) {
		note_begin(&c);
		if (wait && c.op != SYNOD_MEMBER_PROMOTE)
			exit_code = await_effect(&c);
		if (exit_code == EXIT_OK)
			print(&c);
	}
	free(c.old_name);
	free(c.old_address);
	kvctl_group_free(&c.group);
	return exit_code;
}
