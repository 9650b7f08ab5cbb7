/* The normaliser: each shape of one and the same event, and what dialects make of events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/input/normaliser.h"

struct fixture {
	struct counters counters;
	struct fields *fields;
	struct normaliser *normaliser;
	char *exact; /* the last text, in a block of its own size and padding */
};

static int set_up(void **state)
{
	static struct fixture fixture;
	memset(&fixture, 0, sizeof(fixture));
	fixture.fields = fields_open();
	fields_want_all(fixture.fields);
	fixture.normaliser = normaliser_open(fixture.fields, &fixture.counters);
	*state = &fixture;
	return fixture.normaliser ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	normaliser_close(fixture->normaliser);
	fields_close(fixture->fields);
	free(fixture->exact);
	return 0;
}

/* Normalises a copy in a block of exactly its size (and the padding that JSON may have). */
static enum normaliser_result normalise(struct fixture *fixture, const char *text,
					size_t size_bytes, const struct event **out_event)
{
	const size_t padding = *text == '<' ? 0 : NORMALISER_PADDING;
	free(fixture->exact);
	fixture->exact = malloc(size_bytes + padding + (size_bytes + padding == 0));
	memcpy(fixture->exact, text, size_bytes);
	if (padding)
		memset(fixture->exact + size_bytes, 'x', padding);
	return *text == '<' ? normaliser_xml(fixture->normaliser, fixture->exact, size_bytes, 0,
					     out_event)
			    : normaliser_json(fixture->normaliser, fixture->exact, size_bytes, 0,
					      out_event);
}

/* The values of a field as one text: "a|b". */
static const char *values_of(const struct fixture *fixture, const struct event *event,
			     const char *name)
{
	static char text[4096];
	size_t used = 0;
	size_t count = 0;
	const uint16_t field = fields_find(fixture->fields, name, strlen(name));
	text[0] = '\0';
	const struct event_value *value =
		field == FIELD_NONE ? NULL : event_find(event, field, &count);
	for (size_t i = 0; i < count; i++) {
		const void *at = event_at(event, &value[i]);
		char one[512] = "";
		switch (value[i].type) {
		case VALUE_TEXT:
			snprintf(one, sizeof(one), "%s", ((const struct event_text *)at)->bytes);
			break;
		case VALUE_INTEGER:
			snprintf(one, sizeof(one), "%lld", (long long)*(const int64_t *)at);
			break;
		case VALUE_BOOLEAN:
			snprintf(one, sizeof(one), "%s", *(const int64_t *)at ? "true" : "false");
			break;
		case VALUE_ADDRESS:
			ip_address_format(at, one);
			break;
		case VALUE_TIME:
			time_format_iso8601(*(const uint64_t *)at, 3, one);
			break;
		default:
			break;
		}
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? "|" : "",
					 one);
	}
	return text;
}

/* One Sysmon connection, as each forwarder writes it. */
#define CONNECTION_DATA                                                                            \
	"\"UtcTime\":\"2024-05-01 "                                                                \
	"10:00:00.250\",\"ProcessGuid\":\"{0a0b0c0d-1234-6632-0100-0000000001aa}\","               \
	"\"ProcessId\":\"4242\",\"Image\":\"C:\\\\Tools\\\\beacon.exe\",\"User\":\"LAB\\\\ann\","  \
	"\"Protocol\":\"tcp\",\"Initiated\":\"true\",\"SourceIsIpv6\":\"false\",\"SourceIp\":"     \
	"\"10.1.2.3\","                                                                            \
	"\"SourcePort\":\"50123\",\"DestinationIp\":\"203.0.113.7\",\"DestinationPort\":\"443\","  \
	"\"DestinationPortName\":\"https\""

