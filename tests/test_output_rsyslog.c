/* Debian's rsyslog as the receiver: every field of the structured data arrives whole, over UDP,
 * octet-counted TCP and TLS. It runs as an ordinary process on 127.0.0.1 with a configuration of
 * its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/base/log.h"
#include "correlator/output.h"
#include "tests/support_alert.h"
#include "tests/support_message.h"
#include "tests/support_receiver.h"

static const char daemon_path[] = "/usr/sbin/rsyslogd";
static char directory[256];
static pid_t daemon_id; /* 0 = none is running */
static struct parsed parsed;

enum { ALERTS = 20 };

static uint16_t free_port(int type)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	const int fd = socket(AF_INET, type, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	getsockname(fd, (struct sockaddr *)&address, &size);
	close(fd);
	return ntohs(address.sin_port);
}

static void write_configuration(const char *transport, uint16_t port)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/rsyslog.conf", directory);
	FILE *file = fopen(path, "w");
	fprintf(file,
		"global(workDirectory=\"%s\" maxMessageSize=\"64k\" "
		"parser.escapeControlCharactersOnReceive=\"off\""
		" defaultNetstreamDriverCAFile=\"%s/certificate.pem\""
		" defaultNetstreamDriverCertFile=\"%s/certificate.pem\""
		" defaultNetstreamDriverKeyFile=\"%s/key.pem\")\n",
		directory, directory, directory, directory);
	if (strcmp(transport, "udp") == 0)
		fprintf(file,
			"module(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" "
			"port=\"%u\")\n",
			port);
	else
		fprintf(file,
			"module(load=\"imtcp\"%s)\ninput(type=\"imtcp\" address=\"127.0.0.1\" "
			"port=\"%u\")\n",
			strcmp(transport, "tls") == 0
				? " streamDriver.name=\"ossl\" streamDriver.mode=\"1\" "
				  "streamDriver.authMode=\"anon\""
				: "",
			port);
	fprintf(file,
		"module(load=\"mmpstrucdata\")\naction(type=\"mmpstrucdata\")\n"
		"set $!msg = $msg;\nset $!hostname = $hostname;\nset $!app = $app-name;\n"
		"set $!procid = $procid;\nset $!msgid = $msgid;\nset $!pri = $pri;\n"
		"template(name=\"json\" type=\"list\") { property(name=\"$!all-json-plain\") "
		"constant(value=\"\\n\") }\n"
		"action(type=\"omfile\" file=\"%s/%s.jsonl\" template=\"json\")\n",
		directory, transport);
	fclose(file);
}

static void start_daemon(const char *transport)
{
	char configuration[300];
	char process_file[300];
	snprintf(configuration, sizeof(configuration), "%s/rsyslog.conf", directory);
	snprintf(process_file, sizeof(process_file), "%s/%s.pid", directory, transport);
	daemon_id = fork();
	if (daemon_id == 0) {
		const int nowhere = open("/dev/null", O_RDWR);
		dup2(nowhere, STDOUT_FILENO);
		dup2(nowhere, STDERR_FILENO);
		execl(daemon_path, daemon_path, "-n", "-f", configuration, "-i", process_file,
		      (char *)NULL);
		_exit(127);
	}
}

static int stop_daemon(void **state)
{
	(void)state;
	if (daemon_id > 0) {
		kill(daemon_id, SIGTERM);
		waitpid(daemon_id, NULL, 0);
	}
	daemon_id = 0;
	return 0;
}

static char *read_line(FILE *file, size_t number)
{
	char *line = NULL;
	size_t room = 0;
	for (size_t i = 0; i <= number; i++)
		if (getline(&line, &room, file) < 0) {
			free(line);
			return NULL;
		}
	return line;
}

/* The stored line, once it is there. */
static json_t *stored_alert(const char *transport, size_t number)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/%s.jsonl", directory, transport);
	for (int i = 0; i < 2000; i++) {
		FILE *file = fopen(path, "r");
		char *line = file ? read_line(file, number) : NULL;
		if (file)
			fclose(file);
		json_t *json = line && strchr(line, '\n') ? json_loads(line, 0, NULL) : NULL;
		free(line);
		if (json)
			return json;
		usleep(5000);
	}
	fail_msg("%s: rsyslog stored nothing as line %zu", transport, number);
	return NULL;
}

static void lower_case(const char *text, char *out, size_t size)
{
	size_t i = 0;
	for (; text[i] && i < size - 1; i++)
		out[i] = (char)tolower((unsigned char)text[i]);
	out[i] = '\0';
}

/* rsyslog lower-cases the names of elements and parameters. */
static const char *stored_value(json_t *json, const struct pair *pair)
{
	char element[64];
	char name[64];
	lower_case(pair->element, element, sizeof(element));
	lower_case(pair->name, name, sizeof(name));
	json_t *all = json_object_get(json, "rfc5424-sd");
	return json_string_value(json_object_get(json_object_get(all, element), name));
}

