/* The server over real sockets on loopback. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support_run.h"
#include "tests/support_server.h"

static uint32_t read_ack(int fd)
{
	uint8_t frame[6] = { 0 };
	do {
		if (client_read(fd, frame, sizeof(frame)) != sizeof(frame))
			return UINT32_MAX;
		assert_memory_equal(frame, "2A", 2);
	} while (frame[2] == 0 && frame[3] == 0 && frame[4] == 0 && frame[5] == 0);
	return (uint32_t)frame[2] << 24 | (uint32_t)frame[3] << 16 | (uint32_t)frame[4] << 8 |
	       frame[5];
}

static void send_window(int fd, uint32_t first, uint32_t count, bool compressed)
{
	size_t size;
	char *window = client_window(first, count, compressed, &size);
	client_send(fd, window, size);
	free(window);
}

static void windows_are_acknowledged_and_handed_on_in_order(void **state)
{
	(void)state;
	static const char *const urls[] = { "lumberjack+tcp://127.0.0.1:0", NULL };
	char *folder = make_temporary_directory();
	struct served *served = served_open(urls, folder, NULL);
	const int fd = client_connect(served_port(served, 0));
	for (uint32_t i = 0; i < 20; i++) {
		send_window(fd, i * 100, 100, i % 2);
		assert_int_equal(read_ack(fd), 100);
	}
	assert_int_equal(served_wait(served, 2000), 2000);
	for (uint32_t i = 0; i < 2000; i++) {
		char expected[32];
		snprintf(expected, sizeof(expected), "{\"n\":%u}", i);
		assert_string_equal(served_document(served, i), expected);
	}
	close(fd);
	served_close(served);
	remove_tree(folder);
	free(folder);
}

static void what_was_acknowledged_is_there_after_a_restart(void **state)
{
	(void)state;
	static const char *const urls[] = { "lumberjack+tcp://127.0.0.1:0", NULL };
	char *folder = make_temporary_directory();
	struct served *served = served_open(urls, folder, NULL);
	served_block(served, true);
	const int fd = client_connect(served_port(served, 0));
	send_window(fd, 7, 3, true);
	assert_int_equal(read_ack(fd), 3);
	close(fd);
	served_close(served);
	served = served_open(urls, folder, NULL);
	assert_int_equal(served_wait(served, 3), 3);
	assert_string_equal(served_document(served, 0), "{\"n\":7}");
	served_close(served);
	remove_tree(folder);
	free(folder);
}

/* Until the sockets are read again, nothing is lost and nothing grows without end. */
static void a_full_engine_holds_senders_back_and_loses_nothing(void **state)
{
	(void)state;
	static const char *const urls[] = { "ndjson+tcp://127.0.0.1:0", "bulk+http://127.0.0.1:0",
					    NULL };
	const struct server_settings small = { .backlog_max_bytes = 64 * 1024 };
	struct served *served = served_open(urls, NULL, &small);
	served_block(served, true);
	const int fd = client_connect(served_port(served, 0));
	enum { LINES = 20000 };
	static char lines[(size_t)LINES * 16];
	size_t size = 0;
	for (int i = 0; i < LINES; i++)
		size += (size_t)sprintf(lines + size, "{\"n\":%05d}\n", i);
	client_send(fd, lines, size);
	shutdown(fd, SHUT_WR);
	usleep(200000);
	const int http = client_connect(served_port(served, 1));
	static const char request[] =
		"POST /_bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 19\r\n\r\n"
		"{\"index\":{}}\n{\"n\":1}";
	char answer[12];
	client_send(http, request, sizeof(request) - 1);
	assert_int_equal(client_read(http, answer, sizeof(answer)), sizeof(answer));
	assert_memory_equal(answer, "HTTP/1.1 429", 12);
	close(http);
	served_block(served, false);
	assert_int_equal(served_wait(served, LINES), LINES);
	assert_string_equal(served_document(served, LINES - 1), "{\"n\":19999}");
	close(fd);
	served_close(served);
}

