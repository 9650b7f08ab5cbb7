/* http.h: one HTTP request and its answer, as pure data. The server (libevent's evhttp) reads
 * and writes them; what answers them knows no socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct http_request {
	const char *method;	   /* "POST" */
	const char *path;	   /* without the query, as sent */
	const char *authorization; /* header values; NULL = not sent */
	const char *content_encoding;
	const char *content_type;
	const char *peer_name; /* CN of the client's certificate, verified; NULL = none */
	const char *body;
	size_t body_bytes;
};

enum { HTTP_HEADERS_MAX = 4 };

struct http_header {
	const char *name;
	const char *value;
};

/* Filled in by whoever answers; http_response_release frees the body. */
struct http_response {
	int status;
	struct http_header headers[HTTP_HEADERS_MAX]; /* static texts */
	size_t header_count;
	char *body; /* malloc'ed, NUL-terminated; NULL = none */
	size_t body_bytes;
};

void http_response_release(struct http_response *response);

/* The body with its gzip or deflate coding undone, in a malloc'ed block; at most `limit_bytes`. 0,
 * or -EMSGSIZE, -EPROTO, -ENOMEM. A body without coding is copied. `padding` readable bytes follow
 * it. */
int http_body_decode(const struct http_request *request, size_t limit_bytes, size_t padding,
		     char **out_body, size_t *out_body_bytes);
