/* PowerShell's two logs to ECS: "Windows PowerShell" (400, 403, 600, 800) with its details as lines
 * "Name=value" in unnamed values, and Microsoft-Windows-PowerShell/Operational (4103 to 4106).
 * Source: the messages of PowerShell's own manifest; mapping as in Elastic's PowerShell pipelines.
 */
#include <string.h>

#include "collector/input/mapping.h"

/* A line of the details, and the field its value goes to. */
static const struct detail {
	const char *name; /* without spaces; case does not count */
	uint16_t field;
} details[] = {
	{ "HostName", FIELD_process_title },
	{ "HostId", FIELD_process_entity_id },
	{ "HostVersion", FIELD_powershell_process_executable_version },
	{ "HostApplication", FIELD_process_command_line },
	{ "EngineVersion", FIELD_powershell_engine_version },
	{ "NewEngineState", FIELD_powershell_engine_new_state },
	{ "PreviousEngineState", FIELD_powershell_engine_previous_state },
	{ "RunspaceId", FIELD_powershell_runspace_id },
	{ "PipelineId", FIELD_powershell_pipeline_id },
	{ "ProviderName", FIELD_powershell_provider_name },
	{ "NewProviderState", FIELD_powershell_provider_new_state },
	{ "SequenceNumber", FIELD_event_sequence },
	{ "DetailSequence", FIELD_powershell_sequence },
	{ "DetailTotal", FIELD_powershell_total },
	{ "CommandName", FIELD_powershell_command_name },
	{ "CommandType", FIELD_powershell_command_type },
	{ "CommandPath", FIELD_powershell_command_path },
	{ "CommandLine", FIELD_powershell_command_value },
	{ "ShellID", FIELD_powershell_id },
	{ "ScriptName", FIELD_file_path },
	{ "UserId", FIELD_user_name },
	{ "User", FIELD_user_name },
	{ "ConnectedUser", FIELD_destination_user_name },
};

enum { ENGINE_STARTED = 400, ENGINE_STOPPED = 403, COMMAND_STARTED = 4105, COMMAND_STOPPED = 4106 };

static bool matches(const struct raw_event *raw)
{
	const struct raw_value *channel = raw_get(raw, RAW_channel);
	return raw_equals(channel, "Windows PowerShell") ||
	       raw_equals(channel, "Microsoft-Windows-PowerShell/Operational") ||
	       raw_equals(channel, "PowerShellCore/Operational");
}

/* "Host Name" is HostName. */
static bool names_detail(const char *text, size_t size_bytes, const char *name)
{
	for (size_t i = 0; i < size_bytes; i++) {
		if (text[i] == ' ')
			continue;
		if (*name == '\0' || (text[i] | 0x20) != (*name | 0x20))
			return false;
		name++;
	}
	return *name == '\0';
}

/* "DOMAIN\name", into the domain field beside the name field. */
static void map_user(struct mapping *mapping, uint16_t domain_field, uint16_t name_field,
		     const struct raw_value *account)
{
	const char *backslash = memchr(account->text, '\\', account->size_bytes);
	const size_t at = backslash ? (size_t)(backslash + 1 - account->text) : 0;
	if (at > 1)
		event_add_text(mapping->builder, domain_field, account->text, at - 1);
	event_add_text(mapping->builder, name_field, account->text + at, account->size_bytes - at);
}

static void map_detail(struct mapping *mapping, uint16_t field, const struct raw_value *value)
{
	switch (field) {
	case FIELD_process_command_line:
		event_add_text(mapping->builder, field, value->text, value->size_bytes);
		map_arguments(mapping, FIELD_process_args, FIELD_process_args_count, value,
			      ARGUMENTS_WINDOWS);
		return;
	case FIELD_file_path:
		map_file(mapping, value);
		return;
	case FIELD_user_name:
		map_user(mapping, FIELD_user_domain, FIELD_user_name, value);
		return;
	case FIELD_destination_user_name:
		map_user(mapping, FIELD_destination_user_domain, FIELD_destination_user_name,
			 value);
		return;
	default:
		event_add_as_field_type(mapping->builder, field, value->text, value->size_bytes);
	}
}

