/* server_stream.c: connections: accepting, limits, time-outs, TLS, feeding sessions, answering. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "collector/base/hard.h"
#include "collector/base/log.h"
#include "collector/input/server_inside.h"

#define NS_PER_SECOND UINT64_C(1000000000)

enum {
	ACCEPT_QUEUE = 1024,
	READ_ONCE_BYTES = 256 * 1024,
	REPLIES_MAX_BYTES = 1024 * 1024, /* who never reads its answers is cut off */
	SMALL_UNIT_BYTES = 64 * 1024,	 /* such a connection is not to blame for full buffers */
	LEAVE_SECONDS_MAX = 5,		 /* seconds for the last replies */
	BODY_BYTES_MAX = HARD(64 * 1024 * 1024, 4 * 1024 * 1024), /* of an HTTP request, as sent */
};

static const struct hash_seed peer_seed = { { 0x706565722d686173, 0x682d73656564 } };

/* --- closing ---------------------------------------------------------------------------------- */

static void reset_unit(struct connection *connection)
{
	connection->listener->server->unit_bytes -= connection->unit_bytes;
	connection->unit_bytes = 0;
	connection->unit_began_ns = 0;
}

static void release(struct connection *connection)
{
	if (!connection->stream && connection->waiting_count == 0)
		free(connection);
}

/* The socket and the session go; the rest waits for its checkpoints to come by. */
static void close_connection(struct connection *connection)
{
	struct server *server = connection->listener->server;
	if (!connection->stream)
		return;
	reset_unit(connection);
	if (connection->next)
		connection->next->previous = connection->previous;
	if (connection->previous)
		connection->previous->next = connection->next;
	else
		server->connections = connection->next;
	server->connection_count--;
	SSL *tls = bufferevent_openssl_get_ssl(connection->stream);
	if (tls && !connection->handshaking)
		SSL_shutdown(tls); /* close_notify, if it can be written at once */
	bufferevent_free(connection->stream);
	connection->stream = NULL;
	connection->protocol->close(connection->session);
	connection->session = NULL;
	release(connection);
}

static void fail(struct connection *connection, enum counter counter, const char *why)
{
	counter_add(connection->listener->server->counters, counter, 1);
	log_info("input %s peer=%s: %s, hanging up", connection->protocol->name,
		 connection->peer_text, why);
	close_connection(connection);
}

/* Closes once the replies are out and nothing waits to be safe. */
static void leave(struct connection *connection)
{
	connection->leaving = true;
	connection->heard_ns = connection->listener->server->now_ns;
	bufferevent_disable(connection->stream, EV_READ);
	if (connection->waiting_count == 0 &&
	    evbuffer_get_length(bufferevent_get_output(connection->stream)) == 0)
		close_connection(connection);
}

/* --- the session's sink ----------------------------------------------------------------------- */

static void take_document(void *context, enum document_kind kind, const char *bytes,
			  size_t size_bytes)
{
	struct connection *connection = context;
	connection->found = true;
	if (!connection->poisoned && !server_keep(connection->listener->server,
						  connection->peer_name, kind, bytes, size_bytes))
		connection->poisoned = true;
}

static void take_checkpoint(void *context)
{
	struct connection *connection = context;
	connection->found = true;
	if (!connection->protocol->safe)
		return; /* nobody waits for it */
	if (!connection->poisoned && !server_await(connection->listener->server, connection))
		connection->poisoned = true;
}

static void take_reply(void *context, const void *bytes, size_t size_bytes)
{
	struct connection *connection = context;
	if (connection->stream)
		bufferevent_write(connection->stream, bytes, size_bytes);
}

static struct session_sink sink_of(struct connection *connection)
{
	return (struct session_sink){ connection, take_document, take_checkpoint, take_reply };
}

/* --- reading ---------------------------------------------------------------------------------- */

static void note_unit(struct connection *connection, size_t consumed, size_t left_bytes)
{
	struct server *server = connection->listener->server;
	if (connection->found || (left_bytes == 0 && connection->protocol == &session_ndjson))
		reset_unit(connection);
	if (connection->found)
		consumed = 0;
	if (!connection->unit_began_ns && (left_bytes > 0 || consumed > 0))
		connection->unit_began_ns = server->now_ns;
	const size_t kept = connection->unit_bytes + consumed;
	connection->unit_bytes = kept;
	server->unit_bytes += consumed;
}

