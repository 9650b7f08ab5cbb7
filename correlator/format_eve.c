/* Suricata's EVE JSON, for EveBox, Scirius, Security Onion and others who read it.
 *
 * Names as in Suricata's etc/schema.json; "process" and "host_name" are additions that other
 * readers ignore. signature_id is a number there: a stable hash of the rule's id, in a private gid.
 */
#include "correlator/format.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"
#include "correlator/event_json.h"
#include "correlator/json_fit.h"
#include "correlator/severity.h"

enum { PRIVATE_GID = 32473 };

static const struct json_cut cuts[] = {
	{ "alert.metadata.guide", 0 },
	{ "alert.metadata.references", 0 },
	{ "process.parent.command_line", 0 },
	{ "alert.metadata.description", 0 },
	{ "alert.metadata.false_positives", 0 },
	{ "process.hash", 0 },
	{ "alert.metadata.tag", 0 },
	{ "alert.metadata.index", 0 },
	{ "alert.metadata.interval", 0 },
	{ "alert.metadata.look_back", 0 },
	{ "alert.metadata.max_signals", 0 },
	{ "alert.metadata.author", 0 },
	{ "alert.metadata.license", 0 },
	{ "process.command_line", 256 },
	{ "**", 256 },
	{ "process.parent", 0 },
	{ "process.executable", 0 },
	{ "message", 0 },
	{ "flow", 0 },
	{ "process.command_line", 64 },
	{ "process.user", 0 },
	{ "process.command_line", 0 },
	{ "procspan.cut", 0 },
	{ "process", 0 },
	{ "alert.metadata", 0 },
	{ "community_id", 0 },
	{ "host", 0 },
	{ "alert.signature", 24 },
	{ "alert.category", 0 },
	{ "flow_id", 0 },
	{ "src_ip", 0 },
	{ "src_port", 0 },
	{ "dest_ip", 0 },
	{ "dest_port", 0 },
	{ "proto", 0 },
};

static void put_fact(json_t *object, const char *key, const struct facts *facts, enum fact fact)
{
	const struct text text = facts->values[fact];
	if (text.bytes)
		json_object_set_new(object, key, json_clean_text(text.bytes, text.size_bytes));
}

static void put_number(json_t *object, const char *key, const struct facts *facts, enum fact fact)
{
	char digits[24];
	const struct text text = facts->values[fact];
	if (!text.bytes || text.size_bytes >= sizeof(digits))
		return;
	memcpy(digits, text.bytes, text.size_bytes);
	digits[text.size_bytes] = '\0';
	json_object_set_new(object, key, json_integer(strtoll(digits, NULL, 10)));
}

/* Suricata: arrays of strings, whatever they are. */
static void put_in_array(json_t *object, const char *key, const struct facts *facts, enum fact fact)
{
	const struct text text = facts->values[fact];
	if (!text.bytes)
		return;
	json_t *array = json_array();
	json_array_append_new(array, json_clean_text(text.bytes, text.size_bytes));
	json_object_set_new(object, key, array);
}

static json_t *metadata_object(const struct facts *facts)
{
	static const struct {
		const char *key;
		enum fact fact;
	} rows[] = {
		{ "alert_id", FACT_id },
		{ "rule_id", FACT_rule_id },
		{ "severity", FACT_severity },
		{ "risk_score", FACT_risk },
		{ "mitre_tactic_id", FACT_tactics },
		{ "mitre_technique_id", FACT_techniques },
		{ "author", FACT_authors },
		{ "license", FACT_license },
		{ "tag", FACT_tags },
		{ "index", FACT_indices },
		{ "interval", FACT_interval },
		{ "look_back", FACT_look_back },
		{ "max_signals", FACT_max_signals },
		{ "attribution_method", FACT_attribution_method },
		{ "attribution_confidence", FACT_attribution_confidence },
		{ "capture_loss_percent", FACT_capture_loss },
		{ "evidence", FACT_evidence },
		{ "false_positives", FACT_false_positives },
		{ "description", FACT_description },
		{ "references", FACT_references },
		{ "guide", FACT_guide },
	};
	json_t *metadata = json_object();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		put_in_array(metadata, rows[i].key, facts, rows[i].fact);
	return metadata;
}