/* The user who connected is one, the user whose session it is another. */
static void map_session_users(struct mapping *mapping, const struct raw_value *user,
			      const struct raw_value *connected)
{
	if (user->size_bytes && connected->size_bytes)
		map_user(mapping, FIELD_source_user_domain, FIELD_source_user_name, user);
}

/* One line, "Name=value" or "Name = value". */
static const struct detail *read_detail(const char *line, size_t size_bytes,
					struct raw_value *out_value)
{
	const char *const end = line + size_bytes;
	const char *equals = memchr(line, '=', size_bytes);
	if (!equals)
		return NULL;
	while (line < equals && (*line == ' ' || *line == '\t'))
		line++;
	const char *value = equals + 1;
	while (value < end && *value == ' ')
		value++;
	const char *stop = end;
	while (stop > value && (unsigned char)stop[-1] <= ' ')
		stop--;
	if (value == stop)
		return NULL;
	*out_value = (struct raw_value){ .text = value,
					 .size_bytes = (uint32_t)(stop - value),
					 .kind = RAW_TEXT };
	for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++)
		if (names_detail(line, (size_t)(equals - line), details[i].name))
			return &details[i];
	return NULL;
}

static void map_details(struct mapping *mapping, const struct raw_value *text)
{
	struct raw_value user = { 0 };
	struct raw_value connected = { 0 };
	if (!text)
		return;
	const char *const end = text->text + text->size_bytes;
	for (const char *line = text->text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *const stop = newline ? newline : end;
		struct raw_value value;
		const struct detail *detail = read_detail(line, (size_t)(stop - line), &value);
		if (detail)
			map_detail(mapping, detail->field, &value);
		if (detail && detail->field == FIELD_user_name)
			user = value;
		if (detail && detail->field == FIELD_destination_user_name)
			connected = value;
		line = stop + 1;
	}
	map_session_users(mapping, &user, &connected);
}

static const char *type_of(int32_t event_id)
{
	switch (event_id) {
	case ENGINE_STARTED:
	case COMMAND_STARTED:
		return "start";
	case ENGINE_STOPPED:
	case COMMAND_STOPPED:
		return "end";
	default:
		return "info";
	}
}

static void map(struct mapping *mapping)
{
	const struct raw_event *raw = mapping->raw;
	const bool classic = raw_equals(raw_get(raw, RAW_channel), "Windows PowerShell");
	mapping->header->datasets |=
		1U << (classic ? DATASET_powershell : DATASET_powershell_operational);
	event_add_time(mapping->builder, FIELD_timestamp, mapping->header->host_time_ns);
	map_constant(mapping, FIELD_event_module, "powershell");
	map_constant(mapping, FIELD_event_category, "process");
	map_constant(mapping, FIELD_event_type, type_of(mapping->event_id));
	map_text(mapping, FIELD_user_id, RAW_user_sid);
	/* which of the unnamed values holds the details differs; the others have no such lines */
	map_details(mapping, raw_get(raw, RAW_param2));
	if (mapping->event_id != 800) /* whose third value is the payload */
		map_details(mapping, raw_get(raw, RAW_param3));
	map_details(mapping, raw_get(raw, RAW_ContextInfo));
	map_text(mapping, FIELD_powershell_file_script_block_text, RAW_ScriptBlockText);
	map_text(mapping, FIELD_powershell_file_script_block_id, RAW_ScriptBlockId);
	map_typed(mapping, FIELD_powershell_sequence, RAW_MessageNumber);
	map_typed(mapping, FIELD_powershell_total, RAW_MessageTotal);
	map_text(mapping, FIELD_powershell_runspace_id, RAW_RunspaceId);
	map_file(mapping, raw_get(raw, RAW_Path));
}

const struct dialect dialect_powershell = { "powershell", matches, map };
