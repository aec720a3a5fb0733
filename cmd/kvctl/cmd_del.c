/*
 * del: single keys, or all below a prefix.
 *
 * --prefix is a scan and deletions of what it finds, page after page, many under way at once: no
 * transaction. Every key that existed when it began is deleted; one that comes into being meanwhile
 * may or may not be. A failure in the middle leaves the rest in place, and to repeat the command is
 * safe.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kvctl.h"

#define PAGE_KEYS 1000u
#define WINDOW 128u /* deletions under way */
/* timeouts without any progress before it is given up: with the default one, a minute */
#define PATIENCE 12u
#define PAUSE_US 20000u
#define BUSY_PAUSE_US 1000u

static struct synod_bytes bytes_of(const char *text)
{
	return (struct synod_bytes){.data = text, .len = strlen(text)};
}

static void print_deleted(const struct kvctl *kvctl, uint64_t deleted)
{
	if (kvctl->json)
		kvctl_print_json(json_pack("{s:o}", "deleted", kvctl_json_u64(deleted)));
	else
		printf("%" PRIu64 "\n", deleted);
}

/* ---- single keys ---- */

static int delete_keys(struct kvctl *kvctl, int count, char **keys)
{
	uint64_t deleted = 0;
	int exit_code = EXIT_OK;
	for (int i = 0; i < count && exit_code == EXIT_OK; i++) {
		struct synod_op op = {.kind = SYNOD_OP_DELETE, .key = bytes_of(keys[i])};
		struct synod_reply *reply = kvctl_do(kvctl, &op);
		int one = reply != NULL ? kvctl_exit_code(reply->status) : EXIT_USAGE;
		deleted += one == EXIT_OK;
		if (one != EXIT_OK && one != EXIT_NOT_FOUND) {
			/* Which key failed matters when there are several. */
			if (reply != NULL && count > 1)
				kvctl_error(kvctl, "at key %s:", keys[i]);
			if (reply != NULL)
				kvctl_failed(kvctl, reply->status, reply->message);
			exit_code = one;
		}
		synod_reply_free(reply);
	}
	print_deleted(kvctl, deleted);
	return exit_code == EXIT_OK && deleted == 0 ? EXIT_NOT_FOUND
						    : kvctl_partly(kvctl, exit_code);
}

/* ---- a prefix ---- */

struct sweep {
	struct kvctl *kvctl;
	struct synod *synod;
	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t changed;
	unsigned under_way;
	uint64_t deleted;
	uint64_t progress_ms; /* when something was last found or deleted */
	/* some deletion may or may not have been applied when it was given up */
	bool unknown;
	int status; /* of the first that failed for good; SYNOD_OK: none */
	char message[256];
};

struct deletion {
	struct sweep *sweep;
	struct synod_bytes key;
	bool unknown, again;
};

static bool worth_another_try(const struct sweep *sweep, int status)
{
	bool moment = status == SYNOD_UNAVAILABLE || status == SYNOD_UNKNOWN ||
		      status == SYNOD_BUSY || status == SYNOD_SESSION_EXPIRED;
	return moment &&
	       kvctl_now_ms() - sweep->progress_ms < (uint64_t)PATIENCE * sweep->kvctl->timeout_ms;
}

static void on_done(void *context, const struct synod_reply *reply)
{
	struct deletion *deletion = context;
	struct sweep *sweep = deletion->sweep;
	pthread_mutex_lock(&sweep->mutex);
	bool failed = reply->status != SYNOD_OK && reply->status != SYNOD_NOT_FOUND;
	/* What an attempt without an answer has done is found missing by the next. */
	sweep->deleted += reply->status == SYNOD_OK ||
			  (reply->status == SYNOD_NOT_FOUND && deletion->unknown);
	deletion->unknown |= reply->status == SYNOD_UNKNOWN;
	deletion->again = failed && worth_another_try(sweep, reply->status);
	if (!failed)
		sweep->progress_ms = kvctl_now_ms();
	if (failed && !deletion->again) {
		sweep->unknown |= deletion->unknown;
		if (sweep->status == SYNOD_OK) {
			sweep->status = reply->status;
			snprintf(sweep->message, sizeof sweep->message, "%s", reply->message);
		}
	}
	sweep->under_way--;
	pthread_cond_signal(&sweep->changed);
	pthread_mutex_unlock(&sweep->mutex);
}

static void wait_below(struct sweep *sweep, unsigned limit)
{
	pthread_mutex_lock(&sweep->mutex);
	while (sweep->under_way >= limit)
		pthread_cond_wait(&sweep->changed, &sweep->mutex);
	pthread_mutex_unlock(&sweep->mutex);
}

static void start(struct deletion *deletion)
{
	struct sweep *sweep = deletion->sweep;
	struct synod_op op = {.kind = SYNOD_OP_DELETE, .key = deletion->key};
	int status;
	wait_below(sweep, WINDOW);
	pthread_mutex_lock(&sweep->mutex);
	sweep->under_way++;
	pthread_mutex_unlock(&sweep->mutex);
	deletion->again = false;
	while ((status = synod_op_async(sweep->synod, &op, sweep->kvctl->timeout_ms, on_done,
					deletion)) == SYNOD_BUSY)
		usleep(BUSY_PAUSE_US);
	if (status != SYNOD_OK)
		on_done(deletion, &(struct synod_reply){.status = status,
							.message = synod_status_text(status)});
}

/*
 * Deletes a page's keys; those that a failure of the moment met again, as long as nothing has
 * failed for good.
 */
