#include "collector/input/server.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/hard.h"
#include "collector/base/log.h"
#include "collector/base/ring.h"
#include "collector/input/server_inside.h"

#define NS_PER_SECOND UINT64_C(1000000000)

enum {
	COMMIT_AFTER_US = 2000, /* so long others may join a commit */
	RETRY_COMMIT_S = 1,
	RETRY_HAND_ON_US = 1000,
	TICK_US = 100000,
	HAND_ON_PER_TURN = 4096, /* documents, then the sockets have their turn */
	DEFAULT_CONNECTIONS = HARD(8192, 64),
	DEFAULT_PER_PEER = HARD(4096, 64),
	FLUSH_BYTES = 256 * 1024, /* of documents handed on */
};

static const size_t default_backlog_bytes = HARD((size_t)64 << 20, (size_t)64 << 10);
static const size_t default_buffered_bytes = HARD((size_t)512 << 20, (size_t)64 << 20);

uint64_t server_monotonic_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t server_unix_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static void start_timer(struct event *timer, long seconds, long microseconds)
{
	const struct timeval delay = { .tv_sec = seconds, .tv_usec = microseconds };
	event_add(timer, &delay);
}

/* --- keeping documents ------------------------------------------------------------------------ */

static void schedule_commit(struct server *server)
{
	if (server->commit_scheduled)
		return;
	server->commit_scheduled = true;
	start_timer(server->commit_timer, 0, COMMIT_AFTER_US);
}

static bool keep(struct server *server, uint64_t received_ns, enum document_kind kind,
		 const char *bytes, size_t size_bytes)
{
	const struct backlog_document document = { kind, received_ns, bytes, size_bytes };
	if (!backlog_add(server->backlog, &document))
		return false;
	schedule_commit(server);
	return !server->spool ||
	       input_spool_append(server->spool, kind, received_ns, bytes, size_bytes) == 0;
}

bool server_keep(struct server *server, const char *peer_name, enum document_kind kind,
		 const char *bytes, size_t size_bytes)
{
	const uint64_t received_ns = server_unix_ns();
	if (server->settings.names_peers &&
	    (!server->peer_is_named || strcmp(server->named_peer, peer_name) != 0)) {
		snprintf(server->named_peer, sizeof(server->named_peer), "%s", peer_name);
		server->peer_is_named = true;
		if (!keep(server, received_ns, DOCUMENT_PEER, peer_name, strlen(peer_name)))
			return false;
	}
	if (kind != DOCUMENT_BOOKMARK)
		counter_add(server->counters, COUNTER_documents_received, 1);
	return keep(server, received_ns, kind, bytes, size_bytes);
}

bool server_await(struct server *server, struct connection *connection)
{
	if (server->checkpoint_count == server->checkpoint_room) {
		const size_t room = server->checkpoint_room ? 2 * server->checkpoint_room : 256;
		struct connection **larger =
			realloc(server->checkpoints, room * sizeof(struct connection *));
		if (!larger)
			return false;
		server->checkpoints = larger;
		server->checkpoint_room = room;
	}
	server->checkpoints[server->checkpoint_count++] = connection;
	connection->waiting_count++;
	schedule_commit(server);
	return true;
}

/* --- handing on ------------------------------------------------------------------------------- */

static void set_congested(struct server *server, bool congested)
{
	if (server->congested == congested)
		return;
	server->congested = congested;
	connections_pause(server, congested);
	for (size_t i = 0; i < server->listener_count; i++)
		if (server->listeners[i].readable)
			datagram_pause(&server->listeners[i], congested);
}

/* Not at once when it was full: half of it must have gone, or every document would change it. */
static void review_congestion(struct server *server)
{
	const size_t limit = server->settings.backlog_max_bytes;
	const size_t bytes = backlog_bytes(server->backlog);
	if (server->failing || bytes > limit)
		set_congested(server, true);
	else if (bytes <= limit / 2)
		set_congested(server, false);
}

static bool hand_on_document(struct server *server, const struct backlog_document *document)
{
	if (document->kind == DOCUMENT_BOOKMARK) {
		bookmark_remember(server, document->bytes, document->size_bytes);
		return true;
	}
	return server->handler->take(server->handler->context, document);
}

