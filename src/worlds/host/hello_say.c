/* What a hello says of us, and the question of it. */
#include "host/identity_internal.h"
#include "wire/wire.h"

static void tell(const struct link *link, struct wire_hello *hello)
{
	const struct host_identity *id = link->host->identity;
	hello->nonce = link->nonce;
	hello->cluster_id = host_cluster_id(link->host);
	hello->group_id = id->durable_group_id;
	hello->lost = id->durable_lost;
	hello->disk_life = id->own.life;
	hello->group = id->own.group;
	hello->replica = id->waits ? 0 : id->own.replica;
	hello->members_slot = id->own.members.slot;
	hello->generation = id->own.members.generation;
	if (link->host->advertised != NULL)
		hello->address = slice_string(link->host->advertised);
	hello->nmembers = id->own.members.count;
	for (uint32_t i = 0; i < hello->nmembers; i++)
		hello->members[i] = (struct wire_hello_member){
			.replica = id->own.members.list[i].replica,
			.name = slice_string(id->own.members.list[i].name)};
}

void hello_encode(const struct link *link, const char *target, struct buffer *out)
{
	const struct host *host = link->host;
	struct wire_hello hello = {
		.version = PROTOCOL_VERSION,
		.cluster = slice_string(host->cluster),
		.node = slice_string(host->name),
		.target = slice_string(target),
		.role = slice_string(host->role),
		.life = host->life,
	};
	tell(link, &hello);
	wire_hello_encode(&hello, out);
}

void hello_send(struct link *link)
{
	struct buffer payload = {0};
	hello_encode(link, link->name, &payload);
	struct message message = {
		.kind = MESSAGE_REQUEST,
		.method = METHOD_HELLO,
		.timeout_ms = link->host->settings.hello_timeout_ms,
		.payload = buffer_slice(&payload),
	};
	link_append(link, &message);
	buffer_free(&payload);
}
