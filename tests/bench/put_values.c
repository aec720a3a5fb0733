/*
 * Puts values of one size, one after the other, and looks whether the last one is there: the load
 * of tests/bench/copies.sh.
 *
 *   put_values CONFIG COUNT BYTES
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synod.h"

#define KEYS 4u

int main(int argc, char **argv)
{
	struct synod *synod;
	char key[32];
	if (argc != 4)
		errx(64, "usage: put_values CONFIG COUNT BYTES");
	unsigned long count = strtoul(argv[2], NULL, 10), bytes = strtoul(argv[3], NULL, 10);
	struct synod_options options = {.config_file = argv[1]};
	if (synod_open(&synod, &options) != SYNOD_OK)
		errx(1, "cannot open %s", argv[1]);
	char *value = malloc(bytes + 1);
	if (value == NULL)
		err(1, NULL);
	for (unsigned long i = 0; i < count; i++) {
		memset(value, (int)('a' + i % 26), bytes);
		int len = snprintf(key, sizeof key, "key%lu", i % KEYS);
		struct synod_reply *reply = synod_put(synod, key, (size_t)len, value, bytes);
		if (reply->status != SYNOD_OK)
			errx(1, "put %lu: %s", i, reply->message);
		synod_reply_free(reply);
	}
	if (count > 0) {
		int len = snprintf(key, sizeof key, "key%lu", (count - 1) % KEYS);
		struct synod_reply *reply = synod_get(synod, key, (size_t)len);
		if (reply->status != SYNOD_OK || reply->value.len != bytes ||
		    memcmp(reply->value.data, value, bytes) != 0)
			errx(1, "%s is not what was put", key);
		synod_reply_free(reply);
	}
	synod_close(synod);
	free(value);
	return 0;
}
