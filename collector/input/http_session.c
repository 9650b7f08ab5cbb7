#include "collector/input/http_session.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	HEAD_MAX_BYTES = 32 * 1024,
	HEADER_LINES_MAX = 100,
	CHUNK_LINE_MAX = 256,
	METHOD_MAX = 16,
	BODY_STEP_BYTES = 64 * 1024, /* a body's room grows as it comes, whatever it announced */
};

enum state {
	STATE_HEAD,
	STATE_BODY,
	STATE_CHUNK_SIZE,
	STATE_CHUNK,
	STATE_CHUNK_END,
	STATE_TRAILER,
	STATE_ANSWERING, /* the reply waits until documents are safe */
	STATE_CLOSED,
};

struct http_session {
	struct http_session_settings settings;
	enum state state;
	char *head; /* copy of the request's head, cut into texts; what `request` points into */
	struct http_request request;
	bool keep_alive;
	bool chunked;
	bool expects_continue;
	bool has_length;
	size_t left_bytes; /* of the body, or of the chunk */
	char *body;
	size_t body_used;
	size_t body_room;
	struct http_response response;
	uint32_t checkpoints;		 /* that the reply waits for */
	const struct session_sink *sink; /* during a call of the responder */
};

void *http_session_open(const struct http_session_settings *settings)
{
	struct http_session *session = calloc(1, sizeof(*session));
	if (session)
		session->settings = *settings;
	return session;
}

static void forget_request(struct http_session *session)
{
	free(session->head);
	free(session->body);
	session->head = NULL;
	session->body = NULL;
	session->body_used = 0;
	session->body_room = 0;
	session->request = (struct http_request){ 0 };
	http_response_release(&session->response);
	session->response = (struct http_response){ 0 };
}

static void http_close(void *context)
{
	struct http_session *session = context;
	if (session)
		forget_request(session);
	free(session);
}

/* --- replies ---------------------------------------------------------------------------------- */

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 204, "No Content" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 417, "Expectation Failed" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

static void send_response(struct http_session *session, const struct session_sink *sink)
{
	const struct http_response *response = &session->response;
	const bool head = session->request.method && strcmp(session->request.method, "HEAD") == 0;
	char text[1024];
	int size = snprintf(text, sizeof(text), "HTTP/1.1 %d %s\r\n", response->status,
			    reason_of(response->status));
	for (size_t i = 0; i < response->header_count; i++)
		size += snprintf(text + size, sizeof(text) - (size_t)size, "%s: %s\r\n",
				 response->headers[i].name, response->headers[i].value);
	if (response->status != 204)
		size += snprintf(text + size, sizeof(text) - (size_t)size,
				 "Content-Length: %zu\r\n", response->body_bytes);
	size += snprintf(text + size, sizeof(text) - (size_t)size, "%s\r\n",
			 session->keep_alive ? "" : "Connection: close\r\n");
	sink->reply(sink->context, text, (size_t)size);
	if (!head && response->body_bytes > 0)
		sink->reply(sink->context, response->body, response->body_bytes);
	session->state = session->keep_alive ? STATE_HEAD : STATE_CLOSED;
	forget_request(session);
}

/* A request that cannot be read: nothing after it can be trusted. */
static ssize_t refuse(struct http_session *session, int status, const struct session_sink *sink)
{
	forget_request(session);
	session->keep_alive = false;
	session->response.status = status;
	send_response(session, sink);
	return -ESHUTDOWN;
}

static void count_checkpoint(void *context)
{
	struct http_session *session = context;
	session->checkpoints++;
	session->sink->checkpoint(session->sink->context);
}

static void pass_document(void *context, enum document_kind kind, const char *bytes,
			  size_t size_bytes)
{
	const struct http_session *session = context;
	session->sink->document(session->sink->context, kind, bytes, size_bytes);
}

static void respond(struct http_session *session, const struct session_sink *sink)
{
	const struct session_sink inner = { .context = session,
					    .document = pass_document,
					    .checkpoint = count_checkpoint };
	session->sink = sink;
	session->checkpoints = 0;
	session->request.body = session->body ? session->body : "";
	session->request.body_bytes = session->body_used;
	session->request.peer_name = session->settings.peer_name;
	session->state = STATE_ANSWERING;
	session->settings.respond(session->settings.context, &session->request, &inner,
				  &session->response);
	if (session->checkpoints == 0)
		send_response(session, sink);
}

static void http_safe(void *context, const struct session_sink *sink)
{
	struct http_session *session = context;
	if (session->state == STATE_ANSWERING && --session->checkpoints == 0)
		send_response(session, sink);
}

/* --- the head --------------------------------------------------------------------------------- */

/* A decimal number of the whole text. */
static bool read_size(const char *text, size_t *out_size)
{
	char *end;
	errno = 0;
	if (!isdigit((unsigned char)*text))
		return false;
	*out_size = strtoull(text, &end, 10);
	return *end == '\0' && errno == 0;
}

