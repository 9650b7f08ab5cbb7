/* Destinations: URLs, delivery over every transport, receivers that die, dawdle or never come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/log.h"
#include "correlator/output.h"
#include "correlator/output_url.h"
#include "tests/support_alert.h"
#include "tests/support_message.h"
#include "tests/support_receiver.h"

static char directory[256];
static struct parsed parsed;

static int make_directory(void **state)
{
	(void)state;
	log_set_level(LOG_ERROR); /* receivers die on purpose here */
	snprintf(directory, sizeof(directory), "/tmp/procspan-output-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	(void)state;
	char command[300];
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command); /* NOLINT(cert-env33-c): a test's own directory */
}

/* --- URLs ------------------------------------------------------------------------------------- */

static void urls_are_read_or_refused_with_what_was_expected(void **state)
{
	(void)state;
	static const struct {
		const char *url;
		const char *complaint; /* a part of it; NULL = accepted */
		const char *target;
		unsigned port;
		enum format format;
		size_t max_size;
	} cases[] = {
		{ "stdout:", NULL, "", 0, FORMAT_ecs, 1048576 },
		{ "stdout:?format=cef", NULL, "", 0, FORMAT_cef, 1048576 },
		{ "file:/a/b%20c?format=eve&mode=truncate", NULL, "/a/b c", 0, FORMAT_eve,
		  1048576 },
		{ "syslog+udp://siem", NULL, "siem", 514, FORMAT_rfc5424, 1400 },
		{ "syslog+udp://[::1]:5514/?max_size=480", NULL, "::1", 5514, FORMAT_rfc5424, 480 },
		{ "syslog+tcp://10.0.0.1:601?format=ecs&facility=local5&framing=line", NULL,
		  "10.0.0.1", 601, FORMAT_ecs, 8000 },
		{ "syslog+tls://siem?fingerprint=x", "expected sha-256:", "", 0, 0, 0 },
		{ "syslog+tls://siem", NULL, "siem", 6514, FORMAT_rfc5424, 8000 },
		{ "syslog+tls://siem?cert=/a", "expected both", "", 0, 0, 0 },
		{ "unix:/dev/log?format=leef", NULL, "/dev/log", 0, FORMAT_leef, 8000 },
		{ "syslog+udp://siem?format=ecs", "ecs over UDP", "", 0, 0, 0 },
		{ "syslog+udp://siem?fromat=cef",
		  "found option \"fromat\", expected one of format, max_size, facility", "", 0, 0,
		  0 },
		{ "syslog+udp://siem?format=xml", "expected ecs, rfc5424, cef, leef or eve", "", 0,
		  0, 0 },
		{ "syslog+udp://siem?max_size=299", "300 to 1048576", "", 0, 0, 0 },
		{ "syslog+udp://siem?max_size=65508", "65507 for UDP", "", 0, 0, 0 },
		{ "syslog+udp://siem?max_size=-1", "300 to 1048576", "", 0, 0, 0 },
		{ "syslog+udp://siem?facility=local8", "expected a facility", "", 0, 0, 0 },
		{ "syslog+udp://siem?ca=/x", "expected one of format", "", 0, 0, 0 },
		{ "syslog+udp://siem:0", "expected syslog+udp://HOST", "", 0, 0, 0 },
		{ "syslog+udp://siem:99999", "expected syslog+udp://HOST", "", 0, 0, 0 },
		{ "syslog+udp:siem", "expected syslog+udp://HOST", "", 0, 0, 0 },
		{ "syslog+udp://[::1", "expected syslog+udp://HOST", "", 0, 0, 0 },
		{ "file:", "expected file:PATH", "", 0, 0, 0 },
		{ "file:/a?mode", "expected append or truncate", "", 0, 0, 0 },
		{ "file:/a%zz", "expected file:PATH", "", 0, 0, 0 },
		{ "stdout:x", "expected stdout:", "", 0, 0, 0 },
		{ "http://siem", "expected stdout:, file:PATH", "", 0, 0, 0 },
		{ "", "expected stdout:, file:PATH", "", 0, 0, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct output_url url;
		struct complaint complaint = { .text = "" };
		const bool accepted = output_url_parse(cases[i].url, &complaint, &url);
		if (accepted != !cases[i].complaint ||
		    (!accepted && !strstr(complaint.text, cases[i].complaint)))
			fail_msg("%s: %s", cases[i].url, complaint.text);
		if (!accepted)
			continue;
		assert_string_equal(url.target, cases[i].target);
		assert_int_equal(url.port, cases[i].port);
		assert_int_equal(url.format, cases[i].format);
		assert_int_equal(url.max_size, cases[i].max_size);
	}
}

/* --- sending ---------------------------------------------------------------------------------- */

struct run {
	struct output *output;
	struct counters counters;
};

static void run_open(struct run *run, const char *const *urls, size_t count, const char *spool,
		     uint64_t give_up_ms)
{
	const struct output_settings settings = {
		.urls = urls,
		.url_count = count,
		.host_name = "sensor1",
		.spool_path = spool,
		.fixed_process_id = 1,
		.give_up_ns = give_up_ms * 1000000,
	};
	struct complaint complaint;
	memset(run, 0, sizeof(*run));
	if (!output_open(&settings, sample_fields(), &complaint, &run->output))
		fail_msg("%s", complaint.text);
}

static void send_alerts(struct run *run, uint64_t first, uint64_t count)
{
	struct alert alert;
	sample_alert_make(NULL, &alert);
	for (uint64_t i = first; i < first + count; i++) {
		alert_identify(&alert, i);
		output_alert(run->output, &alert);
		counter_add(&run->counters, COUNTER_alerts_raised, 1);
	}
	sample_alert_free(&alert);
}

/* The accounting must hold whatever happened. */
static bool run_close(struct run *run)
{
	const bool kept = output_close(run->output, &run->counters);
	assert_true(counter_identities_hold(&run->counters, stderr));
	return kept;
}

static uint64_t counted(const struct run *run, enum counter counter)
{
	return counter_read(&run->counters, counter);
}

static const char *id_of(uint64_t number)
{
	static struct alert alert;
	sample_alert_make(NULL, &alert);
	alert_identify(&alert, number);
	sample_alert_free(&alert);
	return alert.id;
}

/* Are the messages the alerts first.. in order (each may come again after a broken connection)? */
static void assert_in_order(struct receiver *receiver, uint64_t first, uint64_t count)
{
	uint64_t expected = first;
	const char *message;
	for (size_t i = 0; (message = receiver_message(receiver, i)); i++) {
		if (!parse_rfc5424(message, strlen(message), &parsed))
			fail_msg("%s in %s", parsed.wrong, message);
		const char *id = parsed_value(&parsed, "alert@32473", "id");
		if (strcmp(id, id_of(expected)) == 0)
			expected++; /* else a repetition: what is missing shows in the count */
	}
	assert_int_equal(expected, first + count);
}

static const char *url_of(enum receiver_kind kind, const struct receiver *receiver,
			  const char *path, const char *options)
{
	static char urls[8][1024];
	static int next;
	char *url = urls[next++ % 8];
	if (path)
		snprintf(url, sizeof(urls[0]), "unix:%s%s", path, options);
	else
		snprintf(url, sizeof(urls[0]), "syslog+%s://127.0.0.1:%u%s",
			 kind == RECEIVER_UDP	? "udp"
			 : kind == RECEIVER_TLS ? "tls"
						: "tcp",
			 receiver_port(receiver), options);
	return url;
}

static void every_transport_delivers_in_order(void **state)
{
	(void)state;
	enum { ALERTS = 50 };
	const struct certificate *certificate = receiver_certificate(directory);
	char ca[600];
	char fingerprint[300];
	char path[300];
	snprintf(ca, sizeof(ca), "?ca=%s", certificate->certificate_path);
	snprintf(fingerprint, sizeof(fingerprint), "?fingerprint=%s", certificate->fingerprint);
	snprintf(path, sizeof(path), "%s/log", directory);
	const struct {
		enum receiver_kind kind;
		const char *path;
		const char *options;
	} cases[] = {
		{ RECEIVER_UDP, NULL, "" },	      { RECEIVER_TCP, NULL, "" },
		{ RECEIVER_TLS, NULL, ca },	      { RECEIVER_TLS, NULL, fingerprint },
		{ RECEIVER_UNIX_DATAGRAM, path, "" }, { RECEIVER_UNIX_STREAM, path, "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct receiver *receiver = receiver_open(cases[i].kind, 0, cases[i].path);
		assert_non_null(receiver);
		const char *url = url_of(cases[i].kind, receiver, cases[i].path, cases[i].options);
		struct run run;
		run_open(&run, &url, 1, NULL, 5000);
		send_alerts(&run, 0, ALERTS);
		assert_true(run_close(&run));
		assert_int_equal(counted(&run, COUNTER_alerts_delivered), ALERTS);
		if (receiver_wait(receiver, ALERTS) != ALERTS)
			fail_msg("%s", url);
		assert_in_order(receiver, 0, ALERTS);
		assert_string_equal(parsed_value(&parsed, "meta", "sequenceId"), "50");
		if (cases[i].kind == RECEIVER_TLS)
			assert_true(receiver_saw_close_notify(receiver));
		receiver_close(receiver);
	}
}

static void wrong_certificates_are_refused(void **state)
{
	(void)state;
	receiver_certificate(directory);
	struct receiver *receiver = receiver_open(RECEIVER_TLS, 0, NULL);
	const char *const options[] = {
		"", /* no system CA knows it */
		"?fingerprint=sha-1:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00",
		"?server_name=other.example&ca=%s/certificate.pem",
	};
	for (size_t i = 0; i < 3; i++) {
		char option[600];
		snprintf(option, sizeof(option), "%s", options[i]);
		if (strchr(option, '%'))
			snprintf(option, sizeof(option),
				 "?server_name=other.example&ca=%s/certificate.pem", directory);
		const char *url = url_of(RECEIVER_TLS, receiver, NULL, option);
		struct run run;
		run_open(&run, &url, 1, NULL, 100);
		send_alerts(&run, 0, 3);
		assert_false(run_close(&run));
		assert_int_equal(counted(&run, COUNTER_alerts_lost_output), 3);
	}
	assert_null(receiver_message(receiver, 0));
	receiver_close(receiver);

	struct complaint complaint;
	struct output *output;
	const char *url = "syslog+tls://127.0.0.1?ca=/nowhere.pem";
	const struct output_settings settings = { .urls = &url, .url_count = 1 };
	assert_false(output_open(&settings, sample_fields(), &complaint, &output));
	assert_non_null(strstr(complaint.text, "cannot read the CA file"));
}

static void receiver_that_dies_gets_the_rest_when_it_is_back(void **state)
{
	(void)state;
	receiver_certificate(directory);
	static const enum receiver_kind kinds[] = { RECEIVER_TCP, RECEIVER_TLS };
	for (size_t i = 0; i < 2; i++) {
		struct receiver *receiver = receiver_open(kinds[i], 0, NULL);
		const uint16_t port = receiver_port(receiver);
		char option[600] = "";
		if (kinds[i] == RECEIVER_TLS)
			snprintf(option, sizeof(option), "?ca=%s/certificate.pem", directory);
		const char *url = url_of(kinds[i], receiver, NULL, option);
		struct run run;
		run_open(&run, &url, 1, NULL, 10000);
		send_alerts(&run, 0, 5);
		assert_int_equal(receiver_wait(receiver, 5), 5);
		receiver_close(receiver);
		send_alerts(&run, 5, 5);
		usleep(50000); /* so that some tries fail */
		send_alerts(&run, 10, 5);
		receiver = receiver_open(kinds[i], port, NULL);
		assert_non_null(receiver);
		assert_true(run_close(&run));
		assert_int_equal(counted(&run, COUNTER_alerts_delivered), 15);
		assert_true(counted(&run, COUNTER_output_connections_failed) > 0);
		receiver_wait(receiver, 10);
		assert_in_order(receiver, 5, 10);
		receiver_close(receiver);
	}
}

static size_t lines_of(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t lines = 0;
	for (int c; file && (c = fgetc(file)) != EOF;)
		lines += c == '\n';
	if (file)
		fclose(file);
	return lines;
}

static void slow_receiver_does_not_hold_up_a_fast_one(void **state)
{
	(void)state;
	enum { ALERTS = 1500 }; /* more than sockets and a tiny ring can hold */
	char path[300];
	char file_url[320];
	char spool[300];
	snprintf(path, sizeof(path), "%s/fast.jsonl", directory);
	snprintf(file_url, sizeof(file_url), "file:%s?format=cef", path);
	snprintf(spool, sizeof(spool), "%s/slow-spool", directory);
	struct receiver *slow = receiver_open(RECEIVER_TCP, 0, NULL);
	receiver_pause(slow, true);
	const char *const urls[] = { url_of(RECEIVER_TCP, slow, NULL, ""), file_url };
	struct run run;
	run_open(&run, urls, 2, spool, 10000);
	send_alerts(&run, 0, ALERTS);
	for (int i = 0; i < 10000 && lines_of(path) < ALERTS; i++)
		usleep(1000);
	assert_int_equal(lines_of(path), ALERTS); /* while the other one sleeps */
	assert_true(counter_read(output_counters(run.output), COUNTER_alerts_delivered) < ALERTS);
	receiver_pause(slow, false);
	assert_true(run_close(&run));
	assert_int_equal(counted(&run, COUNTER_alerts_delivered), ALERTS);
	receiver_wait(slow, ALERTS);
	assert_in_order(slow, 0, ALERTS);
	receiver_close(slow);
}

static void spool_survives_a_restart(void **state)
{
	(void)state;
	char spool[300];
	snprintf(spool, sizeof(spool), "%s/spool", directory);
	struct receiver *receiver = receiver_open(RECEIVER_TCP, 0, NULL);
	const uint16_t port = receiver_port(receiver);
	const char *url = url_of(RECEIVER_TCP, receiver, NULL, "");
	receiver_close(receiver); /* nobody there */

	struct run run;
	run_open(&run, &url, 1, spool, 50);
	send_alerts(&run, 0, 20);
	assert_true(run_close(&run)); /* on disk is not lost */
	assert_int_equal(counted(&run, COUNTER_alerts_spooled), 20);
	run_open(&run, &url, 1, spool, 50);
	send_alerts(&run, 20, 10);
	assert_true(run_close(&run));
	assert_int_equal(counted(&run, COUNTER_alerts_spooled), 10);

	receiver = receiver_open(RECEIVER_TCP, port, NULL);
	assert_non_null(receiver);
	run_open(&run, &url, 1, spool, 5000);
	send_alerts(&run, 30, 5);
	assert_true(run_close(&run));
	assert_int_equal(counted(&run, COUNTER_alerts_delivered), 5);
	assert_int_equal(counted(&run, COUNTER_output_spool_resent), 30);
	assert_int_equal(receiver_wait(receiver, 35), 35);
	assert_in_order(receiver, 0, 35); /* oldest first, each once: nothing broke meanwhile */

	run_open(&run, &url, 1, spool, 5000); /* and nothing is left to send again */
	assert_true(run_close(&run));
	assert_int_equal(counted(&run, COUNTER_output_messages_sent), 0);
	receiver_close(receiver);
}

/* Calls `change` on every segment of the one spool below a directory. */
static void each_segment(const char *spool, void (*change)(const char *path))
{
	DIR *outer = opendir(spool);
	for (struct dirent *entry; outer && (entry = readdir(outer));) {
		char inner_path[600];
		snprintf(inner_path, sizeof(inner_path), "%s/%s", spool, entry->d_name);
		DIR *inner = entry->d_name[0] == '.' ? NULL : opendir(inner_path);
		for (struct dirent *file; inner && (file = readdir(inner));) {
			char path[900];
			snprintf(path, sizeof(path), "%s/%s", inner_path, file->d_name);
			if (strstr(file->d_name, ".alerts"))
				change(path);
		}
		if (inner)
			closedir(inner);
	}
	if (outer)
		closedir(outer);
}

static void tear_off_the_end(const char *path)
{
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(truncate(path, status.st_size - 7), 0);
}

static void torn_spool_gives_what_is_whole(void **state)
{
	(void)state;
	char spool[300];
	snprintf(spool, sizeof(spool), "%s/torn", directory);
	struct receiver *receiver = receiver_open(RECEIVER_TCP, 0, NULL);
	const uint16_t port = receiver_port(receiver);
	const char *url = url_of(RECEIVER_TCP, receiver, NULL, "");
	receiver_close(receiver);
	struct run run;
	run_open(&run, &url, 1, spool, 50);
	send_alerts(&run, 0, 10);
	assert_true(run_close(&run));
	each_segment(spool, tear_off_the_end);

	receiver = receiver_open(RECEIVER_TCP, port, NULL);
	run_open(&run, &url, 1, spool, 5000);
	send_alerts(&run, 10, 2);
	assert_true(run_close(&run));
	const uint64_t torn = counted(&run, COUNTER_output_spool_unreadable);
	assert_true(torn >= 1);
	const size_t whole = receiver_wait(receiver, 12 - torn);
	assert_int_equal(whole, 12 - torn); /* the last record of each segment is gone */
	receiver_close(receiver);
}

static void full_spool_refuses_and_counts(void **state)
{
	(void)state;
	char spool[300];
	snprintf(spool, sizeof(spool), "%s/full", directory);
	struct receiver *receiver = receiver_open(RECEIVER_TCP, 0, NULL);
	const char *url = url_of(RECEIVER_TCP, receiver, NULL, "");
	receiver_close(receiver);
	const struct output_settings settings = {
		.urls = &url,
		.url_count = 1,
		.spool_path = spool,
		.spool_max_bytes = 10000,
		.fixed_process_id = 1,
		.give_up_ns = 50000000,
	};
	struct complaint complaint;
	struct run run = { 0 };
	struct output *second;
	assert_true(output_open(&settings, sample_fields(), &complaint, &run.output));
	assert_false(output_open(&settings, sample_fields(), &complaint, &second));
	assert_non_null(strstr(complaint.text, "another process uses it"));
	send_alerts(&run, 0, 20);
	assert_false(run_close(&run));
	assert_true(counted(&run, COUNTER_alerts_spooled) > 3);
	assert_true(counted(&run, COUNTER_alerts_lost_output) > 3);
	assert_int_equal(counted(&run, COUNTER_output_spool_refused),
			 counted(&run, COUNTER_alerts_lost_output));
}

static void alerts_for_nobody_are_lost_and_counted(void **state)
{
	(void)state;
	static const enum receiver_kind kinds[] = { RECEIVER_UDP, RECEIVER_TCP };
	for (size_t i = 0; i < 2; i++) {
		struct receiver *receiver = receiver_open(kinds[i], 0, NULL);
		char path[300];
		char file_url[320];
		snprintf(path, sizeof(path), "%s/beside-%zu", directory, i);
		snprintf(file_url, sizeof(file_url), "file:%s", path);
		const char *const urls[] = { url_of(kinds[i], receiver, NULL, ""), file_url };
		receiver_close(receiver);
		struct run run;
		run_open(&run, urls, 2, NULL, 100);
		send_alerts(&run, 0, 7);
		assert_false(run_close(&run));
		assert_int_equal(counted(&run, COUNTER_alerts_lost_output), 7);
		assert_int_equal(lines_of(path), 7); /* the other destination has them */
	}
}

/* --- files and stdout ------------------------------------------------------------------------- */

static char *contents_of(const char *path, size_t *out_size)
{
	FILE *file = fopen(path, "r");
	char *bytes = malloc(1 << 22);
	*out_size = fread(bytes, 1, 1 << 22, file);
	fclose(file);
	return bytes;
}

static void two_runs_write_the_same_bytes(void **state)
{
	(void)state;
	char *bytes[2];
	size_t sizes[2];
	for (int i = 0; i < 2; i++) {
		char path[300];
		char url[320];
		snprintf(path, sizeof(path), "%s/run-%d", directory, i);
		snprintf(url, sizeof(url), "file:%s", path);
		const char *const urls[] = { url };
		struct run run;
		run_open(&run, urls, 1, NULL, 0);
		send_alerts(&run, 0, 20);
		assert_true(run_close(&run));
		bytes[i] = contents_of(path, &sizes[i]);
	}
	assert_int_equal(sizes[0], sizes[1]);
	assert_memory_equal(bytes[0], bytes[1], sizes[0]);
	free(bytes[0]);
	free(bytes[1]);
}

static void moved_file_is_opened_again(void **state)
{
	(void)state;
	char path[300];
	char moved[320];
	char url[320];
	snprintf(path, sizeof(path), "%s/rotated", directory);
	snprintf(moved, sizeof(moved), "%s.1", path);
	snprintf(url, sizeof(url), "file:%s", path);
	const char *const urls[] = { url };
	struct run run;
	run_open(&run, urls, 1, NULL, 0);
	send_alerts(&run, 0, 3);
	for (int i = 0; i < 10000 && lines_of(path) < 3; i++)
		usleep(1000);
	assert_int_equal(rename(path, moved), 0);
	send_alerts(&run, 3, 2);
	assert_true(run_close(&run));
	assert_int_equal(lines_of(moved), 3);
	assert_int_equal(lines_of(path), 2);
	const char *nowhere = "file:/nowhere/at/all";
	const struct output_settings settings = { .urls = &nowhere, .url_count = 1 };
	struct complaint complaint;
	assert_false(output_open(&settings, sample_fields(), &complaint, &run.output));
	assert_non_null(strstr(complaint.text, "No such file"));
}

static void stdout_takes_alerts_and_a_closed_pipe_loses_them(void **state)
{
	(void)state;
	static const char *const urls[] = { "stdout:?format=leef" };
	fflush(stdout);
	const int saved = dup(STDOUT_FILENO);
	int ends[2];
	for (int broken = 0; broken < 2; broken++) {
		assert_int_equal(pipe(ends), 0);
		dup2(ends[1], STDOUT_FILENO);
		close(ends[1]);
		if (broken)
			close(ends[0]);
		struct run run;
		run_open(&run, urls, 1, NULL, 100);
		send_alerts(&run, 0, 3);
		const bool kept = run_close(&run);
		dup2(saved, STDOUT_FILENO);
		assert_int_equal(kept, !broken);
		if (broken)
			continue;
		char bytes[16384];
		const ssize_t size = read(ends[0], bytes, sizeof(bytes));
		assert_true(size > 0 && memcmp(bytes, "LEEF:2.0|", 9) == 0);
		assert_int_equal(bytes[size - 1], '\n');
		close(ends[0]);
	}
	close(saved);
}

static void alert_larger_than_the_ring_passes(void **state)
{
	(void)state;
	char path[300];
	char url[320];
	snprintf(path, sizeof(path), "%s/large", directory);
	snprintf(url, sizeof(url), "file:%s", path);
	const char *const urls[] = { url };
	char *long_text = malloc(30001);
	memset(long_text, 'x', 30000);
	long_text[30000] = '\0';
	const struct sample sample = { .command_line = long_text, .process_name = "cmd.exe" };
	struct alert alert;
	sample_alert_make(&sample, &alert);
	const struct event *pair[2] = { alert.events[0], alert.events[1] };
	for (size_t i = 0; i < RULE_STAGES_MAX; i++)
		alert.events[i] = pair[i % 2];
	alert.event_count = RULE_STAGES_MAX;
	struct run run;
	run_open(&run, urls, 1, NULL, 0);
	for (int i = 0; i < 3; i++) {
		output_alert(run.output, &alert);
		counter_add(&run.counters, COUNTER_alerts_raised, 1);
	}
	assert_true(run_close(&run));
	assert_int_equal(lines_of(path), 3);
	assert_int_equal(counted(&run, COUNTER_output_messages_truncated), 3); /* 4 MB > 1 MB */
	alert.event_count = 2;
	sample_alert_free(&alert);
	free(long_text);
}

static void probe_says_whether_a_destination_takes_messages(void **state)
{
	(void)state;
	struct complaint complaint = { .text = "" };
	struct receiver *receiver = receiver_open(RECEIVER_TCP, 0, NULL);
	const char *url = url_of(RECEIVER_TCP, receiver, NULL, "");
	assert_int_equal(output_probe(url, &complaint), 0);
	assert_int_equal(receiver_wait(receiver, 1), 1);
	assert_non_null(strstr(receiver_message(receiver, 0), "procspan output test"));
	receiver_close(receiver);
	assert_true(output_probe("syslog+tcp://127.0.0.1:1", &complaint) < 0);
	assert_non_null(strstr(complaint.text, "refused"));
	assert_true(output_probe("gopher:", &complaint) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_read_or_refused_with_what_was_expected),
		cmocka_unit_test(every_transport_delivers_in_order),
		cmocka_unit_test(wrong_certificates_are_refused),
		cmocka_unit_test(receiver_that_dies_gets_the_rest_when_it_is_back),
		cmocka_unit_test(slow_receiver_does_not_hold_up_a_fast_one),
		cmocka_unit_test(spool_survives_a_restart),
		cmocka_unit_test(torn_spool_gives_what_is_whole),
		cmocka_unit_test(full_spool_refuses_and_counts),
		cmocka_unit_test(alerts_for_nobody_are_lost_and_counted),
		cmocka_unit_test(two_runs_write_the_same_bytes),
		cmocka_unit_test(moved_file_is_opened_again),
		cmocka_unit_test(stdout_takes_alerts_and_a_closed_pipe_loses_them),
		cmocka_unit_test(alert_larger_than_the_ring_passes),
		cmocka_unit_test(probe_says_whether_a_destination_takes_messages),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
