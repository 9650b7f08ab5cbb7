/* support_session.h: drives a session as a server would: feeds it whole, byte by byte or at random
 * cuts, makes every checkpoint safe at once, and keeps what came out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collector/input/session.h"

struct driven {
	ssize_t result; /* of the last feed: the bytes left unconsumed at the end, or -errno */
	size_t document_count;
	size_t document_bytes;
	uint64_t document_hash; /* of all documents in order, kinds and sizes included */
	size_t checkpoint_count;
	uint8_t *replies; /* malloc'ed */
	size_t reply_bytes;
};

/* `seed` 0: all at once; 1: byte by byte; others: random cuts. The bytes are copied to heap blocks
 * of their exact size. */
struct driven drive_session(const struct session_protocol *protocol,
			    const struct session_limits *limits, const void *bytes,
			    size_t size_bytes, uint64_t seed);
void driven_release(struct driven *driven);

/* Same documents, same replies, same end. */
bool driven_equal(const struct driven *left, const struct driven *right);