/* True when the engine had no room. */
static bool hand_on(struct server *server, size_t limit)
{
	struct backlog_document document;
	bool full = false;
	for (size_t i = 0; i < limit && !full && backlog_first(server->backlog, &document); i++) {
		full = !hand_on_document(server, &document);
		if (!full)
			backlog_drop(server->backlog);
	}
	server->handler->flush(server->handler->context);
	return full;
}

static void on_hand_on(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct server *server = context;
	struct backlog_document document;
	const bool full = hand_on(server, HAND_ON_PER_TURN);
	if (full || backlog_first(server->backlog, &document))
		start_timer(server->hand_on_timer, 0, full ? RETRY_HAND_ON_US : 0);
	review_congestion(server);
}

/* --- committing ------------------------------------------------------------------------------- */

/* Everything that was waiting is safe. New checkpoints may come in while senders are answered. */
static void answer_all(struct server *server)
{
	const size_t count = server->checkpoint_count;
	struct connection **answered = server->checkpoints;
	server->checkpoints = NULL;
	server->checkpoint_count = 0;
	server->checkpoint_room = 0;
	for (size_t i = 0; i < count; i++)
		connection_safe(answered[i]);
	if (server->checkpoints || !answered) {
		free(answered);
		return;
	}
	server->checkpoints = answered;
	server->checkpoint_room = count;
}

/* False: the disk refused, and nothing may be acknowledged. */
static bool commit(struct server *server)
{
	const int error = server->spool ? input_spool_commit(server->spool) : 0;
	if (error && !server->failing)
		log_errorx("input spool %s: %s; senders have to wait", server->settings.spool.path,
			   strerror(-error));
	else if (!error && server->failing)
		log_warnx("input spool %s: writing again", server->settings.spool.path);
	server->failing = error != 0;
	if (error)
		return false;
	server->peer_is_named = false;
	backlog_release(server->backlog);
	answer_all(server);
	return true;
}

static void on_commit(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct server *server = context;
	server->commit_scheduled = false;
	server->now_ns = server_monotonic_ns();
	if (commit(server)) {
		on_hand_on(-1, 0, server);
		return;
	}
	server->commit_scheduled = true;
	start_timer(server->commit_timer, RETRY_COMMIT_S, 0);
	review_congestion(server);
}

/* --- the loop --------------------------------------------------------------------------------- */

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct server *server = context;
	server->now_ns = server_monotonic_ns();
	if (server->handler->stopping(server->handler->context)) {
		server->stopping = true;
		event_base_loopbreak(server->base);
		return;
	}
	server->handler->tick(server->handler->context, server_unix_ns());
	if (!server->congested)
		for (size_t i = 0; i < server->listener_count; i++)
			tail_read(&server->listeners[i]);
	if (server->now_ns >= server->swept_ns + NS_PER_SECOND) {
		server->swept_ns = server->now_ns;
		connections_sweep(server);
		if (server->spool)
			input_spool_expire(server->spool, server_unix_ns());
	}
}

/* What an earlier run had acknowledged. */
static void found_in_spool(void *context, enum document_kind kind, uint64_t received_ns,
			   const char *bytes, size_t size_bytes)
{
	struct server *server = context;
	const struct backlog_document document = { kind, received_ns, bytes, size_bytes };
	/* Copied, so that what parsers read behind it is ours. */
	if (!backlog_add(server->backlog, &document)) {
		log_errorx("input spool: no memory");
		return;
	}
	backlog_release(server->backlog);
	while (hand_on(server, 1) && !server->handler->stopping(server->handler->context))
		ring_nap();
}

static int open_spool(struct server *server)
{
	if (!server->settings.spool.path)
		return 0;
	const int error = input_spool_open(&server->settings.spool, server->counters,
					   found_in_spool, server, &server->spool);
	if (error)
		log_errorx("input spool %s: %s", server->settings.spool.path, strerror(-error));
	return error;
}

