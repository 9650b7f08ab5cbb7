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
	{ "id", FACT_id, .group = ALERT },
	{ "update", FACT_update, .group = ALERT, .rank = 17 },
	{ "rule", FACT_rule_id, .group = ALERT, .rank = 18 },
	{ "ver", FACT_rule_version, .group = ALERT, .rank = 14 },
	{ "name", FACT_rule_name, .group = ALERT, .rank = 17 },
	{ "sev", FACT_severity, .group = ALERT, .rank = 17 },
	{ "risk", FACT_risk, .group = ALERT, .rank = 17 },
	{ "tactic", FACT_tactics, .group = ALERT, .rank = 14 },
	{ "technique", FACT_techniques, .group = ALERT, .rank = 15 },
	{ "steps", FACT_steps, .group = ALERT, .rank = 11 },
	{ "cid", FACT_community_id, .group = FLOW, .rank = 15 },
	{ "src", FACT_source_ip, .group = FLOW, .rank = 16 },
	{ "spt", FACT_source_port, .group = FLOW, .rank = 16 },
	{ "dst", FACT_destination_ip, .group = FLOW, .rank = 16 },
	{ "dpt", FACT_destination_port, .group = FLOW, .rank = 16 },
	{ "proto", FACT_transport, .group = FLOW, .rank = 16 },
	{ "dir", FACT_direction, .group = FLOW, .rank = 11 },
	{ "dhost", FACT_destination_domain, .group = FLOW, .rank = 12 },
	{ "sbytes", FACT_source_bytes, .group = FLOW, .rank = 11 },
	{ "dbytes", FACT_destination_bytes, .group = FLOW, .rank = 11 },
	{ "method", FACT_attribution_method, .group = ATTRIBUTION, .rank = 14 },
	{ "conf", FACT_attribution_confidence, .group = ATTRIBUTION, .rank = 14 },
	{ "skewms", FACT_clock_skew_ms, .group = ATTRIBUTION, .rank = 14 },
	{ "loss", FACT_capture_loss, .group = ATTRIBUTION, .rank = 14 },
	{ "candidates", FACT_attribution_candidates, .group = ATTRIBUTION, .rank = 11 },
	{ "evidence", FACT_evidence, .group = ATTRIBUTION, .rank = 11 },
	{ "lagms", FACT_lag_ms, .group = ATTRIBUTION, .rank = 11 },
	{ "degraded", FACT_degraded, .group = ATTRIBUTION, .rank = 12 },
	{ "author", FACT_authors, .group = RULE, .rank = 7 },
	{ "license", FACT_license, .group = RULE, .rank = 7 },
	{ "tags", FACT_tags, .group = RULE, .rank = 8 },
	{ "index", FACT_indices, .group = RULE, .rank = 8 },
	{ "interval", FACT_interval, .group = RULE, .rank = 7 },
	{ "lookback", FACT_look_back, .group = RULE, .rank = 7 },
	{ "maxsignals", FACT_max_signals, .group = RULE, .rank = 7 },
	{ "refs", FACT_references, .group = RULE, .rank = 2 },
	{ "fp", FACT_false_positives, .group = RULE, .rank = 6 },
	{ "desc", FACT_description, .group = RULE, .rank = 5 },
	{ "guide", FACT_guide, .group = RULE, .rank = 1 },
	{ "entity", FACT_entity_id, .group = PROCESS, .rank = 15 },
	{ "pid", FACT_pid, .group = PROCESS, .rank = 16 },
	{ "name", FACT_process_name, .group = PROCESS, .rank = 16 },
	{ "user", FACT_user, .group = PROCESS, .rank = 15 },
	{ "sid", FACT_user_id, .group = PROCESS, .rank = 9 },
	{ "host", FACT_host, .group = PROCESS, .rank = 16 },
	{ "exe", FACT_executable, .group = PROCESS, .rank = 13 },
	{ "hash", FACT_file_hash, .group = PROCESS, .rank = 4 },
	{ "ppid", FACT_parent_pid, .group = PROCESS, .rank = 9 },
	{ "pname", FACT_parent_name, .group = PROCESS, .rank = 9 },
	{ "pcmd", FACT_parent_command_line, .group = PROCESS, .rank = 3 },
	{ "cmd", FACT_command_line, .group = PROCESS, .rank = 10, .shortens = true },
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