static json_t *alert_object(const struct facts *facts, const struct rule *rule)
{
	const uint32_t hash = hash_folded_text(rule->id, strlen(rule->id)) & 0x7fffffff;
	json_t *alert = json_object();
	json_object_set_new(alert, "action", json_string("allowed"));
	json_object_set_new(alert, "gid", json_integer(PRIVATE_GID));
	json_object_set_new(alert, "signature_id", json_integer(hash ? hash : 1));
	json_object_set_new(alert, "rev", json_integer(strtol(rule->version, NULL, 10)));
	put_fact(alert, "signature", facts, FACT_rule_name);
	put_fact(alert, "category", facts, FACT_tactics);
	json_object_set_new(alert, "severity",
			    json_integer(severity_of(rule->severity, rule->risk_score).eve));
	json_object_set_new(alert, "metadata", metadata_object(facts));
	return alert;
}

static json_t *process_object(const struct facts *facts)
{
	json_t *process = json_object();
	put_fact(process, "entity_id", facts, FACT_entity_id);
	put_number(process, "pid", facts, FACT_pid);
	put_fact(process, "name", facts, FACT_process_name);
	put_fact(process, "executable", facts, FACT_executable);
	put_fact(process, "hash", facts, FACT_file_hash);
	put_fact(process, "user", facts, FACT_user);
	put_fact(process, "host_name", facts, FACT_host);
	json_t *parent = json_object();
	put_fact(parent, "name", facts, FACT_parent_name);
	put_number(parent, "pid", facts, FACT_parent_pid);
	put_fact(parent, "command_line", facts, FACT_parent_command_line);
	json_object_set_new(process, "parent", parent);
	put_fact(process, "command_line", facts, FACT_command_line);
	return process;
}

static void put_flow(json_t *document, const struct facts *facts)
{
	/* 53 bits, so that readers in JavaScript keep them. */
	static const struct hash_seed seed = { { 0x6576650066c6f77ULL, 0x1d0b } };
	const struct text community_id = facts->values[FACT_community_id];
	if (community_id.bytes)
		json_object_set_new(document, "flow_id",
				    json_integer((json_int_t)(hash_bytes(&seed, community_id.bytes,
									 community_id.size_bytes) >>
							      11)));
	put_fact(document, "src_ip", facts, FACT_source_ip);
	put_number(document, "src_port", facts, FACT_source_port);
	put_fact(document, "dest_ip", facts, FACT_destination_ip);
	put_number(document, "dest_port", facts, FACT_destination_port);
	const struct text transport = facts->values[FACT_transport];
	char upper[16];
	size_t size = 0;
	for (; size < transport.size_bytes && size < sizeof(upper); size++)
		upper[size] = (char)toupper((unsigned char)transport.bytes[size]);
	if (size)
		json_object_set_new(document, "proto", json_clean_text(upper, size));
	put_fact(document, "community_id", facts, FACT_community_id);
}

static json_t *document_of(const struct format_context *context, const struct alert *alert)
{
	const struct facts *facts = context->facts;
	char time[TIME_TEXT_MAX + 8];
	const size_t size = time_format_iso8601(alert->time_ns, 6, time);
	snprintf(time + size - 1, 8, "+0000"); /* as Suricata writes it */
	json_t *document = json_object();
	json_object_set_new(document, "timestamp", json_string(time));
	json_object_set_new(document, "event_type", json_string("alert"));
	put_flow(document, facts);
	put_fact(document, "host", facts, FACT_sensor);
	json_object_set_new(document, "alert", alert_object(facts, alert->rule));
	json_t *flow = json_object();
	put_number(flow, "bytes_toserver", facts, FACT_source_bytes);
	put_number(flow, "bytes_toclient", facts, FACT_destination_bytes);
	json_object_set_new(document, "flow", flow);
	json_object_set_new(document, "process", process_object(facts));
	put_fact(document, "message", facts, FACT_summary);
	return document;
}

size_t format_eve(const struct format_context *context, const struct alert *alert, char *out,
		  bool *out_truncated)
{
	enum { TERSE_BELOW = 1024 };
	struct text_writer header = { .out = out, .room_bytes = context->max_size };
	facts_gather(alert, context->fields, context->host_name, context->facts);
	if (context->syslog_header) {
		format_syslog_header(context, alert, 6, context->max_size < TERSE_BELOW, &header);
		write_words(&header, "- ");
	}
	json_t *document = document_of(context, alert);
	const size_t flags = EVENT_JSON_FLAGS | (context->syslog_header ? JSON_ENSURE_ASCII : 0);
	const size_t size =
		json_fit(document, cuts, sizeof(cuts) / sizeof(cuts[0]), "procspan.truncated",
			 "procspan.cut", flags, out + header.used_bytes,
			 context->max_size - header.used_bytes, out_truncated);
	json_decref(document);
	return size > context->max_size - header.used_bytes ? 0 : header.used_bytes + size;
}
