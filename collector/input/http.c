#include "collector/input/http.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

enum { GZIP_OR_ZLIB_WINDOW = 15 + 32, FIRST_ROOM_BYTES = 64 * 1024 };

void http_response_release(struct http_response *response)
{
	free(response->body);
	response->body = NULL;
}

static bool is_identity(const char *coding)
{
	return !coding || *coding == '\0' || strcasecmp(coding, "identity") == 0;
}

/* Doubles the room up to the limit; false when it is reached. */
static bool enlarge(char **body, size_t *room, size_t limit_bytes, size_t padding)
{
	if (*room == limit_bytes)
		return false;
	const size_t larger = *room > limit_bytes / 2 ? limit_bytes : 2 * *room;
	char *moved = realloc(*body, larger + padding);
	if (!moved)
		return false;
	*body = moved;
	*room = larger;
	return true;
}

static int inflate_all(z_stream *zlib, size_t limit_bytes, size_t padding, char **out_body,
		       size_t *out_body_bytes)
{
	size_t room = limit_bytes < FIRST_ROOM_BYTES ? limit_bytes : FIRST_ROOM_BYTES;
	char *body = malloc(room + padding);
	size_t used = 0;
	int status = body ? Z_OK : Z_MEM_ERROR;
	while (status == Z_OK) {
		if (used == room && !enlarge(&body, &room, limit_bytes, padding))
			break;
		zlib->next_out = (uint8_t *)body + used;
		zlib->avail_out = (unsigned)(room - used);
		status = inflate(zlib, Z_NO_FLUSH);
		used = room - zlib->avail_out;
		if (status == Z_BUF_ERROR && used == room)
			status = Z_OK;
	}
	if (status != Z_STREAM_END) {
		free(body);
		return status == Z_OK ? -EMSGSIZE : status == Z_MEM_ERROR ? -ENOMEM : -EPROTO;
	}
	memset(body + used, 0, padding);
	*out_body = body;
	*out_body_bytes = used;
	return 0;
}

int http_body_decode(const struct http_request *request, size_t limit_bytes, size_t padding,
		     char **out_body, size_t *out_body_bytes)
{
	if (request->body_bytes > limit_bytes)
		return -EMSGSIZE;
	if (is_identity(request->content_encoding)) {
		char *copy = malloc(request->body_bytes + padding + 1);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, request->body, request->body_bytes);
		memset(copy + request->body_bytes, 0, padding + 1);
		*out_body = copy;
		*out_body_bytes = request->body_bytes;
		return 0;
	}
	if (strcasecmp(request->content_encoding, "gzip") != 0 &&
	    strcasecmp(request->content_encoding, "deflate") != 0)
		return -EPROTO;
	z_stream zlib = { .next_in = (uint8_t *)(uintptr_t)request->body,
			  .avail_in = (unsigned)request->body_bytes };
	if (inflateInit2(&zlib, GZIP_OR_ZLIB_WINDOW) != Z_OK)
		return -ENOMEM;
	const int error = inflate_all(&zlib, limit_bytes, padding, out_body, out_body_bytes);
	inflateEnd(&zlib);
	return error;
}
