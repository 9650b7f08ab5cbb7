#include "correlator/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/log.h"
#include "collector/packet/capture.h"
#include "correlator/command.h"
#include "correlator/flow_format.h"
#include "correlator/output.h"
#include "correlator/pipeline.h"
#include "correlator/source_capture.h"
#include "correlator/source_events.h"
#include "correlator/summary.h"

enum { PROGRESS_EVERY_MS = 200 };

/* Everything that one run opens, in the order of opening; replay_close undoes it in reverse. */
struct replay {
	const struct replay_arguments *arguments;
	struct fields *fields;
	struct ruleset *ruleset;
	struct output *output;
	struct capture *capture;
	FILE *flows;
	struct pipeline *pipeline;
	struct capture_source capture_source;
	struct events_source events_source;

	/* written by the correlator's thread, read after the pipeline is done */
	struct flow_totals flow_totals;
	bool flows_failed;
};

/* Replay is exact: hashes must not depend on the run. Not a secret: files cannot adapt to it. */
static const struct hash_seed fixed_seed = { { 0x70726f637370616eU, 0x7265706c61790001U } };

void replay_defaults(struct replay_arguments *arguments)
{
	*arguments = (struct replay_arguments){
		.speed = "max",
		.horizon_ns = UINT64_C(15) * 60 * 1000000000,
		.max_loss_percent = 100,
	};
}

/* --- what the correlator says ----------------------------------------------------------------- */

static void take_alert(void *context, const struct alert *alert)
{
	struct replay *replay = context;
	output_alert(replay->output, alert);
}

static void take_flow(void *context, const struct settled_flow *flow)
{
	struct replay *replay = context;
	flow_totals_add(&replay->flow_totals, flow);
	if (replay->flows && !flow_write_json(flow, replay->flows))
		replay->flows_failed = true;
}

/* --- opening: each step returns an exit code -------------------------------------------------- */

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

static int open_rules(struct replay *replay)
{
	char library[PATH_MAX];
	const char *shipped[] = { library };
	struct option_texts paths = replay->arguments->rules;
	if (paths.count == 0) {
		if (!data_path("rules", library, sizeof(library))) {
			fputs("procspan: the rules that ship with it are not there; name some with "
			      "--rules\n",
			      stderr);
			return EXIT_RULES;
		}
		paths = (struct option_texts){ shipped, 1 };
	}
	struct ruleset_builder *builder = ruleset_builder_open(replay->fields);
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
	replay->ruleset = ruleset_build(builder);
	return replay->ruleset ? EXIT_DONE : no_memory();
}

static int open_inputs(struct replay *replay)
{
	const struct replay_arguments *arguments = replay->arguments;
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
					   complaints, &replay->capture);
	print_complaints(complaints);
	free(complaints);
	return good ? EXIT_DONE : EXIT_INPUT;
}

static int open_outputs(struct replay *replay)
{
	static const char *const standard[] = { "stdout:?format=ecs" };
	const struct option_texts *urls = &replay->arguments->outputs;
	const struct output_settings settings = {
		.urls = urls->count ? urls->items : standard,
		.url_count = urls->count ? urls->count : 1,
		.host_name = "replay", /* replay is exact: nothing of this machine in the bytes */
		.fixed_process_id = 1,
	};
	struct complaint complaint;
	if (!output_open(&settings, replay->fields, &complaint, &replay->output)) {
		complaint_print(&complaint, stderr);
		fputc('\n', stderr);
		return EXIT_USAGE;
	}
	if (replay->arguments->flows) {
		replay->flows = fopen(replay->arguments->flows, "w");
		if (!replay->flows) {
			fprintf(stderr, "%s: %s\n", replay->arguments->flows, strerror(errno));
			return EXIT_UNDELIVERABLE;
		}
	}
	return EXIT_DONE;
}

static bool add_sources(struct replay *replay)
{
	const struct replay_arguments *arguments = replay->arguments;
	const bool real_time = strcmp(arguments->speed, "1x") == 0;
	replay->events_source = (struct events_source){
		.paths = arguments->events.items,
		.path_count = arguments->events.count,
		.fields = replay->fields,
		.ruleset = replay->ruleset,
	};
	replay->capture_source = (struct capture_source){
		.capture = replay->capture,
		.tracker = { .max_flows = (uint32_t)arguments->max_flows, .seed = fixed_seed },
		.real_time = real_time,
	};
	const struct source_settings events = {
		.name = "events",
		.run = events_source_run,
		.context = &replay->events_source,
		.lossless = true,
		.without_time = true,
	};
	const struct source_settings capture = {
		.name = "capture",
		.run = capture_source_run,
		.context = &replay->capture_source,
		.lossless = true,
	};
	return (arguments->events.count == 0 || pipeline_add(replay->pipeline, &events)) &&
	       (!replay->capture || pipeline_add(replay->pipeline, &capture));
}

static int open_pipeline(struct replay *replay)
{
	const struct replay_arguments *arguments = replay->arguments;
	const struct pipeline_settings settings = {
		.ruleset = replay->ruleset,
		.fields = replay->fields,
		.correlator = { .horizon_ns = arguments->horizon_ns,
				.settle = strcmp(arguments->speed, "1x") != 0,
				.seed = fixed_seed },
		.sink = { .context = replay, .alert = take_alert, .flow = take_flow },
		.shuffle_seed = arguments->shuffle_seed,
	};
	replay->pipeline = pipeline_open(&settings);
	if (replay->pipeline && add_sources(replay) && pipeline_start(replay->pipeline))
		return EXIT_DONE;
	return no_memory();
}

