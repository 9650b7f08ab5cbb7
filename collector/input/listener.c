#include "collector/input/listener.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/input/wef.h"

static const struct {
	const char *scheme;
	const struct session_protocol *protocol;
	enum listener_kind kind;
	enum listener_transport transport;
	uint16_t default_port;
	bool tls;
} schemes[] = {
	{ "lumberjack+tcp", &session_lumberjack, LISTENER_SESSION, LISTENER_TCP, 5044, false },
	{ "lumberjack+tls", &session_lumberjack, LISTENER_SESSION, LISTENER_TCP, 5044, true },
	{ "ndjson+tcp", &session_ndjson, LISTENER_SESSION, LISTENER_TCP, 5045, false },
	{ "ndjson+tls", &session_ndjson, LISTENER_SESSION, LISTENER_TCP, 5045, true },
	{ "ndjson+unix", &session_ndjson, LISTENER_SESSION, LISTENER_UNIX, 0, false },
	{ "ndjson+stdin", &session_ndjson, LISTENER_SESSION, LISTENER_STDIN, 0, false },
	{ "follow", &session_ndjson, LISTENER_SESSION, LISTENER_FOLLOW, 0, false },
	{ "syslog+tcp", &session_syslog, LISTENER_SESSION, LISTENER_TCP, 514, false },
	{ "syslog+tls", &session_syslog, LISTENER_SESSION, LISTENER_TCP, 6514, true },
	{ "syslog+udp", &session_syslog, LISTENER_SESSION, LISTENER_UDP, 514, false },
	{ "bulk+http", NULL, LISTENER_BULK, LISTENER_TCP, 9200, false },
	{ "bulk+https", NULL, LISTENER_BULK, LISTENER_TCP, 9200, true },
	{ "wef+http", NULL, LISTENER_WEF, LISTENER_TCP, 5985, false },
	{ "wef+https", NULL, LISTENER_WEF, LISTENER_TCP, 5986, true },
};

enum { SCHEMES_COUNT = sizeof(schemes) / sizeof(schemes[0]), SECONDS_MAX = 3600 };

static bool copy_text(char *out, size_t room_bytes, const char *text, size_t size_bytes)
{
	if (size_bytes >= room_bytes)
		return false;
	memcpy(out, text, size_bytes);
	out[size_bytes] = '\0';
	return true;
}

/* --- options ---------------------------------------------------------------------------------- */

static bool set_authorization(struct listener_url *url, const char *scheme, const char *secret,
			      size_t size_bytes)
{
	const size_t prefix =
		(size_t)snprintf(url->authorization, sizeof(url->authorization), "%s ", scheme);
	if (size_bytes == 0 || prefix + (size_bytes + 2) / 3 * 4 >= sizeof(url->authorization))
		return false;
	EVP_EncodeBlock((unsigned char *)url->authorization + prefix, (const unsigned char *)secret,
			(int)size_bytes);
	return true;
}

static bool set_seconds(uint16_t *out_seconds, const char *value)
{
	char *end;
	const unsigned long seconds = strtoul(value, &end, 10);
	if (end == value || strcmp(end, "s") != 0 || seconds == 0 || seconds > SECONDS_MAX)
		return false;
	*out_seconds = (uint16_t)seconds;
	return true;
}

/* Which of `words` (NULL-terminated) the value is, or -1. */
static int word_index(const char *value, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(value, words[i]) == 0)
			return i;
	return -1;
}

/* NULL, or what was expected. */
static const char *set_option(struct listener_url *url, const char *name, const char *value,
			      size_t size_bytes)
{
	static const char *const auths[] = { "none", "optional", "required", NULL };
	static const char *const ends[] = { "start", "end", NULL };
	static const char *const truths[] = { "false", "true", NULL };
	const struct {
		const char *name;
		char *out;
	} texts[] = {
		{ "cert", url->certificate_path },
		{ "key", url->key_path },
		{ "ca", url->ca_path },
		{ "url", url->base_url },
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(name, texts[i].name) == 0)
			return copy_text(texts[i].out, LISTENER_VALUE_MAX, value, size_bytes)
				       ? NULL
				       : "a shorter value";
	if (strcmp(name, "client_auth") == 0) {
		const int auth = word_index(value, auths);
		url->client_auth = (enum client_auth)auth;
		return auth < 0 ? "none, optional or required" : NULL;
	}
	if (strcmp(name, "from") == 0) {
		const int end = word_index(value, ends);
		url->from_end = end == 1;
		return end < 0 ? "start or end" : NULL;
	}
	if (strcmp(name, "existing") == 0) {
		const int truth = word_index(value, truths);
		url->read_existing = truth == 1;
		return truth < 0 ? "true or false" : NULL;
	}
	if (strcmp(name, "user") == 0)
		return set_authorization(url, "Basic", value, size_bytes) ? NULL : "NAME:PASSWORD";
	if (strcmp(name, "api_key") == 0)
		return set_authorization(url, "ApiKey", value, size_bytes) ? NULL : "ID:KEY";
	if (strcmp(name, "heartbeat") == 0)
		return set_seconds(&url->heartbeat_s, value) ? NULL : "seconds, such as 60s";
	if (strcmp(name, "latency") == 0)
		return set_seconds(&url->latency_s, value) ? NULL : "seconds, such as 5s";
	return "one of cert, key, ca, client_auth, user, api_key, url, heartbeat, latency, "
	       "existing, from";
}

