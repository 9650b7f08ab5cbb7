/* Why an alert fired: its rule, each step with its times, the connection's evidence, how the owner
 * was found. See explain_parts.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collector/input/event_file.h"
#include "correlator/explain_parts.h"
#include "correlator/host_table.h"

/* --- keeping it ---------------------------------------------------------------------------------
 */

void alert_search_take(void *context, const struct alert *alert)
{
	struct alert_search *search = context;
	if (search->block || strcmp(alert->id, search->id) != 0)
		return;
	search->block = malloc(alert_packed_bytes(alert));
	if (search->block)
		alert_pack(alert, search->block);
	else
		search->out_of_memory = true;
}

void alert_search_release(struct alert_search *search)
{
	free(search->block);
	search->block = NULL;
}

/* --- what a host reported of the connection -----------------------------------------------------
 */

struct report_lines {
	const struct event *flow; /* of the alert */
	FILE *out;
	size_t count;
};

enum { REPORTS_SHOWN = 32 };

static bool same_end(const struct event *left, uint16_t left_ip, uint16_t left_port,
		     const struct event *right, uint16_t right_ip, uint16_t right_port)
{
	const struct ip_address *one = event_address(left, left_ip);
	const struct ip_address *other = event_address(right, right_ip);
	int64_t one_port = 0;
	int64_t other_port = 0;
	event_integer(left, left_port, &one_port);
	event_integer(right, right_port, &other_port);
	return one && other && ip_address_equal(one, other) && one_port == other_port;
}

/* The same ends, in either order: the direction of UDP is not to be trusted. */
static bool same_connection(const struct event *left, const struct event *right)
{
	const bool straight = same_end(left, FIELD_source_ip, FIELD_source_port, right,
				       FIELD_source_ip, FIELD_source_port) &&
			      same_end(left, FIELD_destination_ip, FIELD_destination_port, right,
				       FIELD_destination_ip, FIELD_destination_port);
	return straight || (same_end(left, FIELD_source_ip, FIELD_source_port, right,
				     FIELD_destination_ip, FIELD_destination_port) &&
			    same_end(left, FIELD_destination_ip, FIELD_destination_port, right,
				     FIELD_source_ip, FIELD_source_port));
}

static void print_report(struct report_lines *lines, const struct event *report)
{
	FILE *out = lines->out;
	if (++lines->count > REPORTS_SHOWN)
		return;
	const double apart_s = (double)(int64_t)(report->host_time_ns - lines->flow->time_ns) / 1e9;
	fprintf(out, "      report  %s: ",
		clock_source_name(clock_source_of_datasets(report->datasets)));
	explain_print_values(report, FIELD_host_name, out);
	fputs(", labelled ", out);
	explain_print_time(report->host_time_ns, out);
	fprintf(out, " (%+.3f s from the wire's first packet), ", apart_s);
	explain_print_values(report,
			     event_find(report, FIELD_process_executable, NULL)
				     ? FIELD_process_executable
				     : FIELD_process_name,
			     out);
	fputs(" pid=", out);
	explain_print_values(report, FIELD_process_pid, out);
	fputc('\n', out);
}

static void read_reports(const char *path, struct normaliser *normaliser,
			 struct report_lines *lines)
{
	struct complaint complaint;
	struct event_file *file;
	if (!event_file_open(path, normaliser, &complaint, &file))
		return; /* said when it was replayed */
	for (const struct event *event; (event = event_file_next(file));)
		if (same_connection(event, lines->flow))
			print_report(lines, event);
	event_file_close(file);
}

/* The correlator keeps of a report what it needs; the files have it whole. */
static void print_reports(const struct replay_engine *engine, const struct event *flow, FILE *out)
{
	struct counters *counters = calloc(1, sizeof(*counters));
	struct normaliser *normaliser = counters ? normaliser_open(engine->fields, counters) : NULL;
	struct report_lines lines = { .flow = flow, .out = out };
	const struct option_texts *paths = &engine->arguments->events;
	for (size_t i = 0; normaliser && i < paths->count; i++)
		read_reports(paths->items[i], normaliser, &lines);
	if (lines.count == 0)
		fputs("      report  none: no host reported this connection\n", out);
	if (lines.count > REPORTS_SHOWN)
		fprintf(out, "      report  and %zu more of the same ends\n",
			lines.count - REPORTS_SHOWN);
	normaliser_close(normaliser);
	free(counters);
}

/* --- printing ------------------------------------------------------------------------------------
 */

struct row {
	const char *label; /* NULL: on the same line as the row before, after `unit` */
	const char *unit;
	uint16_t field;
};

static const struct row process_rows[] = {
	{ "host", "", FIELD_host_name },
	{ "user", "", FIELD_user_domain },
	{ NULL, "\\", FIELD_user_name },
	{ "process", "", FIELD_process_executable },
	{ NULL, " pid=", FIELD_process_pid },
	{ "command", "", FIELD_process_command_line },
	{ "parent", "", FIELD_process_parent_executable },
	{ NULL, " pid=", FIELD_process_parent_pid },
	{ "entity", "", FIELD_process_entity_id },
};

