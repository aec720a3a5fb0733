/*
 * kvctl: the command line client.
 *
 *   main.c        global options, the command table, dispatch
 *   options.c     options of a command
 *   output.c      JSON, tables, errors and exit codes
 *   words.c       quoting: lines into words
 *   parse.c       durations, numbers, compares
 *   txn_parse.c   operations and etcd's three blocks
 *   record.c      one record as a line: tab-separated or JSON
 *   cmd_*.c       the commands
 *   help.c, completion.c
 *
 * Data goes to stdout, everything else to stderr. Exit codes are part of the interface.
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
#include "client/synod.h"

enum kvctl_exit {
	EXIT_OK = 0,
	EXIT_NOT_FOUND = 1,
	EXIT_COMPARE_FALSE = 2,
	EXIT_UNAVAILABLE = 3, /* certainly not applied */
	EXIT_UNKNOWN = 4,
	EXIT_REFUSED = 5,
	EXIT_USAGE = 64,
};

struct kvctl {
	const char *config_file; /* NULL: endpoints */
	const char *endpoints;
	const char *trace_file; /* every message of this process is appended to it; NULL: none */
	char trace_name[24];    /* of this process in it */
	uint32_t timeout_ms; /* of a request */
	bool timeout_given;
	bool json;
	const struct kvctl_command *command; /* that is running, for messages */
	struct synod *synod;                 /* NULL before the first use */
	struct clusterconf conf;
	bool has_conf;
	bool in_shell;
	bool primary; /* put, get, … go to the primary of the view instead of the shards */
};

struct kvctl_command {
	const char *name;
	const char *arguments; /* "KEY [VALUE]" */
	const char *summary;   /* one line */
	const char *help;      /* paragraphs and examples */
	const char *options;   /* "--raw --limit= …" for completion; '=' takes an argument */
	int (*run)(struct kvctl *kvctl, int argc, char **argv); /* argv[0]: the command's name. An exit code */
};
extern const struct kvctl_command kvctl_commands[];
extern const size_t kvctl_ncommands;
const struct kvctl_command *kvctl_find_command(const char *name);
/* Runs argv[0] … as a command. An exit code. */
int kvctl_dispatch(struct kvctl *kvctl, int argc, char **argv);

/* The handle, opened with the first use. NULL: it could not be, and the error has been printed. */
struct synod *kvctl_synod(struct kvctl *kvctl);
/* One operation, at the shards or at the primary. NULL: there is no handle; the error has been printed. */
struct synod_reply *kvctl_do(struct kvctl *kvctl, const struct synod_op *op);
/* The parsed cluster.conf; NULL: there is none (endpoints), or it is broken, and *exit_code says so. */
const struct clusterconf *kvctl_conf(struct kvctl *kvctl, int *exit_code);
void kvctl_close(struct kvctl *kvctl);

/* ---- options.c ---- */

/* Options of a command beside the global ones: val is what is returned for it; values below 256 are reserved. */
#define KVCTL_OPTION(index) (256 + (index))
/*
 * The next option of argv: its val, with optarg set; 0: a global option, dealt with; -1: no more, the operands
 * start at optind; '?': a mistake, that has been reported. Options and operands may be mixed; "--" ends the
 * options. An operand like -5 is a number.
 */
int kvctl_next_option(struct kvctl *kvctl, int argc, char **argv, const struct option *specific);
/* Begins with a new argv, and ends. Between them argv may be changed. */
void kvctl_options_begin(int argc, char **argv);
void kvctl_options_end(int argc, char **argv);
/* optarg as it was given, for an option whose argument may be -5. */
const char *kvctl_option_text(const char *argument);
/* For commands without options of their own. Operands start at *first. 0 or EXIT_USAGE, reported. */
int kvctl_operands(struct kvctl *kvctl, int argc, char **argv, int min, int max, int *first);
int kvctl_check_operands(struct kvctl *kvctl, int count, int min, int max);
/* Handles one global option of getopt. 0 or EXIT_USAGE. */
int kvctl_global_option(struct kvctl *kvctl, int option, const char *argument);

/* ---- output.c ---- */

