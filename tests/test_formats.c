/* What alerts look like: golden messages, and checkers that know each format's grammar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/format.h"
#include "correlator/severity.h"
#include "tests/support_alert.h"
#include "tests/support_message.h"

static struct facts facts;
static struct parsed parsed;

static struct format_context context_for(size_t max_size, bool syslog_header)
{
	return (struct format_context){
		.fields = sample_fields(),
		.facts = &facts,
		.host_name = "sensor1",
		.process_id = 4242,
		.facility = 16,
		.syslog_header = syslog_header,
		.sequence_id = 17,
		.max_size = max_size,
	};
}

/* Into a heap block of exactly max_size, so that ASan sees one byte too
 * many. NUL-terminated copy. */
static char *format_in(enum format format, const struct alert *alert, size_t max_size,
		       bool syslog_header, size_t *out_size, bool *out_truncated)
{
	const struct format_context context = context_for(max_size, syslog_header);
	char *exact = malloc(max_size);
	*out_size = format_function(format)(&context, alert, exact, out_truncated);
	assert_true(*out_size > 0 && *out_size <= max_size);
	char *text = malloc(*out_size + 1);
	memcpy(text, exact, *out_size);
	text[*out_size] = '\0';
	free(exact);
	return text;
}

static const struct {
	enum format format;
	bool syslog_header;
	size_t max_size;
	const char *text;
} golden[] = {
	{ FORMAT_rfc5424, true, 1100,
	  "<133>1 2020-09-20T16:16:09.362123Z sensor1 procspan 4242 ALERT [alert@32473 "
	  "id=\"219373ef-04df-88ba-b7da-b166dbb136b6\" "
	  "rule=\"89f9a4b0-9f8f-4ee0-8823-c4751a6d6696\" "
	  "ver=\"5\" name=\"Command Prompt Network Connection\" sev=\"low\" risk=\"21\" "
	  "tactic=\"TA0002,TA0011\" technique=\"T1059.003,T1105\" steps=\"2\" truncated=\"1\" "
	  "cut=\"author,license,interval,refs,fp,desc,guide,hash,pcmd\"][flow@32473 "
	  "cid=\"1:fl30i+av+8vQBfsyffvQQLjDTSg=\" src=\"10.1.2.3\" spt=\"49712\" "
	  "dst=\"93.184.216.34\" dpt=\"443\" proto=\"tcp\" sbytes=\"1830\"][attr@32473 "
	  "method=\"tuple\" conf=\"0.98\" skewms=\"-412\" loss=\"0.0\" candidates=\"1\" "
	  "lagms=\"90\"][meta sequenceId=\"17\"][timeQuality tzKnown=\"1\" "
	  "isSynced=\"0\"][rule@32473 "
	  "tags=\"Elastic,Host,Windows,Threat Detection,Execution\" "
	  "index=\"winlogbeat-*,logs-endpoint.events.*\" lookback=\"9m\" "
	  "maxsignals=\"100\"][proc@32473 entity=\"{1afd0000-0001}\" pid=\"7084\" name=\"cmd.exe\" "
	  "user=\"CORP\\\\bob\" host=\"WS01\" exe=\"C:\\\\Windows\\\\System32\\\\cmd.exe\" "
	  "ppid=\"512\" pname=\"explorer.exe\" cmd=\"cmd.exe /c whoami\"] cmd.exe pid=7084 "
	  "CORP\\bob@WS01 -> 93.184.216.34:443/tcp rule=\"Command Prompt Network Connection\" "
	  "sev=low risk=21 conf=0.98" },
	{ FORMAT_cef, false, 700,
	  "CEF:0|procspan|procspan|0.1|89f9a4b0-9f8f-4ee0-8823-c4751a6d6696|Command Prompt Network "
	  "Connection|2|cat=procspan/alert act=detected cnt=1 "
	  "externalId=219373ef-04df-88ba-b7da-b166dbb136b6 src=10.1.2.3 spt=49712 "
	  "dst=93.184.216.34 "
	  "dpt=443 proto=tcp sproc=cmd.exe spid=7084 shost=WS01 procspanTruncated=1 "
	  "procspanCut=rt,start,end,cn1,out,suser,sntdom,filePath,fileHash,cs1,cs3,flexString2,cs5,"
	  "cs6,"
	  "cfp1,cfp2,cn2,dvchost,ruleAuthor,ruleLicense,ruleVersion,ruleTags,ruleIndex,"
	  "ruleInterval,"
	  "ruleLookBack,ruleMaxSignals,ruleReferences,ruleFalsePositives,reason,ruleGuide,cs4,"
	  "procspanParent,msg,cs2" },
	{ FORMAT_leef, true, 420,
	  "<133>1 2020-09-20T16:16:09.362Z sensor1 procspan 4242 ALERT - "
	  "LEEF:2.0|procspan|procspan|0.1|89f9a4b0-9f8f-4ee0-8823-c4751a6d6696|^|cat=procspan/"
	  "alert^"
	  "devTime=2020-09-20T16:16:09.362Z^devTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX^"
	  "alertId=219373ef-04df-88ba-b7da-b166dbb136b6^src=10.1.2.3^srcPort=49712^dst=93.184.216."
	  "34^"
	  "dstPort=443^proto=tcp^identHostName=WS01^processName=cmd.exe^processId=7084^truncated="
	  "1" },
	{ FORMAT_ecs, true, 330,
	  "<133>1 2020-09-20T16:16:09.362123Z sensor1 procspan 4242 ALERT - "
	  "{\"@timestamp\":\"2020-09-20T16:16:09.362123456Z\",\"event\":{\"kind\":\"alert\",\"id\":"
	  "\"219373ef-04df-88ba-b7da-b166dbb136b6\"},\"rule\":{\"id\":"
	  "\"89f9a4b0-9f8f-4ee0-8823-c4751a6d6696\",\"name\":\"Command Prompt Network Connection\","
	  "\"version\":\"5\"},\"procspan\":{\"truncated\":true}}" },
};

