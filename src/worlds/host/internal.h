/*
 * What the files of the transport share. Nobody outside this directory includes it.
 *
 *   host.c       life of a host
 *   loop.c       loops and their turns
 *   env.c        the env
 *   clock.c      what time it is
 *   calls.c      calls from other threads, watched descriptors
 *   request.c    requests from this process to the node
 *   listen.c     the listening socket, accepting
 *   dial.c       dialled links: resolving, connecting, pauses after failures
 *   resolve.c    host names to addresses
 *   hello.c      the handshake, both sides
 *   hello_judge.c  what a hello says of us, and whether another one agrees
 *   hello_say.c  what a hello says of us
 *   identity.c   ids, members, which connections belong to members for certain
 *   members.c    the list of the group's members as it changes; the end of a member that is removed
 *   identity_own.c  who we are, for those who only want to know
 *   leave.c      the end of a node that is stopped, or has to leave
 *   peers.c      whom this host knows by name: the configuration's nodes, and members that come and
 *                go
 *   link.c       life of a link: cutting, queueing and writing
 *   link_states.c  its states, and which may follow which
 *   shares.c     output that is not copied: parts of messages, sent from where they stand
 *   seats.c      who may stay connected when there is no room for everybody
 *   seating.c    the lists of those who sit
 *   receive.c    reading and cutting frames out of the stream
 *   watchdog.c   time limits of every link
 *   tracing.c    the trace file, TRACE
 *   traffic.c    counters by peer and method
 *   address.c    HOST:PORT and socket addresses
 *
 * A link is never freed, and its buffers never change hands, within an input: link_cut() only
 * closes the socket and puts the link on host->cut; loop.c settles that list between inputs
 * (link_settle).
 */
#ifndef SYNOD_HOST_INTERNAL_H
#define SYNOD_HOST_INTERNAL_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "base/arena.h"
#include "base/histogram.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rng.h"
#include "host/host.h"
#include "host/link_states.h"
#include "host/resolve.h"
#include "wire/method.h"
#include "wire/sender.h"
#include "wire/wire.h"

#define SCRATCH_BYTES (256u * KIB) /* read from one socket in one turn */
/* how long requests of strangers are taken in one turn of the loop */
#define RECEIVE_US 2000u
#define RECEIVE_FRAMES 64u        /* of one link, before another has its turn */
#define RECEIVE_FRAMES_UNASKED 4u /* between two looks at the clock */
/* how long ends of links are dealt with in one turn of the loop */
#define SETTLE_US 2000u
/* queued while a link connects: one-way messages, which age */
#define WAITING_ONEWAY_BYTES_MAX (4u * MIB)
#define WAITING_BYTES_MAX (16u * MIB) /* and requests */
/* an accepted link with more unsent replies is not read */
#define READ_PAUSE_BYTES (1u * MIB)
#define UNCONFIRMED_BYTES_MAX (256u * KIB) /* kept of a link that is not confirmed yet */
#define BUFFER_KEPT_BYTES (64u * KIB)      /* an empty buffer larger than this is given back */
#define ACCEPT_PAUSE_US 100000u            /* after running out of descriptors */
#define FORGOTTEN_US (60ull * 1000000ull)  /* requests unanswered for so long no longer count */
#define COMPLAINT_INTERVAL_US 1000000ull   /* between two log lines about bad bytes */

enum seat { SEAT_NONE, SEAT_NEWCOMER, SEAT_STRANGER, SEAT_MEMBER };

struct traffic_series {
	uint64_t frames, bytes;
};

/* A node that this host knows by name (peers.c); or everybody else. */
struct peer {
	char *name;         /* "": whoever answers at the address */
	char *address;      /* where nodes dial it */
	char *listed;       /* of a member: that of the group's list; NULL: it has none */
	char *listed_first; /* … when this process began to know it */
	uint32_t number;    /* … and which member it is */
	char *route;        /* where connections go instead, for ever; NULL: there */
	char *hint;         /* where it has said that it listens; NULL: there */
	bool configured;
	uint32_t configured_speaks; /* SENDER_…, by the configuration */
	uint32_t speaks;            /* at present */
	bool master;
	bool member;      /* of this node's group, or was one lately: … */
	uint64_t left_us; /* … since then it is none; 0: it is one */
	bool warned;
	uint32_t seats; /* of members, taken (seats.c) */
	struct traffic_series series[2][METHOD_NUMBER_MAX + 1];
};

