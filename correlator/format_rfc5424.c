/* Syslog with structured data.
 *
 *	HEADER [alert@32473 ...][flow@32473 ...][attr@32473 ...][meta ...][timeQuality ...]
 *	       [rule@32473 ...][proc@32473 ...] MSG
 *
 * The element with the command line comes last: parsers are known that lose an element with \] in
 * it and keep those after it. The key facts stand in MSG again: agents are known that drop all
 * structured data. MSG has no BOM: receivers are known that hand it on as a character.
 *
 * Source: RFC 5424, section 6.3; 32473 is the enterprise number for documentation (RFC 5612), as
 * the project has none of its own.
 */
#include "correlator/format.h"
#include "correlator/message.h"

enum element { ALERT, FLOW, ATTRIBUTION, META, TIME_QUALITY, RULE, PROCESS, ELEMENT_COUNT };

static const char *const element_names[ELEMENT_COUNT] = {
	"alert@32473", "flow@32473", "attr@32473", "meta",
	"timeQuality", "rule@32473", "proc@32473",
};

/* Parameter names are lower case: rsyslog's mmpstrucdata makes them so anyway. */
static const struct message_row rows[] = {
	{ FACT_id, "id", .group = ALERT },
	{ FACT_update, "update", .group = ALERT, .rank = 17 },
	{ FACT_rule_id, "rule", .group = ALERT, .rank = 18 },
	{ FACT_rule_version, "ver", .group = ALERT, .rank = 14 },
	{ FACT_rule_name, "name", .group = ALERT, .rank = 17 },
	{ FACT_severity, "sev", .group = ALERT, .rank = 17 },
	{ FACT_risk, "risk", .group = ALERT, .rank = 17 },
	{ FACT_tactics, "tactic", .group = ALERT, .rank = 14 },
	{ FACT_techniques, "technique", .group = ALERT, .rank = 15 },
	{ FACT_steps, "steps", .group = ALERT, .rank = 11 },
	{ FACT_community_id, "cid", .group = FLOW, .rank = 15 },
	{ FACT_source_ip, "src", .group = FLOW, .rank = 16 },
	{ FACT_source_port, "spt", .group = FLOW, .rank = 16 },
	{ FACT_destination_ip, "dst", .group = FLOW, .rank = 16 },
	{ FACT_destination_port, "dpt", .group = FLOW, .rank = 16 },
	{ FACT_transport, "proto", .group = FLOW, .rank = 16 },
	{ FACT_direction, "dir", .group = FLOW, .rank = 11 },
	{ FACT_destination_domain, "dhost", .group = FLOW, .rank = 12 },
	{ FACT_source_bytes, "sbytes", .group = FLOW, .rank = 11 },
	{ FACT_destination_bytes, "dbytes", .group = FLOW, .rank = 11 },
	{ FACT_attribution_method, "method", .group = ATTRIBUTION, .rank = 14 },
	{ FACT_attribution_confidence, "conf", .group = ATTRIBUTION, .rank = 14 },
	{ FACT_clock_skew_ms, "skewms", .group = ATTRIBUTION, .rank = 14 },
	{ FACT_capture_loss, "loss", .group = ATTRIBUTION, .rank = 14 },
	{ FACT_attribution_candidates, "candidates", .group = ATTRIBUTION, .rank = 11 },
	{ FACT_evidence, "evidence", .group = ATTRIBUTION, .rank = 11 },
	{ FACT_lag_ms, "lagms", .group = ATTRIBUTION, .rank = 11 },
	{ FACT_degraded, "degraded", .group = ATTRIBUTION, .rank = 12 },
	{ FACT_authors, "author", .group = RULE, .rank = 7 },
	{ FACT_license, "license", .group = RULE, .rank = 7 },
	{ FACT_tags, "tags", .group = RULE, .rank = 8 },
	{ FACT_indices, "index", .group = RULE, .rank = 8 },
	{ FACT_interval, "interval", .group = RULE, .rank = 7 },
	{ FACT_look_back, "lookback", .group = RULE, .rank = 7 },
	{ FACT_max_signals, "maxsignals", .group = RULE, .rank = 7 },
	{ FACT_references, "refs", .group = RULE, .rank = 2 },
	{ FACT_false_positives, "fp", .group = RULE, .rank = 6 },
	{ FACT_description, "desc", .group = RULE, .rank = 5 },
	{ FACT_guide, "guide", .group = RULE, .rank = 1 },
	{ FACT_entity_id, "entity", .group = PROCESS, .rank = 15 },
	{ FACT_pid, "pid", .group = PROCESS, .rank = 16 },
	{ FACT_process_name, "name", .group = PROCESS, .rank = 16 },
	{ FACT_user, "user", .group = PROCESS, .rank = 15 },
	{ FACT_user_id, "sid", .group = PROCESS, .rank = 9 },
	{ FACT_host, "host", .group = PROCESS, .rank = 16 },
	{ FACT_executable, "exe", .group = PROCESS, .rank = 13 },
	{ FACT_file_hash, "hash", .group = PROCESS, .rank = 4 },
	{ FACT_parent_pid, "ppid", .group = PROCESS, .rank = 9 },
	{ FACT_parent_name, "pname", .group = PROCESS, .rank = 9 },
	{ FACT_parent_command_line, "pcmd", .group = PROCESS, .rank = 3 },
	{ FACT_command_line, "cmd", .group = PROCESS, .rank = 10, .shortens = true },
};

