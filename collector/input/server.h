/* server.h: everything that receives host events: connections, datagrams, followed files, in one
 * thread with one event loop.
 *
 *	bytes -> session (session.h) -> spool, synced -> answer to the sender -> backlog -> engine
 *
 * Acknowledged means safe: what a turn of the loop received is written and synced together, at most
 * COMMIT_AFTER later; only then are senders answered, and only then is it handed on. When the
 * engine has no room, documents wait here up to a bound; beyond it sockets are not read any more
 * and HTTP is answered "send again later". Nothing blocks the loop but the disk.
 *
 * Every limit is compared before anything is allocated, and counted. One sender's connection never
 * waits for another's.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/complaint.h"
#include "collector/base/counter.h"
#include "collector/input/backlog.h"
#include "collector/input/input_spool.h"
#include "collector/input/listener.h"

struct server;

struct server_settings {
	const struct listener_url *listeners;
	size_t listener_count;
	struct input_spool_settings spool; /* path NULL: none; then safe means received */
	struct session_limits limits;	   /* 0 = defaults, as are all below */
	const char *wef_query;		   /* the <QueryList> that WEF clients are to run */
	bool names_peers;		   /* put DOCUMENT_PEER before what a sender sent */
	uint32_t connections_max;
	uint32_t connections_per_peer_max;
	size_t backlog_max_bytes;
	size_t buffered_max_bytes; /* of all connections together, for what is not yet whole */
	uint64_t handshake_ns;	   /* TLS must be done by then */
	uint64_t unit_ns;	   /* a frame, line or request that began must be whole by then */
	uint64_t idle_ns;	   /* silence that ends a connection */
};

/* The engine's side; all called on the server's thread. */
struct server_handler {
	void *context;
	/* A document that is safe; BACKLOG_PADDING readable bytes follow it. False: no room now,
	 * ask again with the same one. */
	bool (*take)(void *context, const struct backlog_document *document);
	void (*flush)(void *context);			   /* after a batch of them */
	void (*tick)(void *context, uint64_t now_unix_ns); /* ten times a second */
	bool (*stopping)(void *context);		   /* asked as often */
};

/* Opens the listening sockets and reads the certificates. False and a complaint. Main thread. */
bool server_open(const struct server_settings *settings, struct complaint *complaint,
		 struct server **out_server);
void server_close(struct server *server);

/* The port that a listener got; 0 = has none. */
uint16_t server_port(const struct server *server, size_t listener);

/* For others that want to be served by the same loop. */
struct event_base *server_base(struct server *server);

/* Hands over what the spool holds, then serves until `stopping`: then everything received is
 * synced, answered and handed on. 0, or -errno: the spool could not be opened. On the thread that
 * owns `counters`. */
int server_run(struct server *server, const struct server_handler *handler,
	       struct counters *counters);
