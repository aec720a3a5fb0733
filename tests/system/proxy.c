/*
 * proxy: stands on links between processes, and breaks them in ways that a kernel's network does.
 *
 *   proxy CONTROL NAME=LISTEN,TARGET…    is the proxy
 *   proxy -c CONTROL COMMAND             tells it something, and prints the answer; exit code 0 if
 *                                        it was "ok", otherwise 1
 *
 * Each NAME is a directed link: connections made to LISTEN are passed on to TARGET (both
 * HOST:PORT). "forth" is the direction from who dials to TARGET, "back" the other. Replicas send
 * each other everything on connections that they dial themselves, so a link between replicas
 * carries messages in one direction only, and cutting it cuts just that direction.
 *
 * The proxy reads frames (wire/frame.h) and passes on whole ones only; so a link that lost frames
 * goes on in order when it is mended. CONTROL is the path of a unix socket that takes lines, and
 * answers each with zero or more lines and then "ok", or with "error …". LINK is a name or a
 * pattern ("g1a-*"), DIR is forth, back or both.
 *
 *   cut LINK [DIR]              frames are taken and thrown away, nobody is told; also the ends of
 *                               connections are not
 *   hold LINK [DIR]             nothing is taken any more: whoever sends sees its buffers fill
 *   lose LINK DIR METHOD PARTS  loses so many of a million frames of a method ("command", or
 *                               "any"), the hello excepted
 *   delay LINK DIR MS [JITTER]  each frame arrives later, by MS … MS + JITTER; frames may
 *                               overtake one another
 *   throttle LINK BYTES         a second, in each direction
 *   refuse LINK                 ends all connections and every new one at once
 *   drop LINK                   ends all connections with a reset; new ones are good
 *   mend LINK                   undoes all of that; connections of which one end has gone meanwhile
 *                               are ended
 *   count LINK                  lines: LINK connections N; LINK DIR METHOD PASSED LOST
 *   seed N                      for what is random
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/list.h"
#include "base/rng.h"
#include "wire/frame.h"
#include "wire/method.h"

#define LINKS_MAX 256u
/* waiting to be taken by the other side, before no more is read */
#define SINK_BYTES_MAX (8u << 20)
#define METHODS (METHOD_NUMBER_MAX + 1u)

enum direction { FORTH, BACK, DIRECTIONS };
static const char *const direction_texts[] = {"forth", "back"};

/* What is done to one direction of a link. */
struct treatment {
	bool cut, hold;
	uint32_t loss_ppm[METHODS];
	uint64_t delay_ms, jitter_ms;
	uint64_t passed[METHODS], lost[METHODS];
};

struct proxied {
	char name[64];
	struct sockaddr_storage target;
	int target_len;
	struct evconnlistener *listener;
	struct treatment treatments[DIRECTIONS];
	struct ev_token_bucket_cfg *rate; /* NULL: not throttled */
	bool refuse;
	uint64_t accepted;
	struct list pairs;
};

/* One connection: ends[FORTH] is what forth reads from, the dialler; ends[BACK] is the target. */
struct pair {
	struct list link; /* in proxied.pairs */
	struct proxied *proxied;
	struct bufferevent *ends[DIRECTIONS]; /* NULL: gone, and the other one is not to know yet */
	struct list delayed;
	struct side {
		struct pair *pair;
		enum direction direction;
	} sides[DIRECTIONS];
};

/* A frame that arrives later. */
struct delayed {
	struct list link;
	struct pair *pair;
	enum direction direction;
	struct event *timer;
	struct evbuffer *bytes;
};

static struct event_base *base;
static struct proxied *links[LINKS_MAX];
static size_t nlinks;
static struct rng rng;

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "proxy: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *must(void *memory)
{
	if (memory == NULL)
		give_up("out of memory");
	return memory;
}

/* ---- connections ---- */

static void delayed_free(struct delayed *d)
{
	list_remove(&d->link);
	event_free(d->timer);
	evbuffer_free(d->bytes);
	free(d);
}

static void pair_free(struct pair *pair, bool reset)
{
	const struct linger abort_at_once = {.l_onoff = 1, .l_linger = 0};
	LIST_FOR_SAFE (link, after, &pair->delayed)
		delayed_free(LIST_ITEM(link, struct delayed, link));
	for (int d = 0; d < DIRECTIONS; d++) {
		if (pair->ends[d] == NULL)
			continue;
		if (reset)
			setsockopt(bufferevent_getfd(pair->ends[d]), SOL_SOCKET, SO_LINGER,
				   &abort_at_once, sizeof abort_at_once);
		bufferevent_free(pair->ends[d]);
	}
	list_remove(&pair->link);
	free(pair);
}

