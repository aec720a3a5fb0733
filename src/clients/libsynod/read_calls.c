/* The calls of synod.h whose reads say who may answer them, and how old the answer may be. */
#include "libsynod/handle.h"

/* Of a request that has been made, or of none: its status. */
static int read_made(int made, struct client_request **request,
		     const struct synod_read_options *options)
{
	if (made != 0)
		return made;
	int status = client_request_reading(*request, options);
	if (status != 0) {
		client_request_free(*request);
		*request = NULL;
	}
	return status;
}

static int make_get(struct client_request **request, const void *key, size_t key_len,
		    const struct synod_read_options *options)
{
	struct synod_op op = {.kind = SYNOD_OP_GET, .key = {.data = key, .len = key_len}};
	return read_made(client_request_op(request, &op), request, options);
}

/* The options' time-out is the request's. */
static uint32_t timeout_of(const struct client_request *request)
{
	return request != NULL ? request->timeout_ms : 0;
}

int synod_get_with_async(struct synod *s, const void *key, size_t key_len,
			 const struct synod_read_options *options, synod_callback done,
			 void *context)
{
	struct client_request *request = NULL;
	int made = make_get(&request, key, key_len, options);
	return handle_submit_async(s, made, request, timeout_of(request), done, context);
}

struct synod_reply *synod_get_with(struct synod *s, const void *key, size_t key_len,
				   const struct synod_read_options *options)
{
	struct client_request *request = NULL;
	int made = make_get(&request, key, key_len, options);
	return handle_run(s, made, request, timeout_of(request), NULL);
}

int synod_scan_with_async(struct synod *s, const struct synod_scan *scan,
			  const struct synod_read_options *options, synod_callback done,
			  void *context)
{
	struct client_request *request = NULL;
	int made = read_made(client_request_scan(&request, scan), &request, options);
	return handle_submit_async(s, made, request, timeout_of(request), done, context);
}

struct synod_reply *synod_scan_with(struct synod *s, const struct synod_scan *scan,
				    const struct synod_read_options *options)
{
	struct client_request *request = NULL;
	int made = read_made(client_request_scan(&request, scan), &request, options);
	return handle_run(s, made, request, timeout_of(request), NULL);
}

struct synod_reply *synod_log_read_with(struct synod *s, uint64_t from, uint32_t limit,
					const struct synod_read_options *options)
{
	struct client_request *request = NULL;
	int made = read_made(client_request_log_read(&request, false, from, limit), &request,
			     options);
	return handle_run(s, made, request, timeout_of(request), NULL);
}
