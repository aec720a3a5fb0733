/* master_watch: the newest configuration at hand, by fetches and long polls. */
#include "shardmaster/watch.h"

#include "../support/check_main.h"
#include "../support/fake_env.h"
#include "shardmaster/config.h"
#include "wire/method.h"
#include "wire/wire.h"

static struct fake_env *fake;
static struct node node;
static const struct node_ops node_ops_none;
static struct caller *caller;
static struct master_watch *watch;
static uint64_t adopted[16]; /* numbers, in order */
static size_t nadopted;
static int refreshed[16];
static size_t nrefreshed;

static void changed(void *context, struct shard_config *config)
{
	ck_assert_ptr_null(context);
	ck_assert_ptr_eq(config, master_watch_config(watch));
	adopted[nadopted++] = config->number;
}

static void on_refreshed(void *context, int status, struct slice error)
{
	(void)error;
	ck_assert_ptr_null(context);
	refreshed[nrefreshed++] = status;
}

static void begin(bool poll)
{
	static const char *const addresses[] = {"m1:1"};

	fake = fake_create();
	node_init(&node, &node_ops_none, &fake->env, &fake->log);
	caller = caller_create(&(struct caller_options){.node = &node});
	caller_set_addresses(caller, addresses, 1);
	watch = master_watch_create(&(struct master_watch_options){.node = &node,
								   .caller = caller,
								   .changed = changed,
								   .refreshed = on_refreshed,
								   .poll = poll});
	nadopted = nrefreshed = 0;
}

static void finish(void)
{
	master_watch_destroy(watch);
	caller_destroy(caller);
	ck_assert_uint_eq(timers_next_us(&fake->timers), UINT64_MAX);
	node_done(&node);
	fake_destroy(fake);
}

/* A configuration with that number: empty if 0, otherwise one group owns all. */
static struct shard_config *make_config(uint64_t number)
{
	struct slice member = slice_string("g1a:7000");

	if (number == 0)
		return shard_config_initial(4);
	struct shard_config *config = shard_config_new(number, 4, 1);
	config->groups[0] = shard_group_new(1, &member, 1);
	shard_config_seal(config);
	return config;
}

/* The next request must be of that method, and ask for that number. */
static struct fake_sent *expect(uint16_t method, uint64_t number)
{
	struct fake_sent *sent = fake_next(fake);
	struct arena arena;
	struct wire_master_query asked;

	ck_assert_ptr_nonnull(sent);
	ck_assert_uint_eq(sent->message.method, method);
	arena_init(&arena, ARENA_BYTES_MAX);
	ck_assert_int_eq(wire_master_query_decode(sent->message.payload, &arena, &asked), 0);
	ck_assert_uint_eq(asked.number, number);
	arena_free(&arena);
	return sent;
}

static void reply_with(const struct fake_sent *sent, int status, uint64_t number)
{
	struct shard_config *config = make_config(number);
	struct buffer payload = {0};

	if (status == 0)
		shard_config_encode(config, &payload);
	struct message reply = fake_reply_message(sent, status, buffer_slice(&payload));
	ck_assert(caller_message(caller, sent->link, &reply));
	buffer_free(&payload);
	shard_config_unref(config);
}

/* It fetches once, then asks again and again for something newer than it has. */
START_TEST(fetches_then_polls)
{
	begin(true);
	ck_assert_ptr_null(master_watch_config(watch));
	master_watch_start(watch);
	reply_with(expect(METHOD_QUERY, UINT64_MAX), 0, 3);
	reply_with(expect(METHOD_WATCH, 3), 0, 5);
	/* A poll that ended without news changes nothing. */
	reply_with(expect(METHOD_WATCH, 5), 0, 5);
	expect(METHOD_WATCH, 5);
	ck_assert_ptr_null(fake_next(fake));
	ck_assert_uint_eq(nadopted, 2);
	ck_assert_uint_eq(adopted[0], 3);
	ck_assert_uint_eq(adopted[1], 5);
	ck_assert_uint_eq(nrefreshed, 0);
	finish();
}
END_TEST

/* Configuration 0 is a configuration: it is adopted, and polled from. */
START_TEST(empty_configuration_is_adopted)
{
	begin(true);
	master_watch_start(watch);
	reply_with(expect(METHOD_QUERY, UINT64_MAX), 0, 0);
	ck_assert_uint_eq(nadopted, 1);
	expect(METHOD_WATCH, 0);
	finish();
}
END_TEST

