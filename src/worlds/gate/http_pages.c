/* Health, metrics, status. */
#include "gate/http_internal.h"

#include <stdio.h>
#include <string.h>

#include "host/process.h"

const char *http_reason(int code)
{
	static const struct {
		int code;
		const char *reason;
	} reasons[] = {
		{200, "OK"},
		{307, "Temporary Redirect"},
		{400, "Bad Request"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{417, "Expectation Failed"},
		{421, "Misdirected Request"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
		{505, "HTTP Version Not Supported"},
		{507, "Insufficient Storage"},
	};
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].code == code)
			return reasons[i].reason;
	return "Unknown";
}

/* As all errors, for programs: a sentence, without quotes, and a name. */
static void reply_error(struct http_request *request, int code, const char *why)
{
	struct buffer body = {0};
	buffer_format(&body, "{\"error\":\"%s\",\"status\":\"%s\"}\n", why,
		      status_name(STATUS_BAD_REQUEST));
	http_reply(request, code, "application/json", buffer_slice(&body));
	buffer_free(&body);
}

static void reply_text(struct http_request *request, int code, const char *text)
{
	http_reply(request, code, "text/plain; charset=utf-8", slice_string(text));
}

static void on_livez(struct http_request *request, void *context)
{
	(void)context;
	reply_text(request, 200, "ok\n");
}

static void on_readyz(struct http_request *request, void *context)
{
	struct http *http = context;
	struct node *node = http->node;
	if (http->stopping)
		reply_text(request, 503, "stopping\n");
	else if (node->ops->ready == NULL || node->ops->ready(node))
		reply_text(request, 200, "ok\n");
	else
		reply_text(request, 503, "not ready\n");
}

static void on_metrics(struct http_request *request, void *context)
{
	struct http *http = context;
	struct buffer body = {0};
	metrics_render(&http->node->metrics, &body);
	process_metrics_render(&body);
	http_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", buffer_slice(&body));
	buffer_free(&body);
}

static void on_status(struct http_request *request, void *context)
{
	struct http *http = context;
	struct buffer body = {0};
	if (http->node->ops->status_json == NULL) {
		reply_error(request, 404, "this node has no status");
		return;
	}
	http->node->ops->status_json(http->node, &body);
	buffer_add_u8(&body, '\n');
	http_reply(request, 200, "application/json", buffer_slice(&body));
	buffer_free(&body);
}

/* ---- pages ---- */

static bool is_prefix(const char *path)
{
	return path[strlen(path) - 1] == '/';
}

static const struct http_page *find_page(const struct http *http, const char *path)
{
	for (size_t i = 0; i < http->npages; i++) {
		const struct http_page *page = &http->pages[i];
		if (strcmp(path, page->path) == 0 ||
		    (is_prefix(page->path) && strncmp(path, page->path, strlen(page->path)) == 0))
			return page;
	}
	return NULL;
}

static void reply_unavailable(const struct http *http, struct http_request *request)
{
	struct buffer body = {0};
	buffer_format(&body, "{\"error\":\"%s\",\"status\":\"%s\"}\n", http->unavailable,
		      status_name(STATUS_UNAVAILABLE));
	http_reply(request, 503, "application/json", buffer_slice(&body));
	buffer_free(&body);
}

static void reply_not_found(const struct http *http, struct http_request *request)
{
	struct buffer why = {0};
	buffer_format(&why, "there is no such page: try");
	for (size_t i = 0; i < http->npages; i++)
		buffer_format(&why, " %s%s", http->pages[i].path,
			      is_prefix(http->pages[i].path) ? "…" : "");
	buffer_add_u8(&why, 0);
	reply_error(request, 404, (const char *)why.data);
	buffer_free(&why);
}

static void reply_not_allowed(struct http_request *request, const struct http_page *page)
{
	static const struct {
		unsigned method;
		const char *name;
	} names[] = {{HTTP_GET, "GET"},
		     {HTTP_HEAD, "HEAD"},
		     {HTTP_PUT, "PUT"},
		     {HTTP_POST, "POST"},
		     {HTTP_DELETE, "DELETE"}};
	char allow[64] = "", why[128];
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if ((page->methods & names[i].method) == 0)
			continue;
		size_t len = strlen(allow);
		snprintf(allow + len, sizeof allow - len, "%s%s", len > 0 ? ", " : "",
			 names[i].name);
	}
	http_add_header(request, "Allow", allow);
	snprintf(why, sizeof why, "this page does not know the method, only %s", allow);
	reply_error(request, 405, why);
}

void http_on_request(struct http_request *request, void *context)
{
	struct http *http = context;
	const struct http_page *page = find_page(http, http_request_path(request));
	if (strcmp(http_request_path(request), "*") == 0) { /* OPTIONS only: RFC 9110 9.3.7 */
		http_add_header(request, "Allow", "GET, HEAD, POST, PUT, DELETE");
		reply_text(request, 200, "");
	} else if (page == NULL && http->unavailable != NULL) {
		reply_unavailable(http, request);
	} else if (page == NULL) {
		reply_not_found(http, request);
	} else if ((page->methods & (unsigned)http_request_method(request)) == 0) {
		reply_not_allowed(request, page);
	} else {
		page->serve(request, page->context);
	}
}

void http_add_page(struct http *http, const struct http_page *page)
{
	ASSERT(http->npages < HTTP_PAGES_MAX && page->path[0] == '/');
	struct http_page *added = &http->pages[http->npages++];
	*added = *page;
	if ((added->methods & HTTP_GET) != 0)
		added->methods |= HTTP_HEAD;
}

void http_add_own_pages(struct http *http)
{
	const struct http_page pages[] = {
		{"/livez", HTTP_GET, on_livez, http},
		{"/readyz", HTTP_GET, on_readyz, http},
		{"/metrics", HTTP_GET, on_metrics, http},
		{"/api/v1/status", HTTP_GET, on_status, http},
	};
	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
		http_add_page(http, &pages[i]);
}