/*
 * What becomes of a link is a matter of who has made it: dial.c those that are dialled, listen.c
 * those that are accepted. link.c knows neither.
 */
struct link_ops {
	void (*readable)(struct link *link);  /* there is something to be read */
	void (*connected)(struct link *link); /* dialled: the socket became writable, or failed */
	void (*begin)(struct link *link);     /* dialled: an attempt to connect; accepted: NULL */
	/* dialled: the attempt or the connection has failed; when may the next one begin? */
	void (*pause)(struct link *link);
	/* accepted: it is its member's, as that has said; what was kept is delivered */
	void (*confirmed)(struct link *link);
};

/* A part of the output that stands elsewhere: it belongs before the byte `at` of link->out. */
struct link_share {
	size_t at;
	struct bytes *bytes;
};
struct link_shares {
	struct link_share *items; /* first … count - 1 are not sent, or not all of them */
	size_t first, count, capacity;
	size_t sent;   /* of the first */
	size_t unsent; /* of all */
};

struct link {
	struct host *host;
	const struct link_ops *ops;
	link_id id;
	bool dialled;
	bool known; /* the node may hold the number: it is told when the link ends */
	enum link_state state;
	int fd; /* -1: none */
	struct event readable, writable;
	bool reading, writing;
	struct list flush;  /* in host->flush while there may be something to write */
	struct list cut;    /* in host->cut */
	struct list turn;   /* in host->readable while there is input that may be taken */
	enum seat seat;     /* accepted */
	struct list seated; /* in host->newcomers or host->strangers */
	char remote[80];    /* the peer's socket address, for log lines */
	struct peer *peer;
	/* of the other end's process, from its hello; 0: it gets no trace ids */
	uint64_t peer_life;
	uint32_t may;                  /* what the other end may send: SENDER_… */
	uint64_t nonce;                /* of this connection: drawn by who dialled */
	uint64_t cluster_id, group_id; /* as the other end says; 0: it does not know */
	uint64_t members_slot;         /* of its list, if it is of this node's group … */
	uint32_t generation;           /* … and that list's generation */
	/* dialled: it says itself that it listens where it was reached */
	bool is_there;
	/* it is of this node's group, by its configuration, and no replica yet */
	bool waits;
	uint64_t disk_life; /* of the other end's data directory; 0: not told */
	/* members that the other end has heard to know the group's id, by position */
	uint32_t seen;

	/*
	 * the beginning of one unfinished frame; in a backlog, all that has been read and not taken
	 */
	struct buffer in;
	size_t in_taken;   /* bytes at its front that are done with; 0 unless there is a backlog */
	bool backlog;      /* whole frames wait in it for another turn: nothing is read meanwhile */
	size_t in_needed;  /* its whole length, as far as is known */
	struct buffer out; /* out.data + out_sent … is unsent */
	size_t out_sent;
	struct link_shares shares; /* which belongs into what is unsent */
	size_t accounted;          /* what this link contributes to host->buffered_bytes */

	uint64_t began_us;  /* the present connection (attempt) */
	uint64_t heard_us;  /* last bytes received */
	uint64_t frame_us;  /* first byte of the unfinished frame */
	uint64_t stuck_us;  /* since when output waits without any being taken */
	uint64_t pinged_us; /* when an unanswered PING was sent; 0: none */
	/* dialled: when the first request left that nothing has been heard after; 0: none */
	uint64_t asked_us;
	uint64_t answered_us; /* accepted: last reply sent */
	uint64_t unanswered;  /* accepted: requests without a reply */

