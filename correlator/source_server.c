#include "correlator/source_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/log.h"
#include "collector/input/normaliser.h"

enum { PEER_NAME_MAX = 256 };

struct taker {
	struct source *source;
	struct server_source *self;
	struct normaliser *normaliser;
	struct match_scratch *scratch;
	step_id *steps; /* room for every step of the ruleset */
	char peer[PEER_NAME_MAX];

	/* An event that found no room: the server asks again with its document. */
	const struct event *held;
	size_t held_step_count;

	uint64_t latest_ns; /* of the events' own times */
	uint64_t told_ns;
};

/* NULL: refused, and counted. */
static const struct event *normalise(struct taker *taker, const struct backlog_document *document)
{
	const struct event *event;
	const enum normaliser_result result =
		document->kind == DOCUMENT_XML
			? normaliser_xml(taker->normaliser, document->bytes, document->size_bytes,
					 document->received_ns, &event)
			: normaliser_json(taker->normaliser, document->bytes, document->size_bytes,
					  document->received_ns, &event);
	return result == NORMALISED ? event : NULL;
}

static bool may_speak(const struct taker *taker, const struct event *event)
{
	const struct event_text *host = event_text(event, FIELD_host_name);
	return speakers_allow(taker->self->speakers, taker->peer, host ? host->bytes : "");
}

static bool push(struct taker *taker, const struct event *event, size_t step_count)
{
	taker->held = event;
	taker->held_step_count = step_count;
	if ((step_count > 0 || event->role != EVENT_OTHER) &&
	    !source_try_event(taker->source, event, taker->steps, step_count))
		return false;
	taker->held = NULL;
	counter_add(source_counters(taker->source), COUNTER_events_used, 1);
	return true;
}

static bool take(void *context, const struct backlog_document *document)
{
	struct taker *taker = context;
	if (taker->held)
		return push(taker, taker->held, taker->held_step_count);
	if (document->kind == DOCUMENT_PEER) {
		snprintf(taker->peer, sizeof(taker->peer), "%.*s", (int)document->size_bytes,
			 document->bytes);
		return true;
	}
	if (document->kind != DOCUMENT_JSON && document->kind != DOCUMENT_XML)
		return true;
	const struct event *event = normalise(taker, document);
	if (!event)
		return true;
	if (!may_speak(taker, event)) {
		counter_add(source_counters(taker->source), COUNTER_events_forbidden, 1);
		return true;
	}
	if (taker->self->watch)
		host_watch_event(taker->self->watch, event);
	if (event->time_ns > taker->latest_ns)
		taker->latest_ns = event->time_ns;
	return push(taker, event,
		    ruleset_match(taker->self->ruleset, taker->scratch, event, taker->steps));
}

static void flush(void *context)
{
	const struct taker *taker = context;
	source_flush(taker->source);
}

static void tick(void *context, uint64_t now_unix_ns)
{
	struct taker *taker = context;
	uint64_t time_ns = now_unix_ns;
	if (taker->self->event_time && taker->latest_ns < time_ns)
		time_ns = taker->latest_ns;
	time_ns -= time_ns < taker->self->lateness_ns ? time_ns : taker->self->lateness_ns;
	if (time_ns <= taker->told_ns || !source_try_watermark(taker->source, time_ns))
		return;
	taker->told_ns = time_ns;
	source_flush(taker->source);
}

static bool stopping(void *context)
{
	const struct taker *taker = context;
	return source_stopping(taker->source);
}

void server_source_run(struct source *source, void *context)
{
	struct server_source *self = context;
	struct taker taker = {
		.source = source,
		.self = self,
		.normaliser = normaliser_open(self->fields, source_counters(source)),
		.scratch = match_scratch_open(self->ruleset),
		.steps = calloc(ruleset_step_count(self->ruleset) + 1, sizeof(step_id)),
	};
	const struct server_handler handler = {
		.context = &taker,
		.take = take,
		.flush = flush,
		.tick = tick,
		.stopping = stopping,
	};
	if (taker.normaliser && taker.scratch && taker.steps)
		self->error = -server_run(self->server, &handler, source_counters(source));
	else
		self->error = ENOMEM;
	free(taker.steps);
	match_scratch_close(taker.scratch);
	normaliser_close(taker.normaliser);
}
