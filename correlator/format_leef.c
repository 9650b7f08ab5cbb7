/* IBM QRadar's Log Event Extended Format 2.0.
 *
 *	LEEF:2.0|Vendor|Product|Version|EventID|^|key=value^key=value
 *
 * A value must not hold the delimiter: a caret becomes \x5e, so that nothing of an obfuscated
 * command line is lost. Behind a syslog header the time has exactly three fraction digits.
 *
 * Source: IBM, "LEEF event components"; dstPort and srcPort as in IBM's own examples.
 */
#include "correlator/format.h"
#include "correlator/message.h"

static const struct message_row rows[] = {
	{ FACT_id, "alertId", .rank = 0 },
	{ FACT_severity_number, "sev", .rank = 12 },
	{ FACT_update, "update", .rank = 9 },
	{ FACT_source_ip, "src", .rank = 12 },
	{ FACT_source_port, "srcPort", .rank = 12 },
	{ FACT_destination_ip, "dst", .rank = 12 },
	{ FACT_destination_port, "dstPort", .rank = 12 },
	{ FACT_transport, "proto", .rank = 12 },
	{ FACT_user_name, "usrName", .rank = 11 },
	{ FACT_user_domain, "domain", .rank = 11 },
	{ FACT_source_bytes, "srcBytes", .rank = 8 },
	{ FACT_destination_bytes, "dstBytes", .rank = 8 },
	{ FACT_host, "identHostName", .rank = 12 },
	{ FACT_rule_name, "ruleName", .rank = 11 },
	{ FACT_severity, "severity", .rank = 9 },
	{ FACT_risk, "risk", .rank = 9 },
	{ FACT_rule_version, "ruleVersion", .rank = 9 },
	{ FACT_tactics, "mitreTactics", .rank = 9 },
	{ FACT_techniques, "mitreTechniques", .rank = 10 },
	{ FACT_process_name, "processName", .rank = 12 },
	{ FACT_pid, "processId", .rank = 12 },
	{ FACT_entity_id, "processEntityId", .rank = 11 },
	{ FACT_executable, "processPath", .rank = 10 },
	{ FACT_file_hash, "fileHash", .rank = 4 },
	{ FACT_user_id, "userId", .rank = 6 },
	{ FACT_community_id, "communityId", .rank = 11 },
	{ FACT_destination_domain, "dstHost", .rank = 9 },
	{ FACT_attribution_method, "attributionMethod", .rank = 9 },
	{ FACT_attribution_confidence, "attributionConfidence", .rank = 9 },
	{ FACT_clock_skew_ms, "clockSkewMs", .rank = 8 },
	{ FACT_capture_loss, "captureLossPercent", .rank = 8 },
	{ FACT_evidence, "evidence", .rank = 8 },
	{ FACT_sensor, "sensor", .rank = 9 },
	{ FACT_authors, "ruleAuthor", .rank = 6 },
	{ FACT_license, "ruleLicense", .rank = 6 },
	{ FACT_tags, "ruleTags", .rank = 6 },
	{ FACT_indices, "ruleIndex", .rank = 6 },
	{ FACT_interval, "ruleInterval", .rank = 6 },
	{ FACT_look_back, "ruleLookBack", .rank = 6 },
	{ FACT_max_signals, "ruleMaxSignals", .rank = 6 },
	{ FACT_references, "ruleReferences", .rank = 2 },
	{ FACT_false_positives, "ruleFalsePositives", .rank = 5 },
	{ FACT_description, "reason", .rank = 5 },
	{ FACT_guide, "ruleGuide", .rank = 1 },
	{ FACT_parent_name, "parentName", .rank = 6 },
	{ FACT_parent_pid, "parentId", .rank = 6 },
	{ FACT_parent_command_line, "parentCommandLine", .rank = 3 },
	{ FACT_summary, "msg", .rank = 9 },
	{ FACT_command_line, "commandLine", .rank = 9, .shortens = true },
};

struct rendering {
	const struct format_context *context;
	const struct alert *alert;
};

static void render(const struct message *message, const void *rendering, struct text_writer *writer)
{
	enum { EVENT_ID_MAX = 64 };
	const struct rendering *what = rendering;
	if (what->context->syslog_header) {
		format_syslog_header(what->context, what->alert, 3, message->terse, writer);
		write_words(writer, "- ");
	}
	write_words(writer, "LEEF:2.0|" PRODUCT_VENDOR "|" PRODUCT_NAME "|" PRODUCT_VERSION "|");
	write_escaped(writer,
		      text_cut(what->context->facts->values[FACT_rule_id],
			       message->terse ? 16 : EVENT_ID_MAX),
		      TEXT_LEEF_HEADER);
	char time[TIME_TEXT_MAX];
	time_format_iso8601(what->alert->time_ns, 3, time);
	write_words(writer, "|^|cat=procspan/alert^devTime=");
	write_words(writer, time);
	if (!message->terse)
		write_words(writer, "^devTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX");
	for (size_t i = 0; i < message->row_count; i++) {
		if (!message->values[i].bytes)
			continue;
		write_words(writer, "^");
		write_words(writer, message->rows[i].key);
		write_words(writer, "=");
		write_escaped(writer, message->values[i], TEXT_LEEF);
	}
	if (!message->truncated)
		return;
	write_words(writer, "^truncated=1");
	if (message->unlisted)
		return;
	write_words(writer, "^cut=");
	message_write_cut(message, writer);
}

size_t format_leef(const struct format_context *context, const struct alert *alert, char *out,
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