	/* dialled */
	char *address; /* as given to dial() */
	char *route;   /* where to connect */
	/*
	 * of the node that must answer; "": any; accepted: who it says to be, if nobody is known by
	 * that; NULL
	 */
	char *name;
	struct buffer waiting; /* frames that wait for the hello; accepted: for being confirmed */
	bool waiting_asks;     /* with a request among them */
	struct socket_address addresses[ADDRESSES_MAX]; /* of the route: as it was last resolved */
	uint32_t naddresses;
	uint32_t first_address;           /* where attempts begin */
	uint32_t tried;                   /* addresses in this attempt */
	struct resolve_question question; /* under way in LINK_RESOLVING */
	uint32_t failures;                /* in a row */
	uint64_t retry_us;
	bool complained; /* the failure has been logged */
	uint64_t opened; /* how often it has become LINK_OPEN */
};

/* Where every event of the node goes; fd -1: nowhere. */
struct trace_file {
	int fd;
	char *path, *name;
	uint64_t events;           /* in the file, of this host */
	uint64_t bytes, bytes_max; /* of the file */
	struct buffer pending;     /* not yet written */
};

struct watch {
	struct event event;
	struct host *host;
	struct watch *next;
	void (*callback)(void *context);
	void *context;
};

/*
 * What the hosts of one thread share. In a turn the hosts that get an input collect on `touched`;
 * those are the ones whose turn is ended. Between turns a host is on it if it must have a turn that
 * does not wait.
 */
struct host_loop {
	struct event_base *base;
	/* whose own loop it is, and which has its turn ended in every turn; NULL: shared */
	struct host *owner;
	struct resolver *resolver; /* made when the first name has to be resolved */
	uint64_t now_us;           /* of this turn; 0: not read yet */
	uint64_t wall_us;
	struct timers wakes; /* struct host's `wake` */
	struct event timer_event;
	uint64_t armed_us; /* what timer_event is set to; UINT64_MAX: not set */
	bool gathering;    /* between the beginning of a turn and the first turn_end() */
	struct list touched;
	uint8_t *scratch;

	pthread_mutex_t calls_lock;
	struct host_call *calls, **calls_tail;
	struct host_call *running; /* whose turn has come: those that calls_run() has yet to run */
	/* asked for within a turn, which looks for them itself; the loop's thread only */
	bool calls_due;
	int calls_fd;
	struct event calls_event;
};

/*
 * A time that something may take, of this thread's own: on a busy machine others run meanwhile, and
 * to do less then would only cost more. The real clock is asked first, because that costs little.
 */
struct allowance {
	uint64_t real_until_us, own_until_us;
};
void allowance_begin(struct allowance *allowance, uint64_t us);
bool allowance_spent(struct allowance *allowance);

struct host {
	struct env env;
	struct node *node;
	uint64_t life; /* random */
	struct log *log;
	char *cluster, *name, *role;
	struct host_identity *identity;
	struct map dialled; /* links by a hash of their address */
	uint32_t npeers, peers_capacity;
	uint32_t nlearnt; /* of them, those that the configuration does not have */
	struct peer **peers;
	struct peer *others; /* everybody else */
	/* where this node listens, for those who lose sight of it; NULL: it cannot be said */
	char *advertised;
	struct host_settings settings;

	struct host_loop *loop;
	struct list touched; /* in loop->touched */
	struct timer wake;   /* in loop->wakes: when the earliest of `timers` is due */
	/* the node got input when no turn was gathering: the next one does not wait */
	bool input_due;
	struct rng rng;
	struct timers timers;
	bool stopping, stopped, stop_timed_out;
	struct timer stop_timer, watchdog;
	uint64_t watchdog_us; /* interval */

	struct map links; /* by number */
	link_id last_id;
	struct list flush, cut;
	/* links that wait for links_receive(), in the order of their turns */
	struct list readable;
	struct allowance receiving; /* of links_receive() in this turn */
	link_id own_link;           /* along which the node answers host_request(); 0: never used */
	struct map own_requests;    /* unanswered, by message id */
	uint64_t last_own_request;
	struct list own_answered; /* whose callback is due at the end of the turn */
	uint64_t buffered_bytes;
	struct arena arena; /* hellos */

