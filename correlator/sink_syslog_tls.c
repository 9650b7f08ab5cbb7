/* Syslog over TLS. Source: RFC 5425: octet counting, a certificate checked against a CA or its
 * fingerprint, close_notify before closing. OpenSSL's types stay in this file. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "correlator/sink_socket.h"

struct tls_sink {
	struct socket_sink tcp; /* first: a tls_sink is one */
	SSL_CTX *settings;
	SSL *session; /* NULL = not connected */
	bool ready;   /* the handshake is done */
	short waits_for;
	char server_name[URL_VALUE_MAX];
	char fingerprint[URL_VALUE_MAX];
};

static struct tls_sink *tls_of(struct sink *sink)
{
	return (struct tls_sink *)sink;
}

/* OpenSSL's own words, or those of its certificate check. */
static int fail(struct tls_sink *tls, const char *what)
{
	const unsigned long code = ERR_get_error();
	const long verdict = tls->session ? SSL_get_verify_result(tls->session) : X509_V_OK;
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	snprintf(tls->tcp.sink.error, sizeof(tls->tcp.sink.error), "%s: %s", what,
		 verdict != X509_V_OK ? X509_verify_cert_error_string(verdict)
		 : reason	      ? reason
				      : "the connection was closed");
	ERR_clear_error();
	return -EPROTO;
}

/* What to do about a call that did not succeed: -EAGAIN, or broken. */
static int tls_result(struct tls_sink *tls, int returned, const char *what)
{
	switch (SSL_get_error(tls->session, returned)) {
	case SSL_ERROR_WANT_READ:
		tls->waits_for = POLLIN;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		tls->waits_for = POLLOUT;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return -EPIPE;
	default:
		return fail(tls, what);
	}
}

/* RFC 5425, section 4.2.2: "sha-256:E1:2D:...". */
static bool fingerprint_matches(const struct tls_sink *tls)
{
	const bool is_sha1 = strncasecmp(tls->fingerprint, "sha-1:", 6) == 0;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_bytes = 0;
	X509 *certificate = SSL_get1_peer_certificate(tls->session);
	const bool made =
		certificate && X509_digest(certificate, is_sha1 ? EVP_sha1() : EVP_sha256(), digest,
					   &digest_bytes) == 1;
	X509_free(certificate);
	char joined[3 * EVP_MAX_MD_SIZE + 1] = "";
	size_t size = 0;
	for (unsigned i = 0; made && i < digest_bytes; i++)
		size += (size_t)snprintf(joined + size, sizeof(joined) - size, "%s%02X",
					 i ? ":" : "", digest[i]);
	return made && strcasecmp(joined, tls->fingerprint + (is_sha1 ? 6 : 8)) == 0;
}

static bool begin_session(struct tls_sink *tls)
{
	tls->session = SSL_new(tls->settings);
	if (!tls->session || SSL_set_fd(tls->session, tls->tcp.fd) != 1)
		return false;
	X509_VERIFY_PARAM *checks = SSL_get0_param(tls->session);
	if (X509_VERIFY_PARAM_set1_ip_asc(checks, tls->server_name) == 1)
		return true;
	SSL_set_tlsext_host_name(tls->session, tls->server_name);
	return SSL_set1_host(tls->session, tls->server_name) == 1;
}

static int tls_connect(struct sink *sink)
{
	struct tls_sink *tls = tls_of(sink);
	if (tls->ready)
		return 1;
	if (!tls->session) {
		const int connected = socket_connect(sink);
		if (connected != 1)
			return connected;
		ERR_clear_error();
		if (!begin_session(tls))
			return fail(tls, "TLS");
	}
	const int returned = SSL_connect(tls->session);
	if (returned != 1) {
		const int result = tls_result(tls, returned, "TLS handshake");
		return result == -EAGAIN ? 0 : result;
	}
	if (tls->fingerprint[0] && !fingerprint_matches(tls)) {
		snprintf(sink->error, sizeof(sink->error),
			 "the certificate's fingerprint is not the one expected");
		return -EPROTO;
	}
	tls->waits_for = POLLIN;
	tls->ready = true;
	return 1;
}

