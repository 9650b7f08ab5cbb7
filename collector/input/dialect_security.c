/* The Windows Security log to ECS. Source: Microsoft's published audit event schemas; mapping as
 * in Elastic's system.security integration, see docs/events.md for where it deviates. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "collector/input/mapping.h"

/* Whose names an event carries. */
enum users {
	SUBJECT,       /* Subject* did it */
	TARGET,	       /* Target* is who it is about, and did it */
	LOGON,	       /* Target* logs on, from IpAddress */
	TICKET,	       /* Target* asks for a Kerberos ticket, from IpAddress */
	PROCESS,       /* Subject* starts a process, as Target* */
	ACCOUNT,       /* Subject* changes the account Target* */
	RENAME,	       /* Subject* renames OldTargetUserName to NewTargetUserName */
	GROUP,	       /* Subject* changes the group Target* */
	GROUP_OF_USER, /* Subject* lists the groups of Target* */
	MEMBER,	       /* Subject* changes who is in the group Target* */
	SESSION,       /* Account*, from Client* */
	SHARE,	       /* Subject* opens a share, from IpAddress */
	FLOW,	       /* a filtering platform event: no user */
};

static const struct security_event {
	int32_t event_id;
	enum users users;
	const char *categories;
	const char *types;
	const char *action;
} security_events[] = {
#define SECURITY(event_id, users, categories, types, action)                                       \
	{ event_id, users, categories, types, action },
#include "collector/input/security.def"
#undef SECURITY
};

enum {
	PROCESS_CREATED = 4688,
	PROCESS_EXITED = 4689,
	CONNECTION_ALLOWED = 5156,
	PORT_BOUND = 5158,
	FIREWALL_FIRST = 5150, /* 5150..5159 are the filtering platform's */
	FIREWALL_LAST = 5159,
};

static bool matches(const struct raw_event *raw)
{
	return raw_equals(raw_get(raw, RAW_provider), "Microsoft-Windows-Security-Auditing") ||
	       raw_equals(raw_get(raw, RAW_channel), "Security");
}

static void map_subject(struct mapping *mapping)
{
	map_text(mapping, FIELD_user_id, RAW_SubjectUserSid);
	map_text(mapping, FIELD_user_name, RAW_SubjectUserName);
	map_text(mapping, FIELD_user_domain, RAW_SubjectDomainName);
}

/* A Kerberos name may carry its realm: "name@REALM". */
static void map_target(struct mapping *mapping)
{
	map_text(mapping, FIELD_user_id,
		 raw_get(mapping->raw, RAW_TargetUserSid) ? RAW_TargetUserSid : RAW_TargetSid);
	map_text(mapping, FIELD_user_domain, RAW_TargetDomainName);
	const struct raw_value *name = raw_get(mapping->raw, RAW_TargetUserName);
	if (!name)
		return;
	const char *at = memchr(name->text, '@', name->size_bytes);
	const size_t size_bytes = at ? (size_t)(at - name->text) : name->size_bytes;
	event_add_text(mapping->builder, FIELD_user_name, name->text, size_bytes);
}

static void map_source_address(struct mapping *mapping)
{
	map_typed(mapping, FIELD_source_ip, RAW_IpAddress);
	map_typed(mapping, FIELD_source_port, RAW_IpPort);
	map_text(mapping, FIELD_source_domain, RAW_WorkstationName);
}

/* "CN=Name,CN=Users,DC=example,DC=local": the first CN is the name, the last DC the domain. */
static void map_member(struct mapping *mapping)
{
	map_text(mapping, FIELD_user_target_group_id, RAW_TargetSid);
	map_text(mapping, FIELD_user_target_group_name, RAW_TargetUserName);
	map_text(mapping, FIELD_user_target_group_domain, RAW_TargetDomainName);
	const struct raw_value *member = raw_get(mapping->raw, RAW_MemberName);
	if (!member)
		return;
	const char *const end = member->text + member->size_bytes;
	const char *domain = NULL;
	size_t domain_bytes = 0;
	bool named = false;
	for (const char *at = member->text; at < end;) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *const stop = comma ? comma : end;
		const size_t size_bytes = (size_t)(stop - at);
		if (size_bytes > 3 && strncasecmp(at, "DC=", 3) == 0) {
			domain = at + 3;
			domain_bytes = size_bytes - 3;
		} else if (size_bytes > 3 && strncasecmp(at, "CN=", 3) == 0 && !named) {
			event_add_text(mapping->builder, FIELD_user_target_name, at + 3,
				       size_bytes - 3);
			named = true;
		}
		at = stop + 1;
	}
	if (domain)
		event_add_text(mapping->builder, FIELD_user_target_domain, domain, domain_bytes);
}

