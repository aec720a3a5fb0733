/* The table of request kinds: client/kinds.h. */
#include "client/kinds.h"

#include "wire/method.h"

/* To the group of its keys. */
#define TO_KEYS .step = client_route_to_keys, .recall = client_route_recall
#define TO_MASTERS .step = client_route_to_masters
/* One of the services beside the store. */
#define TO_SERVICE(id) .service = (id), .step = client_service_step
/* One server, once, and nobody in its place. */
#define TO_ONE .start = client_probe_start, .end = client_probe_cancel
/* Those whom it names: the leader among them, or whom they name; a peer may be any paxosd. */
#define TO_NAMED .step = client_route_to_named, .end = client_route_forget_named
#define TO_PEER \
	.service = CLIENT_LOG, .step = client_service_to_peer, .end = client_route_forget_named

/* clang-format off */
const struct client_kind_row client_kinds[CLIENT_KINDS] = {
	[CLIENT_WRITE] = {"write", METHOD_COMMAND, FORM_SESSION, .changes = true, TO_KEYS,
		.decode = client_reply_decode_command},
	[CLIENT_TXN] = {"transaction", METHOD_COMMAND, FORM_SESSION, .changes = true, TO_KEYS,
		.decode = client_reply_decode_txn},
	[CLIENT_READ] = {"read", METHOD_QUERY_UNCONFIRMED, FORM_PLAIN, TO_KEYS,
		.decode = client_reply_decode_read},
	[CLIENT_SCAN] = {"scan", METHOD_QUERY, FORM_PLAIN,
		.step = client_scan_step, .recall = client_scan_recall,
		.release = client_scan_free},
	[CLIENT_MASTER_WRITE] = {"master write", METHOD_COMMAND, FORM_SESSION, .changes = true,
		TO_MASTERS, .decode = client_reply_decode_master},
	[CLIENT_MASTER_READ] = {"master read", METHOD_QUERY, FORM_PLAIN, TO_MASTERS,
		.tell = client_route_tell_masters},

	[CLIENT_STATUS] = {"status", METHOD_STATUS, FORM_PLAIN, TO_ONE,
		.tell = client_probe_measure},
	[CLIENT_TRACE] = {"trace", METHOD_TRACE, FORM_PLAIN, TO_ONE},
	[CLIENT_MEMBERS] = {"members", METHOD_MEMBERS, FORM_PLAIN, TO_ONE},
	[CLIENT_FORCE] = {"force", METHOD_FORCE, FORM_PLAIN, .changes = true, TO_ONE},

	[CLIENT_TRANSFER] = {"transfer", METHOD_TRANSFER, FORM_PLAIN, .changes = true, TO_NAMED},
	[CLIENT_CHANGE] = {"change of members", METHOD_CHANGE_MEMBERS, FORM_PLAIN, .changes = true,
		TO_NAMED, .decode = client_reply_decode_change},

	[CLIENT_PB_WRITE] = {"pb write", METHOD_COMMAND, FORM_SESSION, .changes = true,
		TO_SERVICE(CLIENT_PB), .decode = client_reply_decode_command},
	[CLIENT_PB_READ] = {"pb read", METHOD_QUERY, FORM_PLAIN, TO_SERVICE(CLIENT_PB),
		.decode = client_reply_decode_read},
	[CLIENT_VIEW_READ] = {"view read", METHOD_QUERY, FORM_PLAIN, TO_SERVICE(CLIENT_VIEWS)},
	[CLIENT_VIEW_WRITE] = {"view write", METHOD_COMMAND, FORM_COMMAND, .changes = true,
		TO_SERVICE(CLIENT_VIEWS)},

	[CLIENT_LOG_WRITE] = {"log write", METHOD_LOG_COMMAND, FORM_SESSION, .changes = true,
		TO_SERVICE(CLIENT_LOG), .decode = client_reply_decode_log_write},
	[CLIENT_LOG_READ] = {"log read", METHOD_LOG_QUERY, FORM_PLAIN, TO_SERVICE(CLIENT_LOG),
		.decode = client_reply_decode_log_read},
	[CLIENT_LOG_TAIL] = {"log tail", METHOD_LOG_TAIL, FORM_PLAIN,
		TO_SERVICE(CLIENT_LOG_READERS), .decode = client_reply_decode_log_read},
	[CLIENT_PEER] = {"peer", 0, FORM_PLAIN, TO_PEER},
	[CLIENT_PEER_CHANGE] = {"change at a peer", 0, FORM_PLAIN, .changes = true, TO_PEER},
};
/* clang-format on */
