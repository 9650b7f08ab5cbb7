/* server_inside.h: what the files of the server share. Only for server*.c. One thread. */
#pragma once

#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "collector/base/hash.h"
#include "collector/input/bulk.h"
#include "collector/input/http_session.h"
#include "collector/input/server.h"
#include "collector/input/wef.h"

enum { PEER_TEXT_MAX = 80, PEER_NAME_MAX = 256, LISTENERS_MAX = 64 };

struct listener {
	struct server *server;
	const struct listener_url *url;
	struct evconnlistener *accepting; /* streams */
	SSL_CTX *tls;
	struct event *readable; /* datagrams */
	struct tail *tail;	/* stdin, followed files */
	struct bulk_settings bulk;
	struct wef_settings wef;
	const char *authorization;
	char issuer[LISTENER_THUMBPRINT_MAX];
};

struct connection {
	struct connection *next;
	struct connection *previous;
	struct listener *listener;
	struct bufferevent
		*stream; /* NULL: closed, and waits for its checkpoints to be forgotten */
	const struct session_protocol *protocol;
	void *session;
	uint64_t peer_hash; /* of the address, without the port */
	char peer_text[PEER_TEXT_MAX];
	char peer_name[PEER_NAME_MAX]; /* CN of its certificate; "" = none */
	uint64_t accepted_ns;
	uint64_t heard_ns;
	uint64_t unit_began_ns; /* 0 = nothing has begun */
	size_t unit_bytes;	/* received of it */
	uint32_t waiting_count; /* checkpoints that are not safe yet */
	bool handshaking;
	bool ended;    /* the sender has closed its side */
	bool leaving;  /* to be closed when all replies are out */
	bool poisoned; /* a document could not be kept: nothing of it may be acknowledged */
	bool found;    /* a document or checkpoint, in this feed */
};

struct bookmark;

struct server {
	struct server_settings settings;
	const struct server_handler *handler;
	struct counters *counters;
	struct event_base *base;
	struct event *commit_timer;
	struct event *hand_on_timer;
	struct event *tick_timer;
	struct input_spool *spool;
	struct backlog *backlog;
	struct listener listeners[LISTENERS_MAX];
	size_t listener_count;
	struct connection *connections;
	uint32_t connection_count;
	size_t unit_bytes; /* of all connections */

	struct connection **checkpoints; /* in order, not yet safe */
	size_t checkpoint_count;
	size_t checkpoint_room;

	struct bookmark *bookmarks;
	size_t bookmark_count;

	char named_peer[PEER_NAME_MAX]; /* of the latest DOCUMENT_PEER in this commit */
	bool peer_is_named;
	bool commit_scheduled;
	bool failing;	/* the spool refuses */
	bool congested; /* streams are not read */
	bool stopping;
	uint64_t now_ns; /* monotonic, of this turn */
	uint64_t swept_ns;
};

uint64_t server_monotonic_ns(void);
uint64_t server_unix_ns(void);

/* --- server.c --------------------------------------------------------------------------------- */

/* Keeps a document until it is synced and handed on. False: no memory. */
bool server_keep(struct server *server, const char *peer_name, enum document_kind kind,
		 const char *bytes, size_t size_bytes);

/* The connection wants to hear when everything kept so far is safe. False: no memory. */
bool server_await(struct server *server, struct connection *connection);

/* --- server_bookmark.c ------------------------------------------------------------------------ */

void bookmark_remember(struct server *server, const char *document, size_t size_bytes);
bool bookmark_find(void *context, const char *machine, char out_bookmark[WEF_BOOKMARK_MAX]);
void bookmarks_close(struct server *server);

/* --- server_stream.c -------------------------------------------------------------------------- */

bool stream_listen(struct listener *listener, struct complaint *complaint);
void connection_safe(struct connection *connection);
void connection_read(struct connection *connection); /* reads on, if it may */
void connections_sweep(struct server *server);
void connections_pause(struct server *server, bool paused);
void connections_close(struct server *server);

/* --- server_tls.c ----------------------------------------------------------------------------- */

SSL_CTX *tls_open(const struct listener_url *url, struct complaint *complaint);
void tls_peer_name(SSL *tls, char out_name[PEER_NAME_MAX]);
/* --- server_datagram.c, server_tail.c --------------------------------------------------------- */

bool datagram_listen(struct listener *listener, struct complaint *complaint);
void datagram_start(struct listener *listener);
void datagram_pause(const struct listener *listener, bool paused);
void datagram_close(struct listener *listener);

bool tail_open(struct listener *listener, struct complaint *complaint);
void tail_start(struct listener *listener);
void tail_read(struct listener *listener);
void tail_close(struct listener *listener);

/* A sink for what has no connection: documents are kept, nothing is answered. */
struct session_sink server_plain_sink(struct server *server);

/* An address for a listener; complains. */
int server_bind(const struct listener_url *url, int type, struct complaint *complaint);