static void messages_are_as_written_down(void **state)
{
	(void)state;
	struct alert alert;
	sample_alert_make(NULL, &alert);
	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		size_t size;
		bool truncated;
		char *text = format_in(golden[i].format, &alert, golden[i].max_size,
				       golden[i].syslog_header, &size, &truncated);
		assert_string_equal(text, golden[i].text);
		free(text);
	}
	sample_alert_free(&alert);
}

/* --- the whole alert in ECS ------------------------------------------------------------------- */

static json_t *at_path(json_t *json, const char *path)
{
	char copy[256];
	char *rest = NULL;
	snprintf(copy, sizeof(copy), "%s", path);
	for (char *name = strtok_r(copy, ".", &rest); name && json;
	     name = strtok_r(NULL, ".", &rest))
		json = json_is_array(json) ? json_array_get(json, strtoul(name, NULL, 10))
					   : json_object_get(json, name);
	return json;
}

static void ecs_alert_carries_everything(void **state)
{
	(void)state;
	static const struct {
		const char *path;
		const char *text; /* as compact JSON */
	} wanted[] = {
		{ "event.kind", "\"alert\"" },
		{ "event.risk_score", "21" },
		{ "event.created", "\"2020-09-20T16:16:09.362123456Z\"" },
		{ "rule.uuid", "\"89f9a4b0-9f8f-4ee0-8823-c4751a6d6696\"" },
		{ "rule.version", "\"5\"" },
		{ "rule.author", "[\"Elastic\",\"procspan\"]" },
		{ "threat.tactic.id", "[\"TA0002\",\"TA0011\"]" },
		{ "threat.technique.id", "[\"T1059\",\"T1105\"]" },
		{ "threat.technique.subtechnique.id", "[\"T1059.003\"]" },
		{ "tags.4", "\"Execution\"" },
		{ "procspan.rule.severity", "\"low\"" },
		{ "procspan.rule.index", "[\"winlogbeat-*\",\"logs-endpoint.events.*\"]" },
		{ "procspan.rule.interval", "\"5m\"" },
		{ "procspan.rule.look_back", "\"9m\"" },
		{ "procspan.rule.max_signals", "100" },
		{ "procspan.rule.false_positives.0",
		  "\"Administrators use the command prompt for regular work. Baseline your "
		  "environment.\"" },
		{ "process.pid", "7084" },
		{ "process.command_line", "\"cmd.exe /c whoami\"" }, /* from the first event */
		{ "user.domain", "\"CORP\"" },
		{ "destination.ip", "\"93.184.216.34\"" },
		{ "network.community_id", "\"1:fl30i+av+8vQBfsyffvQQLjDTSg=\"" },
		{ "related.hosts", "[\"WS01\"]" },
		{ "procspan.attribution.confidence", "0.98" },
		{ "procspan.quality.degraded", "false" },
		{ "procspan.sequence.0.procspan.host_time", "\"2020-09-20T16:16:08.488000000Z\"" },
		{ "procspan.sequence.0.procspan.wire_time", "\"2020-09-20T16:16:08.900000000Z\"" },
		{ "procspan.sequence.1.destination.port", "443" },
	};
	struct alert alert;
	sample_alert_make(NULL, &alert);
	size_t size;
	bool truncated;
	char *text = format_in(FORMAT_ecs, &alert, 8000, false, &size, &truncated);
	json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		json_t *found = at_path(json, wanted[i].path);
		char *got = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT |
							      JSON_REAL_PRECISION(15))
				  : NULL;
		if (!got || strcmp(got, wanted[i].text) != 0)
			fail_msg("%s is %s", wanted[i].path, got ? got : "missing");
		free(got);
	}
	assert_null(json_object_get(json, "kibana"));
	assert_false(truncated);
	json_decref(json);
	free(text);
	sample_alert_free(&alert);
}

