/* The Host header of the first request. Source: RFC 9112, sections 3 and 3.2. */
#include <string.h>
#include <strings.h>

#include "collector/packet/name_reader.h"

static const char *const methods[] = { "GET ",	   "POST ",   "HEAD ",	"PUT ",	     "CONNECT ",
				       "OPTIONS ", "DELETE ", "PATCH ", "PROPFIND ", "TRACE " };

/* Do the bytes start with a request line, as far as they go? */
static bool starts_request(struct cursor bytes)
{
	const size_t left = cursor_left(&bytes);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		const size_t size = strlen(methods[i]);
		const size_t shared = size < left ? size : left;
		if (shared > 0 && memcmp(bytes.at, methods[i], shared) == 0)
			return true;
	}
	return false;
}

/* The next line without its end. False: it has not ended yet. */
static bool next_line(struct cursor *bytes, struct cursor *out_line)
{
	const size_t left = cursor_left(bytes);
	const uint8_t *end = left ? memchr(bytes->at, '\n', left) : NULL;
	if (!end)
		return false;
	size_t size_bytes = (size_t)(end - bytes->at);
	*out_line = cursor_split(bytes, size_bytes);
	cursor_take(bytes, 1);
	if (size_bytes > 0 && out_line->at[size_bytes - 1] == '\r')
		cursor_limit(out_line, size_bytes - 1);
	return true;
}

/* Without the port: what follows the last colon, unless that is inside brackets. */
static size_t without_port(const uint8_t *host, size_t size_bytes)
{
	for (size_t i = size_bytes; i > 0; i--) {
		if (host[i - 1] == ']')
			break;
		if (host[i - 1] == ':')
			return i - 1;
	}
	return size_bytes;
}

/* If the line is a Host header: its value, else NULL. */
static const uint8_t *host_of(struct cursor line, size_t *out_size_bytes)
{
	static const char header[] = "host:";
	const uint8_t *start = cursor_take(&line, sizeof(header) - 1);
	if (!start || strncasecmp((const char *)start, header, sizeof(header) - 1) != 0)
		return NULL;
	const uint8_t *next;
	while ((next = cursor_peek(&line, 1)) && (*next == ' ' || *next == '\t'))
		cursor_take(&line, 1);
	size_t size_bytes = cursor_left(&line);
	const uint8_t *value = cursor_take(&line, size_bytes);
	while (size_bytes > 0 && (value[size_bytes - 1] == ' ' || value[size_bytes - 1] == '\t'))
		size_bytes--;
	*out_size_bytes = without_port(value, size_bytes);
	return value;
}

enum name_progress name_read_http(struct name_reader *reader, struct cursor bytes)
{
	if (!starts_request(bytes))
		return NAME_NOT_MINE;
	struct cursor line;
	while (next_line(&bytes, &line)) {
		size_t size_bytes = 0;
		const uint8_t *host = host_of(line, &size_bytes);
		if (cursor_left(&line) == 0)
			return NAME_DONE; /* the headers end */
		if (!host)
			continue;
		if (size_bytes > 0) {
			reader->found.kind = WIRE_NAME_HTTP;
			name_set(reader, host, size_bytes);
			name_found(reader);
		}
		return NAME_DONE;
	}
	return NAME_MORE;
}
