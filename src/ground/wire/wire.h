/*
 * wire: protobuf ⇄ plain structs. The only layer that sees protobuf-c.
 *
 * Decoding: x_decode(slice, arena, &out) validates while it unpacks: before anything is allocated,
 * the bytes are walked once against the schema, and more than MESSAGE_ELEMENTS_MAX submessages or
 * repeated elements, a count above the limit of its own field (TXN_OPS_MAX, SCAN_LIMIT_MAX,
 * SHARDS_MAX, GROUPS_MAX, REPLICAS_MAX), or a nesting deeper than the schema's is refused
 * (protobuf-c 1.4.1 spends 48 bytes on a 2-byte empty submessage and recurses without a limit). 0,
 * STATUS_BAD_REQUEST (malformed), STATUS_TOO_LARGE (a limit). After an error *out is undefined.
 * Unknown fields are skipped: they come from a newer version.
 *
 * Lifetime: what is decoded lives as long as the input AND the arena: arrays are in the arena; byte
 * strings of Command, Paxos and Kv messages point into the input, those of the others are copies in
 * the arena. So keep neither longer than the shorter-lived one.
 *
 * Encoding: x_encode(&in, buffer) appends to the buffer and cannot fail. The bytes are the
 * canonical ones: equal structs have equal encodings.
 *
 * Strings are slices: not terminated, without zero bytes; names (NAME_BYTES_MAX) and addresses
 * (ADDRESS_BYTES_MAX) were checked to be no longer than their limit and printable ASCII.
 */
#ifndef SYNOD_WIRE_WIRE_H
#define SYNOD_WIRE_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/operations.h"
#include "base/status.h"

/*
 * What counts one after another (views, frames, configurations) never comes so far: decoding
 * refuses more, so that the next number exists wherever one is wanted.
 */
#define NUMBER_MAX (UINT64_C(1) << 48)

/* ---- rpc.proto ---- */

struct wire_hello_member {
	uint32_t replica;
	struct slice name;
};
struct wire_hello {
	uint32_t version;
	struct slice cluster, node, target, role;
	uint64_t life, nonce, cluster_id, group_id, group, disk_life;
	bool lost;
	uint32_t replica;
	uint64_t members_slot;
	uint32_t generation;
	struct slice address;
	uint32_t nmembers;
	struct wire_hello_member members[MEMBERS_MAX];
};
/* Members not in ascending order of their numbers, or without a name: STATUS_BAD_REQUEST. */
int wire_hello_decode(struct slice in, struct arena *arena, struct wire_hello *out) MUST_CHECK;
void wire_hello_encode(const struct wire_hello *in, struct buffer *out);

struct wire_identity {
	uint64_t nonce;
	bool opened;
	uint64_t cluster_id, group_id;
	uint32_t seen;
	uint64_t members_slot;
	uint32_t generation;
};
int wire_identity_decode(struct slice in, struct arena *arena,
			 struct wire_identity *out) MUST_CHECK;
void wire_identity_encode(const struct wire_identity *in, struct buffer *out);

