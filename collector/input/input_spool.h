/* input_spool.h: what has been acknowledged, on disk: documents are appended and synced before
 * their sender hears that they are safe, and read again after a crash.
 *
 * A folder of segments, each a row of records. Nothing is ever rewritten; the oldest segments are
 * removed when the spool is larger or older than allowed, counted and named. A record that a crash
 * cut short ends its segment. One owner thread.
 *
 *	record: u32 size of what follows | u32 CRC-32 of it | u64 received_ns | u8 kind | document
 *
 * Numbers are little-endian.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/counter.h"
#include "collector/input/session.h"

struct input_spool;

struct input_spool_settings {
	const char *path;	/* folder; made when it is not there */
	uint64_t max_bytes;	/* 0 = 2 GB */
	uint64_t max_age_ns;	/* 0 = 4 hours */
	uint64_t segment_bytes; /* 0 = 64 MB */
};

/* Called for each document of the spool, oldest first. Borrowed for the call. */
typedef void input_spool_document_fn(void *context, enum document_kind kind, uint64_t received_ns,
				     const char *bytes, size_t size_bytes);

/* 0 or -errno. Reads what earlier runs left and hands it over (`found` NULL: does not), then is
 * ready to append. Another process that has the folder open is -EWOULDBLOCK. */
int input_spool_open(const struct input_spool_settings *settings, struct counters *counters,
		     input_spool_document_fn *found, void *context, struct input_spool **out_spool);

/* Commits what is left. */
void input_spool_close(struct input_spool *spool);

/* Remembers the document until the next commit. 0, or -ENOMEM. */
int input_spool_append(struct input_spool *spool, enum document_kind kind, uint64_t received_ns,
		       const char *bytes, size_t size_bytes);

/* Writes and syncs all that was appended: afterwards it is safe. 0, or -errno: then nothing of it
 * may be acknowledged, and it is tried again at the next commit. */
int input_spool_commit(struct input_spool *spool);

/* Removes segments beyond the limits. */
void input_spool_expire(struct input_spool *spool, uint64_t now_ns);

uint64_t input_spool_bytes(const struct input_spool *spool);
