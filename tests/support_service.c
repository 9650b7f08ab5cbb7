#include "tests/support_service.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support_server.h"

enum { WORDS_MAX = 32 };

pid_t service_start(const char *log, const char *const *words)
{
	const pid_t child = fork();
	if (child != 0)
		return child;
	const char *binary = getenv("PROCSPAN_BINARY");
	char *copies[WORDS_MAX + 3] = { NULL };
	size_t count = 0;
	char program[4096];
	char verb[] = "run";
	snprintf(program, sizeof(program), "%s", binary ? binary : "./procspan");
	copies[count++] = program;
	copies[count++] = verb;
	for (; *words && count < WORDS_MAX; words++)
		copies[count++] = (char *)(uintptr_t)*words;
	const int err = open(log, O_CREAT | O_WRONLY | O_APPEND, 0600);
	const int null = open("/dev/null", O_RDWR);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execv(program, copies);
	_exit(127);
}

int service_stop(pid_t service, int signal_number)
{
	int status = 0;
	kill(service, signal_number);
	waitpid(service, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

uint16_t service_free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		abort();
	getsockname(fd, (struct sockaddr *)&address, &size);
	close(fd);
	return ntohs(address.sin_port);
}

bool service_await(uint16_t port)
{
	for (int i = 0; i < 1000; i++) {
		const int fd = client_connect(port);
		if (fd >= 0) {
			close(fd);
			return true;
		}
		usleep(10000);
	}
	return false;
}

int shell(char *out, unsigned long room_bytes, const char *format, ...)
{
	char command[8192];
	char rest[4096];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): a test's own words */
	size_t used = 0;
	if (!pipe)
		return -1;
	for (int byte; (byte = fgetc(pipe)) != EOF;)
		if (out && used + 1 < room_bytes)
			out[used++] = (char)byte;
	if (out)
		out[used] = '\0';
	while (fread(rest, 1, sizeof(rest), pipe) > 0)
		continue;
	const int status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
