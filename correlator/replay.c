#include "correlator/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/log.h"
#include "correlator/exit_code.h"
#include "correlator/flow_format.h"
#include "correlator/output.h"
#include "correlator/replay_engine.h"
#include "correlator/summary.h"

enum { PROGRESS_EVERY_MS = 200 };

/* Everything that one run opens, in the order of opening; replay_close undoes it in reverse. */
struct replay {
	const struct replay_arguments *arguments;
	struct replay_engine engine;
	struct output *output;
	FILE *flows;

	/* written by the correlator's thread, read after the pipeline is done */
	struct flow_totals flow_totals;
	bool flows_failed;
};

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

static int no_memory(void)
{
	log_error("cannot start");
	return EXIT_PERMISSION;
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
	if (!output_open(&settings, replay->engine.fields, &complaint, &replay->output)) {
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
	pipeline_read(replay->engine.pipeline, counters, &done_bytes, &total_bytes);
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
	while (!pipeline_wait(replay->engine.pipeline, PROGRESS_EVERY_MS)) {
		if (!terminal)
			continue;
		print_progress(replay, monotonic_seconds() - started);
		printed = true;
	}
	if (printed)
		fputs("\r\033[K", stderr);
}

/* --- ending ----------------------------------------------------------------------------------- */

static int finish(struct replay *replay, double started)
{
	struct counters *counters = calloc(1, sizeof(*counters));
	uint64_t done_bytes;
	uint64_t total_bytes;
	if (!counters)
		return no_memory();
	const bool inputs_failed = replay_engine_faults(&replay->engine);
	pipeline_read(replay->engine.pipeline, counters, &done_bytes, &total_bytes);
	const bool delivered = output_close(replay->output, counters);
	replay->output = NULL;
	const struct summary summary = {
		.counters = counters,
		.flows = &replay->flow_totals,
		.correlator = pipeline_correlator(replay->engine.pipeline),
		.rule_count = ruleset_rule_count(replay->engine.ruleset),
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
	if (inputs_failed)
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
	stoppable = NULL;		     /* a signal may still come */
	replay_engine_stop(&replay->engine); /* before what it reports to */
	if (replay->output) {
		struct counters ignored = { 0 };
		output_close(replay->output, &ignored);
	}
	if (replay->flows)
		fclose(replay->flows);
	replay_engine_close(&replay->engine);
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
	int code = replay_engine_open(&replay->engine, arguments);
	if (code == EXIT_DONE)
		code = open_outputs(replay);
	if (code == EXIT_DONE)
		code = replay_engine_start(&replay->engine, &(struct correlator_sink){
								    .context = replay,
								    .alert = take_alert,
								    .flow = take_flow,
							    });
	if (code == EXIT_DONE) {
		catch_signals(replay->engine.pipeline);
		wait_for_end(replay, started);
		code = finish(replay, started);
	}
	replay_close(replay);
	return code;
}
