/*
 * The command table with all help texts; help, version, and commands that this version does not
 * serve.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "kvctl.h"

#define NOT_SERVED(name) \
	{ \
		name, "…", "not served by this version", \
			"The servers of this version do not offer this.\n", "", kvctl_not_served \
	}

const struct kvctl_command kvctl_commands[] = {
	{"put", "KEY [VALUE]", "store a value; from stdin when it is not given",
	 "Prints OK. Without VALUE everything on stdin is the value, to the last byte.\n"
	 "\n"
	 "  kvctl put city Berlin\n"
	 "  kvctl put photo <photo.jpg\n"
	 "  kvctl put -- -key -value         words that begin with a dash\n",
	 "", kvctl_put},
	{"get", "KEY… | --prefix P | --range A [B]", "print values, or all keys of a range",
	 "A single value is printed with a newline (--raw: without). Several keys and\n"
	 "ranges print a line KEY<tab>VALUE for each; with -o json several keys are an\n"
	 "array. The exit code is 1 if a KEY is missing; the others are printed. A range\n"
	 "is in key order over all shards.\n"
	 "\n"
	 "  --prefix P      all keys that begin with P; \"\" is every key\n"
	 "  --range A B     all keys from A up to but not including B; without B to\n"
	 "                  the end\n"
	 "  --limit N       no more than N keys of a range\n"
	 "  --reverse       a range from its end: with --limit N its last N keys\n"
	 "  --count         only how many there are; the exit code is 0 also for none\n"
	 "  --keys-only     keys without values\n"
	 "  --raw           the value's bytes and nothing else\n"
	 "  --consistency C linearizable (default): every write that was acknowledged\n"
	 "                  before is in it; stale: what a replica has, without asking\n"
	 "                  others, and how old that may be: on stderr, or as age_ms\n"
	 "  --max-age T     stale: no older, otherwise exit code 3; in ms, or 5s, …\n"
	 "  --prefer R      follower: a replica that does not lead answers, also\n"
	 "                  linearizably; leader\n"
	 "\n"
	 "  kvctl get city\n"
	 "  kvctl get --prefix user: --limit 10\n"
	 "  kvctl get --prefix log: --reverse --limit 1\n"
	 "  kvctl get --prefix user: --count\n"
	 "  kvctl get --range a m --keys-only\n"
	 "  kvctl get photo --raw >photo.jpg\n"
	 "  kvctl get city --prefer follower\n"
	 "  kvctl get city --consistency stale --max-age 200ms\n",
	 "--prefix --range --limit --reverse --count --keys-only --raw --consistency "
	 "--prefer --max-age",
	 kvctl_get},
	{"del", "KEY… | --prefix P [--yes]", "delete keys",
	 "Prints how many keys there were. The exit code is 1 if there was none of the\n"
	 "KEYs.\n"
	 "\n"
	 "  --prefix P      all keys that begin with P, and there may be none\n"
	 "  --yes           with --prefix \"\": every key\n"
	 "\n"
	 "--prefix looks for keys and deletes them, many at a time. This is no\n"
	 "transaction: others may see some keys gone and others not yet. Every key that\n"
	 "was there when it began is deleted; one that is written meanwhile may stay. If\n"
	 "it is stopped in the middle it prints how many were deleted, and can be\n"
	 "repeated: exit code 3 if nothing was deleted, 4 if something was or may be.\n"
	 "\n"
	 "  kvctl del city\n"
	 "  kvctl del a b c\n"
	 "  kvctl del --prefix session:\n",
	 "--prefix --yes", kvctl_del},
	{"append", "KEY VALUE", "add to the end of a value",
	 "A missing key counts as empty. Prints OK; with -o json also the new value.\n"
	 "\n"
	 "  kvctl append log 'one more line'\n",
	 "", kvctl_append},
	{"cas", "KEY OLD NEW | --absent KEY NEW", "compare and set: store NEW if the value is OLD",
	 "Prints OK, or fails with exit code 2 if the value is another one, and 1 if there\n"
	 "is no key. With --absent the key must not exist.\n"
	 "\n"
	 "  kvctl cas leader node1 node2\n"
	 "  kvctl cas --absent lock me\n",
	 "--absent", kvctl_cas},
	{"incr", "KEY [N]", "add N (default 1) to a number",
	 "The value is a decimal integer of 64 bits; a missing key counts as 0. Prints the\n"
	 "new value.\n"
	 "\n"
	 "  kvctl incr visits\n"
	 "  kvctl incr stock -5\n",
	 "", kvctl_incr},
	{"txn", "[--if CMP]… [--then OP]… [--else OP]…", "compare and change several keys at once",
	 "If every CMP holds, all of --then is done, otherwise all of --else; nothing else\n"
	 "happens in between. Prints SUCCESS or FAILURE and one line for each operation\n"
	 "that was done. Exit code 2 after FAILURE.\n"
	 "\n"
	 "  CMP   value(K)=V  version(K)=N  mod(K)=N  exists(K)  missing(K)\n"
	 "        with = != < >\n"
	 "  OP    put K V   get K   del K   append K V   incr K [N]   cas K OLD NEW\n"
	 "        cas --absent K NEW\n"
	 "\n"
	 "Version counts the writes since the key was created, mod changes with every\n"
	 "write. Words with blanks are quoted. Without options the same is read from stdin\n"
	 "as three blocks, each ended by a blank line: compares, operations on success,\n"
	 "operations on failure.\n"
	 "\n"
	 "All keys must lie in one group: a common hash tag, as in {alice}:balance and\n"
	 "{alice}:log, keeps keys together.\n"
	 "\n"
	 "  kvctl txn --if 'value({a}:state)=new' --then 'put {a}:state done' \\\n"
	 "            --then 'incr {a}:count' --else 'get {a}:state'\n"
	 "  kvctl txn --if 'missing(lock)' --then 'put lock \"held by me\"'\n"
	 "  printf 'exists(k)\\n\\nget k\\n\\nput k new\\n\\n' | kvctl txn\n",
	 "--if --then --else", kvctl_run_txn},
	{"import", "[--format tsv|jsonl|csv] [FILE]", "store many records from a file or stdin",
	 "  tsv     KEY<tab>VALUE in each line; bytes are taken as they are, and quotes\n"
	 "          are part of the value. What does not fit (a newline, a tab in the key,\n"
	 "          a carriage return, a zero byte) is a line of JSON, as export has it.\n"
	 "  jsonl   a JSON object in each line, with \"key\" and \"value\", both strings, and\n"
	 "          \"key_encoding\" or \"encoding\" \"base64\" where they are bytes\n"
	 "  csv     as in RFC 4180: commas, and quotes around a field that holds commas,\n"
	 "          quotes (doubled) or newlines. A first line that names the columns key\n"
	 "          and value (and key_encoding, encoding) is a header; without one there\n"
	 "          are two columns, key and value.\n"
	 "\n"
	 "Without --format the first lines decide between tsv and jsonl, once; csv is what\n"
	 "has a name that ends in .csv or begins with the line key,value. A UTF-8 byte\n"
	 "order mark and lines that end with CR LF are fine, empty lines are skipped, and\n"
	 "of several records with one key the last one stays.\n"
	 "\n"
	 "What does not fit is reported with its line number, and the exit code is 5. A\n"
	 "file is checked as a whole first: then nothing of it is imported. From a pipe\n"
	 "the records in front of the line are imported, and none behind it.\n"
	 "\n"
	 "A terminal shows a progress bar. A record that meets an election or a restart is\n"
	 "sent again. To repeat an import is safe.\n"
	 "\n"
	 "  kvctl import words.tsv\n"
	 "  kvctl import --format csv <table\n"
	 "  zcat dump.jsonl.gz | kvctl import\n",
	 "--format", kvctl_import},
	{"export", "[--prefix P] [--format tsv|jsonl|csv]",
	 "print all records, so that import can read them",
	 "In key order. The format is tsv: a line KEY<tab>VALUE where that is possible,\n"
	 "otherwise a JSON object; with -o json it is jsonl. See kvctl help import.\n"
	 "\n"
	 "  kvctl export >dump.tsv\n"
	 "  kvctl export --format csv >dump.csv\n"
	 "  kvctl -o json export --prefix user: | gzip >users.jsonl.gz\n",
	 "--prefix --format", kvctl_export},
	{"status", "", "every node: role, group, leader, progress, size, health",
	 "Asks all nodes at once; one that does not answer is shown as down, and something\n"
	 "else that answers at its address as what it is: wrong node, wrong cluster, not\n"
	 "joined. LAG is in log slots behind the newest chosen one. The exit code is 3 if\n"
	 "a group has no leader. A narrow terminal shows fewer columns.\n"
	 "\n"
	 "  kvctl status\n"
	 "  kvctl -o json status | jq '.nodes[] | select(.up | not) | .name'\n",
	 "", kvctl_status},
	{"shards", "", "which group serves which shards",
	 "  kvctl shards\n"
	 "  kvctl -o json shards\n",
	 "", kvctl_shards},
	{"config", "[N]", "the newest configuration, or the one with number N",
	 "  kvctl config\n"
	 "  kvctl config 3\n",
	 "", kvctl_config},
	{"join", "GID HOST:PORT,… [GID HOST:PORT,…]…", "add groups of servers",
	 "The shard master gives each its share of the shards that hold no data yet. The\n"
	 "groups of a new cluster join together, so that every shard is given away once.\n"
	 "\n"
	 "  kvctl join 1 127.0.0.1:7011,127.0.0.1:7012,127.0.0.1:7013 \\\n"
	 "             2 127.0.0.1:7021,127.0.0.1:7022,127.0.0.1:7023\n",
	 "", kvctl_join},
	{"leave", "GID…", "remove groups", "  kvctl leave 3\n", "", kvctl_leave},
	{"move", "SHARD GID", "give one shard to a group", "  kvctl move 17 2\n", "", kvctl_move},
	{"rebalance", "", "spread the shards evenly over the groups", "  kvctl rebalance\n", "",
	 kvctl_rebalance},
	{"member",
	 "list [GID] | add GID NODE [HOST:PORT] | remove GID NODE | replace GID OLD NEW "
	 "[HOST:PORT] | promote GID NODE | transfer GID [NODE] | force GID --from NODE [--yes]",
	 "who belongs to a group; changes of that; hand leadership over",
	 "GID is the number of a group, masters, views, or paxos (list and transfer). NODE\n"
	 "is the name of a node; one that is there may be named by its number, too.\n"
	 "\n"
	 "add makes a node a learner: it is sent everything, and counts nowhere. When it\n"
	 "has caught up it becomes a voter by itself. Start it with the same cluster.conf\n"
	 "plus its own section, before or after; HOST:PORT is what that says as listen.\n"
	 "replace does the same, and OLD goes in the moment in which NEW gets its vote;\n"
	 "OLD may be dead. remove takes a member away, whose process then ends. promote\n"
	 "gives a learner its vote now, or says what is missing. What the members that\n"
	 "remain could not carry is refused, naming who is missing.\n"
	 "\n"
	 "add, replace and remove return when they have had their effect, however long\n"
	 "that takes; with --timeout the exit code is 4 if it takes longer: the group goes\n"
	 "on with it by itself. --no-wait returns as soon as the change is chosen. To ask\n"
	 "for what is so already is no error.\n"
	 "\n"
	 "transfer hands leadership over to NODE, or to who is most caught up.\n"
	 "\n"
	 "force is for a group that has lost more than half of its voters for good: it\n"
	 "makes the group go on from NODE alone, with what that has, and turns the others\n"
	 "away for ever. It says what may be lost, and asks; --yes answers. Without a\n"
	 "terminal and --yes: exit code 64. Refused while a majority answers.\n"
	 "\n"
	 "  kvctl member list 1\n"
	 "  kvctl member add 1 g1d 10.0.0.4:7001\n"
	 "  kvctl member replace 1 g1b g1e 10.0.0.5:7001\n"
	 "  kvctl member remove 1 g1d\n"
	 "  kvctl member transfer 1 g1b\n"
	 "  kvctl member force 1 --from g1a\n",
	 "list add remove replace promote transfer force --no-wait --from= --yes", kvctl_member},
	{"doctor", "", "look for what is wrong, and say what to do",
	 "Checks the configuration file, that every node answers as the one it should be,\n"
	 "versions, majorities, leaders, lags, primary and backup, shards without a group,\n"
	 "and clocks. Exit code 3 if something is not available.\n"
	 "\n"
	 "  kvctl doctor\n",
	 "", kvctl_doctor},
	{"shell", "", "many commands over one connection",
	 "Reads commands line by line, without \"kvctl\" in front. Words are quoted as in\n"
	 "txn. exit or Ctrl-D ends it. The exit code is that of the last command, or 6 if\n"
	 "that is 0 and the output of another one could not be written.\n"
	 "\n"
	 "  kvctl shell\n"
	 "  printf 'put a 1\\nget a\\n' | kvctl shell\n",
	 "", kvctl_shell},
	{"completion", "bash|zsh|fish", "a completion script for a shell",
	 "  source <(kvctl completion bash)\n", "bash zsh fish", kvctl_completion},
	{"version", "", "the version of this program",
	 "  kvctl version\n"
	 "  kvctl --version\n",
	 "", kvctl_version},
	{"help", "[COMMAND]", "this list, or all about one command", "  kvctl help txn\n", "",
	 kvctl_help},
	{"pb", "get|put|append|del|cas|incr …",
	 "the same commands, at the primary of the present view",
	 "The servers with role = pbserver: a primary and a backup, which the view service\n"
	 "chooses. Arguments and exit codes are those of get, put, append, del, cas and\n"
	 "incr; get and del take keys, no ranges.\n"
	 "\n"
	 "  kvctl pb put city Berlin\n"
	 "  kvctl pb get city\n"
	 "  kvctl pb cas --absent lock me\n",
	 "get put append del cas incr", kvctl_pb},
	{"view", "[reset]", "who is primary and who is backup; history and liveness",
	 "With the servers that ping the view service, and the last views (-o json: all\n"
	 "that are kept). reset gives up a view whose servers have all lost the state, and\n"
	 "begins with an empty store; it is refused while the primary lives.\n"
	 "\n"
	 "  kvctl view\n"
	 "  kvctl -o json view | jq -r .primary\n"
	 "  kvctl view reset\n",
	 "reset", kvctl_view},
	{"paxos", "start SEQ [VALUE] | status SEQ | done SEQ | min | max",
	 "agreement on values, one for each instance",
	 "The servers with role = paxos agree on one value for each instance 0, 1, 2, …;\n"
	 "whichever is started first with a majority wins, and stays. start prints OK when\n"
	 "the proposal has begun (VALUE from stdin when it is not given), status prints\n"
	 "pending, \"decided VALUE\" or forgotten, as the peer that is asked knows it. done\n"
	 "says that the instances up to SEQ are needed no more: to all peers, or with\n"
	 "--peer to one, which counts for its own application. When all have been told,\n"
	 "they are forgotten. min: the first that is not forgotten. max: the highest that\n"
	 "was seen, -1 if none.\n"
	 "\n"
	 "  --peer NODE     ask this one; otherwise the first that answers\n"
	 "  --wait          start, status: until it is decided or --timeout is over (then\n"
	 "                  the exit code is 4)\n"
	 "\n"
	 "  kvctl paxos start 1 Berlin --wait\n"
	 "  kvctl paxos status 1 --peer p2\n"
	 "  kvctl paxos done 1\n",
	 "start status done min max --peer --wait", kvctl_paxos},
	{"log", "append VALUE… | read [FROM [COUNT]] | tail [FROM] | trim SLOT | slot SLOT",
	 "a replicated log for other programs",
	 "Values in slots 1, 2, 3, …, the same for every reader. append prints the slot of\n"
	 "the (first) value; several values get consecutive slots, all or none; without\n"
	 "VALUE it is read from stdin. read prints SLOT<tab>VALUE from FROM (default: the\n"
	 "oldest kept) to the newest. tail waits for what comes, from FROM or behind the\n"
	 "newest. trim drops every slot up to SLOT. slot prints empty, \"accepted VALUE\",\n"
	 "\"chosen VALUE\" or cleared, as one replica sees it.\n"
	 "\n"
	 "  --at SLOT       append: only if the value gets this slot; otherwise code 2\n"
	 "  --count N       tail: end after N values\n"
	 "  --peer NODE     slot: ask this replica\n"
	 "  --consistency C, --max-age T, --prefer R\n"
	 "                  read: as in kvctl help get\n"
	 "\n"
	 "  kvctl log append 'first' 'second'\n"
	 "  kvctl log read 1 10\n"
	 "  kvctl log tail | while IFS=$'\\t' read -r slot value; do\n"
	 "    echo \"$slot: $value\"\n"
	 "  done\n"
	 "  kvctl log trim 100\n",
	 "append read tail trim slot --at --count --peer --consistency --prefer --max-age",
	 kvctl_log},
	{"trace", "KEY [--put VALUE] [--shiviz FILE] | --merge FILE…",
	 "where one request went, in causal order",
	 "Reads KEY (with --put: stores VALUE), asks every node what it did on that\n"
	 "request's account, and prints a line for each event: messages sent and received,\n"
	 "entries written, synced, chosen and applied. An event stands below everything\n"
	 "that happened before it; CAUSE is the line of the message that it receives.\n"
	 "LAMPORT and HLC are its logical times. If VALUE was stored but its trace cannot\n"
	 "be had, the exit code is 6.\n"
	 "\n"
	 "  --put VALUE     trace a write instead of a read\n"
	 "  --shiviz FILE   write the same with vector clocks, for ShiViz\n"
	 "  --merge FILE…   put the files that daemons and kvctl have written with\n"
	 "                  --trace FILE into one, with vector clocks, on stdout\n"
	 "\n"
	 "  kvctl trace city\n"
	 "  kvctl trace city --put Berlin\n"
	 "  kvctl --trace client.trace put city Berlin\n"
	 "  kvctl trace --merge client.trace g1?.trace >all.trace\n",
	 "--put --shiviz --merge", kvctl_trace},
	NOT_SERVED("snapshot"),
};
const size_t kvctl_ncommands = sizeof kvctl_commands / sizeof kvctl_commands[0];

const struct kvctl_command *kvctl_find_command(const char *name)
{
	for (size_t i = 0; i < kvctl_ncommands; i++)
		if (strcmp(kvctl_commands[i].name, name) == 0)
			return &kvctl_commands[i];
	return NULL;
}

int kvctl_not_served(struct kvctl *kvctl, int argc, char **argv)
{
	(void)argc;
	kvctl_error(kvctl, "the servers of this version do not offer %s", argv[0]);
	return EXIT_USAGE;
}

int kvctl_version(struct kvctl *kvctl, int argc, char **argv)
{
	int first;
	int exit_code = kvctl_operands(kvctl, argc, argv, 0, 0, &first);
	if (exit_code != EXIT_OK)
		return exit_code;
	if (kvctl->json)
		kvctl_print_json(json_pack("{s:s}", "version", synod_version()));
	else
		printf("kvctl %s\n", synod_version());
	return EXIT_OK;
}

#define HELP_COLUMNS 80u

void kvctl_usage_line(const struct kvctl_command *command, size_t columns, struct buffer *out)
{
	if (columns == 0 || columns > HELP_COLUMNS)
		columns = HELP_COLUMNS;
	char *line = alloc_format("usage: kvctl %s%s%s", command->name,
				  command->arguments[0] != '\0' ? " " : "", command->arguments);
	kvctl_wrap(out, line, columns, strlen("usage: kvctl ") + strlen(command->name) + 1);
	buffer_add_u8(out, '\n');
	free(line);
}

static void print_overview(void)
{
	puts("usage: kvctl [--config FILE | --endpoints HOST:PORT,…] [--timeout 5s]\n"
	     "             [--trace FILE] [-o plain|json] COMMAND …\n"
	     "       kvctl --version\n");
	for (size_t i = 0; i < kvctl_ncommands; i++)
		if (kvctl_commands[i].run != kvctl_not_served)
			printf("  %-11s %s\n", kvctl_commands[i].name, kvctl_commands[i].summary);
	puts("\nThe cluster is that of --config or --endpoints, else of KVCTL_CONFIG or\n"
	     "KVCTL_ENDPOINTS, else of ./run/cluster.conf. Data goes to stdout, everything\n"
	     "else to stderr. --trace FILE notes every message (kvctl help trace).\n\n"
	     "Exit codes\n"
	     "  0   ok\n"
	     "  1   not found\n"
	     "  2   compare false, or transaction failed\n"
	     "  3   unavailable, and certainly not applied\n"
	     "  4   outcome unknown; of several writes, some were applied and some not\n"
	     "  5   refused: too large, denied, a malformed request or file\n"
	     "  6   done (a write is applied), but the output could not be written\n"
	     "  64  wrong usage\n"
	     "A failure keeps its code if its output cannot be written either; when the\n"
	     "reader of a pipe has gone, nothing is said and the code is the operation's.\n\n"
	     "kvctl help COMMAND says more, with examples.");
}

int kvctl_help(struct kvctl *kvctl, int argc, char **argv)
{
	char suggestion[64];
	const struct kvctl_command *command = argc > 1 ? kvctl_find_command(argv[1]) : NULL;
	if (argc > 2)
		return kvctl_usage(kvctl, "help takes one command");
	if (argc > 1 && command == NULL)
		return kvctl_usage(kvctl, "there is no command \"%s\"%s", argv[1],
				   kvctl_suggest_command(argv[1], suggestion, sizeof suggestion));
	if (command == NULL) {
		print_overview();
		return EXIT_OK;
	}
	struct buffer usage = {0};
	kvctl_usage_line(command, HELP_COLUMNS, &usage);
	kvctl_print_bytes((struct synod_bytes){.data = (const char *)usage.data, .len = usage.len});
	printf("\n%c%s.\n\n%s", command->summary[0], command->summary + 1, command->help);
	buffer_free(&usage);
	return EXIT_OK;
}