	int listen_fd;
	uint16_t port;
	struct event accepting;
	struct timer accept_again;
	bool accept_paused;
	uint64_t accepted_count; /* open now */
	struct list newcomers, strangers;
	uint32_t nnewcomers, nstrangers;
	uint64_t shortage_us; /* of the last log line about too few descriptors */

	struct watch *watches;
	bool (*work)(void *context); /* NULL: none */
	void (*work_done)(void *context);
	void *work_context;
	bool work_is_done; /* work_done() is due */

	uint64_t accepted_total, dialled_total, rejected_total, cut_total, hello_refused_total,
		dropped_total, denied_total;
	uint64_t complaint_us, complaints_suppressed;
	struct trace_file trace;
	struct histogram turn_us; /* how long turns took, without waiting */
};

/* env.c */
extern const struct env_ops HOST_ENV_OPS;

/* clock.c */
uint64_t loop_now_us(struct host_loop *loop); /* of this turn */
uint64_t host_now_us(struct host *host);
uint64_t host_clock_us(clockid_t clock);
/*
 * What nodes measure time by. It goes on while the machine is suspended: read leases rely on that.
 */
#define HOST_CLOCK CLOCK_BOOTTIME

/* request.c */
void requests_init(struct host *host);
void requests_free(struct host *host);
/* What the node sends along own_link. */
void requests_take(struct host *host, const struct message *message);
/* Runs the callbacks that are due. */
void requests_answer(struct host *host);

/* loop.c. The node gets an input, or there is something to be done when the turn ends. */
static inline void host_touch(struct host *host)
{
	if (list_empty(&host->touched))
		list_push_back(&host->loop->touched, &host->touched);
}

/* calls.c */
bool calls_init(struct host_loop *loop) MUST_CHECK;
void calls_free(struct host_loop *loop);
void calls_run(struct host_loop *loop);
void calls_turn_begins(struct host_loop *loop);
void calls_turn_ends(void);

/* address.c. STATUS_CONFIG: not HOST:PORT. Splits; a bracketed IPv6 address loses its brackets. */
int address_split(const char *text, char *name, size_t name_size, uint16_t *port) MUST_CHECK;
/* STATUS_NOT_FOUND: a name, not a number. */
int address_numeric(const char *text, struct socket_address *out) MUST_CHECK;
void address_set_port(struct socket_address *address, uint16_t port);
uint16_t address_port(const struct socket_address *address);
const char *address_format(const struct socket_address *address, char *out, size_t size);

/* receive.c. An unconfirmed link is confirmed: what was kept is delivered. */
void link_confirmed(struct link *link);

/* link.c */
struct link *link_new(struct host *host, const struct link_ops *ops);
/* A socket that has been connected, or is about to be. */
void link_attach(struct link *link, int fd);
void link_send(struct link *link, const struct message *message);
/*
 * Appends the frame to the output, past all states: for the transport's own messages and for open
 * links.
 */
void link_append(struct link *link, const struct message *message);
/* Room for `len` more bytes in a buffer of a link; false: no memory. */
bool link_make_room(struct buffer *buffer, size_t len);
/* Closes the socket, without any other consequence. */
void link_detach(struct link *link);
/* One write of what is queued. */
void link_flush(struct link *link);
/*
 * Ends the connection (or the attempt); `why` is for the log. Safe within an input, and more than
 * once.
 */
void link_cut(struct link *link, const char *why);
/* The same for bytes that no honest peer sends: counted, and logged at most once a second. */
void link_reject(struct link *link, const char *why);
/*
 * A log line about what a stranger did: at most one a second, with the number of those that were
 * left out.
 */
void link_complain(struct link *link, const char *event, const char *why);
/* Queues link_down() for a dialled link that could not take a request. */
void link_lose(struct link *link);
/* Carries out what link_cut() put off, and tells the node. May free the link. */
void link_settle(struct link *link);
void link_free(struct link *link);
/*
 * Does it belong for certain to a member of this node's group, or to who else may send what
 * strangers may not?
 */