/* The last documents, and the last answers. */
static void drain(struct server *server)
{
	set_congested(server, true);
	if (commit(server))
		while (hand_on(server, SIZE_MAX))
			ring_nap();
	for (int i = 0; i < 20; i++) { /* replies get 20 ms to leave */
		event_base_loop(server->base, EVLOOP_NONBLOCK);
		usleep(1000);
	}
}

int server_run(struct server *server, const struct server_handler *handler,
	       struct counters *counters)
{
	server->handler = handler;
	server->counters = counters;
	server->now_ns = server_monotonic_ns();
	const int error = open_spool(server);
	if (error)
		return error;
	for (size_t i = 0; i < server->listener_count; i++) {
		struct listener *listener = &server->listeners[i];
		if (listener->accepting)
			evconnlistener_enable(listener->accepting);
		datagram_start(listener);
		tail_start(listener);
	}
	const struct timeval tick = { .tv_usec = TICK_US };
	event_add(server->tick_timer, &tick);
	while (!server->stopping && event_base_loop(server->base, 0) == 0)
		continue;
	drain(server);
	connections_close(server);
	input_spool_close(server->spool);
	server->spool = NULL;
	return 0;
}

/* --- opening and closing ---------------------------------------------------------------------- */

int server_bind(const struct listener_url *url, int type, struct complaint *complaint)
{
	const struct addrinfo hints = { .ai_socktype = type, .ai_flags = AI_PASSIVE };
	struct addrinfo *addresses = NULL;
	char port[8];
	snprintf(port, sizeof(port), "%u", url->port);
	const int unknown = getaddrinfo(url->host, port, &hints, &addresses);
	if (unknown) {
		complain(complaint, NULL, 0, 0, "listener %.200s: %s", url->text,
			 gai_strerror(unknown));
		return -1;
	}
	const int fd = socket(addresses->ai_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int one = 1;
	if (fd >= 0 && type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, addresses->ai_addr, addresses->ai_addrlen) != 0) {
		complain(complaint, NULL, 0, 0, "listener %.200s: %s", url->text, strerror(errno));
		if (fd >= 0)
			close(fd);
		freeaddrinfo(addresses);
		return -1;
	}
	freeaddrinfo(addresses);
	return fd;
}

static void keep_plainly(void *context, enum document_kind kind, const char *bytes,
			 size_t size_bytes)
{
	if (!server_keep(context, "", kind, bytes, size_bytes))
		log_errorx("input: no memory for a document");
}

static void ignore_checkpoint(void *context)
{
	(void)context;
}

static void ignore_reply(void *context, const void *bytes, size_t size_bytes)
{
	(void)context;
	(void)bytes;
	(void)size_bytes;
}

struct session_sink server_plain_sink(struct server *server)
{
	return (struct session_sink){ server, keep_plainly, ignore_checkpoint, ignore_reply };
}

static void set_defaults(struct server_settings *settings)
{
	struct session_limits limits;
	session_limits_default(&limits);
	if (!settings->limits.document_bytes)
		settings->limits.document_bytes = limits.document_bytes;
	if (!settings->limits.inflated_bytes)
		settings->limits.inflated_bytes = limits.inflated_bytes;
	if (!settings->limits.window_events)
		settings->limits.window_events = limits.window_events;
	if (!settings->connections_max)
		settings->connections_max = DEFAULT_CONNECTIONS;
	if (!settings->connections_per_peer_max)
		settings->connections_per_peer_max = DEFAULT_PER_PEER;
	if (!settings->backlog_max_bytes)
		settings->backlog_max_bytes = default_backlog_bytes;
	if (!settings->buffered_max_bytes)
		settings->buffered_max_bytes = default_buffered_bytes;
	if (!settings->handshake_ns)
		settings->handshake_ns = 10 * NS_PER_SECOND;
	if (!settings->unit_ns)
		settings->unit_ns = 30 * NS_PER_SECOND;
	if (!settings->idle_ns)
		settings->idle_ns = 60 * NS_PER_SECOND;
}