static void map_session(struct mapping *mapping)
{
	map_text(mapping, FIELD_user_name, RAW_AccountName);
	map_text(mapping, FIELD_user_domain, RAW_AccountDomain);
	map_text(mapping, FIELD_source_domain, RAW_ClientName);
	if (raw_equals(raw_get(mapping->raw, RAW_ClientAddress), "LOCAL"))
		event_add_as_field_type(mapping->builder, FIELD_source_ip, "127.0.0.1", 9);
	else
		map_typed(mapping, FIELD_source_ip, RAW_ClientAddress);
}

static void map_group(struct mapping *mapping)
{
	map_text(mapping, FIELD_group_id, RAW_TargetSid);
	map_text(mapping, FIELD_group_name, RAW_TargetUserName);
	map_text(mapping, FIELD_group_domain, RAW_TargetDomainName);
}

static void map_users(struct mapping *mapping, enum users users)
{
	switch (users) {
	case TARGET:
		map_target(mapping);
		return;
	case LOGON:
		map_target(mapping);
		map_source_address(mapping);
		return;
	case TICKET:
		map_target(mapping);
		map_source_address(mapping);
		map_text(mapping, FIELD_service_name, RAW_ServiceName);
		return;
	case SESSION:
		map_session(mapping);
		return;
	case FLOW:
		return;
	case PROCESS:
		map_text(mapping, FIELD_user_effective_id, RAW_TargetUserSid);
		map_text(mapping, FIELD_user_effective_name, RAW_TargetUserName);
		map_text(mapping, FIELD_user_effective_domain, RAW_TargetDomainName);
		break;
	case ACCOUNT:
	case GROUP_OF_USER:
		map_text(mapping, FIELD_user_target_id, RAW_TargetSid);
		map_text(mapping, FIELD_user_target_name, RAW_TargetUserName);
		map_text(mapping, FIELD_user_target_domain, RAW_TargetDomainName);
		break;
	case RENAME:
		map_text(mapping, FIELD_user_target_name, RAW_OldTargetUserName);
		map_text(mapping, FIELD_user_changes_name, RAW_NewTargetUserName);
		break;
	case GROUP:
		map_group(mapping);
		break;
	case MEMBER:
		map_group(mapping);
		map_member(mapping);
		break;
	case SHARE:
		map_source_address(mapping);
		break;
	case SUBJECT:
		map_text(mapping, FIELD_service_name, RAW_ServiceName);
		break;
	}
	map_subject(mapping);
}

/* 4688: New* is the process, ProcessId its creator. */
static void map_process_start(struct mapping *mapping)
{
	mapping->header->role = EVENT_PROCESS_START;
	map_typed(mapping, FIELD_process_pid, RAW_NewProcessId);
	map_image(mapping, FIELD_process_executable, FIELD_process_name, RAW_NewProcessName);
	map_text(mapping, FIELD_process_command_line, RAW_CommandLine);
	map_arguments(mapping, FIELD_process_args, FIELD_process_args_count,
		      raw_get(mapping->raw, RAW_CommandLine), ARGUMENTS_SPACES);
	map_typed(mapping, FIELD_process_parent_pid, RAW_ProcessId);
	map_image(mapping, FIELD_process_parent_executable, FIELD_process_parent_name,
		  RAW_ParentProcessName);
	event_add_time(mapping->builder, FIELD_process_start, mapping->header->host_time_ns);
}

static const char *transport_of(uint8_t ip_protocol)
{
	switch (ip_protocol) {
	case 1:
		return "icmp";
	case 6:
		return "tcp";
	case 17:
		return "udp";
	case 47:
		return "gre";
	case 58:
		return "ipv6-icmp";
	case 132:
		return "sctp";
	default:
		return NULL;
	}
}

/* Source opened the connection, also when it came in; of a bound port only the source is known. */
static void map_flow_event(struct mapping *mapping)
{
	const struct raw_event *raw = mapping->raw;
	const uint8_t ip_protocol = map_ip_protocol(raw_get(raw, RAW_Protocol));
	const char *transport = transport_of(ip_protocol);
	const struct raw_value *direction = raw_get(raw, RAW_Direction);
	struct ip_address source;
	map_typed(mapping, FIELD_process_pid, RAW_ProcessId);
	map_image(mapping, FIELD_process_executable, FIELD_process_name, RAW_Application);
	map_typed(mapping, FIELD_source_ip, RAW_SourceAddress);
	map_typed(mapping, FIELD_source_port, RAW_SourcePort);
	map_typed(mapping, FIELD_destination_ip, RAW_DestAddress);
	map_typed(mapping, FIELD_destination_port, RAW_DestPort);
	map_text(mapping, FIELD_network_iana_number, RAW_Protocol);
	if (transport)
		map_constant(mapping, FIELD_network_transport, transport);
	const struct raw_value *address = raw_get(raw, RAW_SourceAddress);
	if (address && ip_address_parse(address->text, address->size_bytes, &source))
		map_constant(mapping, FIELD_network_type,
			     ip_address_is_v4(&source) ? "ipv4" : "ipv6");
	if (raw_equals(direction, "%%14592") || raw_equals(direction, "Inbound"))
		map_constant(mapping, FIELD_network_direction, "ingress");
	else if (raw_equals(direction, "%%14593") || raw_equals(direction, "Outbound"))
		map_constant(mapping, FIELD_network_direction, "egress");
	map_flow(mapping, RAW_SourceAddress, RAW_SourcePort, RAW_DestAddress, RAW_DestPort,
		 ip_protocol);
	if (mapping->event_id == CONNECTION_ALLOWED)
		mapping->header->role = EVENT_CONNECTION;
	else if (mapping->event_id == PORT_BOUND)
		mapping->header->role = EVENT_BIND;
}