static struct bufferevent *sink_of(const struct pair *pair, enum direction direction)
{
	return pair->ends[direction == FORTH ? BACK : FORTH];
}

/* Reading stops while the link is held, or while the other side takes nothing. */
static void set_reading(struct pair *pair, enum direction direction)
{
	struct bufferevent *source = pair->ends[direction], *sink = sink_of(pair, direction);
	if (source == NULL)
		return;
	bool full = sink != NULL &&
		    evbuffer_get_length(bufferevent_get_output(sink)) > SINK_BYTES_MAX;
	if (pair->proxied->treatments[direction].hold || full)
		bufferevent_disable(source, EV_READ);
	else
		bufferevent_enable(source, EV_READ);
}

static void on_due(evutil_socket_t fd, short what, void *context)
{
	struct delayed *d = context;
	struct bufferevent *sink = sink_of(d->pair, d->direction);
	(void)fd;
	(void)what;
	if (sink != NULL)
		bufferevent_write_buffer(sink, d->bytes);
	delayed_free(d);
}

static void delay_frame(struct pair *pair, enum direction direction, struct evbuffer *from,
			size_t size)
{
	const struct treatment *t = &pair->proxied->treatments[direction];
	uint64_t ms = t->delay_ms + (t->jitter_ms > 0 ? rng_below(&rng, t->jitter_ms + 1) : 0);
	struct timeval after = {.tv_sec = (time_t)(ms / 1000),
				.tv_usec = (suseconds_t)(ms % 1000 * 1000)};
	struct delayed *d = must(calloc(1, sizeof *d));
	d->pair = pair;
	d->direction = direction;
	d->bytes = must(evbuffer_new());
	d->timer = must(evtimer_new(base, on_due, d));
	list_push_back(&pair->delayed, &d->link);
	evbuffer_remove_buffer(from, d->bytes, size);
	evtimer_add(d->timer, &after);
}

static void pass_frame(struct pair *pair, enum direction direction, struct evbuffer *from,
		       size_t size, uint16_t method)
{
	struct treatment *t = &pair->proxied->treatments[direction];
	uint16_t counted = method < METHODS ? method : 0;
	struct bufferevent *sink = sink_of(pair, direction);
	/*
	 * Who never got an answer to its hello has no connection at all: that is what `cut` is for.
	 */
	bool exempt = method == METHOD_HELLO;
	if (t->cut || sink == NULL || (!exempt && rng_chance(&rng, t->loss_ppm[counted]))) {
		t->lost[counted]++;
		evbuffer_drain(from, size);
		return;
	}
	t->passed[counted]++;
	if (!exempt && (t->delay_ms > 0 || t->jitter_ms > 0))
		delay_frame(pair, direction, from, size);
	else
		evbuffer_remove_buffer(from, bufferevent_get_output(sink), size);
}

static void on_read(struct bufferevent *bev, void *context)
{
	struct side *side = context;
	struct evbuffer *input = bufferevent_get_input(bev);
	uint8_t header[FRAME_HEADER_BYTES];
	while (evbuffer_copyout(input, header, sizeof header) == (ev_ssize_t)sizeof header) {
		size_t payload = load_u32(header), size = sizeof header + payload;
		if (payload > FRAME_BYTES_MAX) {
			/* Not the protocol: the target shall see it. */
			pass_frame(side->pair, side->direction, input, evbuffer_get_length(input),
				   0);
			break;
		}
		if (evbuffer_get_length(input) < size)
			break;
		pass_frame(side->pair, side->direction, input, size, load_u16(header + 10));
	}
	set_reading(side->pair, side->direction);
}

static void on_write(struct bufferevent *bev, void *context)
{
	struct side *side = context;
	(void)bev;
	set_reading(side->pair, side->direction == FORTH ? BACK : FORTH);
}

