/* What a caller asks: one request, made and freed. */
#include "client/request.h"

#include <stdlib.h>

#include "base/hashslot.h"
#include "base/limits.h"
#include "wire/method.h"
#include "wire/paxosd.h"
#include "wire/wire.h"
#include "wire/wire_view.h"

/* Room for the command around a body. */
#define BODY_BYTES_MAX (COMMAND_BYTES_MAX - 128u)
/* Keys of one transaction: each compare and each operation names one. */
#define KEYS_MAX (3u * TXN_OPS_MAX)

/*
 * What encoding needs besides the bytes of keys, values and addresses: for a message, and for each
 * element of a list. With that much room beforehand, encoding allocates nothing, and so cannot run
 * out of memory half-way.
 */
#define MESSAGE_BYTES_MAX 256u
#define ELEMENT_BYTES_MAX 192u
#define NUMBER_BYTES_MAX 24u

static struct slice slice_of(struct synod_bytes bytes)
{
	return slice(bytes.data, bytes.len);
}

/* False: no memory. Room for a body of so many bytes, and for the head of a COMMAND before it. */
static bool body_begin(struct buffer *body, size_t bytes)
{
	if (!buffer_try_reserve(body, CLIENT_HEAD_BYTES + bytes))
		return false;
	body->len = CLIENT_HEAD_BYTES;
	return true;
}

/* A request with room for its slots, and `extra` bytes behind these. */
static int make(struct client_request **out, enum client_kind kind, const uint16_t *slots,
		uint32_t nslots, size_t extra)
{
	size_t slots_bytes = nslots * sizeof *slots;
	struct client_request *request = malloc(sizeof *request + slots_bytes + extra);
	if (request == NULL)
		return STATUS_NO_MEMORY;
	*request = (struct client_request){.kind = kind, .nslots = nslots};
	request->slots = (uint16_t *)(void *)(request + 1);
	if (nslots > 0)
		memcpy(request->slots, slots, slots_bytes);
	list_init(&request->link);
	list_init(&request->waiting);
	*out = request;
	return 0;
}

/* Takes the body over, which body_begin() has begun; or there is none. If it fails, it is freed. */
static int make_take(struct client_request **out, enum client_kind kind, struct buffer *body,
		     const uint16_t *slots, uint32_t nslots)
{
	ASSERT(body->len == 0 || body->len >= CLIENT_HEAD_BYTES);
	bool fits = body->len <= CLIENT_HEAD_BYTES + BODY_BYTES_MAX;
	int status = fits ? make(out, kind, slots, nslots, 0) : STATUS_TOO_LARGE;
	if (status != 0) {
		buffer_free(body);
		return status;
	}
	(*out)->block = body->data;
	if (body->len > 0)
		(*out)->body = slice(body->data + CLIENT_HEAD_BYTES, body->len - CLIENT_HEAD_BYTES);
	*body = (struct buffer){0};
	return 0;
}

void client_request_free(struct client_request *request)
{
	free(request->addresses);
	free(request->expired_why);
	free(request->block);
	free(request);
}

static int read_op(const struct synod_op *op, struct wire_kv_op *out)
{
	if (!operation_exists((uint32_t)op->kind))
		return STATUS_BAD_REQUEST;
	*out = (struct wire_kv_op){
		.kind = (enum wire_kv_kind)op->kind,
		.key = slice_of(op->key),
		.value = slice_of(op->value),
		.expect = slice_of(op->expect),
		.absent = op->absent,
		.delta = op->delta,
	};
	/* Sizes are checked before anything is allocated for them. */
	if (op->key.len > BODY_BYTES_MAX || op->value.len > BODY_BYTES_MAX ||
	    op->expect.len > BODY_BYTES_MAX)
		return STATUS_TOO_LARGE;
	return 0;
}

#define X(name, number, ...) _Static_assert((int)SYNOD_OP_##name == (number), "same numbers");
OPERATION_MAP(X)
#undef X
_Static_assert((int)SYNOD_EXISTS_FLAG == WIRE_KV_EXISTS && (int)SYNOD_GREATER == WIRE_KV_GREATER,
	       "same numbers");

