/* host_watch.h: what is seen of each host's telemetry, for the operator: when its last event came,
 * how late they come, record numbers that are missing, which kinds there are.
 *
 * One owner thread (the server's). A full table counts the hosts that it left out.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "collector/event.h"

struct host_watch;

struct host_watch *host_watch_open(void); /* NULL with errno; the caller closes */
void host_watch_close(struct host_watch *watch);

/* An event that arrived, used or not. */
void host_watch_event(struct host_watch *watch, const struct event *event);

/* An array with one object per host and source, by name. NULL: no memory. The caller decrefs. */
json_t *host_watch_json(const struct host_watch *watch);
