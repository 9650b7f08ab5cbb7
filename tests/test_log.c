/* What reaches the operator's terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/log.h"

enum { SAID_MAX = 4096 };

static char said[SAID_MAX];

/* stderr goes to a file until said_since. */
static FILE *redirect(int *out_saved)
{
	FILE *file = tmpfile();
	assert_non_null(file);
	*out_saved = dup(STDERR_FILENO);
	dup2(fileno(file), STDERR_FILENO);
	return file;
}

static const char *said_since(FILE *file, int saved)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	said[fread(said, 1, sizeof(said) - 1, file)] = '\0';
	fclose(file);
	return said;
}

static void lines_say_their_level_and_the_error_where_asked(void **state)
{
	(void)state;
	int saved;
	FILE *file = redirect(&saved);
	errno = ENOENT;
	log_error("open %s", "a");
	errno = ENOENT;
	log_warnx("open %s", "b");
	log_info("not wanted");
	const int error = errno;
	assert_string_equal(said_since(file, saved),
			    "error open a: No such file or directory\nwarn open b\n");
	assert_int_equal(error, ENOENT);
}

static void control_characters_of_others_neither_end_a_line_nor_reach_the_terminal(void **state)
{
	(void)state;
	int saved;
	FILE *file = redirect(&saved);
	log_warnx("peer %s", "a\nerror forged\r\x1b[2J\x7f\xc3\xa9");
	assert_string_equal(said_since(file, saved), "warn peer a?error forged??[2J?\xc3\xa9\n");
}

static void long_lines_are_cut_and_still_end(void **state)
{
	(void)state;
	char text[3000];
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	int saved;
	FILE *file = redirect(&saved);
	errno = ENOENT;
	log_error("%s", text);
	log_warnx("next");
	const char *lines = said_since(file, saved);
	const char *end = strchr(lines, '\n');
	assert_non_null(end);
	assert_true(end - lines < 1024);
	assert_string_equal(end + 1, "warn next\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_say_their_level_and_the_error_where_asked),
		cmocka_unit_test(
			control_characters_of_others_neither_end_a_line_nor_reach_the_terminal),
		cmocka_unit_test(long_lines_are_cut_and_still_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
