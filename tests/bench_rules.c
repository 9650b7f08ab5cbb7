/* What matching costs per event, as a table on stdout: the rules we ship, all public Windows EQL
 * rules, everything, and the ten dearest rules. Events are parsed already: the Sysmon and Security
 * logs of the shared data, repeated. The best of a few runs counts, because the machine is shared.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "collector/input/event_file.h"
#include "rules/rule_paths.h"
#include "rules/ruleset.h"
#include "tests/support_shared.h"

enum {
	EVENTS_MAX = 40000,
	EVENT_BYTES_MAX = 64 * 1024 * 1024,
	HUGE_PAGE_BYTES = 2 * 1024 * 1024,
	TOTAL_EVENTS = 10 * 1000 * 1000, /* per measurement of a whole set */
	RUNS = 3,
	DEAREST = 10,
};

static const char *const logs[] = {
	"data/pairs/LSASS_campaign_01/metasploit_logonpasswords_lsass_memory_dump.ndjson.gz",
	"data/pairs/covenant_dcom_iertutil_dll_hijack/"
	"covenant_dcom_iertutil_dll_hijack_2020-10-09183000.ndjson.gz",
	"data/pairs/covenant_psremoting_command/"
	"covenant_psremoting_command_2020-08-06115603.ndjson.gz",
};

/* Events one behind the other. */
struct events {
	char *bytes;
	size_t size_bytes;
	size_t count;
	const struct event *items[EVENTS_MAX];
};

struct load {
	struct fields *fields;
	struct ruleset_builder *builder;
	struct complaints complaints;
	const char *tag; /* only rules that have it, or NULL */
	size_t count;
};

/* Of this thread's own: the machine is shared. */
static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void *need(void *pointer)
{
	if (!pointer) {
		perror("bench_rules");
		exit(1);
	}
	return pointer;
}

/* --- events ----------------------------------------------------------------------------------- */

static void read_log(struct events *events, const char *path, struct normaliser *normaliser)
{
	struct event_file *file;
	struct complaint complaint;
	const struct event *event;
	if (!event_file_open(path, normaliser, &complaint, &file))
		return;
	while (events->count < EVENTS_MAX && (event = event_file_next(file))) {
		if (events->size_bytes + event->size_bytes > EVENT_BYTES_MAX)
			break;
		char *copy = events->bytes + events->size_bytes;
		memcpy(copy, event, event->size_bytes);
		events->items[events->count++] = (const struct event *)(const void *)copy;
		events->size_bytes += event->size_bytes;
	}
	event_file_close(file);
}

/* All fields that any rule reads are extracted, so that every set meets the same events. */
static struct events *read_events(const struct fields *fields)
{
	static struct counters counters;
	struct events *events = need(calloc(1, sizeof(*events)));
	struct normaliser *normaliser = need(normaliser_open(fields, &counters));
	events->bytes = need(aligned_alloc(HUGE_PAGE_BYTES, EVENT_BYTES_MAX));
	madvise(events->bytes, EVENT_BYTES_MAX, MADV_HUGEPAGE); /* as rings are: TLB misses aside */
	for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
		const char *path = shared_path(logs[i]);
		if (path)
			read_log(events, path, normaliser);
	}
	normaliser_close(normaliser);
	return events;
}

/* --- rules ------------------------------------------------------------------------------------ */

/* Only what is written in EQL. */
static bool load_eql(void *context, const char *file, const char *text, size_t size_bytes)
{
	struct load *load = context;
	if (!memmem(text, size_bytes, "\ntype = \"eql\"", 13))
		return true;
	if (load->tag && !memmem(text, size_bytes, load->tag, strlen(load->tag)))
		return true;
	load->count++;
	return ruleset_add_text(load->builder, file, text, size_bytes, &load->complaints);
}

static struct ruleset *load_rules(struct fields *fields, const char *path, const char *tag,
				  size_t *out_count)
{
	struct load load = {
		.fields = fields,
		.builder = need(ruleset_builder_open(fields)),
		.tag = tag,
	};
	rule_paths_each(path, &load.complaints, load_eql, &load);
	for (size_t i = 0; i < load.complaints.count; i++) {
		complaint_print(&load.complaints.items[i], stderr);
		fputc('\n', stderr);
	}
	*out_count = load.count;
	return need(ruleset_build(load.builder));
}

/* --- measuring -------------------------------------------------------------------------------- */

/* The head of an event, where its values are listed. */
static void prefetch(const struct events *events, size_t at)
{
	if (at >= events->count)
		return;
	const char *head = (const char *)events->items[at];
	for (size_t line = 0; line < 512; line += 64)
		__builtin_prefetch(head + line);
}

