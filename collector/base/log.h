/* log.h: words for the operator, on stderr. Counters tell how much; the log tells that something
 * changed.
 *
 * One line each: "warn input lumberjack peer=10.0.0.7:51514: frame of 90 MB exceeds 64 MB, hanging
 * up". May be called from any thread, never per packet or per event.
 */
#pragma once

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Lines above this level are not written. Set once, before threads start. Default LOG_WARN. */
void log_set_level(enum log_level level);

/* Writes "level text\n"; control characters in the text become '?'. The `x` forms leave errno
 * alone; log_warn and log_error add its text. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_errorx(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
