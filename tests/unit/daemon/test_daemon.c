/* faults: 80, 81 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/check_main.h"
#include "../support/raw.h"
#include "daemon/daemon.h"

static char root[64], conf[128];
static struct echo echo;

static void destroy(struct node *node)
{
	node_done(node);
	buffer_free(&echo.last_payload);
}

static struct node_ops ops;

static struct node *create(const struct daemon *daemon)
{
	ops = ECHO_OPS;
	ops.destroy = destroy;
	echo = (struct echo){.stop_at_once = true};
	node_init(&echo.node, &ops, daemon->env, daemon->log);
	return &echo.node;
}

static const struct daemon_kind KIND = {
	.program = "echod", .summary = "Answers.", .role = ROLE_SHARDKV, .create = create};

static void set_up(const char *more)
{
	snprintf(root, sizeof root, "/tmp/synod-daemon-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	snprintf(conf, sizeof conf, "%s/cluster.conf", root);
	FILE *file = fopen(conf, "we");
	ck_assert_ptr_nonnull(file);
	fprintf(file,
		"[cluster]\nname = demo\n%s[node m]\nrole = shardmaster\nlisten = 127.0.0.1:1\ndir "
		"= %s/m\n",
		more, root);
	fprintf(file, "[node g]\nrole = shardkv\ngroup = 1\nlisten = 127.0.0.1:1234\ndir = %s/g\n",
		root);
	fclose(file);
}

static void tear_down(void)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", root);
	ck_assert_int_eq(system(command), 0);
}

struct child {
	pid_t pid;
	int out; /* stdout and stderr together */
	char text[65536];
	size_t len;
};

static uint64_t file_bytes_max; /* of the files of those who are started; 0: no limit */

/* Runs the daemon in a process of its own. The last argument is NULL. */
static void spawn(struct child *child, const char *first, ...)
{
	char *argv[16] = {(char *)"echod"};
	int argc = 1, out[2];
	va_list args;
	va_start(args, first);
	for (const char *a = first; a != NULL; a = va_arg(args, const char *))
		argv[argc++] = (char *)a;
	va_end(args);
	memset(child, 0, sizeof *child);
	ck_assert_int_eq(pipe(out), 0);
	child->pid = fork();
	if (child->pid == 0) {
		dup2(out[1], 1);
		dup2(out[1], 2);
		close(out[0]);
		close(out[1]);
		struct rlimit limit = {.rlim_cur = file_bytes_max, .rlim_max = file_bytes_max};
		if (file_bytes_max > 0 && setrlimit(RLIMIT_FSIZE, &limit) != 0)
			_exit(2);
		int code = daemon_main(&KIND, argc, argv);
		fflush(NULL);
		_exit(code);
	}
	close(out[1]);
	child->out = out[0];
}

/* False at the end of the output. */
static bool read_more(struct child *child)
{
	ssize_t len = read(child->out, child->text + child->len,
			   sizeof child->text - 1 - child->len);
	child->len += len > 0 ? (size_t)len : 0;
	return len > 0;
}