static const struct row flow_rows[] = {
	{ "flow", "", FIELD_source_ip },
	{ NULL, ":", FIELD_source_port },
	{ NULL, " -> ", FIELD_destination_ip },
	{ NULL, ":", FIELD_destination_port },
	{ NULL, "/", FIELD_network_transport },
	{ NULL, "  ", FIELD_network_community_id },
	{ "wire", "from ", FIELD_procspan_wire_start },
	{ NULL, " to ", FIELD_procspan_wire_end },
	{ NULL, ", ended by ", FIELD_procspan_flow_end_reason },
	{ "sent", "bytes ", FIELD_source_bytes },
	{ NULL, ", packets ", FIELD_source_packets },
	{ "back", "bytes ", FIELD_destination_bytes },
	{ NULL, ", packets ", FIELD_destination_packets },
	{ "seen by", "", FIELD_procspan_evidence_sources },
};

static const struct row owner_rows[] = {
	{ "owner", "by ", FIELD_procspan_attribution_method },
	{ NULL, ", confidence ", FIELD_procspan_attribution_confidence },
	{ NULL, ", candidates ", FIELD_procspan_attribution_candidates },
	{ NULL, ", ms from report to packet by the corrected clock: ",
	  FIELD_procspan_attribution_skew_ms },
	{ "others", "", FIELD_procspan_attribution_runners_up },
	{ "clock", "ms ahead of the wire: ", FIELD_procspan_clock_offset_ms },
	{ NULL, " +/- ", FIELD_procspan_clock_confidence_ms },
};

static void print_rows(const struct row *rows, size_t count, const struct event *event, FILE *out)
{
	bool open = false;
	for (size_t i = 0; i < count; i++) {
		if (!event_find(event, rows[i].field, NULL))
			continue;
		if (rows[i].label && open)
			fputc('\n', out);
		if (rows[i].label || !open)
			fprintf(out, "      %-8s", rows[i].label ? rows[i].label : "");
		fputs(rows[i].unit, out);
		explain_print_values(event, rows[i].field, out);
		open = true;
	}
	if (open)
		fputc('\n', out);
}

#define PRINT_ROWS(rows, event, out) print_rows(rows, sizeof(rows) / sizeof((rows)[0]), event, out)

static void print_times(const struct event *event, FILE *out)
{
	fputs("      at      ", out);
	explain_print_time(event->time_ns, out);
	if (event->host_time_ns == 0) {
		fputs(", by the wire\n", out);
		return;
	}
	fputs(" on the wire's time line; the host's label says ", out);
	explain_print_time(event->host_time_ns, out);
	fprintf(out, ", %+.3f s\n", (double)(int64_t)(event->host_time_ns - event->time_ns) / 1e9);
}

static void print_step(const struct replay_engine *engine, const struct alert *alert, size_t stage,
		       FILE *out)
{
	const struct event *event = alert->events[stage];
	fprintf(out, "\nstep %zu of %zu: ", stage + 1, alert->event_count);
	if (!event) {
		fputs("nothing satisfied it, as the rule asks\n", out);
		return;
	}
	explain_print_values(event, FIELD_event_category, out);
	fputs(" event, ", out);
	explain_print_values(event, FIELD_event_type, out);
	fputc('\n', out);
	print_times(event, out);
	PRINT_ROWS(process_rows, event, out);
	if (!event_address(event, FIELD_destination_ip))
		return;
	PRINT_ROWS(flow_rows, event, out);
	print_reports(engine, event, out);
	PRINT_ROWS(owner_rows, event, out);
	if (!event_find(event, FIELD_procspan_attribution_runners_up, NULL))
		fputs("      others  no other process fits\n", out);
}

static void print_keys(const struct replay_engine *engine, const struct rule *rule, FILE *out)
{
	for (uint16_t i = 0; i < rule->key_count; i++) {
		const uint16_t field = rule->stages[0].keys[i].field;
		fprintf(out, "%s%s", i ? ", " : ", joined by ",
			field == FIELD_NONE ? "nothing" : fields_name(engine->fields, field));
	}
}

static void print_rule(const struct replay_engine *engine, const struct alert *alert, FILE *out)
{
	const struct rule *rule = alert->rule;
	fprintf(out, "alert   %s  %s %d\nrule    %s (%s, version %s)\n", alert->id,
		rule_severity_name(rule->severity), rule->risk_score, rule->name ? rule->name : "",
		rule->id ? rule->id : "", rule->version ? rule->version : "");
	if (rule->file)
		fprintf(out, "        %s:%u\n", rule->file, rule->line);
	fprintf(out, "        %u steps", rule->stage_count);
	print_keys(engine, rule, out);
	if (rule->maxspan_ns)
		fprintf(out, ", within %.3f s", (double)rule->maxspan_ns / 1e9);
	fputc('\n', out);
}

void explain_alert(const struct replay_engine *engine, const struct alert_search *search, FILE *out)
{
	struct alert alert;
	const struct event *last = NULL;
	alert_unpack(search->block, &alert);
	print_rule(engine, &alert, out);
	for (size_t i = 0; i < alert.event_count; i++) {
		print_step(engine, &alert, i, out);
		if (alert.events[i] && event_text(alert.events[i], FIELD_host_name))
			last = alert.events[i];
	}
	if (last) {
		fputs("\nclock\n", out);
		explain_print_clocks(pipeline_correlator(engine->pipeline),
				     event_text(last, FIELD_host_name)->bytes, out);
	}
	if (alert.quality.degraded)
		fputs("\ntables were full: what they forgot may be missing here\n", out);
}