/* An older answer, delayed on its way, is not adopted. */
START_TEST(never_goes_back)
{
	begin(false);
	master_watch_refresh(watch);
	struct shard_config *config = make_config(9);
	master_watch_offer(watch, config);
	shard_config_unref(config);
	reply_with(expect(METHOD_QUERY, UINT64_MAX), 0, 8);
	ck_assert_uint_eq(nadopted, 1);
	ck_assert_uint_eq(master_watch_config(watch)->number, 9);
	ck_assert_uint_eq(nrefreshed, 1);
	ck_assert_int_eq(refreshed[0], 0);
	/* Without polling nothing more is asked. */
	ck_assert_ptr_null(fake_next(fake));
	finish();
}
END_TEST

/*
 * Refreshes during a fetch share the one fetch that follows it: what they ask for may be newer than
 * what the first one sees.
 */
START_TEST(refreshes_share_the_next_fetch)
{
	begin(false);
	master_watch_refresh(watch);
	struct fake_sent *first = expect(METHOD_QUERY, UINT64_MAX);
	master_watch_refresh(watch);
	master_watch_refresh(watch);
	ck_assert_ptr_null(fake_next(fake));
	reply_with(first, 0, 1);
	ck_assert_uint_eq(nrefreshed, 1);
	reply_with(expect(METHOD_QUERY, UINT64_MAX), 0, 2);
	ck_assert_uint_eq(nrefreshed, 2);
	ck_assert_ptr_null(fake_next(fake));
	ck_assert_uint_eq(master_watch_config(watch)->number, 2);
	finish();
}
END_TEST

/*
 * A failed fetch is told to who asked for it; a failed first fetch or poll is tried again after a
 * while.
 */
START_TEST(failures_are_retried)
{
	begin(true);
	master_watch_start(watch);
	reply_with(expect(METHOD_QUERY, UINT64_MAX), STATUS_BAD_REQUEST, 0);
	ck_assert_ptr_null(fake_next(fake));
	fake_advance(fake, 500000);
	reply_with(expect(METHOD_QUERY, UINT64_MAX), 0, 1);
	reply_with(expect(METHOD_WATCH, 1), STATUS_UNKNOWN_METHOD, 0);
	ck_assert_ptr_null(fake_next(fake));
	fake_advance(fake, 500000);
	expect(METHOD_WATCH, 1);
	master_watch_refresh(watch);
	reply_with(expect(METHOD_QUERY, UINT64_MAX), STATUS_INTERNAL, 0);
	ck_assert_uint_eq(nrefreshed, 1);
	ck_assert_int_eq(refreshed[0], STATUS_INTERNAL);
	finish();
}
END_TEST

/*
 * Who begins with a configuration of its own goes on from there, also when the first fetch fails.
 */
START_TEST(failed_fetch_after_an_offer)
{
	begin(true);
	struct shard_config *own = make_config(3);
	master_watch_offer(watch, own);
	shard_config_unref(own);
	master_watch_start(watch);
	reply_with(expect(METHOD_QUERY, UINT64_MAX), STATUS_BAD_REQUEST, 0);
	fake_advance(fake, 500000);
	reply_with(expect(METHOD_WATCH, 3), 0, 4);
	expect(METHOD_WATCH, 4);
	finish();
}
END_TEST

/* A server that answers with nonsense is treated like one that fails. */
START_TEST(malformed_configuration_is_refused)
{
	begin(true);
	master_watch_start(watch);
	struct fake_sent *sent = expect(METHOD_QUERY, UINT64_MAX);
	struct message reply = fake_reply_message(sent, 0, slice_string("nonsense"));
	ck_assert(caller_message(caller, sent->link, &reply));
	ck_assert_ptr_null(master_watch_config(watch));
	fake_advance(fake, 500000);
	reply_with(expect(METHOD_QUERY, UINT64_MAX), 0, 1);
	ck_assert_uint_eq(nadopted, 1);
	finish();
}
END_TEST

/* The end of the caller, or of the watch, with requests under way is quiet. */
START_TEST(a_watch_ends_quietly)
{
	begin(true);
	master_watch_start(watch);
	master_watch_refresh(watch);
	caller_destroy(caller);
	ck_assert_uint_eq(nrefreshed, 0);
	master_watch_destroy(watch);
	ck_assert_uint_eq(timers_next_us(&fake->timers), UINT64_MAX);
	node_done(&node);
	fake_destroy(fake);
}
END_TEST
