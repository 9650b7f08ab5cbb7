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
	struct fields *fields;
	struct counters counters;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_shape_of_a_connection_says_the_same, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(every_prefix_of_every_shape_is_survived, set_up,
						tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
