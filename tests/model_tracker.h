/* model_tracker.h: the tracker as one would write it without a thought for speed: a list that is
 * walked for every packet. Has no fragments, names or duplicates; flow_id is left 0. */
#pragma once

#include "collector/packet/tracker.h"

struct model_tracker;

struct model_tracker *model_tracker_open(const struct tracker_settings *settings,
					 const struct tracker_sink *sink);
void model_tracker_close(struct model_tracker *model);
void model_tracker_packet(struct model_tracker *model, const struct packet *packet);
void model_tracker_finish(struct model_tracker *model);

/* Packets that found the table full of flows that may not be evicted. */
uint64_t model_tracker_refused(const struct model_tracker *model);
