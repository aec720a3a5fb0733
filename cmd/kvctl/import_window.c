/*
 * A window of puts under way. A put may be sent again safely, also when its outcome is unknown:
 * nobody else is expected to write these keys, and two records with the same key are never under
 * way together. So an import outlives an election.
 */
#include <inttypes.h>
#include <unistd.h>

#include "import.h"

/* With the default timeout of a request this is a minute. */
#define ATTEMPTS_MAX 12u
#define RETRY_PAUSE_US 50000u
#define BUSY_PAUSE_US 1000u
#define COMPLAINTS_MAX 20u

static uint64_t hash_of(struct slice s)
{
	/* FNV-1a */
	uint64_t hash = 14695981039346656037ull;
	for (size_t i = 0; i < s.len; i++)
		hash = (hash ^ s.data[i]) * 1099511628211ull;
	return hash;
}

static bool worth_another_try(int status)
{
	return status == SYNOD_UNAVAILABLE || status == SYNOD_UNKNOWN || status == SYNOD_BUSY ||
	       status == SYNOD_SESSION_EXPIRED;
}

static void on_done(void *context, const struct synod_reply *reply)
{
	struct import_slot *slot = context;
	struct import *import = slot->import;
	pthread_mutex_lock(&import->mutex);
	slot->status = reply->status;
	slot->unknown |= reply->status == SYNOD_UNKNOWN;
	if (reply->status == SYNOD_OK) {
		slot->state = IMPORT_FREE;
		import->busy--;
		import->imported++;
	} else {
		snprintf(slot->message, sizeof slot->message, "%s", reply->message);
		slot->state = worth_another_try(reply->status) && slot->attempts < ATTEMPTS_MAX
				      ? IMPORT_AGAIN
				      : IMPORT_FAILED;
	}
	pthread_cond_signal(&import->changed);
	pthread_mutex_unlock(&import->mutex);
}

/* Without the mutex: the callback may come before this returns. */
static void send_slot(struct import *import, struct import_slot *slot)
{
	const char *data = (const char *)slot->bytes.data;
	struct synod_op op = {
		.kind = SYNOD_OP_PUT,
		.key = {.data = data, .len = slot->key_len},
		.value = {.data = data + slot->key_len, .len = slot->bytes.len - slot->key_len},
	};
	slot->attempts++;
	slot->state = IMPORT_SENT;
	int status;
	/* Large values fill the handle before they fill the window. */
	while ((status = synod_op_async(import->synod, &op, import->kvctl->timeout_ms, on_done,
					slot)) == SYNOD_BUSY)
		usleep(BUSY_PAUSE_US);
	if (status != SYNOD_OK)
		on_done(slot, &(struct synod_reply){.status = status,
						    .message = synod_status_text(status)});
}

/* A record that will not be written: said once, counted always. */
static void settle_failed(struct import *import, struct import_slot *slot)
{
	bool refused = !worth_another_try(slot->status);
	if (refused && import->refused < COMPLAINTS_MAX)
		kvctl_error(import->kvctl, "line %" PRIu64 ": %s", slot->line, slot->message);
	else if (!refused && !import->given_up)
		kvctl_error(import->kvctl, "line %" PRIu64 ": given up after %u attempts: %s",
			    slot->line, slot->attempts, slot->message);
	import->refused += refused;
	import->unknown |= slot->unknown;
	import->given_up |= !refused;
	int exit_code = kvctl_exit_code(slot->status);
	if (exit_code > import->worst || import->worst == EXIT_OK)
		import->worst = exit_code;
	slot->state = IMPORT_FREE;
	import->busy--;
}

/*
 * Deals with the slots that have come back without success. With the mutex, which is given up
 * meanwhile.
 */
static void serve_failures(struct import *import)
{
	for (unsigned i = 0; i < IMPORT_WINDOW; i++) {
		struct import_slot *slot = &import->slots[i];
		if (slot->state == IMPORT_FAILED ||
		    (slot->state == IMPORT_AGAIN && import->given_up)) {
			settle_failed(import, slot);
		} else if (slot->state == IMPORT_AGAIN) {
			pthread_mutex_unlock(&import->mutex);
			/* A refusal that came at once must not become a busy loop. */
			usleep(slot->attempts < 3 ? 1000 : RETRY_PAUSE_US);
			send_slot(import, slot);
			pthread_mutex_lock(&import->mutex);
		}
	}
}

/* A free slot, if the window has one and the key is not under way; with the mutex. */
static struct import_slot *find_slot(struct import *import, uint64_t hash)
{
	struct import_slot *found = NULL;
	for (unsigned i = 0; i < IMPORT_WINDOW; i++) {
		struct import_slot *slot = &import->slots[i];
		if (slot->state == IMPORT_FREE)
			found = slot;
		else if (slot->hash == hash)
			return NULL;
	}
	return found;
}

void import_send(struct import *import, struct buffer *bytes_take, size_t key_len, uint64_t line)
{
	uint64_t hash = hash_of(slice(bytes_take->data, key_len));
	struct import_slot *slot;
	pthread_mutex_lock(&import->mutex);
	serve_failures(import);
	while ((slot = find_slot(import, hash)) == NULL) {
		pthread_cond_wait(&import->changed, &import->mutex);
		serve_failures(import);
	}
	import->busy++;
	slot->state = IMPORT_SENT;
	pthread_mutex_unlock(&import->mutex);
	buffer_free(&slot->bytes);
	slot->bytes = *bytes_take;
	*bytes_take = (struct buffer){0};
	slot->key_len = key_len;
	slot->hash = hash;
	slot->line = line;
	slot->attempts = 0;
	slot->unknown = false;
	send_slot(import, slot);
}

void import_drain(struct import *import)
{
	pthread_mutex_lock(&import->mutex);
	serve_failures(import);
	while (import->busy > 0) {
		pthread_cond_wait(&import->changed, &import->mutex);
		serve_failures(import);
	}
	pthread_mutex_unlock(&import->mutex);
}

void import_init(struct import *import, struct kvctl *kvctl, const char *name)
{
	*import = (struct import){.kvctl = kvctl, .name = name};
	pthread_mutex_init(&import->mutex, NULL);
	pthread_cond_init(&import->changed, NULL);
	for (unsigned i = 0; i < IMPORT_WINDOW; i++)
		import->slots[i].import = import;
}

void import_done(struct import *import)
{
	for (unsigned i = 0; i < IMPORT_WINDOW; i++)
		buffer_free(&import->slots[i].bytes);
	pthread_cond_destroy(&import->changed);
	pthread_mutex_destroy(&import->mutex);
}
