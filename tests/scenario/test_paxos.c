/*
 * Scenario transcripts for the consensus core: an executable specification. Each file of
 * tests/scenario/paxos/ is a list of commands, each followed by what it must print:
 *
 *   # why this scenario exists
 *   > group 3
 *   > elect 1
 *   1->2 pre_vote ballot=1.1 …
 *
 * Everything runs under virtual time with fixed delays, so the output is exact. REWRITE=1 writes
 * the files anew with what was printed: read the difference before you commit it.
 *
 * Commands
 *   group N [SEED]       N replicas, fresh; delays are fixed: messages 1 ms, syncs 1 ms
 *   quiet COMMAND …      run it without printing its events
 *   run MS               let time pass
 *   elect R              replica R's election timer runs out; runs until it leads
 *   propose R VALUE      · read R ID · transfer R TO · crash R · start R
 *   cut A B              messages from A to B are lost · join A B · isolate R · heal
 *   lost A B             A hears that its connection to B has ended
 *   hold R               R's disk does not finish syncs · release R
 *   status               one line a replica
 *   log R                what R has applied
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../unit/support/check_main.h"
#include "../unit/support/paxos_group.h"
#include "base/alloc.h"

struct script {
	struct group g;
	bool open;
	bool quiet;
	struct buffer out; /* the whole file as it should be */
};

static void on_trace(void *context, const char *line)
{
	struct script *s = context;
	if (!s->quiet)
		buffer_format(&s->out, "%s\n", line);
}

static void fixed_delays(struct group *g)
{
	g->delay_min_us = g->delay_max_us = 1000;
	g->sync_min_us = g->sync_max_us = 1000;
}

static void cmd_group(struct script *s, const char *args)
{
	unsigned count = 3, seed = 1;
	sscanf(args, "%u %u", &count, &seed);
	if (s->open)
		group_free(&s->g);
	group_init(&s->g, count, seed);
	fixed_delays(&s->g);
	s->g.trace = on_trace;
	s->g.trace_context = s;
	s->open = true;
}

static void cmd_status(struct script *s)
{
	for (uint32_t i = 0; i < s->g.count; i++) {
		const struct paxos *core = s->g.replicas[i].core;
		char ballot[BALLOT_TEXT_BYTES];
		if (core == NULL)
			buffer_format(&s->out, "%u down\n", i + 1);
		else
			buffer_format(&s->out,
				      "%u %s ballot=%s leader=%u chosen=%" PRIu64 " last=%" PRIu64
				      " reads=%" PRIu64 "\n",
				      i + 1, consensus_role_text(paxos_role(core)),
				      ballot_text(paxos_epoch(core), ballot), paxos_leader(core),
				      paxos_chosen_slot(core), paxos_last_slot(core),
				      s->g.replicas[i].reads_confirmed);
	}
}

static void cmd_log(struct script *s, uint32_t i)
{
	buffer_format(&s->out, "%u:", i + 1);
	for (uint64_t k = 0; k < s->g.replicas[i].applied_count; k++) {
		const struct bytes *v = s->g.replicas[i].applied[k];
		buffer_format(&s->out, " %.*s", v == NULL ? 5 : (int)v->len,
			      v == NULL ? "no-op" : (const char *)v->data);
	}
	buffer_format(&s->out, "\n");
}

/* Nobody else stands until replica i leads; at most ten election timeouts. */
static void cmd_elect(struct script *s, uint32_t i)
{
	struct group *g = &s->g;
	uint64_t until = g->now_us + 3000000;
	for (uint32_t j = 0; j < g->count; j++)
		if (j != i && g->replicas[j].core != NULL)
			paxos_set_electable(g->replicas[j].core, false);
	while (paxos_role(g->replicas[i].core) != CONSENSUS_LEADER && group_step(g, until))
		continue;
	for (uint32_t j = 0; j < g->count; j++)
		if (g->replicas[j].core != NULL)
			paxos_set_electable(g->replicas[j].core, true);
	group_run(g, 10000);
}

static void cut(struct script *s, uint32_t a, uint32_t b, bool value)
{
	s->g.cut[a][b] = value;
}

