/*
 * kvctl: the command line client.
 *
 *   main.c        global options; dispatch.c runs a command, cluster.c finds the cluster
 *   options.c     options of a command
 *   output.c      JSON, errors and exit codes
 *   table.c       aligned columns, and lines that fit a terminal
 *   suggest.c     "did you mean"
 *   words.c       quoting: lines into words
 *   parse.c       durations, numbers, compares
 *   txn_parse.c   operations and etcd's three blocks
 *   record.c      one record as a line: tab-separated, JSON or CSV
 *   import_*.c    reading files of records, and sending what they hold
 *   group.c       one replicated group: where it is found, and who belongs to it
 *   cmd_*.c       the commands
 *   help.c, completion.c
 *
 * Data goes to stdout, everything else to stderr. Exit codes are part of the interface: a command
 * returns what has become of its operation, and whether its output has arrived is looked at in one
 * place, behind it (kvctl_flush, kvctl_end).
 */
#ifndef SYNOD_KVCTL_H
#define SYNOD_KVCTL_H

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/clusterconf.h"
#include "base/output.h"
#include "synod.h"

enum kvctl_exit {
	EXIT_OK = 0,
	EXIT_NOT_FOUND = 1,
	EXIT_COMPARE_FALSE = 2,
	EXIT_UNAVAILABLE = 3, /* certainly not applied */
	EXIT_UNKNOWN = 4,
	EXIT_REFUSED = 5,
	EXIT_UNPRINTED = EXIT_NOT_PRINTED, /* done, but its output could not be written */
	EXIT_USAGE = 64,
};

struct kvctl {
	const char *config_file; /* NULL: endpoints */
	const char *endpoints;
	const char *trace_file; /* every message of this process is appended to it; NULL: none */
	char trace_name[24];    /* of this process in it */
	uint32_t timeout_ms;    /* of a request */
	bool timeout_given;
	bool json;
	const struct kvctl_command *command; /* that is running, for messages */
	struct synod *synod;                 /* NULL before the first use */
	struct clusterconf conf;
	bool has_conf;
	bool in_shell;
	bool primary; /* put, get, … go to the primary of the view instead of the shards */
	bool applied; /* the command that is running has changed something */
};

struct kvctl_command {
	const char *name;
	const char *arguments; /* "KEY [VALUE]" */
	const char *summary;   /* one line */
	const char *help;      /* paragraphs and examples */
	const char *options;   /* "--raw --limit= …" for completion; '=' takes an argument */
	/* argv[0]: the command's name. An exit code */
	int (*run)(struct kvctl *kvctl, int argc, char **argv);
};
extern const struct kvctl_command kvctl_commands[];
extern const size_t kvctl_ncommands;
const struct kvctl_command *kvctl_find_command(const char *name);
/* Runs argv[0] … as a command. The exit code of its operation: see kvctl_flush. */
int kvctl_dispatch(struct kvctl *kvctl, int argc, char **argv);

/* The handle, opened with the first use. NULL: it could not be, and the error has been printed. */
struct synod *kvctl_synod(struct kvctl *kvctl);
/*
 * One operation, at the shards or at the primary. NULL: there is no handle; the error has been
 * printed.
 */
struct synod_reply *kvctl_do(struct kvctl *kvctl, const struct synod_op *op);
/*
 * The parsed cluster.conf; NULL: there is none (endpoints), or it is broken, and *exit_code says
 * so.
 */
const struct clusterconf *kvctl_conf(struct kvctl *kvctl, int *exit_code);
void kvctl_close(struct kvctl *kvctl);

/* ---- options.c ---- */

/*
 * Options of a command beside the global ones: val is what is returned for it; values below 256 are
 * reserved.
 */
#define KVCTL_OPTION(index) (256 + (index))
/*
 * The next option of argv: its val, with optarg set; 0: a global option, dealt with; -1: no more,
 * the operands start at optind; '?': a mistake, that has been reported. Options and operands may be
 * mixed; "--" ends the options. An operand like -5 is a number.
 */
int kvctl_next_option(struct kvctl *kvctl, int argc, char **argv, const struct option *specific);
/* Begins with a new argv, and ends. Between them argv may be changed. */
void kvctl_options_begin(int argc, char **argv);
void kvctl_options_end(int argc, char **argv);
/* optarg as it was given, for an option whose argument may be -5. */
const char *kvctl_option_text(const char *argument);
/*
 * For commands without options of their own. Operands start at *first. 0 or EXIT_USAGE, reported.
 */
