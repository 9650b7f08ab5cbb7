#include "correlator/run.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/base/log.h"
#include "collector/packet/capture.h"
#include "correlator/command.h"
#include "correlator/output.h"
#include "correlator/pipeline.h"
#include "correlator/source_capture.h"
#include "correlator/source_server.h"
#include "correlator/summary.h"

/* Everything that one life opens, in the order of opening; run_close undoes it in reverse. */
struct run {
	const struct config *config;
	struct fields *fields;
	struct ruleset *ruleset;
	struct output *output;
	struct listener_url *listeners;
	struct server *server;
	struct host_watch *watch;
	struct capture *capture;
	struct pipeline *pipeline;
	struct server_source server_source;
	struct capture_source capture_source;

	/* written by the correlator's thread, read after the pipeline is done */
	struct flow_totals flow_totals;
};

/* --- what the correlator says ----------------------------------------------------------------- */

static void take_alert(void *context, const struct alert *alert)
{
	struct run *run = context;
	output_alert(run->output, alert);
}

static void take_flow(void *context, const struct settled_flow *flow)
{
	struct run *run = context;
	flow_totals_add(&run->flow_totals, flow);
}

/* --- opening: each step returns an exit code -------------------------------------------------- */

static int refuse(const struct complaint *complaint, int code)
{
	complaint_print(complaint, stderr);
	fputc('\n', stderr);
	return code;
}

static void print_complaints(const struct complaints *complaints)
{
	for (size_t i = 0; i < complaints->count; i++)
		refuse(&complaints->items[i], 0);
}

static int open_rules(struct run *run)
{
	char library[PATH_MAX];
	const char *shipped[] = { library };
	struct config_texts paths = run->config->rules;
	if (paths.count == 0) {
		if (!data_path("rules", library, sizeof(library))) {
			log_errorx(
				"the rules that ship with procspan are not there; name some with "
				"`rules`");
			return EXIT_RULES;
		}
		paths = (struct config_texts){ shipped, 1 };
	}
	struct ruleset_builder *builder = ruleset_builder_open(run->fields);
	struct complaints *complaints = calloc(1, sizeof(*complaints));
	bool good = builder && complaints;
	for (size_t i = 0; i < paths.count && builder && complaints; i++)
		good &= ruleset_add_path(builder, paths.items[i], complaints);
	if (complaints)
		print_complaints(complaints);
	free(complaints);
	if (good)
		run->ruleset = ruleset_build(builder);
	else
		ruleset_builder_close(builder);
	return run->ruleset ? EXIT_DONE : EXIT_RULES;
}

static int open_outputs(struct run *run)
{
	static const char *const standard[] = { "stdout:?format=ecs" };
	const struct config *config = run->config;
	const struct output_settings settings = {
		.urls = config->outputs.count ? config->outputs.items : standard,
		.url_count = config->outputs.count ? config->outputs.count : 1,
		.host_name = config->host_name,
		.spool_path = config->output_spool_path,
		.spool_max_bytes = config->output_spool_max_bytes,
	};
	struct complaint complaint;
	if (!output_open(&settings, run->fields, &complaint, &run->output))
		return refuse(&complaint, EXIT_CONFIGURATION);
	return EXIT_DONE;
}

static int open_server(struct run *run)
{
	const struct config *config = run->config;
	struct complaint complaint;
	run->listeners = calloc(config->inputs.count + 1, sizeof(*run->listeners));
	run->watch = host_watch_open();
	if (!run->listeners || !run->watch)
		return EXIT_PERMISSION;
	for (size_t i = 0; i < config->inputs.count; i++)
		if (!listener_url_parse(config->inputs.items[i], &complaint, &run->listeners[i]))
			return refuse(&complaint, EXIT_CONFIGURATION);
	const struct server_settings settings = {
		.listeners = run->listeners,
		.listener_count = config->inputs.count,
		.spool = { .path = config->spool_path,
			   .max_bytes = config->spool_max_bytes,
			   .max_age_ns = config->spool_max_age_ns },
		.limits = { .document_bytes = config->document_bytes },
		.names_peers = config->speakers.count > 0,
		.connections_max = (uint32_t)config->max_senders,
		.connections_per_peer_max = (uint32_t)config->max_senders_per_peer,
		.backlog_max_bytes = config->backlog_bytes,
	};
	if (!server_open(&settings, &complaint, &run->server))
		return refuse(&complaint, EXIT_PERMISSION);
	for (size_t i = 0; i < config->inputs.count; i++)
		if (server_port(run->server, i))
			log_info("input %s: listening on port %u", run->listeners[i].text,
				 server_port(run->server, i));
	return EXIT_DONE;
}

static int open_tap(struct run *run)
{
	const char *tap = run->config->tap;
	if (!tap)
		return EXIT_DONE;
	if (strncmp(tap, "file:", 5) != 0) {
		log_errorx("tap.source %s: expected file:PATH", tap);
		return EXIT_CONFIGURATION;
	}
	const char *path = tap + 5;
	struct complaints *complaints = calloc(1, sizeof(*complaints));
	const bool good = complaints && capture_open_files(&path, 1, complaints, &run->capture);
	if (complaints)
		print_complaints(complaints);
	free(complaints);
	return good ? EXIT_DONE : EXIT_INPUT;
}

