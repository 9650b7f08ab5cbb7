#include "correlator/facts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "correlator/severity.h"

/* What is left of the scratch; a writer over it may overflow, then the text is cut. */
static struct text_writer scratch_writer(struct facts *facts)
{
	return (struct text_writer){
		.out = facts->scratch + facts->used_bytes,
		.room_bytes = FACTS_SCRATCH_BYTES - facts->used_bytes,
	};
}

/* Keeps what was written. An empty text is no fact. */
static void keep(struct facts *facts, enum fact fact, const struct text_writer *writer)
{
	const size_t size =
		writer->used_bytes < writer->room_bytes ? writer->used_bytes : writer->room_bytes;
	if (size == 0)
		return;
	facts->values[fact] = (struct text){ writer->out, size };
	facts->used_bytes += size;
}

static void set_number(struct facts *facts, enum fact fact, int64_t number)
{
	struct text_writer writer = scratch_writer(facts);
	write_format(&writer, "%" PRId64, number);
	keep(facts, fact, &writer);
}

static void set_words(struct facts *facts, enum fact fact, const char *words)
{
	if (words && *words)
		facts->values[fact] = text_cut(text_of(words), FACT_SHORT_MAX);
}

/* Prose of a rule: runs of white space become one space, because the flat formats are one line. */
static void write_prose(struct text_writer *writer, const char *prose)
{
	bool gap = false;
	const size_t start = writer->used_bytes;
	for (; *prose; prose++) {
		if (strchr(" \t\r\n", *prose)) {
			gap = writer->used_bytes > start;
			continue;
		}
		if (gap)
			write_words(writer, " ");
		gap = false;
		write_raw(writer, prose, 1);
	}
}

static void set_prose(struct facts *facts, enum fact fact, const char *prose)
{
	enum { PROSE_MAX = 16 * 1024 };
	struct text_writer writer = scratch_writer(facts);
	if (writer.room_bytes > PROSE_MAX)
		writer.room_bytes = PROSE_MAX;
	if (prose)
		write_prose(&writer, prose);
	keep(facts, fact, &writer);
}

static void set_list(struct facts *facts, enum fact fact, const struct text_list *list,
		     const char *separator)
{
	struct text_writer writer = scratch_writer(facts);
	for (size_t i = 0; i < list->count; i++) {
		write_words(&writer, i ? separator : "");
		write_prose(&writer, list->items[i]);
	}
	keep(facts, fact, &writer);
}

/* "5m", "90s", "1h" */
static void set_duration(struct facts *facts, enum fact fact, uint64_t duration_ns)
{
	const uint64_t seconds = duration_ns / 1000000000;
	struct text_writer writer = scratch_writer(facts);
	if (seconds == 0)
		return;
	if (seconds % 3600 == 0)
		write_format(&writer, "%" PRIu64 "h", seconds / 3600);
	else if (seconds % 60 == 0)
		write_format(&writer, "%" PRIu64 "m", seconds / 60);
	else
		write_format(&writer, "%" PRIu64 "s", seconds);
	keep(facts, fact, &writer);
}

static void set_tactics(struct facts *facts, const struct rule *rule)
{
	struct text_writer writer = scratch_writer(facts);
	for (size_t i = 0; i < rule->threat_count; i++) {
		const char *id = rule->threats[i].tactic_id;
		bool said = !id;
		for (size_t j = 0; j < i && !said; j++)
			said = rule->threats[j].tactic_id &&
			       strcmp(rule->threats[j].tactic_id, id) == 0;
		if (said)
			continue;
		write_words(&writer, writer.used_bytes ? "," : "");
		write_words(&writer, id);
	}
	keep(facts, FACT_tactics, &writer);
}

/* A technique is named by its subtechniques, where the rule has them. */
static void set_techniques(struct facts *facts, const struct rule *rule)
{
	struct text_writer writer = scratch_writer(facts);
	for (size_t i = 0; i < rule->threat_count; i++)
		for (size_t j = 0; j < rule->threats[i].technique_count; j++) {
			const struct rule_technique *technique = &rule->threats[i].techniques[j];
			const size_t count = technique->subtechnique_count;
			for (size_t k = 0; k < (count ? count : 1); k++) {
				const char *id =
					count ? technique->subtechniques[k].id : technique->id;
				write_words(&writer, writer.used_bytes ? "," : "");
				write_words(&writer, id ? id : "");
			}
		}
	keep(facts, FACT_techniques, &writer);
}

