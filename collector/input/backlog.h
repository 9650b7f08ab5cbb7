/* backlog.h: documents between the spool and the engine, in order: safe, and not yet handed on
 * because there was no room. Kept in blocks; one owner thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/input/session.h"

struct backlog;

enum { BACKLOG_PADDING = 64 }; /* readable bytes behind each document, for parsers */

struct backlog_document {
	enum document_kind kind;
	uint64_t received_ns;
	const char *bytes;
	size_t size_bytes;
};

struct backlog *backlog_open(void); /* NULL with errno */
void backlog_close(struct backlog *backlog);

/* False: no memory, and nothing was added. */
bool backlog_add(struct backlog *backlog, const struct backlog_document *document);

/* Everything added so far may be taken. */
void backlog_release(struct backlog *backlog);

/* The oldest released document, valid until backlog_drop; false: none. */
bool backlog_first(const struct backlog *backlog, struct backlog_document *out_document);
void backlog_drop(struct backlog *backlog);

size_t backlog_bytes(const struct backlog *backlog);