static bool read_options(const char *at, struct listener_url *url, struct complaint *complaint)
{
	while (*at) {
		const size_t size = strcspn(at, "&");
		char pair[LISTENER_TEXT_MAX];
		copy_text(pair, sizeof(pair), at, size);
		char *equals = strchr(pair, '=');
		if (equals)
			*equals = '\0';
		const char *value = equals ? equals + 1 : "";
		const char *expected = set_option(url, pair, value, strlen(value));
		if (expected)
			return complain(complaint, NULL, 0, 0,
					"listener %.200s: option %.50s: expected %s", url->text,
					pair, expected);
		at += size + (at[size] == '&');
	}
	return true;
}

/* --- address ---------------------------------------------------------------------------------- */

/* "HOST:PORT", "[HOST]:PORT", "HOST". */
static bool read_address(const char *text, size_t size_bytes, struct listener_url *url)
{
	char address[LISTENER_VALUE_MAX];
	if (!copy_text(address, sizeof(address), text, size_bytes))
		return false;
	char *colon = strrchr(address, ':');
	char *bracket = strrchr(address, ']');
	if (colon && (!bracket || colon > bracket)) {
		char *end;
		const unsigned long port = strtoul(colon + 1, &end, 10);
		if (end == colon + 1 || *end || port > UINT16_MAX)
			return false;
		url->port = (uint16_t)port;
		*colon = '\0';
	}
	const char *host = address;
	if (bracket) {
		if (*host != '[' || bracket[1] != '\0')
			return false;
		*bracket = '\0';
		host++;
	}
	snprintf(url->host, sizeof(url->host), "%s", host);
	return url->host[0] != '\0';
}

static bool check(const struct listener_url *url, struct complaint *complaint)
{
	const char *fault = NULL;
	if (url->tls && (!url->certificate_path[0] || !url->key_path[0]))
		fault = "TLS needs ?cert=FILE&key=FILE";
	else if (url->client_auth != CLIENT_AUTH_NONE && (!url->tls || !url->ca_path[0]))
		fault = "client_auth needs TLS and ?ca=FILE";
	else if (url->kind == LISTENER_WEF && !url->base_url[0])
		fault = "WEF needs ?url=https://NAME:PORT, as clients reach it";
	return !fault || complain(complaint, NULL, 0, 0, "listener %.200s: %s", url->text, fault);
}

bool listener_url_parse(const char *text, struct complaint *complaint, struct listener_url *out_url)
{
	struct listener_url url = { .heartbeat_s = 60, .latency_s = 5 };
	const size_t scheme_bytes = strcspn(text, ":");
	size_t row = 0;
	if (!copy_text(url.text, sizeof(url.text), text, strlen(text)))
		return complain(complaint, NULL, 0, 0, "listener %.50s...: too long", text);
	while (row < SCHEMES_COUNT && (strlen(schemes[row].scheme) != scheme_bytes ||
				       memcmp(schemes[row].scheme, text, scheme_bytes) != 0))
		row++;
	if (row == SCHEMES_COUNT || text[scheme_bytes] != ':')
		return complain(complaint, NULL, 0, 0,
				"listener %.200s: expected lumberjack+tcp:, lumberjack+tls:, "
				"bulk+http:, bulk+https:, wef+https:, syslog+udp:, syslog+tcp:, "
				"syslog+tls:, ndjson+tcp:, ndjson+tls:, ndjson+unix:, "
				"ndjson+stdin: or follow:",
				text);
	url.kind = schemes[row].kind;
	url.transport = schemes[row].transport;
	url.tls = schemes[row].tls;
	url.protocol = schemes[row].protocol;
	url.port = schemes[row].default_port;
	const char *at = text + scheme_bytes + 1;
	const size_t target_bytes = strcspn(at, "?");
	const bool network = url.transport == LISTENER_TCP || url.transport == LISTENER_UDP;
	bool good = true;
	if (network)
		good = strncmp(at, "//", 2) == 0 && read_address(at + 2, target_bytes - 2, &url);
	else
		good = copy_text(url.host, sizeof(url.host), at, target_bytes) &&
		       (url.host[0] != '\0') == (url.transport != LISTENER_STDIN);
	if (!good)
		return complain(complaint, NULL, 0, 0, "listener %.200s: expected %s", text,
				network ? "//HOST:PORT" : "a path, or nothing after ndjson+stdin:");
	if (at[target_bytes] == '?' && !read_options(at + target_bytes + 1, &url, complaint))
		return false;
	if (url.ca_path[0] && url.client_auth == CLIENT_AUTH_NONE && !strstr(text, "client_auth="))
		url.client_auth = CLIENT_AUTH_REQUIRED; /* what a CA is named for */
	if (!check(&url, complaint))
		return false;
	*out_url = url;
	return true;
}