static inline bool link_is_member(const struct link *link)
{
	return link->state == LINK_OPEN && (link->may & ~SENDER_ANYBODY) != 0;
}
/* What comes along it is bounded by the protocol, and need not have its turn among strangers. */
static inline bool link_is_trusted(const struct link *link)
{
	return link->dialled || link_is_member(link);
}
/* Reads only while the peer takes our output. */
void link_update_reading(struct link *link);
void link_account(struct link *link);
/* Its turn comes to be read from, or to have its backlog taken. */
void link_go_on(struct link *link);
static inline size_t link_unsent(const struct link *link)
{
	return link->out.len - link->out_sent + link->shares.unsent;
}

/* shares.c */
/* The parts of a message, whose frame begins there in link->out. */
void link_share(struct link *link, size_t frame, const struct message *message);
/* Sends from the beginning of what is unsent, as send() does, and with shares among it. */
ssize_t link_send_shares(struct link *link);
/* So much was sent: how much of it stood in link->out. */
size_t link_shares_taken(struct link *link, size_t len);
/* The first bytes of link->out, which were sent, are gone from it. */
void link_shares_move(struct link *link, size_t len);
/* Nothing is to be sent any more. */
void link_shares_release(struct link *link);
void link_shares_free(struct link *link);

/* seats.c */
void seats_init(struct host *host);
/* An accepted connection begins. May cut another one. */
void seat_newcomer(struct link *link);
/* Its hello is good. May cut another one; false: there is no seat. */
bool seat_take(struct link *link) MUST_CHECK;
/* Something came along it. */
void seat_heard(struct link *link);
/* It ends. Harmless if it has no seat. */
void seat_leave(struct link *link);
/* An errno that passes when somebody gives back a descriptor, or memory. */
bool error_is_shortage(int error);

/* receive.c */
/* There is something to be read. */
void link_readable(struct link *link);
/* Takes what strangers have sent: in turns, and not for longer than a part of the loop's turn. */
void links_receive(struct host *host);

/* dial.c */
link_id dial_link(struct host *host, const char *address);
/* Begins an attempt to connect. */
void dial_begin(struct link *link);
/* How long the present state, LINK_RESOLVING or LINK_CONNECTING, may last. */
uint32_t dial_patience_ms(const struct link *link);
/* It has lasted longer: the next address, or the end of the attempt. */
void dial_out_of_patience(struct link *link);
/* The hello has been accepted: what waited may leave. */
void dial_opened(struct link *link);
/* Node `name` has just connected to us, so it is up: do not wait to dial it. */
void dial_peer_is_up(struct host *host, struct slice name);

/* hello.c */
/* Appends a hello to `target`. hello_say.c, as the next. */
void hello_encode(const struct link *link, const char *target, struct buffer *out);
void hello_send(struct link *link);
/* The first frame of a connection; false: the link was cut. */
bool hello_receive(struct link *link, const struct message *message);

/* identity.c */
#define HOST_EXIT_LOST 1
void host_identity_create(struct host *host, const struct host_options *options);
void host_identity_free(struct host *host);
/* The node has started: from now on its log must be there. */
/* env renew_life() */
int host_identity_renew_life(struct host *host) MUST_CHECK;
/*
 * Before the node's: if the directory was lost, it has no vote. 0, or why this node cannot run;
 * then `error` says it.
 */
int host_identity_starting(struct host *host, char *error, size_t error_size) MUST_CHECK;
void host_identity_started(struct host *host);
/*
 * hello_judge.c. Does what the other side says of itself agree with us? 0, or the status and a text
 * for both.
 */
int host_identity_judge(struct host *host, const struct wire_hello *hello, char *text,
			size_t size) MUST_CHECK;
/* Notes what it says, which agrees. */
void host_identity_heard(struct link *link, const struct wire_hello *hello);
/* Both, for the answer to our own hello. */
int host_identity_met(struct link *link, const struct wire_hello *hello, char *text,
		      size_t size) MUST_CHECK;
/*
 * Of an accepted link whose hello has been judged: may what comes along it be delivered at once?
 * Otherwise, when its hello has been answered: unconfirmed().
 */
