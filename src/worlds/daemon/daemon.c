/* A daemon from main() to its end. */
#include "daemon/daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/output.h"
#include "daemon/daemon_config.h"
#include "daemon/datadir.h"
#include "daemon/lobby.h"
#include "gate/http.h"
#include "host/descriptors.h"
#include "host/disk_posix.h"
#include "host/notify.h"
#include "host/process.h"

#define ERROR_BYTES_MAX 2048u

#ifndef SYNOD_RELEASE
#define SYNOD_RELEASE "unknown"
#endif

struct running {
	const struct daemon_kind *kind;
	struct daemon_config config;
	struct daemon daemon;
	struct identity identity;
	struct log log;
	struct disk *disk;
	struct host *host;
	struct node *node;
	struct http *http;
	/* the node is to begin that generation, in its next life (rsm/force.h); 0: none */
	uint32_t force;
	bool in_lobby; /* the node is one of daemon/lobby.h */
	bool born;     /* the lobby has found out that the group begins */
	/* members that the configuration does not have, and what is to be said then; "": none */
	char lacks[ERROR_BYTES_MAX];
	struct event *signals[2];
	uint32_t http_connections_max;
	bool stopping;
	char error[ERROR_BYTES_MAX];
};

static void copy_host_settings(const struct settings *from, struct host_settings *to)
{
	*to = (struct host_settings){
		.connect_timeout_ms = (uint32_t)from->connect_timeout_ms,
		.hello_timeout_ms = (uint32_t)from->hello_timeout_ms,
		.frame_timeout_ms = (uint32_t)from->frame_timeout_ms,
		.write_timeout_ms = (uint32_t)from->write_timeout_ms,
		.ping_interval_ms = (uint32_t)from->link_ping_interval_ms,
		.ping_timeout_ms = (uint32_t)from->link_ping_timeout_ms,
		.reconnect_min_ms = (uint32_t)from->reconnect_min_ms,
		.reconnect_max_ms = (uint32_t)from->reconnect_max_ms,
		.stop_timeout_ms = (uint32_t)from->stop_timeout_ms,
		.connections_max = (uint32_t)from->connections_max,
		.link_output_bytes_max = from->link_output_bytes_max,
		.network_bytes_max = from->network_bytes_max,
	};
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
	struct running *r = context;
	(void)what;
	if (r->stopping)
		_exit(EXIT_OK);
	r->stopping = true;
	notify_service_manager("STOPPING=1");
	log_event(&r->log, LOG_INFO, "stopping", "signal=%s",
		  number == SIGTERM ? "SIGTERM" : "SIGINT");
	if (r->http != NULL)
		http_set_stopping(r->http);
	host_stop(r->host);
}

static void watch_signals(struct running *r)
{
	static const int numbers[2] = {SIGTERM, SIGINT};
	for (size_t i = 0; i < 2; i++) {
		r->signals[i] = evsignal_new(host_event_base(r->host), numbers[i], on_signal, r);
		ASSERT(r->signals[i] != NULL);
		event_add(r->signals[i], NULL);
	}
}

static void prepare_process(void)
{
	struct rlimit limit;
	/* A socket must not become descriptor 2: log lines would go to a peer. */
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
			(void)!open("/dev/null", O_RDWR);
	}
	/*
	 * What other programs rotate their logs by; and errors of a write that are no end of the
	 * process.
	 */
	static const int ignored[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ};
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	umask(077);
	static const int raised[] = {RLIMIT_NOFILE, RLIMIT_FSIZE};
	for (size_t i = 0; i < sizeof raised / sizeof raised[0]; i++) {
		if (getrlimit(raised[i], &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
			limit.rlim_cur = limit.rlim_max;
			(void)setrlimit(raised[i], &limit);
		}
	}
}

static void dispatch_disk(void *context)
{
	disk_posix_dispatch(context);
}

static bool work_for_disk(void *context)
{
	return disk_posix_run(context);
}

static void on_shortage(void *context, int error)
{
	host_relieve(context, "a file of the log, or a snapshot", error);
}

static void finish_work(void *context)
{
	disk_posix_finish(context);
}

static void make_identity(struct running *r)
{
	const struct clusterconf *conf = &r->config.conf;
	const struct clusterconf_node *self = r->config.self, *node = NULL;
	struct identity *id = &r->identity;
	*id = (struct identity){
		.group = self->group, .replica = self->replica, .shards = conf->shards};
	snprintf(id->cluster, sizeof id->cluster, "%s", conf->name);
	snprintf(id->node, sizeof id->node, "%s", self->name);
	snprintf(id->role, sizeof id->role, "%s", node_role_text(self->role));
	/* Primary and backup are whom the view service names. */
	while (self->role != ROLE_PBSERVER &&
	       (node = clusterconf_next(conf, self->role, self->group, node)) != NULL)
		identity_add_member(&id->members, node->replica, node->name, node->listen);
}

