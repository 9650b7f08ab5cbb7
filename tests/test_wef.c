/* Windows Event Forwarding, the collector's side: compression, encoding, envelopes, answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/input/sldc.h"
#include "collector/input/utf16.h"
#include "collector/input/wef.h"
#include "tests/support_shared.h"

#define HEAD                                                                                       \
	"<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'"                            \
	" xmlns:a='http://schemas.xmlsoap.org/ws/2004/08/addressing'"                              \
	" xmlns:x='http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd'"                                \
	" xmlns:p='http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd'><s:Header>"                \
	"<m:MachineID xmlns:m='http://schemas.microsoft.com/wbem/wsman/1/machineid'> "             \
	"ws01.corp\n</m:MachineID>"                                                                \
	"<a:MessageID>uuid:AbC</a:MessageID><p:OperationID>uuid:OP</p:OperationID>"
#define ACTION(uri) "<a:Action>" uri "</a:Action>"
#define TAIL	    "</s:Envelope>"
#define EVENTS	    "http://schemas.dmtf.org/wbem/wsman/1/wsman/Events"
#define HEARTBEAT   "http://schemas.dmtf.org/wbem/wsman/1/wsman/Heartbeat"
#define ENUMERATE   "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate"
#define BOOKMARK                                                                                   \
	"<x:Bookmark><BookmarkList><Bookmark Channel=\"Security\" "                                \
	"RecordId=\"7\"/></BookmarkList></x:Bookmark>"

enum { TEXT_MAX_BYTES = 65536 };

struct taken {
	size_t event_count;
	size_t bookmark_count;
	size_t checkpoint_count;
	char last_event[256];
	char bookmark[512];
};

static void take_document(void *context, enum document_kind kind, const char *bytes,
			  size_t size_bytes)
{
	struct taken *taken = context;
	if (kind == DOCUMENT_XML) {
		taken->event_count++;
		snprintf(taken->last_event, sizeof(taken->last_event), "%.*s", (int)size_bytes,
			 bytes);
	} else {
		taken->bookmark_count++;
		snprintf(taken->bookmark, sizeof(taken->bookmark), "%.*s", (int)size_bytes, bytes);
	}
}

static void take_checkpoint(void *context)
{
	((struct taken *)context)->checkpoint_count++;
}

static bool find_bookmark(void *context, const char *machine, char out_bookmark[WEF_BOOKMARK_MAX])
{
	(void)context;
	if (strcmp(machine, "ws01.corp") != 0)
		return false;
	strcpy(out_bookmark, "<BookmarkList/>");
	return true;
}

static struct wef_settings settings_for_tests(void)
{
	struct wef_settings settings = { .base_url = "https://collector.example:5986",
					 .query = "<QueryList/>",
					 .issuer_thumbprint = "AB",
					 .heartbeat_s = 60,
					 .latency_s = 2,
					 .find_bookmark = find_bookmark };
	session_limits_default(&settings.limits);
	return settings;
}

/* Posts UTF-16 bytes; what was answered comes back as UTF-8 in `text`. */
static int post(const void *body, size_t body_bytes, const char *coding, struct taken *taken,
		char text[TEXT_MAX_BYTES])
{
	const struct wef_settings settings = settings_for_tests();
	const struct session_sink sink = { taken, take_document, take_checkpoint, NULL };
	char *exact = malloc(body_bytes ? body_bytes : 1);
	memcpy(exact, body, body_bytes);
	const struct http_request request = { .method = "POST",
					      .path = "/wsman/SubscriptionManager/WEC",
					      .content_encoding = coding,
					      .body = exact,
					      .body_bytes = body_bytes };
	struct http_response response;
	*taken = (struct taken){ 0 };
	wef_respond(&settings, &request, &sink, &response);
	const size_t size =
		utf8_from_utf16le(response.body, response.body_bytes, text, TEXT_MAX_BYTES - 1);
	text[size] = '\0';
	http_response_release(&response);
	free(exact);
	return response.status;
}

static int post_text(const char *xml, struct taken *taken, char text[TEXT_MAX_BYTES])
{
	char body[TEXT_MAX_BYTES];
	const size_t size = utf16le_from_utf8(xml, strlen(xml), body, sizeof(body));
	return post(body, size, NULL, taken, text);
}