int client_request_op(struct client_request **out, const struct synod_op *op)
{
	struct wire_kv_op wire;
	int status = read_op(op, &wire);
	if (status != 0)
		return status;
	uint16_t slot = (uint16_t)hashslot_of_key(wire.key);
	struct buffer body = {0};
	if (!body_begin(&body, MESSAGE_BYTES_MAX + ELEMENT_BYTES_MAX + op->key.len + op->value.len +
				       op->expect.len))
		return STATUS_NO_MEMORY;
	if (op->kind == SYNOD_OP_GET) {
		wire_kv_query_encode(&(struct wire_kv_query){.nkeys = 1, .keys = &wire.key}, &body);
		return make_take(out, CLIENT_READ, &body, &slot, 1);
	}
	wire_kv_command_encode(&(struct wire_kv_command){.nthen = 1, .then = &wire}, &body);
	return make_take(out, CLIENT_WRITE, &body, &slot, 1);
}

/* The wire form of a transaction while it is being made. */
struct txn_parts {
	struct wire_kv_op then[TXN_OPS_MAX], otherwise[TXN_OPS_MAX];
	struct wire_kv_compare when[TXN_OPS_MAX];
	uint16_t slots[KEYS_MAX];
	uint32_t nslots;
	size_t bytes; /* of keys and values: an early bound */
};

static int add_ops(struct txn_parts *parts, struct wire_kv_op *out, const struct synod_op *ops,
		   size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int status = read_op(&ops[i], &out[i]);
		if (status != 0)
			return status;
		parts->bytes += ops[i].key.len + ops[i].value.len + ops[i].expect.len;
		parts->slots[parts->nslots++] = (uint16_t)hashslot_of_key(out[i].key);
	}
	return parts->bytes <= BODY_BYTES_MAX ? 0 : STATUS_TOO_LARGE;
}

static int add_compares(struct txn_parts *parts, const struct synod_compare *when, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if ((unsigned)when[i].target > SYNOD_EXISTS_FLAG ||
		    (unsigned)when[i].relation > SYNOD_GREATER)
			return STATUS_BAD_REQUEST;
		parts->when[i] = (struct wire_kv_compare){
			.target = (enum wire_kv_target)when[i].target,
			.relation = (enum wire_kv_relation)when[i].relation,
			.key = slice_of(when[i].key),
			.value = slice_of(when[i].value),
			.number = when[i].number,
		};
		parts->bytes += when[i].key.len + when[i].value.len;
		parts->slots[parts->nslots++] = (uint16_t)hashslot_of_key(parts->when[i].key);
	}
	return parts->bytes <= BODY_BYTES_MAX ? 0 : STATUS_TOO_LARGE;
}

static int make_txn(struct client_request **out, const struct synod_txn *txn,
		    struct txn_parts *parts)
{
	int status = add_compares(parts, txn->when, txn->nwhen);
	if (status == 0)
		status = add_ops(parts, parts->then, txn->then, txn->nthen);
	if (status == 0)
		status = add_ops(parts, parts->otherwise, txn->otherwise, txn->notherwise);
	if (status != 0)
		return status;
	struct buffer body = {0};
	if (!body_begin(&body,
			MESSAGE_BYTES_MAX + ELEMENT_BYTES_MAX * parts->nslots + parts->bytes))
		return STATUS_NO_MEMORY;
	struct wire_kv_command command = {
		.nthen = (uint32_t)txn->nthen,
		.then = parts->then,
		.nwhen = (uint32_t)txn->nwhen,
		.when = parts->when,
		.notherwise = (uint32_t)txn->notherwise,
		.otherwise = parts->otherwise,
		.transaction = true,
	};
	wire_kv_command_encode(&command, &body);
	return make_take(out, CLIENT_TXN, &body, parts->slots, parts->nslots);
}

int client_request_txn(struct client_request **out, const struct synod_txn *txn)
{
	if (txn->nwhen > TXN_OPS_MAX || txn->nthen > TXN_OPS_MAX || txn->notherwise > TXN_OPS_MAX)
		return STATUS_TOO_LARGE;
	if (txn->nwhen + txn->nthen + txn->notherwise == 0)
		return STATUS_BAD_REQUEST;
	struct txn_parts *parts = calloc(1, sizeof *parts);
	if (parts == NULL)
		return STATUS_NO_MEMORY;
	int status = make_txn(out, txn, parts);
	free(parts);
	return status;
}

int client_request_pb(struct client_request **out, const struct synod_op *op)
{
	int status = client_request_op(out, op);
	if (status != 0)
		return status;
	/* The bytes are the same; only the way is another: one primary for all keys. */
	(*out)->kind = op->kind == SYNOD_OP_GET ? CLIENT_PB_READ : CLIENT_PB_WRITE;
	(*out)->nslots = 0;
	return 0;
}

