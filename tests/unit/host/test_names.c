/*
 * Host names: looked up anew for each connection, in a thread, all addresses tried. The system's
 * resolver is replaced by one of this file, which says what the test wants to hear, when it wants.
 */
#include "host/resolve.h"

#include "../support/check_main.h"
#include "../support/raw.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <unistd.h>

/* ---- a resolver ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static const char *addresses_of_there[3]; /* numeric; those of the name "there" */
static bool hangs;                        /* for every name but "quick" */
static unsigned asked, waiting;

typedef int (*getaddrinfo_function)(const char *, const char *, const struct addrinfo *,
				    struct addrinfo **);

static int numeric(const char *text, const struct addrinfo *hints, struct addrinfo **out)
{
	getaddrinfo_function real = (getaddrinfo_function)dlsym(RTLD_NEXT, "getaddrinfo");
	return real(text, NULL, hints, out);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		struct addrinfo **out)
{
	const char *answers[3] = {"127.0.0.1"};
	if (service != NULL || (hints->ai_flags & AI_NUMERICHOST) != 0)
		return ((getaddrinfo_function)dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints,
									       out);
	pthread_mutex_lock(&lock);
	asked++;
	waiting++;
	while (hangs && strcmp(name, "quick") != 0)
		pthread_cond_wait(&changed, &lock);
	waiting--;
	if (strcmp(name, "there") == 0)
		memcpy(answers, addresses_of_there, sizeof answers);
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	struct addrinfo **end = out;
	*out = NULL;
	for (size_t i = 0; i < 3 && answers[i] != NULL; i++) {
		int result = numeric(answers[i], hints, end);
		if (result != 0)
			return result;
		end = &(*end)->ai_next;
	}
	return *out == NULL ? EAI_NONAME : 0;
}