static void run_command(struct script *s, const char *line)
{
	char name[32] = "", rest[256] = "";
	unsigned a = 0, b = 0;
	char word[200] = "";
	sscanf(line, "%31s %255[^\n]", name, rest);
	sscanf(rest, "%u %199s", &a, word);
	sscanf(word, "%u", &b);
	if (strcmp(name, "quiet") == 0) {
		s->quiet = true;
		run_command(s, rest);
		s->quiet = false;
		return;
	}
	if (strcmp(name, "group") == 0) {
		cmd_group(s, rest);
		return;
	}
	ck_assert_msg(s->open, "'%s' before 'group'", line);
	struct group *g = &s->g;
	bool one = a >= 1 && a <= g->count;
	bool two = one && b >= 1 && b <= g->count;
	if (strcmp(name, "run") == 0)
		group_run(g, a * 1000ull);
	else if (strcmp(name, "status") == 0)
		cmd_status(s);
	else if (strcmp(name, "heal") == 0)
		memset(g->cut, 0, sizeof g->cut);
	else if (strcmp(name, "elect") == 0 && one)
		cmd_elect(s, a - 1);
	else if (strcmp(name, "propose") == 0 && one)
		ck_assert_msg(group_propose(g, a - 1, word) != 0, "'%s': it cannot propose", line);
	else if (strcmp(name, "crash") == 0 && one)
		group_crash(g, a - 1);
	else if (strcmp(name, "start") == 0 && one)
		group_start(g, a - 1);
	else if (strcmp(name, "log") == 0 && one)
		cmd_log(s, a - 1);
	else if (strcmp(name, "cut") == 0 && two)
		cut(s, a - 1, b - 1, true);
	else if (strcmp(name, "join") == 0 && two)
		cut(s, a - 1, b - 1, false);
	else if (strcmp(name, "lost") == 0 && two)
		paxos_peer_lost(g->replicas[a - 1].core, g->now_us, b);
	else if (strcmp(name, "isolate") == 0 && one)
		for (uint32_t i = 0; i < g->count; i++)
			g->cut[a - 1][i] = g->cut[i][a - 1] = i != a - 1;
	else if (strcmp(name, "hold") == 0 && one)
		g->replicas[a - 1].hold = true;
	else if (strcmp(name, "release") == 0 && one)
		g->replicas[a - 1].hold = false;
	else if (strcmp(name, "read") == 0 && one) {
		if (!paxos_read(g->replicas[a - 1].core, b))
			buffer_format(&s->out, "%u refuses the read\n", a);
		group_settle(g, a - 1);
	} else if (strcmp(name, "transfer") == 0 && two) {
		if (!paxos_transfer(g->replicas[a - 1].core, g->now_us, b))
			buffer_format(&s->out, "%u refuses to hand over\n", a);
		group_settle(g, a - 1);
	} else
		ck_abort_msg("no such command: '%s'", line);
}

static struct buffer read_file(const char *path)
{
	struct buffer b = {0};
	char chunk[4096];
	FILE *f = fopen(path, "r");
	ck_assert_msg(f != NULL, "cannot read %s", path);
	for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
		buffer_add(&b, chunk, n);
	fclose(f);
	buffer_add_u8(&b, 0);
	return b;
}

/* Runs the commands of a script; what they print replaces what stood under them. */
static struct buffer run_script(const char *text)
{
	struct script s = {0};
	for (const char *line = text; *line != '\0';) {
		const char *end = strchr(line, '\n');
		size_t len = end == NULL ? strlen(line) : (size_t)(end - line);
		char copy[512];
		ck_assert_uint_lt(len, sizeof copy);
		memcpy(copy, line, len);
		copy[len] = '\0';
		if (len == 0 || copy[0] == '#' || copy[0] == '>')
			buffer_format(&s.out, "%s\n", copy);
		if (copy[0] == '>')
			run_command(&s, copy + 2);
		line += len + (end != NULL);
	}
	if (s.open)
		group_free(&s.g);
	buffer_add_u8(&s.out, 0);
	return s.out;
}

static void show_difference(const char *path, const char *want, const char *got)
{
	unsigned line = 1;
	const char *w = want, *g = got;
	while (*w != '\0' && *w == *g) {
		if (*w == '\n')
			line++;
		w++;
		g++;
	}
	while (w > want && w[-1] != '\n') {
		w--;
		g--;
	}
	ck_abort_msg(
		"%s:%u\n  expected: %.*s\n  printed:  %.*s\n(REWRITE=1 writes what is printed now)",
		path, line, (int)strcspn(w, "\n"), w, (int)strcspn(g, "\n"), g);
}

static void check_script(const char *path)
{
	struct buffer want = read_file(path);
	struct buffer got = run_script((const char *)want.data);
	if (getenv("REWRITE") != NULL) {
		FILE *f = fopen(path, "w");
		ck_assert_ptr_nonnull(f);
		fputs((const char *)got.data, f);
		fclose(f);
	} else if (strcmp((const char *)want.data, (const char *)got.data) != 0) {
		show_difference(path, (const char *)want.data, (const char *)got.data);
	}
	buffer_free(&want);
	buffer_free(&got);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every transcript prints exactly what it says. */
START_TEST(every_transcript_prints_what_it_says)
{
	const char *directory = "tests/scenario/paxos";
	char *names[256];
	size_t count = 0;
	DIR *d = opendir(directory);
	ck_assert_msg(d != NULL, "run from the project's root: %s not found", directory);
	for (struct dirent *e; (e = readdir(d)) != NULL && count < 256;)
		if (strstr(e->d_name, ".txt") != NULL)
			names[count++] = alloc_format("%s/%s", directory, e->d_name);
	closedir(d);
	ck_assert_uint_gt(count, 0);
	qsort(names, count, sizeof names[0], by_name);
	for (size_t i = 0; i < count; i++) {
		check_script(names[i]);
		free(names[i]);
	}
}
END_TEST