static const struct shape_case {
	const char *name;
	const char *text;
} shape_cases[] = {
	{ "winlogbeat 8", "{\"@timestamp\":\"2024-05-01T10:00:01.500Z\",\"event\":{\"code\":\"3\","
			  "\"kind\":\"event\"},"
			  "\"host\":{\"name\":\"ws1.lab\"},\"winlog\":{\"channel\":\"Microsoft-"
			  "Windows-Sysmon/Operational\","
			  "\"computer_name\":\"ws1.lab\",\"event_id\":\"3\",\"provider_name\":"
			  "\"Microsoft-Windows-Sysmon\","
			  "\"record_id\":77,\"event_data\":{" CONNECTION_DATA "}}}" },
	{ "keys with dots", "{\"@timestamp\":\"2024-05-01T10:00:01.500Z\",\"winlog.channel\":"
			    "\"Microsoft-Windows-Sysmon/Operational\","
			    "\"winlog.computer_name\":\"ws1.lab\",\"winlog.event_id\":3,"
			    "\"winlog.provider_name\":\"Microsoft-Windows-Sysmon\",\"winlog.record_"
			    "id\":\"77\",\"winlog.event_data\":{" CONNECTION_DATA "}}" },
	{ "winlogbeat 6",
	  "{\"@timestamp\":\"2024-05-01T10:00:01.500Z\",\"log_name\":\"Microsoft-Windows-Sysmon/"
	  "Operational\","
	  "\"source_name\":\"Microsoft-Windows-Sysmon\",\"event_id\":3,\"record_number\":\"77\","
	  "\"computer_name\":\"ws1.lab\",\"process_id\":1,\"event_data\":{" CONNECTION_DATA "}}" },
	{ "nxlog", "{\"EventTime\":\"2024-05-01 "
		   "10:00:01\",\"Hostname\":\"ws1.lab\",\"host\":\"relay.lab\",\"EventID\":3,"
		   "\"Channel\":\"Microsoft-Windows-Sysmon/"
		   "Operational\",\"SourceName\":\"Microsoft-Windows-Sysmon\","
		   "\"RecordNumber\":77,\"ExecutionProcessID\":1,\"EventReceivedTime\":\"2024-05-"
		   "01 10:00:05\"," CONNECTION_DATA "}" },
	{ "powershell export",
	  "{\"TimeCreated\":\"2024-05-01T10:00:01.500Z\",\"Hostname\":\"ws1.lab\",\"EventID\":3,"
	  "\"Channel\":\"Microsoft-Windows-Sysmon/Operational\"," CONNECTION_DATA "}" },
	{ "azure, data as json",
	  "{\"TimeGenerated\":\"2024-05-01T10:00:01.500Z\",\"Computer\":\"ws1.lab\",\"EventID\":3,"
	  "\"Provider\":\"Microsoft-Windows-Sysmon\",\"EventData\":\"{\\\"UtcTime\\\":\\\"2024-05-"
	  "01 10:00:00.250\\\","
	  "\\\"ProcessGuid\\\":\\\"{0a0b0c0d-1234-6632-0100-0000000001aa}\\\",\\\"ProcessId\\\":"
	  "\\\"4242\\\","
	  "\\\"Image\\\":\\\"C:\\\\\\\\Tools\\\\\\\\beacon.exe\\\",\\\"User\\\":"
	  "\\\"LAB\\\\\\\\ann\\\","
	  "\\\"Protocol\\\":\\\"tcp\\\",\\\"Initiated\\\":\\\"true\\\",\\\"SourceIp\\\":\\\"10.1.2."
	  "3\\\","
	  "\\\"SourcePort\\\":\\\"50123\\\",\\\"DestinationIp\\\":\\\"203.0.113.7\\\","
	  "\\\"DestinationPort\\\":\\\"443\\\"}\"}" },
	{ "azure, data as xml",
	  "{\"TimeGenerated\":\"2024-05-01T10:00:01.500Z\",\"Computer\":\"ws1.lab\",\"EventID\":3,"
	  "\"Source\":\"x\",\"Channel\":\"Microsoft-Windows-Sysmon/Operational\",\"EventData\":\""
	  "\\u003cEventData xmlns=\\\"urn:x\\\"\\u003e\\r\\n<Data Name=\\\"UtcTime\\\">2024-05-01 "
	  "10:00:00.250</Data>"
	  "<Data Name=\\\"ProcessGuid\\\">{0a0b0c0d-1234-6632-0100-0000000001aa}</Data>"
	  "<Data Name=\\\"ProcessId\\\">4242</Data><Data "
	  "Name=\\\"Image\\\">C:\\\\Tools\\\\beacon.exe</Data>"
	  "<Data Name=\\\"User\\\">LAB\\\\ann</Data><Data Name=\\\"Protocol\\\">tcp</Data>"
	  "<Data Name=\\\"Initiated\\\">true</Data><Data Name=\\\"SourceIp\\\">10.1.2.3</Data>"
	  "<Data Name=\\\"SourcePort\\\">50123</Data><Data "
	  "Name=\\\"DestinationIp\\\">203.0.113.7</Data>"
	  "<Data Name=\\\"DestinationPort\\\">443</Data></EventData>\"}" },
	{ "openwec",
	  "{\"System\":{\"Provider\":{\"Name\":\"Microsoft-Windows-Sysmon\"},\"EventID\":3,"
	  "\"TimeCreated\":\"2024-05-01T10:00:01.500Z\",\"EventRecordID\":77,\"Execution\":{"
	  "\"ProcessID\":1},"
	  "\"Channel\":\"Microsoft-Windows-Sysmon/"
	  "Operational\",\"Computer\":\"ws1.lab\"},\"EventData\":{" CONNECTION_DATA "}}" },
	{ "evtx as json",
	  "{\"Event\":{\"System\":{\"Provider\":{\"#attributes\":{\"Name\":\"Microsoft-Windows-"
	  "Sysmon\"}},"
	  "\"EventID\":{\"#attributes\":{\"Qualifiers\":\"\"},\"#text\":3},\"Execution\":{\"#"
	  "attributes\":{\"ProcessID\":1}},"
	  "\"TimeCreated\":{\"#attributes\":{\"SystemTime\":\"2024-05-01T10:00:01.500Z\"}},"
	  "\"EventRecordID\":77,"
	  "\"Channel\":\"Microsoft-Windows-Sysmon/"
	  "Operational\",\"Computer\":\"ws1.lab\"},\"EventData\":{" CONNECTION_DATA "}}}" },
	{ "evtx as json, data as pairs",
	  "{\"Event\":{\"System\":{\"Provider\":{\"@Name\":\"Microsoft-Windows-Sysmon\"},"
	  "\"EventID\":\"3\","
	  "\"TimeCreated\":{\"@SystemTime\":\"2024-05-01T10:00:01.500Z\"},\"Computer\":\"ws1.lab\"}"
	  ",\"EventData\":{\"Data\":["
	  "{\"@Name\":\"UtcTime\",\"#text\":\"2024-05-01 10:00:00.250\"},"
	  "{\"@Name\":\"ProcessGuid\",\"#text\":\"{0a0b0c0d-1234-6632-0100-0000000001aa}\"},"
	  "{\"#attributes\":{\"Name\":\"ProcessId\"},\"#text\":\"4242\"},{\"@Name\":\"Image\",\"#"
	  "text\":\"C:\\\\Tools\\\\beacon.exe\"},"
	  "{\"@Name\":\"User\",\"#text\":\"LAB\\\\ann\"},{\"@Name\":\"Protocol\",\"#text\":\"tcp\"}"
	  ","
	  "{\"#text\":\"true\",\"@Name\":\"Initiated\"},{\"@Name\":\"SourceIp\",\"#text\":\"10.1.2."
	  "3\"},"
	  "{\"@Name\":\"SourcePort\",\"#text\":\"50123\"},{\"@Name\":\"DestinationIp\",\"#text\":"
	  "\"203.0.113.7\"},"
	  "{\"@Name\":\"DestinationPort\",\"#text\":\"443\"}]}}}" },
	{ "fluent bit, positional",
	  "{\"ProviderName\":\"Microsoft-Windows-Sysmon\",\"EventID\":3,\"Version\":5,"
	  "\"ProcessID\":1,\"ThreadID\":2,"
	  "\"TimeCreated\":\"2024-05-01 12:00:01.5 +0200\",\"EventRecordID\":77,"
	  "\"Channel\":\"Microsoft-Windows-Sysmon/"
	  "Operational\",\"Computer\":\"ws1.lab\",\"StringInserts\":[\"-\","
	  "\"2024-05-01 "
	  "10:00:00.250\",\"{0a0b0c0d-1234-6632-0100-0000000001aa}\",4242,\"C:\\\\Tools\\\\beacon."
	  "exe\","
	  "\"LAB\\\\ann\",\"tcp\",true,false,\"10.1.2.3\",\"-\",50123,\"-\",false,\"203.0.113.7\","
	  "\"-\",443,\"https\"]}" },
	{ "vector", "{\"timestamp\":\"2024-05-01T10:00:01.500Z\",\"provider_name\":\"Microsoft-"
		    "Windows-Sysmon\",\"event_id\":3,"
		    "\"record_id\":77,\"channel\":\"Microsoft-Windows-Sysmon/"
		    "Operational\",\"computer\":\"ws1.lab\",\"process_id\":1,"
		    "\"event_data\":{" CONNECTION_DATA "},\"string_inserts\":[\"a\",\"b\"]}" },
	{ "opentelemetry, map",
	  "{\"body\":{\"channel\":\"Microsoft-Windows-Sysmon/"
	  "Operational\",\"computer\":\"ws1.lab\",\"event_id\":{\"id\":3,"
	  "\"qualifiers\":0},\"provider\":{\"name\":\"Microsoft-Windows-Sysmon\"},\"record_id\":77,"
	  "\"system_time\":\"2024-05-01T10:00:01.500000000Z\",\"event_data\":{" CONNECTION_DATA
	  "}}}" },
	{ "opentelemetry, array of maps",
	  "{\"channel\":\"Microsoft-Windows-Sysmon/"
	  "Operational\",\"computer\":\"ws1.lab\",\"event_id\":{\"id\":3},"
	  "\"provider\":{\"name\":\"Microsoft-Windows-Sysmon\"},\"system_time\":\"2024-05-01T10:00:"
	  "01.500000000Z\","
	  "\"event_data\":{\"data\":[{\"UtcTime\":\"2024-05-01 10:00:00.250\"},"
	  "{\"ProcessGuid\":\"{0a0b0c0d-1234-6632-0100-0000000001aa}\"},{\"ProcessId\":\"4242\"},"
	  "{\"Image\":\"C:\\\\Tools\\\\beacon.exe\"},{\"User\":\"LAB\\\\ann\"},{\"Protocol\":"
	  "\"tcp\"},{\"Initiated\":\"true\"},"
	  "{\"SourceIp\":\"10.1.2.3\"},{\"SourcePort\":\"50123\"},{\"DestinationIp\":\"203.0.113."
	  "7\"},"
	  "{\"DestinationPort\":\"443\"}]}}" },
	{ "wrapped in _source, names in another case",
	  "{\"_index\":\"x\",\"_source\":{\"timecreated\":\"2024-05-01T10:00:01.500Z\","
	  "\"HOSTNAME\":\"ws1.lab\","
	  "\"eventid\":\"3\",\"channel\":\"microsoft-windows-sysmon/operational\","
	  "\"utctime\":\"2024-05-01 "
	  "10:00:00.250\",\"PROCESSGUID\":\"{0a0b0c0d-1234-6632-0100-0000000001aa}\","
	  "\"processID\":4242,\"image\":\"C:\\\\Tools\\\\beacon.exe\",\"user\":\"LAB\\\\ann\","
	  "\"protocol\":\"tcp\","
	  "\"initiated\":\"True\",\"sourceip\":\"10.1.2.3\",\"sourceport\":50123,\"destinationip\":"
	  "\"203.0.113.7\","
	  "\"destinationport\":443}}" },
	{ "event xml",
	  "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
	  "<Provider Name='Microsoft-Windows-Sysmon' "
	  "Guid='{5770385f-c22a-43e0-bf4c-06f5698ffbd9}'/>"
	  "<EventID>3</EventID><TimeCreated SystemTime='2024-05-01T10:00:01.500000000Z'/>"
	  "<EventRecordID>77</EventRecordID><Execution ProcessID='1' ThreadID='2'/>"
	  "<Channel>Microsoft-Windows-Sysmon/Operational</Channel><Computer>ws1.lab</Computer></"
	  "System><EventData>"
	  "<Data Name='UtcTime'>2024-05-01 10:00:00.250</Data>"
	  "<Data Name='ProcessGuid'>{0a0b0c0d-1234-6632-0100-0000000001aa}</Data><Data "
	  "Name='ProcessId'>4242</Data>"
	  "<Data Name='Image'>C:\\Tools\\beacon.exe</Data><Data Name='User'>LAB\\ann</Data>"
	  "<Data Name='Protocol'>tcp</Data><Data Name='Initiated'>true</Data><Data "
	  "Name='SourceIp'>10.1.2.3</Data>"
	  "<Data Name='SourcePort'>50123</Data><Data Name='DestinationIp'>203.0.113.7</Data>"
	  "<Data Name='DestinationPort'>443</Data></EventData></Event>" },
};