static void on_event(struct bufferevent *bev, short what, void *context)
{
	struct side *side = context;
	struct pair *pair = side->pair;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0)
		return;
	if (!pair->proxied->treatments[side->direction].cut ||
	    pair->ends[side->direction == FORTH ? BACK : FORTH] == NULL) {
		pair_free(pair, false);
		return;
	}
	pair->ends[side->direction] = NULL;
	bufferevent_free(bev);
}

static struct bufferevent *make_end(struct pair *pair, enum direction direction, evutil_socket_t fd)
{
	struct bufferevent *bev = must(bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE));
	pair->sides[direction] = (struct side){pair, direction};
	bufferevent_setcb(bev, on_read, on_write, on_event, &pair->sides[direction]);
	bufferevent_set_rate_limit(bev, pair->proxied->rate);
	pair->ends[direction] = bev;
	return bev;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
		      int len, void *context)
{
	struct proxied *proxied = context;
	(void)listener;
	(void)from;
	(void)len;
	proxied->accepted++;
	if (proxied->refuse) {
		evutil_closesocket(fd);
		return;
	}
	struct pair *pair = must(calloc(1, sizeof *pair));
	pair->proxied = proxied;
	list_init(&pair->delayed);
	list_push_back(&proxied->pairs, &pair->link);
	make_end(pair, FORTH, fd);
	struct bufferevent *out = make_end(pair, BACK, -1);
	bufferevent_enable(out, EV_WRITE);
	if (bufferevent_socket_connect(out, (struct sockaddr *)&proxied->target,
				       proxied->target_len) != 0) {
		pair_free(pair, false);
		return;
	}
	set_reading(pair, FORTH);
	set_reading(pair, BACK);
}

/* ---- commands ---- */

struct words {
	char *items[8];
	size_t count;
	struct evbuffer *out;
};

static bool parse_direction(const char *text, bool chosen[DIRECTIONS])
{
	bool both = strcmp(text, "both") == 0;
	for (int d = 0; d < DIRECTIONS; d++)
		chosen[d] = both || strcmp(text, direction_texts[d]) == 0;
	return chosen[FORTH] || chosen[BACK];
}

static bool parse_number(const char *text, uint64_t *out)
{
	char *end;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *text != '-';
}

static void set_reading_of_all(struct proxied *proxied)
{
	LIST_FOR (link, &proxied->pairs) {
		struct pair *pair = LIST_ITEM(link, struct pair, link);
		set_reading(pair, FORTH);
		set_reading(pair, BACK);
	}
}

static void end_all(struct proxied *proxied, bool only_halves, bool reset)
{
	LIST_FOR_SAFE (link, after, &proxied->pairs) {
		struct pair *pair = LIST_ITEM(link, struct pair, link);
		if (!only_halves || pair->ends[FORTH] == NULL || pair->ends[BACK] == NULL)
			pair_free(pair, reset);
	}
}

static void set_rate(struct proxied *proxied, struct ev_token_bucket_cfg *rate)
{
	LIST_FOR (link, &proxied->pairs) {
		struct pair *pair = LIST_ITEM(link, struct pair, link);
		for (int d = 0; d < DIRECTIONS; d++)
			if (pair->ends[d] != NULL)
				bufferevent_set_rate_limit(pair->ends[d], rate);
	}
	if (proxied->rate != NULL)
		ev_token_bucket_cfg_free(proxied->rate);
	proxied->rate = rate;
}

static const char *do_cut(struct proxied *proxied, const struct words *words)
{
	bool chosen[DIRECTIONS], hold = words->items[0][0] == 'h';
	if (!parse_direction(words->count > 2 ? words->items[2] : "both", chosen))
		return "DIR is forth, back or both";
	for (int d = 0; d < DIRECTIONS; d++) {
		if (chosen[d] && hold)
			proxied->treatments[d].hold = true;
		else if (chosen[d])
			proxied->treatments[d].cut = true;
	}
	set_reading_of_all(proxied);
	return NULL;
}

static const char *do_lose(struct proxied *proxied, const struct words *words)
{
	bool chosen[DIRECTIONS];
	uint64_t ppm;
	if (words->count != 5 || !parse_direction(words->items[2], chosen) ||
	    !parse_number(words->items[4], &ppm) || ppm > 1000000)
		return "lose LINK DIR METHOD PARTS";
	bool any = strcmp(words->items[3], "any") == 0, found = any;
	for (uint16_t m = 0; m < METHODS; m++) {
		if (!any && strcmp(method_text(m), words->items[3]) != 0)
			continue;
		found = true;
		for (int d = 0; d < DIRECTIONS; d++)
			if (chosen[d])
				proxied->treatments[d].loss_ppm[m] = (uint32_t)ppm;
	}
	return found ? NULL : "there is no such method";
}

