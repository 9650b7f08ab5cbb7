/* run.h: the service: senders and the tap in, alerts out, until a signal says stop. */
#pragma once

#include "correlator/config.h"

enum run_end { RUN_STOPPED, RUN_AGAIN };

/* One life of the engine: from the spool's documents to a signal or a request. SIGTERM and SIGINT
 * end it, SIGHUP and `reload` ask for another with the rules and settings read anew. Returns an
 * exit code. Main thread. */
int run_once(const struct config *config, enum run_end *out_end);