/* --- running ---------------------------------------------------------------------------------- */

/* For the signal handler alone, which runs on the main thread. */
static struct pipeline *volatile stoppable;
static volatile sig_atomic_t interrupted;

static void on_signal(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
	if (stoppable)
		pipeline_stop(stoppable);
}

static void catch_signals(struct pipeline *pipeline)
{
	stoppable = pipeline;
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static double monotonic_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_progress(const struct replay *replay, double seconds)
{
	struct counters *counters = malloc(sizeof(*counters));
	uint64_t done_bytes;
	uint64_t total_bytes;
	if (!counters)
		return;
	pipeline_read(replay->pipeline, counters, &done_bytes, &total_bytes);
	const double share = total_bytes ? (double)done_bytes / (double)total_bytes : 0;
	const double left = share > 0 ? seconds * (1 - share) / share : 0;
	fprintf(stderr, "\r%3.0f %%  %.0f packets/s  %.0f events/s  %.0f s left   ", 100 * share,
		(double)counter_read(counters, COUNTER_packets_seen) / seconds,
		(double)counter_read(counters, COUNTER_events_seen) / seconds, left);
	free(counters);
}

static void wait_for_end(const struct replay *replay, double started)
{
	const bool terminal = isatty(STDERR_FILENO) && !replay->arguments->quiet;
	bool printed = false;
	while (!pipeline_wait(replay->pipeline, PROGRESS_EVERY_MS)) {
		if (!terminal)
			continue;
		print_progress(replay, monotonic_seconds() - started);
		printed = true;
	}
	if (printed)
		fputs("\r\033[K", stderr);
}

/* --- ending ----------------------------------------------------------------------------------- */

static void print_faults(const struct replay *replay)
{
	const struct complaints *faults = replay->capture ? capture_faults(replay->capture) : NULL;
	if (faults)
		print_complaints(faults);
}

static bool inputs_failed(const struct replay *replay)
{
	return (replay->capture && capture_faults(replay->capture)->count > 0) ||
	       replay->events_source.failed || replay->capture_source.error != 0;
}

static int finish(struct replay *replay, double started)
{
	struct counters *counters = calloc(1, sizeof(*counters));
	uint64_t done_bytes;
	uint64_t total_bytes;
	if (!counters)
		return no_memory();
	print_faults(replay);
	pipeline_read(replay->pipeline, counters, &done_bytes, &total_bytes);
	const bool delivered = output_close(replay->output, counters);
	replay->output = NULL;
	const struct summary summary = {
		.counters = counters,
		.flows = &replay->flow_totals,
		.correlator = pipeline_correlator(replay->pipeline),
		.rule_count = ruleset_rule_count(replay->ruleset),
		.seconds = monotonic_seconds() - started,
	};
	bool sums_hold = counter_identities_hold(counters, NULL);
	if (!replay->arguments->quiet || !sums_hold)
		sums_hold = summary_print(&summary, replay->arguments->json, stderr);
	const double loss_percent = summary_loss_percent(counters);
	free(counters);
	if (replay->flows && (fflush(replay->flows) != 0 || replay->flows_failed)) {
		log_error("%s", replay->arguments->flows);
		return EXIT_UNDELIVERABLE;
	}
	if (interrupted)
		return EXIT_INTERRUPTED;
	if (!delivered)
		return EXIT_UNDELIVERABLE;
	if (inputs_failed(replay))
		return EXIT_INPUT;
	if (loss_percent > replay->arguments->max_loss_percent) {
		log_errorx("%.3f %% of the packets were lost, more than --max-loss %g%% allows; "
			   "packets_flow_table_full means: raise --max-flows",
			   loss_percent, replay->arguments->max_loss_percent);
		return EXIT_LOSS;
	}
	return sums_hold ? EXIT_DONE : EXIT_LOSS;
}

static void replay_close(struct replay *replay)
{
	stoppable = NULL; /* a signal may still come */
	pipeline_close(replay->pipeline);
	capture_close(replay->capture);
	if (replay->output) {
		struct counters ignored = { 0 };
		output_close(replay->output, &ignored);
	}
	if (replay->flows)
		fclose(replay->flows);
	ruleset_close(replay->ruleset);
	fields_close(replay->fields);
	free(replay);
}

int replay_run(const struct replay_arguments *arguments)
{
	const double started = monotonic_seconds();
	log_set_level(arguments->verbose ? LOG_INFO : LOG_WARN);
	struct replay *replay = calloc(1, sizeof(*replay));
	if (!replay)
		return no_memory();
	replay->arguments = arguments;
	replay->fields = fields_open();
	int code = replay->fields ? EXIT_DONE : no_memory();
	if (code == EXIT_DONE) {
		correlator_want_fields(replay->fields);
		output_want_fields(replay->fields);
		code = open_rules(replay);
	}
	if (code == EXIT_DONE)
		code = open_inputs(replay);
	if (code == EXIT_DONE)
		code = open_outputs(replay);
	if (code == EXIT_DONE)
		code = open_pipeline(replay);
	if (code == EXIT_DONE) {
		catch_signals(replay->pipeline);
		wait_for_end(replay, started);
		code = finish(replay, started);
	}
	replay_close(replay);
	return code;
}
