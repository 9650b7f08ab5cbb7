#include "correlator/run.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "collector/base/log.h"
#include "collector/packet/capture.h"
#include "correlator/command.h"
#include "correlator/control.h"
#include "correlator/output.h"
#include "correlator/output_url.h"
#include "correlator/pipeline.h"
#include "correlator/source_capture.h"
#include "correlator/sent_alerts.h"
#include "correlator/source_server.h"
#include "correlator/summary.h"
#include "correlator/wef_query.h"

/* Everything that one life opens, in the order of opening; run_close undoes it in reverse. */
struct run { /* NOLINT(clang-analyzer-optin.performance.Padding): one per process */
	struct counters counters; /* the correlator thread's; first, it is aligned to a line */
	const struct config *config;
	struct fields *fields;
	struct ruleset *ruleset;
	struct output *output;
	struct sent_alerts *sent; /* or NULL: no spool, so nothing is read again */
	struct listener_url *listeners;
	struct server *server;
	struct host_watch *watch;
	struct capture *capture;
	struct control *control;
	_Atomic bool reload; /* asked for by the control socket */
	struct pipeline *pipeline;
	struct server_source server_source;
	struct capture_source capture_source;

	/* written by the correlator's thread, read after the pipeline is done */
	struct flow_totals flow_totals;
};

static uint64_t unix_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- what the correlator says ----------------------------------------------------------------- */

