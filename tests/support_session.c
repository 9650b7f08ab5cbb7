#include "tests/support_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"

static const struct hash_seed seed_of_hashes = { { 1, 2 } };

struct driver {
	struct driven *driven;
	size_t unanswered; /* checkpoints */
};

static void take_document(void *context, enum document_kind kind, const char *bytes,
			  size_t size_bytes)
{
	struct driven *driven = ((struct driver *)context)->driven;
	driven->document_count++;
	driven->document_bytes += size_bytes;
	const uint64_t words[] = { driven->document_hash, kind, size_bytes,
				   hash_bytes(&seed_of_hashes, bytes, size_bytes) };
	driven->document_hash = hash_bytes(&seed_of_hashes, words, sizeof(words));
}

static void take_checkpoint(void *context)
{
	struct driver *driver = context;
	driver->driven->checkpoint_count++;
	driver->unanswered++;
}

static void take_reply(void *context, const void *bytes, size_t size_bytes)
{
	struct driven *driven = ((struct driver *)context)->driven;
	driven->replies = realloc(driven->replies, driven->reply_bytes + size_bytes);
	if (!driven->replies)
		abort();
	memcpy(driven->replies + driven->reply_bytes, bytes, size_bytes);
	driven->reply_bytes += size_bytes;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t next_cut(uint64_t *state, size_t left)
{
	if (*state == 0)
		return left;
	size_t cut = 1;
	if (*state != 1)
		cut += next_random(state) % (next_random(state) % 8 ? 64 : 4096);
	return cut < left ? cut : left;
}

struct driven drive_session(const struct session_protocol *protocol,
			    const struct session_limits *limits, const void *bytes,
			    size_t size_bytes, uint64_t seed)
{
	struct driven driven = { 0 };
	struct driver driver = { .driven = &driven };
	const struct session_sink sink = { &driver, take_document, take_checkpoint, take_reply };
	void *session = protocol->open(limits);
	size_t begin = 0; /* of what the session has not consumed */
	size_t end = 0;	  /* of what has arrived */
	while (session && end < size_bytes && driven.result >= 0) {
		end += next_cut(&seed, size_bytes - end);
		uint8_t *copy = malloc(end - begin);
		memcpy(copy, (const uint8_t *)bytes + begin, end - begin);
		const ssize_t consumed = protocol->feed(session, copy, end - begin, &sink);
		free(copy);
		for (; driver.unanswered > 0 && consumed >= 0; driver.unanswered--)
			if (protocol->safe)
				protocol->safe(session, &sink);
		if (consumed > 0)
			begin += (size_t)consumed;
		driven.result = consumed < 0 ? consumed : (ssize_t)(end - begin);
	}
	protocol->close(session);
	return driven;
}

void driven_release(struct driven *driven)
{
	free(driven->replies);
}

bool driven_equal(const struct driven *left, const struct driven *right)
{
	return left->result == right->result && left->document_count == right->document_count &&
	       left->document_hash == right->document_hash &&
	       left->reply_bytes == right->reply_bytes &&
	       (left->reply_bytes == 0 ||
		memcmp(left->replies, right->replies, left->reply_bytes) == 0);
}