static void check(struct fixture *fixture, const char *name, const struct event *event,
		  const char *field, const char *expected)
{
	const char *got = values_of(fixture, event, field);
	if (strcmp(got, expected) != 0)
		fail_msg("%s: %s is \"%s\", expected \"%s\"", name, field, got, expected);
}

static void every_shape_of_a_connection_says_the_same(void **state)
{
	static const char *const expected[][2] = {
		{ "event.category", "network" },
		{ "event.code", "3" },
		{ "event.type", "start|connection|protocol" },
		{ "@timestamp", "2024-05-01T10:00:00.250Z" },
		{ "data_stream.dataset", "windows.sysmon_operational" },
		{ "host.name", "ws1.lab" },
		{ "host.os.type", "windows" },
		{ "process.entity_id", "{0a0b0c0d-1234-6632-0100-0000000001aa}" },
		{ "process.pid", "4242" },
		{ "process.executable", "C:\\Tools\\beacon.exe" },
		{ "process.name", "beacon.exe" },
		{ "user.name", "ann" },
		{ "user.domain", "LAB" },
		{ "source.ip", "10.1.2.3" },
		{ "source.port", "50123" },
		{ "destination.ip", "203.0.113.7" },
		{ "destination.port", "443" },
		{ "network.transport", "tcp" },
		{ "network.direction", "egress" },
	};
	struct fixture *fixture = *state;
	char host_id[64] = "";
	for (size_t i = 0; i < sizeof(shape_cases) / sizeof(shape_cases[0]); i++) {
		const struct shape_case *one = &shape_cases[i];
		const struct event *event = NULL;
		if (normalise(fixture, one->text, strlen(one->text), &event) != NORMALISED)
			fail_msg("%s: refused", one->name);
		for (size_t j = 0; j < sizeof(expected) / sizeof(expected[0]); j++)
			check(fixture, one->name, event, expected[j][0], expected[j][1]);
		if (event->role != EVENT_CONNECTION || event->datasets != 1U << DATASET_sysmon)
			fail_msg("%s: role or dataset", one->name);
		/* the record's clock: whole seconds in NXLog */
		const uint64_t label_ns = 1714557601000000000 + (i == 3 ? 0 : 500000000);
		if (event->host_time_ns != label_ns || event->time_ns != label_ns)
			fail_msg("%s: label %llu", one->name,
				 (unsigned long long)event->host_time_ns);
		if (i == 0)
			snprintf(host_id, sizeof(host_id), "%s",
				 values_of(fixture, event, "host.id"));
		check(fixture, one->name, event, "host.id", host_id);
	}
	assert_int_equal(strlen(host_id), 36);
}