static bool add_sources(struct run *run, struct hash_seed seed)
{
	const struct config *config = run->config;
	run->server_source = (struct server_source){
		.server = run->server,
		.fields = run->fields,
		.ruleset = run->ruleset,
		.speakers = &config->speakers,
		.watch = run->watch,
		.lateness_ns = config->lateness_ns,
		.event_time = run->capture != NULL,
	};
	run->capture_source = (struct capture_source){
		.capture = run->capture,
		.tracker = { .max_flows = (uint32_t)config->max_flows, .seed = seed },
		.real_time = strcmp(config->tap_speed, "max") != 0,
	};
	const struct source_settings server = {
		.name = "server",
		.run = server_source_run,
		.context = &run->server_source,
		.lossless = true,
	};
	const struct source_settings capture = {
		.name = "capture",
		.run = capture_source_run,
		.context = &run->capture_source,
		.lossless = true,
	};
	return pipeline_add(run->pipeline, &server) &&
	       (!run->capture || pipeline_add(run->pipeline, &capture));
}

static int open_pipeline(struct run *run)
{
	const struct config *config = run->config;
	const struct hash_seed seed = hash_seed_make();
	const struct pipeline_settings settings = {
		.ruleset = run->ruleset,
		.fields = run->fields,
		.correlator = { .horizon_ns = config->horizon_ns,
				.max_hosts = (uint32_t)config->max_hosts,
				.max_processes = (uint32_t)config->max_processes,
				.max_connections = (uint32_t)config->max_connections,
				.max_facts = (uint32_t)config->max_facts,
				.store_bytes = config->store_bytes,
				.seed = seed },
		.sink = { .context = run, .alert = take_alert, .flow = take_flow },
		.goes_on = config->spool_path != NULL,
	};
	run->pipeline = pipeline_open(&settings);
	if (run->pipeline && add_sources(run, seed) && pipeline_start(run->pipeline))
		return EXIT_DONE;
	log_error("cannot start");
	return EXIT_PERMISSION;
}

/* --- running ---------------------------------------------------------------------------------- */

static volatile sig_atomic_t stop_signals;
static volatile sig_atomic_t reload_signals;

static void on_signal(int signal_number)
{
	if (signal_number == SIGHUP)
		reload_signals = 1;
	else
		stop_signals = 1;
}

static void catch_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal };
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* True: again, with what is read anew. */
static bool wait_for_end(const struct run *run)
{
	enum { LOOK_EVERY_MS = 50 };
	while (!stop_signals && !reload_signals)
		if (pipeline_wait(run->pipeline, LOOK_EVERY_MS))
			break; /* a source could not go on */
	const bool again = reload_signals && !stop_signals;
	reload_signals = 0;
	pipeline_stop(run->pipeline);
	while (!pipeline_wait(run->pipeline, LOOK_EVERY_MS))
		continue;
	return again;
}

static int finish(struct run *run, double seconds)
{
	struct counters *counters = calloc(1, sizeof(*counters));
	uint64_t done_bytes;
	uint64_t total_bytes;
	if (!counters)
		return EXIT_PERMISSION;
	pipeline_read(run->pipeline, counters, &done_bytes, &total_bytes);
	const bool delivered = output_close(run->output, counters);
	run->output = NULL;
	const struct summary summary = {
		.counters = counters,
		.flows = &run->flow_totals,
		.correlator = pipeline_correlator(run->pipeline),
		.rule_count = ruleset_rule_count(run->ruleset),
		.seconds = seconds,
	};
	summary_print(&summary, false, stderr);
	free(counters);
	if (run->server_source.error) {
		log_errorx("input: %s", strerror(run->server_source.error));
		return EXIT_PERMISSION;
	}
	return delivered ? EXIT_DONE : EXIT_UNDELIVERABLE;
}

static void run_close(struct run *run)
{
	pipeline_close(run->pipeline);
	capture_close(run->capture);
	server_close(run->server);
	host_watch_close(run->watch);
	free(run->listeners);
	if (run->output) {
		struct counters ignored = { 0 };
		output_close(run->output, &ignored);
	}
	ruleset_close(run->ruleset);
	fields_close(run->fields);
	free(run);
}

int run_once(const struct config *config, enum run_end *out_end)
{
	const time_t started = time(NULL);
	struct run *run = calloc(1, sizeof(*run));
	*out_end = RUN_STOPPED;
	if (!run)
		return EXIT_PERMISSION;
	log_set_level(config->verbose ? LOG_INFO : LOG_WARN);
	catch_signals();
	run->config = config;
	run->fields = fields_open();
	int code = run->fields ? EXIT_DONE : EXIT_PERMISSION;
	if (code == EXIT_DONE) {
		correlator_want_fields(run->fields);
		code = open_rules(run);
	}
	static int (*const steps[])(struct run *) = { open_outputs, open_tap, open_server,
						      open_pipeline };
	for (size_t i = 0; code == EXIT_DONE && i < sizeof(steps) / sizeof(steps[0]); i++)
		code = steps[i](run);
	if (code == EXIT_DONE) {
		*out_end = wait_for_end(run) ? RUN_AGAIN : RUN_STOPPED;
		code = finish(run, difftime(time(NULL), started));
	}
	run_close(run);
	return code;
}
