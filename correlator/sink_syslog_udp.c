/* Syslog over UDP, one message a datagram. Source: RFC 5426. */
#include <stdlib.h>
#include <sys/socket.h>

#include "correlator/sink_socket.h"

bool sink_syslog_udp_open(const struct output_url *url, struct complaint *complaint,
			  struct sink **out_sink)
{
	static const struct sink_operations operations = {
		.connect = socket_connect,
		.check = socket_check,
		.send = socket_send,
		.unconfirmed = socket_unconfirmed,
		.wait = socket_wait,
		.disconnect = socket_disconnect,
		.close = socket_close,
	};
	struct socket_sink *udp = calloc(1, sizeof(*udp));
	if (!udp)
		return complain(complaint, NULL, 0, 0, "output %.200s: out of memory", url->text);
	socket_open(udp, url, SOCK_DGRAM);
	udp->sink.operations = &operations;
	*out_sink = &udp->sink;
	return true;
}
