/* evtx.h: the records of a Windows event log file (.evtx) as event XML. One file knows libevtx:
 * evtx.c. For files at rest: about a thousand records a second. One owner thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/complaint.h"

struct evtx;

/* NULL and a complaint; the caller closes. */
struct evtx *evtx_open(const char *path, struct complaint *complaint);
void evtx_close(struct evtx *evtx);

/* The next record's XML, valid until the next call, and its number in the file, 1-based. A record
 * that cannot be read has an empty text. False: no more. */
bool evtx_next(struct evtx *evtx, const char **out_xml, size_t *out_size_bytes,
	       uint64_t *out_number);

/* What went wrong with the file as a whole, or NULL. */
const char *evtx_fault(const struct evtx *evtx);

/* The share of the file that is done. */
void evtx_progress(const struct evtx *evtx, uint64_t total_bytes, uint64_t *out_done_bytes);