static void gather_rule(struct facts *facts, const struct rule *rule)
{
	const struct severity severity = severity_of(rule->severity, rule->risk_score);
	set_words(facts, FACT_rule_id, rule->id);
	set_words(facts, FACT_rule_version, rule->version);
	set_words(facts, FACT_rule_name, rule->name);
	set_words(facts, FACT_severity, severity.name);
	set_number(facts, FACT_severity_number, severity.cef);
	set_number(facts, FACT_risk, rule->risk_score);
	set_tactics(facts, rule);
	set_techniques(facts, rule);
	set_list(facts, FACT_authors, &rule->authors, ",");
	set_words(facts, FACT_license, rule->license);
	set_list(facts, FACT_tags, &rule->tags, ",");
	set_list(facts, FACT_indices, &rule->indices, ",");
	set_duration(facts, FACT_interval, rule->interval_ns);
	set_duration(facts, FACT_look_back, rule->look_back_ns);
	if (rule->max_signals)
		set_number(facts, FACT_max_signals, rule->max_signals);
}

/* What may be long comes after everything short has found room. */
static void gather_prose(struct facts *facts, const struct rule *rule)
{
	set_list(facts, FACT_false_positives, &rule->false_positives, " / ");
	set_list(facts, FACT_references, &rule->references, " ");
	set_prose(facts, FACT_description, rule->description);
	set_prose(facts, FACT_guide, rule->note);
}

/* The first value of the first field that the headline has. */
static void set_field(struct facts *facts, enum fact fact, uint16_t field)
{
	const struct event *event;
	size_t count;
	const struct event_value *value = headline_values(&facts->headline, field, &event, &count);
	if (!value || facts->values[fact].bytes)
		return;
	const void *at = event_at(event, value);
	const struct event_text *text = at;
	struct text_writer writer = scratch_writer(facts);
	char address[IP_ADDRESS_TEXT_MAX];
	switch ((enum value_type)value->type) {
	case VALUE_TEXT:
		if (text->size_bytes)
			facts->values[fact] = (struct text){ text->bytes, text->size_bytes };
		return;
	case VALUE_ADDRESS:
		write_raw(&writer, address, ip_address_format(at, address));
		break;
	case VALUE_DOUBLE:
		write_format(&writer, "%.6g", *(const double *)at);
		break;
	case VALUE_INTEGER:
	case VALUE_BOOLEAN:
	case VALUE_TIME:
		write_format(&writer, "%" PRId64, *(const int64_t *)at);
		break;
	}
	keep(facts, fact, &writer);
}

static const struct {
	enum fact fact;
	uint16_t field;
} from_fields[] = {
	{ FACT_community_id, FIELD_network_community_id },
	{ FACT_source_ip, FIELD_source_ip },
	{ FACT_source_port, FIELD_source_port },
	{ FACT_destination_ip, FIELD_destination_ip },
	{ FACT_destination_port, FIELD_destination_port },
	{ FACT_transport, FIELD_network_transport },
	{ FACT_direction, FIELD_network_direction },
	{ FACT_source_bytes, FIELD_source_bytes },
	{ FACT_destination_bytes, FIELD_destination_bytes },
	{ FACT_destination_domain, FIELD_destination_domain },
	{ FACT_destination_domain, FIELD_tls_client_server_name },
	{ FACT_attribution_method, FIELD_procspan_attribution_method },
	{ FACT_attribution_confidence, FIELD_procspan_attribution_confidence },
	{ FACT_attribution_candidates, FIELD_procspan_attribution_candidates },
	{ FACT_clock_skew_ms, FIELD_procspan_attribution_skew_ms },
	{ FACT_clock_skew_ms, FIELD_procspan_clock_offset_ms },
	{ FACT_entity_id, FIELD_process_entity_id },
	{ FACT_pid, FIELD_process_pid },
	{ FACT_process_name, FIELD_process_name },
	{ FACT_executable, FIELD_process_executable },
	{ FACT_file_hash, FIELD_process_hash_sha256 },
	{ FACT_file_hash, FIELD_process_hash_sha1 },
	{ FACT_file_hash, FIELD_process_hash_md5 },
	{ FACT_user_name, FIELD_user_name },
	{ FACT_user_domain, FIELD_user_domain },
	{ FACT_user_id, FIELD_user_id },
	{ FACT_host, FIELD_host_name },
	{ FACT_host, FIELD_host_id },
	{ FACT_parent_name, FIELD_process_parent_name },
	{ FACT_parent_name, FIELD_process_parent_executable },
	{ FACT_parent_pid, FIELD_process_parent_pid },
	{ FACT_parent_command_line, FIELD_process_parent_command_line },
	{ FACT_command_line, FIELD_process_command_line },
};

