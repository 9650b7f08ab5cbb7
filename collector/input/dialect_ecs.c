/* Documents that are in ECS already: Elastic Endpoint, Winlogbeat 7, Elastic Agent with its
 * pipelines applied, anybody's. Their fields pass through; what is told here is what they are. */
#include <string.h>

#include "collector/input/mapping.h"

static bool matches(const struct raw_event *raw)
{
	return raw_get(raw, RAW_ecs_category) != NULL;
}

/* True if one of the document's values of a field is `text`. */
static bool has(const struct mapping *mapping, uint16_t field, const char *text)
{
	for (size_t i = 0; i < mapping->raw->ecs_count; i++)
		if (mapping->raw->ecs[i].field == field &&
		    raw_equals(&mapping->raw->ecs[i].value, text))
			return true;
	return false;
}

/* DATASET_other when the name is none of ours. */
static enum dataset dataset_named(const struct raw_value *name)
{
	for (int i = 0; name && i < DATASET_COUNT; i++)
		if (*dataset_name((enum dataset)i) &&
		    raw_equals(name, dataset_name((enum dataset)i)))
			return (enum dataset)i;
	return DATASET_other;
}

static enum dataset dataset_of(const struct raw_event *raw)
{
	static const struct {
		const char *module;
		enum dataset dataset;
	} modules[] = {
		{ "sysmon", DATASET_sysmon },
		{ "security", DATASET_security },
		{ "powershell", DATASET_powershell_operational },
	};
	enum dataset dataset = dataset_named(raw_get(raw, RAW_ecs_data_stream));
	if (dataset == DATASET_other)
		dataset = dataset_named(raw_get(raw, RAW_ecs_dataset));
	for (size_t i = 0; dataset == DATASET_other && i < sizeof(modules) / sizeof(modules[0]);
	     i++)
		if (raw_equals(raw_get(raw, RAW_ecs_module), modules[i].module))
			dataset = modules[i].dataset;
	if (dataset == DATASET_other && raw_get(raw, RAW_winlog_channel))
		dataset = DATASET_windows;
	return dataset;
}

static enum event_role role_of(const struct mapping *mapping)
{
	if (has(mapping, FIELD_event_category, "process")) {
		/* PowerShell's engine events are "process", too, but name no process */
		if (!raw_get(mapping->raw, RAW_ecs_pid))
			return EVENT_OTHER;
		if (has(mapping, FIELD_event_type, "start"))
			return EVENT_PROCESS_START;
		return has(mapping, FIELD_event_type, "end") ? EVENT_PROCESS_END : EVENT_OTHER;
	}
	if (!has(mapping, FIELD_event_category, "network"))
		return EVENT_OTHER;
	const struct raw_value *action = raw_get(mapping->raw, RAW_ecs_action);
	if (raw_equals(action, "windows-firewall-bind-local-port"))
		return EVENT_BIND;
	if (raw_get(mapping->raw, RAW_ecs_question_name) &&
	    !(action && memmem(action->text, action->size_bytes, "connect", 7)))
		return EVENT_DNS;
	return EVENT_CONNECTION;
}

static void map(struct mapping *mapping)
{
	const enum dataset dataset = dataset_of(mapping->raw);
	mapping->header->datasets |= 1U << dataset;
	mapping->header->role = (uint8_t)role_of(mapping);
}

const struct dialect dialect_ecs = { "ecs", matches, map };