/* Connections get what files, other nodes and the endpoints do not need. */
static int share_descriptors(struct running *r)
{
	struct rlimit limit;
	struct descriptor_plan plan;
	uint64_t wanted = r->config.settings.connections_max;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	int status = descriptors_plan(&plan, limit.rlim_cur, &r->config.conf, r->config.self,
				      wanted, r->error, sizeof r->error);
	if (status != 0)
		return status;
	if (plan.connections_max < wanted)
		log_event(&r->log, LOG_WARN, "connections_limited",
			  "connections_max=%" PRIu64 " now=%u limit=%" PRIu64
			  " hint=\"raise the limit of open files (LimitNOFILE=, ulimit -n)\"",
			  wanted, plan.connections_max, plan.limit);
	r->config.settings.connections_max = plan.connections_max;
	r->http_connections_max = plan.http;
	return 0;
}

/* A node that cannot write a segment of its log has a full disk that no space helps. */
static int check_file_limit(struct running *r)
{
	struct rlimit limit;
	uint64_t least = r->config.settings.wal_segment_bytes;
	if (r->config.self->role == ROLE_PBSERVER || getrlimit(RLIMIT_FSIZE, &limit) != 0 ||
	    limit.rlim_cur >= least)
		return 0;
	snprintf(r->error, sizeof r->error,
		 "this process may write files of %" PRIu64
		 " bytes, and a segment of its log has %" PRIu64
		 " (wal_segment_bytes): raise the limit (ulimit -f, LimitFSIZE=)",
		 (uint64_t)limit.rlim_cur, least);
	return STATUS_CONFIG;
}

/*
 * Of the roles whose nodes can follow without a vote: the others begin with whom the configuration
 * names, or not at all.
 */
static bool may_join(const struct running *r)
{
	return r->config.self->role != ROLE_PBSERVER && r->config.self->role != ROLE_PAXOS;
}

static int open_disk(struct running *r)
{
	const struct clusterconf *conf = &r->config.conf;
	struct identity_listed *listed = alloc_zeroed((size_t)conf->nnodes + 1, sizeof *listed);
	struct identity_claim claim = {.file = conf->file,
				       .configured_id = conf->id,
				       .nlisted = conf->nnodes,
				       .listed = listed,
				       .ask_first = may_join(r)};
	bool has_log = false;
	for (uint32_t i = 0; i < conf->nnodes; i++) {
		const struct clusterconf_node *node = &conf->nodes[i];
		listed[i] = (struct identity_listed){
			.name = node->name,
			.role = node_role_text(node->role),
			.group = node->group,
			.replica = node->replica_line == 0 ? 0 : node->replica,
			.address = node->listen};
	}
	make_identity(r);
	int status = datadir_open(&r->disk, r->config.self->dir, &r->identity, &claim, r->error,
				  sizeof r->error);
	free(listed);
	if (status == 0)
		status = identity_has_log(r->disk, &r->identity, &has_log);
	if (status != 0)
		return status;
	/*
	 * It is a member, or was named as one of the first and the others have met it: or that is
	 * to be found out.
	 */
	bool known = has_log || r->identity.log || r->identity.members.slot != 0 ||
		     identity_lacks_vote(&r->identity);
	r->lacks[0] = '\0';
	if (claim.lacks)
		snprintf(r->lacks, sizeof r->lacks, "%s", r->error);
	r->in_lobby = claim.lacks ||
		      (may_join(r) && !known && !r->born && r->identity.members.count > 1);
	return 0;
}

static int create_host(struct running *r)
{
	const struct clusterconf_node *self = r->config.self;
	struct host_options options = {
		.cluster = r->config.conf.name,
		.node = self->name,
		.role = node_role_text(self->role),
		.identity = &r->identity,
		.waits = r->in_lobby && r->lacks[0] == '\0',
		.cluster_id = r->config.conf.id,
		.listen = self->listen,
		.npeers = r->config.npeers,
		.peers = r->config.peers,
		.trace = self->trace,
		.trace_bytes_max = r->config.settings.trace_bytes_max,
		.disk = r->disk,
		.log = &r->log,
	};
	copy_host_settings(&r->config.settings, &options.settings);
	int status = host_create(&r->host, &options, r->error, sizeof r->error);
	if (status == 0)
		status = disk_posix_use_loop(r->disk, r->error, sizeof r->error);
	if (status == 0) {
		host_watch(r->host, disk_posix_fd(r->disk), dispatch_disk, r->disk);
		disk_posix_on_shortage(r->disk, on_shortage, r->host);
		host_work(r->host, work_for_disk, finish_work, r->disk);
	}
	return status;
}