static void fields_of_another_process_do_not_mix_in(void **state)
{
	(void)state;
	static const struct sample other = {
		.command_line = "other.exe",
		.user = "eve",
		.process_name = "other.exe",
		.host = "WS02",
	};
	struct alert alert;
	struct alert stranger;
	sample_alert_make(NULL, &alert);
	sample_alert_make(&other, &stranger);
	/* The stranger's start, then our connection: same entity id, so make it differ. */
	struct event *event = (struct event *)(uintptr_t)stranger.events[0];
	struct event_text *entity =
		(struct event_text *)(uintptr_t)event_text(event, FIELD_process_entity_id);
	entity->bytes[1] = '9';
	const struct event *own = alert.events[0];
	alert.events[0] = event;
	size_t size;
	bool truncated;
	char *text = format_in(FORMAT_rfc5424, &alert, 8000, true, &size, &truncated);
	assert_true(parse_rfc5424(text, size, &parsed));
	assert_null(parsed_value(&parsed, "proc@32473", "cmd"));
	assert_null(parsed_value(&parsed, "proc@32473", "user"));
	assert_string_equal(parsed_value(&parsed, "proc@32473", "host"), "WS01");
	alert.events[0] = own;
	free(text);
	sample_alert_free(&alert);
	sample_alert_free(&stranger);
}

/* --- severities ------------------------------------------------------------------------------- */

