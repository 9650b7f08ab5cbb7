/* event_file.h: host events from files: NDJSON or JSON arrays, plain or gzip, and .evtx. One owner
 * thread.
 *
 * A bad line is counted, located ("file:line: what", log_warnx, at most a few per file and then a
 * total) and skipped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/base/complaint.h"
#include "collector/event.h"
#include "collector/input/normaliser.h"

struct event_file;

/* False and a complaint: missing, unreadable, or none of the formats. The caller closes. */
bool event_file_open(const char *path, struct normaliser *normaliser, struct complaint *complaint,
		     struct event_file **out_file);
void event_file_close(struct event_file *file);

/* The next event, valid until the next call; NULL at the end. */
const struct event *event_file_next(struct event_file *file);

/* Set when the file ended in a fault (a corrupt gzip stream, a cut array): NULL = none. */
const struct complaint *event_file_fault(const struct event_file *file);

/* For the progress line: compressed bytes consumed and in all. */
void event_file_progress(const struct event_file *file, uint64_t *out_done_bytes,
			 uint64_t *out_total_bytes);
