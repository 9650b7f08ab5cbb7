/* session.h: one connection of one sender as pure state: bytes in; documents, checkpoints and
 * replies out. No socket, no clock, no file: the same functions are served, unit-tested at every
 * split, and fuzzed.
 *
 * Acknowledged means safe: a protocol that acknowledges hands its documents over, then says
 * `checkpoint`. Whoever serves it makes all documents so far safe (spool) and then calls `safe`
 * once per checkpoint, in order; only then does the protocol reply. A server slows a sender down by
 * not feeding it.
 *
 * A session belongs to one thread. Protocols are rows of inputs.def, one file each: input_NAME.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum document_kind {
	DOCUMENT_JSON,	   /* one JSON object, for normaliser_json */
	DOCUMENT_XML,	   /* one <Event>, for normaliser_xml */
	DOCUMENT_BOOKMARK, /* what to hand back to a sender that asks where it was; not an event
			      (wef.h) */
	DOCUMENT_PEER,	   /* not an event either: who sent what follows, by the name in its
			      certificate (server.h) */
};

/* What a session may do with what it finds. Everything is borrowed for the call. */
struct session_sink {
	void *context;
	void (*document)(void *context, enum document_kind kind, const char *bytes,
			 size_t size_bytes);
	void (*checkpoint)(void *context);
	void (*reply)(void *context, const void *bytes, size_t size_bytes);
};

/* Limits for what comes from outside; each is compared before anything is allocated. */
struct session_limits {
	size_t document_bytes;	/* one event; default 4 MiB */
	size_t inflated_bytes;	/* what one compressed unit may become; default 100 MiB */
	uint32_t window_events; /* what one window or batch may announce; default 65,536 */
};

struct session_protocol {
	const char *name;
	/* A session, or NULL with errno. */
	void *(*open)(const struct session_limits *limits);
	void (*close)(void *session);
	/* Returns how many bytes it consumed: offer the rest again, with more behind it. Or -errno:
	 * hang up (EPROTO the bytes break the protocol, EMSGSIZE they exceed a limit). */
	ssize_t (*feed)(void *session, const void *bytes, size_t size_bytes,
			const struct session_sink *sink);
	/* The sender closed in order: what it sent last and did not terminate. NULL = nothing can
	 * be left. */
	void (*end)(void *session, const void *bytes, size_t size_bytes,
		    const struct session_sink *sink);
	/* The oldest checkpoint that has not been answered is safe. NULL = the protocol has no
	 * answers. */
	void (*safe)(void *session, const struct session_sink *sink);
	/* Called about once a second: keep-alives while the sender waits for an answer. NULL =
	 * none. */
	void (*idle)(void *session, uint64_t now_ns, const struct session_sink *sink);
};

#define INPUT(name, help) extern const struct session_protocol session_##name;
#include "collector/input/inputs.def"
#undef INPUT

void session_limits_default(struct session_limits *limits);
