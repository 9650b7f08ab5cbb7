/* sink_socket.h: what UDP, TCP and TLS share: names to addresses, connecting, noticing that the
 * other side is gone. Never blocks, not for a name server either. */
#pragma once

#include <netdb.h>

#include "correlator/sink.h"

struct socket_sink {
	struct sink sink;
	int fd;	  /* -1 = not connected */
	int type; /* SOCK_STREAM or SOCK_DGRAM */
	bool connecting;
	char host[URL_VALUE_MAX];
	char port[8];
	struct gaicb *lookup;	     /* under way, or NULL */
	struct addrinfo *addresses;  /* found, or NULL */
	const struct addrinfo *next; /* to try */
};

void socket_open(struct socket_sink *socket_sink, const struct output_url *url, int type);

int socket_connect(struct sink *sink);
int socket_check(struct sink *sink);
ssize_t socket_send(struct sink *sink, const char *bytes, size_t size_bytes);
bool socket_unconfirmed(struct sink *sink);
struct pollfd socket_wait(struct sink *sink, bool blocked);
void socket_disconnect(struct sink *sink);
void socket_release(struct sink *sink); /* everything but the struct itself */
void socket_close(struct sink *sink);	/* the struct too; it was malloc'ed */
