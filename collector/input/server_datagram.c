/* server_datagram.c: events by UDP: each datagram is a message of its own, and nobody
 * hears of it. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/log.h"
#include "collector/input/server_inside.h"

enum {
	DATAGRAM_MAX_BYTES = 65536,
	DATAGRAMS_PER_TURN = 256,
	RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024, /* nobody sends again what the kernel drops */
};

static void feed(struct listener *listener, const char *bytes, size_t size_bytes)
{
	const struct session_protocol *protocol = listener->url->protocol;
	const struct session_sink sink = server_plain_sink(listener->server);
	void *session = protocol->open(&listener->server->settings.limits);
	if (!session)
		return;
	const ssize_t consumed = protocol->feed(session, bytes, size_bytes, &sink);
	if (consumed >= 0 && (size_t)consumed < size_bytes && protocol->end)
		protocol->end(session, bytes + consumed, size_bytes - (size_t)consumed, &sink);
	protocol->close(session);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	(void)what;
	struct listener *listener = context;
	char datagram[DATAGRAM_MAX_BYTES];
	for (int i = 0; i < DATAGRAMS_PER_TURN && !listener->server->congested; i++) {
		const ssize_t size = recv(fd, datagram, sizeof(datagram), MSG_DONTWAIT);
		if (size < 0)
			return;
		if (size > 0)
			feed(listener, datagram, (size_t)size);
	}
}

bool datagram_listen(struct listener *listener, struct complaint *complaint)
{
	const int fd = server_bind(listener->url, SOCK_DGRAM, complaint);
	if (fd < 0)
		return false;
	const int room = RECEIVE_BUFFER_BYTES;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	listener->readable =
		event_new(listener->server->base, fd, EV_READ | EV_PERSIST, on_readable, listener);
	if (listener->readable)
		return true;
	close(fd);
	return complain(complaint, NULL, 0, 0, "listener %.200s: no memory", listener->url->text);
}

void datagram_start(struct listener *listener)
{
	if (listener->readable)
		event_add(listener->readable, NULL);
}

void datagram_pause(const struct listener *listener, bool paused)
{
	if (paused)
		event_del(listener->readable);
	else
		event_add(listener->readable, NULL);
}

void datagram_close(struct listener *listener)
{
	if (!listener->readable)
		return;
	close(event_get_fd(listener->readable));
	event_free(listener->readable);
}
