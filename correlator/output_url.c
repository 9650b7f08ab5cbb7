#include "correlator/output_url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *scheme;
	enum target_kind target;
	enum format format;
	size_t max_size;
	enum framing framing;
	bool spools;
	const char *help;
} sinks[SINK_COUNT] = {
#define SINK(identifier, scheme, target, format, max_size, framing, spools, help)                  \
	{ scheme, target, FORMAT_##format, max_size, framing, spools, help },
#include "correlator/sinks.def"
#undef SINK
};

static const char *const facilities[] = {
	"kern",	  "user",   "mail",	"daemon", "auth",   "syslog", "lpr",	"news",
	"uucp",	  "cron",   "authpriv", "ftp",	  "ntp",    "audit",  "alert",	"clock",
	"local0", "local1", "local2",	"local3", "local4", "local5", "local6", "local7",
};

enum { FACILITY_COUNT = sizeof(facilities) / sizeof(facilities[0]), FACILITY_LOCAL0 = 16 };
enum { DATAGRAM_SIZE_MAX = 65507 }; /* UDP over IPv4 */

/* One option: sets its part of the URL, or says what was expected. NULL: it was right. */
typedef const char *option_fn(struct output_url *url, const char *value);

static const char *set_format(struct output_url *url, const char *value)
{
	const enum format format = format_find(value, strlen(value));
	if (format == FORMAT_COUNT)
		return "ecs, rfc5424, cef, leef or eve";
	url->format = format;
	return NULL;
}

static const char *set_facility(struct output_url *url, const char *value)
{
	for (int i = 0; i < FACILITY_COUNT; i++)
		if (strcasecmp(facilities[i], value) == 0) {
			url->facility = i;
			return NULL;
		}
	char *end;
	const long number = strtol(value, &end, 10);
	if (*value == '\0' || *end != '\0' || number < 0 || number >= FACILITY_COUNT)
		return "a facility, kern to local7 or 0 to 23";
	url->facility = (int)number;
	return NULL;
}

static const char *set_max_size(struct output_url *url, const char *value)
{
	char *end;
	const unsigned long long number = strtoull(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end != '\0' || number < MESSAGE_SIZE_MIN ||
	    number > MESSAGE_SIZE_MAX)
		return "bytes, 300 to 1048576";
	if (url->sink == SINK_syslog_udp && number > DATAGRAM_SIZE_MAX)
		return "bytes, 300 to 65507 for UDP";
	url->max_size = (size_t)number;
	return NULL;
}

static const char *set_framing(struct output_url *url, const char *value)
{
	if (strcmp(value, "octets") != 0 && strcmp(value, "line") != 0)
		return "octets or line";
	url->framing = *value == 'o' ? FRAMING_OCTETS : FRAMING_LINE;
	return NULL;
}

static const char *set_mode(struct output_url *url, const char *value)
{
	if (strcmp(value, "append") != 0 && strcmp(value, "truncate") != 0)
		return "append or truncate";
	url->truncate = *value == 't';
	return NULL;
}

static const char *set_text(char out[URL_VALUE_MAX], const char *value, const char *expected)
{
	if (*value == '\0')
		return expected;
	snprintf(out, URL_VALUE_MAX, "%s", value);
	return NULL;
}

static const char *set_ca(struct output_url *url, const char *value)
{
	return set_text(url->ca_path, value, "the path of a PEM file");
}

static const char *set_certificate(struct output_url *url, const char *value)
{
	return set_text(url->certificate_path, value, "the path of a PEM file");
}

static const char *set_key(struct output_url *url, const char *value)
{
	return set_text(url->key_path, value, "the path of a PEM file");
}

static const char *set_server_name(struct output_url *url, const char *value)
{
	return set_text(url->server_name, value, "a host name");
}

static const char *set_fingerprint(struct output_url *url, const char *value)
{
	enum { SHA1_TEXT = 6 + 59, SHA256_TEXT = 8 + 95 };
	const size_t size = strlen(value);
	const bool sha1 = strncasecmp(value, "sha-1:", 6) == 0 && size == SHA1_TEXT;
	const bool sha256 = strncasecmp(value, "sha-256:", 8) == 0 && size == SHA256_TEXT;
	if (!sha1 && !sha256)
		return "sha-256: (or sha-1:) and the bytes in hex with colons between";
	return set_text(url->fingerprint, value, NULL);
}

#define ON(identifier) (1U << SINK_##identifier)
enum { ON_ALL = (1U << SINK_COUNT) - 1 };

static const struct {
	const char *name;
	option_fn *set;
	unsigned sinks;
} options[] = {
	{ "format", set_format, ON_ALL },
	{ "max_size", set_max_size, ON_ALL },
	{ "facility", set_facility, ON_ALL },
	{ "framing", set_framing, ON(syslog_tcp) | ON(unix) },
	{ "mode", set_mode, ON(file) },
	{ "ca", set_ca, ON(syslog_tls) },
	{ "cert", set_certificate, ON(syslog_tls) },
	{ "key", set_key, ON(syslog_tls) },
	{ "fingerprint", set_fingerprint, ON(syslog_tls) },
	{ "server_name", set_server_name, ON(syslog_tls) },
};

enum { OPTION_COUNT = sizeof(options) / sizeof(options[0]) };

/* Copies up to one of the `stop` characters, undoing %XX. Returns where it stopped, or NULL: too
 * long, or a bad %XX. */
static const char *take_value(const char *at, const char *stop, char out[URL_VALUE_MAX])
{
	size_t size = 0;
	while (*at && !strchr(stop, *at)) {
		char byte = *at++;
		if (byte == '%') {
			const char hex[3] = { at[0], (char)(at[0] ? at[1] : '\0'), '\0' };
			if (!isxdigit((unsigned char)hex[0]) || !isxdigit((unsigned char)hex[1]))
				return NULL;
			byte = (char)strtoul(hex, NULL, 16);
			at += 2;
		}
		if (size == URL_VALUE_MAX - 1 || byte == '\0')
			return NULL;
		out[size++] = byte;
	}
	out[size] = '\0';
	return at;
}

/* "host", "host:514", "[::1]:514"; returns where the options begin, or NULL. */
static const char *take_host(const char *at, struct output_url *url)
{
	const bool bracket = *at == '[';
	at = take_value(at + bracket, bracket ? "]" : ":/?", url->target);
	if (!at || url->target[0] == '\0' || (bracket && *at++ != ']'))
		return NULL;
	url->port = url->sink == SINK_syslog_tls ? 6514 : 514;
	if (*at == ':') {
		char *end;
		const unsigned long port = strtoul(at + 1, &end, 10);
		if (!isdigit((unsigned char)at[1]) || port == 0 || port > UINT16_MAX)
			return NULL;
		url->port = (uint16_t)port;
		at = end;
	}
	if (*at == '/')
		at++;
	return *at == '\0' || *at == '?' ? at : NULL;
}

static const char *take_target(const char *at, struct output_url *url)
{
	switch (sinks[url->sink].target) {
	case TARGET_NONE:
		return *at == '\0' || *at == '?' ? at : NULL;
	case TARGET_PATH:
		at = take_value(at, "?", url->target);
		return at && url->target[0] ? at : NULL;
	case TARGET_HOST:
		return at[0] == '/' && at[1] == '/' ? take_host(at + 2, url) : NULL;
	}
	return NULL;
}

/* The options that this sink knows, for complaints. */
static void list_options(enum sink_kind sink, char *out, size_t size)
{
	size_t used = 0;
	out[0] = '\0';
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (options[i].sinks & 1U << sink && used < size)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "",
						 options[i].name);
}

