/*
 * Requests a second through the transport alone: a server host and a client host with `connections`
 * links (each under an address of its own that is routed to the one server), each link keeping
 * `pipeline` requests of `size` bytes open.
 *
 *   bench_echo [connections] [pipeline] [size] [seconds]
 *
 * The server's thread is the measured core: its processor time is reported too.
 */
#include <inttypes.h>
#include <pthread.h>
#include <time.h>

#include "../unit/host/echo.h"
#include "base/alloc.h"

struct load {
	struct echo echo; /* first */
	link_id links[1024];
	uint64_t next_id, done;
	size_t size;
	uint8_t payload[65536];
};

static struct load load;
static struct echo server;
static uint64_t server_cpu_us;

static uint64_t clock_us(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void load_message(struct node *node, link_id from, const struct message *message)
{
	(void)node;
	if (message->kind != MESSAGE_REPLY)
		return;
	load.done++;
	echo_send(&load.echo, from, MESSAGE_REQUEST, ++load.next_id,
		  slice(load.payload, load.size));
}

static void *run_server(void *context)
{
	(void)context;
	host_run(server.host);
	server_cpu_us = clock_us(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static void stop_server(void *context)
{
	(void)context;
	host_stop(server.host);
}

int main(int argc, char **argv)
{
	unsigned connections = argc > 1 ? (unsigned)atoi(argv[1]) : 64;
	unsigned pipeline = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
	load.size = argc > 3 ? (size_t)atoi(argv[3]) : 32;
	double seconds = argc > 4 ? atof(argv[4]) : 2;
	if (connections == 0 || connections > 1024 || pipeline == 0 ||
	    load.size > sizeof load.payload)
		return 64;

	struct host_options options = {
		.cluster = "bench", .node = "s", .role = "echo", .listen = "127.0.0.1:0"};
	host_settings_default(&options.settings);
	echo_start(&server, &options);
	server.log.level = LOG_WARN;

	struct host_peer *peers = alloc_zeroed(connections, sizeof *peers);
	char *route = alloc_format("127.0.0.1:%u", host_port(server.host));
	for (unsigned i = 0; i < connections; i++)
		peers[i] = (struct host_peer){
			.name = "s", .address = alloc_format("link-%u:1", i), .route = route};
	struct host_options client_options = {
		.cluster = "bench", .node = "", .role = "", .npeers = connections, .peers = peers};
	host_settings_default(&client_options.settings);
	echo_start(&load.echo, &client_options);
	struct node_ops ops = ECHO_OPS;
	ops.message = load_message;
	load.echo.node.ops = &ops;
	load.echo.log.level = LOG_WARN;

	pthread_t thread;
	pthread_create(&thread, NULL, run_server, NULL);
	for (unsigned i = 0; i < connections; i++) {
		link_id link = node_dial(&load.echo.node, peers[i].address);
		for (unsigned k = 0; k < pipeline; k++)
			echo_send(&load.echo, link, MESSAGE_REQUEST, ++load.next_id,
				  slice(load.payload, load.size));
	}
	uint64_t begin_us = clock_us(CLOCK_MONOTONIC),
		 end_us = begin_us + (uint64_t)(seconds * 1e6), now_us = begin_us;
	while (now_us < end_us) {
		host_turn(load.echo.host, true);
		now_us = clock_us(CLOCK_MONOTONIC);
	}
	struct host_call stop = {.callback = stop_server};
	host_wakeup(server.host, &stop);
	pthread_join(thread, NULL);
	double elapsed_s = (double)(now_us - begin_us) / 1e6;
	printf("connections=%u pipeline=%u size=%zu requests=%" PRIu64
	       " requests_per_s=%.0f server_cpu_us_per_request=%.2f "
	       "requests_per_server_turn=%.1f\n",
	       connections, pipeline, load.size, load.done, (double)load.done / elapsed_s,
	       (double)server_cpu_us / (double)server.requests,
	       (double)server.requests / (double)server.turns);
	return 0;
}
