#include "tests/support_receiver.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BYTES_MAX = 64 * 1024 * 1024, MESSAGES_MAX = 100000, WAIT_MS = 10000 };

struct receiver {
	enum receiver_kind kind;
	int listen_fd;
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock;
	bool stop, paused, close_notify;
	char *bytes; /* of streams, not yet taken apart; messages are moved to the front */
	size_t size;
	char **messages;
	size_t count;
};

static struct certificate the_certificate;

static void add_message(struct receiver *receiver, const char *bytes, size_t size)
{
	if (receiver->count == MESSAGES_MAX)
		return;
	char *copy = malloc(size + 1);
	memcpy(copy, bytes, size);
	copy[size] = '\0';
	receiver->messages[receiver->count++] = copy;
}

/* Octet-counted frames, or lines. */
static void take_apart(struct receiver *receiver)
{
	size_t at = 0;
	for (;;) {
		const char *start = receiver->bytes + at;
		const size_t left = receiver->size - at;
		if (receiver->kind == RECEIVER_UNIX_STREAM) {
			const char *end = memchr(start, '\n', left);
			if (!end)
				break;
			add_message(receiver, start, (size_t)(end - start));
			at += (size_t)(end - start) + 1;
			continue;
		}
		const char *space = memchr(start, ' ', left < 10 ? left : 10);
		const size_t size = space ? strtoul(start, NULL, 10) : 0;
		const size_t prefix = space ? (size_t)(space - start) + 1 : 0;
		if (!space || left < prefix + size)
			break;
		add_message(receiver, space + 1, size);
		at += prefix + size;
	}
	memmove(receiver->bytes, receiver->bytes + at, receiver->size - at);
	receiver->size -= at;
}

static bool locked_flag(struct receiver *receiver, const bool *flag)
{
	pthread_mutex_lock(&receiver->lock);
	const bool value = *flag;
	pthread_mutex_unlock(&receiver->lock);
	return value;
}

static void keep_bytes(struct receiver *receiver, const char *bytes, size_t size)
{
	pthread_mutex_lock(&receiver->lock);
	if (receiver->kind == RECEIVER_UDP || receiver->kind == RECEIVER_UNIX_DATAGRAM) {
		add_message(receiver, bytes, size);
	} else if (receiver->size + size <= BYTES_MAX) {
		memcpy(receiver->bytes + receiver->size, bytes, size);
		receiver->size += size;
		take_apart(receiver);
	}
	pthread_mutex_unlock(&receiver->lock);
}

/* 1 readable, 0 not yet, -1 stop */
static int wait_readable(struct receiver *receiver, int fd)
{
	if (locked_flag(receiver, &receiver->stop))
		return -1;
	if (locked_flag(receiver, &receiver->paused)) {
		usleep(2000);
		return 0;
	}
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	return poll(&readable, 1, 5) > 0;
}

static void serve_plain(struct receiver *receiver, int fd)
{
	static _Thread_local char bytes[70000];
	for (int ready; (ready = wait_readable(receiver, fd)) >= 0;) {
		if (!ready)
			continue;
		const ssize_t size = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (size == 0 && receiver->kind != RECEIVER_UDP)
			return;
		if (size > 0)
			keep_bytes(receiver, bytes, (size_t)size);
	}
}

static void serve_tls(struct receiver *receiver, int fd)
{
	static _Thread_local char bytes[70000];
	SSL_CTX *settings = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate_file(settings, the_certificate.certificate_path, SSL_FILETYPE_PEM);
	SSL_CTX_use_PrivateKey_file(settings, the_certificate.key_path, SSL_FILETYPE_PEM);
	SSL *session = SSL_new(settings);
	const struct timeval patience = { .tv_sec = 2 };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	SSL_set_fd(session, fd);
	if (SSL_accept(session) == 1)
		for (int ready;
		     (ready = wait_readable(receiver, fd)) >= 0 || SSL_pending(session);) {
			if (ready <= 0 && !SSL_pending(session))
				continue;
			const int size = SSL_read(session, bytes, sizeof(bytes));
			if (size <= 0) {
				pthread_mutex_lock(&receiver->lock);
				receiver->close_notify |=
					SSL_get_error(session, size) == SSL_ERROR_ZERO_RETURN;
				pthread_mutex_unlock(&receiver->lock);
				break;
			}
			keep_bytes(receiver, bytes, (size_t)size);
		}
	SSL_free(session);
	SSL_CTX_free(settings);
	ERR_clear_error();
}

static bool is_datagram(enum receiver_kind kind)
{
	return kind == RECEIVER_UDP || kind == RECEIVER_UNIX_DATAGRAM;
}

static void *serve(void *argument)
{
	struct receiver *receiver = argument;
	sigset_t all;
	sigfillset(&all); /* a sender that hangs up is no reason to die */
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	if (is_datagram(receiver->kind)) {
		serve_plain(receiver, receiver->listen_fd);
		return NULL;
	}
	for (int ready; (ready = wait_readable(receiver, receiver->listen_fd)) >= 0;) {
		if (!ready)
			continue;
		const int fd = accept(receiver->listen_fd, NULL, NULL);
		if (fd < 0)
			continue;
		pthread_mutex_lock(&receiver->lock);
		receiver->size = 0; /* a frame cut by a broken connection is not finished here */
		pthread_mutex_unlock(&receiver->lock);
		if (receiver->kind == RECEIVER_TLS)
			serve_tls(receiver, fd);
		else
			serve_plain(receiver, fd);
		close(fd);
	}
	return NULL;
}

