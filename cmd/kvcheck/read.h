/*
 * Histories as JSON lines, one call a line:
 *
 *   {"client":3,"id":17,"op":"put","key":"k","value":"v","ok":true,"call":1200,"return":3400}
 *
 *   op        get put append del cas incr txn
 *   key       which key
 *   value     of put, append and cas; of incr the number that is added (1 if there is none)
 *   expect    of cas: the value to replace; null: only if the key is missing
 *   ok        true: took effect; false: certainly did not; null: unknown, may take effect at any
 *             time after the call
 *   result    get: what was there, null if the key was missing; append, incr: the new value
 *             cas with "ok":false and "refused":true: what was there instead of what was expected
 *   found     del: whether there was such a key
 *   version   that get saw, or put, append, cas and incr made
 *   call, return   nanoseconds of one clock; return may be missing or null if ok is null
 *
 * key, value, expect and result are text unless "key_encoding", "encoding", "expect_encoding" or
 * "result_encoding" says "base64". Whole numbers are taken for their text.
 *
 * A transaction has "ops":[…], the operations that were done, each with the fields of above but for
 * client, id and times. If it has compares, then also
 * "when":[{"target":"value|version|exists","relation":"=|!=|<|>","key":…,"value":…|"number":…}],
 * "succeeded":true|false, which says whether they held, and "other":[…], the operations that would
 * have been done otherwise. Without "succeeded", "ops" are those that are done if the compares
 * hold.
 *
 * Other members are ignored.
 */
#ifndef SYNOD_KVCHECK_READ_H
#define SYNOD_KVCHECK_READ_H

#include "check/check.h"

/*
 * Adds the calls of one file ("-": standard input). False: *error is a line that says what is wrong
 * where, to be freed.
 */
bool kvcheck_read(struct check_history *h, const char *path, uint32_t file, char **error);

#endif
