/* A status as JSON. */
#include "rsm/status_json.h"

#include <inttypes.h>

#include "base/log_json.h"
#include "core/ballot.h"

/* Every member but the first is preceded by a comma; `name` comes with it. */
static void put_text(struct buffer *out, const char *name, struct slice value)
{
	buffer_format(out, "%s\":", name);
	log_json_string(out, value);
}

static void put_number(struct buffer *out, const char *name, uint64_t value)
{
	buffer_format(out, "%s\":%" PRIu64, name, value);
}

static void put_peers(struct buffer *out, const struct wire_status *status)
{
	buffer_format(out, ",\"peers\":[");
	for (uint32_t i = 0; i < status->npeers; i++) {
		const struct wire_peer_status *peer = &status->peers[i];
		put_number(out, i == 0 ? "{\"replica" : ",{\"replica", peer->replica);
		put_text(out, ",\"address", peer->address);
		put_number(out, ",\"matched", peer->matched);
		put_number(out, ",\"last_heard_ms", peer->last_heard_ms);
		buffer_format(out, "}");
	}
	buffer_format(out, "]");
}

void status_json_open(const struct wire_status *status, struct buffer *out)
{
	bool leads = slice_equal(status->state, slice_string("leader")) ||
		     slice_equal(status->state, slice_string("primary"));

	char ballot[BALLOT_TEXT_BYTES];
	put_text(out, "{\"name", status->name);
	put_text(out, ",\"role", status->role);
	put_number(out, ",\"group", status->group);
	put_number(out, ",\"replica", status->replica);
	buffer_format(out, ",\"up\":true,\"leader\":%s", leads ? "true" : "false");
	put_text(out, ",\"state", status->state);
	put_text(out, ",\"leader_name", status->leader_name);
	put_text(out, ",\"leader_address", status->leader);
	buffer_format(out, ",\"ballot\":\"%s\"", ballot_text(status->ballot, ballot));
	put_number(out, ",\"chosen", status->chosen);
	put_number(out, ",\"applied", status->applied);
	put_number(out, ",\"lag",
		   status->chosen > status->applied ? status->chosen - status->applied : 0);
	put_number(out, ",\"log_first", status->log_first);
	put_number(out, ",\"log_last", status->log_last);
	put_number(out, ",\"snapshot", status->snapshot);
	put_number(out, ",\"keys", status->keys);
	put_number(out, ",\"data_bytes", status->data_bytes);
	put_number(out, ",\"disk_bytes", status->disk_bytes);
	put_number(out, ",\"config", status->config);
	put_number(out, ",\"sessions", status->sessions);
	put_number(out, ",\"state_hash_slot", status->state_hash_slot);
	put_number(out, ",\"state_diverged", status->state_diverged);
	put_number(out, ",\"state_undecided", status->state_undecided);
	put_number(out, ",\"uptime_ms", status->uptime_ms);
	put_text(out, ",\"version", status->version);
	put_peers(out, status);
}

void status_json(const struct wire_status *status, struct buffer *out)
{
	status_json_open(status, out);
	buffer_format(out, "}");
}