void facts_want_fields(struct fields *fields)
{
	static const uint16_t shown[] = {
		FIELD_event_category,
		FIELD_event_type,
		FIELD_event_action,
		FIELD_event_code,
		FIELD_event_provider,
		FIELD_event_outcome,
		FIELD_event_created,
		FIELD_data_stream_dataset,
		FIELD_host_name,
		FIELD_host_os_type,
		FIELD_user_target_name,
		FIELD_user_effective_name,
		FIELD_source_user_name,
		FIELD_process_entity_id,
		FIELD_process_working_directory,
		FIELD_process_pe_original_file_name,
		FIELD_process_code_signature_subject_name,
		FIELD_process_code_signature_trusted,
		FIELD_process_Ext_token_integrity_level_name,
		FIELD_process_parent_entity_id,
		FIELD_network_protocol,
		FIELD_dns_question_name,
		FIELD_dns_resolved_ip,
		FIELD_file_path,
		FIELD_file_hash_sha256,
		FIELD_registry_path,
		FIELD_registry_data_strings,
		FIELD_winlog_record_id,
		FIELD_winlog_logon_type,
		FIELD_winlog_event_data_IntegrityLevel,
		FIELD_procspan_evidence_sources,
	};
	for (size_t i = 0; i < sizeof(from_fields) / sizeof(from_fields[0]); i++)
		fields_want(fields, from_fields[i].field);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		fields_want(fields, shown[i]);
}

/* procspan.evidence.sources, all of them. */
static void set_evidence(struct facts *facts)
{
	const struct event *event;
	size_t count = 0;
	const struct event_value *values =
		headline_values(&facts->headline, FIELD_procspan_evidence_sources, &event, &count);
	struct text_writer writer = scratch_writer(facts);
	for (size_t i = 0; values && i < count; i++) {
		const struct event_text *text = event_at(event, &values[i]);
		if (values[i].type != VALUE_TEXT)
			continue;
		write_words(&writer, writer.used_bytes ? "," : "");
		write_raw(&writer, text->bytes, text->size_bytes);
	}
	keep(facts, FACT_evidence, &writer);
}

static void cut_short(struct facts *facts)
{
	static const bool is_long[FACT_COUNT] = {
		[FACT_references] = true,
		[FACT_false_positives] = true,
		[FACT_description] = true,
		[FACT_guide] = true,
		[FACT_parent_command_line] = true,
		[FACT_command_line] = true,
		[FACT_tags] = true,
		[FACT_indices] = true,
		[FACT_executable] = true,
	};
	for (int i = 0; i < FACT_COUNT; i++)
		if (!is_long[i])
			facts->values[i] = text_cut(facts->values[i], FACT_SHORT_MAX);
}

static void set_user(struct facts *facts)
{
	struct text_writer writer = scratch_writer(facts);
	const struct text name = facts->values[FACT_user_name];
	const struct text domain = facts->values[FACT_user_domain];
	if (name.bytes && domain.bytes) {
		write_raw(&writer, domain.bytes, domain.size_bytes);
		write_words(&writer, "\\");
	}
	write_raw(&writer, name.bytes, name.size_bytes);
	keep(facts, FACT_user, &writer);
}