/* The process that an event names, whatever the event is. */
static void map_process(struct mapping *mapping)
{
	map_typed(mapping, FIELD_process_pid, RAW_ProcessId);
	map_image(mapping, FIELD_process_executable, FIELD_process_name, RAW_ProcessName);
	if (mapping->event_id != PROCESS_EXITED)
		return;
	mapping->header->role = EVENT_PROCESS_END;
	map_typed(mapping, FIELD_process_exit_code, RAW_Status);
}

static void map_logon(struct mapping *mapping)
{
	static const char *const names[] = {
		[2] = "Interactive",
		[3] = "Network",
		[4] = "Batch",
		[5] = "Service",
		[7] = "Unlock",
		[8] = "NetworkCleartext",
		[9] = "NewCredentials",
		[10] = "RemoteInteractive",
		[11] = "CachedInteractive",
	};
	uint16_t slot = RAW_LogonId;
	if (raw_get(mapping->raw, RAW_SubjectLogonId))
		slot = RAW_SubjectLogonId;
	else if (raw_get(mapping->raw, RAW_TargetLogonId))
		slot = RAW_TargetLogonId;
	int64_t type;
	map_text(mapping, FIELD_winlog_logon_id, slot);
	if (raw_integer(raw_get(mapping->raw, RAW_LogonType), &type) && type >= 0 &&
	    type < (int64_t)(sizeof(names) / sizeof(names[0])) && names[type])
		map_constant(mapping, FIELD_winlog_logon_type, names[type]);
}

/* The keyword mask: hexadecimal, or decimal and then often negative. 0 = it is words. */
static uint64_t keyword_mask(const struct raw_value *keywords)
{
	char text[24];
	if (keywords->size_bytes >= sizeof(text))
		return 0;
	memcpy(text, keywords->text, keywords->size_bytes);
	text[keywords->size_bytes] = '\0';
	return strtoull(text, NULL, 0); /* "-1" is all bits, as it should be */
}

/* "Audit Success", or the bit of the mask that says it. */
static void map_outcome(struct mapping *mapping)
{
	static const uint64_t failure_bit = 0x0010000000000000;
	static const uint64_t success_bit = 0x0020000000000000;
	const struct raw_value *keywords = raw_get(mapping->raw, RAW_keywords);
	if (raw_get(mapping->raw, RAW_ecs_outcome) || !keywords)
		return;
	const uint64_t mask = keyword_mask(keywords);
	if (raw_equals(keywords, "Audit Success") || (mask & success_bit))
		map_constant(mapping, FIELD_event_outcome, "success");
	else if (raw_equals(keywords, "Audit Failure") || (mask & failure_bit))
		map_constant(mapping, FIELD_event_outcome, "failure");
}

static void map(struct mapping *mapping)
{
	mapping->header->datasets |= 1U << DATASET_security;
	map_constant(mapping, FIELD_event_module, "security");
	event_add_time(mapping->builder, FIELD_timestamp, mapping->header->host_time_ns);
	map_outcome(mapping);
	if (mapping->event_id == PROCESS_CREATED)
		map_process_start(mapping);
	else if (mapping->event_id >= FIREWALL_FIRST && mapping->event_id <= FIREWALL_LAST)
		map_flow_event(mapping);
	else
		map_process(mapping);
	map_logon(mapping);
	for (size_t i = 0; i < sizeof(security_events) / sizeof(security_events[0]); i++) {
		const struct security_event *event = &security_events[i];
		if (event->event_id != mapping->event_id)
			continue;
		map_list(mapping, FIELD_event_category, event->categories);
		map_list(mapping, FIELD_event_type, event->types);
		map_constant(mapping, FIELD_event_action, event->action);
		map_users(mapping, event->users);
		return;
	}
	map_subject(mapping);
}

const struct dialect dialect_security = { "security", matches, map };