static const char *feed_fault(ssize_t result)
{
	return result == -EMSGSIZE ? "a limit was exceeded"
	       : result == -EPROTO ? "the protocol was broken"
				   : "no memory";
}

/* Feeds what has arrived. False: the connection is gone or going. */
static bool feed(struct connection *connection)
{
	struct evbuffer *input = bufferevent_get_input(connection->stream);
	const size_t size_bytes = evbuffer_get_length(input);
	const struct session_sink sink = sink_of(connection);
	connection->found = false;
	const ssize_t consumed = connection->protocol->feed(
		connection->session, size_bytes ? (const void *)evbuffer_pullup(input, -1) : "",
		size_bytes, &sink);
	if (connection->poisoned) {
		fail(connection, COUNTER_connections_failed, "no memory to keep a document");
		return false;
	}
	if (consumed == -ESHUTDOWN) {
		leave(connection);
		return false;
	}
	if (consumed < 0) {
		fail(connection, COUNTER_connections_failed, feed_fault(consumed));
		return false;
	}
	evbuffer_drain(input, (size_t)consumed);
	note_unit(connection, (size_t)consumed, size_bytes - (size_t)consumed);
	return true;
}

void connection_read(struct connection *connection)
{
	struct server *server = connection->listener->server;
	const bool http = connection->protocol == &session_http;
	if (!connection->stream || connection->leaving || connection->handshaking)
		return;
	if (server->congested && !http) {
		bufferevent_disable(connection->stream, EV_READ);
		return;
	}
	struct evbuffer *output = bufferevent_get_output(connection->stream);
	if (http && evbuffer_get_length(output) > REPLIES_MAX_BYTES)
		return; /* its last answer first; on_written comes back */
	if (evbuffer_get_length(bufferevent_get_input(connection->stream)) == 0 && !http)
		return;
	if (!feed(connection))
		return;
	if (server->unit_bytes > server->settings.buffered_max_bytes &&
	    connection->unit_bytes > SMALL_UNIT_BYTES)
		fail(connection, COUNTER_connections_failed,
		     "its unfinished bytes are needed for others");
	else if (!http && evbuffer_get_length(output) > REPLIES_MAX_BYTES)
		fail(connection, COUNTER_connections_failed, "it does not read its answers");
}

static void on_read(struct bufferevent *stream, void *context)
{
	(void)stream;
	struct connection *connection = context;
	struct server *server = connection->listener->server;
	server->now_ns = server_monotonic_ns();
	connection->heard_ns = server->now_ns;
	connection_read(connection);
}

static void on_written(struct bufferevent *stream, void *context)
{
	(void)stream;
	struct connection *connection = context;
	if (connection->leaving && connection->waiting_count == 0)
		close_connection(connection);
	else if (connection->protocol == &session_http)
		connection_read(connection);
}

/* The sender closed in order: what it sent last counts. */
static void finish(struct connection *connection)
{
	const struct session_sink sink = sink_of(connection);
	struct evbuffer *input = bufferevent_get_input(connection->stream);
	const size_t left_bytes = evbuffer_get_length(input);
	if (left_bytes > 0 && !connection->leaving && !feed(connection))
		return;
	const size_t rest_bytes = evbuffer_get_length(input);
	if (connection->protocol->end && rest_bytes > 0)
		connection->protocol->end(connection->session, evbuffer_pullup(input, -1),
					  rest_bytes, &sink);
	connection->ended = true;
	leave(connection);
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
	struct connection *connection = context;
	connection->listener->server->now_ns = server_monotonic_ns();
	if (what & BEV_EVENT_CONNECTED) {
		connection->handshaking = false;
		connection->heard_ns = connection->listener->server->now_ns;
		tls_peer_name(bufferevent_openssl_get_ssl(stream), connection->peer_name);
		return;
	}
	if (connection->handshaking)
		fail(connection, COUNTER_handshakes_failed, "no TLS handshake");
	else if (what & BEV_EVENT_EOF)
		finish(connection);
	else
		close_connection(connection); /* reset by the peer: it sends again elsewhere */
}

void connection_safe(struct connection *connection)
{
	connection->waiting_count--;
	if (!connection->stream) {
		release(connection);
		return;
	}
	const struct session_sink sink = sink_of(connection);
	connection->protocol->safe(connection->session, &sink);
	if (connection->leaving)
		leave(connection);
	else if (connection->protocol == &session_http)
		connection_read(connection); /* the next request may be here already */
}

/* --- HTTP ------------------------------------------------------------------------------------- */