static void every_prefix_of_every_shape_is_survived(void **state)
{
	struct fixture *fixture = *state;
	uint64_t accepted_count = 0;
	for (size_t i = 0; i < sizeof(shape_cases) / sizeof(shape_cases[0]); i++) {
		const char *text = shape_cases[i].text;
		for (size_t size = 1; size < strlen(text); size++) {
			const struct event *event;
			const enum normaliser_result result =
				normalise(fixture, text, size, &event);
			accepted_count += result == NORMALISED;
			/* only event xml may be cut: what was whole is kept */
			if (result == NORMALISED && *text != '<')
				fail_msg("%s: accepted %zu bytes", shape_cases[i].name, size);
		}
	}
	const struct counters *counters = &fixture->counters;
	assert_int_equal(counter_read(counters, COUNTER_events_seen),
			 accepted_count + counter_read(counters, COUNTER_events_bad_json) +
				 counter_read(counters, COUNTER_events_unmapped) +
				 counter_read(counters, COUNTER_events_no_time));
}

#define SYSMON(id, data)                                                                           \
	"{\"TimeCreated\":\"2024-05-01T10:00:01.500Z\",\"Hostname\":\"ws1\",\"EventID\":" #id      \
	",\"Channel\":\"Microsoft-Windows-Sysmon/Operational\",\"UtcTime\":\"2024-05-01 "          \
	"10:00:01.400\"," data "}"
#define SECURITY(id, data)                                                                         \
	"{\"TimeCreated\":\"2024-05-01T10:00:01.500Z\",\"Hostname\":\"ws1\",\"EventID\":" #id      \
	",\"Channel\":\"security\"," data "}"