/* "kvctl: …" and a newline on stderr. */
void kvctl_error(const struct kvctl *kvctl, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a mistake in the command line, with a pointer to the help. Returns EXIT_USAGE. */
int kvctl_usage(const struct kvctl *kvctl, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints the error of a request that has failed; nothing for SYNOD_OK. Returns the exit code. */
int kvctl_failed(const struct kvctl *kvctl, int status, const char *message);
int kvctl_exit_code(int status);
/* Prints one line of JSON on stdout, and drops the reference. */
void kvctl_print_json(json_t *json_take);
/* Sets "name", and "encoding" (or "NAME_encoding" for another name than value) when the bytes are not UTF-8. */
void kvctl_json_bytes(json_t *object, const char *name, struct synod_bytes bytes);
json_t *kvctl_json_u64(uint64_t value);
void kvctl_print_bytes(struct synod_bytes bytes);
bool kvctl_is_text(struct slice bytes);
/* Appends what base64 stands for (base/base64.h). False, and nothing appended, if it is malformed. */
bool kvctl_base64_decode(struct buffer *out, struct slice in);
/* stdout could take everything; otherwise reported, and the exit code is that of a failure. */
int kvctl_flush(const struct kvctl *kvctl, int exit_code);

/* Aligned columns. Cells are copied. */
struct kvctl_table {
	size_t ncolumns, nrows;
	char **cells;
	bool right[16]; /* columns of numbers */
};
void kvctl_table_init(struct kvctl_table *table, size_t ncolumns, const char *const *titles);
void kvctl_table_cell(struct kvctl_table *table, size_t column, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void kvctl_table_row(struct kvctl_table *table);
void kvctl_table_print(const struct kvctl_table *table);
void kvctl_table_free(struct kvctl_table *table);

/* ---- parse.c ---- */

/* 500ms, 5s, 2m, 1h; a bare number is seconds. */
bool kvctl_parse_duration(const char *text, uint32_t *ms);
bool kvctl_parse_u64(const char *text, uint64_t *out);
bool kvctl_parse_i64(const char *text, int64_t *out);
/* "1.5 GiB" for people. */
const char *kvctl_format_bytes(uint64_t bytes, char *out, size_t size);
const char *kvctl_format_duration(uint64_t ms, char *out, size_t size);

/* ---- words.c ---- */

/* Words of a line; the bytes may hold anything, and are followed by a zero byte. */
struct kvctl_words {
	size_t count;
	struct synod_bytes *words;
	char *storage;
};
/*
 * Splits at blanks. "…" understands \n \t \r \0 \\ \" \xHH, '…' nothing; outside of both a backslash takes the
 * next character as it is. NULL, or what is wrong. Free in the first case only.
 */
const char *kvctl_words_parse(struct kvctl_words *out, struct slice line);
void kvctl_words_free(struct kvctl_words *words);
/* One value: in quotes, or the bytes as they are. The result is appended. NULL, or what is wrong. */
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
/* Compares, blank line, success operations, blank line, failure operations. *line: where the mistake is. */
const char *kvctl_txn_blocks(struct kvctl_txn *txn, struct slice text, size_t *line);
void kvctl_txn_free(struct kvctl_txn *txn);

/* ---- record.c ---- */

/*
 * A record as one line, without its newline: KEY<tab>VALUE where both are plain text without control characters
 * (the value may hold tabs), otherwise {"key":…,"value":…} with "key_encoding"/"encoding":"base64" for bytes
 * that are not UTF-8. The first form is not used for a line that would read as JSON.
 */
void kvctl_record_format(struct buffer *out, struct synod_bytes key, struct synod_bytes value, bool json);
/* Appends key and value to `out`: the key's length in *key_len, the value is the rest. NULL, or what is wrong. */
const char *kvctl_record_parse(struct slice line, struct buffer *out, size_t *key_len);

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

/* Everything on stdin, as far as a command takes. */
bool kvctl_read_stdin(struct buffer *out);
/* The address of the paxosd that --peer names (NULL: none was given, NULL). 0 or EXIT_USAGE, reported. */
int kvctl_peer_option(struct kvctl *kvctl, const char *name, const char **address);
/* True if the view service takes the primary for alive. */
bool kvctl_view_primary_lives(const struct synod_view *view);

/* ---- shared by status, member and doctor ---- */

/* A server that is known from cluster.conf, or from the cluster itself. */
struct kvctl_node {
	const char *name; /* "" if only its address is known */
	const char *role;
	uint64_t group; /* 0 for others than shardkv */
	const char *address;
	struct synod_node_status *status;
};
struct kvctl_nodes {
	size_t count;
	struct kvctl_node *nodes;
	struct synod_config *config; /* the newest; NULL if it was not needed or could not be had */
};
/* Finds all nodes and asks each for its status, in parallel. 0 or an exit code, reported. */
int kvctl_nodes_ask(struct kvctl *kvctl, struct kvctl_nodes *out);
void kvctl_nodes_free(struct kvctl_nodes *nodes);
/* Prints those of a role (NULL: all) and group (0: all). An exit code. */
int kvctl_nodes_print(struct kvctl *kvctl, const struct kvctl_nodes *nodes, const char *role, uint64_t group);
/* Fills in what the group of node i as a whole shows: its leader (SIZE_MAX: none) and the newest chosen slot. */
void kvctl_nodes_group(const struct kvctl_nodes *nodes, size_t i, size_t *leader, uint64_t *chosen);

#endif