static void respond_bulk(void *context, const struct http_request *request,
			 const struct session_sink *sink, struct http_response *out_response)
{
	struct connection *connection = context;
	struct server *server = connection->listener->server;
	if (server->congested && request->body_bytes > 0) {
		counter_add(server->counters, COUNTER_requests_overloaded, 1);
		bulk_respond_overloaded(out_response);
		return;
	}
	bulk_respond(&connection->listener->bulk, request, sink, out_response);
}

static void respond_wef(void *context, const struct http_request *request,
			const struct session_sink *sink, struct http_response *out_response)
{
	struct connection *connection = context;
	struct server *server = connection->listener->server;
	if (server->congested) {
		counter_add(server->counters, COUNTER_requests_overloaded, 1);
		*out_response = (struct http_response){ .status = 503 };
		return;
	}
	wef_respond(&connection->listener->wef, request, sink, out_response);
}

static void *open_session(struct connection *connection)
{
	const struct listener *listener = connection->listener;
	const struct server_settings *settings = &listener->server->settings;
	if (listener->url->kind == LISTENER_SESSION) {
		connection->protocol = listener->url->protocol;
		return connection->protocol->open(&settings->limits);
	}
	const bool bulk = listener->url->kind == LISTENER_BULK;
	connection->protocol = &session_http;
	const struct http_session_settings http = {
		.body_bytes = bulk ? BODY_BYTES_MAX : (size_t)2 * WEF_ENVELOPE_MAX,
		.respond = bulk ? respond_bulk : respond_wef,
		.context = connection,
		.peer_name = connection->peer_name,
	};
	return http_session_open(&http);
}

/* --- accepting -------------------------------------------------------------------------------- */

static void name_peer(struct connection *connection, const struct sockaddr *address)
{
	char host[INET6_ADDRSTRLEN] = "";
	unsigned port = 0;
	if (address->sa_family == AF_INET) {
		struct sockaddr_in v4;
		memcpy(&v4, address, sizeof(v4));
		inet_ntop(AF_INET, &v4.sin_addr, host, sizeof(host));
		port = ntohs(v4.sin_port);
	} else if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 v6;
		memcpy(&v6, address, sizeof(v6));
		inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof(host));
		port = ntohs(v6.sin6_port);
	}
	connection->peer_hash = hash_bytes(&peer_seed, host, strlen(host));
	snprintf(connection->peer_text, sizeof(connection->peer_text), "%s:%u",
		 host[0] ? host : "local", port);
}

static bool has_room(const struct server *server, const struct connection *newcomer)
{
	if (server->connection_count >= server->settings.connections_max)
		return false;
	uint32_t count = 0;
	for (const struct connection *at = server->connections; at; at = at->next)
		count += at->peer_hash == newcomer->peer_hash;
	return count < server->settings.connections_per_peer_max;
}

/* NULL: no memory; the socket is closed then. */
static struct bufferevent *open_stream(const struct listener *listener, evutil_socket_t fd)
{
	struct event_base *base = listener->server->base;
	SSL *tls = listener->tls ? SSL_new(listener->tls) : NULL;
	struct bufferevent *stream = NULL;
	if (tls)
		stream = bufferevent_openssl_socket_new(base, fd, tls, BUFFEREVENT_SSL_ACCEPTING,
							BEV_OPT_CLOSE_ON_FREE);
	else if (!listener->tls)
		stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!stream) {
		SSL_free(tls);
		evutil_closesocket(fd);
		return NULL;
	}
	if (tls)
		bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
	bufferevent_set_max_single_read(stream, READ_ONCE_BYTES);
	return stream;
}

static void add_connection(struct server *server, struct connection *connection)
{
	connection->next = server->connections;
	if (connection->next)
		connection->next->previous = connection;
	server->connections = connection;
	server->connection_count++;
	counter_add(server->counters, COUNTER_connections_accepted, 1);
}

