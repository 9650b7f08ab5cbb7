/* ArcSight Common Event Format, as ArcSight itself and Sentinel's CommonSecurityLog read it.
 *
 *	CEF:0|Vendor|Product|Version|deviceEventClassId|Name|Severity|key=value key=value
 *
 * Source: ArcSight Common Event Format, version 25; the keys are those that Filebeat's decode_cef
 * and Sentinel's CEF table know. The rule's own metadata has no CEF keys; it stands under custom
 * ones that begin with "rule".
 */
#include "correlator/format.h"
#include "correlator/message.h"
#include "correlator/severity.h"

static const struct message_row rows[] = {
	{ "rt", FACT_time_ms, .rank = 9 },
	{ "start", FACT_start_ms, .rank = 8 },
	{ "end", FACT_time_ms, .rank = 8 },
	{ "externalId", FACT_id, .rank = 0 },
	{ "procspanUpdate", FACT_update, .rank = 9 },
	{ "cn1", FACT_risk, .label = "risk", .rank = 9 },
	{ "src", FACT_source_ip, .rank = 12 },
	{ "spt", FACT_source_port, .rank = 12 },
	{ "dst", FACT_destination_ip, .rank = 12 },
	{ "dpt", FACT_destination_port, .rank = 12 },
	{ "proto", FACT_transport, .rank = 12 },
	{ "out", FACT_source_bytes, .rank = 8 },
	{ "in", FACT_destination_bytes, .rank = 8 },
	{ "dhost", FACT_destination_domain, .rank = 9 },
	{ "sproc", FACT_process_name, .rank = 12 },
	{ "spid", FACT_pid, .rank = 12 },
	{ "suser", FACT_user_name, .rank = 11 },
	{ "sntdom", FACT_user_domain, .rank = 11 },
	{ "suid", FACT_user_id, .rank = 6 },
	{ "shost", FACT_host, .rank = 12 },
	{ "filePath", FACT_executable, .rank = 10 },
	{ "fileHash", FACT_file_hash, .rank = 4 },
	{ "cs1", FACT_entity_id, .label = "processEntityId", .rank = 11 },
	{ "cs3", FACT_techniques, .label = "mitreTechniques", .rank = 10 },
	{ "flexString2", FACT_tactics, .label = "mitreTactics", .rank = 9 },
	{ "cs5", FACT_community_id, .label = "communityId", .rank = 11 },
	{ "cs6", FACT_attribution_method, .label = "attributionMethod", .rank = 9 },
	{ "cfp1", FACT_attribution_confidence, .label = "attributionConfidence", .rank = 9 },
	{ "cfp2", FACT_capture_loss, .label = "captureLossPercent", .rank = 8 },
	{ "cn2", FACT_clock_skew_ms, .label = "clockSkewMs", .rank = 8 },
	{ "flexString1", FACT_evidence, .label = "evidence", .rank = 8 },
	{ "dvchost", FACT_sensor, .rank = 9 },
	{ "ruleAuthor", FACT_authors, .rank = 6 },
	{ "ruleLicense", FACT_license, .rank = 6 },
	{ "ruleVersion", FACT_rule_version, .rank = 9 },
	{ "ruleTags", FACT_tags, .rank = 6 },
	{ "ruleIndex", FACT_indices, .rank = 6 },
	{ "ruleInterval", FACT_interval, .rank = 6 },
	{ "ruleLookBack", FACT_look_back, .rank = 6 },
	{ "ruleMaxSignals", FACT_max_signals, .rank = 6 },
	{ "ruleReferences", FACT_references, .rank = 2 },
	{ "ruleFalsePositives", FACT_false_positives, .rank = 5 },
	{ "reason", FACT_description, .rank = 5 },
	{ "ruleGuide", FACT_guide, .rank = 1 },
	{ "cs4", FACT_parent_command_line, .label = "parentCommandLine", .rank = 3 },
	{ "procspanParent", FACT_parent_name, .rank = 6 },
	{ "msg", FACT_summary, .rank = 11 },
	{ "cs2", FACT_command_line, .label = "commandLine", .rank = 9, .shortens = true },
};

struct rendering {
	const struct format_context *context;
	const struct alert *alert;
};

/* Header lengths: qisecurity.se; others leave names longer, none demands it. */
static void write_header(const struct format_context *context, const struct alert *alert,
			 bool terse, struct text_writer *writer)
{
	enum { CLASS_MAX = 64, TERSE_CLASS_MAX = 16, NAME_MAX_BYTES = 256 };
	const struct severity severity =
		severity_of(alert->rule->severity, alert->rule->risk_score);
	const struct facts *facts = context->facts;
	write_words(writer, "CEF:0|" PRODUCT_VENDOR "|" PRODUCT_NAME "|" PRODUCT_VERSION "|");
	write_escaped(writer,
		      text_cut(facts->values[FACT_rule_id], terse ? TERSE_CLASS_MAX : CLASS_MAX),
		      TEXT_CEF_HEADER);
	write_words(writer, "|");
	write_escaped(writer, text_cut(facts->values[FACT_rule_name], terse ? 0 : NAME_MAX_BYTES),
		      TEXT_CEF_HEADER);
	write_format(writer, "|%d|", severity.cef);
}

static void render(const struct message *message, const void *rendering, struct text_writer *writer)
{
	const struct rendering *what = rendering;
	if (what->context->syslog_header) {
		format_syslog_header(what->context, what->alert, 6, message->terse, writer);
		write_words(writer, "- ");
	}
	write_header(what->context, what->alert, message->terse, writer);
	if (!message->terse)
		write_words(writer, "cat=procspan/alert act=detected cnt=1 ");
	bool first = true;
	for (size_t i = 0; i < message->row_count; i++) {
		const struct message_row *row = &message->rows[i];
		if (!message->values[i].bytes)
			continue;
		write_words(writer, first ? "" : " ");
		first = false;
		if (row->label) {
			write_words(writer, row->key);
			write_words(writer, "Label=");
			write_words(writer, row->label);
			write_words(writer, " ");
		}
		write_words(writer, row->key);
		write_words(writer, "=");
		write_escaped(writer, message->values[i], TEXT_CEF_EXTENSION);
	}
	if (!message->truncated)
		return;
	write_words(writer, " procspanTruncated=1");
	if (message->unlisted)
		return;
	write_words(writer, " procspanCut=");
	message_write_cut(message, writer);
}

size_t format_cef(const struct format_context *context, const struct alert *alert, char *out,
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
