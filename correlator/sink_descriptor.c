#include "correlator/sink_descriptor.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

/* A pipe that polls writable takes PIPE_BUF bytes without blocking (POSIX, write); its flags are
 * not ours to change, because others may hold the same open file. */
ssize_t descriptor_send(struct sink *sink, const char *bytes, size_t size_bytes)
{
	const struct descriptor_sink *descriptor = (const struct descriptor_sink *)sink;
	struct pollfd writable = { .fd = descriptor->fd, .events = POLLOUT };
	if (poll(&writable, 1, 0) <= 0)
		return -EAGAIN;
	const ssize_t size =
		write(descriptor->fd, bytes, size_bytes < PIPE_BUF ? size_bytes : PIPE_BUF);
	if (size < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return size;
}

struct pollfd descriptor_wait(struct sink *sink, bool blocked)
{
	const struct descriptor_sink *descriptor = (const struct descriptor_sink *)sink;
	return (struct pollfd){ .fd = blocked ? descriptor->fd : -1,
				.events = blocked ? POLLOUT : 0 };
}

bool descriptor_unconfirmed(struct sink *sink)
{
	(void)sink;
	return false;
}

int descriptor_check(struct sink *sink)
{
	(void)sink;
	return 0;
}

void descriptor_disconnect(struct sink *sink)
{
	(void)sink;
}