static void on_accept(struct evconnlistener *accepting, evutil_socket_t fd,
		      struct sockaddr *address, int size, void *context)
{
	(void)accepting;
	(void)size;
	struct listener *listener = context;
	struct server *server = listener->server;
	struct connection *connection = calloc(1, sizeof(*connection));
	if (connection)
		name_peer(connection, address);
	if (!connection || !has_room(server, connection)) {
		counter_add(server->counters, COUNTER_connections_refused, 1);
		free(connection);
		evutil_closesocket(fd);
		return;
	}
	connection->listener = listener;
	connection->session = open_session(connection);
	connection->stream = connection->session ? open_stream(listener, fd) : NULL;
	if (!connection->stream) {
		counter_add(server->counters, COUNTER_connections_refused, 1);
		if (connection->session)
			connection->protocol->close(connection->session);
		else
			evutil_closesocket(fd);
		free(connection);
		return;
	}
	server->now_ns = server_monotonic_ns();
	connection->handshaking = listener->tls != NULL;
	connection->accepted_ns = server->now_ns;
	connection->heard_ns = server->now_ns;
	add_connection(server, connection);
	bufferevent_setcb(connection->stream, on_read, on_written, on_event, connection);
	bufferevent_setwatermark(connection->stream, EV_READ, 0,
				 server->settings.limits.document_bytes + READ_ONCE_BYTES);
	bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
}

static int bind_unix(const struct listener_url *url, struct complaint *complaint)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(url->host) >= sizeof(address.sun_path)) {
		complain(complaint, NULL, 0, 0, "listener %.200s: the path is too long", url->text);
		return -1;
	}
	memcpy(address.sun_path, url->host, strlen(url->host));
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	unlink(url->host); /* of an earlier run */
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	complain(complaint, NULL, 0, 0, "listener %.200s: %s", url->text, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

bool stream_listen(struct listener *listener, struct complaint *complaint)
{
	const struct listener_url *url = listener->url;
	if (url->tls && !(listener->tls = tls_open(url, complaint)))
		return false;
	const int fd = url->transport == LISTENER_UNIX ? bind_unix(url, complaint)
						       : server_bind(url, SOCK_STREAM, complaint);
	if (fd < 0)
		return false;
	listener->accepting = evconnlistener_new(
		listener->server->base, on_accept, listener,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_DISABLED | LEV_OPT_CLOSE_ON_EXEC, ACCEPT_QUEUE, fd);
	if (listener->accepting)
		return true;
	close(fd);
	return complain(complaint, NULL, 0, 0, "listener %.200s: %s", url->text, strerror(errno));
}

/* --- all of them ------------------------------------------------------------------------------ */

static void sweep(struct connection *connection)
{
	const struct server *server = connection->listener->server;
	const struct server_settings *settings = &server->settings;
	const uint64_t now_ns = server->now_ns;
	const struct session_sink sink = sink_of(connection);
	if (connection->handshaking) {
		if (now_ns > connection->accepted_ns + settings->handshake_ns)
			fail(connection, COUNTER_connections_timed_out,
			     "the handshake takes too long");
		return;
	}
	if (connection->leaving) {
		if (now_ns > connection->heard_ns + LEAVE_SECONDS_MAX * NS_PER_SECOND &&
		    connection->waiting_count == 0)
			close_connection(connection);
		return;
	}
	if (connection->protocol->idle)
		connection->protocol->idle(connection->session, now_ns, &sink);
	if (server->congested || connection->waiting_count > 0)
		return; /* it is we who are slow */
	if (connection->unit_began_ns && now_ns > connection->unit_began_ns + settings->unit_ns)
		fail(connection, COUNTER_connections_timed_out, "what it began takes too long");
	else if (now_ns > connection->heard_ns + settings->idle_ns)
		fail(connection, COUNTER_connections_timed_out, "it is silent");
}

void connections_sweep(struct server *server)
{
	for (struct connection *at = server->connections, *next; at; at = next) {
		next = at->next;
		sweep(at);
	}
}

/* Those that went on reading meanwhile (HTTP) are not touched. */
void connections_pause(struct server *server, bool paused)
{
	for (struct connection *at = server->connections, *next; at; at = next) {
		next = at->next;
		if (at->protocol == &session_http || at->leaving)
			continue;
		if (paused) {
			if (!at->handshaking)
				bufferevent_disable(at->stream, EV_READ);
			continue;
		}
		at->heard_ns = server->now_ns; /* its time did not run meanwhile */
		if (at->unit_began_ns)
			at->unit_began_ns = server->now_ns;
		bufferevent_enable(at->stream, EV_READ);
		bufferevent_trigger(at->stream, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
	}
}

void connections_close(struct server *server)
{
	for (struct connection *at = server->connections, *next; at; at = next) {
		next = at->next;
		close_connection(at);
	}
	for (size_t i = 0; i < server->checkpoint_count; i++)
		if (--server->checkpoints[i]->waiting_count == 0)
			free(server->checkpoints[i]);
	server->checkpoint_count = 0;
}
