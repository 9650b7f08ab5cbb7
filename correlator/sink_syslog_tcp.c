/* Syslog over TCP, octet-counted. Source: RFC 6587, section 3.4.1. */
#include <stdlib.h>
#include <sys/socket.h>

#include "correlator/sink_socket.h"

bool sink_syslog_tcp_open(const struct output_url *url, struct complaint *complaint,
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
	struct socket_sink *tcp = calloc(1, sizeof(*tcp));
	if (!tcp)
		return complain(complaint, NULL, 0, 0, "output %.200s: out of memory", url->text);
	socket_open(tcp, url, SOCK_STREAM);
	tcp->sink.operations = &operations;
	*out_sink = &tcp->sink;
	return true;
}