static void dialects_say_what_events_mean(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		enum event_role role;
		const char *expected[8][2];
	} cases[] = {
		{ "sysmon process start",
		  SYSMON(1, "\"ProcessGuid\":\"{0a0b0c0d-1241-6632-0100-0000000001aa}\","
			    "\"ProcessId\":\"7\","
			    "\"Image\":\"C:\\\\a b\\\\c.exe\",\"CommandLine\":\"\\\"C:\\\\a "
			    "b\\\\c.exe\\\" \\\"x\\\\\\\"y\\\" z\\\\\","
			    "\"ParentProcessId\":\"6\",\"Hashes\":\"MD5=AB01,SHA256=00\""),
		  EVENT_PROCESS_START,
		  { { "event.type", "start" },
		    { "process.name", "c.exe" },
		    { "process.args", "C:\\a b\\c.exe|x\"y|z\\" },
		    { "process.args_count", "3" },
		    { "process.hash.md5", "ab01" },
		    { "process.hash.sha256", "" },
		    { "process.parent.pid", "6" },
		    { "process.start", "2024-05-01T10:00:01.400Z" } } },
		{ "sysmon process end",
		  SYSMON(5, "\"ProcessGuid\":\"{00000000-0000-0000-0000-000000000000}\","
			    "\"ProcessId\":\"0x10\","
			    "\"Image\":\"System\""),
		  EVENT_PROCESS_END,
		  { { "event.type", "end" },
		    { "process.entity_id", "" },
		    { "process.pid", "16" },
		    { "process.executable", "System" },
		    { "process.name", "" } } },
		{ "sysmon dns",
		  SYSMON(22, "\"QueryName\":\"a.example\",\"QueryStatus\":\"9003\","
			     "\"QueryResults\":\"type:  5 "
			     "b.example;::ffff:192.0.2.1;2001:db8::1;type: 999 x;-\""),
		  EVENT_DNS,
		  { { "dns.question.name", "a.example" },
		    { "dns.answers.data", "b.example|192.0.2.1|2001:db8::1|x" },
		    { "dns.answers.type", "CNAME|A|AAAA" },
		    { "dns.resolved_ip", "192.0.2.1|2001:db8::1" },
		    { "sysmon.dns.status", "DNS_ERROR_RCODE_NAME_ERROR" } } },
		{ "sysmon image load",
		  SYSMON(7, "\"ImageLoaded\":\"C:\\\\x\\\\y.dll\",\"Signed\":\"false\","
			    "\"SignatureStatus\":\"Unavailable\""),
		  EVENT_OTHER,
		  { { "file.path", "C:\\x\\y.dll" },
		    { "file.extension", "dll" },
		    { "dll.name", "y.dll" },
		    { "dll.code_signature.exists", "false" },
		    { "dll.code_signature.trusted", "false" } } },
		{ "sysmon registry",
		  SYSMON(13, "\"TargetObject\":\"HKLM\\\\SOFTWARE\\\\K\\\\v\",\"Details\":\"QWORD "
			     "(0x00000001-0x00000002)\""),
		  EVENT_OTHER,
		  { { "registry.hive", "HKLM" },
		    { "registry.key", "SOFTWARE\\K\\v" },
		    { "registry.value", "v" },
		    { "registry.data.strings", "4294967298" },
		    { "event.category", "configuration|registry" } } },
		{ "sysmon access to another process",
		  SYSMON(10, "\"SourceProcessGUID\":\"{0a0b0c0d-1234-6632-0100-0000000001aa}\","
			     "\"SourceProcessId\":\"4\","
			     "\"SourceImage\":\"C:\\\\s.exe\",\"TargetImage\":\"C:\\\\t.exe\","
			     "\"GrantedAccess\":\"0x1000\""),
		  EVENT_OTHER,
		  { { "process.entity_id", "{0a0b0c0d-1234-6632-0100-0000000001aa}" },
		    { "process.name", "s.exe" },
		    { "Target.process.name", "t.exe" },
		    { "winlog.event_data.GrantedAccess", "0x1000" } } },
		{ "process created: ProcessId is the creator",
		  SECURITY(4688, "\"NewProcessId\":\"0x11cc\",\"NewProcessName\":\"C:\\\\n.exe\","
				 "\"ProcessId\":\"0x122c\","
				 "\"CommandLine\":\"\\\"C:\\\\n.exe\\\" a  "
				 "b\",\"SubjectUserName\":\"ann\",\"TargetUserName\":\"-\","
				 "\"Keywords\":\"0x8020000000000000\""),
		  EVENT_PROCESS_START,
		  { { "process.pid", "4556" },
		    { "process.parent.pid", "4652" },
		    { "process.args", "\"C:\\n.exe\"|a|b" },
		    { "process.entity_id", "" },
		    { "user.name", "ann" },
		    { "event.outcome", "success" },
		    { "data_stream.dataset", "system.security" } } },
		{ "process exited",
		  SECURITY(4689, "\"ProcessId\":\"0x10\",\"ProcessName\":\"C:\\\\n.exe\","
				 "\"Status\":\"0x1\""),
		  EVENT_PROCESS_END,
		  { { "process.pid", "16" },
		    { "process.exit_code", "1" },
		    { "event.action", "exited-process" } } },
		{ "connection allowed",
		  SECURITY(5156, "\"ProcessID\":\"77\",\"Application\":"
				 "\"\\\\device\\\\harddiskvolume3\\\\w\\\\a.exe\","
				 "\"Direction\":\"%%14592\",\"SourceAddress\":\"::ffff:192.0.2.9\","
				 "\"SourcePort\":\"5000\","
				 "\"DestAddress\":\"10.0.0.1\",\"DestPort\":\"445\",\"Protocol\":"
				 "\"6\",\"Keywords\":-9214364837600034816"),
		  EVENT_CONNECTION,
		  { { "process.pid", "77" },
		    { "process.name", "a.exe" },
		    { "source.ip", "192.0.2.9" },
		    { "network.direction", "ingress" },
		    { "network.transport", "tcp" },
		    { "network.iana_number", "6" },
		    { "event.type", "connection|info|allowed" },
		    { "event.outcome", "success" } } },
		{ "connection blocked is no connection",
		  SECURITY(5157, "\"ProcessID\":\"77\",\"SourceAddress\":\"10.0.0.2\","
				 "\"Direction\":\"%%14593\",\"Protocol\":\"17\""),
		  EVENT_OTHER,
		  { { "network.direction", "egress" },
		    { "network.transport", "udp" },
		    { "event.type", "connection|info|denied" } } },
		{ "port bound",
		  SECURITY(5158, "\"ProcessId\":\"77\",\"SourceAddress\":\"0.0.0.0\","
				 "\"SourcePort\":\"5353\",\"Protocol\":\"17\""),
		  EVENT_BIND,
		  { { "source.port", "5353" },
		    { "destination.ip", "" },
		    { "event.type", "info" } } },
		{ "two process ids that differ in case: the number is the logger's",
		  SECURITY(4688,
			   "\"ProcessID\":780,\"NewProcessId\":\"0x5\",\"ProcessId\":\"0x5c8\""),
		  EVENT_PROCESS_START,
		  { { "process.pid", "5" }, { "process.parent.pid", "1480" } } },
		{ "powershell script block",
		  "{\"TimeCreated\":\"2024-05-01T10:00:01.500Z\",\"Hostname\":\"ws1\",\"EventID\":"
		  "4104,"
		  "\"Channel\":\"Microsoft-Windows-PowerShell/"
		  "Operational\",\"ScriptBlockText\":\"dir\",\"Path\":\"C:\\\\d\\\\s.ps1\","
		  "\"MessageNumber\":\"2\"}",
		  EVENT_OTHER,
		  { { "event.category", "process" },
		    { "powershell.file.script_block_text", "dir" },
		    { "powershell.sequence", "2" },
		    { "file.directory", "C:\\d" },
		    { "data_stream.dataset", "windows.powershell_operational" } } },
		{ "powershell engine, unnamed values",
		  "{\"EventTime\":\"2024-05-01 "
		  "10:00:01\",\"Hostname\":\"ws1\",\"EventID\":400,\"Channel\":\"Windows "
		  "PowerShell\","
		  "\"EventData\":{\"Data\":[\"Available\",\"None\",\"\\tNewEngineState="
		  "Available\\r\\n\\tHostId=h-1\\r\\n"
		  "\\tHostApplication=p.exe -c 'a b'\\r\\n\\tPipelineId=\"]}}",
		  EVENT_OTHER,
		  { { "powershell.engine.new_state", "Available" },
		    { "process.entity_id", "h-1" },
		    { "process.command_line", "p.exe -c 'a b'" },
		    { "powershell.pipeline_id", "" },
		    { "winlog.event_data.param1", "Available" } } },
		{ "another channel",
		  "{\"EventTime\":\"2024-05-01 "
		  "10:00:01\",\"Hostname\":\"ws1\",\"EventID\":7045,\"Channel\":\"System\","
		  "\"SourceName\":\"Service Control "
		  "Manager\",\"ServiceName\":\"s\",\"ImagePath\":\"C:\\\\s.exe\"}",
		  EVENT_OTHER,
		  { { "event.code", "7045" },
		    { "event.provider", "Service Control Manager" },
		    { "winlog.event_data.ImagePath", "C:\\s.exe" },
		    { "host.os.type", "windows" },
		    { "data_stream.dataset", "windows.forwarded" } } },
		{ "endpoint network",
		  "{\"@timestamp\":\"2024-05-01T10:00:01.500Z\",\"event\":{\"category\":["
		  "\"network\"],\"type\":[\"start\"],"
		  "\"action\":\"connection_attempted\",\"module\":\"endpoint\",\"id\":\"E1\","
		  "\"sequence\":9,"
		  "\"ingested\":\"2024-05-01T10:00:09Z\"},\"data_stream\":{\"dataset\":\"endpoint."
		  "events.network\"},"
		  "\"host\":{\"id\":\"H\",\"name\":\"ws1\",\"ip\":[\"10.1.2.3\",\"::1\"],\"os\":{"
		  "\"type\":\"windows\"}},"
		  "\"process\":{\"pid\":5,\"entity_id\":\"abc\",\"name\":\"a.exe\"},\"source\":{"
		  "\"ip\":\"10.1.2.3\",\"port\":5000},"
		  "\"destination\":{\"ip\":\"203.0.113.7\",\"port\":443,\"bytes\":12},\"network\":{"
		  "\"transport\":\"tcp\"}}",
		  EVENT_CONNECTION,
		  { { "host.id", "H" },
		    { "host.ip", "10.1.2.3|::1" },
		    { "destination.bytes", "12" },
		    { "process.entity_id", "abc" },
		    { "event.kind", "" } } },
		{ "endpoint dns",
		  "{\"@timestamp\":\"2024-05-01T10:00:01.500Z\",\"event\":{\"category\":"
		  "\"network\",\"action\":\"lookup_result\"},"
		  "\"dns\":{\"question\":{\"name\":\"a.example\"},\"resolved_ip\":[\"192.0.2.1\"]},"
		  "\"process.pid\":5}",
		  EVENT_DNS,
		  { { "dns.resolved_ip", "192.0.2.1" },
		    { "process.pid", "5" },
		    { "host.os.type", "" } } },
		{ "winlogbeat 7, in ecs, with dots",
		  "{\"@timestamp\":\"2024-05-01T10:00:01.500Z\",\"event.category\":[\"process\"],"
		  "\"event.type\":[\"start\",\"process_start\"],"
		  "\"event.module\":\"sysmon\",\"winlog.channel\":\"Microsoft-Windows-Sysmon/"
		  "Operational\",\"winlog.record_id\":4,"
		  "\"winlog.event_data\":{\"IntegrityLevel\":\"High\"},\"process.pid\":5,\"host."
		  "name\":\"ws1\"}",
		  EVENT_PROCESS_START,
		  { { "event.type", "start|process_start" },
		    { "winlog.event_data.IntegrityLevel", "High" },
		    { "host.os.type", "windows" },
		    { "data_stream.dataset", "windows.sysmon_operational" } } },
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct event *event = NULL;
		if (normalise(fixture, cases[i].text, strlen(cases[i].text), &event) != NORMALISED)
			fail_msg("%s: refused", cases[i].name);
		if (event->role != cases[i].role)
			fail_msg("%s: role %d", cases[i].name, event->role);
		for (size_t j = 0; j < 8 && cases[i].expected[j][0]; j++)
			check(fixture, cases[i].name, event, cases[i].expected[j][0],
			      cases[i].expected[j][1]);
	}
}