int client_request_view(struct client_request **out, bool history, bool servers)
{
	struct buffer body = {0};
	if (!body_begin(&body, MESSAGE_BYTES_MAX))
		return STATUS_NO_MEMORY;
	wire_view_query_encode(&(struct wire_view_query){.history = history, .servers = servers},
			       &body);
	return make_take(out, CLIENT_VIEW_READ, &body, NULL, 0);
}

int client_request_view_reset(struct client_request **out, uint64_t number)
{
	struct buffer body = {0};
	if (!body_begin(&body, MESSAGE_BYTES_MAX))
		return STATUS_NO_MEMORY;
	wire_view_command_encode(
		&(struct wire_view_command){.op = WIRE_VIEW_RESET, .number = number}, &body);
	return make_take(out, CLIENT_VIEW_WRITE, &body, NULL, 0);
}

int client_request_scan(struct client_request **out, const struct synod_scan *scan)
{
	if (scan->start.len > BODY_BYTES_MAX / 4 || scan->end.len > BODY_BYTES_MAX / 4)
		return STATUS_TOO_LARGE;
	int status = make(out, CLIENT_SCAN, NULL, 0, scan->start.len + scan->end.len);
	if (status != 0)
		return status;
	struct client_request *request = *out;
	char *start = (char *)(request + 1), *end = start + scan->start.len;
	if (scan->start.len > 0)
		memcpy(start, scan->start.data, scan->start.len);
	if (scan->end.len > 0)
		memcpy(end, scan->end.data, scan->end.len);
	request->scan = *scan;
	request->scan.start.data = start;
	request->scan.end.data = end;
	if (request->scan.limit == 0)
		request->scan.limit = 1000;
	if (request->scan.limit > SCAN_LIMIT_MAX)
		request->scan.limit = SCAN_LIMIT_MAX;
	return 0;
}

static int make_master(struct client_request **out, const struct wire_master_command *command)
{
	struct buffer body = {0};
	size_t bytes = MESSAGE_BYTES_MAX + (size_t)command->ngids * NUMBER_BYTES_MAX;
	for (uint32_t i = 0; i < command->ngroups; i++) {
		bytes += ELEMENT_BYTES_MAX;
		for (uint32_t j = 0; j < command->groups[i].nmembers; j++)
			bytes += ELEMENT_BYTES_MAX + command->groups[i].members[j].len;
	}
	if (!body_begin(&body, bytes))
		return STATUS_NO_MEMORY;
	wire_master_command_encode(command, &body);
	return make_take(out, CLIENT_MASTER_WRITE, &body, NULL, 0);
}

static bool address_fits(const char *address)
{
	return address != NULL && address[0] != '\0' && strlen(address) <= ADDRESS_BYTES_MAX;
}

static int read_group(const struct synod_group *group, struct wire_group *out)
{
	if (group->nmembers == 0 || group->nmembers > REPLICAS_MAX)
		return STATUS_BAD_REQUEST;
	*out = (struct wire_group){.gid = group->gid, .nmembers = (uint32_t)group->nmembers};
	for (size_t i = 0; i < group->nmembers; i++) {
		if (!address_fits(group->members[i]))
			return STATUS_BAD_REQUEST;
		out->members[i] = slice_string(group->members[i]);
	}
	return 0;
}

int client_request_join(struct client_request **out, const struct synod_group *groups,
			size_t ngroups)
{
	if (ngroups == 0 || ngroups > GROUPS_MAX)
		return STATUS_BAD_REQUEST;
	struct wire_group *wire = calloc(ngroups, sizeof *wire);
	if (wire == NULL)
		return STATUS_NO_MEMORY;
	int status = 0;
	for (size_t i = 0; i < ngroups && status == 0; i++)
		status = read_group(&groups[i], &wire[i]);
	if (status == 0)
		status = make_master(out, &(struct wire_master_command){
						  .op = WIRE_MASTER_JOIN,
						  .ngroups = (uint32_t)ngroups,
						  .groups = wire,
					  });
	free(wire);
	return status;
}

int client_request_leave(struct client_request **out, const uint64_t *gids, size_t ngids)
{
	if (ngids == 0 || ngids > GROUPS_MAX)
		return STATUS_BAD_REQUEST;
	uint64_t *copy = calloc(ngids, sizeof *copy);
	if (copy == NULL)
		return STATUS_NO_MEMORY;
	memcpy(copy, gids, ngids * sizeof *copy);
	int status = make_master(out, &(struct wire_master_command){
					      .op = WIRE_MASTER_LEAVE,
					      .ngids = (uint32_t)ngids,
					      .gids = copy,
				      });
	free(copy);
	return status;
}

