/* output_spool.h: messages on disk, for a destination that may be away: written before they are
 * sent, forgotten when they were taken. Oldest first, at least once, across restarts.
 *
 *	DIRECTORY/0000000000000001.alerts ...	segments of records, each with a checksum
 *	DIRECTORY/position			the oldest record that was not taken
 *	DIRECTORY/lock				held while a process uses it
 *
 * A record that is not whole (the machine went down while writing) ends its segment. Owned by the
 * output thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/complaint.h"
#include "collector/base/counter.h"

struct spool;

struct spool_settings {
	const char *directory; /* made when it is not there; its parent must be */
	uint64_t max_bytes;    /* of all segments; a full spool refuses */
	bool unsynced;
};

struct spool_place {
	uint64_t segment;
	uint64_t offset_bytes;
};

struct spool_record {
	uint64_t run;	/* who wrote it */
	uint64_t alert; /* that run's number for it */
	struct spool_place end;
	size_t size_bytes;
	const char *bytes; /* valid until the next call */
};

bool spool_open(const struct spool_settings *settings, struct counters *counters,
		struct complaint *complaint, struct spool **out_spool);
void spool_close(struct spool *spool);

/* False: full, or the disk refuses. */
bool spool_append(struct spool *spool, uint64_t run, uint64_t alert, const char *bytes,
		  size_t size_bytes);

/* Makes what was appended safe from a crash; cheap when nothing was. */
void spool_sync(struct spool *spool);

/* The next record that was not read yet. */
bool spool_next(struct spool *spool, struct spool_record *out_record);

/* Everything up to this place was taken. */
void spool_release(struct spool *spool, struct spool_place place);
