/* Opening what a replay needs, each step with an exit code. See replay_engine.h. */
#include "correlator/replay_engine.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/log.h"
#include "collector/packet/capture.h"
#include "correlator/command.h"
#include "correlator/output.h"

/* Replay is exact: hashes must not depend on the run. Not a secret: files cannot adapt to it. */
static const struct hash_seed fixed_seed = { { 0x70726f637370616eU, 0x7265706c61790001U } };

static void print_complaints(const struct complaints *complaints)
{
	for (size_t i = 0; i < complaints->count; i++) {
		complaint_print(&complaints->items[i], stderr);
		fputc('\n', stderr);
	}
	if (complaints->omitted_count)
		fprintf(stderr, "... and %zu more\n", complaints->omitted_count);
}

static int no_memory(void)
{
	log_error("cannot start");
	return EXIT_PERMISSION;
}

static int open_rules(struct replay_engine *engine)
{
	char library[PATH_MAX];
	const char *shipped[] = { library };
	struct option_texts paths = engine->arguments->rules;
	if (paths.count == 0) {
		if (!data_path("rules", library, sizeof(library))) {
			fputs("procspan: the rules that ship with it are not there; name some with "
			      "--rules\n",
			      stderr);
			return EXIT_RULES;
		}
		paths = (struct option_texts){ shipped, 1 };
	}
	struct ruleset_builder *builder = ruleset_builder_open(engine->fields);
	struct complaints *complaints = calloc(1, sizeof(*complaints));
	if (!builder || !complaints) {
		ruleset_builder_close(builder);
		free(complaints);
		return no_memory();
	}
	bool good = true;
	for (size_t i = 0; i < paths.count; i++)
		good &= ruleset_add_path(builder, paths.items[i], complaints);
	print_complaints(complaints);
	free(complaints);
	if (!good) {
		ruleset_builder_close(builder);
		return EXIT_RULES;
	}
	engine->ruleset = ruleset_build(builder);
	return engine->ruleset ? EXIT_DONE : no_memory();
}

static int open_inputs(struct replay_engine *engine)
{
	const struct replay_arguments *arguments = engine->arguments;
	bool good = true;
	for (size_t i = 0; i < arguments->events.count; i++) {
		if (access(arguments->events.items[i], R_OK) == 0)
			continue;
		fprintf(stderr, "%s: %s\n", arguments->events.items[i], strerror(errno));
		good = false;
	}
	struct complaints *complaints = calloc(1, sizeof(*complaints));
	if (!complaints)
		return no_memory();
	if (arguments->pcaps.count)
		good &= capture_open_files(arguments->pcaps.items, arguments->pcaps.count,
					   complaints, &engine->capture);
	print_complaints(complaints);
	free(complaints);
	return good ? EXIT_DONE : EXIT_INPUT;
}

static bool add_sources(struct replay_engine *engine)
{
	const struct replay_arguments *arguments = engine->arguments;
	const bool real_time = strcmp(arguments->speed, "1x") == 0;
	engine->events_source = (struct events_source){
		.paths = arguments->events.items,
		.path_count = arguments->events.count,
		.fields = engine->fields,
		.ruleset = engine->ruleset,
	};
	engine->capture_source = (struct capture_source){
		.capture = engine->capture,
		.tracker = { .max_flows = (uint32_t)arguments->max_flows, .seed = fixed_seed },
		.real_time = real_time,
	};
	const struct source_settings events = {
		.name = "events",
		.run = events_source_run,
		.context = &engine->events_source,
		.lossless = true,
		.without_time = true,
	};
	const struct source_settings capture = {
		.name = "capture",
		.run = capture_source_run,
		.context = &engine->capture_source,
		.lossless = true,
	};
	return (arguments->events.count == 0 || pipeline_add(engine->pipeline, &events)) &&
	       (!engine->capture || pipeline_add(engine->pipeline, &capture));
}

int replay_engine_start(struct replay_engine *engine, const struct correlator_sink *sink)
{
	const struct replay_arguments *arguments = engine->arguments;
	const struct pipeline_settings settings = {
		.ruleset = engine->ruleset,
		.fields = engine->fields,
		.correlator = { .horizon_ns = arguments->horizon_ns,
				.settle = strcmp(arguments->speed, "1x") != 0,
				.seed = fixed_seed },
		.sink = *sink,
		.shuffle_seed = arguments->shuffle_seed,
	};
	engine->pipeline = pipeline_open(&settings);
	if (engine->pipeline && add_sources(engine) && pipeline_start(engine->pipeline))
		return EXIT_DONE;
	return no_memory();
}

int replay_engine_open(struct replay_engine *engine, const struct replay_arguments *arguments)
{
	*engine = (struct replay_engine){ .arguments = arguments, .fields = fields_open() };
	if (!engine->fields)
		return no_memory();
	correlator_want_fields(engine->fields);
	output_want_fields(engine->fields);
	const int code = open_rules(engine);
	return code == EXIT_DONE ? open_inputs(engine) : code;
}

bool replay_engine_faults(const struct replay_engine *engine)
{
	const struct complaints *faults = engine->capture ? capture_faults(engine->capture) : NULL;
	if (faults)
		print_complaints(faults);
	return (faults && faults->count > 0) || engine->events_source.failed ||
	       engine->capture_source.error != 0;
}

void replay_engine_stop(struct replay_engine *engine)
{
	pipeline_close(engine->pipeline);
	engine->pipeline = NULL;
}

void replay_engine_close(struct replay_engine *engine)
{
	replay_engine_stop(engine);
	capture_close(engine->capture);
	ruleset_close(engine->ruleset);
	fields_close(engine->fields);
}
