#include "collector/input/bulk.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PRODUCT "X-elastic-product"

static const char json_type[] = "application/json";
static const char vendor_type[] = "application/vnd.elasticsearch+json;compatible-with=8";

/* --- answers ---------------------------------------------------------------------------------- */

static void add_header(struct http_response *response, const char *name, const char *value)
{
	response->headers[response->header_count++] = (struct http_header){ name, value };
}

__attribute__((format(printf, 3, 4))) static void answer(struct http_response *response, int status,
							 const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *body = NULL;
	const int size = vasprintf(&body, format, arguments);
	va_end(arguments);
	response->status = size < 0 ? 500 : status;
	response->body = size < 0 ? NULL : body;
	response->body_bytes = size < 0 ? 0 : (size_t)size;
}

static void refuse(struct http_response *response, int status, const char *type, const char *reason)
{
	answer(response, status, "{\"error\":{\"type\":\"%s\",\"reason\":\"%s\"},\"status\":%d}",
	       type, reason, status);
}

void bulk_respond_overloaded(struct http_response *out_response)
{
	*out_response = (struct http_response){ 0 };
	add_header(out_response, PRODUCT, "Elasticsearch");
	add_header(out_response, "Content-Type", json_type);
	refuse(out_response, 429, "es_rejected_execution_exception",
	       "the spool is full, send again later");
}

/* What the client sniffs at connect: who are you, which version. */
static void answer_root(const struct bulk_settings *settings, struct http_response *response)
{
	answer(response, 200,
	       "{\"name\":\"procspan\",\"cluster_name\":\"procspan\",\"cluster_uuid\":\"procspan\","
	       "\"version\":{"
	       "\"number\":\"%s\",\"build_flavor\":\"default\",\"build_type\":\"deb\",\"lucene_"
	       "version\":\"9.12.0\","
	       "\"minimum_wire_compatibility_version\":\"7.17.0\",\"minimum_index_compatibility_"
	       "version\":\"7.0.0\"},"
	       "\"tagline\":\"You Know, for Search\"}",
	       settings->version ? settings->version : "8.19.0");
}

/* --- who may send ----------------------------------------------------------------------------- */

/* Takes the same time wherever the texts differ. */
static bool same_secret(const char *left, const char *right)
{
	const size_t size = strlen(left);
	if (strlen(right) != size)
		return false;
	unsigned difference = 0;
	for (size_t i = 0; i < size; i++)
		difference |= (unsigned)(unsigned char)(left[i] ^ right[i]);
	return difference == 0;
}

static bool authorized(const struct bulk_settings *settings, const struct http_request *request)
{
	bool known = settings->authorization_count == 0;
	for (size_t i = 0; i < settings->authorization_count && request->authorization; i++)
		known |= same_secret(settings->authorizations[i], request->authorization);
	return known;
}

/* --- the _bulk body --------------------------------------------------------------------------- */

enum action { ACTION_CREATE, ACTION_INDEX, ACTION_UNSUPPORTED };

/* The next line without its LF and CR; false at the end. */
static bool next_line(const char **at, const char *end, const char **out_line, size_t *out_size)
{
	if (*at >= end)
		return false;
	const char *newline = memchr(*at, '\n', (size_t)(end - *at));
	const char *stop = newline ? newline : end;
	*out_line = *at;
	*at = newline ? newline + 1 : end;
	while (stop > *out_line && isspace((unsigned char)stop[-1]))
		stop--;
	*out_size = (size_t)(stop - *out_line);
	return true;
}

/* {"create": {...}}: the one key says what to do with the line below. */
static enum action read_action(const char *line, size_t size)
{
	static const char *const names[] = { "\"create\"", "\"index\"" };
	const char *const end = line + size;
	while (line < end && (isspace((unsigned char)*line) || *line == '{'))
		line++;
	for (int i = 0; i < ACTION_UNSUPPORTED; i++)
		if ((size_t)(end - line) > strlen(names[i]) &&
		    memcmp(line, names[i], strlen(names[i])) == 0)
			return (enum action)i;
	return ACTION_UNSUPPORTED;
}

/* The items of the answer, one per document and in order, grown as they come. */
struct items {
	char *text;
	size_t used;
	size_t room;
	uint32_t count;
};

static bool add_item(struct items *items, enum action action)
{
	enum { ITEM_MAX = 128 };
	if (items->room - items->used < ITEM_MAX) {
		const size_t room = items->room ? 2 * items->room : 4096;
		char *larger = realloc(items->text, room);
		if (!larger)
			return false;
		items->text = larger;
		items->room = room;
	}
	const int size = snprintf(items->text + items->used, ITEM_MAX,
				  "%s{\"%s\":{\"_index\":\"procspan\",\"_id\":\"%u\",\"status\":"
				  "201,\"result\":\"created\"}}",
				  items->count ? "," : "",
				  action == ACTION_CREATE ? "create" : "index", items->count);
	items->used += (size_t)size;
	items->count++;
	return true;
}

