/* `procspan run` as a process: what was acknowledged survives kill -9, settings are checked, rules
 * are reloaded. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/support_random.h"
#include "tests/support_run.h"
#include "tests/support_server.h"
#include "tests/support_service.h"
#include "tests/support_shared.h"

enum { EVENTS_MAX = 200000, WINDOW = 10, KILLS = 8 };

struct fixture {
	char *folder;
	char input[256];
	char outputs[512];
	char rules[512];
	char spool[512];
	char control[512];
	char log[512];
	char alerts[512];
	uint16_t port;
};

static const char rule_text[] = "[rule]\nname = \"%s\"\nrule_id = \"%s\"\nseverity = \"low\"\n"
				"risk_score = 21\ntype = \"eql\"\nlanguage = \"eql\"\n"
				"query = '''\nprocess where process.name : \"%s\"\n'''\n";

static void write_rule(const struct fixture *fixture, const char *file, const char *id,
		       const char *process)
{
	char path[1024];
	char text[1024];
	snprintf(path, sizeof(path), "%s/rules/%s", fixture->folder, file);
	const int size = snprintf(text, sizeof(text), rule_text, file, id, process);
	write_file(path, text, (size_t)size);
}

static void fixture_open(struct fixture *fixture)
{
	fixture->folder = make_temporary_directory();
	fixture->port = service_free_port();
	const char *folder = fixture->folder;
	snprintf(fixture->input, sizeof(fixture->input), "inputs=lumberjack+tcp://127.0.0.1:%u",
		 fixture->port);
	snprintf(fixture->alerts, sizeof(fixture->alerts), "%.400s/alerts", folder);
	snprintf(fixture->outputs, sizeof(fixture->outputs), "outputs=file:%.400s/alerts", folder);
	snprintf(fixture->rules, sizeof(fixture->rules), "rules=%.400s/rules", folder);
	snprintf(fixture->spool, sizeof(fixture->spool), "spool.path=%.400s/spool", folder);
	snprintf(fixture->control, sizeof(fixture->control), "control=%.400s/control", folder);
	snprintf(fixture->log, sizeof(fixture->log), "%.400s/log", folder);
	assert_int_equal(shell(NULL, 0, "mkdir %s/rules", folder), 0);
	write_rule(fixture, "watched.toml", "11111111-2222-3333-4444-555555555555", "mark*.exe");
}

static void fixture_close(struct fixture *fixture)
{
	remove_tree(fixture->folder);
	free(fixture->folder);
}

static pid_t start(const struct fixture *fixture)
{
	const char *const words[] = { "--set",
				      fixture->input,
				      fixture->outputs,
				      fixture->rules,
				      fixture->spool,
				      fixture->control,
				      NULL };
	return service_start(fixture->log, words);
}

/* --- a sender that numbers its events --------------------------------------------------------- */

static size_t put_event(char *at, uint32_t number)
{
	char when[32];
	const time_t now = time(NULL);
	struct tm parts;
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
	return (size_t)sprintf(
		at,
		"{\"@timestamp\":\"%s\",\"event\":{\"category\":[\"process\"],\"type\":[\"start\"],"
		"\"kind\":\"event\"},\"host\":{\"name\":\"pc1\"},\"process\":{\"pid\":%u,"
		"\"name\":\"mark%u.exe\",\"entity_id\":\"{00000000-0000-0000-0000-%012u}\"}}",
		when, number + 10, number, number);
}

static void put_word(char *at, size_t word)
{
	const unsigned char bytes[] = { (unsigned char)(word >> 24), (unsigned char)(word >> 16),
					(unsigned char)(word >> 8), (unsigned char)word };
	memcpy(at, bytes, sizeof(bytes));
}

static size_t put_window(char *out, uint32_t first)
{
	size_t size = 6;
	out[0] = '2';
	out[1] = 'W';
	put_word(out + 2, WINDOW);
	for (uint32_t i = 0; i < WINDOW; i++) {
		out[size] = '2';
		out[size + 1] = 'J';
		put_word(out + size + 2, i + 1);
		const size_t event = put_event(out + size + 10, first + i);
		put_word(out + size + 6, event);
		size += 10 + event;
	}
	return size;
}

/* Sends the same window until it is acknowledged. False: the service was killed meanwhile. */
static bool deliver(int fd, uint32_t first)
{
	char window[WINDOW * 1024];
	char ack[6];
	client_send(fd, window, put_window(window, first));
	do {
		if (client_read(fd, ack, sizeof(ack)) != sizeof(ack))
			return false;
	} while (ack[5] != WINDOW);
	return true;
}

/* How often each number's alert stands in the file. */
static void count_alerts(const char *path, uint8_t *counts)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	assert_non_null(file);
	while (getline(&line, &room, file) > 0) {
		const char *name = strstr(line, "\"name\":\"mark");
		const unsigned long number = name ? strtoul(name + 12, NULL, 10) : EVENTS_MAX;
		if (number < EVENTS_MAX)
			counts[number]++;
	}
	free(line);
	fclose(file);
}

static size_t line_count(const char *path)
{
	size_t size;
	size_t count = 0;
	char *text = read_whole_file(path, 1, &size);
	for (size_t i = 0; text && i < size; i++)
		count += text[i] == '\n';
	free(text);
	return count;
}

static void await_lines(const char *path, size_t count)
{
	for (int i = 0; i < 1000 && line_count(path) < count; i++)
		usleep(10000);
	assert_int_equal(line_count(path), count);
}