static void leave_lobby(void *context)
{
	struct running *r = context;
	host_stop(r->host);
}

/* Whom the configuration has in this node's group, and whom the directory's list has besides. */
static void list_others(const struct running *r, struct lobby_options *options)
{
	const struct clusterconf_node *self = r->config.self, *node = NULL;
	while (options->nothers < LOBBY_OTHERS_MAX &&
	       (node = clusterconf_next(&r->config.conf, self->role, self->group, node)) != NULL)
		if (node != self)
			options->others[options->nothers++] = (struct lobby_other){node->name,
										   node->listen};
	for (uint32_t i = 0; i < r->identity.members.count && options->nothers < LOBBY_OTHERS_MAX;
	     i++) {
		const struct identity_member *m = &r->identity.members.list[i];
		if (clusterconf_find(&r->config.conf, m->name) == NULL)
			options->others[options->nothers++] = (struct lobby_other){m->name,
										   m->address};
	}
}

static struct node *create_lobby(struct running *r)
{
	struct lobby_options options = {
		.host = r->host,
		.env = host_env(r->host),
		.log = &r->log,
		.cluster = r->config.conf.name,
		.version = SYNOD_RELEASE,
		.file = r->config.conf.file,
		.address = r->config.self->listen,
		.identity = r->identity,
		.lacks = r->lacks[0] == '\0' ? NULL : r->lacks,
		.over = leave_lobby,
		.context = r,
	};
	list_others(r, &options);
	return lobby_create(&options);
}

static int create_node(struct running *r)
{
	r->daemon = (struct daemon){
		.conf = &r->config.conf,
		.self = r->config.self,
		.settings = r->config.settings,
		.identity = &r->identity,
		.force = r->force,
		.version = SYNOD_RELEASE,
		.env = host_env(r->host),
		.log = &r->log,
	};
	r->force = 0;
	r->node = r->in_lobby ? create_lobby(r) : r->kind->create(&r->daemon);
	process_metrics_register(&r->node->metrics, r->disk, &r->log);
	if (r->config.self->http == NULL)
		return 0;
	int status = http_create(&r->http, r->host, r->node, r->config.self->http, r->error,
				 sizeof r->error);
	if (status == 0 && r->http_connections_max > 0)
		http_set_connections_max(r->http, r->http_connections_max);
	if (status == 0 && r->in_lobby)
		http_set_unavailable(r->http,
				     "this node is no replica yet: ask another one, or later");
	else if (status == 0 && r->kind->serve_http != NULL)
		r->kind->serve_http(&r->daemon, r->node, r->http);
	return status;
}

static int start(struct running *r)
{
	int status = open_disk(r);
	if (status == 0)
		status = create_host(r);
	if (status == 0)
		status = create_node(r);
	if (status == 0)
		status = host_start(r->host, r->node, r->error, sizeof r->error);
	return status;
}

/*
 * In the reverse order of start(), as far as that came. What is at the disk belongs to the node, so
 * it is waited for first.
 */
static void finish(struct running *r)
{
	if (r->disk != NULL)
		disk_posix_drain(r->disk);
	for (size_t i = 0; i < 2; i++) {
		if (r->signals[i] != NULL)
			event_free(r->signals[i]);
	}
	if (r->http != NULL)
		http_destroy(r->http);
	if (r->node != NULL)
		r->node->ops->destroy(r->node);
	if (r->host != NULL)
		host_destroy(r->host);
	if (r->disk != NULL)
		disk_posix_destroy(r->disk);
	r->disk = NULL;
	r->host = NULL;
	r->node = NULL;
	r->http = NULL;
	r->signals[0] = r->signals[1] = NULL;
}

static int refuse(struct running *r, int status, const char *why)
{
	fprintf(stderr, "%s: %s\n", r->kind->program, why);
	finish(r);
	return status == STATUS_CONFIG ? EXIT_CONFIG : EXIT_START;
}

/*
 * What has become clear in the lobby goes into the file identity, after everything that was on its
 * way there. True: the daemon starts anew with it; otherwise *code is how it ends.
 */