/* Nanoseconds per event; `total` events per run. */
static double measure(const struct ruleset *ruleset, const struct events *events, size_t total,
		      uint64_t *out_satisfied)
{
	struct match_scratch *scratch = need(match_scratch_open(ruleset));
	step_id *steps = need(malloc((ruleset_step_count(ruleset) + 1) * sizeof(*steps)));
	size_t passes = events->count ? total / events->count : 0;
	if (passes == 0)
		passes = 1;
	uint64_t best = UINT64_MAX;
	for (int run = 0; run < RUNS; run++) {
		uint64_t satisfied = 0;
		const uint64_t start_ns = now_ns();
		for (size_t pass = 0; pass < passes; pass++)
			for (size_t i = 0; i < events->count; i++) {
				prefetch(events, i + 4); /* as whoever reads a ring does */
				satisfied +=
					ruleset_match(ruleset, scratch, events->items[i], steps);
			}
		const uint64_t took_ns = now_ns() - start_ns;
		best = took_ns < best ? took_ns : best;
		*out_satisfied = satisfied / passes;
	}
	free(steps);
	match_scratch_close(scratch);
	return (double)best / (double)(passes * events->count);
}

static double print_set(const char *name, const struct ruleset *ruleset, size_t rule_count,
			const struct events *events, double alone_ns)
{
	uint64_t satisfied;
	const double event_ns = measure(ruleset, events, TOTAL_EVENTS, &satisfied);
	printf("%-24s %6zu %6u %9.1f %12.0f %8.2f %10" PRIu64 "\n", name, rule_count,
	       ruleset_step_count(ruleset), event_ns, 1e9 / event_ns,
	       alone_ns > 0 ? event_ns / alone_ns : 1.0, satisfied);
	return event_ns;
}

/* --- the dearest rules ------------------------------------------------------------------------ */

struct price {
	char name[96];
	double event_ns;
};

struct pricing {
	const struct events *events;
	struct price dearest[DEAREST + 1];
	size_t count;
};

static bool price_rule(void *context, const char *file, const char *text, size_t size_bytes)
{
	struct pricing *pricing = context;
	struct complaints complaints = { .count = 0 };
	if (!memmem(text, size_bytes, "\ntype = \"eql\"", 13))
		return true;
	struct fields *fields = need(fields_open());
	struct ruleset_builder *builder = need(ruleset_builder_open(fields));
	ruleset_add_text(builder, file, text, size_bytes, &complaints);
	struct ruleset *ruleset = need(ruleset_build(builder));
	uint64_t satisfied;
	struct price price = { .event_ns = measure(ruleset, pricing->events, pricing->events->count,
						   &satisfied) };
	const char *slash = strrchr(file, '/');
	snprintf(price.name, sizeof(price.name), "%s", slash ? slash + 1 : file);
	size_t at = pricing->count;
	for (; at > 0 && pricing->dearest[at - 1].event_ns < price.event_ns; at--)
		pricing->dearest[at] = pricing->dearest[at - 1];
	pricing->dearest[at] = price;
	if (pricing->count < DEAREST)
		pricing->count++;
	ruleset_close(ruleset);
	fields_close(fields);
	return true;
}

static void print_dearest(const char *path, const struct events *events)
{
	struct pricing *pricing = need(calloc(1, sizeof(*pricing)));
	static struct complaints complaints;
	pricing->events = events;
	rule_paths_each(path, &complaints, price_rule, pricing);
	printf("\n%-72s %9s\n", "the ten dearest rules, each alone", "ns/event");
	for (size_t i = 0; i < pricing->count; i++)
		printf("%-72s %9.1f\n", pricing->dearest[i].name, pricing->dearest[i].event_ns);
	free(pricing);
}

int main(void)
{
	char public_path[4096];
	char windows_path[8192];
	const char *path = shared_path("eql/rules");
	if (!path)
		return 0;
	snprintf(public_path, sizeof(public_path), "%s", path);
	snprintf(windows_path, sizeof(windows_path), "%s/rules/windows", public_path);
	size_t seed_count;
	size_t windows_count;
	size_t all_count;
	struct fields *fields = need(fields_open());
	const uint64_t start_ns = now_ns();
	struct ruleset *all_rules = load_rules(fields, public_path, NULL, &all_count);
	const double load_ms = (double)(now_ns() - start_ns) / 1e6;
	struct ruleset *seed_rules = load_rules(fields, "rules/library", NULL, &seed_count);
	struct ruleset *windows_rules =
		load_rules(fields, public_path, "\"OS: Windows\"", &windows_count);
	struct events *events = read_events(fields);
	if (events->count) {
		printf("%zu rules loaded in %.0f ms; %zu events of %zu bytes on average\n\n",
		       all_count, load_ms, events->count, events->size_bytes / events->count);
		printf("%-24s %6s %6s %9s %12s %8s %10s\n", "rules", "rules", "steps", "ns/event",
		       "events/s", "ratio", "satisfied");
		const double alone_ns = print_set("library", seed_rules, seed_count, events, 0);
		print_set("windows EQL", windows_rules, windows_count, events, alone_ns);
		print_set("all EQL", all_rules, all_count, events, alone_ns);
		print_dearest(windows_path, events);
	}
	free(events->bytes);
	free(events);
	ruleset_close(all_rules);
	ruleset_close(seed_rules);
	ruleset_close(windows_rules);
	fields_close(fields);
	return 0;
}
