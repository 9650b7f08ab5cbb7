/* Command lines from tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "correlator/options.h"

struct target {
	struct option_texts files;
	const char *name;
	const char *verb;
	uint64_t wait_ns;
	uint64_t room_bytes;
	uint64_t count;
	double percent;
	bool quiet;
};

#define AT(field) offsetof(struct target, field)

static const struct option rows[] = {
	{ NULL, OPTION_TEXT, AT(verb), "VERB", "positional", 0, 0 },
	{ "file", OPTION_TEXTS, AT(files), "FILE...", "many", 0, 0 },
	{ "name", OPTION_TEXT, AT(name), "NAME", "one", 0, 0 },
	{ "wait", OPTION_DURATION, AT(wait_ns), "TIME", "duration", 1000000,
	  86400 * UINT64_C(1000000000) },
	{ "room", OPTION_SIZE, AT(room_bytes), "SIZE", "size", 0, 0 },
	{ "count", OPTION_COUNT, AT(count), "N", "count", 1, 100 },
	{ "loss", OPTION_PERCENT, AT(percent), "P", "percent", 0, 0 },
	{ "quiet", OPTION_FLAG, AT(quiet), NULL, "flag", 0, 0 },
};

enum { ROWS_COUNT = sizeof(rows) / sizeof(rows[0]), WORDS_MAX = 8 };

static bool parse(struct target *target, struct complaint *complaint, const char *const *words)
{
	int count = 0;
	char *copies[WORDS_MAX];
	for (; words[count]; count++)
		copies[count] = (char *)(uintptr_t)words[count];
	return options_parse(rows, ROWS_COUNT, target, count, copies, complaint);
}

static void every_kind_is_read(void **state)
{
	(void)state;
	const char *const words[] = { "go", "--file", "a", "b", "--wait", "15m", "--quiet", NULL };
	const char *const more[] = { "--room=64MB", "--count",	"7", "--loss",
				     "0.5%",	    "--name=x", NULL };
	struct target target = { 0 };
	struct complaint complaint;
	assert_true(parse(&target, &complaint, words));
	assert_true(parse(&target, &complaint, more));
	assert_string_equal(target.verb, "go");
	assert_int_equal(target.files.count, 2);
	assert_string_equal(target.files.items[1], "b");
	assert_int_equal(target.wait_ns, 900 * UINT64_C(1000000000));
	assert_int_equal(target.room_bytes, 64 << 20);
	assert_int_equal(target.count, 7);
	assert_true(target.percent == 0.5);
	assert_true(target.quiet);
	assert_string_equal(target.name, "x");
	options_release(rows, ROWS_COUNT, &target);
}

static void what_cannot_be_read_is_refused_with_a_reason(void **state)
{
	(void)state;
	static const struct {
		const char *words[3];
		const char *says;
	} cases[] = {
		{ { "--wait", "15", NULL }, "expected a duration with its unit" },
		{ { "--wait", "-1s", NULL }, "expected a duration" },
		{ { "--wait", "99999999999999d", NULL }, "expected a duration" },
		{ { "--room", "64", NULL }, "expected a size" },
		{ { "--count", "0", NULL }, "out of range" },
		{ { "--wait", "25h", NULL }, "out of range, 1ms to 1d" },
		{ { "--count", "seven", NULL }, "expected a whole number" },
		{ { "--loss", "5", NULL }, "expected a percentage" },
		{ { "--nmae", "x", NULL }, "did you mean --name?" },
		{ { "--nmae=a-long-value", NULL, NULL }, "did you mean --name?" },
		{ { "--nothing-like-it", NULL, NULL }, "--nothing-like-it; see --help" },
		{ { "--name", NULL, NULL }, "missing NAME" },
		{ { "--name", "--quiet", NULL }, "missing NAME" },
		{ { "--quiet=yes", NULL, NULL }, "takes no value" },
		{ { "go", "again", NULL }, "unexpected argument again" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct target target = { 0 };
		struct complaint complaint;
		if (parse(&target, &complaint, cases[i].words) ||
		    !strstr(complaint.text, cases[i].says))
			fail_msg("%s: %s", cases[i].words[0], complaint.text);
		options_release(rows, ROWS_COUNT, &target);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_read),
		cmocka_unit_test(what_cannot_be_read_is_refused_with_a_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