static const char *do_delay(struct proxied *proxied, const struct words *words)
{
	bool chosen[DIRECTIONS];
	uint64_t ms = 0, jitter_ms = 0;
	if (words->count < 4 || !parse_direction(words->items[2], chosen) ||
	    !parse_number(words->items[3], &ms) ||
	    (words->count > 4 && !parse_number(words->items[4], &jitter_ms)))
		return "delay LINK DIR MS [JITTER]";
	for (int d = 0; d < DIRECTIONS; d++) {
		if (chosen[d]) {
			proxied->treatments[d].delay_ms = ms;
			proxied->treatments[d].jitter_ms = jitter_ms;
		}
	}
	return NULL;
}

static const char *do_throttle(struct proxied *proxied, const struct words *words)
{
	uint64_t bytes;
	if (words->count != 3 || !parse_number(words->items[2], &bytes) || bytes < 20)
		return "throttle LINK BYTES";
	struct timeval tick = {.tv_usec = 50000};
	set_rate(proxied, must(ev_token_bucket_cfg_new(bytes / 20, bytes / 20, bytes / 20,
						       bytes / 20, &tick)));
	return NULL;
}

static const char *do_refuse(struct proxied *proxied, const struct words *words)
{
	proxied->refuse = words->items[0][0] == 'r';
	end_all(proxied, false, true);
	return NULL;
}

static const char *do_mend(struct proxied *proxied, const struct words *words)
{
	(void)words;
	for (int d = 0; d < DIRECTIONS; d++) {
		struct treatment *t = &proxied->treatments[d];
		t->cut = t->hold = false;
		t->delay_ms = t->jitter_ms = 0;
		memset(t->loss_ppm, 0, sizeof t->loss_ppm);
	}
	proxied->refuse = false;
	set_rate(proxied, NULL);
	end_all(proxied, true, true);
	set_reading_of_all(proxied);
	return NULL;
}

static const char *do_count(struct proxied *proxied, const struct words *words)
{
	evbuffer_add_printf(words->out, "%s connections %llu\n", proxied->name,
			    (unsigned long long)proxied->accepted);
	for (int d = 0; d < DIRECTIONS; d++) {
		const struct treatment *t = &proxied->treatments[d];
		for (uint16_t m = 0; m < METHODS; m++)
			if (t->passed[m] + t->lost[m] > 0)
				evbuffer_add_printf(words->out, "%s %s %s %llu %llu\n",
						    proxied->name, direction_texts[d],
						    method_text(m),
						    (unsigned long long)t->passed[m],
						    (unsigned long long)t->lost[m]);
	}
	return NULL;
}

static const struct {
	const char *name;
	/* NULL, or what is wrong */
	const char *(*run)(struct proxied *proxied, const struct words *words);
} commands[] = {
	{"cut", do_cut},     {"hold", do_cut},          {"lose", do_lose},
	{"delay", do_delay}, {"throttle", do_throttle}, {"refuse", do_refuse},
	{"drop", do_refuse}, {"mend", do_mend},         {"count", do_count},
};

/* NULL, or what is wrong. */
static const char *run_command(struct words *words)
{
	uint64_t seed;
	if (words->count == 2 && strcmp(words->items[0], "seed") == 0 &&
	    parse_number(words->items[1], &seed)) {
		rng_seed(&rng, seed);
		return NULL;
	}
	if (words->count < 2)
		return "COMMAND LINK …";
	for (size_t c = 0; c < sizeof commands / sizeof commands[0]; c++) {
		if (strcmp(commands[c].name, words->items[0]) != 0)
			continue;
		bool found = false;
		for (size_t i = 0; i < nlinks; i++) {
			if (fnmatch(words->items[1], links[i]->name, 0) != 0)
				continue;
			found = true;
			const char *wrong = commands[c].run(links[i], words);
			if (wrong != NULL)
				return wrong;
		}
		return found ? NULL : "there is no such link";
	}
	return "there is no such command";
}