static bool set_option(struct output_url *url, const char *name, const char *value,
		       struct complaint *complaint)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (strcmp(options[i].name, name) != 0 || !(options[i].sinks & 1U << url->sink))
			continue;
		const char *expected = options[i].set(url, value);
		return !expected || complain(complaint, NULL, 0, 0,
					     "output %.200s: found %s=%.100s, expected %s",
					     url->text, name, value, expected);
	}
	char known[200];
	list_options(url->sink, known, sizeof(known));
	return complain(complaint, NULL, 0, 0,
			"output %.200s: found option \"%.60s\", expected one of %s", url->text,
			name, known);
}

static bool take_options(const char *at, struct output_url *url, struct complaint *complaint)
{
	while (*at == '?' || *at == '&') {
		char name[URL_VALUE_MAX];
		char value[URL_VALUE_MAX] = "";
		const char *next = take_value(at + 1, "=&", name);
		if (next && *next == '=')
			next = take_value(next + 1, "&", value);
		if (!next)
			return complain(complaint, NULL, 0, 0,
					"output %.200s: found a bad option at \"%.60s\", expected "
					"name=value",
					url->text, at + 1);
		if (!set_option(url, name, value, complaint))
			return false;
		at = next;
	}
	return true;
}

static enum sink_kind sink_of(const char *text)
{
	const size_t size = strcspn(text, ":");
	enum sink_kind sink = 0;
	while (sink < SINK_COUNT && (strlen(sinks[sink].scheme) != size ||
				     strncmp(sinks[sink].scheme, text, size) != 0 || !text[size]))
		sink++;
	return sink;
}

/* What only the whole says. */
static bool check_whole(const struct output_url *url, struct complaint *complaint)
{
	if (url->sink == SINK_syslog_udp && url->format == FORMAT_ecs)
		return complain(
			complaint, NULL, 0, 0,
			"output %.200s: found format=ecs over UDP, where a document of some "
			"kilobytes is lost; expected rfc5424, cef, leef or eve, or "
			"syslog+tcp:// or syslog+tls://",
			url->text);
	if (url->format == FORMAT_text && url->sink != SINK_stdout && url->sink != SINK_file)
		return complain(
			complaint, NULL, 0, 0,
			"output %.200s: found format=text, which is several lines for people; "
			"expected it with stdout: or file: only",
			url->text);
	if (!url->certificate_path[0] != !url->key_path[0])
		return complain(complaint, NULL, 0, 0,
				"output %.200s: found one of cert and key, expected both",
				url->text);
	return true;
}

bool output_url_parse(const char *text, struct complaint *complaint, struct output_url *out_url)
{
	struct output_url url = { .facility = FACILITY_LOCAL0 };
	snprintf(url.text, sizeof(url.text), "%s", text);
	url.sink = sink_of(text);
	if (url.sink == SINK_COUNT || strlen(text) >= sizeof(url.text))
		return complain(complaint, NULL, 0, 0,
				"output \"%.200s\": expected stdout:, file:PATH, "
				"syslog+udp://HOST:PORT, syslog+tcp://HOST:PORT, "
				"syslog+tls://HOST:PORT or unix:PATH",
				text);
	url.format = sinks[url.sink].format;
	url.max_size = sinks[url.sink].max_size;
	url.framing = sinks[url.sink].framing;
	const char *at = take_target(text + strlen(sinks[url.sink].scheme) + 1, &url);
	if (!at)
		return complain(complaint, NULL, 0, 0, "output \"%.200s\": expected %s", text,
				sinks[url.sink].help);
	if (!take_options(at, &url, complaint) || !check_whole(&url, complaint))
		return false;
	*out_url = url;
	return true;
}

bool output_url_spools(const struct output_url *url)
{
	return sinks[url->sink].spools;
}

bool output_url_is_syslog(const struct output_url *url)
{
	return url->sink != SINK_stdout && url->sink != SINK_file;
}