int kvctl_operands(struct kvctl *kvctl, int argc, char **argv, int min, int max, int *first);
int kvctl_check_operands(struct kvctl *kvctl, int count, int min, int max);
/* Handles one global option of getopt. 0 or EXIT_USAGE. */
int kvctl_global_option(struct kvctl *kvctl, int option, const char *argument);

/* ---- output.c ---- */

/* "kvctl: …" and a newline on stderr. */
void kvctl_error(const struct kvctl *kvctl, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A line on stderr that says how it went, without a name in front. */
void kvctl_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * The same as kvctl_error for a mistake in the command line, with a pointer to the help. Returns
 * EXIT_USAGE.
 */
int kvctl_usage(const struct kvctl *kvctl, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints the error of a request that has failed; nothing for SYNOD_OK. Returns the exit code. */
int kvctl_failed(const struct kvctl *kvctl, int status, const char *message);
int kvctl_exit_code(int status);
/*
 * "usage: kvctl NAME ARGUMENTS" and a newline, in lines of so many columns, at most (and, for 0)
 * 80.
 */
void kvctl_usage_line(const struct kvctl_command *command, size_t columns, struct buffer *out);
/* Prints one line of JSON on stdout, and drops the reference. */
void kvctl_print_json(json_t *json_take);
/*
 * Sets "name", and "encoding" (or "NAME_encoding" for another name than value) when the bytes are
 * not UTF-8.
 */
void kvctl_json_bytes(json_t *object, const char *name, struct synod_bytes bytes);
json_t *kvctl_json_u64(uint64_t value);

/* ---- read_options.c ---- */

/* How a command's reads are answered; of stale ones, how old they may be: the worst of all. */
struct kvctl_read {
	struct synod_read_options options;
	bool given;
	bool seen, unknown;
	uint64_t age_ms;
};
enum kvctl_read_option { KVCTL_READ_CONSISTENCY, KVCTL_READ_PREFER, KVCTL_READ_MAX_AGE };
#define KVCTL_READ_OPTIONS(first) \
	{"consistency", required_argument, NULL, KVCTL_OPTION((first) + KVCTL_READ_CONSISTENCY)}, \
		{"prefer", required_argument, NULL, KVCTL_OPTION((first) + KVCTL_READ_PREFER)}, \
	{ \
		"max-age", required_argument, NULL, KVCTL_OPTION((first) + KVCTL_READ_MAX_AGE) \
	}
/* Takes one of them. EXIT_OK or EXIT_USAGE. */
int kvctl_read_option(struct kvctl *kvctl, struct kvctl_read *read, enum kvctl_read_option option,
		      const char *argument);
/* When all have been taken: EXIT_OK, or EXIT_USAGE if they do not go together. */
int kvctl_read_check(struct kvctl *kvctl, struct kvctl_read *read);
void kvctl_read_seen(struct kvctl_read *read, const struct synod_reply *reply);
/* Plain output: the age, on stderr. */
void kvctl_read_tell(const struct kvctl *kvctl, const struct kvctl_read *read);
/* JSON: members of one answer's object; or behind those of an object that holds several answers. */
void kvctl_read_json(json_t *object, const struct synod_reply *reply);
void kvctl_read_json_age(json_t *object, const struct kvctl_read *read);
void kvctl_read_json_all(const struct kvctl_read *read);
void kvctl_print_bytes(struct synod_bytes bytes);
bool kvctl_is_text(struct slice bytes);
/*
 * Appends what base64 stands for (base/base64.h). False, and nothing appended, if it is malformed.
 */
bool kvctl_base64_decode(struct buffer *out, struct slice in);
/*
 * After a command: exit_code if stdout could take everything or its reader has gone. Otherwise that
 * is reported, with what has become of the operation, and success becomes EXIT_UNPRINTED; a failure
 * keeps its code.
 */
int kvctl_flush(const struct kvctl *kvctl, int exit_code);
/* The same as the last thing that a process does. */
int kvctl_end(const struct kvctl *kvctl, int exit_code);
/*
 * The exit code of several operations, of which some have been applied: 3 would say that none was.
 */
int kvctl_partly(const struct kvctl *kvctl, int exit_code);

/* ---- table.c ---- */

/*
 * The columns that a line on this descriptor has; 0: it is no terminal, and lines may be as long as
 * they are.
 */
size_t kvctl_columns(int fd);
/*
 * Appends text, broken at blanks into lines of at most so many columns (0: not broken) where its
 * words allow that. Lines behind the first begin with `indent` blanks; newlines in the text stay.
 */
void kvctl_wrap(struct buffer *out, const char *text, size_t columns, size_t indent);

/*
 * Aligned columns. Cells are copied. Where a terminal is too narrow, columns are left out, the one
 * with the highest rank first (0: stays), and then long cells are broken into lines.
 */
#define KVCTL_TABLE_COLUMNS_MAX 16u
struct kvctl_table {
	size_t ncolumns, nrows;
	char **cells;
	bool right[KVCTL_TABLE_COLUMNS_MAX]; /* columns of numbers */
	uint8_t rank[KVCTL_TABLE_COLUMNS_MAX];
};
void kvctl_table_init(struct kvctl_table *table, size_t ncolumns, const char *const *titles);
void kvctl_table_cell(struct kvctl_table *table, size_t column, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void kvctl_table_row(struct kvctl_table *table);
/*
 * In lines of at most so many columns (0: any). The titles of columns that were left out are
 * appended to `missing`.
 */
void kvctl_table_format(const struct kvctl_table *table, size_t columns, struct buffer *out,
			struct buffer *missing);
/* On stdout, as wide as it allows; what was left out is said on stderr. */
void kvctl_table_print(const struct kvctl_table *table);
void kvctl_table_free(struct kvctl_table *table);

/* ---- suggest.c ---- */

/* The candidate that a mistyped word may have meant; NULL: none comes close. */
const char *kvctl_closest(const char *word, const char *const *candidates, size_t count);
/* ", did you mean \"put\"?" for the name of a command, or "". */
const char *kvctl_suggest_command(const char *word, char *out, size_t size);

/* ---- parse.c ---- */

/* 500ms, 5s, 2m, 1h; a bare number is seconds. */
bool kvctl_parse_duration(const char *text, uint32_t *ms);
bool kvctl_parse_u64(const char *text, uint64_t *out);
bool kvctl_parse_i64(const char *text, int64_t *out);
/* "1.5 GiB" for people. */
const char *kvctl_format_bytes(uint64_t bytes, char *out, size_t size);
const char *kvctl_format_duration(uint64_t ms, char *out, size_t size);
/* A clock that only goes forward. */
uint64_t kvctl_now_ms(void);

/* ---- words.c ---- */

/* Words of a line; the bytes may hold anything, and are followed by a zero byte. */
struct kvctl_words {
	size_t count;
	struct synod_bytes *words;
	char *storage;
};
/*
 * Splits at blanks. "…" understands \n \t \r \0 \\ \" \xHH, '…' nothing; outside of both a
 * backslash takes the next character as it is. NULL, or what is wrong. Free in the first case only.
 */
const char *kvctl_words_parse(struct kvctl_words *out, struct slice line);
void kvctl_words_free(struct kvctl_words *words);
/*
 * One value: in quotes, or the bytes as they are. The result is appended. NULL, or what is wrong.
 */
const char *kvctl_unquote(struct buffer *out, struct slice text);

/* ---- txn_parse.c ---- */

#define KVCTL_TXN_MAX 128u
struct kvctl_txn {
	size_t nwhen, nthen, notherwise;
	struct synod_compare when[KVCTL_TXN_MAX];
	struct synod_op then[KVCTL_TXN_MAX], otherwise[KVCTL_TXN_MAX];
	/* What the keys and values point into. */
	size_t nblocks, blocks_capacity;
	char **blocks;
};
/* Each returns NULL, or what is wrong (static or in `error`). */
const char *kvctl_txn_compare(struct kvctl_txn *txn, struct slice text);
const char *kvctl_txn_op(struct kvctl_txn *txn, struct slice text, bool otherwise);
/*
 * Compares, blank line, success operations, blank line, failure operations. *line: where the
 * mistake is.
 */
const char *kvctl_txn_blocks(struct kvctl_txn *txn, struct slice text, size_t *line);
void kvctl_txn_free(struct kvctl_txn *txn);

/* ---- record.c ---- */

/*
 * How records stand in a file.
 *
 *   tsv     KEY<tab>VALUE, without control characters (the value may hold tabs). What does not fit
 *           that is a line of JSON without tabs: {"key":…,"value":…}, with "key_encoding" or
 *           "encoding" "base64" for bytes that are not UTF-8.
 *   jsonl   such an object in every line.
 *   csv     RFC 4180, with the columns key, value, key_encoding and encoding; the last two are
 *           empty or base64.
 */
enum kvctl_format { KVCTL_TSV, KVCTL_JSONL, KVCTL_CSV };
#define KVCTL_CSV_HEADER "key,value,key_encoding,encoding\r\n"
bool kvctl_parse_format(const char *text, enum kvctl_format *out);
/* A record, without its newline. */
void kvctl_record_format(struct buffer *out, struct synod_bytes key, struct synod_bytes value,
			 enum kvctl_format format);
/*
 * A line of JSON. Appends key and value to `out`: the key's length in *key_len, the value is the
 * rest. NULL, or what is wrong (in `error`, or static).
 */
const char *kvctl_record_parse_json(struct slice line, struct buffer *out, size_t *key_len,
				    char *error, size_t error_size);
/*
 * True for the beginning of an object or of an array of objects: {" or {} or [{, or an open brace
 * alone. {tag} is none.
 */
bool kvctl_looks_like_json(struct slice line);

/* ---- the commands ---- */

int kvctl_put(struct kvctl *kvctl, int argc, char **argv);
int kvctl_get(struct kvctl *kvctl, int argc, char **argv);
int kvctl_del(struct kvctl *kvctl, int argc, char **argv);
int kvctl_append(struct kvctl *kvctl, int argc, char **argv);
int kvctl_cas(struct kvctl *kvctl, int argc, char **argv);
int kvctl_incr(struct kvctl *kvctl, int argc, char **argv);
int kvctl_run_txn(struct kvctl *kvctl, int argc, char **argv);
int kvctl_import(struct kvctl *kvctl, int argc, char **argv);
int kvctl_export(struct kvctl *kvctl, int argc, char **argv);
int kvctl_status(struct kvctl *kvctl, int argc, char **argv);
int kvctl_shards(struct kvctl *kvctl, int argc, char **argv);
int kvctl_config(struct kvctl *kvctl, int argc, char **argv);
int kvctl_join(struct kvctl *kvctl, int argc, char **argv);
int kvctl_leave(struct kvctl *kvctl, int argc, char **argv);
int kvctl_move(struct kvctl *kvctl, int argc, char **argv);
int kvctl_rebalance(struct kvctl *kvctl, int argc, char **argv);
int kvctl_member(struct kvctl *kvctl, int argc, char **argv);
int kvctl_doctor(struct kvctl *kvctl, int argc, char **argv);
int kvctl_shell(struct kvctl *kvctl, int argc, char **argv);
int kvctl_completion(struct kvctl *kvctl, int argc, char **argv);
int kvctl_version(struct kvctl *kvctl, int argc, char **argv);
int kvctl_help(struct kvctl *kvctl, int argc, char **argv);
/* get, put, append, del, cas, incr as if they were commands; at the primary. */
int kvctl_pb(struct kvctl *kvctl, int argc, char **argv);
int kvctl_view(struct kvctl *kvctl, int argc, char **argv);
int kvctl_paxos(struct kvctl *kvctl, int argc, char **argv);
int kvctl_log(struct kvctl *kvctl, int argc, char **argv);
/* One request's way (cmd_trace.c), and files of --trace put together (cmd_trace_merge.c). */
int kvctl_trace(struct kvctl *kvctl, int argc, char **argv);
int kvctl_trace_merge(struct kvctl *kvctl, int count, char **files);
int kvctl_not_served(struct kvctl *kvctl, int argc, char **argv);

/* ---- shared by some of them ---- */

/* Makes the scan that goes on where a page of it has ended. The page must live as long as that. */
void kvctl_scan_on(struct synod_scan *scan, const struct synod_reply *page);
/* Everything on stdin, as far as a command takes. */
bool kvctl_read_stdin(struct buffer *out);
/*
 * The address of the paxosd that --peer names (NULL: none was given, NULL). 0 or EXIT_USAGE,
 * reported.
 */
int kvctl_peer_option(struct kvctl *kvctl, const char *name, const char **address);
/* True if the view service takes the primary for alive. */
bool kvctl_view_primary_lives(const struct synod_view *view);

/* ---- group.c ---- */

/* A replicated group, as its members know it. */
#define KVCTL_GROUP_ADDRESSES_MAX 64u
struct kvctl_group {
	const char *role;
	enum node_role kind;
	uint64_t group; /* 0 for others than shardkv */
	size_t naddresses;
	char *addresses[KVCTL_GROUP_ADDRESSES_MAX]; /* where it may be found */
	bool asked_masters;                         /* for more of them */
	struct synod_members *members;              /* what was told last; NULL: nothing yet */
};
/* "2", "masters", "views" or "paxos". EXIT_OK or EXIT_USAGE, reported. */
int kvctl_group_parse(struct kvctl *kvctl, const char *text, struct kvctl_group *out);
/* Where to find it, by cluster.conf or the shard masters. EXIT_OK, or an exit code, reported. */
int kvctl_group_find(struct kvctl *kvctl, struct kvctl_group *group);
/*
 * Asks all who may know. False: nobody has answered; group->members then says why, unless it is
 * NULL.
 */
bool kvctl_group_ask(struct kvctl *kvctl, struct kvctl_group *group, uint32_t timeout_ms);
/* By its name or its number; NULL: it has no such member. */
const struct synod_member *kvctl_group_member(const struct kvctl_group *group, const char *text);
const struct synod_member *kvctl_group_number(const struct kvctl_group *group, uint32_t number);
/* "group 2", "the shard masters", … */
const char *kvctl_group_text(const struct kvctl_group *group, char *out, size_t size);
void kvctl_group_free(struct kvctl_group *group);

/* cmd_member_change.c: add, remove, replace, promote, which kvctl_member_changes() knows. */
int kvctl_member_change(struct kvctl *kvctl, const char *action, int count, char **operands,
			bool wait);
bool kvctl_member_changes(const char *action);
/* cmd_member_force.c; from NULL: not given. */
int kvctl_member_force(struct kvctl *kvctl, int count, char **operands, const char *from, bool yes);

/* ---- shared by status, member and doctor ---- */

/* A server that is known from cluster.conf, or from the cluster itself. */
struct kvctl_node {
	const char *name; /* "" if only its address is known */
	const char *role;
	uint64_t group; /* 0 for others than shardkv */
	const char *address;
	struct synod_node_status *status;
	/*
	 * Why what is at the address, if anything, is no part of this cluster: "wrong node", …;
	 * NULL: nothing speaks against it.
	 */
	const char *outsider;
	char detail[256]; /* the same in a sentence, if there is an outsider */
};
struct kvctl_nodes {
	size_t count;
	struct kvctl_node *nodes;
	struct synod_config *config; /* the newest; NULL if it could not be had */
};
/* Finds all nodes and asks each for its status, in parallel. 0 or an exit code, reported. */
int kvctl_nodes_ask(struct kvctl *kvctl, struct kvctl_nodes *out);
void kvctl_nodes_free(struct kvctl_nodes *nodes);
/* Prints those of a role (NULL: all) and group (0: all). An exit code. */
int kvctl_nodes_print(struct kvctl *kvctl, const struct kvctl_nodes *nodes, const char *role,
		      uint64_t group);
/* True for a node that answers as the one that it should be. */
bool kvctl_node_up(const struct kvctl_node *node);
/*
 * It is up, and no replica yet: it is to be added to its group, or waits for the others with which
 * that begins.
 */
bool kvctl_node_waits(const struct kvctl_node *node);
/* Both are replicas of one group, or pbservers. */
bool kvctl_same_group(const struct kvctl_node *a, const struct kvctl_node *b);
/* What the replicas of a node's group are called together; the caller frees it. */
char *kvctl_group_name(const struct kvctl_node *node);
/*
 * Fills in what the group of node i as a whole shows: its leader (SIZE_MAX: none) and the newest
 * chosen slot.
 */
void kvctl_nodes_group(const struct kvctl_nodes *nodes, size_t i, size_t *leader, uint64_t *chosen);

#endif
