/*
 * A bare echo over TCP on the loopback interface: what the kernel allows a server of one thread,
 * before it does anything. Each connection keeps one message of `size` bytes under way; the server
 * sends back what it has read.
 *
 *   bench_tcp [connections] [size] [seconds]
 *
 * Prints messages a second, and the processor time of either side.
 */
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 10000
#define MESSAGE_BYTES_MAX 65536
#define EVENTS 256

static int pairs[2][CONNECTIONS_MAX]; /* the client's and the server's ends */
static int connections = 64;
static size_t message_bytes = 64;
static bool stopping; /* atomic */
static double server_cpu_s;

static double seconds_of(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void connect_all(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof address;
	int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, len) != 0 ||
	    listen(listener, 16) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &len) != 0)
		err(1, "listen");
	for (int i = 0; i < connections; i++) {
		pairs[0][i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (pairs[0][i] < 0 || connect(pairs[0][i], (struct sockaddr *)&address, len) != 0)
			err(1, "connection %d", i);
		pairs[1][i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (pairs[1][i] < 0)
			err(1, "accept");
		for (int side = 0; side < 2; side++)
			setsockopt(pairs[side][i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	}
	close(listener);
}

/* One side's loop: `each` is called with every descriptor that has something to read. */
static void serve(int side, bool (*each)(int fd))
{
	struct epoll_event events[EVENTS];
	int poll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < connections; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.fd = pairs[side][i]};
		if (epoll_ctl(poll, EPOLL_CTL_ADD, pairs[side][i], &event) != 0)
			err(1, "epoll_ctl");
	}
	while (!__atomic_load_n(&stopping, __ATOMIC_RELAXED)) {
		int count = epoll_wait(poll, events, EVENTS, 100);
		for (int i = 0; i < count; i++)
			if (!each(events[i].data.fd))
				return;
	}
	close(poll);
}

static bool echo(int fd)
{
	static char piece[MESSAGE_BYTES_MAX];
	ssize_t len = read(fd, piece, sizeof piece);
	return len <= 0 || write(fd, piece, (size_t)len) == len;
}

static void *run_server(void *context)
{
	serve(1, echo);
	server_cpu_s = seconds_of(CLOCK_THREAD_CPUTIME_ID);
	return context;
}

static char message[MESSAGE_BYTES_MAX];
static size_t received[CONNECTIONS_MAX * 4]; /* of the present message, by descriptor */
static unsigned long done;
static double until;

static bool answer(int fd)
{
	static char piece[MESSAGE_BYTES_MAX];
	ssize_t len = read(fd, piece, message_bytes - received[fd]);
	if (len <= 0)
		err(1, "read");
	received[fd] += (size_t)len;
	if (received[fd] < message_bytes)
		return true;
	received[fd] = 0;
	done++;
	if (done % 64 == 0 && seconds_of(CLOCK_MONOTONIC) >= until)
		__atomic_store_n(&stopping, true, __ATOMIC_RELAXED);
	return write(fd, message, message_bytes) == (ssize_t)message_bytes;
}

int main(int argc, char **argv)
{
	double duration_s = argc > 3 ? atof(argv[3]) : 2;
	connections = argc > 1 ? atoi(argv[1]) : connections;
	message_bytes = argc > 2 ? (size_t)atol(argv[2]) : message_bytes;
	if (connections < 1 || connections > CONNECTIONS_MAX || message_bytes < 1 ||
	    message_bytes > MESSAGE_BYTES_MAX || !(duration_s > 0))
		errx(64, "usage: bench_tcp [connections up to %d] [size up to %d] [seconds]",
		     CONNECTIONS_MAX, MESSAGE_BYTES_MAX);
	connect_all();
	pthread_t server;
	if (pthread_create(&server, NULL, run_server, NULL) != 0)
		errx(1, "no thread");
	double start = seconds_of(CLOCK_MONOTONIC),
	       cpu_before = seconds_of(CLOCK_THREAD_CPUTIME_ID);
	until = start + duration_s;
	for (int i = 0; i < connections; i++)
		if (write(pairs[0][i], message, message_bytes) != (ssize_t)message_bytes)
			err(1, "write");
	serve(0, answer);
	double seconds = seconds_of(CLOCK_MONOTONIC) - start,
	       cpu_s = seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu_before;
	__atomic_store_n(&stopping, true, __ATOMIC_RELAXED);
	pthread_join(server, NULL);
	printf("%d connections, %zu bytes: %.0f messages/s, server %.2f µs, client %.2f µs of "
	       "processor time each\n",
	       connections, message_bytes, (double)done / seconds,
	       server_cpu_s * 1e6 / (double)done, cpu_s * 1e6 / (double)done);
	return 0;
}
