/* Alerts as blocks of bytes, and events as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "correlator/output.h"
#include "tests/support_alert.h"

static void unpacked_alert_equals_the_packed_one(void **state)
{
	(void)state;
	struct alert alert;
	sample_alert_make(NULL, &alert);
	alert.event_count = 3;
	alert.events[2] = alert.events[1];
	alert.events[1] = NULL; /* a missing event */
	alert.update_count = 2;
	alert.kind = ALERT_UPDATE;
	void *block = malloc(alert_packed_bytes(&alert)); /* exact: ASan sees one byte too far */
	alert_pack(&alert, block);
	struct alert back;
	alert_unpack(block, &back);
	assert_int_equal(back.kind, ALERT_UPDATE);
	assert_int_equal(back.update_count, 2);
	assert_ptr_equal(back.rule, alert.rule);
	assert_string_equal(back.id, alert.id);
	assert_int_equal(back.time_ns, alert.time_ns);
	assert_int_equal(back.event_count, 3);
	assert_null(back.events[1]);
	assert_memory_equal(back.events[0], alert.events[0], alert.events[0]->size_bytes);
	assert_memory_equal(back.events[2], alert.events[2], alert.events[2]->size_bytes);
	free(block);
	sample_alert_free(&alert);
}

static void id_depends_on_the_match_alone(void **state)
{
	(void)state;
	struct alert alert;
	sample_alert_make(NULL, &alert);
	struct alert other = alert;
	other.events[1] = NULL; /* later evidence may change the events and their times */
	alert_identify(&other, 4711);
	assert_string_equal(other.id, alert.id);
	assert_int_not_equal(other.time_ns, alert.time_ns);
	alert_identify(&other, 4712);
	assert_string_not_equal(other.id, alert.id);
	assert_int_equal(strlen(alert.id), 36);
	assert_int_equal(alert.id[14], '8');
	assert_non_null(strchr("89ab", alert.id[19]));
	sample_alert_free(&alert);
}

static void event_becomes_nested_json(void **state)
{
	(void)state;
	struct alert alert;
	const struct sample sample = {
		.command_line = "a\x01\x7f\xff\"\\",
		.user = "b\xc3\xb6"
			"b",
		.process_name = "cmd.exe",
		.host = "WS01",
	};
	sample_alert_make(&sample, &alert);
	char text[4096];
	const size_t length =
		event_format_json(alert.events[0], sample_fields(), text, sizeof(text));
	assert_int_equal(strlen(text), length);
	assert_string_equal(
		text, "{\"@timestamp\":\"2020-09-20T16:16:08.900000000Z\",\"event\":{\"category\":"
		      "\"process\","
		      "\"type\":\"start\",\"code\":\"1\"},\"host\":{\"name\":\"WS01\"},\"process\":"
		      "{\"name\":"
		      "\"cmd.exe\",\"pid\":7084,\"entity_id\":\"{1afd0000-0001}\",\"executable\":"
		      "\"C:\\\\Windows\\\\System32\\\\cmd.exe\",\"command_line\":"
		      "\"a\\u0001\xef\xbf\xbd\xef\xbf\xbd"
		      "\\\"\\\\\",\"hash\":{\"sha256\":\"9f2feb0f3c1c0d1ee4c0e2f8\"},\"parent\":{"
		      "\"name\":"
		      "\"explorer.exe\",\"pid\":512}},\"user\":{\"name\":\"b\xc3\xb6"
		      "b\",\"domain\":\"CORP\"}}");
	for (size_t size = 1; size <= length; size++) { /* a short buffer is cut, and ended */
		char *exact = malloc(size);
		assert_int_equal(event_format_json(alert.events[0], sample_fields(), exact, size),
				 length);
		assert_int_equal(exact[size - 1], '\0');
		free(exact);
	}
	event_format_json(alert.events[1], sample_fields(), text, sizeof(text));
	assert_non_null(strstr(text, "\"confidence\":0.98,"));
	assert_non_null(strstr(text, "\"destination\":{\"ip\":\"93.184.216.34\",\"port\":443}"));
	sample_alert_free(&alert);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unpacked_alert_equals_the_packed_one),
		cmocka_unit_test(id_depends_on_the_match_alone),
		cmocka_unit_test(event_becomes_nested_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