struct wire_error {
	struct slice message;
	struct slice leader;
	uint64_t config;
	uint32_t generation;
};
int wire_error_decode(struct slice in, struct arena *arena, struct wire_error *out) MUST_CHECK;
void wire_error_encode(const struct wire_error *in, struct buffer *out);
/* The common case: an Error with a formatted message. */
void wire_error_format(struct buffer *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

struct wire_command {
	uint64_t client, sequence, acknowledged;
	struct slice body;
};
int wire_command_decode(struct slice in, struct arena *arena, struct wire_command *out) MUST_CHECK;
void wire_command_encode(const struct wire_command *in, struct buffer *out);

struct wire_unconfirmed_reply {
	uint64_t group, ballot;
	uint32_t confirmations;
	bool rather_query;
	struct slice body;   /* points into the input */
	struct slice voters; /* likewise: u64 each */
};
int wire_unconfirmed_reply_decode(struct slice in, struct arena *arena,
				  struct wire_unconfirmed_reply *out) MUST_CHECK;
void wire_unconfirmed_reply_encode(const struct wire_unconfirmed_reply *in, struct buffer *out);

struct wire_ballot_reply {
	uint64_t group, ballot;
	uint32_t replica;
	uint64_t life;
};
int wire_ballot_reply_decode(struct slice in, struct arena *arena,
			     struct wire_ballot_reply *out) MUST_CHECK;
void wire_ballot_reply_encode(const struct wire_ballot_reply *in, struct buffer *out);

struct wire_stale_reply {
	uint64_t group;
	uint32_t replica;
	uint64_t slot; /* of the log: the state after it was read */
	bool age_known;
	uint64_t age_us;   /* everything that was acknowledged so long ago is in that state */
	struct slice body; /* points into the input */
};
int wire_stale_reply_decode(struct slice in, struct arena *arena,
			    struct wire_stale_reply *out) MUST_CHECK;
void wire_stale_reply_encode(const struct wire_stale_reply *in, struct buffer *out);

int wire_register_reply_decode(struct slice in, struct arena *arena, uint64_t *client) MUST_CHECK;
void wire_register_reply_encode(uint64_t client, struct buffer *out);

struct wire_peer_status {
	uint32_t replica;
	struct slice address;
	uint64_t matched, last_heard_ms;
};
struct wire_status {
	struct slice name, role, state, leader, leader_name, version;
	uint32_t replica;
	uint64_t group, ballot, chosen, applied, log_first, log_last, snapshot;
	uint64_t data_bytes, disk_bytes, keys, config, sessions, uptime_ms;
	uint64_t state_hash_slot, state_diverged, state_undecided;
	uint32_t npeers;
	struct wire_peer_status peers[MEMBERS_MAX];
};
int wire_status_decode(struct slice in, struct arena *arena, struct wire_status *out) MUST_CHECK;
void wire_status_encode(const struct wire_status *in, struct buffer *out);

int wire_transfer_decode(struct slice in, struct arena *arena, uint32_t *replica) MUST_CHECK;
void wire_transfer_encode(uint32_t replica, struct buffer *out);

struct wire_cluster {
	struct slice cluster;
	uint32_t shards;
	uint32_t nmasters;
	struct slice masters[REPLICAS_MAX];
};
int wire_cluster_decode(struct slice in, struct arena *arena, struct wire_cluster *out) MUST_CHECK;
void wire_cluster_encode(const struct wire_cluster *in, struct buffer *out);

#define TRACE_EVENT_BYTES_MAX 1024u /* of one event in a reply */
struct wire_trace {
	struct slice node;
	uint32_t nevents;
	struct slice *events; /* arena */
};
int wire_trace_decode(struct slice in, struct arena *arena, struct wire_trace *out) MUST_CHECK;
void wire_trace_encode(const struct wire_trace *in, struct buffer *out);
/* STATUS_BAD_REQUEST: id 0. */
int wire_trace_request_decode(struct slice in, struct arena *arena, uint64_t *request) MUST_CHECK;
void wire_trace_request_encode(uint64_t request, struct buffer *out);

struct wire_member {
	uint32_t number, role, binding, in_place_of;
	struct slice name, address;
	uint64_t life;
	/* MEMBERS alone. */
	bool up;
	uint64_t matched, last_heard_ms;
	struct slice waits_for;
};
struct wire_members {
	uint64_t group, group_id;
	uint32_t replica, leader;
	bool leads;
	uint64_t slot, chosen;
	uint32_t next_number, generation;
	uint32_t nmembers;
	struct wire_member members[MEMBERS_MAX];
};
/*
 * Members not in ascending order of their numbers, a role or number that is none, no name or
 * address: STATUS_BAD_REQUEST.
 */
int wire_members_decode(struct slice in, struct arena *arena, struct wire_members *out) MUST_CHECK;
void wire_members_encode(const struct wire_members *in, struct buffer *out);

enum wire_change_op {
	WIRE_CHANGE_NONE,
	WIRE_CHANGE_ADD,
	WIRE_CHANGE_REMOVE,
	WIRE_CHANGE_REPLACE,
	WIRE_CHANGE_PROMOTE
};
struct wire_change_members {
	enum wire_change_op op; /* decode refuses others */
	struct slice name, address;
	uint32_t number;
	uint64_t base;
};
int wire_change_members_decode(struct slice in, struct arena *arena,
			       struct wire_change_members *out) MUST_CHECK;
void wire_change_members_encode(const struct wire_change_members *in, struct buffer *out);

struct wire_change_members_reply {
	uint64_t slot;
	uint32_t number;
};
int wire_change_members_reply_decode(struct slice in, struct arena *arena,
				     struct wire_change_members_reply *out) MUST_CHECK;
void wire_change_members_reply_encode(const struct wire_change_members_reply *in,
				      struct buffer *out);

struct wire_force {
	bool confirmed;
	uint32_t generation;
};
int wire_force_decode(struct slice in, struct arena *arena, struct wire_force *out) MUST_CHECK;
void wire_force_encode(const struct wire_force *in, struct buffer *out);

struct wire_force_reply {
	uint32_t generation, next;
	uint64_t slot, chosen;
	struct slice text;
};
int wire_force_reply_decode(struct slice in, struct arena *arena,
			    struct wire_force_reply *out) MUST_CHECK;
void wire_force_reply_encode(const struct wire_force_reply *in, struct buffer *out);

struct wire_welcome {
	uint64_t group, group_id;
	uint32_t number;
	uint64_t slot;
	uint32_t next_number, generation;
	uint32_t nmembers;
	struct wire_member members[MEMBERS_MAX];
};
/* As wire_members_decode(); also a number that none of them has. */
int wire_welcome_decode(struct slice in, struct arena *arena, struct wire_welcome *out) MUST_CHECK;
void wire_welcome_encode(const struct wire_welcome *in, struct buffer *out);

/* ---- paxos.proto ---- */

struct wire_entry {
	uint64_t slot, ballot;
	struct slice value;
};
struct wire_range {
	uint64_t first, last;
};
struct wire_paxos {
	uint64_t group;
	uint32_t from, to;
	uint64_t ballot, slot, chosen, sequence;
	uint32_t flags;
	uint32_t nentries, nranges, nimpaired, nknown;
	struct wire_entry *entries; /* arena */
	struct wire_range *ranges;
	struct wire_range *impaired, *known;
	uint64_t position, total;
	struct slice data;
	uint64_t lease_us;
	uint64_t members;
	uint32_t generation;
	/* not in the message: of the disk of the process that it comes from; 0: not known */
	uint64_t life;
	uint64_t stamp, vouched;
	struct slice claim, remembered; /* STARTED: rsm/starts.h */
};
int wire_paxos_decode(struct slice in, struct arena *arena, struct wire_paxos *out) MUST_CHECK;
void wire_paxos_encode(const struct wire_paxos *in, struct buffer *out);

/* ---- shardmaster.proto ---- */

struct wire_group {
	uint64_t gid;
	uint32_t nmembers;
	struct slice members[REPLICAS_MAX];
};
struct wire_config {
	uint64_t number;
	uint32_t nshards;
	uint64_t *shards; /* arena */
	uint32_t ngroups;
	struct wire_group *groups;
	uint64_t clients;
	uint32_t generation;
	uint64_t generation_life;
	bool generation_begun;
};
int wire_config_decode(struct slice in, struct arena *arena, struct wire_config *out) MUST_CHECK;
void wire_config_encode(const struct wire_config *in, struct buffer *out);

enum wire_master_op {
	WIRE_MASTER_NONE,
	WIRE_MASTER_JOIN,
	WIRE_MASTER_LEAVE,
	WIRE_MASTER_MOVE,
	WIRE_MASTER_REBALANCE,
	WIRE_MASTER_CLAIM,
	WIRE_MASTER_MEMBERS,
	WIRE_MASTER_FORCE,
};
struct wire_master_command {
	enum wire_master_op op; /* decode refuses others */
	uint32_t ngroups;
	struct wire_group *groups;
	uint32_t ngids;
	uint64_t *gids;
	uint32_t shard;
	uint64_t gid;
	uint32_t nshards;
	uint32_t *shards;
	uint64_t config;
	uint64_t slot, group_id;
	uint32_t generation;
	uint64_t life;
};
int wire_master_command_decode(struct slice in, struct arena *arena,
			       struct wire_master_command *out) MUST_CHECK;
void wire_master_command_encode(const struct wire_master_command *in, struct buffer *out);

struct wire_master_reply {
	uint64_t config;
	uint32_t ngranted;
	uint32_t *granted;
};
int wire_master_reply_decode(struct slice in, struct arena *arena,
			     struct wire_master_reply *out) MUST_CHECK;
void wire_master_reply_encode(const struct wire_master_reply *in, struct buffer *out);

struct wire_master_query {
	uint64_t number;
	bool brief;
	uint64_t generation_of;
};
int wire_master_query_decode(struct slice in, struct arena *arena,
			     struct wire_master_query *out) MUST_CHECK;
void wire_master_query_encode(const struct wire_master_query *in, struct buffer *out);

/* ---- kv.proto ---- */

enum wire_kv_kind {
	WIRE_KV_NONE,
#define X(name, number, ...) WIRE_KV_##name = (number),
	OPERATION_MAP(X)
#undef X
};
struct wire_kv_op {
	enum wire_kv_kind kind; /* decode refuses NONE and unknown kinds */
	bool absent;
	struct slice key, value, expect;
	int64_t delta;
};
enum wire_kv_target { WIRE_KV_VALUE, WIRE_KV_VERSION, WIRE_KV_MODIFICATION, WIRE_KV_EXISTS };
enum wire_kv_relation { WIRE_KV_EQUAL, WIRE_KV_NOT_EQUAL, WIRE_KV_LESS, WIRE_KV_GREATER };
struct wire_kv_compare {
	enum wire_kv_target target;
	enum wire_kv_relation relation;
	struct slice key, value;
	uint64_t number;
};
struct wire_kv_internal {
	struct slice config; /* encoded Config; empty: none */
	uint32_t ngranted;
	uint32_t *granted;
	uint64_t granted_config;
};
struct wire_kv_command {
	uint32_t nthen, nwhen, notherwise;
	struct wire_kv_op *then;
	struct wire_kv_compare *when;
	struct wire_kv_op *otherwise;
	bool transaction;
	bool has_internal;
	struct wire_kv_internal internal;
};
int wire_kv_command_decode(struct slice in, struct arena *arena,
			   struct wire_kv_command *out) MUST_CHECK;
/*
 * For looking ahead: the keys of the operations and compares, at most `max`, without decoding the
 * rest. Returns how many. What is malformed, or not the key, is passed over in silence: the decoder
 * will say so.
 */
uint32_t wire_kv_command_keys(struct slice in, struct slice keys[], uint32_t max);
void wire_kv_command_encode(const struct wire_kv_command *in, struct buffer *out);

struct wire_kv_result {
	int status; /* 0 or a STATUS_… */
	struct slice value;
	uint64_t version, modification;
	uint64_t omitted; /* not 0: the value was so long, and is not known any more */
};
struct wire_kv_reply {
	bool succeeded;
	uint32_t nresults;
	struct wire_kv_result *results;
};
int wire_kv_reply_decode(struct slice in, struct arena *arena,
			 struct wire_kv_reply *out) MUST_CHECK;
void wire_kv_reply_encode(const struct wire_kv_reply *in, struct buffer *out);

struct wire_kv_scan {
	struct slice start, end;
	uint32_t limit;
	bool keys_only, count_only, reverse;
	uint64_t config;
};
struct wire_kv_query {
	uint32_t nkeys;
	struct slice *keys;
	bool has_scan;
	struct wire_kv_scan scan;
};
int wire_kv_query_decode(struct slice in, struct arena *arena,
			 struct wire_kv_query *out) MUST_CHECK;
/* As wire_kv_command_keys(). */
uint32_t wire_kv_query_keys(struct slice in, struct slice keys[], uint32_t max);
void wire_kv_query_encode(const struct wire_kv_query *in, struct buffer *out);

struct wire_kv_record {
	struct slice key, value;
	uint64_t version, modification;
};
struct wire_kv_query_reply {
	uint32_t nresults;
	struct wire_kv_result *results;
	uint32_t nrecords;
	struct wire_kv_record *records;
	bool more;
	struct slice resume;
	uint64_t count;
};
int wire_kv_query_reply_decode(struct slice in, struct arena *arena,
			       struct wire_kv_query_reply *out) MUST_CHECK;
void wire_kv_query_reply_encode(const struct wire_kv_query_reply *in, struct buffer *out);

#endif
