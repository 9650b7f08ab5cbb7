/* Wildcard lists against the obvious recursion, and regular expressions by table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/regex.h"
#include "rules/wildcard.h"
#include "tests/support_random.h"

enum { PLENTY = 1 << 24 };

static struct text text_of(const char *bytes)
{
	return (struct text){ bytes, strlen(bytes) };
}

/* Matches a copy of exact size, so that ASan sees one byte too far. */
static bool match_exact(const struct wildcard *wildcard, struct wildcard_scratch *scratch,
			const char *text, size_t size)
{
	char *exact = malloc(size + (size == 0));
	memcpy(exact, text, size);
	const bool fits = wildcard_match(wildcard, scratch, exact, size);
	free(exact);
	return fits;
}

static void patterns_fit_whole_texts(void **state)
{
	(void)state;
	static const struct {
		const char *pattern;
		const char *text;
		bool insensitive;
		bool fits;
	} cases[] = {
		{ "", "", false, true },
		{ "", "a", false, false },
		{ "abc", "abc", false, true },
		{ "abc", "abcd", false, false },
		{ "abc", "ABC", false, false },
		{ "aBc", "AbC", true, true },
		{ "*", "", false, true },
		{ "*", "any\nthing", false, true },
		{ "***", "x", false, true },
		{ "a*", "a", false, true },
		{ "a*", "ba", false, false },
		{ "*a", "bba", false, true },
		{ "*a", "ab", false, false },
		{ "*a*", "bab", false, true },
		{ "a*b", "ab", false, true },
		{ "a*b", "a\r\nb", false, true },
		{ "a*b*c", "a-b-b-c", false, true },
		{ "a*b*c", "a-c-b", false, false },
		{ "*ab*ab*", "xabab", false, true },
		{ "*ab*ab*", "xab", false, false },
		{ "?", "", false, false },
		{ "?", "\xc3\xa9", false, true },
		{ "?", "\xf0\x9f\x92\xa9", false, true },
		{ "??", "\xe2\x82\xac", false, false },
		{ "*??", "\xe2\x82\xac", false, false },
		{ "?", "\x82", false, false },
		{ "?", "\xe2\x82", false, false },
		{ "*", "\xff\xfe", false, true },
		{ "caf?", "caf\xc3\xa9", false, true },
		{ "\xc3\x89", "\xc3\xa9", true, false }, /* only ASCII letters fold */
		{ "a\\*", "a\\b", false, true },	 /* no escapes */
		{ "*\\x\\*", "C:\\X\\y", true, true },
		{ "[a]", "a", false, false },
		{ "*aaab", "aaaaaaaab", false, true },
	};
	struct wildcard_scratch *scratch = wildcard_scratch_open(4096);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* Once as an automaton, once position by position. */
		for (size_t work = 0; work <= PLENTY; work += PLENTY) {
			struct arena *arena = arena_open(0);
			const struct text pattern = text_of(cases[i].pattern);
			size_t left = work;
			struct wildcard *wildcard =
				wildcard_open(&pattern, 1, cases[i].insensitive, arena, &left);
			assert_non_null(wildcard);
			if (match_exact(wildcard, scratch, cases[i].text, strlen(cases[i].text)) !=
			    cases[i].fits)
				fail_msg("%s on %s", cases[i].pattern, cases[i].text);
			arena_close(arena);
		}
	}
	wildcard_scratch_close(scratch);
}

/* --- against the model ------------------------------------------------------------------------ */

static bool model_fits(const char *pattern, const char *end, const char *text, const char *text_end,
		       bool insensitive)
{
	if (pattern == end)
		return text == text_end;
	if (*pattern == '*')
		return model_fits(pattern + 1, end, text, text_end, insensitive) ||
		       (text < text_end &&
			model_fits(pattern, end, text + 1, text_end, insensitive));
	if (text == text_end)
		return false;
	if (*pattern == '?') {
		const unsigned char first = (unsigned char)*text;
		const size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
		if ((first >= 0x80 && first < 0xc0) || first >= 0xf8 ||
		    size > (size_t)(text_end - text))
			return false;
		for (size_t i = 1; i < size; i++)
			if (((unsigned char)text[i] & 0xc0) != 0x80)
				return false;
		return model_fits(pattern + 1, end, text + size, text_end, insensitive);
	}
	const bool letter = (*pattern | 32) >= 'a' && (*pattern | 32) <= 'z';
	const bool same =
		insensitive && letter ? (*pattern | 32) == (*text | 32) : *pattern == *text;
	return same && model_fits(pattern + 1, end, text + 1, text_end, insensitive);
}

static void random_text(struct support_random *random, const char *const *pieces, uint32_t count,
			uint32_t longest, char *out)
{
	*out = '\0';
	for (uint32_t i = support_random_below(random, longest); i > 0; i--)
		out = stpcpy(out, pieces[support_random_below(random, count)]);
}

