/* sink.h: one place that takes messages. Never blocks; the output thread asks again.
 *
 * A sink knows no retry, no queue and no format: destination.c has those. All functions belong to
 * the output thread.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "collector/base/complaint.h"
#include "correlator/output_url.h"

struct sink;

struct sink_operations {
	/* Gets ready, a step at a time. 1: ready; 0: ask again; -errno: failed, start over. */
	int (*connect)(struct sink *sink);

	/* Is the connection still there? 0 or -errno. */
	int (*check)(struct sink *sink);

	/* Takes bytes of one frame: how many, -EAGAIN, -EMSGSIZE (never will), -errno: broken. */
	ssize_t (*send)(struct sink *sink, const char *bytes, size_t size_bytes);

	/* Bytes were handed over that the other side's kernel has not taken yet. */
	bool (*unconfirmed)(struct sink *sink);

	/* What to poll for; fd -1 = nothing. */
	struct pollfd (*wait)(struct sink *sink, bool blocked); /* blocked: send said EAGAIN */

	void (*disconnect)(struct sink *sink);
	void (*close)(struct sink *sink);
};

struct sink {
	const struct sink_operations *operations;
	bool resumes;	 /* a frame goes on where it stopped after a failure (files) */
	char error[200]; /* words for the latest failure; "" = errno says it */
};

/* False and a complaint when it can never work (no such directory, bad certificate file). A
 * receiver that is away is not a failure. */
typedef bool sink_open_fn(const struct output_url *url, struct complaint *complaint,
			  struct sink **out_sink);

#define SINK(identifier, ...) sink_open_fn sink_##identifier##_open;
#include "correlator/sinks.def"
#undef SINK

bool sink_open(const struct output_url *url, struct complaint *complaint, struct sink **out_sink);
void sink_close(struct sink *sink);