static void delete_page(struct sweep *sweep, const struct synod_reply *page)
{
	struct deletion *deletions = calloc(page->nrecords + 1, sizeof *deletions);
	if (deletions == NULL) {
		sweep->status = SYNOD_NO_MEMORY;
		return;
	}
	for (size_t i = 0; i < page->nrecords; i++)
		deletions[i] = (struct deletion){
			.sweep = sweep, .key = page->records[i].key, .again = true};
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < page->nrecords; i++) {
			pthread_mutex_lock(&sweep->mutex);
			bool go = deletions[i].again && sweep->status == SYNOD_OK;
			pthread_mutex_unlock(&sweep->mutex);
			if (go)
				start(&deletions[i]);
		}
		wait_below(sweep, 1);
		for (size_t i = 0; i < page->nrecords; i++)
			more |= deletions[i].again && sweep->status == SYNOD_OK;
		if (more)
			usleep(PAUSE_US);
	}
	for (size_t i = 0; i < page->nrecords; i++)
		sweep->unknown |= deletions[i].again && deletions[i].unknown;
	free(deletions);
}

static void sweep_range(struct sweep *sweep, struct synod_scan *scan)
{
	struct synod_reply *page = NULL;
	bool more = true;
	while (more && sweep->status == SYNOD_OK) {
		struct synod_reply *next = synod_do_scan(sweep->synod, scan,
							 sweep->kvctl->timeout_ms);
		if (page != NULL && worth_another_try(sweep, next->status)) {
			/* It has begun: an election in the middle is no reason to stop there. */
			synod_reply_free(next);
			usleep(PAUSE_US);
			continue;
		}
		/* The start of the scan was in the page before. */
		synod_reply_free(page);
		page = next;
		if (page->status == SYNOD_OK) {
			sweep->progress_ms = kvctl_now_ms();
			delete_page(sweep, page);
		} else {
			/* A scan changes nothing, whether it has been answered or not. */
			sweep->status = page->status == SYNOD_UNKNOWN ? SYNOD_UNAVAILABLE
								      : page->status;
			snprintf(sweep->message, sizeof sweep->message, "%s", page->message);
		}
		more = page->more;
		kvctl_scan_on(scan, page);
	}
	synod_reply_free(page);
}

static int delete_prefix(struct kvctl *kvctl, const char *prefix)
{
	struct sweep sweep = {.kvctl = kvctl, .synod = kvctl_synod(kvctl)};
	struct synod_scan scan = {.limit = PAGE_KEYS, .keys_only = true};
	char *storage = malloc(strlen(prefix) + 1);
	if (sweep.synod == NULL || storage == NULL) {
		free(storage);
		return EXIT_USAGE;
	}
	pthread_mutex_init(&sweep.mutex, NULL);
	pthread_cond_init(&sweep.changed, NULL);
	synod_scan_prefix(&scan, prefix, strlen(prefix), storage);
	sweep_range(&sweep, &scan);
	pthread_cond_destroy(&sweep.changed);
	pthread_mutex_destroy(&sweep.mutex);
	free(storage);
	kvctl->applied |= sweep.deleted > 0;
	print_deleted(kvctl, sweep.deleted);
	int exit_code = kvctl_failed(kvctl, sweep.status, sweep.message);
	if (exit_code != EXIT_OK)
		kvctl_error(kvctl,
			    "stopped in the middle: %" PRIu64
			    " keys were deleted%s; to repeat it is safe",
			    sweep.deleted, sweep.unknown ? " for certain, some more perhaps" : "");
	if (exit_code == EXIT_UNAVAILABLE && sweep.unknown)
		exit_code = EXIT_UNKNOWN;
	return kvctl_partly(kvctl, exit_code);
}

int kvctl_del(struct kvctl *kvctl, int argc, char **argv)
{
	enum { DEL_PREFIX, DEL_YES };
	static const struct option options[] = {
		{"prefix", required_argument, NULL, KVCTL_OPTION(DEL_PREFIX)},
		{"yes", no_argument, NULL, KVCTL_OPTION(DEL_YES)},
		{0},
	};
	const char *prefix = NULL;
	bool yes = false;
	int option;
	kvctl_options_begin(argc, argv);
	while ((option = kvctl_next_option(kvctl, argc, argv, options)) >= 0 && option != '?') {
		if (option == KVCTL_OPTION(DEL_PREFIX))
			prefix = kvctl_option_text(optarg);
		yes |= option == KVCTL_OPTION(DEL_YES);
	}
	kvctl_options_end(argc, argv);
	int count = argc - optind;
	if (option == '?')
		return EXIT_USAGE;
	if (prefix == NULL) {
		int exit_code = kvctl_check_operands(kvctl, count, 1, INT32_MAX);
		for (int i = 0; exit_code == EXIT_OK && i < count; i++)
			if (argv[optind + i][0] == '\0')
				exit_code = kvctl_usage(kvctl, "the key is empty");
		return exit_code == EXIT_OK ? delete_keys(kvctl, count, argv + optind) : exit_code;
	}
	if (count > 0)
		return kvctl_usage(kvctl, "--prefix P stands alone");
	if (kvctl->primary)
		return kvctl_usage(kvctl, "a primary is asked for single keys");
	if (prefix[0] == '\0' && !yes)
		return kvctl_usage(kvctl,
				   "--prefix \"\" deletes every key: say --yes if that is meant");
	return delete_prefix(kvctl, prefix);
}
