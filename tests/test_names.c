/* Names read off the wire: DNS, DHCP, TLS with JA4, HTTP; whole, in pieces, out of order, cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support_packet.h"

struct fixture {
	struct counters counters;
	struct tracker *tracker;
	struct found found;
};

static struct fixture *open_fixture(void)
{
	static const struct tracker_settings settings = { .max_flows = 8 };
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	const struct tracker_sink sink = found_sink(&fixture->found);
	fixture->tracker = tracker_open(&settings, &sink, &fixture->counters);
	assert_non_null(fixture->tracker);
	return fixture;
}

static void close_fixture(struct fixture *fixture)
{
	tracker_finish(fixture->tracker);
	assert_true(counter_identities_hold(&fixture->counters, stdout));
	tracker_close(fixture->tracker);
	found_clear(&fixture->found);
	free(fixture);
}

/* Headers, then payload, in a block of exactly their size. */
static void give(struct fixture *fixture, const char *headers, size_t header_bytes,
		 const void *payload, size_t payload_bytes)
{
	uint8_t *copy = malloc(header_bytes + payload_bytes);
	assert_non_null(copy);
	memcpy(copy, headers, header_bytes);
	memcpy(copy + header_bytes, payload, payload_bytes);
	const struct packet packet =
		packet_of(copy, header_bytes + payload_bytes, UINT64_C(1600000000000000000));
	tracker_packets(fixture->tracker, &packet, 1);
	free(copy);
}

#define UDP_HEADERS(ports)	LITERAL(ETHERNET(IPV4_TYPE) IPV4("\x11") UDP_TO(ports))
#define UDP_HEADERS_BACK(ports) LITERAL(ETHERNET(IPV4_TYPE) IPV4_BACK("\x11") UDP_TO(ports))

static void assert_address(const struct ip_address *address, const char *text)
{
	char actual[IP_ADDRESS_TEXT_MAX];
	ip_address_format(address, actual);
	assert_string_equal(actual, text);
}

/* --- DNS -------------------------------------------------------------------------------------- */

#define DNS_HEADER(answers) "\x12\x34\x81\x80\0\1\0" answers "\0\0\0\0"
#define DNS_QUESTION	    "\3wWw\7example\3com\0\0\1\0\1"
#define DNS_ALIAS	    "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\6\3cdn\xc0\x10" /* www is cdn, for 60 s */
#define DNS_IPV4	    "\xc0\x2d\0\1\0\1\0\0\1\x2c\0\4\x5d\xb8\xd8\x22"
#define DNS_IPV6	    "\xc0\x2d\0\x1c\0\1\0\0\0\x1e\0\x10\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7"
#define DNS_ANSWER	    DNS_HEADER("\3") DNS_QUESTION DNS_ALIAS DNS_IPV4 DNS_IPV6

static void dns_answer_names_each_address_through_its_aliases(void **state)
{
	(void)state;
	struct fixture *fixture = open_fixture();
	give(fixture, UDP_HEADERS("\x9c\x40\0\x35"),
	     LITERAL("\x12\x34\1\0\0\1\0\0\0\0\0\0" DNS_QUESTION));
	assert_int_equal(fixture->found.name_count, 0);
	give(fixture, UDP_HEADERS_BACK("\0\x35\x9c\x40"), LITERAL(DNS_ANSWER));
	assert_int_equal(fixture->found.name_count, 2);
	const struct wire_name *first = &fixture->found.names[0];
	assert_int_equal(first->kind, WIRE_NAME_DNS);
	assert_string_equal(first->name, "www.example.com");
	assert_address(&first->address, "93.184.216.34");
	assert_address(&first->subject, "10.0.0.1");
	assert_true(first->lifetime_ns == UINT64_C(60000000000)); /* the alias's, which is less */
	assert_true(first->flow_id == fixture->found.events[0].flow_id);
	assert_address(&fixture->found.names[1].address, "2001:db8::7");
	assert_true(fixture->found.names[1].lifetime_ns == UINT64_C(30000000000));
	close_fixture(fixture);
}

static void dns_answer_seen_first_still_names_the_client(void **state)
{
	(void)state;
	struct fixture *fixture = open_fixture();
	give(fixture, UDP_HEADERS_BACK("\0\x35\x9c\x40"), LITERAL(DNS_ANSWER));
	assert_int_equal(fixture->found.name_count, 2);
	assert_address(&fixture->found.names[0].subject, "10.0.0.1");
	close_fixture(fixture);
}

