/* sent_alerts.h: which alerts were delivered, across runs, so that documents that are read again
 * after a restart do not raise what was sent already.
 *
 * An alert's id says what it is about and is the same in every run. The journal is a file of ids,
 * written and synced after the destinations took them; what a file destination holds counts as
 * well, so that not even a kill between the two repeats an alert there. To any other destination an
 * alert goes at least once: the same id again, at worst.
 *
 * sent_alerts_wants belongs to the correlator's thread, sent_alerts_keep to the main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/complaint.h"
#include "correlator/alert.h"

struct sent_alerts;

/* `path` is the journal; entries older than `max_age_ns` are forgotten. `delivered_file`: a file of
 * alerts in the ECS format, or NULL. False and a complaint. */
bool sent_alerts_open(const char *path, const char *delivered_file, uint64_t max_age_ns,
		      uint64_t now_unix_ns, struct complaint *complaint,
		      struct sent_alerts **out_sent);
void sent_alerts_close(struct sent_alerts *sent);

/* Is this to be sent? Each one that is gets a number, counted from 0. */
bool sent_alerts_wants(struct sent_alerts *sent, const struct alert *alert, uint64_t now_unix_ns);

/* The first `delivered_count` of them are done with: into the journal, synced. */
void sent_alerts_keep(struct sent_alerts *sent, uint64_t delivered_count);