/* --- tests ------------------------------------------------------------------------------------ */

/* $PROCSPAN_KILLS sets how often. */
static void kills_lose_no_acknowledged_event_and_raise_none_twice(void **state)
{
	(void)state;
	struct fixture fixture;
	fixture_open(&fixture);
	const char *wish = getenv("PROCSPAN_KILLS");
	const int kills = wish ? (int)strtol(wish, NULL, 10) : KILLS;
	struct support_random random = support_random_open();
	static uint8_t counts[EVENTS_MAX];
	memset(counts, 0, sizeof(counts));
	uint32_t acked = 0;
	for (int i = 0; i <= kills; i++) {
		const pid_t service = start(&fixture);
		assert_true(service_await(fixture.port));
		const int fd = client_connect(fixture.port);
		const uint32_t until = acked + WINDOW * (1 + support_random_below(&random, 40));
		while (acked < until && acked + WINDOW < EVENTS_MAX && deliver(fd, acked))
			acked += WINDOW;
		char window[WINDOW * 1024];
		client_send(fd, window, put_window(window, acked)); /* nobody hears of this one */
		usleep(support_random_below(&random, 20000));
		close(fd);
		if (i < kills)
			service_stop(service, SIGKILL);
		else
			assert_int_equal(service_stop(service, SIGTERM), 0);
	}
	count_alerts(fixture.alerts, counts);
	for (uint32_t i = 0; i < acked; i++)
		if (counts[i] != 1)
			fail_msg("event %u of %u raised %u alerts", i, acked, counts[i]);
	for (uint32_t i = acked; i < EVENTS_MAX; i++)
		assert_true(counts[i] <= 1);
	assert_true(acked > 0);
	fixture_close(&fixture);
}

static void reloading_brings_new_rules_and_repeats_no_alert(void **state)
{
	(void)state;
	struct fixture fixture;
	fixture_open(&fixture);
	const pid_t service = start(&fixture);
	assert_true(service_await(fixture.port));
	int fd = client_connect(fixture.port);
	assert_true(deliver(fd, 100));
	close(fd);
	await_lines(fixture.alerts, WINDOW);
	write_rule(&fixture, "more.toml", "11111111-2222-3333-4444-666666666666", "mark105.exe");
	char out[256];
	const char *binary = getenv("PROCSPAN_BINARY");
	assert_int_equal(shell(out, sizeof(out), "%s reload --control %s",
			       binary ? binary : "./procspan", fixture.control + 8),
			 0);
	assert_string_equal(out, "reloading\n");
	await_lines(fixture.alerts, WINDOW + 1); /* the new rule, on what had come before it */
	assert_true(service_await(fixture.port));
	assert_int_equal(shell(out, sizeof(out), "%s hosts --json --control %s",
			       binary ? binary : "./procspan", fixture.control + 8),
			 0);
	assert_non_null(strstr(out, "\"host\":\"pc1\""));
	assert_int_equal(service_stop(service, SIGTERM), 0);
	assert_int_equal(line_count(fixture.alerts), WINDOW + 1);
	fixture_close(&fixture);
}

static void mistakes_in_the_configuration_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
		{ "output = [\"stdout:\"]\n", ":1:10: unknown key output; did you mean outputs?" },
		{ "horizon = 900\n", "horizon: found an integer, expected a duration in quotes" },
		{ "[spool]\npaht = \"/x\"\n", "unknown key spool.paht; did you mean spool.path?" },
		{ "inputs = [\"ndjson+tcp:x\"]\n", "expected //HOST:PORT" },
		{ "limits.flows = -1\n", "expected a whole number" },
		{ "[speakers]\n\"a\" = 3\n", "speakers.a: expected a list of computers" },
		{ "a = \n", ":1:" },
	};
	char *folder = make_temporary_directory();
	char path[4200];
	snprintf(path, sizeof(path), "%s/c.toml", folder);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_file(path, cases[i].text, strlen(cases[i].text));
		const char *const words[] = { "run", "--config", path, NULL };
		struct run run = run_procspan(words);
		if (run.exit_code != 3 || !strstr(run.err, cases[i].says))
			fail_msg("%s: exit %d, %s", cases[i].text, run.exit_code, run.err);
		run_release(&run);
	}
	remove_tree(folder);
	free(folder);
}

static void the_group_policy_string_is_printed(void **state)
{
	(void)state;
	char *folder = make_temporary_directory();
	char path[4200];
	static const char text[] =
		"inputs = [\"wef+http://127.0.0.1:5985?url=http://collector.example:5985\"]\n";
	snprintf(path, sizeof(path), "%s/c.toml", folder);
	write_file(path, text, strlen(text));
	const char *const words[] = { "wef", "gpo", "--config", path, NULL };
	struct run run = run_procspan(words);
	assert_int_equal(run.exit_code, 0);
	assert_non_null(strstr(run.out, "Server=http://collector.example:5985/wsman/"
					"SubscriptionManager/WEC,Refresh=60"));
	assert_non_null(strstr(run.out, "Microsoft-Windows-Sysmon/Operational"));
	run_release(&run);
	remove_tree(folder);
	free(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kills_lose_no_acknowledged_event_and_raise_none_twice),
		cmocka_unit_test(reloading_brings_new_rules_and_repeats_no_alert),
		cmocka_unit_test(mistakes_in_the_configuration_are_named),
		cmocka_unit_test(the_group_policy_string_is_printed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