static void take_alert(void *context, const struct alert *alert)
{
	struct run *run = context;
	if (!run->sent || sent_alerts_wants(run->sent, alert, unix_ns()))
		output_alert(run->output, alert);
	else
		counter_add(&run->counters, COUNTER_alerts_repeated, 1);
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

/* A single file of ECS alerts tells for itself what was delivered. */
static const char *delivered_file(const struct config *config, struct output_url *url)
{
	struct complaint ignored;
	if (config->outputs.count != 1 ||
	    !output_url_parse(config->outputs.items[0], &ignored, url))
		return NULL;
	return url->sink == SINK_file && url->format == FORMAT_ecs ? url->target : NULL;
}

static int open_sent(struct run *run)
{
	const struct config *config = run->config;
	static const uint64_t default_age_ns = UINT64_C(4) * 3600 * 1000000000;
	char path[PATH_MAX];
	struct output_url url;
	struct complaint complaint;
	if (!config->spool_path)
		return EXIT_DONE;
	if (mkdir(config->spool_path, 0700) != 0 && errno != EEXIST) {
		log_error("%s", config->spool_path);
		return EXIT_PERMISSION;
	}
	snprintf(path, sizeof(path), "%s/alerts.sent", config->spool_path);
	/* Longer than events are kept: what they raise may be younger than they are. */
	const uint64_t age_ns =
		2 * (config->spool_max_age_ns ? config->spool_max_age_ns : default_age_ns);
	if (!sent_alerts_open(path, delivered_file(config, &url), age_ns, unix_ns(), &complaint,
			      &run->sent))
		return refuse(&complaint, EXIT_PERMISSION);
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
		.wef_query = wef_query,
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

static void read_counters(const struct run *run, struct counters *out_counters)
{
	uint64_t done_bytes;
	uint64_t total_bytes;
	pipeline_read(run->pipeline, out_counters, &done_bytes, &total_bytes);
	counters_sum(out_counters, &run->counters);
}

/* On the server's thread, which owns what is seen of hosts. */
static json_t *answer(void *context, const char *word)
{
	struct run *run = context;
	if (strcmp(word, "hosts") == 0)
		return json_pack("{s:o}", "hosts", host_watch_json(run->watch));
	if (strcmp(word, "reload") == 0) {
		atomic_store_explicit(&run->reload, true, memory_order_relaxed);
		return json_pack("{s:b}", "reloading", 1);
	}
	struct counters *counters =
		strcmp(word, "stats") == 0 ? aligned_alloc(64, sizeof(*counters)) : NULL;
	if (!counters)
		return NULL;
	read_counters(run, counters);
	counters_sum(counters, output_counters(run->output));
	json_t *object = json_object();
	for (int i = 0; i < COUNTER_COUNT; i++)
		json_object_set_new(
			object, counter_name((enum counter)i),
			json_integer((json_int_t)counter_read(counters, (enum counter)i)));
	free(counters);
	return object;
}

static int open_control(struct run *run)
{
	struct complaint complaint;
	if (run->config->control && !control_open(server_base(run->server), run->config->control,
						  answer, run, &complaint, &run->control))
		return refuse(&complaint, EXIT_PERMISSION);
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
				.live = run->capture == NULL, /* a file has a clock of its own */
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

static void keep_sent(const struct run *run)
{
	const struct counters *output = output_counters(run->output);
	if (run->sent)
		sent_alerts_keep(run->sent,
				 counter_read(output, COUNTER_alerts_delivered) +
					 counter_read(output, COUNTER_alerts_lost_output));
}

/* True: again, with what is read anew. */
static bool wait_for_end(struct run *run)
{
	enum { LOOK_EVERY_MS = 50 };
	/* relaxed: it only has to be seen soon. */
	while (!stop_signals && !reload_signals &&
	       !atomic_load_explicit(&run->reload, memory_order_relaxed)) {
		if (pipeline_wait(run->pipeline, LOOK_EVERY_MS))
			break; /* a source could not go on */
		keep_sent(run);
	}
	const bool again =
		!stop_signals &&
		(reload_signals || atomic_load_explicit(&run->reload, memory_order_relaxed));
	reload_signals = 0;
	pipeline_stop(run->pipeline);
	while (!pipeline_wait(run->pipeline, LOOK_EVERY_MS))
		continue;
	return again;
}

static int finish(struct run *run, double seconds)
{
	struct counters *counters = aligned_alloc(64, sizeof(*counters));
	if (!counters)
		return EXIT_PERMISSION;
	read_counters(run, counters);
	const bool delivered = output_close(run->output, counters);
	run->output = NULL;
	if (run->sent) /* delivered, lost, or in the output's own spool */
		sent_alerts_keep(run->sent, UINT64_MAX);
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
	control_close(run->control);
	server_close(run->server);
	host_watch_close(run->watch);
	free(run->listeners);
	if (run->output) {
		struct counters ignored = { 0 };
		output_close(run->output, &ignored);
	}
	sent_alerts_close(run->sent);
	ruleset_close(run->ruleset);
	fields_close(run->fields);
	free(run);
}

/* A connection is a file. */
static void allow_files(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int run_once(const struct config *config, enum run_end *out_end)
{
	const time_t started = time(NULL);
	struct run *run = aligned_alloc(64, (sizeof(*run) + 63) / 64 * 64);
	*out_end = RUN_STOPPED;
	if (!run)
		return EXIT_PERMISSION;
	memset(run, 0, sizeof(*run));
	log_set_level(config->verbose ? LOG_INFO : LOG_WARN);
	catch_signals();
	allow_files();
	run->config = config;
	run->fields = fields_open();
	int code = run->fields ? EXIT_DONE : EXIT_PERMISSION;
	if (code == EXIT_DONE) {
		correlator_want_fields(run->fields);
		code = open_rules(run);
	}
	static int (*const steps[])(struct run *) = { open_sent,   open_outputs, open_tap,
						      open_server, open_control, open_pipeline };
	for (size_t i = 0; code == EXIT_DONE && i < sizeof(steps) / sizeof(steps[0]); i++)
		code = steps[i](run);
	if (code == EXIT_DONE) {
		*out_end = wait_for_end(run) ? RUN_AGAIN : RUN_STOPPED;
		code = finish(run, difftime(time(NULL), started));
	}
	run_close(run);
	return code;
}