int client_request_move(struct client_request **out, uint32_t shard, uint64_t gid)
{
	return make_master(out, &(struct wire_master_command){
					.op = WIRE_MASTER_MOVE, .shard = shard, .gid = gid});
}

int client_request_rebalance(struct client_request **out)
{
	return make_master(out, &(struct wire_master_command){.op = WIRE_MASTER_REBALANCE});
}

int client_request_config(struct client_request **out, uint64_t number)
{
	struct buffer body = {0};
	if (!body_begin(&body, MESSAGE_BYTES_MAX))
		return STATUS_NO_MEMORY;
	wire_master_query_encode(&(struct wire_master_query){.number = number}, &body);
	return make_take(out, CLIENT_MASTER_READ, &body, NULL, 0);
}

/* Pointers and strings in one block of their own, which client_request_free() frees. */
static int add_addresses(struct client_request *request, const char *const *addresses, size_t count)
{
	size_t bytes = count * sizeof *request->addresses;
	for (size_t i = 0; i < count; i++)
		bytes += strlen(addresses[i]) + 1;
	request->addresses = malloc(bytes);
	if (request->addresses == NULL)
		return STATUS_NO_MEMORY;
	char *text = (char *)(request->addresses + count);
	for (size_t i = 0; i < count; i++) {
		request->addresses[i] = strcpy(text, addresses[i]);
		text += strlen(text) + 1;
	}
	request->naddresses = (uint32_t)count;
	return 0;
}

static int make_addressed(struct client_request **out, enum client_kind kind, struct buffer *body,
			  const char *const *addresses, size_t count)
{
	bool fits = count > 0 && count <= MEMBERS_MAX;
	for (size_t i = 0; i < count && fits; i++)
		fits = address_fits(addresses[i]);
	if (!fits) {
		buffer_free(body);
		return STATUS_BAD_REQUEST;
	}
	struct client_request *request;
	int status = make_take(&request, kind, body, NULL, 0);
	if (status != 0)
		return status;
	status = add_addresses(request, addresses, count);
	if (status != 0) {
		client_request_free(request);
		return status;
	}
	*out = request;
	return 0;
}

int client_request_status(struct client_request **out, const char *address)
{
	return make_addressed(out, CLIENT_STATUS, &(struct buffer){0}, &address, 1);
}

int client_request_trace(struct client_request **out, const char *address, uint64_t id)
{
	struct buffer body = {0};
	if (!body_begin(&body, MESSAGE_BYTES_MAX))
		return STATUS_NO_MEMORY;
	wire_trace_request_encode(id, &body);
	return address != NULL ? make_addressed(out, CLIENT_TRACE, &body, &address, 1)
			       : make_take(out, CLIENT_TRACE, &body, NULL, 0);
}

int client_request_transfer(struct client_request **out, const char *const *members,
			    size_t nmembers, uint32_t replica)
{
	struct buffer body = {0};
	if (!body_begin(&body, MESSAGE_BYTES_MAX))
		return STATUS_NO_MEMORY;
	wire_transfer_encode(replica, &body);
	return make_addressed(out, CLIENT_TRANSFER, &body, members, nmembers);
}

int client_request_members(struct client_request **out, const char *address)
{
	return make_addressed(out, CLIENT_MEMBERS, &(struct buffer){0}, &address, 1);
}

int client_request_force(struct client_request **out, const char *address, uint32_t generation)
{
	struct buffer body = {0};
	if (!body_begin(&body, MESSAGE_BYTES_MAX))
		return STATUS_NO_MEMORY;
	wire_force_encode(
		&(struct wire_force){.confirmed = generation != 0, .generation = generation},
		&body);
	return make_addressed(out, CLIENT_FORCE, &body, &address, 1);
}

