#include "tests/support_alert.h"

#include <stdlib.h>
#include <string.h>

static const char *const authors[] = { "Elastic", "procspan" };
static const char *const tags[] = { "Elastic", "Host", "Windows", "Threat Detection", "Execution" };
static const char *const indices[] = { "winlogbeat-*", "logs-endpoint.events.*" };
static const char *const references[] = { "https://example.org/a", "https://example.org/b" };
static const char *const false_positives[] = {
	"Administrators use the command prompt for regular work. Baseline your environment.",
};
static const struct rule_subtechnique subtechniques[] = {
	{ "T1059.003", "Windows Command Shell", "https://attack.mitre.org/techniques/T1059/003/" },
};
static const struct rule_technique execution[] = {
	{ "T1059", "Command and Scripting Interpreter",
	  "https://attack.mitre.org/techniques/T1059/", subtechniques, 1 },
};
static const struct rule_technique control[] = {
	{ "T1105", "Ingress Tool Transfer", "https://attack.mitre.org/techniques/T1105/", NULL, 0 },
};
static const struct rule_threat threats[] = {
	{ "MITRE ATT&CK", "TA0002", "Execution", "https://attack.mitre.org/tactics/TA0002/",
	  execution, 1 },
	{ "MITRE ATT&CK", "TA0011", "Command and Control",
	  "https://attack.mitre.org/tactics/TA0011/", control, 1 },
};

static const struct rule rule = {
	.kind = RULE_SEQUENCE,
	.file = "command_prompt.toml",
	.id = "89f9a4b0-9f8f-4ee0-8823-c4751a6d6696",
	.name = "Command Prompt Network Connection",
	.description = "A command prompt was started and then opened a connection.",
	.version = "5",
	.license = "Apache-2.0",
	.note = "## Triage\nLook at the parent process.",
	.query = "sequence by process.entity_id [process where true] [network where true]",
	.language = "eql",
	.severity = SEVERITY_LOW,
	.risk_score = 21,
	.interval_ns = 300000000000,
	.look_back_ns = 540000000000,
	.max_signals = 100,
	.authors = { authors, 2 },
	.tags = { tags, 5 },
	.indices = { indices, 2 },
	.references = { references, 2 },
	.false_positives = { false_positives, 1 },
	.threats = threats,
	.threat_count = 2,
	.stage_count = 2,
};

static const uint64_t start_ns = 1600618568900000000; /* 2020-09-20T16:16:08.9Z */

const struct rule *sample_rule(void)
{
	return &rule;
}

struct fields *sample_fields(void)
{
	static struct fields *fields;
	if (!fields) {
		fields = fields_open();
		fields_want_all(fields);
	}
	return fields;
}

static void add(struct event_builder *builder, uint16_t field, const char *text)
{
	if (text)
		event_add_text(builder, field, text, strlen(text));
}

static void add_address(struct event_builder *builder, uint16_t field, const char *text)
{
	event_add_as_field_type(builder, field, text, strlen(text));
}

static void add_process(struct event_builder *builder, const struct sample *sample)
{
	add(builder, FIELD_process_entity_id, "{1afd0000-0001}");
	add(builder, FIELD_process_name, sample->process_name);
	add(builder, FIELD_host_name, sample->host);
	event_add_integer(builder, FIELD_process_pid, 7084);
}

static const struct event *copy_of(const struct event *event)
{
	void *copy = malloc(event->size_bytes);
	return memcpy(copy, event, event->size_bytes);
}

static const struct event *process_start(struct event_builder *builder, const struct sample *sample)
{
	event_begin(builder);
	struct event *header = event_header(builder);
	header->role = EVENT_PROCESS_START;
	header->datasets = 1U << DATASET_sysmon;
	header->time_ns = start_ns;
	header->host_time_ns = start_ns - 412000000;
	header->received_ns = start_ns + 90000000;
	header->identity = 11;
	add(builder, FIELD_event_category, "process");
	add(builder, FIELD_event_type, "start");
	add(builder, FIELD_event_code, "1");
	add_process(builder, sample);
	if (sample->command_line)
		event_add_text(builder, FIELD_process_command_line, sample->command_line,
			       sample->command_line_bytes ? sample->command_line_bytes
							  : strlen(sample->command_line));
	add(builder, FIELD_process_executable, "C:\\Windows\\System32\\cmd.exe");
	add(builder, FIELD_process_hash_sha256, "9f2feb0f3c1c0d1ee4c0e2f8");
	add(builder, FIELD_process_parent_name, "explorer.exe");
	add(builder, FIELD_process_parent_command_line, sample->parent_command_line);
	event_add_integer(builder, FIELD_process_parent_pid, 512);
	add(builder, FIELD_user_name, sample->user);
	add(builder, FIELD_user_domain, "CORP");
	return copy_of(event_end(builder));
}

static const struct event *connection(struct event_builder *builder, const struct sample *sample)
{
	event_begin(builder);
	struct event *header = event_header(builder);
	header->role = EVENT_FLOW;
	header->datasets = 1U << DATASET_flow;
	header->time_ns = start_ns + 462123456;
	header->host_time_ns = start_ns + 50000000;
	header->identity = 12;
	add(builder, FIELD_event_category, "network");
	add(builder, FIELD_event_type, "start");
	add_process(builder, sample);
	add_address(builder, FIELD_source_ip, "10.1.2.3");
	event_add_integer(builder, FIELD_source_port, 49712);
	event_add_integer(builder, FIELD_source_bytes, 1830);
	event_add_integer(builder, FIELD_source_packets, 12);
	add_address(builder, FIELD_destination_ip, "93.184.216.34");
	event_add_integer(builder, FIELD_destination_port, 443);
	add(builder, FIELD_network_transport, "tcp");
	add(builder, FIELD_network_community_id, "1:fl30i+av+8vQBfsyffvQQLjDTSg=");
	add(builder, FIELD_procspan_attribution_method, "tuple");
	event_add_double(builder, FIELD_procspan_attribution_confidence, 0.98);
	event_add_integer(builder, FIELD_procspan_attribution_candidates, 1);
	event_add_integer(builder, FIELD_procspan_attribution_skew_ms, -412);
	event_add_time(builder, FIELD_procspan_wire_start, start_ns + 462123456);
	return copy_of(event_end(builder));
}

void sample_alert_make(const struct sample *sample, struct alert *out_alert)
{
	static const struct sample harmless = {
		.command_line = "cmd.exe /c whoami",
		.user = "bob",
		.process_name = "cmd.exe",
		.parent_command_line = "C:\\Windows\\explorer.exe",
		.host = "WS01",
	};
	static struct counters counters;
	const struct sample *what = sample ? sample : &harmless;
	struct event_builder *builder = event_builder_open(sample_fields(), &counters);
	*out_alert = (struct alert){ .kind = ALERT_NEW, .rule = &rule, .event_count = 2 };
	out_alert->events[0] = process_start(builder, what);
	out_alert->events[1] = connection(builder, what);
	out_alert->quality.telemetry_lag_ms = 90;
	alert_identify(out_alert, 4711);
	event_builder_close(builder);
}

void sample_alert_free(struct alert *alert)
{
	for (size_t i = 0; i < alert->event_count; i++)
		free((void *)(uintptr_t)alert->events[i]);
}
