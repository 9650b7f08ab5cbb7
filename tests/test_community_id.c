/* Community ID against the values that its specification publishes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "collector/flow.h"

static void known_flows_have_their_published_ids(void **state)
{
	(void)state;
	static const struct {
		const char *source;
		const char *destination;
		uint16_t source_port;
		uint16_t destination_port;
		uint8_t ip_protocol;
		uint16_t seed;
		const char *id;
	} cases[] = {
		{ "128.232.110.120", "66.35.250.204", 34855, 80, 6, 0,
		  "1:LQU9qZlK+B5F3KDmev6m5PMibrg=" },
		{ "66.35.250.204", "128.232.110.120", 80, 34855, 6, 0,
		  "1:LQU9qZlK+B5F3KDmev6m5PMibrg=" },
		{ "192.168.1.52", "8.8.8.8", 54585, 53, 17, 0, "1:d/FP5EW3wiY1vCndhwleRRKHowQ=" },
		{ "1.2.3.4", "5.6.7.8", 1122, 3344, 6, 0, "1:wCb3OG7yAFWelaUydu0D+125CLM=" },
		{ "1.2.3.4", "5.6.7.8", 1122, 3344, 17, 0, "1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg=" },
		{ "192.168.0.89", "192.168.0.1", 8, 0, 1, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=" },
		{ "192.168.0.1", "192.168.0.89", 0, 0, 1, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip_address source;
		struct ip_address destination;
		char id[COMMUNITY_ID_TEXT_MAX];
		ip_address_parse(cases[i].source, strlen(cases[i].source), &source);
		ip_address_parse(cases[i].destination, strlen(cases[i].destination), &destination);
		community_id(cases[i].seed, &source, cases[i].source_port, &destination,
			     cases[i].destination_port, cases[i].ip_protocol, id);
		assert_string_equal(id, cases[i].id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_flows_have_their_published_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