static void odd_dns_messages_name_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *bytes;
		size_t size_bytes;
	} cases[] = {
		{ "pointer to itself", LITERAL(DNS_HEADER("\1") "\xc0\x0c\0\1\0\1" DNS_IPV4) },
		{ "two pointers in a circle",
		  LITERAL(DNS_HEADER("\1") "\xc0\x0e\xc0\x0c\0\1\0\1" DNS_IPV4) },
		{ "no such name",
		  LITERAL("\x12\x34\x81\x83\0\1\0\3\0\0\0\0" DNS_QUESTION DNS_ALIAS DNS_IPV4) },
		{ "address of another name", LITERAL(DNS_HEADER("\1") DNS_QUESTION
						     "\3foo\xc0\x10\0\1\0\1\0\0\1\0\0\4\1\2\3\4") },
		{ "address of three bytes",
		  LITERAL(DNS_HEADER("\1") DNS_QUESTION "\xc0\x0c\0\1\0\1\0\0\1\0\0\3\1\2\3") },
		{ "label of 64 bytes", LITERAL(DNS_HEADER("\1") "\x40yyyy\0\0\1\0\1" DNS_IPV4) },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *fixture = open_fixture();
		give(fixture, UDP_HEADERS_BACK("\0\x35\x9c\x40"), cases[i].bytes,
		     cases[i].size_bytes);
		if (fixture->found.name_count != 0)
			fail_msg("%s", cases[i].name);
		close_fixture(fixture);
	}
}

static void every_prefix_of_a_dns_answer_survives(void **state)
{
	(void)state;
	struct fixture *fixture = open_fixture();
	for (size_t size_bytes = 0; size_bytes < sizeof(DNS_ANSWER) - 1; size_bytes++)
		give(fixture, UDP_HEADERS_BACK("\0\x35\x9c\x40"), DNS_ANSWER, size_bytes);
	close_fixture(fixture);
}

/* --- DHCP ------------------------------------------------------------------------------------- */

#define ZEROS_16 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define ZEROS_64 ZEROS_16 ZEROS_16 ZEROS_16 ZEROS_16
#define DHCP(operation, yours)                                                                     \
	operation "\1\6\0\xaa\xbb\xcc\xdd\0\0\0\0\0\0\0\0" yours "\0\0\0\0\0\0\0\0"                \
		  "\2\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0" ZEROS_64 ZEROS_64 ZEROS_64 "\x63\x82\x53\x63"
#define DHCP_REQUEST DHCP("\1", "\0\0\0\0") "\x35\1\3\x0c\4WS01\xff"
#define DHCP_ACK     DHCP("\2", "\x0a\0\0\7") "\x35\1\5\x33\4\0\0\x0e\x10\xff"

static void dhcp_lease_is_named_by_the_request(void **state)
{
	(void)state;
	struct fixture *fixture = open_fixture();
	give(fixture, UDP_HEADERS_BACK("\0\x43\0\x44"), LITERAL(DHCP_ACK));
	assert_int_equal(fixture->found.name_count, 0); /* nobody has said a name */
	give(fixture, UDP_HEADERS("\0\x44\0\x43"), LITERAL(DHCP_REQUEST));
	give(fixture, UDP_HEADERS_BACK("\0\x43\0\x44"), LITERAL(DHCP_ACK));
	assert_int_equal(fixture->found.name_count, 1);
	const struct wire_name *name = &fixture->found.names[0];
	assert_int_equal(name->kind, WIRE_NAME_DHCP);
	assert_string_equal(name->name, "WS01");
	assert_string_equal(name->detail, "02:00:00:00:00:01");
	assert_address(&name->address, "10.0.0.7");
	assert_true(name->lifetime_ns == UINT64_C(3600000000000));
	for (size_t size_bytes = 0; size_bytes < sizeof(DHCP_ACK) - 1; size_bytes++)
		give(fixture, UDP_HEADERS_BACK("\0\x43\0\x44"), DHCP_ACK, size_bytes);
	close_fixture(fixture);
}

/* --- streams ---------------------------------------------------------------------------------- */

enum { STREAM_SYN_SEQUENCE = 1000 };

static void give_segment(struct fixture *fixture, const char *ports, uint8_t flags,
			 uint32_t sequence, const void *payload, size_t payload_bytes)
{
	char headers[] = ETHERNET(IPV4_TYPE) IPV4("\x06") TCP_WITH(PORTS, "\0");
	memcpy(headers + 34, ports, 4);
	for (int i = 0; i < 4; i++)
		headers[38 + i] = (char)(sequence >> (24 - 8 * i));
	headers[47] = (char)flags;
	give(fixture, headers, sizeof(headers) - 1, payload, payload_bytes);
}

struct part {
	size_t begin;
	size_t end;
};

/* A new connection whose client sends these parts of a stream, in this order. */
static struct fixture *give_parts(const char *ports, const void *stream, const struct part *parts,
				  size_t count)
{
	struct fixture *fixture = open_fixture();
	give_segment(fixture, ports, 0x02, STREAM_SYN_SEQUENCE, "", 0);
	for (size_t i = 0; i < count; i++)
		give_segment(fixture, ports, 0x18,
			     STREAM_SYN_SEQUENCE + 1 + (uint32_t)parts[i].begin,
			     (const char *)stream + parts[i].begin, parts[i].end - parts[i].begin);
	return fixture;
}