/* Reading is how TLS notices that the other side has closed or wants new keys. */
static int tls_check(struct sink *sink)
{
	struct tls_sink *tls = tls_of(sink);
	char bytes[256];
	ERR_clear_error();
	const int size = SSL_read(tls->session, bytes, sizeof(bytes));
	if (size > 0)
		return 0;
	const int result = tls_result(tls, size, "TLS");
	return result == -EAGAIN ? 0 : result;
}

static ssize_t tls_send(struct sink *sink, const char *bytes, size_t size_bytes)
{
	enum { RECORD_MAX = 16 * 1024 };
	struct tls_sink *tls = tls_of(sink);
	ERR_clear_error();
	const int size = SSL_write(tls->session, bytes,
				   (int)(size_bytes < RECORD_MAX ? size_bytes : RECORD_MAX));
	return size > 0 ? size : tls_result(tls, size, "TLS");
}

static struct pollfd tls_wait(struct sink *sink, bool blocked)
{
	struct tls_sink *tls = tls_of(sink);
	struct pollfd wait = socket_wait(sink, blocked);
	if (tls->session && (blocked || !tls->ready))
		wait.events = tls->waits_for;
	return wait;
}

static void tls_disconnect(struct sink *sink)
{
	struct tls_sink *tls = tls_of(sink);
	if (tls->session && tls->ready)
		SSL_shutdown(tls->session); /* close_notify; the answer is not waited for */
	SSL_free(tls->session);
	tls->session = NULL;
	tls->ready = false;
	ERR_clear_error();
	socket_disconnect(sink);
}

static void tls_close(struct sink *sink)
{
	struct tls_sink *tls = tls_of(sink);
	tls_disconnect(sink);
	SSL_CTX_free(tls->settings);
	socket_release(sink);
	free(tls);
}

/* NULL, or what is wrong with the files. */
static const char *load_files(SSL_CTX *settings, const struct output_url *url)
{
	const bool has_ca = url->ca_path[0] != '\0';
	if (has_ca ? SSL_CTX_load_verify_file(settings, url->ca_path) != 1
		   : SSL_CTX_set_default_verify_paths(settings) != 1)
		return "cannot read the CA file";
	if (url->certificate_path[0] == '\0')
		return NULL;
	if (SSL_CTX_use_certificate_chain_file(settings, url->certificate_path) != 1)
		return "cannot read the certificate file";
	if (SSL_CTX_use_PrivateKey_file(settings, url->key_path, SSL_FILETYPE_PEM) != 1)
		return "cannot read the key file, or the key is another certificate's";
	return NULL;
}

static const char *configure(struct tls_sink *tls, const struct output_url *url)
{
	tls->settings = SSL_CTX_new(TLS_client_method());
	if (!tls->settings)
		return "out of memory";
	SSL_CTX_set_min_proto_version(tls->settings, TLS1_2_VERSION);
	SSL_CTX_set_mode(tls->settings,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* A fingerprint names the certificate itself; then no CA has to. */
	SSL_CTX_set_verify(tls->settings, url->fingerprint[0] ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
			   NULL);
	return load_files(tls->settings, url);
}

bool sink_syslog_tls_open(const struct output_url *url, struct complaint *complaint,
			  struct sink **out_sink)
{
	static const struct sink_operations operations = {
		.connect = tls_connect,
		.check = tls_check,
		.send = tls_send,
		.unconfirmed = socket_unconfirmed,
		.wait = tls_wait,
		.disconnect = tls_disconnect,
		.close = tls_close,
	};
	struct tls_sink *tls = calloc(1, sizeof(*tls));
	if (!tls)
		return complain(complaint, NULL, 0, 0, "output %.200s: out of memory", url->text);
	socket_open(&tls->tcp, url, SOCK_STREAM);
	tls->tcp.sink.operations = &operations;
	snprintf(tls->server_name, sizeof(tls->server_name), "%s",
		 url->server_name[0] ? url->server_name : url->target);
	snprintf(tls->fingerprint, sizeof(tls->fingerprint), "%s", url->fingerprint);
	const char *wrong = configure(tls, url);
	if (wrong) {
		complain(complaint, NULL, 0, 0, "output %.200s: %s", url->text, wrong);
		tls_close(&tls->tcp.sink);
		ERR_clear_error();
		return false;
	}
	*out_sink = &tls->tcp.sink;
	return true;
}
