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
	{ "alertId", FACT_id, .rank = 0 },
	{ "sev", FACT_severity_number, .rank = 12 },
	{ "update", FACT_update, .rank = 9 },
	{ "src", FACT_source_ip, .rank = 12 },
	{ "srcPort", FACT_source_port, .rank = 12 },
	{ "dst", FACT_destination_ip, .rank = 12 },
	{ "dstPort", FACT_destination_port, .rank = 12 },
	{ "proto", FACT_transport, .rank = 12 },
	{ "usrName", FACT_user_name, .rank = 11 },
	{ "domain", FACT_user_domain, .rank = 11 },
	{ "srcBytes", FACT_source_bytes, .rank = 8 },
	{ "dstBytes", FACT_destination_bytes, .rank = 8 },
	{ "identHostName", FACT_host, .rank = 12 },
	{ "ruleName", FACT_rule_name, .rank = 11 },
	{ "severity", FACT_severity, .rank = 9 },
	{ "risk", FACT_risk, .rank = 9 },
	{ "ruleVersion", FACT_rule_version, .rank = 9 },
	{ "mitreTactics", FACT_tactics, .rank = 9 },
	{ "mitreTechniques", FACT_techniques, .rank = 10 },
	{ "processName", FACT_process_name, .rank = 12 },
	{ "processId", FACT_pid, .rank = 12 },
	{ "processEntityId", FACT_entity_id, .rank = 11 },
	{ "processPath", FACT_executable, .rank = 10 },
	{ "fileHash", FACT_file_hash, .rank = 4 },
	{ "userId", FACT_user_id, .rank = 6 },
	{ "communityId", FACT_community_id, .rank = 11 },
	{ "dstHost", FACT_destination_domain, .rank = 9 },
	{ "attributionMethod", FACT_attribution_method, .rank = 9 },
	{ "attributionConfidence", FACT_attribution_confidence, .rank = 9 },
	{ "clockSkewMs", FACT_clock_skew_ms, .rank = 8 },
	{ "captureLossPercent", FACT_capture_loss, .rank = 8 },
	{ "evidence", FACT_evidence, .rank = 8 },
	{ "sensor", FACT_sensor, .rank = 9 },
	{ "ruleAuthor", FACT_authors, .rank = 6 },
	{ "ruleLicense", FACT_license, .rank = 6 },
	{ "ruleTags", FACT_tags, .rank = 6 },
	{ "ruleIndex", FACT_indices, .rank = 6 },
	{ "ruleInterval", FACT_interval, .rank = 6 },
	{ "ruleLookBack", FACT_look_back, .rank = 6 },
	{ "ruleMaxSignals", FACT_max_signals, .rank = 6 },
	{ "ruleReferences", FACT_references, .rank = 2 },
	{ "ruleFalsePositives", FACT_false_positives, .rank = 5 },
	{ "reason", FACT_description, .rank = 5 },
	{ "ruleGuide", FACT_guide, .rank = 1 },
	{ "parentName", FACT_parent_name, .rank = 6 },
	{ "parentId", FACT_parent_pid, .rank = 6 },
	{ "parentCommandLine", FACT_parent_command_line, .rank = 3 },
	{ "msg", FACT_summary, .rank = 9 },
	{ "commandLine", FACT_command_line, .rank = 9, .shortens = true },
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
