/* support_message.h: small strict readers of the formats that alerts leave in, for tests. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { MESSAGE_PAIRS_MAX = 128, MESSAGE_TEXT_MAX = 70000 };

struct pair {
	const char *element; /* RFC 5424: SD-ID */
	const char *name;
	const char *value; /* unescaped */
};

/* A parsed message; texts are in `heap`. */
struct parsed {
	int priority;
	const char *host, *application, *process_id, *message_id;
	const char *message;   /* MSG, or the CEF, LEEF or JSON payload behind the header */
	const char *header[8]; /* CEF and LEEF: the fields between the pipes */
	size_t header_count;
	struct pair pairs[MESSAGE_PAIRS_MAX];
	size_t pair_count;
	const char *wrong; /* what is against the grammar, or NULL */
	char heap[2 * MESSAGE_TEXT_MAX];
	size_t heap_used;
};

/* RFC 5424's ABNF, by the letter; MSG must be UTF-8 without controls. */
bool parse_rfc5424(const char *bytes, size_t size, struct parsed *out);
bool parse_cef(const char *bytes, size_t size, struct parsed *out);
bool parse_leef(const char *bytes, size_t size, struct parsed *out);

/* The value of a name (in an element, where given), or NULL. */
const char *parsed_value(const struct parsed *parsed, const char *element, const char *name);

bool is_clean_utf8(const char *bytes, size_t size); /* valid, and no control characters */
