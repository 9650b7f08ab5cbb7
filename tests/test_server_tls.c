/* The server behind TLS, and with many connections at once. Needs the openssl and curl programs for
 * some of it, and skips that with a reason where they are not installed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/base/hard.h"
#include "tests/support_receiver.h"
#include "tests/support_run.h"
#include "tests/support_server.h"
#include "tests/support_service.h"
#include "tests/support_shared.h"

static char *folder;
static const struct certificate *certificate;

static bool installed(const char *program)
{
	const bool there = shell(NULL, 0, "command -v %s >/dev/null 2>&1", program) == 0;
	if (!there)
		printf("skipped: %s is not installed\n", program);
	return there;
}

/* A listener with our certificate, asking for clients that it signed when `client_auth` says. */
static void write_url(char out_url[2048], const char *scheme, const char *more)
{
	snprintf(out_url, 2048, "%s://127.0.0.1:0?cert=%s&key=%s&ca=%s%s", scheme,
		 certificate->certificate_path, certificate->key_path,
		 certificate->certificate_path, more);
}

static void only_clients_with_a_good_certificate_get_in(void **state)
{
	(void)state;
	char url[2048];
	if (!installed("openssl"))
		return;
	write_url(url, "ndjson+tls", "&client_auth=required");
	const char *const urls[] = { url, NULL };
	const struct server_settings named = { .names_peers = true };
	struct served *served = served_open(urls, NULL, &named);
	const unsigned port = served_port(served, 0);
	/* It goes on after the refusal, which TLS 1.3 tells late. */
	shell(NULL, 0,
	      "(echo '{\"bad\":1}'; sleep 0.3) | openssl s_client -quiet -connect "
	      "127.0.0.1:%u >/dev/null 2>&1",
	      port);
	assert_int_not_equal(shell(NULL, 0,
				   "echo '{\"bad\":2}' | openssl s_client -quiet -tls1_1 -cipher "
				   "DEFAULT@SECLEVEL=0 -cert %s -key %s -connect 127.0.0.1:%u "
				   ">/dev/null 2>&1",
				   certificate->certificate_path, certificate->key_path, port),
			     0);
	const int plain = client_connect((uint16_t)port);
	client_send(plain, "{\"bad\":3}\n", 10);
	char reply[64];
	client_read(plain, reply, sizeof(reply)); /* an alert, then the end */
	close(plain);
	shell(NULL, 0,
	      "(echo '{\"good\":1}'; sleep 0.3) | openssl s_client -quiet -cert %s -key %s "
	      "-connect 127.0.0.1:%u >/dev/null 2>&1",
	      certificate->certificate_path, certificate->key_path, port);
	assert_int_equal(served_wait(served, 2), 2);
	assert_int_equal(served_kind(served, 0), DOCUMENT_PEER);
	assert_string_not_equal(served_document(served, 0), "");
	assert_string_equal(served_document(served, 1), "{\"good\":1}");
	assert_int_equal(served_counter(served, COUNTER_handshakes_failed), 3);
	served_close(served);
}

static void a_handshake_may_not_take_for_ever(void **state)
{
	(void)state;
	char url[2048];
	write_url(url, "lumberjack+tls", "&client_auth=none");
	const char *const urls[] = { url, NULL };
	const struct server_settings hasty = { .handshake_ns = 500000000 };
	struct served *served = served_open(urls, NULL, &hasty);
	const int fd = client_connect(served_port(served, 0));
	char byte;
	assert_int_equal(client_read(fd, &byte, 1), 0);
	assert_int_equal(served_counter(served, COUNTER_connections_timed_out), 1);
	close(fd);
	served_close(served);
}

/* With curl as the Windows client: its envelopes, its certificate. */
static void wef_is_served_over_tls_with_client_certificates(void **state)
{
	(void)state;
	char url[2048];
	char code[64];
	const char *shared = shared_path("ingest/wef");
	if (!shared || !installed("curl"))
		return;
	char files[2048];
	snprintf(files, sizeof(files), "%s", shared);
	write_url(url, "wef+https", "&url=https://127.0.0.1:5986");
	const char *const urls[] = { url, NULL };
	struct served *served = served_open(urls, folder, NULL);
	static const char *const bodies[] = { "enumerate.utf16le.bin", "heartbeat.utf16le.bin",
					      "events_sysmon_security.utf16le.bin",
					      "end.utf16le.bin" };
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		shell(code, sizeof(code),
		      "curl -sk --cert %s --key %s -o %s/answer -w '%%{http_code}' -H "
		      "'Content-Type: application/soap+xml;charset=UTF-16' --data-binary @%s/%s "
		      "https://127.0.0.1:%u/wsman/SubscriptionManager/WEC",
		      certificate->certificate_path, certificate->key_path, folder, files,
		      bodies[i], served_port(served, 0));
		assert_string_equal(code, "200");
	}
	assert_true(served_wait(served, 1) > 0);
	assert_int_equal(served_kind(served, 0), DOCUMENT_XML);
	assert_int_not_equal(shell(NULL, 0,
				   "curl -sk -o /dev/null --data-binary x https://127.0.0.1:%u/",
				   served_port(served, 0)),
			     0);
	served_close(served);
}

enum { CONNECTIONS = HARD(2000, 40) };

static bool may_open(rlim_t files)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max >= files)
		return true;
	printf("skipped: only %lu files may be open\n", (unsigned long)limit.rlim_max);
	return false;
}

/* Half of them say nothing, or begin something and stop. */
static void two_thousand_connections_do_not_hinder_each_other(void **state)
{
	(void)state;
	static const char *const urls[] = { "lumberjack+tcp://127.0.0.1:0", NULL };
	if (!may_open((rlim_t)2 * CONNECTIONS + 100))
		return;
	struct served *served = served_open(urls, NULL, NULL);
	static int fds[CONNECTIONS];
	size_t size;
	char *window = client_window(0, 5, true, &size);
	for (int i = 0; i < CONNECTIONS; i++) {
		fds[i] = client_connect(served_port(served, 0));
		assert_true(fds[i] >= 0);
		if (i % 4 == 1)
			client_send(fds[i], window, 9); /* its window, and a frame begun */
	}
	for (int i = 0; i < CONNECTIONS; i += 2)
		client_send(fds[i], window, size);
	for (int i = 0; i < CONNECTIONS; i += 2) {
		char ack[6] = "";
		assert_int_equal(client_read(fds[i], ack, sizeof(ack)), sizeof(ack));
		assert_int_equal(ack[5], 5);
	}
	assert_int_equal(served_wait(served, (size_t)CONNECTIONS / 2 * 5),
			 (size_t)CONNECTIONS / 2 * 5);
	for (int i = 0; i < CONNECTIONS; i++)
		close(fds[i]);
	free(window);
	served_close(served);
}

static int open_folder(void **state)
{
	(void)state;
	folder = make_temporary_directory();
	certificate = receiver_certificate(folder);
	return 0;
}

static int close_folder(void **state)
{
	(void)state;
	remove_tree(folder);
	free(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_clients_with_a_good_certificate_get_in),
		cmocka_unit_test(a_handshake_may_not_take_for_ever),
		cmocka_unit_test(wef_is_served_over_tls_with_client_certificates),
		cmocka_unit_test(two_thousand_connections_do_not_hinder_each_other),
	};
	return cmocka_run_group_tests(tests, open_folder, close_folder);
}
