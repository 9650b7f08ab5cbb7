#include "correlator/source_events.h"

#include <stdlib.h>

#include "collector/base/log.h"
#include "collector/input/event_file.h"

enum { FLUSH_EVERY = 64 }; /* events per ring commit */

struct reader {
	struct source *source;
	struct events_source *self;
	struct normaliser *normaliser;
	struct match_scratch *scratch;
	step_id *steps; /* room for every step of the ruleset */
};

static void use_event(struct reader *reader, const struct event *event)
{
	const size_t step_count =
		ruleset_match(reader->self->ruleset, reader->scratch, event, reader->steps);
	/* Also those that no rule wants: processes, GUIDs and addresses are learnt from all of
	 * them. */
	source_push_event(reader->source, event, reader->steps, step_count);
	counter_add(source_counters(reader->source), COUNTER_events_used, 1);
}

static void fail(struct reader *reader, const struct complaint *complaint)
{
	log_warnx("%s: %s", complaint->file, complaint->text);
	reader->self->failed = true;
}

static void read_file(struct reader *reader, const char *path)
{
	struct event_file *file;
	struct complaint complaint;
	if (!event_file_open(path, reader->normaliser, &complaint, &file)) {
		fail(reader, &complaint);
		return;
	}
	size_t count = 0;
	for (const struct event *event;
	     !source_stopping(reader->source) && (event = event_file_next(file));) {
		use_event(reader, event);
		if (++count % FLUSH_EVERY == 0)
			source_flush(reader->source);
	}
	source_flush(reader->source);
	if (event_file_fault(file))
		fail(reader, event_file_fault(file));
	event_file_close(file);
}

void events_source_run(struct source *source, void *context)
{
	struct events_source *self = context;
	struct reader reader = {
		.source = source,
		.self = self,
		.normaliser = normaliser_open(self->fields, source_counters(source)),
		.scratch = match_scratch_open(self->ruleset),
		.steps = calloc(ruleset_step_count(self->ruleset) + 1, sizeof(step_id)),
	};
	if (reader.normaliser && reader.scratch && reader.steps) {
		for (size_t i = 0; i < self->path_count; i++) {
			read_file(&reader, self->paths[i]);
			source_progress(source, i + 1, self->path_count);
		}
	} else {
		log_error("events: no memory");
		self->failed = true;
	}
	free(reader.steps);
	match_scratch_close(reader.scratch);
	normaliser_close(reader.normaliser);
}