/* The label is always on the record's clock; @timestamp is UtcTime while that can be believed. */
static void sysmon_times_stay_on_one_clock(void **state)
{
	static const struct {
		const char *name;
		const char *record;
		const char *utc;
		int event_id;
		const char *label;
		const char *timestamp;
	} cases[] = {
		{ "both agree", "2024-05-01T10:00:01.500Z", "2024-05-01 10:00:01.400", 1,
		  "2024-05-01T10:00:01.400Z", "2024-05-01T10:00:01.400Z" },
		{ "local time in whole seconds", "2024-05-01 06:00:01", "2024-05-01 10:00:01.400",
		  1, "2024-05-01T06:00:01.400Z", "2024-05-01T10:00:01.400Z" },
		{ "a 12-hour clock", "2024-05-01 03:00:01", "2024-05-01 22:00:01.400", 1,
		  "2024-05-01T03:00:01.400Z", "2024-05-01T22:00:01.400Z" },
		{ "a connection has the trace session's clock", "2024-05-01T10:00:01.500Z",
		  "2024-05-01 09:59:50.000", 3, "2024-05-01T10:00:01.500Z",
		  "2024-05-01T09:59:50.000Z" },
		{ "which may be days off", "2024-05-06T10:00:01.500Z", "2024-05-01 13:00:00.000", 3,
		  "2024-05-06T10:00:01.500Z", "2024-05-06T10:00:01.500Z" },
		{ "a queue of a minute and more", "2024-05-01T10:02:01.500Z",
		  "2024-05-01 10:00:01.400", 7, "2024-05-01T10:02:01.500Z",
		  "2024-05-01T10:00:01.400Z" },
		{ "malformed", "2024-05-01T10:00:01.500Z", "yesterday", 1,
		  "2024-05-01T10:00:01.500Z", "2024-05-01T10:00:01.500Z" },
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[512];
		char label[TIME_TEXT_MAX];
		const struct event *event = NULL;
		snprintf(text, sizeof(text),
			 "{\"TimeCreated\":\"%s\",\"Hostname\":\"ws1\",\"EventID\":%d,\"UtcTime\":"
			 "\"%s\","
			 "\"Channel\":\"Microsoft-Windows-Sysmon/Operational\"}",
			 cases[i].record, cases[i].event_id, cases[i].utc);
		assert_int_equal(normalise(fixture, text, strlen(text), &event), NORMALISED);
		time_format_iso8601(event->host_time_ns, 3, label);
		if (strcmp(label, cases[i].label) != 0 || event->time_ns != event->host_time_ns)
			fail_msg("%s: label %s", cases[i].name, label);
		check(fixture, cases[i].name, event, "@timestamp", cases[i].timestamp);
	}
}

