#include "correlator/sink_socket.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct socket_sink *socket_of(struct sink *sink)
{
	return (struct socket_sink *)sink;
}

void socket_open(struct socket_sink *socket_sink, const struct output_url *url, int type)
{
	socket_sink->fd = -1;
	socket_sink->type = type;
	snprintf(socket_sink->host, sizeof(socket_sink->host), "%s", url->target);
	snprintf(socket_sink->port, sizeof(socket_sink->port), "%u", url->port);
}

static void forget_addresses(struct socket_sink *socket_sink)
{
	if (socket_sink->addresses)
		freeaddrinfo(socket_sink->addresses);
	socket_sink->addresses = NULL;
	socket_sink->next = NULL;
}

/* A lookup that the resolver still works on must not be freed under it. */
static void forget_lookup(struct socket_sink *socket_sink)
{
	struct gaicb *lookup = socket_sink->lookup;
	socket_sink->lookup = NULL;
	if (!lookup ||
	    (gai_cancel(lookup) == EAI_NOTCANCELED && gai_error(lookup) == EAI_INPROGRESS))
		return;
	if (lookup->ar_result)
		freeaddrinfo(lookup->ar_result);
	free(lookup);
}

/* A request carries its own copy of what it asks for, because it may outlive the sink. */
struct lookup {
	struct gaicb request; /* first, so that freeing the one frees the other */
	struct addrinfo hints;
	char host[URL_VALUE_MAX];
	char port[8];
};

static int begin_lookup(struct socket_sink *socket_sink)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	if (!lookup)
		return -ENOMEM;
	memcpy(lookup->host, socket_sink->host, sizeof(lookup->host));
	memcpy(lookup->port, socket_sink->port, sizeof(lookup->port));
	lookup->hints = (struct addrinfo){ .ai_socktype = socket_sink->type };
	lookup->request = (struct gaicb){
		.ar_name = lookup->host,
		.ar_service = lookup->port,
		.ar_request = &lookup->hints,
	};
	struct gaicb *requests[] = { &lookup->request };
	if (getaddrinfo_a(GAI_NOWAIT, requests, 1, NULL) != 0) {
		free(lookup);
		return -EAGAIN;
	}
	socket_sink->lookup = &lookup->request;
	return 0;
}

/* 1: addresses are known; 0: the name server has not answered. */
static int resolve(struct socket_sink *socket_sink)
{
	if (socket_sink->addresses) {
		if (!socket_sink->next) /* all were tried since: from the first again */
			socket_sink->next = socket_sink->addresses;
		return 1;
	}
	if (!socket_sink->lookup) {
		const struct addrinfo hints = {
			.ai_socktype = socket_sink->type,
			.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		};
		if (getaddrinfo(socket_sink->host, socket_sink->port, &hints,
				&socket_sink->addresses) != 0)
			return begin_lookup(socket_sink);
		socket_sink->next = socket_sink->addresses;
		return 1;
	}
	const int result = gai_error(socket_sink->lookup);
	if (result == EAI_INPROGRESS)
		return 0;
	if (result == 0) {
		socket_sink->addresses = socket_sink->lookup->ar_result;
		socket_sink->next = socket_sink->addresses;
		socket_sink->lookup->ar_result = NULL;
	} else {
		snprintf(socket_sink->sink.error, sizeof(socket_sink->sink.error),
			 "no address for %.100s: %s", socket_sink->host, gai_strerror(result));
	}
	forget_lookup(socket_sink);
	return result == 0 ? 1 : -EHOSTUNREACH;
}

static int connect_next(struct socket_sink *socket_sink)
{
	const struct addrinfo *address = socket_sink->next;
	socket_sink->next = address->ai_next;
	socket_sink->fd =
		socket(address->ai_family, socket_sink->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (socket_sink->fd < 0)
		return -errno;
	const int on = 1;
	if (socket_sink->type == SOCK_STREAM) {
		setsockopt(socket_sink->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		setsockopt(socket_sink->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	} else {
		/* A message over the path's MTU is fragmented rather than refused. */
		const int fragment = IP_PMTUDISC_DONT;
		setsockopt(socket_sink->fd, IPPROTO_IP, IP_MTU_DISCOVER, &fragment,
			   sizeof(fragment));
	}
	if (connect(socket_sink->fd, address->ai_addr, address->ai_addrlen) == 0)
		return 1;
	if (errno != EINPROGRESS)
		return -errno;
	socket_sink->connecting = true;
	return 0;
}

/* The other side's verdict on a connect under way. */
static int connect_result(struct socket_sink *socket_sink)
{
	struct pollfd writable = { .fd = socket_sink->fd, .events = POLLOUT };
	if (poll(&writable, 1, 0) <= 0)
		return 0;
	int error = 0;
	socklen_t size = sizeof(error);
	getsockopt(socket_sink->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	socket_sink->connecting = false;
	return error == 0 ? 1 : -error;
}

int socket_connect(struct sink *sink)
{
	struct socket_sink *socket_sink = socket_of(sink);
	sink->error[0] = '\0';
	if (socket_sink->fd >= 0 && !socket_sink->connecting)
		return 1;
	int result = socket_sink->connecting ? connect_result(socket_sink) : resolve(socket_sink);
	if (result == 1 && socket_sink->fd < 0)
		result = connect_next(socket_sink);
	while (result < 0 && socket_sink->next) { /* the name's other addresses */
		socket_disconnect(sink);
		result = connect_next(socket_sink);
	}
	if (result < 0) {
		socket_disconnect(sink);
		forget_addresses(socket_sink); /* the name may move */
	}
	return result;
}

int socket_check(struct sink *sink)
{
	char byte[256];
	const ssize_t size = recv(socket_of(sink)->fd, byte, sizeof(byte), MSG_DONTWAIT);
	if (size == 0 && socket_of(sink)->type == SOCK_STREAM)
		return -EPIPE;
	return size >= 0 || errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

ssize_t socket_send(struct sink *sink, const char *bytes, size_t size_bytes)
{
	const struct socket_sink *socket_sink = socket_of(sink);
	const ssize_t size = send(socket_sink->fd, bytes, size_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (size < 0)
		return errno == EINTR || errno == ENOBUFS ? -EAGAIN : -errno;
	if (socket_sink->type != SOCK_DGRAM)
		return size;
	/* Nobody listening near by shows at once, by ICMP. */
	int error = 0;
	socklen_t error_size = sizeof(error);
	getsockopt(socket_sink->fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
	return error ? -error : size;
}

bool socket_unconfirmed(struct sink *sink)
{
	int queued = 0;
	return socket_of(sink)->type == SOCK_STREAM &&
	       ioctl(socket_of(sink)->fd, SIOCOUTQ, &queued) == 0 && queued > 0;
}

struct pollfd socket_wait(struct sink *sink, bool blocked)
{
	short events = POLLIN;
	if (blocked || socket_of(sink)->connecting)
		events = socket_of(sink)->connecting ? POLLOUT : (short)(POLLIN | POLLOUT);
	return (struct pollfd){ .fd = socket_of(sink)->fd, .events = events };
}

void socket_disconnect(struct sink *sink)
{
	if (socket_of(sink)->fd >= 0)
		close(socket_of(sink)->fd);
	socket_of(sink)->fd = -1;
	socket_of(sink)->connecting = false;
}

void socket_release(struct sink *sink)
{
	socket_disconnect(sink);
	forget_addresses(socket_of(sink));
	forget_lookup(socket_of(sink));
}

void socket_close(struct sink *sink)
{
	socket_release(sink);
	free(socket_of(sink));
}