int client_request_change(struct client_request **out, const char *const *members, size_t nmembers,
			  const struct synod_member_change *change)
{
	struct buffer body = {0};
	const char *name = change->name != NULL ? change->name : "",
		   *address = change->address != NULL ? change->address : "";
	if (change->op < SYNOD_MEMBER_ADD || change->op > SYNOD_MEMBER_PROMOTE ||
	    strlen(name) > NAME_BYTES_MAX || strlen(address) > ADDRESS_BYTES_MAX)
		return STATUS_BAD_REQUEST;
	if (!body_begin(&body, MESSAGE_BYTES_MAX + strlen(name) + strlen(address)))
		return STATUS_NO_MEMORY;
	wire_change_members_encode(
		&(struct wire_change_members){.op = (enum wire_change_op)change->op,
					      .name = slice_string(name),
					      .address = slice_string(address),
					      .number = change->number,
					      .base = change->base},
		&body);
	return make_addressed(out, CLIENT_CHANGE, &body, members, nmembers);
}

_Static_assert((int)SYNOD_MEMBER_ADD == WIRE_CHANGE_ADD &&
		       (int)SYNOD_MEMBER_PROMOTE == WIRE_CHANGE_PROMOTE,
	       "same numbers");

/* ---- paxosd ---- */

int client_request_log_append(struct client_request **out, const struct synod_bytes *values,
			      size_t count, uint64_t at)
{
	if (count == 0)
		return STATUS_BAD_REQUEST;
	if (count > WIRE_LOG_VALUES_MAX)
		return STATUS_TOO_LARGE;
	size_t bytes = MESSAGE_BYTES_MAX;
	struct slice slices[WIRE_LOG_VALUES_MAX];
	for (size_t i = 0; i < count; i++) {
		if (values[i].len > BODY_BYTES_MAX || bytes > BODY_BYTES_MAX + MESSAGE_BYTES_MAX)
			return STATUS_TOO_LARGE;
		slices[i] = slice_of(values[i]);
		bytes += values[i].len + NUMBER_BYTES_MAX;
	}
	struct buffer body = {0};
	if (!body_begin(&body, bytes))
		return STATUS_NO_MEMORY;
	wire_log_command_encode(
		&(struct wire_log_command){.nvalues = (uint32_t)count, .values = slices, .at = at},
		&body);
	return make_take(out, CLIENT_LOG_WRITE, &body, NULL, 0);
}

int client_request_log_trim(struct client_request **out, uint64_t slot)
{
	struct buffer body = {0};
	if (slot == 0)
		return STATUS_BAD_REQUEST;
	if (!body_begin(&body, MESSAGE_BYTES_MAX))
		return STATUS_NO_MEMORY;
	wire_log_command_encode(&(struct wire_log_command){.trim = slot}, &body);
	return make_take(out, CLIENT_LOG_WRITE, &body, NULL, 0);
}

int client_request_log_read(struct client_request **out, bool tail, uint64_t from, uint32_t limit)
{
	struct buffer body = {0};
	if (!body_begin(&body, MESSAGE_BYTES_MAX))
		return STATUS_NO_MEMORY;
	wire_log_query_encode(&(struct wire_log_query){.from = from, .limit = limit}, &body);
	return make_take(out, tail ? CLIENT_LOG_TAIL : CLIENT_LOG_READ, &body, NULL, 0);
}

static int make_peer(struct client_request **out, const char *address, uint16_t method,
		     struct buffer *body)
{
	bool changes = method == METHOD_AGREEMENT_START || method == METHOD_AGREEMENT_DONE;
	enum client_kind kind = changes ? CLIENT_PEER_CHANGE : CLIENT_PEER;
	int status = address != NULL ? make_addressed(out, kind, body, &address, 1)
				     : make_take(out, kind, body, NULL, 0);
	if (status == 0)
		(*out)->method = method;
	return status;
}

int client_request_log_slot(struct client_request **out, const char *address, uint64_t slot)
{
	struct buffer body = {0};
	if (!body_begin(&body, MESSAGE_BYTES_MAX))
		return STATUS_NO_MEMORY;
	wire_log_query_encode(&(struct wire_log_query){.from = slot}, &body);
	return make_peer(out, address, METHOD_LOG_SLOT, &body);
}

int client_request_agreement(struct client_request **out, const char *address, uint16_t method,
			     uint64_t seq, struct synod_bytes value)
{
	struct buffer body = {0};
	if (value.len > BODY_BYTES_MAX)
		return STATUS_TOO_LARGE;
	if (!body_begin(&body, MESSAGE_BYTES_MAX + value.len))
		return STATUS_NO_MEMORY;
	wire_agreement_request_encode(
		&(struct wire_agreement_request){.seq = seq, .value = slice_of(value)}, &body);
	return make_peer(out, address, method, &body);
}