static bool bind_ip(struct receiver *receiver, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t size = sizeof(address);
	const int on = 1;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	receiver->listen_fd =
		socket(AF_INET, receiver->kind == RECEIVER_UDP ? SOCK_DGRAM : SOCK_STREAM, 0);
	setsockopt(receiver->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	const int small = 16 * 1024; /* so that a paused receiver is felt soon */
	if (receiver->kind != RECEIVER_UDP)
		setsockopt(receiver->listen_fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (bind(receiver->listen_fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		return false;
	getsockname(receiver->listen_fd, (struct sockaddr *)&address, &size);
	receiver->port = ntohs(address.sin_port);
	return true;
}

static bool bind_path(struct receiver *receiver, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	receiver->listen_fd = socket(
		AF_UNIX, receiver->kind == RECEIVER_UNIX_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM, 0);
	return bind(receiver->listen_fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

struct receiver *receiver_open(enum receiver_kind kind, uint16_t port, const char *path)
{
	struct receiver *receiver = calloc(1, sizeof(*receiver));
	receiver->kind = kind;
	receiver->bytes = malloc(BYTES_MAX);
	receiver->messages = calloc(MESSAGES_MAX, sizeof(*receiver->messages));
	pthread_mutex_init(&receiver->lock, NULL);
	const bool bound = path ? bind_path(receiver, path) : bind_ip(receiver, port);
	if (!bound || (!is_datagram(kind) && listen(receiver->listen_fd, 8) != 0)) {
		perror("receiver");
		return NULL;
	}
	pthread_create(&receiver->thread, NULL, serve, receiver);
	return receiver;
}

uint16_t receiver_port(const struct receiver *receiver)
{
	return receiver->port;
}

size_t receiver_wait(struct receiver *receiver, size_t message_count)
{
	size_t count = 0;
	for (int i = 0; i < WAIT_MS; i++) {
		pthread_mutex_lock(&receiver->lock);
		count = receiver->count;
		pthread_mutex_unlock(&receiver->lock);
		if (count >= message_count)
			break;
		usleep(1000);
	}
	return count;
}

const char *receiver_message(struct receiver *receiver, size_t index)
{
	pthread_mutex_lock(&receiver->lock);
	const char *message = index < receiver->count ? receiver->messages[index] : NULL;
	pthread_mutex_unlock(&receiver->lock);
	return message;
}

void receiver_pause(struct receiver *receiver, bool paused)
{
	pthread_mutex_lock(&receiver->lock);
	receiver->paused = paused;
	pthread_mutex_unlock(&receiver->lock);
}

bool receiver_saw_close_notify(struct receiver *receiver)
{
	for (int i = 0; i < 2000 && !locked_flag(receiver, &receiver->close_notify); i++)
		usleep(1000);
	return locked_flag(receiver, &receiver->close_notify);
}

void receiver_close(struct receiver *receiver)
{
	if (!receiver)
		return;
	pthread_mutex_lock(&receiver->lock);
	receiver->stop = true;
	pthread_mutex_unlock(&receiver->lock);
	pthread_join(receiver->thread, NULL);
	close(receiver->listen_fd);
	for (size_t i = 0; i < receiver->count; i++)
		free(receiver->messages[i]);
	free(receiver->messages);
	free(receiver->bytes);
	pthread_mutex_destroy(&receiver->lock);
	free(receiver);
}

static void sign(X509 *certificate, EVP_PKEY *key)
{
	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
	X509_set_pubkey(certificate, key);
	X509_NAME *name = X509_get_subject_name(certificate);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"receiver", -1,
				   -1, 0);
	X509_set_issuer_name(certificate, name);
	X509_EXTENSION *names =
		X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
	X509_add_ext(certificate, names, -1);
	X509_EXTENSION_free(names);
	X509_sign(certificate, key, EVP_sha256());
}

const struct certificate *receiver_certificate(const char *directory)
{
	struct certificate *made = &the_certificate;
	if (made->fingerprint[0])
		return made;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	sign(certificate, key);
	snprintf(made->certificate_path, sizeof(made->certificate_path), "%s/certificate.pem",
		 directory);
	snprintf(made->key_path, sizeof(made->key_path), "%s/key.pem", directory);
	FILE *file = fopen(made->certificate_path, "w");
	PEM_write_X509(file, certificate);
	fclose(file);
	file = fopen(made->key_path, "w");
	PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	unsigned char digest[32];
	unsigned size = 0;
	X509_digest(certificate, EVP_sha256(), digest, &size);
	size_t used = (size_t)snprintf(made->fingerprint, sizeof(made->fingerprint), "sha-256:");
	for (unsigned i = 0; i < size; i++)
		used += (size_t)snprintf(made->fingerprint + used, sizeof(made->fingerprint) - used,
					 "%s%02X", i ? ":" : "", digest[i]);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return made;
}