static void random_lists_agree_with_the_model(void **state)
{
	(void)state;
	enum { LISTS = 1500, TEXTS = 60, LONGEST = 8, PATTERNS_MAX = 9 };
	static const char *const pattern_pieces[] = { "*", "*",	 "?",	     "a",	    "b",
						      "A", "ab", "\xc3\xa9", "\xe2\x82\xac" };
	static const char *const text_pieces[] = { "a",
						   "b",
						   "A",
						   "B",
						   "ab",
						   "\xc3\xa9",
						   "\xe2\x82\xac",
						   "\x82",
						   "aa",
						   "\xf0\x9f\x92\xa9" };
	struct support_random random = support_random_open();
	struct wildcard_scratch *scratch = wildcard_scratch_open(4096);
	size_t fitting = 0;
	for (int list = 0; list < LISTS; list++) {
		char bytes[PATTERNS_MAX][64];
		struct text patterns[PATTERNS_MAX];
		const size_t count = 1 + support_random_below(&random, PATTERNS_MAX);
		const bool insensitive = support_random_below(&random, 2);
		for (size_t i = 0; i < count; i++) {
			random_text(&random, pattern_pieces, 9, LONGEST, bytes[i]);
			patterns[i] = text_of(bytes[i]);
		}
		struct arena *arena = arena_open(0);
		/* Little work forces halving and following positions. */
		size_t work = support_random_below(&random, 3) ? PLENTY
							       : support_random_below(&random, 300);
		const struct wildcard *wildcard =
			wildcard_open(patterns, count, insensitive, arena, &work);
		for (int i = 0; i < TEXTS; i++) {
			char text[64];
			random_text(&random, text_pieces, 10, LONGEST, text);
			const size_t size = strlen(text);
			bool expected = false;
			for (size_t j = 0; j < count; j++)
				expected |= model_fits(patterns[j].bytes,
						       patterns[j].bytes + patterns[j].size_bytes,
						       text, text + size, insensitive);
			fitting += expected;
			if (match_exact(wildcard, scratch, text, size) != expected)
				fail_msg("list %d, text %s, first pattern %s", list, text,
					 bytes[0]);
		}
		arena_close(arena);
	}
	wildcard_scratch_close(scratch);
	printf("%d comparisons, %zu of them true\n", LISTS * TEXTS, fitting);
}

static void hostile_lists_are_bounded(void **state)
{
	(void)state;
	enum { PATTERNS = 600 };
	struct arena *arena = arena_open(0);
	static char bytes[PATTERNS][100];
	struct text patterns[PATTERNS];
	for (int i = 0; i < PATTERNS; i++) {
		snprintf(bytes[i], sizeof(bytes[i]),
			 "*a%d*b%d*????????????????????????????????*c%d?????????????????", i, i, i);
		patterns[i] = text_of(bytes[i]);
	}
	size_t work = 1 << 22;
	const struct wildcard *wildcard = wildcard_open(patterns, PATTERNS, true, arena, &work);
	assert_non_null(wildcard);
	assert_true(arena_used_bytes(arena) < 64U << 20);
	struct wildcard_scratch *scratch = wildcard_scratch_open(wildcard_positions(wildcard));
	char text[4096];
	memset(text, 'a', sizeof(text));
	assert_false(wildcard_match(wildcard, scratch, text, sizeof(text)));
	strcpy(text, "-A17-B17-0123456789012345678901234567890123456789-C17-----------------");
	assert_true(wildcard_match(wildcard, scratch, text, strlen(text) - 1));
	wildcard_scratch_close(scratch);

	static char large[WILDCARD_BYTES_MAX + 1];
	memset(large, 'x', sizeof(large));
	const struct text too_large = { large, sizeof(large) };
	assert_null(wildcard_open(&too_large, 1, true, arena, &work));
	assert_int_equal(errno, E2BIG);
	arena_close(arena);
}

/* --- regular expressions ---------------------------------------------------------------------- */

