/* From a capture file: reading alone, beside a walk over the mapped file and libpcap with an empty
 * callback; then with decoding and the flow table; then the whole engine with the seed rule, the
 * correlator live on another core.
 *
 * The file is a memfd: it is gone with the process, however that ends. Opening, mapping and page
 * faults count. */
#include "correlator/bench_files.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collector/packet/capture.h"
#include "collector/packet/tracker.h"
#include "correlator/bench_seed.h"
#include "correlator/pipeline.h"
#include "correlator/source_capture.h"

enum { MAX_FLOWS = 1 << 21, PATH_BYTES = 64, PCAP_HEADER_BYTES = 24 };

struct file {
	char path[PATH_BYTES];
	int descriptor;
	size_t size_bytes;
	bool failed;
	uint64_t told;
	const struct ruleset *ruleset;
	const struct fields *fields;
	size_t correlator_bytes;
};

/* --- reading alone -------------------------------------------------------------------------- */

static void walk_mapped(void *context)
{
	struct file *file = context;
	uint8_t *bytes = mmap(NULL, file->size_bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE,
			      file->descriptor, 0);
	if (bytes == MAP_FAILED) {
		file->failed = true;
		return;
	}
	struct bench_walk walk = { PCAP_HEADER_BYTES, 0 };
	uint64_t sum = 0;
	while (walk.at + BENCH_RECORD_HEADER_BYTES <= file->size_bytes) {
		uint32_t captured_bytes;
		memcpy(&captured_bytes, bytes + walk.at + 8, sizeof(captured_bytes));
		bench_walk_ask(bytes, &walk);
		walk.at += BENCH_RECORD_HEADER_BYTES + captured_bytes;
		sum += captured_bytes;
	}
	bench_keep(sum);
	munmap(bytes, file->size_bytes);
}

static void count_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	(void)header;
	(void)bytes;
	++*(uint64_t *)(void *)user;
}

static void read_by_libpcap(void *context)
{
	struct file *file = context;
	char error[PCAP_ERRBUF_SIZE];
	uint64_t count = 0;
	pcap_t *capture = pcap_open_offline(file->path, error);
	if (!capture) {
		file->failed = true;
		return;
	}
	pcap_loop(capture, -1, count_packet, (u_char *)&count);
	pcap_close(capture);
	bench_keep(count);
}

static struct capture *open_capture(struct file *file)
{
	const char *path = file->path;
	struct complaints complaints = { .count = 0 };
	struct capture *capture = NULL;
	if (!capture_open_files(&path, 1, &complaints, &capture))
		file->failed = true;
	return capture;
}

static void read_by_capture(void *context)
{
	struct packet packets[PACKET_BATCH];
	struct capture *capture = open_capture(context);
	uint64_t sum = 0;
	for (size_t got; capture && (got = capture_next(capture, packets)) > 0;)
		sum += packets[0].captured_bytes + got;
	bench_keep(sum);
	capture_close(capture);
}

/* --- with the flow table -------------------------------------------------------------------- */

static void ignore_flow(void *context, const struct flow_event *event)
{
	*(uint64_t *)context += event->flow_id;
}

static void ignore_name(void *context, const struct wire_name *name)
{
	*(uint64_t *)context += name->flow_id;
}

static void read_and_track(void *context)
{
	struct file *file = context;
	struct packet packets[PACKET_BATCH];
	struct counters counters = { 0 };
	const struct tracker_sink sink = { &file->told, ignore_flow, ignore_name };
	const struct tracker_settings settings = { .max_flows = MAX_FLOWS, .seed = { { 1, 2 } } };
	struct tracker *tracker = tracker_open(&settings, &sink, &counters);
	struct capture *capture = open_capture(file);
	file->failed |= !tracker;
	for (size_t got; tracker && capture && (got = capture_next(capture, packets)) > 0;)
		tracker_packets(tracker, packets, got);
	if (tracker)
		tracker_finish(tracker);
	capture_close(capture);
	tracker_close(tracker);
}