static int finish(struct child *child)
{
	int status;
	while (read_more(child)) {}
	ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
	close(child->out);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void expect(struct child *child, int code, const char *text)
{
	int got = finish(child);
	ck_assert_msg(got == code, "exit code %d: %s", got, child->text);
	ck_assert_msg(strstr(child->text, text) != NULL, "'%s' is not in: %s", text, child->text);
}

static struct child child;

/* Mistakes on the command line end with code 64 and a hint. */
START_TEST(mistakes_on_the_command_line_end_with_64)
{
	set_up("");
	spawn(&child, "--node", "g", NULL);
	expect(&child, 64, "--config FILE is missing");
	spawn(&child, "--config", conf, NULL);
	expect(&child, 64, "--node NAME is missing");
	spawn(&child, "--config", conf, "--node", "g", "--no-such-thing", NULL);
	expect(&child, 64, "Try 'echod --help'");
	spawn(&child, "--config", conf, "--node", "g", "stray", NULL);
	expect(&child, 64, "unexpected argument 'stray'");
	spawn(&child, "--config", conf, "--node", "g", "--route", "m", NULL);
	expect(&child, 64, "--route m: expected NODE=HOST:PORT");
	spawn(&child, "--help", NULL);
	expect(&child, 0, "--election_timeout_ms=150");
	spawn(&child, "--version", NULL);
	expect(&child, 0, "echod ");
	tear_down();
}
END_TEST

/*
 * Mistakes in the configuration, wherever it comes from, end with code 78 and name what is wrong.
 */
START_TEST(mistakes_in_the_configuration_end_with_78)
{
	set_up("");
	spawn(&child, "--config", "/nonexistent", "--node", "g", NULL);
	expect(&child, 78, "cannot read configuration /nonexistent: No such file");
	spawn(&child, "--config", root, "--node", "g", NULL);
	expect(&child, 78, "not a file");
	spawn(&child, "--config", conf, "--node", "x", NULL);
	expect(&child, 78, "there is no [node x]");
	spawn(&child, "--config", conf, "--node", "m", NULL);
	expect(&child, 78, "[node m] has role = shardmaster, this program serves role = shardkv");
	spawn(&child, "--config", conf, "--node", "g", "--key-bytes-max=0", NULL);
	expect(&child, 78, "--key_bytes_max = 0: out of range, allowed 1 … 65536 bytes");
	spawn(&child, "--config", conf, "--node", "g", "--listen", "here", NULL);
	expect(&child, 78, "--listen = here: not an address");
	spawn(&child, "--config", conf, "--node", "g", "--route", "x=h:1", NULL);
	expect(&child, 78, "--route x=h:1: there is no [node x]");
	spawn(&child, "--config", conf, "--node", "g", "--heartbeat_interval_ms=2000", NULL);
	expect(&child, 78,
	       "heartbeat_interval_ms = 2000 is more than half of election_timeout_ms = 150");
	setenv("SYNOD_LOG_LEVEL", "loud", 1);
	spawn(&child, "--config", conf, "--node", "g", NULL);
	expect(&child, 78, "SYNOD_LOG_LEVEL = loud: not one of debug|info|warn|error|off");
	unsetenv("SYNOD_LOG_LEVEL");
	tear_down();
}
END_TEST

/*
 * File, environment and flag override each other in this order, and --print-config says where each
 * value is from.
 */
START_TEST(flags_override_environment_and_file)
{
	char origin[192];
	set_up("log_cache_bytes = 2MiB\nlog_level = debug\nlog_format = json\n");
	setenv("SYNOD_LOG_LEVEL", "warn", 1);
	setenv("SYNOD_LOG_FORMAT", "json", 1);
	setenv("SYNOD_CONFIG", conf, 1);
	setenv("SYNOD_NODE", "m", 1);
	spawn(&child, "--node", "g", "--log-format", "logfmt", "--route", "m=127.0.0.1:9",
	      "--print-config", NULL);
	ck_assert_int_eq(finish(&child), 0);
	unsetenv("SYNOD_LOG_LEVEL");
	unsetenv("SYNOD_LOG_FORMAT");
	unsetenv("SYNOD_CONFIG");
	unsetenv("SYNOD_NODE");
	static const char *const values[] = {"log_cache_bytes = 2MiB", "log_level = warn",
					     "log_format = logfmt", "election_timeout_ms = 150"};
	const char *origins[] = {origin, "SYNOD_LOG_LEVEL", "--log_format", "default"};
	snprintf(origin, sizeof origin, "%s:3", conf);
	for (size_t i = 0; i < 4; i++) {
		const char *line = strstr(child.text, values[i]);
		ck_assert_msg(line != NULL, "no %s in %s", values[i], child.text);
		const char *semicolon = strchr(line, ';');
		ck_assert_ptr_nonnull(semicolon);
		ck_assert_int_eq(strncmp(semicolon + 2, origins[i], strlen(origins[i])), 0);
	}
	ck_assert_ptr_nonnull(strstr(child.text, "; node m is reached at 127.0.0.1:9"));
	tear_down();
}
END_TEST

static uint16_t free_port(void)
{
	uint16_t port;
	close(raw_listen(&port));
	return port;
}

static void wait_for(struct child *c, const char *text)
{
	while (strstr(c->text, text) == NULL)
		ck_assert_msg(read_more(c), "ended: %s", c->text);
}

/* A daemon serves until SIGTERM or SIGINT, then exits with 0; others do nothing. */
START_TEST(a_daemon_serves_until_sigterm)
{
	static const int numbers[2] = {SIGTERM, SIGINT};
	static const int harmless[] = {SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2, SIGXFSZ};
	set_up("");
	for (size_t i = 0; i < 2; i++) {
		char listen_on[64], http_on[64];
		snprintf(listen_on, sizeof listen_on, "--listen=127.0.0.1:%u", free_port());
		snprintf(http_on, sizeof http_on, "--http=127.0.0.1:%u", free_port());
		spawn(&child, "--config", conf, "--node", "g", listen_on, http_on, NULL);
		wait_for(&child, "event=started");
		for (size_t k = 0; k < sizeof harmless / sizeof harmless[0]; k++)
			kill(child.pid, harmless[k]);
		struct raw raw = raw_connect((uint16_t)atoi(strrchr(http_on, ':') + 1));
		ck_assert(raw_send(
			&raw,
			slice_string(
				"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")));
		while (!raw_is_closed(&raw))
			usleep(1000);
		ck_assert_ptr_nonnull(memmem(raw.in.data, raw.in.len, "200 OK", 6));
		raw_close(&raw);
		kill(child.pid, numbers[i]);
		expect(&child, 0, "event=stopped orderly=true");
	}
	tear_down();
}
END_TEST

/* A daemon that cannot have its address or its directory ends with code 1 and says which. */
START_TEST(a_daemon_that_cannot_start_says_which_and_why)
{
	uint16_t port;
	char listen_on[64], dir[160];
	set_up("");
	int taken = raw_listen(&port);
	snprintf(listen_on, sizeof listen_on, "--listen=127.0.0.1:%u", port);
	spawn(&child, "--config", conf, "--node", "g", listen_on, NULL);
	expect(&child, 1, "address already in use: stop the other process, or change 'listen'");
	close(taken);
	snprintf(dir, sizeof dir, "--dir=%s", conf);
	spawn(&child, "--config", conf, "--node", "g", dir, NULL);
	expect(&child, 1, "not a directory");
	tear_down();
}
END_TEST

/* faults: 21. A limit of files below a segment of the log: said at once, with both numbers. */
START_TEST(a_limit_of_files_below_a_segment_is_said_at_once)
{
	set_up("wal_segment_bytes = 4MiB\n");
	file_bytes_max = 1u << 20;
	spawn(&child, "--config", conf, "--node", "g", NULL);
	expect(&child, 78,
	       "may write files of 1048576 bytes, and a segment of its log has 4194304 "
	       "(wal_segment_bytes)");
	file_bytes_max = 0;
	tear_down();
}
END_TEST
