/* Sysmon (Microsoft-Windows-Sysmon/Operational) to ECS.
 * Source: Microsoft's Sysmon documentation and its schema 4.90; the mapping is that of Elastic's
 * Sysmon integration, see docs/events.md for where it deviates.
 */
#include <string.h>

#include "collector/input/mapping.h"
#include "collector/input/sysmon.h"

enum {
	SYSMON_PROCESS_START = 1,
	SYSMON_CONNECTION = 3,
	SYSMON_PROCESS_END = 5,
	SYSMON_REMOTE_THREAD = 8,
	SYSMON_PROCESS_ACCESS = 10,
	SYSMON_DNS = 22,
};

/* SYSMON(event id, categories, types, action, what it is about) */
enum subject { NOTHING, PROCESS, CONNECTION, DNS, FILE_CHANGE, IMAGE, DRIVER, REGISTRY, INTO };

static const struct sysmon_event {
	int32_t event_id;
	enum subject subject;
	const char *categories;
	const char *types;
	const char *action;
} sysmon_events[] = {
#define SYSMON(event_id, subject, categories, types, action)                                       \
	{ event_id, subject, categories, types, action },
#include "collector/input/sysmon.def"
#undef SYSMON
};

static bool matches(const struct raw_event *raw)
{
	if (raw_equals(raw_get(raw, RAW_provider), "Microsoft-Windows-Sysmon"))
		return true;
	const struct raw_value *channel = raw_get(raw, RAW_channel);
	if (channel)
		return raw_equals(channel, "Microsoft-Windows-Sysmon/Operational");
	/* bare: Sysmon's own time and an event id, nothing else around */
	return !raw_get(raw, RAW_provider) && raw_get(raw, RAW_UtcTime) &&
	       raw_get(raw, RAW_event_id);
}

static void map_process_start(struct mapping *mapping)
{
	map_text(mapping, FIELD_process_command_line, RAW_CommandLine);
	map_text(mapping, FIELD_process_working_directory, RAW_CurrentDirectory);
	map_arguments(mapping, FIELD_process_args, FIELD_process_args_count,
		      raw_get(mapping->raw, RAW_CommandLine), ARGUMENTS_WINDOWS);
	map_text(mapping, FIELD_process_pe_original_file_name, RAW_OriginalFileName);
	map_text(mapping, FIELD_process_pe_company, RAW_Company);
	map_text(mapping, FIELD_process_pe_description, RAW_Description);
	map_text(mapping, FIELD_process_pe_file_version, RAW_FileVersion);
	map_text(mapping, FIELD_process_pe_product, RAW_Product);
	map_guid(mapping, FIELD_process_parent_entity_id, RAW_ParentProcessGuid);
	map_typed(mapping, FIELD_process_parent_pid, RAW_ParentProcessId);
	map_image(mapping, FIELD_process_parent_executable, FIELD_process_parent_name,
		  RAW_ParentImage);
	map_text(mapping, FIELD_process_parent_command_line, RAW_ParentCommandLine);
	map_arguments(mapping, FIELD_process_parent_args, FIELD_process_parent_args_count,
		      raw_get(mapping->raw, RAW_ParentCommandLine), ARGUMENTS_WINDOWS);
}

static void map_connection(struct mapping *mapping)
{
	const struct raw_event *raw = mapping->raw;
	map_typed(mapping, FIELD_source_ip, RAW_SourceIp);
	map_typed(mapping, FIELD_source_port, RAW_SourcePort);
	map_text(mapping, FIELD_source_domain, RAW_SourceHostname);
	map_typed(mapping, FIELD_destination_ip, RAW_DestinationIp);
	map_typed(mapping, FIELD_destination_port, RAW_DestinationPort);
	map_text(mapping, FIELD_destination_domain, RAW_DestinationHostname);
	map_text(mapping, FIELD_network_transport, RAW_Protocol);
	map_text(mapping, FIELD_network_protocol,
		 raw_get(raw, RAW_DestinationPortName) ? RAW_DestinationPortName
						       : RAW_SourcePortName);
	const struct raw_value *is_ipv6 = raw_get(raw, RAW_SourceIsIpv6);
	if (is_ipv6)
		map_constant(mapping, FIELD_network_type,
			     raw_equals(is_ipv6, "true") ? "ipv6" : "ipv4");
	const struct raw_value *initiated = raw_get(raw, RAW_Initiated);
	if (initiated)
		map_constant(mapping, FIELD_network_direction,
			     raw_equals(initiated, "true") ? "egress" : "ingress");
	map_flow(mapping, RAW_SourceIp, RAW_SourcePort, RAW_DestinationIp, RAW_DestinationPort,
		 map_ip_protocol(raw_get(raw, RAW_Protocol)));
}

