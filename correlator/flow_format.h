/* flow_format.h: one settled flow as one line of JSON, for `replay --flows` and `flows`. ECS names;
 * docs/flows.md. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "correlator/correlator.h"

/* Writes the line. False with errno when the stream refuses. */
bool flow_write_json(const struct settled_flow *flow, FILE *stream);

/* "owned", "unreported", "uninstrumented", "cannot_judge" */
const char *flow_status_name(enum flow_status status);

/* "tuple", "port", ...; NULL for ATTRIBUTION_NONE. */
const char *attribution_name(enum attribution_method method);