/* Checks every line, then hands the documents over: a request is taken whole or not at all, because
 * some clients send everything again when one item failed. With `sink` NULL it only checks. */
static const char *walk_body(const struct bulk_settings *settings, const char *body,
			     size_t body_bytes, const struct session_sink *sink,
			     struct items *items)
{
	const char *at = body;
	const char *const end = body + body_bytes;
	const char *line;
	size_t size;
	uint32_t count = 0;
	while (next_line(&at, end, &line, &size)) {
		if (size == 0)
			continue; /* libbeat ends each document twice */
		const enum action action = read_action(line, size);
		if (action == ACTION_UNSUPPORTED)
			return "only create and index actions are taken";
		if (!next_line(&at, end, &line, &size) || size == 0)
			return "an action without its document";
		if (size > settings->limits.document_bytes)
			return "a document above the limit";
		if (++count > settings->limits.window_events)
			return "too many documents in one request";
		if (!sink)
			continue;
		sink->document(sink->context, DOCUMENT_JSON, line, size);
		if (!add_item(items, action))
			return "out of memory";
	}
	return NULL;
}

static void answer_bulk(const struct bulk_settings *settings, const char *body, size_t body_bytes,
			const struct session_sink *sink, struct http_response *response)
{
	struct items items = { 0 };
	const char *fault = walk_body(settings, body, body_bytes, NULL, NULL);
	if (!fault)
		fault = walk_body(settings, body, body_bytes, sink, &items);
	if (fault) {
		refuse(response, 400, "illegal_argument_exception", fault);
	} else {
		sink->checkpoint(sink->context);
		/* No spaces and this order of keys: Fluent Bit looks for the literal text when its
		 * buffer is full. */
		answer(response, 200, "{\"took\":1,\"errors\":false,\"items\":[%.*s]}",
		       (int)items.used, items.text ? items.text : "");
	}
	free(items.text);
}

static void answer_document(const struct bulk_settings *settings, const char *body,
			    size_t body_bytes, const struct session_sink *sink,
			    struct http_response *response)
{
	if (body_bytes == 0 || body_bytes > settings->limits.document_bytes) {
		refuse(response, 400, "illegal_argument_exception",
		       "a document is missing or above the limit");
		return;
	}
	sink->document(sink->context, DOCUMENT_JSON, body, body_bytes);
	sink->checkpoint(sink->context);
	answer(response, 201, "{\"_index\":\"procspan\",\"_id\":\"0\",\"result\":\"created\"}");
}

/* --- routing ---------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
	const size_t text_size = strlen(text);
	const size_t end_size = strlen(end);
	return text_size >= end_size && strcmp(text + text_size - end_size, end) == 0;
}

static void answer_with_body(const struct bulk_settings *settings,
			     const struct http_request *request, const struct session_sink *sink,
			     struct http_response *response)
{
	char *body;
	size_t body_bytes;
	const int error =
		http_body_decode(request, settings->limits.inflated_bytes, 0, &body, &body_bytes);
	if (error == -EMSGSIZE)
		refuse(response, 413, "content_too_long_exception",
		       "the body is above the limit, send less at once");
	else if (error)
		refuse(response, 400, "parse_exception", "the body cannot be decompressed");
	if (error)
		return;
	if (ends_with(request->path, "/_bulk"))
		answer_bulk(settings, body, body_bytes, sink, response);
	else
		answer_document(settings, body, body_bytes, sink, response);
	free(body);
}

void bulk_respond(const struct bulk_settings *settings, const struct http_request *request,
		  const struct session_sink *sink, struct http_response *out_response)
{
	*out_response = (struct http_response){ 0 };
	const bool vendor =
		request->content_type && strstr(request->content_type, "vnd.elasticsearch+");
	add_header(out_response, PRODUCT,
		   "Elasticsearch"); /* the official clients refuse to talk without it */
	add_header(out_response, "Content-Type", vendor ? vendor_type : json_type);
	if (!authorized(settings, request)) {
		add_header(out_response, "WWW-Authenticate", "Basic realm=\"security\"");
		refuse(out_response, 401, "security_exception", "missing or wrong credentials");
		return;
	}
	const bool reading =
		strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
	const bool posting =
		strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0;
	const char *path = request->path;
	if (strcmp(path, "/") == 0)
		answer_root(settings, out_response);
	else if (reading && (strcmp(path, "/_license") == 0 || strcmp(path, "/_xpack") == 0))
		answer(out_response, 200,
		       "{\"license\":{\"uid\":\"procspan\",\"type\":\"basic\",\"status\":"
		       "\"active\"}}");
	else if (posting &&
		 (ends_with(path, "/_bulk") || strstr(path, "/_doc") || strstr(path, "/_create/")))
		answer_with_body(settings, request, sink, out_response);
	else if (reading) /* templates, pipelines and policies: all there */
		answer(out_response, 200, "{}");
	else
		answer(out_response, 200, "{\"acknowledged\":true}");
	if (strcmp(request->method, "HEAD") == 0)
		http_response_release(out_response);
}