/* Events that do something to another process: the doer is process.*, the other one
 * Target.process.* */
static void map_into_process(struct mapping *mapping)
{
	map_guid(mapping, FIELD_process_entity_id, RAW_SourceProcessGuid);
	map_typed(mapping, FIELD_process_pid, RAW_SourceProcessId);
	map_typed(mapping, FIELD_process_thread_id, RAW_SourceThreadId);
	map_image(mapping, FIELD_process_executable, FIELD_process_name, RAW_SourceImage);
	map_guid(mapping, FIELD_Target_process_entity_id, RAW_TargetProcessGuid);
	map_typed(mapping, FIELD_Target_process_pid, RAW_TargetProcessId);
	map_image(mapping, FIELD_Target_process_executable, FIELD_Target_process_name,
		  RAW_TargetImage);
}

static void map_subject(struct mapping *mapping, enum subject subject)
{
	switch (subject) {
	case PROCESS:
		map_process_start(mapping);
		sysmon_map_hashes(mapping, SYSMON_HASHES_PROCESS);
		break;
	case CONNECTION:
		map_connection(mapping);
		break;
	case DNS:
		sysmon_map_dns(mapping);
		break;
	case FILE_CHANGE:
		map_file(mapping, raw_get(mapping->raw, RAW_TargetFilename));
		sysmon_map_hashes(mapping, SYSMON_HASHES_PROCESS);
		break;
	case IMAGE:
	case DRIVER:
		sysmon_map_image(mapping, subject == IMAGE);
		break;
	case REGISTRY:
		sysmon_map_registry(mapping);
		break;
	case INTO:
		map_into_process(mapping);
		break;
	case NOTHING:
		sysmon_map_hashes(mapping, SYSMON_HASHES_PROCESS);
		break;
	}
}

static enum event_role role_of(int32_t event_id)
{
	switch (event_id) {
	case SYSMON_PROCESS_START:
		return EVENT_PROCESS_START;
	case SYSMON_PROCESS_END:
		return EVENT_PROCESS_END;
	case SYSMON_CONNECTION:
		return EVENT_CONNECTION;
	case SYSMON_DNS:
		return EVENT_DNS;
	default:
		return EVENT_OTHER;
	}
}

static void map_event(struct mapping *mapping, const struct sysmon_event *event)
{
	map_list(mapping, FIELD_event_category, event->categories);
	map_list(mapping, FIELD_event_type, event->types);
	if (!raw_get(mapping->raw, RAW_ecs_action))
		map_constant(mapping, FIELD_event_action, event->action);
	map_subject(mapping, event->subject);
}

static void map(struct mapping *mapping)
{
	mapping->header->datasets |= 1U << DATASET_sysmon;
	mapping->header->role = role_of(mapping->event_id);
	sysmon_map_time(mapping,
			mapping->event_id == SYSMON_CONNECTION || mapping->event_id == SYSMON_DNS);
	map_constant(mapping, FIELD_event_module, "sysmon");
	map_guid(mapping, FIELD_process_entity_id, RAW_ProcessGuid);
	map_typed(mapping, FIELD_process_pid, RAW_ProcessId);
	map_image(mapping, FIELD_process_executable, FIELD_process_name, RAW_Image);
	map_text(mapping, FIELD_user_id, RAW_user_sid);
	map_account(mapping, FIELD_user_domain, FIELD_user_name, RAW_User);
	map_text(mapping, FIELD_rule_name, RAW_RuleName);
	for (size_t i = 0; i < sizeof(sysmon_events) / sizeof(sysmon_events[0]); i++)
		if (sysmon_events[i].event_id == mapping->event_id)
			map_event(mapping, &sysmon_events[i]);
}

const struct dialect dialect_sysmon = { "sysmon", matches, map };