static void assert_one_name(struct fixture *fixture, enum wire_name_kind kind, const char *name,
			    const char *detail, const char *how, size_t cut)
{
	if (fixture->found.name_count != 1 || fixture->found.names[0].kind != kind ||
	    strcmp(fixture->found.names[0].name, name) != 0 ||
	    strcmp(fixture->found.names[0].detail, detail) != 0)
		fail_msg("%s, cut at %zu: %zu names, %s %s", how, cut, fixture->found.name_count,
			 fixture->found.name_count ? fixture->found.names[0].name : "",
			 fixture->found.name_count ? fixture->found.names[0].detail : "");
	close_fixture(fixture);
}

/* Whole, cut in two at every byte, in both orders, and with the first part sent twice. */
static void assert_read_in_pieces(const char *ports, const void *stream, size_t size_bytes,
				  enum wire_name_kind kind, const char *name, const char *detail)
{
	const struct part whole = { 0, size_bytes };
	assert_one_name(give_parts(ports, stream, &whole, 1), kind, name, detail, "whole", 0);
	for (size_t cut = 1; cut < size_bytes; cut++) {
		const struct part in_order[] = { { 0, cut }, { cut, size_bytes } };
		assert_one_name(give_parts(ports, stream, in_order, 2), kind, name, detail,
				"in order", cut);
		const struct part repeated[] = { { 0, cut }, { 0, cut }, { cut / 2, size_bytes } };
		assert_one_name(give_parts(ports, stream, repeated, 3), kind, name, detail,
				"repeated", cut);
		const struct part backwards[] = { { cut, size_bytes }, { 0, cut } };
		assert_one_name(give_parts(ports, stream, backwards, 2), kind, name, detail,
				"backwards", cut);
	}
}

/* The example of the specification, in the order that a browser sends it, with GREASE. */
#define HELLO_CIPHERS                                                                              \
	"\0\x20\x1a\x1a\x13\1\x13\2\x13\3\xc0\x2b\xc0\x2f\xc0\x2c\xc0\x30\xcc\xa9\xcc\xa8"         \
	"\xc0\x13\xc0\x14\0\x9c\0\x9d\0\x2f\0\x35"
#define HELLO_EXTENSIONS                                                                           \
	"\x3a\x3a\0\0"                                                                             \
	"\0\0\0\x10\0\x0e\0\0\13example.com"                                                       \
	"\0\x17\0\0\xff\1\0\1\0\0\x0a\0\0\0\x0b\0\0\0\x23\0\0"                                     \
	"\0\x10\0\x0e\0\x0c\2h2\x08http/1.1"                                                       \
	"\0\5\0\0"                                                                                 \
	"\0\x0d\0\x12\0\x10\4\3\x08\4\4\1\5\3\x08\5\5\1\x08\6\6\1"                                 \
	"\0\x12\0\0\0\x33\0\0\0\x2d\0\0"                                                           \
	"\0\x2b\0\7\6\x2a\x2a\3\4\3\3"                                                             \
	"\0\x1b\0\0\x44\x69\0\0\x4a\x4a\0\1\0\0\x15\0\0"
#define ZEROS_32	 ZEROS_16 ZEROS_16
#define HELLO_BODY	 "\3\3" ZEROS_32 "\0" HELLO_CIPHERS "\1\0\0\x81" HELLO_EXTENSIONS
#define SIZE_OF(literal) (sizeof(literal) - 1)

_Static_assert(SIZE_OF(HELLO_EXTENSIONS) == 0x81, "as the length in HELLO_BODY says");

/* Record and message headers in front of the body; `records` 2 spreads it over two records. */
static size_t put_hello(uint8_t *stream, bool two_records)
{
	uint8_t message[4 + SIZE_OF(HELLO_BODY)] = { 1, 0, 0, SIZE_OF(HELLO_BODY) };
	memcpy(message + 4, HELLO_BODY, SIZE_OF(HELLO_BODY));
	const size_t first = two_records ? 50 : sizeof(message);
	size_t size = 0;
	for (size_t at = 0; at < sizeof(message);) {
		const size_t part = at == 0 ? first : sizeof(message) - at;
		const uint8_t header[] = { 22, 3, 1, 0, (uint8_t)part };
		memcpy(stream + size, header, sizeof(header));
		memcpy(stream + size + sizeof(header), message + at, part);
		size += sizeof(header) + part;
		at += part;
	}
	return size;
}

_Static_assert(SIZE_OF(HELLO_BODY) + 4 < 256, "one length byte is enough");

