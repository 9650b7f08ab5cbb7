/* explain.h: `procspan explain`: why an alert fired, and why one did not. The inputs are replayed
 * (correlator/replay_engine.h), and what led to the alert, or came nearest to one, is printed for
 * people. Main thread, once per process.
 */
#pragma once

#include <stdio.h>

#include "correlator/replay.h"

struct explain_arguments {
	struct replay_arguments replay; /* pcaps, events, rules, horizon; the others are not used */
	const char *alert_id;		/* why: an alert of these inputs and rules; or NULL and */
	const char *rule;		/* why not: id, or name without regard to case */
	const char *host;		/* and a host: its name, short or full */
	const char *process;		/* and a process.name; NULL = any */
};

/* Text on `out`, words on stderr. Returns an exit code; an alert that is not there is a missing
 * input. */
int explain_run(const struct explain_arguments *arguments, FILE *out);
