/* Real clients against the server: the official Elasticsearch client and lumberjack-client from
 * npm (installed below build/npm when npm can), rsyslog by octet-counted TLS, curl. What is not
 * there is skipped with a reason. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support_receiver.h"
#include "tests/support_run.h"
#include "tests/support_server.h"
#include "tests/support_service.h"

static char *folder;
static const struct certificate *certificate;

static bool npm_has(const char *package)
{
	char path[512];
	snprintf(path, sizeof(path), "build/npm/node_modules/%s/package.json", package);
	if (access(path, R_OK) == 0)
		return true;
	shell(NULL, 0,
	      "command -v node npm >/dev/null 2>&1 && mkdir -p build/npm && cd build/npm && "
	      "timeout "
	      "60 npm install --no-audit --no-fund --silent @elastic/elasticsearch@8 "
	      "lumberjack-client >/dev/null 2>&1");
	if (access(path, R_OK) == 0)
		return true;
	printf("skipped: npm cannot install %s\n", package);
	return false;
}

static int node(const char *script)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/script.js", folder);
	write_file(path, script, strlen(script));
	return shell(NULL, 0,
		     "NODE_PATH=build/npm/node_modules timeout 20 node %s >%s/node.log 2>&1", path,
		     folder);
}

static void the_official_elasticsearch_client_is_served(void **state)
{
	(void)state;
	static const char *const urls[] = { "bulk+http://127.0.0.1:0?user=elastic:secret", NULL };
	char script[2048];
	if (!npm_has("@elastic/elasticsearch"))
		return;
	struct served *served = served_open(urls, NULL, NULL);
	snprintf(script, sizeof(script),
		 "const { Client } = require('@elastic/elasticsearch');\n"
		 "(async () => {\n"
		 "  const client = new Client({ node: 'http://127.0.0.1:%u',\n"
		 "    auth: { username: 'elastic', password: 'secret' } });\n"
		 "  const info = await client.info();\n"
		 "  if (!info.version.number) process.exit(2);\n"
		 "  const docs = [];\n"
		 "  for (let n = 0; n < 300; n++) docs.push({ n });\n"
		 "  const done = await client.helpers.bulk({ datasource: docs, flushBytes: 2000,\n"
		 "    onDocument: () => ({ index: { _index: 'winlogbeat' } }) });\n"
		 "  process.exit(done.successful === 300 && done.failed === 0 ? 0 : 3);\n"
		 "})();\n",
		 served_port(served, 0));
	assert_int_equal(node(script), 0);
	assert_int_equal(served_wait(served, 300), 300);
	served_close(served);
}

static void lumberjack_client_is_served_plain_and_by_tls(void **state)
{
	(void)state;
	char tls_url[2048];
	char script[2048];
	if (!npm_has("lumberjack-client"))
		return;
	snprintf(tls_url, sizeof(tls_url), "lumberjack+tls://127.0.0.1:0?cert=%s&key=%s",
		 certificate->certificate_path, certificate->key_path);
	const char *const urls[] = { "lumberjack+tcp://127.0.0.1:0", tls_url, NULL };
	struct served *served = served_open(urls, folder, NULL);
	for (size_t i = 0; i < 2; i++) {
		snprintf(script, sizeof(script),
			 "const Lumberjack = require('lumberjack-client');\n"
			 "const client = new Lumberjack({ host: '127.0.0.1', port: %u,\n"
			 "  rejectUnauthorized: false }%s);\n"
			 "for (let n = 0; n < 20; n++) client.log({ n });\n"
			 "setTimeout(() => process.exit(0), 2000);\n",
			 served_port(served, i), i ? ", true" : "");
		assert_int_equal(node(script), 0);
		assert_int_equal(served_wait(served, 20 * (i + 1)), 20 * (i + 1));
	}
	served_close(served);
}

static void write_rsyslog_configuration(const char *path, unsigned port)
{
	char text[4096];
	const int size =
		snprintf(text, sizeof(text),
			 "global(workDirectory=\"%s\" defaultNetstreamDriverCAFile=\"%s\")\n"
			 "module(load=\"imfile\" mode=\"polling\" pollingInterval=\"1\")\n"
			 "input(type=\"imfile\" file=\"%s/events\" tag=\"app\")\n"
			 "template(name=\"json\" type=\"string\" "
			 "string=\"<13>1 2026-01-01T00:00:00Z pc1 app - - - %%msg%%\")\n"
			 "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"%u\" protocol=\"tcp\" "
			 "TCP_Framing=\"octet-counted\" template=\"json\" StreamDriver=\"ossl\" "
			 "StreamDriverMode=\"1\" StreamDriverAuthMode=\"anon\")\n",
			 folder, certificate->certificate_path, folder, port);
	write_file(path, text, (size_t)size);
}

static void rsyslog_is_served_by_octet_counted_tls(void **state)
{
	(void)state;
	char url[2048];
	char path[512];
	char events[512];
	char process_file[512];
	if (access("/usr/sbin/rsyslogd", X_OK) != 0) {
		printf("skipped: rsyslogd is not installed\n");
		return;
	}
	snprintf(url, sizeof(url), "syslog+tls://127.0.0.1:0?cert=%s&key=%s",
		 certificate->certificate_path, certificate->key_path);
	const char *const urls[] = { url, NULL };
	struct served *served = served_open(urls, NULL, NULL);
	snprintf(path, sizeof(path), "%s/rsyslog.conf", folder);
	snprintf(events, sizeof(events), "%s/events", folder);
	snprintf(process_file, sizeof(process_file), "%s/rsyslog.pid", folder);
	write_rsyslog_configuration(path, served_port(served, 0));
	write_file(events, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n", 24);
	const pid_t daemon_id = fork();
	if (daemon_id == 0) {
		if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout))
			_exit(126);
		execl("/usr/sbin/rsyslogd", "rsyslogd", "-n", "-f", path, "-i", process_file,
		      (char *)NULL);
		_exit(127);
	}
	const size_t count = served_wait(served, 3);
	kill(daemon_id, SIGTERM);
	waitpid(daemon_id, NULL, 0);
	assert_int_equal(count, 3);
	assert_string_equal(served_document(served, 2), "{\"n\":3}");
	served_close(served);
}

/* Above a megabyte curl asks first: Expect: 100-continue. */
static void curl_sends_large_and_compressed_bodies(void **state)
{
	(void)state;
	static const char *const urls[] = { "bulk+http://127.0.0.1:0", NULL };
	enum { DOCUMENTS = 40000 };
	char code[64];
	char path[512];
	if (shell(NULL, 0, "command -v curl gzip >/dev/null 2>&1") != 0) {
		printf("skipped: curl or gzip is not installed\n");
		return;
	}
	snprintf(path, sizeof(path), "%s/bulk", folder);
	FILE *file = fopen(path, "w");
	for (int i = 0; i < DOCUMENTS; i++)
		fprintf(file, "{\"create\":{}}\n{\"n\":%d,\"text\":\"0123456789012345\"}\n", i);
	fclose(file);
	char spool[512];
	snprintf(spool, sizeof(spool), "%s/spool", folder);
	struct served *served = served_open(urls, spool, NULL);
	const unsigned port = served_port(served, 0);
	shell(code, sizeof(code),
	      "curl -s -o /dev/null -w '%%{http_code}' -H 'Content-Type: application/x-ndjson' "
	      "--data-binary @%s http://127.0.0.1:%u/_bulk",
	      path, port);
	assert_string_equal(code, "200");
	shell(code, sizeof(code),
	      "gzip -c %s | curl -s -o /dev/null -w '%%{http_code}' -H 'Content-Encoding: gzip' -H "
	      "'Content-Type: application/json' -H 'Transfer-Encoding: chunked' --data-binary @- "
	      "http://127.0.0.1:%u/x/_bulk",
	      path, port);
	assert_string_equal(code, "200");
	assert_int_equal(served_wait(served, (size_t)2 * DOCUMENTS), 2 * DOCUMENTS);
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
		cmocka_unit_test(the_official_elasticsearch_client_is_served),
		cmocka_unit_test(lumberjack_client_is_served_plain_and_by_tls),
		cmocka_unit_test(rsyslog_is_served_by_octet_counted_tls),
		cmocka_unit_test(curl_sends_large_and_compressed_bodies),
	};
	return cmocka_run_group_tests(tests, open_folder, close_folder);
}