static void one_broken_sender_harms_no_other(void **state)
{
	(void)state;
	static const char *const urls[] = { "lumberjack+tcp://127.0.0.1:0", NULL };
	struct served *served = served_open(urls, NULL, NULL);
	const int good = client_connect(served_port(served, 0));
	const int bad = client_connect(served_port(served, 0));
	char byte;
	client_send(bad, "GET / HTTP/1.1\r\n\r\n", 18);
	assert_int_equal(client_read(bad, &byte, 1), 0);
	send_window(good, 0, 10, true);
	assert_int_equal(read_ack(good), 10);
	close(good);
	close(bad);
	assert_int_equal(served_counter(served, COUNTER_connections_failed), 1);
	served_close(served);
}

static void connections_beyond_the_limit_are_refused(void **state)
{
	(void)state;
	static const char *const urls[] = { "ndjson+tcp://127.0.0.1:0", NULL };
	const struct server_settings few = { .connections_per_peer_max = 2 };
	struct served *served = served_open(urls, NULL, &few);
	int fds[3];
	char byte;
	for (int i = 0; i < 3; i++)
		fds[i] = client_connect(served_port(served, 0));
	assert_int_equal(client_read(fds[2], &byte, 1), 0);
	client_send(fds[0], "{\"a\":1}\n", 8);
	assert_int_equal(served_wait(served, 1), 1);
	assert_int_equal(served_counter(served, COUNTER_connections_refused), 1);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	served_close(served);
}

static void slow_and_silent_senders_are_cut_off(void **state)
{
	(void)state;
	static const char *const urls[] = { "ndjson+tcp://127.0.0.1:0", NULL };
	const struct server_settings hasty = { .unit_ns = 1000000000, .idle_ns = 1500000000 };
	struct served *served = served_open(urls, NULL, &hasty);
	const int slow = client_connect(served_port(served, 0));
	const int silent = client_connect(served_port(served, 0));
	char byte;
	client_send(slow, "{\"a\":", 5);
	assert_int_equal(client_read(slow, &byte, 1), 0);
	assert_int_equal(client_read(silent, &byte, 1), 0);
	assert_int_equal(served_counter(served, COUNTER_connections_timed_out), 2);
	close(slow);
	close(silent);
	served_close(served);
}

static void unix_sockets_datagrams_and_files_are_served_too(void **state)
{
	(void)state;
	char *folder = make_temporary_directory();
	char path[4096];
	char unix_url[4200];
	char follow_url[4200];
	snprintf(path, sizeof(path), "%s/log", folder);
	snprintf(unix_url, sizeof(unix_url), "ndjson+unix:%s/socket", folder);
	snprintf(follow_url, sizeof(follow_url), "follow:%s", path);
	write_file(path, "{\"f\":1}\n", 8);
	const char *const urls[] = { unix_url, "syslog+udp://127.0.0.1:0", follow_url, NULL };
	struct served *served = served_open(urls, NULL, NULL);
	assert_int_equal(served_wait(served, 1), 1);

	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", unix_url + 12);
	const int stream = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(stream, (struct sockaddr *)&address, sizeof(address)), 0);
	client_send(stream, "{\"u\":1}", 7); /* no LF: closing ends it */
	close(stream);
	assert_int_equal(served_wait(served, 2), 2);

	const struct sockaddr_in udp = { .sin_family = AF_INET,
					 .sin_port = htons(served_port(served, 1)),
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
	static const char message[] = "<13>1 2026-01-01T00:00:00Z pc1 app - - - {\"d\":1}";
	sendto(datagrams, message, sizeof(message) - 1, 0, (const struct sockaddr *)&udp,
	       sizeof(udp));
	close(datagrams);
	assert_int_equal(served_wait(served, 3), 3);

	char renamed[4200];
	snprintf(renamed, sizeof(renamed), "%s.1", path);
	assert_int_equal(rename(path, renamed), 0);
	write_file(path, "{\"f\":2}\n", 8);
	assert_int_equal(served_wait(served, 4), 4);
	assert_string_equal(served_document(served, 3), "{\"f\":2}");
	assert_int_equal(truncate(path, 0), 0);
	usleep(300000);
	write_file(path, "{\"f\":3}\n", 8);
	assert_int_equal(served_wait(served, 5), 5);
	served_close(served);
	remove_tree(folder);
	free(folder);
}