/* Is `word` one of a comma-separated list, without regard to case? */
static bool lists_word(const char *list, const char *word)
{
	const size_t size = strlen(word);
	for (const char *at = list; *at;) {
		at += strspn(at, " \t,");
		const size_t part = strcspn(at, " \t,");
		if (part == size && strncasecmp(at, word, size) == 0)
			return true;
		at += part;
	}
	return false;
}

/* 0, or the status to refuse with. */
static int take_header(struct http_session *session, const char *name, const char *value)
{
	struct http_request *request = &session->request;
	if (strcasecmp(name, "Content-Length") == 0) {
		size_t size;
		if (!read_size(value, &size) ||
		    (session->has_length && size != session->left_bytes))
			return 400;
		session->has_length = true;
		session->left_bytes = size;
	} else if (strcasecmp(name, "Transfer-Encoding") == 0) {
		if (strcasecmp(value, "chunked") != 0)
			return 501;
		session->chunked = true;
	} else if (strcasecmp(name, "Connection") == 0) {
		if (lists_word(value, "close"))
			session->keep_alive = false;
		else if (lists_word(value, "keep-alive"))
			session->keep_alive = true;
	} else if (strcasecmp(name, "Expect") == 0) {
		if (strcasecmp(value, "100-continue") != 0)
			return 417;
		session->expects_continue = true;
	} else if (strcasecmp(name, "Authorization") == 0) {
		request->authorization = value;
	} else if (strcasecmp(name, "Content-Encoding") == 0) {
		request->content_encoding = value;
	} else if (strcasecmp(name, "Content-Type") == 0) {
		request->content_type = value;
	}
	return 0;
}

/* Ends the line at `at` with a NUL, without its CR; returns where the next one begins. */
static char *end_line(char *at)
{
	char *end = strchr(at, '\n');
	if (!end)
		return at + strlen(at);
	if (end > at && end[-1] == '\r')
		end[-1] = '\0';
	*end = '\0';
	return end + 1;
}

/* "POST /_bulk?x=y HTTP/1.1" */
static int read_request_line(struct http_session *session, char *line)
{
	char *path = strchr(line, ' ');
	char *version = path ? strchr(path + 1, ' ') : NULL;
	if (!version || path - line >= METHOD_MAX || path == line)
		return 400;
	*path++ = '\0';
	*version++ = '\0';
	if (strncmp(version, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)version[7]) ||
	    version[8] != '\0')
		return 505;
	session->keep_alive = version[7] != '0';
	if (strncmp(path, "http://", 7) == 0 || strncmp(path, "https://", 8) == 0) {
		path = strchr(strstr(path, "//") + 2, '/'); /* as a proxy is asked */
		if (!path)
			return 400;
	}
	if (*path != '/')
		return 400;
	path[strcspn(path, "?#")] = '\0';
	session->request.method = line;
	session->request.path = path;
	return 0;
}

static int read_head(struct http_session *session, char *head)
{
	char *line = head;
	char *next = end_line(line);
	int status = read_request_line(session, line);
	for (int count = 0; status == 0; count++) {
		line = next;
		next = end_line(line);
		if (*line == '\0')
			break;
		char *colon = strchr(line, ':');
		if (!colon || colon == line || isspace((unsigned char)colon[-1]) ||
		    isspace((unsigned char)*line))
			return 400;
		if (count == HEADER_LINES_MAX)
			return 431;
		*colon = '\0';
		char *value = colon + 1 + strspn(colon + 1, " \t");
		size_t size = strlen(value);
		while (size > 0 && isspace((unsigned char)value[size - 1]))
			value[--size] = '\0';
		status = take_header(session, line, value);
	}
	if (status == 0 && session->chunked && session->has_length)
		return 400; /* what request smuggling is made of */
	if (status == 0 && session->has_length &&
	    session->left_bytes > session->settings.body_bytes)
		return 413;
	return status;
}

/* Where the head ends: behind the first empty line; 0 = not there yet. */
static size_t head_size(const char *bytes, size_t size_bytes)
{
	const char *const end = bytes + size_bytes;
	const char *at = bytes;
	for (const char *newline; (newline = memchr(at, '\n', (size_t)(end - at)));) {
		const size_t line = (size_t)(newline - at);
		if (at != bytes && (line == 0 || (line == 1 && *at == '\r')))
			return (size_t)(newline + 1 - bytes);
		at = newline + 1;
	}
	return 0;
}

