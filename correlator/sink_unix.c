/* Syslog to a local socket such as /dev/log: datagrams where it takes them, else a stream. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "correlator/sink_socket.h"

static int try_type(struct socket_sink *local, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path, local->host, strlen(local->host));
	local->fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (local->fd < 0)
		return -errno;
	if (connect(local->fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
		local->type = type;
		return 1;
	}
	const int error = errno;
	socket_disconnect(&local->sink);
	return -error;
}

static int unix_connect(struct sink *sink)
{
	struct socket_sink *local = (struct socket_sink *)sink;
	if (local->fd >= 0)
		return 1;
	const int result = try_type(local, SOCK_DGRAM);
	return result == -EPROTOTYPE ? try_type(local, SOCK_STREAM) : result;
}

/* Datagrams are sent without what frames them in a stream. */
static ssize_t unix_send(struct sink *sink, const char *bytes, size_t size_bytes)
{
	const struct socket_sink *local = (const struct socket_sink *)sink;
	if (local->type == SOCK_STREAM)
		return socket_send(sink, bytes, size_bytes);
	size_t skip = 0;
	size_t size = size_bytes;
	if (size > 0 && bytes[size - 1] == '\n')
		size--;
	else
		while (skip < size && bytes[skip++] != ' ')
			;
	const ssize_t sent = socket_send(sink, bytes + skip, size - skip);
	return sent < 0 ? sent : (ssize_t)size_bytes;
}

bool sink_unix_open(const struct output_url *url, struct complaint *complaint,
		    struct sink **out_sink)
{
	static const struct sink_operations operations = {
		.connect = unix_connect,
		.check = socket_check,
		.send = unix_send,
		.unconfirmed = socket_unconfirmed,
		.wait = socket_wait,
		.disconnect = socket_disconnect,
		.close = socket_close,
	};
	struct sockaddr_un address;
	if (strlen(url->target) >= sizeof(address.sun_path))
		return complain(complaint, NULL, 0, 0,
				"output %.200s: expected a path of at most %zu bytes", url->text,
				sizeof(address.sun_path) - 1);
	struct socket_sink *local = calloc(1, sizeof(*local));
	if (!local)
		return complain(complaint, NULL, 0, 0, "output %.200s: out of memory", url->text);
	socket_open(local, url, SOCK_DGRAM);
	local->sink.operations = &operations;
	*out_sink = &local->sink;
	return true;
}