static void http_requests_follow_each_other_on_one_connection(void **state)
{
	(void)state;
	static const char *const urls[] = { "bulk+http://127.0.0.1:0?user=u:p", NULL };
	struct served *served = served_open(urls, NULL, NULL);
	const int fd = client_connect(served_port(served, 0));
	static const char requests[] =
		"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic dTpw\r\n\r\n"
		"POST /_bulk HTTP/1.1\r\nHost: x\r\nAuthorization: Basic dTpw\r\n"
		"Transfer-Encoding: "
		"chunked\r\n\r\nd\r\n{\"index\":{}}\n\r\n7\r\n{\"n\":1}\r\n0\r\n\r\n"
		"POST /_bulk HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 20\r\n\r\n"
		"{\"index\":{}}\n{\"n\":2}";
	client_send(fd, requests, sizeof(requests) - 1);
	char answers[4096] = "";
	answers[client_read(fd, answers, sizeof(answers) - 1)] = '\0';
	const char *first = strstr(answers, "HTTP/1.1 200");
	assert_non_null(first);
	const char *second = first ? strstr(first + 1, "HTTP/1.1 200") : "";
	assert_non_null(second);
	assert_non_null(second ? strstr(second, "\"errors\":false") : NULL);
	assert_non_null(second ? strstr(second, "HTTP/1.1 401") : NULL);
	close(fd);
	assert_int_equal(served_wait(served, 1), 1);
	assert_string_equal(served_document(served, 0), "{\"n\":1}");
	served_close(served);
}

static void listeners_that_make_no_sense_are_refused_with_words(void **state)
{
	(void)state;
	static const struct {
		const char *url;
		const char *says;
	} cases[] = {
		{ "lumberjak+tcp://0.0.0.0:1", "expected lumberjack+tcp:" },
		{ "ndjson+tcp:0.0.0.0:1", "expected //HOST:PORT" },
		{ "ndjson+tcp://0.0.0.0:99999", "expected //HOST:PORT" },
		{ "ndjson+tls://0.0.0.0:1", "TLS needs ?cert=FILE&key=FILE" },
		{ "ndjson+tcp://0.0.0.0:1?x=y", "expected one of cert" },
		{ "ndjson+tcp://0.0.0.0:1?client_auth=maybe", "none, optional or required" },
		{ "wef+https://0.0.0.0:1?cert=a&key=b", "WEF needs ?url=" },
		{ "follow:", "expected a path" },
		{ "ndjson+stdin:x", "nothing after" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct complaint complaint;
		struct listener_url url;
		if (listener_url_parse(cases[i].url, &complaint, &url) ||
		    !strstr(complaint.text, cases[i].says))
			fail_msg("%s: %s", cases[i].url, complaint.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_are_acknowledged_and_handed_on_in_order),
		cmocka_unit_test(what_was_acknowledged_is_there_after_a_restart),
		cmocka_unit_test(a_full_engine_holds_senders_back_and_loses_nothing),
		cmocka_unit_test(one_broken_sender_harms_no_other),
		cmocka_unit_test(connections_beyond_the_limit_are_refused),
		cmocka_unit_test(slow_and_silent_senders_are_cut_off),
		cmocka_unit_test(unix_sockets_datagrams_and_files_are_served_too),
		cmocka_unit_test(http_requests_follow_each_other_on_one_connection),
		cmocka_unit_test(listeners_that_make_no_sense_are_refused_with_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