/* A part of the summary; none when the fact is not known. */
static void say(struct text_writer *writer, const struct facts *facts, const char *before,
		enum fact fact, const char *after)
{
	enum { PART_MAX = 128 };
	const struct text text = text_cut(facts->values[fact], PART_MAX);
	if (!text.bytes)
		return;
	write_words(writer, writer->used_bytes ? before : before + strspn(before, " "));
	write_escaped(writer, text, TEXT_PLAIN);
	write_words(writer, after);
}

/* cmd.exe pid=7084 CORP\bob@WS01 -> 93.184.216.34:443/tcp rule="..." sev=low risk=21 conf=0.98 */
static void set_summary(struct facts *facts)
{
	struct text_writer writer = scratch_writer(facts);
	const struct text destination = facts->values[FACT_destination_ip];
	const bool is_v6 =
		destination.bytes && memchr(destination.bytes, ':', destination.size_bytes);
	say(&writer, facts, " ", FACT_process_name, "");
	say(&writer, facts, " pid=", FACT_pid, "");
	say(&writer, facts, " ", FACT_user, "");
	say(&writer, facts, facts->values[FACT_user].bytes ? "@" : " @", FACT_host, "");
	say(&writer, facts, is_v6 ? " -> [" : " -> ", FACT_destination_ip, is_v6 ? "]" : "");
	if (destination.bytes) {
		say(&writer, facts, ":", FACT_destination_port, "");
		say(&writer, facts, "/", FACT_transport, "");
	}
	say(&writer, facts, " rule=\"", FACT_rule_name, "\"");
	say(&writer, facts, " sev=", FACT_severity, "");
	say(&writer, facts, " risk=", FACT_risk, "");
	say(&writer, facts, " conf=", FACT_attribution_confidence, "");
	keep(facts, FACT_summary, &writer);
}

static void gather_alert(struct facts *facts, const struct alert *alert, const char *sensor)
{
	uint64_t start_ns = alert->time_ns;
	int64_t steps = 0;
	for (size_t i = 0; i < alert->event_count; i++) {
		const struct event *event = alert->events[i];
		steps += event != NULL;
		if (event && event->time_ns < start_ns)
			start_ns = event->time_ns;
	}
	set_words(facts, FACT_id, alert->id);
	if (alert->kind == ALERT_UPDATE)
		set_number(facts, FACT_update, alert->update_count);
	set_number(facts, FACT_time_ms, (int64_t)(alert->time_ns / 1000000));
	set_number(facts, FACT_start_ms, (int64_t)(start_ns / 1000000));
	set_words(facts, FACT_sensor, sensor);
	set_number(facts, FACT_steps, steps);
	set_number(facts, FACT_lag_ms, (int64_t)alert->quality.telemetry_lag_ms);
	if (alert->quality.degraded)
		set_number(facts, FACT_degraded, 1);
	struct text_writer writer = scratch_writer(facts);
	write_format(&writer, "%.4g", alert->quality.capture_loss_percent);
	if (!memchr(writer.out, '.', writer.used_bytes) && writer.used_bytes < 4)
		write_words(&writer, ".0"); /* a percentage must look like one */
	keep(facts, FACT_capture_loss, &writer);
}

void facts_gather(const struct alert *alert, const struct fields *fields, const char *sensor,
		  struct facts *out_facts)
{
	memset(out_facts->values, 0, sizeof(out_facts->values));
	out_facts->used_bytes = 0;
	headline_find(alert, fields, &out_facts->headline);
	gather_alert(out_facts, alert, sensor);
	for (size_t i = 0; i < sizeof(from_fields) / sizeof(from_fields[0]); i++)
		set_field(out_facts, from_fields[i].fact, from_fields[i].field);
	set_evidence(out_facts);
	cut_short(out_facts);
	set_user(out_facts);
	gather_rule(out_facts, alert->rule);
	cut_short(out_facts);
	set_summary(out_facts);
	gather_prose(out_facts, alert->rule);
}