static void set_there(const char *first, const char *second, bool hang)
{
	pthread_mutex_lock(&lock);
	addresses_of_there[0] = first;
	addresses_of_there[1] = second;
	hangs = hang;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

/* Threads that are left behind end before the test does. */
static void let_go(void)
{
	pthread_mutex_lock(&lock);
	hangs = false;
	pthread_cond_broadcast(&changed);
	while (waiting > 0)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static unsigned waiting_now(void)
{
	pthread_mutex_lock(&lock);
	unsigned now = waiting;
	pthread_mutex_unlock(&lock);
	return now;
}

/* ---- nodes ---- */

static struct echo server, client;
static uint16_t port;
static uint64_t last_id;

static struct host_options options_of(const char *name, const char *listen)
{
	struct host_options options = {
		.cluster = "test", .node = name, .role = "echo", .listen = listen};
	host_settings_default(&options.settings);
	options.settings.reconnect_max_ms = 20;
	options.settings.hello_timeout_ms = 200;
	return options;
}

static void start_server(const char *at)
{
	char address[64];
	snprintf(address, sizeof address, "%s:%u", at, port);
	struct host_options options = options_of("s1", address);
	echo_start(&server, &options);
	port = host_port(server.host);
}

static link_id dial(const char *name)
{
	char address[64];
	snprintf(address, sizeof address, "%s:%u", name, port);
	return node_dial(&client.node, address);
}

static void start_client(void)
{
	struct host_options options = options_of("c1", NULL);
	echo_start(&client, &options);
}

static void ask(link_id to)
{
	last_id++;
	echo_send(&client, to, MESSAGE_REQUEST, last_id, slice(&last_id, sizeof last_id));
}

/* Of the last answer. */
static uint64_t answered_id(void)
{
	uint64_t id = 0;
	if (client.last_payload.len == sizeof id)
		memcpy(&id, client.last_payload.data, sizeof id);
	return id;
}

/* One that repeats its request until it is answered. */
static void talk(link_id to)
{
	uint64_t before = last_id;
	TURN_UNTIL((ask(to), answered_id() > before), client.host, server.host);
}

static void end_both(void)
{
	echo_end(&client);
	echo_end(&server);
	let_go();
}

/* faults: 100. A server comes back with another address: whoever knows its name finds it. */
START_TEST(a_server_with_a_new_address_is_found)
{
	set_there("127.0.0.1", NULL, false);
	start_server("127.0.0.1");
	start_client();
	link_id to = dial("there");
	talk(to);
	unsigned before = asked;
	talk(to);
	ck_assert_uint_eq(asked, before);
	echo_end(&server);
	set_there("127.0.0.7", NULL, false);
	start_server("127.0.0.7");
	talk(to);
	ck_assert_uint_gt(asked, before);
	end_both();
}
END_TEST

/* faults: 100. Nobody at the first address: the second is tried in the same attempt. */
START_TEST(the_second_address_is_tried_in_the_same_attempt)
{
	set_there("127.0.0.9", "127.0.0.1", false);
	start_server("127.0.0.1");
	start_client();
	link_id to = dial("there");
	ask(to);
	TURN_UNTIL(client.replies == 1, client.host, server.host);
	ck_assert_uint_eq(client.downs, 0);
	end_both();
}
END_TEST

/*
 * faults: 100. The first address takes connections and says nothing: the next attempt begins with
 * the second.
 */
START_TEST(after_a_silent_address_the_next_is_tried)
{
	set_there("127.0.0.9", "127.0.0.1", false);
	start_server("127.0.0.1");
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	ck_assert_int_eq(inet_pton(AF_INET, "127.0.0.9", &at.sin_addr), 1);
	int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(silent, (struct sockaddr *)&at, sizeof at), 0);
	ck_assert_int_eq(listen(silent, 8), 0);
	start_client();
	talk(dial("there"));
	ck_assert_uint_gt(client.downs, 0);
	end_both();
	close(silent);
}
END_TEST

/*
 * faults: 100. While a name server does not answer, the loop goes on; others are found; and the
 * host may end.
 */
START_TEST(a_hanging_name_server_stops_no_loop)
{
	set_there("127.0.0.1", NULL, true);
	start_server("127.0.0.1");
	start_client();
	link_id there = dial("there");
	ask(there);
	ask(dial("elsewhere"));
	for (int i = 0; i < 20; i++) {
		char name[16];
		snprintf(name, sizeof name, "name%d", i % 4);
		ask(dial(name));
	}
	TURN_UNTIL(waiting_now() == 6, client.host, server.host);
	talk(dial("quick"));
	/*
	 * In the end the requests are lost, as with a server that is down; but no second thread
	 * asks for the name.
	 */
	TURN_UNTIL(client.downs >= 6, client.host, server.host);
	ask(there);
	for (int i = 0; i < 5; i++)
		turn_some(client.host, server.host);
	ck_assert_uint_le(waiting_now(), RESOLVE_THREADS_MAX);
	ck_assert_uint_eq(waiting_now(), 6);
	end_both();
}
END_TEST

/*
 * faults: 100. More names than threads: they take turns, and all are found when there are answers
 * again.
 */
START_TEST(more_names_than_threads_take_turns)
{
	set_there("127.0.0.1", NULL, true);
	start_server("127.0.0.1");
	start_client();
	for (int i = 0; i < 30; i++) {
		char name[16];
		snprintf(name, sizeof name, "name%d", i);
		ask(dial(name));
	}
	TURN_UNTIL(waiting_now() == RESOLVE_THREADS_MAX, client.host, server.host);
	set_there("127.0.0.1", NULL, false);
	TURN_UNTIL(client.replies + client.downs >= 30, client.host, server.host);
	end_both();
}
END_TEST

/* faults: 100. The name server has gone, the node has not: its last address is as good as ever. */
START_LOOP_TEST(the_last_known_address_is_as_good_as_ever, 0, 2)
{
	set_there("127.0.0.1", NULL, false);
	start_server("127.0.0.1");
	start_client();
	link_id to = dial("there");
	talk(to);
	echo_end(&server);
	set_there(NULL, NULL, _i == 1);
	start_server("127.0.0.1");
	talk(to);
	end_both();
}
END_TEST