struct rendering {
	const struct format_context *context;
	const struct alert *alert;
};

static void write_parameter(struct text_writer *writer, const char *name, struct text value)
{
	write_words(writer, " ");
	write_words(writer, name);
	write_words(writer, "=\"");
	write_escaped(writer, value, TEXT_SD_VALUE);
	write_words(writer, "\"");
}

static void write_truncated(const struct message *message, struct text_writer *writer)
{
	if (!message->truncated)
		return;
	write_words(writer, " truncated=\"1\"");
	if (message->unlisted)
		return;
	write_words(writer, " cut=\"");
	message_write_cut(message, writer);
	write_words(writer, "\"");
}

static void write_element(const struct message *message, enum element element,
			  struct text_writer *writer)
{
	bool open = false;
	for (size_t i = 0; i < message->row_count; i++) {
		if (message->rows[i].group != element || !message->values[i].bytes)
			continue;
		if (!open) {
			write_words(writer, "[");
			write_words(writer, element_names[element]);
			open = true;
		}
		write_parameter(writer, message->rows[i].key, message->values[i]);
	}
	if (element == ALERT)
		write_truncated(message, writer);
	if (open)
		write_words(writer, "]");
}

static void render(const struct message *message, const void *rendering, struct text_writer *writer)
{
	const struct rendering *what = rendering;
	const struct format_context *context = what->context;
	format_syslog_header(context, what->alert, 6, message->terse, writer);
	for (enum element element = 0; element < ELEMENT_COUNT; element++) {
		write_element(message, element, writer);
		if (element == META && !message->terse)
			write_format(writer, "[meta sequenceId=\"%u\"]",
				     /* 1..2147483647, then again from 1 (section 7.3.1) */
				     (unsigned)((context->sequence_id - 1) % 2147483647) + 1);
		if (element == TIME_QUALITY && !message->terse)
			write_format(writer, "[timeQuality tzKnown=\"1\" isSynced=\"%d\"]",
				     context->clock_is_synced);
	}
	if (message->terse)
		return;
	write_words(writer, " ");
	write_escaped(writer, context->facts->values[FACT_summary], TEXT_PLAIN);
}

size_t format_rfc5424(const struct format_context *context, const struct alert *alert, char *out,
		      bool *out_truncated)
{
	struct message message;
	const struct rendering what = { context, alert };
	facts_gather(alert, context->fields, context->host_name, context->facts);
	message_begin(&message, rows, sizeof(rows) / sizeof(rows[0]), context->facts);
	const size_t size = message_fit(&message, render, &what, out, context->max_size);
	*out_truncated = message.truncated;
	return size;
}