static bool open_listener(struct listener *listener, struct complaint *complaint)
{
	const struct listener_url *url = listener->url;
	const struct server_settings *settings = &listener->server->settings;
	listener->authorization = url->authorization;
	listener->bulk = (struct bulk_settings){
		.authorizations = &listener->authorization,
		.authorization_count = url->authorization[0] != '\0',
		.limits = settings->limits,
	};
	listener->wef = (struct wef_settings){
		.base_url = url->base_url,
		.query = settings->wef_query ? settings->wef_query : "<QueryList/>",
		.issuer_thumbprint = listener->issuer,
		.heartbeat_s = url->heartbeat_s,
		.latency_s = url->latency_s,
		.read_existing = url->read_existing,
		.limits = settings->limits,
		.find_bookmark = bookmark_find,
		.context = listener->server,
	};
	if (url->kind == LISTENER_WEF && url->ca_path[0] &&
	    !listener_thumbprint(url->ca_path, listener->issuer))
		return complain(complaint, NULL, 0, 0, "listener %.200s: cannot read %.200s",
				url->text, url->ca_path);
	switch (url->transport) {
	case LISTENER_TCP:
	case LISTENER_UNIX:
		return stream_listen(listener, complaint);
	case LISTENER_UDP:
		return datagram_listen(listener, complaint);
	case LISTENER_STDIN:
	case LISTENER_FOLLOW:
		break;
	}
	return tail_open(listener, complaint);
}

bool server_open(const struct server_settings *settings, struct complaint *complaint,
		 struct server **out_server)
{
	struct server *server = calloc(1, sizeof(*server));
	if (!server)
		return complain(complaint, NULL, 0, 0, "server: no memory");
	server->settings = *settings;
	set_defaults(&server->settings);
	server->base = event_base_new();
	server->backlog = backlog_open();
	if (server->base) {
		server->commit_timer = evtimer_new(server->base, on_commit, server);
		server->hand_on_timer = evtimer_new(server->base, on_hand_on, server);
		server->tick_timer = event_new(server->base, -1, EV_PERSIST, on_tick, server);
	}
	bool good = server->backlog && server->tick_timer && server->commit_timer &&
		    server->hand_on_timer;
	if (!good)
		complain(complaint, NULL, 0, 0, "server: %s", strerror(errno));
	else if (settings->listener_count > LISTENERS_MAX)
		good = complain(complaint, NULL, 0, 0, "found %zu inputs, expected at most %d",
				settings->listener_count, LISTENERS_MAX);
	for (size_t i = 0; good && i < settings->listener_count; i++) {
		struct listener *listener = &server->listeners[server->listener_count++];
		listener->server = server;
		listener->url = &settings->listeners[i];
		good = open_listener(listener, complaint);
	}
	if (!good) {
		server_close(server);
		return false;
	}
	*out_server = server;
	return true;
}

void server_close(struct server *server)
{
	if (!server)
		return;
	connections_close(server);
	for (size_t i = 0; i < server->listener_count; i++) {
		struct listener *listener = &server->listeners[i];
		if (listener->accepting)
			evconnlistener_free(listener->accepting);
		if (listener->url->transport == LISTENER_UNIX)
			unlink(listener->url->host);
		datagram_close(listener);
		tail_close(listener);
		SSL_CTX_free(listener->tls);
	}
	struct event *timers[] = { server->commit_timer, server->hand_on_timer,
				   server->tick_timer };
	for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++)
		if (timers[i])
			event_free(timers[i]);
	if (server->base)
		event_base_free(server->base);
	input_spool_close(server->spool);
	backlog_close(server->backlog);
	bookmarks_close(server);
	free(server->checkpoints);
	free(server);
}

struct event_base *server_base(struct server *server)
{
	return server->base;
}

uint16_t server_port(const struct server *server, size_t listener)
{
	const struct listener *asked = &server->listeners[listener];
	evutil_socket_t fd = -1;
	if (asked->accepting)
		fd = evconnlistener_get_fd(asked->accepting);
	else if (asked->readable)
		fd = event_get_fd(asked->readable);
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage storage;
	} address = { .storage = { 0 } };
	socklen_t size = sizeof(address);
	if (fd < 0 || getsockname(fd, &address.any, &size) != 0)
		return 0;
	if (address.any.sa_family == AF_INET)
		return ntohs(address.v4.sin_port);
	return address.any.sa_family == AF_INET6 ? ntohs(address.v6.sin6_port) : 0;
}