static void envelopes_are_answered_and_their_events_taken(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *xml;
		int status;
		size_t event_count;
		size_t bookmark_count;
		size_t checkpoint_count;
		const char *says;
	} cases[] = {
		{ "enumerate", HEAD ACTION(ENUMERATE) "</s:Header><s:Body/>" TAIL, 200, 0, 0, 0,
		  "<w:Bookmark><BookmarkList/></w:Bookmark>" },
		{ "heartbeat",
		  HEAD ACTION(HEARTBEAT) "</s:Header><s:Body><x:Events/></s:Body>" TAIL, 200, 0, 0,
		  1, "wsman/Ack</a:Action>" },
		{ "events in CDATA",
		  HEAD ACTION(EVENTS) BOOKMARK
		  "</s:Header><s:Body><x:Events><x:Event>\n<![CDATA[<Event>1</Event>]]> "
		  "</x:Event><x:Event><![CDATA[<Event>2</Event>]]></x:Event></x:Events></"
		  "s:Body>" TAIL,
		  200, 2, 1, 1, "<a:RelatesTo>uuid:AbC</a:RelatesTo>" },
		{ "the operation's id comes back",
		  HEAD ACTION(HEARTBEAT) "</s:Header><s:Body/>" TAIL, 200, 0, 0, 1,
		  ">uuid:OP</p:OperationID>" },
		{ "an event that is not wrapped",
		  HEAD ACTION(EVENTS) "</s:Header><s:Body><x:Events><x:Event><Event/></x:Event></"
				      "x:Events></s:Body>" TAIL,
		  400, 0, 0, 0, NULL },
		{ "an unknown action", HEAD ACTION("http://example/x") "</s:Header><s:Body/>" TAIL,
		  400, 0, 0, 0, NULL },
		{ "a document type", "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", 400, 0, 0, 0,
		  NULL },
		{ "cut",
		  HEAD ACTION(EVENTS) "</s:Header><s:Body><x:Events><x:Event><![CDATA[<Event>", 400,
		  0, 0, 0, NULL },
		{ "no XML", "hello", 400, 0, 0, 0, NULL },
		{ "nothing: a probe", "", 200, 0, 0, 0, NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = malloc(TEXT_MAX_BYTES);
		struct taken taken;
		const int status = *cases[i].xml ? post_text(cases[i].xml, &taken, text)
						 : post("", 0, NULL, &taken, text);
		if (status != cases[i].status || taken.event_count != cases[i].event_count ||
		    taken.bookmark_count != cases[i].bookmark_count ||
		    taken.checkpoint_count != cases[i].checkpoint_count ||
		    (cases[i].says && !strstr(text, cases[i].says)))
			fail_msg("%s: %d, %zu events: %s", cases[i].name, status, taken.event_count,
				 text);
		if (taken.bookmark_count)
			assert_string_equal(
				taken.bookmark,
				"ws01.corp\n<BookmarkList><Bookmark Channel=\"Security\" "
				"RecordId=\"7\"/></BookmarkList>");
		if (taken.event_count)
			assert_string_equal(taken.last_event, "<Event>2</Event>");
		free(text);
	}
}

static void every_prefix_of_an_envelope_is_survived(void **state)
{
	(void)state;
	static const char xml[] = HEAD ACTION(EVENTS) BOOKMARK
		"</s:Header><s:Body><x:Events><x:Event><![CDATA[<Event/>]]>"
		"</x:Event></x:Events></s:Body>" TAIL;
	char *text = malloc(TEXT_MAX_BYTES);
	char body[TEXT_MAX_BYTES];
	const size_t size = utf16le_from_utf8(xml, sizeof(xml) - 1, body, sizeof(body));
	for (size_t cut = 1; cut < size; cut += 3) {
		struct taken taken;
		assert_int_equal(post(body, cut, "SLDC", &taken, text), 400);
		assert_int_equal(taken.event_count, 0);
	}
	free(text);
}

static void subscription_changes_its_id_exactly_when_it_changes(void **state)
{
	(void)state;
	struct wef_settings settings = settings_for_tests();
	char first[WEF_ID_TEXT_MAX];
	char second[WEF_ID_TEXT_MAX];
	wef_subscription_id(&settings, first);
	wef_subscription_id(&settings, second);
	assert_string_equal(first, second);
	assert_int_equal(strlen(first), 36);
	settings.latency_s++;
	wef_subscription_id(&settings, second);
	assert_string_not_equal(first, second);
	char *policy = wef_policy_string(&settings, 60);
	assert_string_equal(policy, "Server=https://collector.example:5986/wsman/"
				    "SubscriptionManager/WEC,Refresh=60,IssuerCA=AB");
	free(policy);
}

