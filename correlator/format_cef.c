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
	{ FACT_time_ms, "rt", .rank = 9 },
	{ FACT_start_ms, "start", .rank = 8 },
	{ FACT_time_ms, "end", .rank = 8 },
	{ FACT_id, "externalId", .rank = 0 },
	{ FACT_update, "procspanUpdate", .rank = 9 },
	{ FACT_risk, "cn1", .label = "risk", .rank = 9 },
	{ FACT_source_ip, "src", .rank = 12 },
	{ FACT_source_port, "spt", .rank = 12 },
	{ FACT_destination_ip, "dst", .rank = 12 },
	{ FACT_destination_port, "dpt", .rank = 12 },
	{ FACT_transport, "proto", .rank = 12 },
	{ FACT_source_bytes, "out", .rank = 8 },
	{ FACT_destination_bytes, "in", .rank = 8 },
	{ FACT_destination_domain, "dhost", .rank = 9 },
	{ FACT_process_name, "sproc", .rank = 12 },
	{ FACT_pid, "spid", .rank = 12 },
	{ FACT_user_name, "suser", .rank = 11 },
	{ FACT_user_domain, "sntdom", .rank = 11 },
	{ FACT_user_id, "suid", .rank = 6 },
	{ FACT_host, "shost", .rank = 12 },
	{ FACT_executable, "filePath", .rank = 10 },
	{ FACT_file_hash, "fileHash", .rank = 4 },
	{ FACT_entity_id, "cs1", .label = "processEntityId", .rank = 11 },
	{ FACT_techniques, "cs3", .label = "mitreTechniques", .rank = 10 },
	{ FACT_tactics, "flexString2", .label = "mitreTactics", .rank = 9 },
	{ FACT_community_id, "cs5", .label = "communityId", .rank = 11 },
	{ FACT_attribution_method, "cs6", .label = "attributionMethod", .rank = 9 },
	{ FACT_attribution_confidence, "cfp1", .label = "attributionConfidence", .rank = 9 },
	{ FACT_capture_loss, "cfp2", .label = "captureLossPercent", .rank = 8 },
	{ FACT_clock_skew_ms, "cn2", .label = "clockSkewMs", .rank = 8 },
	{ FACT_evidence, "flexString1", .label = "evidence", .rank = 8 },
	{ FACT_sensor, "dvchost", .rank = 9 },
	{ FACT_authors, "ruleAuthor", .rank = 6 },
	{ FACT_license, "ruleLicense", .rank = 6 },
	{ FACT_rule_version, "ruleVersion", .rank = 9 },
	{ FACT_tags, "ruleTags", .rank = 6 },
	{ FACT_indices, "ruleIndex", .rank = 6 },
	{ FACT_interval, "ruleInterval", .rank = 6 },
	{ FACT_look_back, "ruleLookBack", .rank = 6 },
	{ FACT_max_signals, "ruleMaxSignals", .rank = 6 },
	{ FACT_references, "ruleReferences", .rank = 2 },
	{ FACT_false_positives, "ruleFalsePositives", .rank = 5 },
	{ FACT_description, "reason", .rank = 5 },
	{ FACT_guide, "ruleGuide", .rank = 1 },
	{ FACT_parent_command_line, "cs4", .label = "parentCommandLine", .rank = 3 },
	{ FACT_parent_name, "procspanParent", .rank = 6 },
	{ FACT_summary, "msg", .rank = 11 },
	{ FACT_command_line, "cs2", .label = "commandLine", .rank = 9, .shortens = true },
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