static void compare(const char *transport, json_t *json)
{
	for (size_t i = 0; i < parsed.pair_count; i++) {
		const struct pair *pair = &parsed.pairs[i];
		if (strcmp(pair->name, "sequenceId") == 0)
			continue; /* a file and a receiver count alike, but it is not the point */
		const char *got = stored_value(json, pair);
		if (!got || strcmp(got, pair->value) != 0)
			fail_msg("%s: %s %s is %s, expected %s", transport, pair->element,
				 pair->name, got ? got : "missing", pair->value);
	}
	const char *message = json_string_value(json_object_get(json, "msg"));
	assert_string_equal(message + (*message == ' '), parsed.message);
	assert_string_equal(json_string_value(json_object_get(json, "hostname")), "sensor1");
	assert_string_equal(json_string_value(json_object_get(json, "app")), "procspan");
	assert_string_equal(json_string_value(json_object_get(json, "procid")), "4242");
	assert_string_equal(json_string_value(json_object_get(json, "msgid")), "ALERT");
	assert_string_equal(json_string_value(json_object_get(json, "pri")), "133");
}

static const struct sample sample = {
	.command_line = "cmd.exe /c \"echo a|b\" ] [x] \\\\server\\c$ \"\\]\" %TEMP% = ^ "
			"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 \t\x1b[0m",
	.user = "b\xc3\xb6"
		"b]\"",
	.process_name = "cmd.exe",
	.parent_command_line = "\"C:\\Program Files\\x.exe\" [a]",
	.host = "WS01",
};

static void send_all(const char *url, const char *file_url)
{
	const char *const urls[] = { url, file_url };
	const struct output_settings settings = {
		.urls = urls,
		.url_count = 2,
		.host_name = "sensor1",
		.fixed_process_id = 4242,
		.give_up_ns = 15000000000,
	};
	struct complaint complaint;
	struct output *output;
	static struct counters counters;
	if (!output_open(&settings, sample_fields(), &complaint, &output))
		fail_msg("%s", complaint.text);
	struct alert alert;
	sample_alert_make(&sample, &alert);
	for (uint64_t i = 0; i < ALERTS; i++) {
		alert_identify(&alert, i);
		output_alert(output, &alert);
	}
	assert_true(output_close(output, &counters));
	sample_alert_free(&alert);
}

static void check_transport(const char *transport, const char *options, size_t max_size)
{
	if (access(daemon_path, X_OK) != 0) {
		printf("skipped: no rsyslog (%s)\n", daemon_path);
		skip();
	}
	char url[600];
	char path[300];
	char file_url[400];
	const uint16_t port = free_port(strcmp(transport, "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM);
	snprintf(url, sizeof(url), "syslog+%s://127.0.0.1:%u?max_size=%zu%s", transport, port,
		 max_size, options);
	snprintf(path, sizeof(path), "%s/%s.expected", directory, transport);
	snprintf(file_url, sizeof(file_url), "file:%s?format=rfc5424&max_size=%zu", path, max_size);
	write_configuration(transport, port);
	start_daemon(transport);
	send_all(url, file_url);
	for (size_t i = 0; i < ALERTS; i++) {
		json_t *json = stored_alert(transport, i);
		FILE *file = fopen(path, "r");
		char *line = read_line(file, i);
		fclose(file);
		assert_true(parse_rfc5424(line, strlen(line) - 1, &parsed));
		compare(transport, json);
		free(line);
		json_decref(json);
	}
}

static void every_field_arrives_over_udp(void **state)
{
	(void)state;
	check_transport("udp", "", 1400);
}

static void every_field_arrives_over_octet_counted_tcp(void **state)
{
	(void)state;
	check_transport("tcp", "", 8000);
}

static void every_field_arrives_over_tls(void **state)
{
	(void)state;
	char options[400];
	if (access("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_ossl.so", R_OK) != 0) {
		printf("skipped: no rsyslog-openssl\n");
		skip();
	}
	snprintf(options, sizeof(options), "&ca=%s/certificate.pem", directory);
	check_transport("tls", options, 8000);
}

static int make_directory(void **state)
{
	(void)state;
	log_set_level(LOG_ERROR);
	snprintf(directory, sizeof(directory), "/tmp/procspan-rsyslog-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	receiver_certificate(directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	char command[300];
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command); /* NOLINT(cert-env33-c): a test's own directory */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(every_field_arrives_over_udp, stop_daemon),
		cmocka_unit_test_teardown(every_field_arrives_over_octet_counted_tcp, stop_daemon),
		cmocka_unit_test_teardown(every_field_arrives_over_tls, stop_daemon),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