static const char ja4_example[] = "t13d1516h2_8daaf6152771_e5627efa2ab1";

static void tls_hello_gives_server_name_and_ja4(void **state)
{
	(void)state;
	uint8_t stream[512];
	for (int two_records = 0; two_records <= 1; two_records++) {
		const size_t size_bytes = put_hello(stream, two_records);
		assert_read_in_pieces(PORTS, stream, size_bytes, WIRE_NAME_TLS, "example.com",
				      ja4_example);
	}
}

static void mutated_tls_hello_survives(void **state)
{
	(void)state;
	uint8_t stream[512];
	const size_t size_bytes = put_hello(stream, false);
	const struct part whole = { 0, size_bytes };
	for (size_t at = 0; at < size_bytes; at++) {
		const uint8_t before = stream[at];
		stream[at] = (uint8_t)(before + 1 + at % 251);
		close_fixture(give_parts(PORTS, stream, &whole, 1));
		stream[at] = before;
	}
}

static void http_request_gives_its_host(void **state)
{
	(void)state;
	static const struct {
		const char *request;
		const char *host; /* NULL = none */
	} cases[] = {
		{ "GET / HTTP/1.1\r\nHost: www.example.com\r\nAccept: */*\r\n\r\n",
		  "www.example.com" },
		{ "POST /x HTTP/1.1\r\nAccept: */*\r\nhOST:\texample.com:8080 \r\n\r\n",
		  "example.com" },
		{ "GET / HTTP/1.1\nHost: [2001:db8::1]:80\n\n", "[2001:db8::1]" },
		{ "GET / HTTP/1.0\r\n\r\nHost: body.example\r\n", NULL },
		{ "SSH-2.0-OpenSSH_9.2\r\nHost: no\r\n", NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const size_t size_bytes = strlen(cases[i].request);
		if (cases[i].host) {
			assert_read_in_pieces(PORTS, cases[i].request, size_bytes, WIRE_NAME_HTTP,
					      cases[i].host, "");
			continue;
		}
		const struct part whole = { 0, size_bytes };
		struct fixture *fixture = give_parts(PORTS, cases[i].request, &whole, 1);
		if (fixture->found.name_count != 0)
			fail_msg("%s", cases[i].request);
		close_fixture(fixture);
	}
}

static void dns_over_tcp_is_read_from_the_server(void **state)
{
	(void)state;
	static const char answer[] = "\0\x5f" DNS_ANSWER;
	_Static_assert(SIZE_OF(DNS_ANSWER) == 0x5f, "as the length before it says");
	struct fixture *fixture = open_fixture();
	give_segment(fixture, "\x9c\x40\0\x35", 0x02, 1000, "", 0);
	give_segment(fixture, "\x9c\x40\0\x35", 0x18, 1001, LITERAL("\0\x11question is not read"));
	char headers[] = ETHERNET(IPV4_TYPE) IPV4_BACK("\x06") TCP_WITH("\0\x35\x9c\x40", "\x18");
	give(fixture, headers, sizeof(headers) - 1, answer, 40);
	assert_int_equal(fixture->found.name_count, 0);
	headers[41] += 40;
	give(fixture, headers, sizeof(headers) - 1, answer + 40, sizeof(answer) - 1 - 40);
	assert_int_equal(fixture->found.name_count, 2);
	close_fixture(fixture);
}

static void too_many_half_read_streams_are_given_up_and_counted(void **state)
{
	(void)state;
	static const struct tracker_settings settings = { .max_flows = 8192 };
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	const struct tracker_sink sink = found_sink(&fixture->found);
	fixture->tracker = tracker_open(&settings, &sink, &fixture->counters);
	for (int i = 0; i < 6000; i++) {
		const char ports[4] = { (char)(16 + (i >> 8)), (char)i, 0x01, (char)0xbb };
		give_segment(fixture, ports, 0x02, 1000, "", 0);
		give_segment(fixture, ports, 0x18, 1001, "GET /", 5);
	}
	assert_true(counter_read(&fixture->counters, COUNTER_names_abandoned) > 0);
	close_fixture(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dns_answer_names_each_address_through_its_aliases),
		cmocka_unit_test(dns_answer_seen_first_still_names_the_client),
		cmocka_unit_test(odd_dns_messages_name_nothing),
		cmocka_unit_test(every_prefix_of_a_dns_answer_survives),
		cmocka_unit_test(dhcp_lease_is_named_by_the_request),
		cmocka_unit_test(tls_hello_gives_server_name_and_ja4),
		cmocka_unit_test(mutated_tls_hello_survives),
		cmocka_unit_test(http_request_gives_its_host),
		cmocka_unit_test(dns_over_tcp_is_read_from_the_server),
		cmocka_unit_test(too_many_half_read_streams_are_given_up_and_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
