/* support_service.h: the procspan binary as a running service, and other programs beside it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Starts `procspan run` of the flavour under test with these words after it; its stderr goes to
 * `log`. */
pid_t service_start(const char *log, const char *const *words);

/* Sends the signal and waits; the exit code, or -1 when a signal ended it. */
int service_stop(pid_t service, int signal_number);

/* A port on 127.0.0.1 that nobody has now. */
uint16_t service_free_port(void);

/* Waits (at most ten seconds) until somebody listens. */
bool service_await(uint16_t port);

/* Runs a shell command; its exit code. With `out`, its first bytes of output, NUL-terminated. */
int shell(char *out, unsigned long room_bytes, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