static void severities_are_mapped_by_band(void **state)
{
	(void)state;
	static const struct {
		enum rule_severity severity;
		int risk, syslog, cef, eve;
	} cases[] = {
		{ SEVERITY_LOW, 0, 5, 1, 3 },	      { SEVERITY_LOW, 21, 5, 2, 3 },
		{ SEVERITY_MEDIUM, 22, 4, 4, 2 },     { SEVERITY_MEDIUM, 47, 4, 6, 2 },
		{ SEVERITY_HIGH, 48, 3, 7, 1 },	      { SEVERITY_HIGH, 73, 3, 8, 1 },
		{ SEVERITY_CRITICAL, 74, 2, 9, 1 },   { SEVERITY_CRITICAL, 99, 2, 10, 1 },
		{ SEVERITY_CRITICAL, 100, 2, 10, 1 }, { SEVERITY_HIGH, 5, 3, 7, 1 },
		{ SEVERITY_LOW, 99, 5, 2, 3 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct severity got = severity_of(cases[i].severity, cases[i].risk);
		if (got.syslog != cases[i].syslog || got.cef != cases[i].cef ||
		    got.eve != cases[i].eve)
			fail_msg("risk %d: syslog %d cef %d eve %d", cases[i].risk, got.syslog,
				 got.cef, got.eve);
	}
}

/* --- hostile values --------------------------------------------------------------------------- */

enum { HOSTILE_BYTES = 30000 };

static const struct {
	const char *name;
	const char *pattern; /* repeated to 30 KB */
} hostile[] = {
	{ "quotes and brackets", "\"]\\\"]\\]" },
	{ "pipes and equals", "a|b=c\\|\\=" },
	{ "carets", "p^o^w^e^r=^" },
	{ "newlines and tabs", "x\r\n\t\x0b\x1b[2J\x7f" },
	{ "UTF-8 of every length", "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
	{ "not UTF-8", "\xff\xc3\xe2\x82\xf0\x9f\x98 \xc0\x80\xed\xa0\x80\xf8" },
	{ "C1 controls", "\xc2\x9b\xc2\x80\xc2\x85" },
	{ "keys of ours", " cs2=x id=\"y\"] [alert@32473 id=\"z\"]" },
	{ "spaces", "        " },
};

static char *repeat(const char *pattern, size_t size)
{
	char *text = malloc(size + 1);
	const size_t unit = strlen(pattern);
	for (size_t i = 0; i < size; i++)
		text[i] = pattern[i % unit];
	text[size] = '\0';
	return text;
}

static const char *payload_of(const char *text)
{
	for (int spaces = 0; *text && spaces < 7; text++)
		spaces += *text == ' ';
	return text;
}

/* The one format of several lines. */
static const char *check_lines(const char *text, size_t size)
{
	const char *const end = text + size;
	for (const char *line = text, *stop; line < end; line = stop + 1) {
		stop = memchr(line, '\n', (size_t)(end - line));
		if (!stop)
			stop = end;
		if (!is_clean_utf8(line, (size_t)(stop - line)))
			return "controls or bad UTF-8";
	}
	return size ? NULL : "nothing";
}

/* NULL, or what is wrong with the message. */
static const char *check(enum format format, bool header, const char *text, size_t size)
{
	if (format == FORMAT_text)
		return check_lines(text, size);
	if (!is_clean_utf8(text, size))
		return "controls or bad UTF-8";
	if (header || format == FORMAT_rfc5424) {
		if (!parse_rfc5424(text, size, &parsed))
			return parsed.wrong;
		if (format == FORMAT_rfc5424)
			return parsed_value(&parsed, "alert@32473", "id") ? NULL : "no id";
		const char *payload = payload_of(text);
		size -= (size_t)(payload - text);
		text = payload;
	}
	if (format == FORMAT_cef)
		return parse_cef(text, size, &parsed) && parsed_value(&parsed, NULL, "externalId")
			       ? NULL
		       : parsed.wrong ? parsed.wrong
				      : "no id";
	if (format == FORMAT_leef)
		return parse_leef(text, size, &parsed) && parsed_value(&parsed, NULL, "alertId")
			       ? NULL
		       : parsed.wrong ? parsed.wrong
				      : "no id";
	json_error_t error;
	json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	json_decref(json);
	return json ? NULL : "no JSON";
}

static void check_sizes(const char *name, const struct alert *alert, size_t step)
{
	for (enum format format = 0; format < FORMAT_COUNT; format++)
		for (size_t limit = 300; limit <= 10000; limit += step) {
			size_t size;
			bool truncated;
			const bool header = limit % 2 == 0;
			char *text = format_in(format, alert, limit, header, &size, &truncated);
			const char *wrong = check(format, header, text, size);
			if (wrong)
				fail_msg("%s, %s, %zu: %s\n%s", name, format_name(format), limit,
					 wrong, text);
			free(text);
		}
}

static void hostile_values_stay_inside_at_every_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		char *text = repeat(hostile[i].pattern, HOSTILE_BYTES);
		const struct sample sample = {
			.command_line = text,
			.user = text,
			.process_name = text,
			.parent_command_line = text,
			.host = text,
		};
		struct alert alert;
		sample_alert_make(&sample, &alert);
		check_sizes(hostile[i].name, &alert, 769);
		sample_alert_free(&alert);
		free(text);
	}
}

static void every_size_is_kept_to(void **state)
{
	(void)state;
	char *text = repeat("cmd /c \"echo \\ ] | = ^ \xe2\x82\xac\" & ", HOSTILE_BYTES);
	const struct sample sample = {
		.command_line = text,
		.user = "b\xc3\xb6"
			"b",
		.process_name = "cmd.exe",
		.parent_command_line = "explorer.exe",
		.host = "WS01",
	};
	struct alert alert;
	sample_alert_make(&sample, &alert);
	check_sizes("long command line", &alert, 97);
	sample_alert_free(&alert);
	sample_alert_make(NULL, &alert);
	check_sizes("harmless", &alert, 53);
	sample_alert_free(&alert);
	free(text);
}