bool host_identity_accepted(struct link *link);
void host_identity_unconfirmed(struct link *link);
/* The link has become LINK_OPEN: after it was unconfirmed; as a dialled one. */
void host_identity_confirmed(struct link *link);
void host_identity_opened(struct link *dialled);
/*
 * Asks the node at the other end of a dialled link, or dials it, so that it will be asked; nonce 0:
 * for its ids only.
 */
void host_identity_ask(struct link *dialled, uint64_t nonce);
void host_identity_question(struct link *link, const struct message *message);
void host_identity_answer(struct link *dialled, const struct message *message);
/* From time to time. */
void host_identity_tick(struct host *host, uint64_t now_us);
/*
 * What the node's state says of its group. 0, or STATUS_IDENTITY (logged): it is not that of this
 * directory.
 */
int host_identity_of_group(struct host *host, uint64_t group_id) MUST_CHECK;
/* Of the group that the node belongs to. */
struct identity_members *host_identity_members(struct host *host);
/* members.c. The group says who its members are. */
void host_members_follow(struct host *host, const struct identity_members *members);
/*
 * The group has removed this node, as `why` says (NULL: the node has said it): notes that, then
 * stops. Once.
 */
void host_members_removed(struct host *host, const char *why);
/* The group goes on as that generation, without this node. */
void host_members_superseded(struct host *host, uint32_t generation, const char *why);
/* This node's log is to begin that generation: it is stopped, and started anew. */
void host_members_force(struct host *host, uint32_t generation);
/* A link that has become LINK_OPEN, or an accepted one: its other end knows a newer list? */
void host_members_met(struct link *link);
/* The answer to that. */
void host_members_told(struct link *link, const struct message *message);
/* A member refuses us: we have taken part, and do not know it. Ends the process. */
void host_identity_lost(struct host *host, const char *text);

/* leave.c */
void leave_init(struct host *host);

/* listen.c */
int listen_bind(struct host *host, const char *address, char *error, size_t error_size) MUST_CHECK;
int listen_start(struct host *host, char *error, size_t error_size) MUST_CHECK;
void listen_close(struct host *host);

/* watchdog.c */
void watchdog_start(struct host *host);

/* tracing.c */
int tracing_open(struct host *host, const struct host_options *options, char *error,
		 size_t error_size) MUST_CHECK;
/* The node's tracer gets its identity and, with a file, its sink; before the node starts. */
void tracing_begin(struct host *host);
/* Writes what has been noted: before the messages that it tells of leave. */
void tracing_flush(struct host *host);
void tracing_close(struct host *host);
/* Answers TRACE: the payload of a reply, or of an error. A status. */
int tracing_answer(struct host *host, struct slice request, struct buffer *out) MUST_CHECK;

/* peers.c */
void host_peers_init(struct host *host, const struct host_options *options);
void host_peers_free(struct host *host);
/* host->others: nobody known. */
struct peer *peer_find(struct host *host, struct slice name);
/* Who is dialled at this address; NULL: whoever answers. */
struct peer *peer_at(struct host *host, const char *address);
/* Where the next attempt to connect goes, after so many failures in a row. */
/* env_ops.found_at */
const char *peer_found_at(const struct link *link);
const char *peer_route(const struct peer *peer, uint32_t failures);
/* Notes where a peer says that it listens. */
void peer_says(struct host *host, struct peer *peer, const struct wire_hello *hello);
/*
 * Who answers where a peer has said that it listens must be the one that counts; anywhere else:
 * true.
 */
bool peer_is_at_hint(struct host *host, const struct link *link, const struct wire_hello *hello);
/* The members are others than before, or have become known. May cut links. */
void host_peers_follow(struct host *host);
/* From time to time. */
void host_peers_tick(struct host *host, uint64_t now_us);

/* traffic.c */
enum traffic_direction { TRAFFIC_RECEIVED, TRAFFIC_SENT };
void traffic_register(struct host *host);
void traffic_count(struct link *link, enum traffic_direction direction, uint16_t method,
		   size_t bytes);

#endif