static void copies_have_one_identity_and_others_another(void **state)
{
	static const char *const texts[] = {
		SYSMON(5, "\"RecordNumber\":1,\"ProcessGuid\":\"{0A-1}\""),
		SYSMON(5, "\"ProcessGuid\":\"{0a-1}\",\"RecordNumber\":\"1\""), /* the same */
		SYSMON(5, "\"RecordNumber\":2,\"ProcessGuid\":\"{0A-1}\""),
		SYSMON(5, "\"RecordNumber\":1,\"ProcessGuid\":\"{0A-2}\""),
		SYSMON(5, "\"ProcessGuid\":\"{0A-1}\""),
		SYSMON(5, "\"ProcessGuid\":\"{0A-1}\",\"x\":1"),
	};
	struct fixture *fixture = *state;
	uint64_t identities[6];
	for (size_t i = 0; i < 6; i++) {
		const struct event *event;
		assert_int_equal(normalise(fixture, texts[i], strlen(texts[i]), &event),
				 NORMALISED);
		identities[i] = event->identity;
	}
	assert_true(identities[0] == identities[1]);
	for (size_t i = 1; i < 6; i++)
		for (size_t j = i + 1; j < 6; j++)
			assert_true(identities[i] != identities[j]);
}

static void what_is_no_event_is_refused_by_its_reason(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		enum normaliser_result result;
	} cases[] = {
		{ "an array", "[1]", NORMALISER_BAD_JSON },
		{ "two objects", "{} {}", NORMALISER_BAD_JSON },
		{ "no object", "42", NORMALISER_BAD_JSON },
		{ "bytes that are not UTF-8", "{\"a\":\"\xff\"}", NORMALISER_BAD_JSON },
		{ "a comma too many", "{\"EventID\":1,}", NORMALISER_BAD_JSON },
		{ "a colon missing", "{\"EventID\" 1}", NORMALISER_BAD_JSON },
		{ "a value missing", "{\"EventID\":,\"a\":1}", NORMALISER_BAD_JSON },
		{ "something unknown", "{\"a\":{\"b\":[1,2,{\"c\":null}]}}", NORMALISER_UNMAPPED },
		{ "nothing", "{}", NORMALISER_UNMAPPED },
		{ "no time", "{\"EventID\":5,\"Channel\":\"Security\",\"Hostname\":\"a\"}",
		  NORMALISER_NO_TIME },
		{ "a time that is none",
		  "{\"EventID\":5,\"Channel\":\"Security\",\"TimeCreated\":\"soon\"}",
		  NORMALISER_NO_TIME },
		{ "a document type",
		  "<!DOCTYPE Event [<!ENTITY a "
		  "'b'>]><Event><System><EventID>1</EventID></System></Event>",
		  NORMALISER_BAD_JSON },
		{ "xml of another kind", "<html/>", NORMALISER_UNMAPPED },
		{ "no xml", "<<<", NORMALISER_BAD_JSON },
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct event *event;
		const enum normaliser_result result =
			normalise(fixture, cases[i].text, strlen(cases[i].text), &event);
		if (result != cases[i].result)
			fail_msg("%s: %d", cases[i].name, result);
	}
}

#define XML_START                                                                                  \
	"<Event xmlns='x'><System><Provider "                                                      \
	"Name='Microsoft-Windows-Security-Auditing'/><EventID>4689</EventID>"                      \
	"<TimeCreated "                                                                            \
	"SystemTime='2024-05-01T10:00:01.5Z'/><Channel>Security</Channel><Computer>ws1</"          \
	"Computer></System>"