static ssize_t feed_head(struct http_session *session, const char *bytes, size_t size_bytes,
			 const struct session_sink *sink)
{
	if (*bytes == '\r' || *bytes == '\n')
		return 1; /* RFC 9112, 2.2: an empty line before a request */
	const size_t size = head_size(bytes, size_bytes);
	if (size > HEAD_MAX_BYTES || (size == 0 && size_bytes > HEAD_MAX_BYTES))
		return refuse(session, 431, sink);
	if (size == 0)
		return 0;
	session->head = strndup(bytes, size); /* a NUL within ends it: then it is no request */
	session->chunked = session->has_length = session->expects_continue = false;
	session->left_bytes = 0;
	const int status = session->head ? read_head(session, session->head) : 500;
	if (status != 0)
		return refuse(session, status, sink);
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	if (session->expects_continue && (session->chunked || session->left_bytes > 0))
		sink->reply(sink->context, go_on, sizeof(go_on) - 1);
	session->state = session->chunked ? STATE_CHUNK_SIZE : STATE_BODY;
	if (session->state == STATE_BODY && session->left_bytes == 0)
		respond(session, sink);
	return (ssize_t)size;
}

/* --- the body --------------------------------------------------------------------------------- */

static bool add_to_body(struct http_session *session, const char *bytes, size_t size_bytes)
{
	if (session->body_room - session->body_used < size_bytes) {
		size_t room = session->body_room ? 2 * session->body_room : BODY_STEP_BYTES;
		while (room - session->body_used < size_bytes)
			room *= 2;
		char *larger = realloc(session->body, room);
		if (!larger)
			return false;
		session->body = larger;
		session->body_room = room;
	}
	memcpy(session->body + session->body_used, bytes, size_bytes);
	session->body_used += size_bytes;
	return true;
}

static ssize_t feed_body(struct http_session *session, const char *bytes, size_t size_bytes,
			 const struct session_sink *sink)
{
	const size_t size = size_bytes < session->left_bytes ? size_bytes : session->left_bytes;
	if (!add_to_body(session, bytes, size))
		return refuse(session, 503, sink);
	session->left_bytes -= size;
	if (session->left_bytes == 0 && session->state == STATE_CHUNK)
		session->state = STATE_CHUNK_END;
	else if (session->left_bytes == 0)
		respond(session, sink);
	return (ssize_t)size;
}

/* A line of the chunked framing: its bytes with LF, 0 = not whole yet, or -EMSGSIZE. */
static ssize_t framing_line(const char *bytes, size_t size_bytes)
{
	const char *newline = memchr(bytes, '\n', size_bytes);
	if (newline && newline - bytes < CHUNK_LINE_MAX)
		return newline + 1 - bytes;
	return newline || size_bytes >= CHUNK_LINE_MAX ? -EMSGSIZE : 0;
}

static ssize_t feed_chunk_line(struct http_session *session, const char *bytes, size_t size_bytes,
			       const struct session_sink *sink)
{
	const ssize_t line = framing_line(bytes, size_bytes);
	if (line <= 0)
		return line < 0 ? refuse(session, 400, sink) : 0;
	const bool empty = line == 1 || (line == 2 && *bytes == '\r');
	if (session->state == STATE_CHUNK_END) {
		session->state = STATE_CHUNK_SIZE;
		return empty ? line : refuse(session, 400, sink);
	}
	if (session->state == STATE_TRAILER) {
		if (empty)
			respond(session, sink);
		return line;
	}
	char text[CHUNK_LINE_MAX];
	memcpy(text, bytes, (size_t)line);
	text[line - 1] = '\0';
	char *end;
	errno = 0;
	const unsigned long long size = strtoull(text, &end, 16);
	if (!isxdigit((unsigned char)*text) || errno || !strchr(" \t;\r", *end))
		return refuse(session, 400, sink);
	if (size > session->settings.body_bytes - session->body_used)
		return refuse(session, 413, sink);
	session->left_bytes = size;
	session->state = size ? STATE_CHUNK : STATE_TRAILER;
	return line;
}

static ssize_t feed_some(struct http_session *session, const char *bytes, size_t size_bytes,
			 const struct session_sink *sink)
{
	switch (session->state) {
	case STATE_HEAD:
		return feed_head(session, bytes, size_bytes, sink);
	case STATE_BODY:
	case STATE_CHUNK:
		return feed_body(session, bytes, size_bytes, sink);
	case STATE_CHUNK_SIZE:
	case STATE_CHUNK_END:
	case STATE_TRAILER:
		return feed_chunk_line(session, bytes, size_bytes, sink);
	case STATE_ANSWERING:
		return 0;
	case STATE_CLOSED:
		break;
	}
	return -ESHUTDOWN;
}

static ssize_t http_feed(void *context, const void *bytes, size_t size_bytes,
			 const struct session_sink *sink)
{
	struct http_session *session = context;
	size_t used = 0;
	while (used < size_bytes && session->state != STATE_CLOSED) {
		const ssize_t consumed =
			feed_some(session, (const char *)bytes + used, size_bytes - used, sink);
		if (consumed < 0)
			return consumed;
		if (consumed == 0)
			break;
		used += (size_t)consumed;
	}
	return session->state == STATE_CLOSED ? -ESHUTDOWN : (ssize_t)used;
}

const struct session_protocol session_http = {
	.name = "http",
	.close = http_close,
	.feed = http_feed,
	.safe = http_safe,
};