static void text_survives_both_encodings(void **state)
{
	(void)state;
	static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82z";
	uint8_t wide[64];
	char back[64];
	const size_t wide_bytes = utf16le_from_utf8(text, sizeof(text) - 1, wide, sizeof(wide));
	const size_t back_bytes = utf8_from_utf16le(wide, wide_bytes, back, sizeof(back));
	assert_int_equal(back_bytes, sizeof(text) - 1);
	assert_memory_equal(back, text, back_bytes);
	/* lone surrogates and bytes that are no UTF-8 become U+FFFD */
	assert_int_equal(utf8_from_utf16le("\x00\xd8"
					   "A\0\x00\xdc",
					   6, back, sizeof(back)),
			 7);
	assert_memory_equal(back,
			    "\xef\xbf\xbd"
			    "A\xef\xbf\xbd",
			    7);
	assert_int_equal(utf16le_from_utf8("\xff\xc3", 2, wide, sizeof(wide)), 6);
	assert_memory_equal(wide, "\xff\xfe\xfd\xff\xfd\xff", 6);
}

/* --- recorded messages ------------------------------------------------------------------------ */

static char *read_shared(const char *name, size_t *out_size)
{
	char relative[128];
	snprintf(relative, sizeof(relative), "ingest/wef/%s", name);
	const char *path = shared_path(relative);
	return path ? read_whole_file(path, 0, out_size) : NULL;
}

static void recorded_messages_decompress_to_their_plain_text(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{ "sldc_real_heartbeat.sldc", "sldc_real_heartbeat.plain" },
		{ "events_winrm.utf16le.sldc", "events_winrm.utf16le.bin" },
		{ "events_sysmon_security.utf16le.sldc", "events_sysmon_security.utf16le.bin" },
	};
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		size_t packed_bytes;
		size_t plain_bytes;
		char *packed = read_shared(pairs[i][0], &packed_bytes);
		if (!packed)
			return;
		char *plain = read_shared(pairs[i][1], &plain_bytes);
		char *out = malloc(plain_bytes);
		assert_int_equal(sldc_decode(packed, packed_bytes, out, plain_bytes), plain_bytes);
		assert_memory_equal(out, plain, plain_bytes);
		assert_int_equal(sldc_decode(packed, packed_bytes, out, plain_bytes - 1),
				 -EMSGSIZE);
		for (size_t cut = 0; cut + 64 < packed_bytes; cut += 97) {
			char *exact = malloc(cut + 1);
			memcpy(exact, packed, cut);
			assert_true(sldc_decode(exact, cut, out, plain_bytes) < 0);
			free(exact);
		}
		free(out);
		free(plain);
		free(packed);
	}
}

static void recorded_conversation_is_answered(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *coding;
		size_t event_count;
		const char *says;
	} cases[] = {
		{ "enumerate.utf16le.bin", NULL, 0,
		  "<n:EnumerationContext></n:EnumerationContext>" },
		{ "enumerate.utf16le.sldc", "SLDC", 0, "EnumerateResponse" },
		{ "heartbeat.utf16le.sldc", "SLDC", 0,
		  "uuid:EEC04F74-A27D-4C3A-AEF5-BC5BF54359BA</a:RelatesTo>" },
		{ "end.utf16le.bin", "SLDC", 0, "" },
		{ "events_winrm.utf16le.sldc", "SLDC", 21, "wsman/Ack" },
		{ "events_sysmon_security.utf16le.bin", NULL, 30, "wsman/Ack" },
	};
	char *text = malloc(TEXT_MAX_BYTES);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t size;
		char *body = read_shared(cases[i].name, &size);
		if (!body)
			break;
		struct taken taken;
		const int status = post(body, size, cases[i].coding, &taken, text);
		if (status != 200 || !strstr(text, cases[i].says) ||
		    taken.event_count < cases[i].event_count)
			fail_msg("%s: %d, %zu events", cases[i].name, status, taken.event_count);
		free(body);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(envelopes_are_answered_and_their_events_taken),
		cmocka_unit_test(every_prefix_of_an_envelope_is_survived),
		cmocka_unit_test(subscription_changes_its_id_exactly_when_it_changes),
		cmocka_unit_test(text_survives_both_encodings),
		cmocka_unit_test(recorded_messages_decompress_to_their_plain_text),
		cmocka_unit_test(recorded_conversation_is_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
