#include "tests/support_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <zlib.h>

enum { LISTENERS_MAX = 8, WAIT_STEPS = 1000, WAIT_STEP_US = 10000 };

struct served {
	struct counters counters;
	struct listener_url listeners[LISTENERS_MAX];
	struct server *server;
	pthread_t thread;
	_Atomic bool stop;
	_Atomic bool blocked;
	pthread_mutex_t lock;
	char **documents;
	enum document_kind *kinds;
	size_t count;
	size_t room;
	int result;
};

static bool take(void *context, const struct backlog_document *document)
{
	struct served *served = context;
	if (served->blocked)
		return false;
	pthread_mutex_lock(&served->lock);
	if (served->count == served->room) {
		served->room = served->room ? 2 * served->room : 1024;
		served->documents =
			realloc(served->documents, served->room * sizeof(*served->documents));
		served->kinds = realloc(served->kinds, served->room * sizeof(*served->kinds));
		if (!served->documents || !served->kinds)
			abort();
	}
	served->kinds[served->count] = document->kind;
	served->documents[served->count++] = strndup(document->bytes, document->size_bytes);
	pthread_mutex_unlock(&served->lock);
	return true;
}

static void flush(void *context)
{
	(void)context;
}

static void tick(void *context, uint64_t now_unix_ns)
{
	(void)context;
	(void)now_unix_ns;
}

static bool stopping(void *context)
{
	const struct served *served = context;
	return served->stop;
}

static void *serve(void *context)
{
	struct served *served = context;
	const struct server_handler handler = { served, take, flush, tick, stopping };
	served->result = server_run(served->server, &handler, &served->counters);
	return NULL;
}

struct served *served_open(const char *const *urls, const char *spool,
			   const struct server_settings *settings)
{
	struct served *served = aligned_alloc(64, (sizeof(*served) + 63) / 64 * 64);
	struct complaint complaint;
	struct server_settings all = settings ? *settings : (struct server_settings){ 0 };
	memset(served, 0, sizeof(*served));
	signal(SIGPIPE, SIG_IGN);
	pthread_mutex_init(&served->lock, NULL);
	for (; urls[all.listener_count]; all.listener_count++)
		if (!listener_url_parse(urls[all.listener_count], &complaint,
					&served->listeners[all.listener_count])) {
			fprintf(stderr, "%s\n", complaint.text);
			abort();
		}
	all.listeners = served->listeners;
	all.spool.path = spool;
	if (!server_open(&all, &complaint, &served->server)) {
		fprintf(stderr, "%s\n", complaint.text);
		abort();
	}
	pthread_create(&served->thread, NULL, serve, served);
	return served;
}

uint16_t served_port(const struct served *served, size_t listener)
{
	return server_port(served->server, listener);
}

size_t served_wait(struct served *served, size_t count)
{
	size_t there = 0;
	for (int i = 0; i < WAIT_STEPS; i++) {
		pthread_mutex_lock(&served->lock);
		there = served->count;
		pthread_mutex_unlock(&served->lock);
		if (there >= count)
			break;
		usleep(WAIT_STEP_US);
	}
	return there;
}

const char *served_document(struct served *served, size_t index)
{
	pthread_mutex_lock(&served->lock);
	const char *document = index < served->count ? served->documents[index] : "(none)";
	pthread_mutex_unlock(&served->lock);
	return document;
}

enum document_kind served_kind(struct served *served, size_t index)
{
	pthread_mutex_lock(&served->lock);
	const enum document_kind kind = served->kinds[index];
	pthread_mutex_unlock(&served->lock);
	return kind;
}

void served_block(struct served *served, bool blocked)
{
	served->blocked = blocked;
}

uint64_t served_counter(const struct served *served, enum counter counter)
{
	return counter_read(&served->counters, counter);
}

void served_close(struct served *served)
{
	served->blocked = false;
	served->stop = true;
	pthread_join(served->thread, NULL);
	server_close(served->server);
	for (size_t i = 0; i < served->count; i++)
		free(served->documents[i]);
	free(served->documents);
	free(served->kinds);
	pthread_mutex_destroy(&served->lock);
	free(served);
}

/* --- clients ---------------------------------------------------------------------------------- */

int client_connect(uint16_t port)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_port = htons(port),
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timeval patience = { .tv_sec = 10 };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

void client_send(int fd, const void *bytes, size_t size_bytes)
{
	for (size_t sent = 0; sent < size_bytes;) {
		const ssize_t size =
			send(fd, (const char *)bytes + sent, size_bytes - sent, MSG_NOSIGNAL);
		if (size <= 0)
			return;
		sent += (size_t)size;
	}
}

size_t client_read(int fd, void *out_bytes, size_t size_bytes)
{
	size_t got = 0;
	while (got < size_bytes) {
		const ssize_t size = recv(fd, (char *)out_bytes + got, size_bytes - got, 0);
		if (size <= 0)
			break;
		got += (size_t)size;
	}
	return got;
}

static size_t put_word(char *at, uint32_t word)
{
	const uint32_t wire = htonl(word);
	memcpy(at, &wire, sizeof(wire));
	return sizeof(wire);
}

char *client_window(uint32_t first, uint32_t count, bool compressed, size_t *out_size)
{
	enum { EVENT_MAX = 64 };
	char *frames = malloc((size_t)count * EVENT_MAX + 1);
	size_t size = 0;
	for (uint32_t i = 0; i < count; i++) {
		char json[EVENT_MAX];
		const int length = snprintf(json, sizeof(json), "{\"n\":%u}", first + i);
		frames[size++] = '2';
		frames[size++] = 'J';
		size += put_word(frames + size, i + 1);
		size += put_word(frames + size, (uint32_t)length);
		memcpy(frames + size, json, (size_t)length);
		size += (size_t)length;
	}
	uLongf packed = compressBound(size);
	char *window = malloc(12 + (packed > size ? packed : size));
	size_t used = 0;
	window[used++] = '2';
	window[used++] = 'W';
	used += put_word(window + used, count);
	if (compressed) {
		compress((Bytef *)window + used + 6, &packed, (const Bytef *)frames, size);
		window[used++] = '2';
		window[used++] = 'C';
		used += put_word(window + used, (uint32_t)packed) + packed;
	} else {
		memcpy(window + used, frames, size);
		used += size;
	}
	free(frames);
	*out_size = used;
	return window;
}