static void on_control_read(struct bufferevent *bev, void *context)
{
	char *line;
	(void)context;
	while ((line = evbuffer_readln(bufferevent_get_input(bev), NULL, EVBUFFER_EOL_LF)) !=
	       NULL) {
		struct words words = {.out = bufferevent_get_output(bev)};
		char *rest = NULL;
		for (char *word = strtok_r(line, " ", &rest); word != NULL && words.count < 8;
		     word = strtok_r(NULL, " ", &rest))
			words.items[words.count++] = word;
		const char *wrong = run_command(&words);
		if (wrong == NULL)
			evbuffer_add_printf(words.out, "ok\n");
		else
			evbuffer_add_printf(words.out, "error %s\n", wrong);
		free(line);
	}
}

static void on_control_event(struct bufferevent *bev, short what, void *context)
{
	(void)what;
	(void)context;
	bufferevent_free(bev);
}

static void on_control_accept(struct evconnlistener *listener, evutil_socket_t fd,
			      struct sockaddr *from, int len, void *context)
{
	(void)listener;
	(void)from;
	(void)len;
	(void)context;
	struct bufferevent *bev = must(bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE));
	bufferevent_setcb(bev, on_control_read, NULL, on_control_event, NULL);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

/* ---- the program ---- */

/* NAME=LISTEN,TARGET */
static void add_link(char *text)
{
	struct proxied *proxied = must(calloc(1, sizeof *proxied));
	struct sockaddr_storage at;
	int at_len = sizeof at;
	char *listen_text = strchr(text, '='), *target = strchr(text, ',');
	if (nlinks == LINKS_MAX || listen_text == NULL || target == NULL || target < listen_text ||
	    (size_t)(listen_text - text) >= sizeof proxied->name) {
		fprintf(stderr, "proxy: %s: expected NAME=HOST:PORT,HOST:PORT\n", text);
		exit(64);
	}
	*listen_text++ = '\0';
	*target++ = '\0';
	strcpy(proxied->name, text);
	proxied->target_len = sizeof proxied->target;
	list_init(&proxied->pairs);
	if (evutil_parse_sockaddr_port(listen_text, (struct sockaddr *)&at, &at_len) != 0 ||
	    evutil_parse_sockaddr_port(target, (struct sockaddr *)&proxied->target,
				       &proxied->target_len) != 0) {
		fprintf(stderr, "proxy: %s: an address is malformed\n", text);
		exit(64);
	}
	proxied->listener = evconnlistener_new_bind(base, on_accept, proxied,
						    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, -1,
						    (struct sockaddr *)&at, at_len);
	if (proxied->listener == NULL)
		give_up(listen_text);
	links[nlinks++] = proxied;
}

/* The other end of CONTROL. */
static int tell(const struct sockaddr_un *control, int count, char **words)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)control, sizeof *control) != 0)
		give_up(control->sun_path);
	FILE *stream = must(fdopen(fd, "r+"));
	for (int i = 0; i < count; i++)
		fprintf(stream, "%s%c", words[i], i + 1 < count ? ' ' : '\n');
	fflush(stream);
	char line[512];
	while (fgets(line, sizeof line, stream) != NULL) {
		if (strcmp(line, "ok\n") == 0)
			return 0;
		fputs(line, stdout);
		if (strncmp(line, "error ", 6) == 0)
			return 1;
	}
	printf("error no answer\n");
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_un control = {.sun_family = AF_UNIX};
	if (argc > 3 && strcmp(argv[1], "-c") == 0 && strlen(argv[2]) < sizeof control.sun_path) {
		strcpy(control.sun_path, argv[2]);
		return tell(&control, argc - 3, argv + 3);
	}
	if (argc < 3 || strlen(argv[1]) >= sizeof control.sun_path) {
		fprintf(stderr, "usage: proxy CONTROL NAME=LISTEN,TARGET...\n       proxy -c "
				"CONTROL COMMAND\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	rng_seed(&rng, 1);
	base = must(event_base_new());
	for (int i = 2; i < argc; i++)
		add_link(argv[i]);
	/* Last: whoever finds the socket finds all links. */
	strcpy(control.sun_path, argv[1]);
	unlink(argv[1]);
	if (evconnlistener_new_bind(base, on_control_accept, NULL, LEV_OPT_CLOSE_ON_FREE, -1,
				    (struct sockaddr *)&control, sizeof control) == NULL)
		give_up(argv[1]);
	return event_base_dispatch(base) == 0 ? 0 : 1;
}