static void expressions_fit_as_in_lucene(void **state)
{
	(void)state;
	static const struct {
		const char *expression;
		const char *text;
		bool insensitive;
		bool fits;
	} cases[] = {
		{ "cmd", "cmd", false, true },
		{ "cmd", "cmd.exe", false, false },
		{ "cmd.*", "cmd.exe", false, true },
		{ "CMD.*", "cmd.exe", false, false },
		{ "CMD.*", "cmd.exe", true, true },
		{ "[A-C]MD", "cmd", true, true },
		{ "[^a-c]md", "CMD", true, false },
		{ "[X-b]", "x", true, true },
		{ "\xc3\x89", "\xc3\xa9", true, false },
		{ ".", "\xf0\x9f\x92\xa9", false, true },
		{ "a.b", "a\nb", false, true },
		{ "a|bc", "bc", false, true },
		{ "a|bc", "ac", false, false },
		{ "^a$", "^a$", false, true },
		{ "^a$", "a", false, false },
		{ ".*?net1.*?", "run net1 x", false, true },
		{ "a+?", "", false, true }, /* a+ and then: perhaps */
		{ "a++b", "aab", false, true },
		{ "a*+a", "aaa", false, true }, /* nothing is possessive */
		{ "(ab){2}", "abab", false, true },
		{ "(ab){2,}", "ab", false, false },
		{ "a{1,3}", "aaaa", false, false },
		{ "x@", "x anything\n", false, true },
		{ "x#", "x", false, false },
		{ "a#|b", "b", false, true },
		{ "\"a.b*\"c", "a.b*c", false, true },
		{ "\"a.b\"*", "a.ba.b", false, true },
		{ "<1-12>", "12", false, true },
		{ "<1-12>", "007", false, true },
		{ "<1-12>", "13", false, false },
		{ "<01-12>", "07", false, true },
		{ "<01-12>", "7", false, false },
		{ "\\d+\\w\\s", "12a ", false, true },
		{ "[\\d_]+", "1_2", false, true },
		{ "a\\.b\\*\\\\", "a.b*\\", false, true },
		{ "a\\bc", "abc", false, true }, /* a letter escaped is itself */
		{ "()", "", false, true },
		{ "", "", false, true },
		{ "[]a]", "]", false, true },
		{ "a-b/c:d", "a-b/c:d", false, true },
	};
	char fault[REGEX_FAULT_MAX];
	struct regex_scratch *scratch = regex_scratch_open();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct text expression = text_of(cases[i].expression);
		struct regex *regex = regex_open(&expression, 1, cases[i].insensitive, fault);
		if (!regex)
			fail_msg("%s: %s", cases[i].expression, fault);
		const size_t size = strlen(cases[i].text);
		char *exact = malloc(size + (size == 0));
		memcpy(exact, cases[i].text, size);
		if (regex_match(regex, scratch, exact, size) != cases[i].fits)
			fail_msg("%s on %s", cases[i].expression, cases[i].text);
		free(exact);
		regex_close(regex);
	}
	assert_int_equal(regex_scratch_given_up(scratch), 0);
	regex_scratch_close(scratch);
}

static void expressions_that_cannot_be_run_are_refused_with_a_reason(void **state)
{
	(void)state;
	static const struct {
		const char *expression;
		const char *fault;
	} cases[] = {
		{ "~a", "complement" },		 { "a&b", "intersection" },
		{ "<name>", "interval" },	 { "<1-99999>", "interval" },
		{ "<1-9000>", "more than" },	 { "(a", "never closed" },
		{ "a)", "closes nothing" },	 { "[a", "never closed" },
		{ "[b-a]", "before it begins" }, { "*a", "nothing before" },
		{ "(?i)a", "nothing before" },	 { "a{2", "repeat" },
		{ "a{5,2}", "repeat" },		 { "a{99999}", "repeat" },
		{ "a\\", "nothing behind" },	 { "\"a", "never closed" },
		{ "\xff", "not UTF-8" },	 { "(((((a{1000}){1000}){1000})))", "unusable" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char fault[REGEX_FAULT_MAX] = "";
		const struct text expression = text_of(cases[i].expression);
		struct regex *regex = regex_open(&expression, 1, false, fault);
		if (regex || !strstr(fault, cases[i].fault))
			fail_msg("%s: %s", cases[i].expression, fault);
	}
}

static void a_match_that_backtracks_without_end_gives_up_and_is_counted(void **state)
{
	(void)state;
	char fault[REGEX_FAULT_MAX];
	const struct text expression = text_of("(a|aa|a.)*(a|aa|aaa)*(.a)*b");
	struct regex *regex = regex_open(&expression, 1, false, fault);
	assert_non_null(regex);
	struct regex_scratch *scratch = regex_scratch_open();
	char text[32 * 1024];
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 2] = 'b';
	text[sizeof(text) - 1] = 'c';
	assert_false(regex_match(regex, scratch, text, sizeof(text)));
	assert_int_equal(regex_scratch_given_up(scratch), 1);
	assert_true(regex_match(regex, scratch, "aaab", 4));
	regex_scratch_close(scratch);
	regex_close(regex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_fit_whole_texts),
		cmocka_unit_test(random_lists_agree_with_the_model),
		cmocka_unit_test(hostile_lists_are_bounded),
		cmocka_unit_test(expressions_fit_as_in_lucene),
		cmocka_unit_test(expressions_that_cannot_be_run_are_refused_with_a_reason),
		cmocka_unit_test(a_match_that_backtracks_without_end_gives_up_and_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