/* --- everything ----------------------------------------------------------------------------- */

static void ignore_alert(void *context, const struct alert *alert)
{
	(void)context;
	(void)alert;
}

/* Two threads, as `replay` runs them: capture and flow table here, a ring, the correlator there. */
static void run_engine(void *context)
{
	struct file *file = context;
	struct capture_source capture = { .capture = open_capture(file),
					  .tracker = { .max_flows = MAX_FLOWS,
						       .seed = { { 1, 2 } } } };
	const struct pipeline_settings settings = {
		.ruleset = file->ruleset,
		.fields = file->fields,
		.correlator = { .max_connections = MAX_FLOWS, .seed = { { 1, 2 } } },
		.sink = { .alert = ignore_alert },
	};
	const struct source_settings source = { .name = "bench-capture",
						.run = capture_source_run,
						.context = &capture,
						.lossless = true };
	struct pipeline *pipeline = capture.capture ? pipeline_open(&settings) : NULL;
	if (pipeline && pipeline_add(pipeline, &source) && pipeline_start(pipeline)) {
		while (!pipeline_wait(pipeline, 60000))
			;
		file->correlator_bytes = correlator_bytes(pipeline_correlator(pipeline));
	} else {
		file->failed = true;
	}
	pipeline_close(pipeline);
	capture_close(capture.capture);
}

/* --- the rows ------------------------------------------------------------------------------- */

static bool file_row(struct bench *bench, const struct bench_traffic *traffic, struct file *file,
		     const char *stage, clockid_t clock, bench_run_fn *run)
{
	const double run_ns = bench_best_ns(bench, clock, run, file);
	const struct bench_row row = {
		.stage = stage,
		.unit = traffic->all_new ? "packet, a flow each" : "packet",
		.ns = run_ns / (double)traffic->packet_count,
		.unit_bytes = (double)traffic->size_bytes / (double)traffic->packet_count -
			      BENCH_RECORD_HEADER_BYTES,
		.memory_bytes = (double)file->correlator_bytes / MAX_FLOWS,
	};
	if (!file->failed)
		bench_row(bench, &row);
	return !file->failed;
}

static bool measure(struct bench *bench, const struct bench_traffic *traffic, struct file *file)
{
	static const struct {
		const char *stage;
		clockid_t clock;
		bench_run_fn *run;
	} stages[] = {
		{ "floor: record walk, mapped", CLOCK_THREAD_CPUTIME_ID, walk_mapped },
		{ "libpcap, empty callback", CLOCK_THREAD_CPUTIME_ID, read_by_libpcap },
		{ "read", CLOCK_THREAD_CPUTIME_ID, read_by_capture },
		{ "read, decode, new flow table", CLOCK_THREAD_CPUTIME_ID, read_and_track },
		{ "all, with the correlator (real time)", CLOCK_MONOTONIC, run_engine },
	};
	bench_section(bench, traffic->name, true, "%s; as a capture file", traffic->title);
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		if (!file_row(bench, traffic, file, stages[i].stage, stages[i].clock,
			      stages[i].run))
			return false;
	return true;
}

bool bench_files(struct bench *bench, const struct bench_traffic *traffic)
{
	struct file file = { .descriptor = memfd_create("procspan-bench", MFD_CLOEXEC),
			     .size_bytes = PCAP_HEADER_BYTES + traffic->size_bytes };
	if (file.descriptor < 0)
		return false;
	snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.descriptor);
	struct fields *fields = fields_open();
	struct ruleset *ruleset = fields ? bench_seed_rules(fields) : NULL;
	file.fields = fields;
	file.ruleset = ruleset;
	bool good = ruleset && bench_traffic_write(traffic, file.descriptor);
	if (good) {
		correlator_want_fields(fields);
		good = measure(bench, traffic, &file);
	}
	if (file.failed)
		errno = ENOMEM;
	ruleset_close(ruleset);
	fields_close(fields);
	close(file.descriptor);
	return good;
}