static bool take_outcome(struct running *r, int *code)
{
	enum lobby_outcome outcome = lobby_outcome(r->node);
	struct identity identity = *host_identity_own(r->host);
	disk_posix_drain(r->disk);
	if (outcome == LOBBY_REFUSED) {
		*code = refuse(r, STATUS_IDENTITY, lobby_text(r->node));
		return false;
	}
	if (outcome == LOBBY_MEMBER)
		lobby_identity(r->node, &identity);
	if (outcome == LOBBY_REMOVED) {
		identity.superseded = lobby_superseded(r->node);
		identity.removed = identity.superseded == 0;
		log_event(&r->log, LOG_WARN, "removed",
			  "why=\"the group's members do not have this node any more\"");
	}
	if (outcome == LOBBY_MEMBER || outcome == LOBBY_REMOVED) {
		int status = identity_write_now(r->disk, &identity);
		if (status != 0) {
			snprintf(r->error, sizeof r->error,
				 "data directory %s: cannot write its file %s: %s",
				 r->config.self->dir, IDENTITY_FILE, status_text(status));
			*code = refuse(r, status, r->error);
			return false;
		}
	}
	r->born = outcome == LOBBY_BORN;
	return outcome == LOBBY_MEMBER || outcome == LOBBY_BORN;
}

/* Between two lives nobody handles them. */
static void hold_signals(bool hold)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

/* One life of the node. True: another one begins at once. */
static bool run_once(struct running *r, int *code)
{
	const struct clusterconf_node *self = r->config.self;
	int status = start(r);
	if (status != 0) {
		*code = refuse(r, status, r->error);
		return false;
	}
	watch_signals(r);
	hold_signals(false);
	log_event(&r->log, LOG_INFO, r->in_lobby ? "waiting" : "started",
		  "listen=%s http=%s dir=%s replica=%u", self->listen,
		  self->http == NULL ? "-" : self->http, self->dir,
		  r->in_lobby ? 0 : r->identity.replica);
	notify_service_manager("READY=1");
	bool orderly = host_run(r->host), again = false;
	if (r->in_lobby && !r->stopping)
		again = take_outcome(r, code);
	else if (!r->stopping && orderly)
		r->force = host_starts_anew(r->host);
	again |= r->force != 0;
	if (!again)
		log_event(&r->log, LOG_INFO, "stopped", "orderly=%s", orderly ? "true" : "false");
	/* the disk may hang: what is synced is safe, the rest was promised to nobody */
	if (!orderly)
		_exit(EXIT_OK);
	hold_signals(again);
	finish(r);
	return again;
}

static int run(struct running *r)
{
	const struct clusterconf_node *self = r->config.self;
	int code = EXIT_OK;
	log_init_fd(&r->log, STDERR_FILENO, self->name);
	r->log.level = (enum log_level)r->config.settings.log_level;
	r->log.format = (enum log_format)r->config.settings.log_format;
	log_event(&r->log, LOG_INFO, "starting",
		  "version=%s role=%s group=%" PRIu64 " cluster=%s pid=%ld", SYNOD_RELEASE,
		  node_role_text(self->role), self->group, r->config.conf.name, (long)getpid());
	int status = share_descriptors(r);
	if (status == 0)
		status = check_file_limit(r);
	if (status != 0)
		return refuse(r, status, r->error);
	while (run_once(r, &code) && !r->stopping)
		continue;
	return code;
}

static int configure_and_run(const struct daemon_kind *kind, struct daemon_arguments *arguments)
{
	if (arguments->config == NULL)
		arguments->config = getenv("SYNOD_CONFIG");
	if (arguments->node == NULL)
		arguments->node = getenv("SYNOD_NODE");
	if (arguments->config == NULL || arguments->node == NULL) {
		fprintf(stderr, "%s: %s is missing\nTry '%s --help'.\n", kind->program,
			arguments->config == NULL ? "--config FILE" : "--node NAME", kind->program);
		return EXIT_USAGE;
	}
	struct running running = {.kind = kind};
	int code = EXIT_OK;
	if (daemon_config_load(&running.config, arguments, kind->role, running.error,
			       sizeof running.error) != 0) {
		fprintf(stderr, "%s: %s\n", kind->program, running.error);
		code = EXIT_CONFIG;
	} else if (arguments->print_config) {
		daemon_config_print(&running.config, stdout);
	} else {
		prepare_process();
		code = run(&running);
	}
	daemon_config_free(&running.config);
	return code;
}

int daemon_main(const struct daemon_kind *kind, int argc, char **argv)
{
	struct daemon_arguments arguments;
	int code = EXIT_OK;
	bool parsed = daemon_arguments_parse(&arguments, argc, argv) == 0;
	bool prints = parsed && (arguments.help || arguments.version || arguments.print_config);
	if (prints)
		output_begin();
	if (!parsed)
		code = EXIT_USAGE;
	else if (arguments.help)
		daemon_usage(kind->program, kind->summary, stdout);
	else if (arguments.version)
		printf("%s %s\n", kind->program, SYNOD_RELEASE);
	else
		code = configure_and_run(kind, &arguments);
	if (prints)
		code = output_exit_code(code, kind->program, "cannot write to stdout");
	daemon_arguments_free(&arguments);
	return code;
}
