/*
 * Connections that are dead without a sign. The clock is this file's: time passes when the test
 * says so.
 */
#include "../support/check_main.h"
#include "../support/raw.h"

#include <time.h>
#include <unistd.h>

static uint64_t passed_us = 3600000000u;

int clock_gettime(clockid_t id, struct timespec *now)
{
	(void)id;
	now->tv_sec = (time_t)(passed_us / 1000000);
	now->tv_nsec = (long)(passed_us % 1000000) * 1000;
	return 0;
}

static struct echo client;
static int listen_fd;
static link_id to;

/*
 * A client that has a connection to somebody who has said hello, and will say nothing more by
 * himself.
 */
static struct raw start(void)
{
	uint16_t port;
	char address[64];
	struct host_options options = {.cluster = "test", .node = "", .role = ""};
	host_settings_default(&options.settings);
	listen_fd = raw_listen(&port);
	echo_start(&client, &options);
	snprintf(address, sizeof address, "127.0.0.1:%u", port);
	to = node_dial(&client.node, address);
	struct message ping = {.kind = MESSAGE_ONEWAY, .method = METHOD_QUERY};
	node_send(&client.node, to, &ping);
	host_turn(client.host, false);
	struct raw raw = raw_accept(listen_fd, client.host);
	struct buffer out = {0};
	hello_of(&out, MESSAGE_REPLY, PROTOCOL_VERSION, "test", "s1", "");
	ck_assert(raw_send(&raw, buffer_slice(&out)));
	buffer_free(&out);
	turn_some(client.host, NULL);
	return raw;
}

/* Time passes in small steps, in each of which the loop turns; the number of PINGs that came. */
static uint32_t pass(struct raw *raw, uint32_t ms, bool answer)
{
	uint32_t pings = 0;
	struct message message;
	size_t consumed;
	for (uint32_t i = 0; i < ms; i += 50) {
		passed_us += 50000;
		host_turn(client.host, false);
		usleep(100);
		while (!raw->closed && raw_frame(raw, &message, &consumed)) {
			struct buffer out = {0};
			if (message.method == METHOD_PING) {
				pings++;
				frame_of(&out, MESSAGE_REPLY, METHOD_PING, 0, slice(NULL, 0));
			}
			buffer_consume(&raw->in, consumed);
			if (answer && out.len > 0)
				raw_send(raw, buffer_slice(&out));
			buffer_free(&out);
		}
	}
	return pings;
}

static void end(struct raw *raw)
{
	raw_close(raw);
	close(listen_fd);
	echo_end(&client);
}

/* A connection that is merely idle is probed now and then, and ended late. */
START_TEST(an_idle_connection_is_probed_now_and_then)
{
	struct raw raw = start();
	ck_assert_uint_eq(pass(&raw, 1500, false), 0);
	ck_assert_uint_eq(pass(&raw, 1500, false), 1);
	ck_assert_uint_eq(client.downs, 0);
	pass(&raw, 3000, false);
	ck_assert_uint_eq(client.downs, 1);
	end(&raw);
}
END_TEST

/*
 * One along which an answer is due is found dead after two seconds: then there is time to ask
 * again.
 */
START_TEST(a_dead_connection_with_a_request_is_found_early)
{
	struct raw raw = start();
	echo_send(&client, to, MESSAGE_REQUEST, 1, slice_string("x"));
	ck_assert_uint_eq(pass(&raw, 400, false), 0);
	ck_assert_uint_eq(pass(&raw, 600, false), 1);
	ck_assert_uint_eq(client.downs, 0);
	pass(&raw, 1050, false);
	ck_assert_uint_eq(client.downs, 1);
	end(&raw);
}
END_TEST

/*
 * Who answers the probe may take as long for the request as he likes, and is not probed more often
 * than others.
 */
START_TEST(an_answered_probe_leaves_time_for_a_long_request)
{
	struct raw raw = start();
	echo_send(&client, to, MESSAGE_REQUEST, 1, slice_string("x"));
	uint32_t pings = pass(&raw, 20000, true);
	ck_assert_uint_ge(pings, 5);
	ck_assert_uint_le(pings, 11);
	ck_assert_uint_eq(client.downs, 0);
	end(&raw);
}
END_TEST
