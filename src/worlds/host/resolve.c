/* Names, looked up by threads. */
#include "host/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "host/internal.h"

#define STACK_BYTES (1u * MIB) /* the modules behind getaddrinfo() like some room */
#define WHY_BYTES 160u

struct lookup {
	/* in resolver.lookups; the loop's thread only, as all but what is said otherwise */
	struct list link;
	struct list questions;
	bool running; /* it has a thread */
	/* Set before the thread starts, or by it before it is `done`: */
	char name[ADDRESS_BYTES_MAX + 1];
	struct socket_address addresses[ADDRESSES_MAX];
	uint32_t count;
	char why[WHY_BYTES];
	/* Guarded by the lock: */
	struct resolver *resolver; /* NULL: nobody waits any more; the thread frees the lookup */
	bool done;
};

struct resolver {
	struct host_loop *loop;
	struct list lookups;
	uint32_t nrunning;
	struct host_call call; /* some lookup is done */
};

/* One for all loops: it is held for moments, and outlives every resolver. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void take_addresses(struct lookup *lookup, const struct addrinfo *found)
{
	for (const struct addrinfo *a = found; a != NULL && lookup->count < ADDRESSES_MAX;
	     a = a->ai_next) {
		struct socket_address *address = &lookup->addresses[lookup->count];
		if ((a->ai_family != AF_INET && a->ai_family != AF_INET6) ||
		    a->ai_addrlen > sizeof address->u)
			continue;
		address->len = a->ai_addrlen;
		memcpy(&address->u, a->ai_addr, a->ai_addrlen);
		lookup->count++;
	}
}

static void look_up(struct lookup *lookup)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
	int result = getaddrinfo(lookup->name, NULL, &hints, &found);
	int error = errno;
	if (result == 0) {
		take_addresses(lookup, found);
		freeaddrinfo(found);
	}
	if (lookup->count == 0)
		snprintf(lookup->why, sizeof lookup->why, "cannot resolve the name: %s",
			 result == 0            ? "it has no address"
			 : result == EAI_SYSTEM ? strerror(error)
						: gai_strerror(result));
}

static void *run(void *data)
{
	struct lookup *lookup = data;
	look_up(lookup);
	pthread_mutex_lock(&lock);
	struct resolver *resolver = lookup->resolver;
	lookup->done = true;
	if (resolver != NULL)
		host_loop_wakeup(resolver->loop, &resolver->call);
	pthread_mutex_unlock(&lock);
	if (resolver == NULL)
		free(lookup);
	return NULL;
}

/* 0 or an errno. Signals are the loop's. */
static int start_thread(struct lookup *lookup)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, before;
	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread, &attributes, run, lookup);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return error;
}

static void start_lookups(struct resolver *resolver)
{
	LIST_FOR_SAFE (link, after, &resolver->lookups) {
		struct lookup *lookup = LIST_ITEM(link, struct lookup, link);
		if (resolver->nrunning >= RESOLVE_THREADS_MAX)
			return;
		if (lookup->running || lookup->done)
			continue;
		int error = start_thread(lookup);
		if (error == 0) {
			lookup->running = true;
			resolver->nrunning++;
			continue;
		}
		snprintf(lookup->why, sizeof lookup->why, "cannot resolve the name: no thread: %s",
			 strerror(error));
		lookup->done = true;
		host_loop_wakeup(resolver->loop, &resolver->call);
	}
}

/* Askers may ask again from within their answers. */
static void answer(struct resolver *resolver, struct lookup *lookup)
{
	struct list *first;
	list_remove(&lookup->link);
	resolver->nrunning -= lookup->running;
	while ((first = list_first(&lookup->questions)) != NULL) {
		struct resolve_question *question = LIST_ITEM(first, struct resolve_question, link);
		list_remove(first);
		question->answered(question, lookup->addresses, lookup->count, lookup->why);
	}
	free(lookup);
}

static bool is_done(struct lookup *lookup)
{
	pthread_mutex_lock(&lock);
	bool done = lookup->done;
	pthread_mutex_unlock(&lock);
	return done;
}

static struct lookup *first_done(struct resolver *resolver)
{
	LIST_FOR (link, &resolver->lookups) {
		struct lookup *lookup = LIST_ITEM(link, struct lookup, link);
		if (is_done(lookup))
			return lookup;
	}
	return NULL;
}

static void on_done(void *context)
{
	struct resolver *resolver = context;
	struct lookup *lookup;
	while ((lookup = first_done(resolver)) != NULL)
		answer(resolver, lookup);
	start_lookups(resolver);
}

struct resolver *resolver_create(struct host_loop *loop)
{
	struct resolver *resolver = ALLOC(struct resolver);
	resolver->loop = loop;
	resolver->call = (struct host_call){.callback = on_done, .context = resolver};
	list_init(&resolver->lookups);
	return resolver;
}

void resolver_destroy(struct resolver *resolver)
{
	if (resolver == NULL)
		return;
	pthread_mutex_lock(&lock);
	LIST_FOR_SAFE (link, after, &resolver->lookups) {
		struct lookup *lookup = LIST_ITEM(link, struct lookup, link);
		ASSERT(list_empty(&lookup->questions));
		list_remove(link);
		lookup->resolver = NULL;
		if (!lookup->running || lookup->done)
			free(lookup);
	}
	pthread_mutex_unlock(&lock);
	host_loop_forget(resolver->loop, &resolver->call);
	free(resolver);
}

void resolve(struct resolver *resolver, const char *name, struct resolve_question *question)
{
	ASSERT(list_empty(&question->link));
	LIST_FOR (link, &resolver->lookups) {
		struct lookup *lookup = LIST_ITEM(link, struct lookup, link);
		/*
		 * One that is done already says how things were: what is asked now is not to be
		 * answered by that.
		 */
		if (strcmp(lookup->name, name) != 0 || is_done(lookup))
			continue;
		list_push_back(&lookup->questions, &question->link);
		return;
	}
	struct lookup *lookup = ALLOC(struct lookup);
	lookup->resolver = resolver;
	list_init(&lookup->questions);
	snprintf(lookup->name, sizeof lookup->name, "%s", name);
	list_push_back(&lookup->questions, &question->link);
	list_push_back(&resolver->lookups, &lookup->link);
	start_lookups(resolver);
}

void resolve_cancel(struct resolve_question *question)
{
	list_remove(&question->link);
}
