/* server_tls.c: TLS 1.2 and later for listeners: certificate, key, and who may connect. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "collector/input/server_inside.h"

static bool refuse(const struct listener_url *url, struct complaint *complaint, const char *what,
		   const char *path)
{
	char reason[160];
	ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
	return complain(complaint, NULL, 0, 0, "listener %.120s: %s %.150s: %s", url->text, what,
			path, reason);
}

static bool set_up(SSL_CTX *tls, const struct listener_url *url, struct complaint *complaint)
{
	static const int modes[] = {
		[CLIENT_AUTH_NONE] = SSL_VERIFY_NONE,
		[CLIENT_AUTH_OPTIONAL] = SSL_VERIFY_PEER,
		[CLIENT_AUTH_REQUIRED] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
	};
	static const unsigned char context_id[] = "procspan";
	SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
	SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS); /* 2,000 idle ones cost little */
	SSL_CTX_set_session_id_context(tls, context_id, sizeof(context_id) - 1);
	if (SSL_CTX_use_certificate_chain_file(tls, url->certificate_path) != 1)
		return refuse(url, complaint, "certificate", url->certificate_path);
	if (SSL_CTX_use_PrivateKey_file(tls, url->key_path, SSL_FILETYPE_PEM) != 1)
		return refuse(url, complaint, "key", url->key_path);
	if (url->ca_path[0]) {
		if (SSL_CTX_load_verify_locations(tls, url->ca_path, NULL) != 1)
			return refuse(url, complaint, "CA", url->ca_path);
		SSL_CTX_set_client_CA_list(tls, SSL_load_client_CA_file(url->ca_path));
	}
	SSL_CTX_set_verify(tls, modes[url->client_auth], NULL);
	return true;
}

SSL_CTX *tls_open(const struct listener_url *url, struct complaint *complaint)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	if (!tls)
		refuse(url, complaint, "TLS", "");
	else if (!set_up(tls, url, complaint)) {
		SSL_CTX_free(tls);
		tls = NULL;
	}
	return tls;
}

void tls_peer_name(SSL *tls, char out_name[PEER_NAME_MAX])
{
	out_name[0] = '\0';
	X509 *certificate = SSL_get1_peer_certificate(tls);
	if (!certificate)
		return;
	X509_NAME *subject = X509_get_subject_name(certificate);
	const int size =
		X509_NAME_get_text_by_NID(subject, NID_commonName, out_name, PEER_NAME_MAX);
	if (size < 0 || strlen(out_name) != (size_t)size)
		out_name[0] = '\0'; /* a NUL within: a name made to deceive */
	X509_free(certificate);
}

bool listener_thumbprint(const char *path, char out_hex[LISTENER_THUMBPRINT_MAX])
{
	FILE *file = fopen(path, "r");
	X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
	if (file)
		fclose(file);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	const bool good = certificate && X509_digest(certificate, EVP_sha1(), digest, &size) == 1;
	for (unsigned i = 0; good && i < size; i++)
		snprintf(out_hex + (size_t)2 * i, 3, "%02x", digest[i]);
	X509_free(certificate);
	return good;
}
