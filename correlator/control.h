/* control.h: the socket of a running service, for `procspan stats`, `hosts` and `reload`.
 *
 * A Unix socket that only its owner may open; a line with one word in, one JSON object out, closed.
 * Served by the server's event loop, on its thread.
 */
#pragma once

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#include "collector/base/complaint.h"

#define CONTROL_DEFAULT_PATH "/run/procspan/control"

struct control;

/* What to answer to a word; NULL = unknown word. The answer is the control's. */
typedef json_t *control_answer_fn(void *context, const char *word);

bool control_open(struct event_base *base, const char *path, control_answer_fn *answer,
		  void *context, struct complaint *complaint, struct control **out_control);
void control_close(struct control *control);

/* The other side: asks the service at `path`, prints words on stderr when it cannot. The caller
 * decrefs; NULL = failed. */
json_t *control_ask(const char *path, const char *word);
