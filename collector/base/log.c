#include "collector/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

static enum log_level wanted = LOG_WARN;

static const char *const names[] = { "error", "warn", "info", "debug" };

void log_set_level(enum log_level level)
{
	wanted = level;
}

/* Names and texts of others must not end a line, nor move the operator's cursor. */
static void blank_controls(char *text, size_t size_bytes)
{
	for (size_t i = 0; i < size_bytes; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == '\x7f')
			text[i] = '?';
}

/* One write per line, so that lines of two threads never mix. */
static void write_line(enum log_level level, int error, const char *format, va_list arguments)
{
	if (level > wanted)
		return;
	char line[LINE_MAX_BYTES];
	size_t size = (size_t)snprintf(line, sizeof(line), "%s ", names[level]);
	const int body = vsnprintf(line + size, sizeof(line) - size, format, arguments);
	if (body > 0)
		size += (size_t)body;
	if (size > sizeof(line) - 2)
		size = sizeof(line) - 2;
	if (error != 0) {
		const int tail =
			snprintf(line + size, sizeof(line) - size - 1, ": %s", strerror(error));
		if (tail > 0)
			size += (size_t)tail;
		if (size > sizeof(line) - 2)
			size = sizeof(line) - 2;
	}
	blank_controls(line, size);
	line[size++] = '\n';
	const ssize_t written = write(STDERR_FILENO, line, size);
	(void)written; /* there is nowhere left to complain to */
}

#define LOG_FUNCTION(name, level, error)                                                           \
	void name(const char *format, ...)                                                         \
	{                                                                                          \
		const int saved = errno;                                                           \
		va_list arguments;                                                                 \
		va_start(arguments, format);                                                       \
		write_line(level, error, format, arguments);                                       \
		va_end(arguments);                                                                 \
		errno = saved;                                                                     \
	}

LOG_FUNCTION(log_error, LOG_ERROR, saved)
LOG_FUNCTION(log_errorx, LOG_ERROR, 0)
LOG_FUNCTION(log_warn, LOG_WARN, saved)
LOG_FUNCTION(log_warnx, LOG_WARN, 0)
LOG_FUNCTION(log_info, LOG_INFO, 0)
LOG_FUNCTION(log_debug, LOG_DEBUG, 0)