static void damaged_xml_gives_what_is_whole(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		const char *executable;
	} cases[] = {
		{ "a control character",
		  XML_START
		  "<EventData><Data Name='ProcessName'>C:\\a\x05.exe</Data></EventData></Event>",
		  "C:\\a?.exe" },
		{ "a reference to one",
		  XML_START
		  "<EventData><Data Name='ProcessName'>C:\\a&#x5;.exe</Data></EventData></Event>",
		  "C:\\a?????.exe" },
		{ "bytes that are not UTF-8",
		  XML_START
		  "<EventData><Data Name='ProcessName'>C:\\a\xc3.exe</Data></EventData></Event>",
		  "C:\\a?.exe" },
		{ "cut in the rendered message",
		  XML_START
		  "<EventData><Data "
		  "Name='ProcessName'>C:\\a.exe</Data></EventData><RenderingInfo><Message>A proc",
		  "C:\\a.exe" },
		{ "cut in a value",
		  XML_START
		  "<EventData><Data Name='ProcessId'>0x5</Data><Data Name='ProcessName'>C:\\a.e",
		  "" },
		{ "entities and a section",
		  XML_START
		  "<EventData><Data "
		  "Name='ProcessName'>C:\\&lt;<![CDATA[&]]>&#65;.exe</Data></EventData></Event>",
		  "C:\\<&A.exe" },
		{ "user data",
		  XML_START "<UserData><X "
			    "xmlns='y'><ProcessName>C:\\u.exe</ProcessName></X></UserData></Event>",
		  "C:\\u.exe" },
	};
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct event *event = NULL;
		if (normalise(fixture, cases[i].text, strlen(cases[i].text), &event) != NORMALISED)
			fail_msg("%s: refused", cases[i].name);
		check(fixture, cases[i].name, event, "process.executable", cases[i].executable);
		check(fixture, cases[i].name, event, "host.name", "ws1");
	}
}

/* Near misses of every case: one to four bytes changed, from a printed seed. */
static void mutated_events_are_survived(void **state)
{
	struct fixture *fixture = *state;
	const unsigned seed = 20240501;
	unsigned random = seed;
	print_message("seed %u\n", seed);
	for (size_t i = 0; i < sizeof(shape_cases) / sizeof(shape_cases[0]); i++)
		for (int round = 0; round < 300; round++) {
			char text[4096];
			const struct event *event;
			const size_t size = strlen(shape_cases[i].text);
			assert_true(size < sizeof(text));
			memcpy(text, shape_cases[i].text, size);
			for (int change = 0; change < 1 + round % 4; change++) {
				random = random * 1664525 + 1013904223;
				text[1 + random / 7 % (size - 1)] =
					"\"\\{}[]:,<>&;u0\xff\x01"[random >> 16 & 0xf];
			}
			normalise(fixture, text, size, &event);
		}
}

static void deep_and_long_events_are_bounded(void **state)
{
	enum { DEPTH = 100000, VALUES = 5000 };
	struct fixture *fixture = *state;
	const struct event *event;
	char *text = malloc(DEPTH * 32 + 1024);
	size_t used =
		(size_t)sprintf(text, "{\"TimeCreated\":\"2024-05-01T10:00:01Z\",\"EventID\":5,"
				      "\"Channel\":\"Security\",\"EventData\":");
	for (int i = 0; i < DEPTH; i++)
		used += (size_t)sprintf(text + used, "{\"a\":");
	used += (size_t)sprintf(text + used, "1");
	memset(text + used, '}', DEPTH + 1);
	used += DEPTH + 1;
	assert_int_equal(normalise(fixture, text, used, &event), NORMALISED);
	used = (size_t)sprintf(text, "{\"TimeCreated\":\"2024-05-01T10:00:01Z\",\"EventID\":5,"
				     "\"Channel\":\"Security\",\"tags\":[\"a\"");
	for (int i = 0; i < VALUES; i++)
		used += (size_t)sprintf(text + used, ",\"t%d\"", i);
	used += (size_t)sprintf(text + used, "]}");
	assert_int_equal(normalise(fixture, text, used, &event), NORMALISED);
	assert_true(counter_read(&fixture->counters, COUNTER_event_values_cut) > 0);
	free(text);
}

/* A rule may name a value that no table knows, and gets it with the type it came with. */
static void fields_that_a_rule_names_are_kept(void **state)
{
	struct fields *fields = fields_open();
	static struct counters counters;
	(void)state;
	const uint16_t number = fields_add(fields, "my.number", 9, FIELD_TYPE_ANY);
	const uint16_t leaf = fields_add(fields, "winlog.event_data.Odd", 21, FIELD_TYPE_ANY);
	fields_want(fields, number);
	fields_want(fields, leaf);
	struct normaliser *normaliser = normaliser_open(fields, &counters);
	static const char text[] =
		"{\"TimeCreated\":\"2024-05-01T10:00:01Z\",\"EventID\":5,\"Channel\":\"x\",\"my\":{"
		"\"number\":7},"
		"\"ODD\":\"C:\\\\x\",\"process\":{\"name\":\"unwanted\"}}"
		"                                                                ";
	const struct event *event;
	int64_t seven;
	assert_int_equal(normaliser_json(normaliser, text, sizeof(text) - 1 - 64, 0, &event),
			 NORMALISED);
	assert_int_equal(event->value_count, 2);
	assert_true(event_integer(event, number, &seven));
	assert_int_equal(seven, 7);
	assert_string_equal(event_text(event, leaf)->bytes, "C:\\x");
	normaliser_close(normaliser);
	fields_close(fields);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(every_shape_of_a_connection_says_the_same),
		TEST(every_prefix_of_every_shape_is_survived),
		TEST(dialects_say_what_events_mean),
		TEST(sysmon_times_stay_on_one_clock),
		TEST(copies_have_one_identity_and_others_another),
		TEST(what_is_no_event_is_refused_by_its_reason),
		TEST(damaged_xml_gives_what_is_whole),
		TEST(mutated_events_are_survived),
		TEST(deep_and_long_events_are_bounded),
		TEST(fields_that_a_rule_names_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