static void command_line_is_cut_between_characters(void **state)
{
	(void)state;
	char *text = repeat("\xe2\x82\xac", HOSTILE_BYTES);
	const struct sample sample = { .command_line = text, .process_name = "cmd.exe" };
	struct alert alert;
	sample_alert_make(&sample, &alert);
	for (size_t limit = 2000; limit < 2012; limit++) {
		size_t size;
		bool truncated;
		char *message = format_in(FORMAT_rfc5424, &alert, limit, true, &size, &truncated);
		assert_true(truncated && parse_rfc5424(message, size, &parsed));
		const char *cut = parsed_value(&parsed, "proc@32473", "cmd");
		assert_true(cut && strlen(cut) > 300 && strlen(cut) % 3 == 0);
		assert_int_equal(strncmp(cut, text, strlen(cut)), 0);
		assert_true(size + 3 > limit); /* no more was cut than had to be */
		assert_non_null(strstr(parsed_value(&parsed, "alert@32473", "cut"), "cmd"));
		assert_string_equal(parsed_value(&parsed, "alert@32473", "truncated"), "1");
		free(message);
	}
	sample_alert_free(&alert);
	free(text);
}

static void escaped_values_come_back_whole(void **state)
{
	(void)state;
	const struct sample sample = {
		.command_line = "cmd /c \"a|b\" ] \\ = ^ x",
		.user = "bob",
		.process_name = "cmd.exe",
		.host = "WS01",
	};
	struct alert alert;
	sample_alert_make(&sample, &alert);
	size_t size;
	bool truncated;
	char *text = format_in(FORMAT_rfc5424, &alert, 8000, true, &size, &truncated);
	assert_true(parse_rfc5424(text, size, &parsed));
	assert_string_equal(parsed_value(&parsed, "proc@32473", "cmd"), sample.command_line);
	assert_string_equal(parsed_value(&parsed, "proc@32473", "user"), "CORP\\bob");
	free(text);
	text = format_in(FORMAT_cef, &alert, 8000, false, &size, &truncated);
	assert_true(parse_cef(text, size, &parsed));
	assert_string_equal(parsed_value(&parsed, NULL, "cs2"), sample.command_line);
	free(text);
	text = format_in(FORMAT_leef, &alert, 8000, false, &size, &truncated);
	assert_true(parse_leef(text, size, &parsed));
	assert_string_equal(parsed_value(&parsed, NULL, "commandLine"),
			    "cmd /c \"a|b\" ] \\ = \\x5e x");
	free(text);
	sample_alert_free(&alert);
}

static void same_alert_gives_the_same_bytes(void **state)
{
	(void)state;
	for (enum format format = 0; format < FORMAT_COUNT; format++) {
		size_t size[2];
		bool truncated;
		char *text[2];
		for (int i = 0; i < 2; i++) {
			struct alert alert;
			sample_alert_make(NULL, &alert);
			text[i] = format_in(format, &alert, 8000, true, &size[i], &truncated);
			sample_alert_free(&alert);
		}
		assert_string_equal(text[0], text[1]);
		free(text[0]);
		free(text[1]);
	}
}

static void alert_without_events_or_metadata_is_a_message_too(void **state)
{
	(void)state;
	static const struct rule bare = { .id = "x", .name = "y", .version = "1" };
	struct alert alert = { .rule = &bare, .event_count = 3 }; /* three missing events */
	alert_identify(&alert, 1);
	check_sizes("bare", &alert, 977);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_as_written_down),
		cmocka_unit_test(ecs_alert_carries_everything),
		cmocka_unit_test(fields_of_another_process_do_not_mix_in),
		cmocka_unit_test(severities_are_mapped_by_band),
		cmocka_unit_test(hostile_values_stay_inside_at_every_size),
		cmocka_unit_test(every_size_is_kept_to),
		cmocka_unit_test(command_line_is_cut_between_characters),
		cmocka_unit_test(escaped_values_come_back_whole),
		cmocka_unit_test(same_alert_gives_the_same_bytes),
		cmocka_unit_test(alert_without_events_or_metadata_is_a_message_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
