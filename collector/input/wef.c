#include "collector/input/wef.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "collector/base/hash.h"
#include "collector/input/sldc.h"
#include "collector/input/utf16.h"
#include "collector/input/wef_envelope.h"

#define ANONYMOUS    "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
#define WSMAN_ACTION "http://schemas.dmtf.org/wbem/wsman/1/wsman/"

static const char envelope_type[] = "application/soap+xml;charset=UTF-16";

/* --- identifiers ------------------------------------------------------------------------------ */

/* A UUID in upper case that is a function of these texts (up to a NULL): stable where it must be,
 * and needs no random source. Version 8 of RFC 9562: bits of our own making. */
static void uuid_of(char out_text[WEF_ID_TEXT_MAX], const char *first, ...)
{
	static const struct hash_seed seeds[] = { { { 0x7765662d75756964U, 1 } },
						  { { 0x7765662d75756964U, 2 } } };
	uint64_t halves[2] = { 0, 0 };
	va_list texts;
	va_start(texts, first);
	for (const char *text = first; text; text = va_arg(texts, const char *))
		for (int i = 0; i < 2; i++)
			halves[i] = hash_word(&seeds[i], halves[i],
					      hash_bytes(&seeds[i], text, strlen(text)));
	va_end(texts);
	snprintf(out_text, WEF_ID_TEXT_MAX, "%08X-%04X-8%03X-%04X-%012llX",
		 (unsigned)(halves[0] >> 32), (unsigned)(halves[0] >> 16) & 0xffff,
		 (unsigned)halves[0] & 0xfff, 0x8000U | ((unsigned)(halves[1] >> 48) & 0x3fff),
		 (unsigned long long)(halves[1] & 0xffffffffffffU));
}

void wef_subscription_id(const struct wef_settings *settings, char out_text[WEF_ID_TEXT_MAX])
{
	char numbers[64];
	snprintf(numbers, sizeof(numbers), "%u %u %d", settings->heartbeat_s, settings->latency_s,
		 settings->read_existing);
	uuid_of(out_text, settings->base_url, settings->query, settings->issuer_thumbprint, numbers,
		NULL);
}

char *wef_policy_string(const struct wef_settings *settings, unsigned refresh_s)
{
	char *text = NULL;
	if (asprintf(&text, "Server=%s/wsman/SubscriptionManager/WEC,Refresh=%u,IssuerCA=%s",
		     settings->base_url, refresh_s, settings->issuer_thumbprint) < 0)
		return NULL;
	return text;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			putc(*text, out);
		}
	}
}

static void write_head(FILE *out, const struct wef_envelope *request, const char *action)
{
	char message_id[WEF_ID_TEXT_MAX];
	uuid_of(message_id, "response", request->message_id, NULL);
	fprintf(out,
		"<s:Envelope xml:lang=\"en-US\" xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\""
		" xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\""
		" xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\""
		" xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\""
		" xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd\"><s:Header>"
		"<a:Action>%s</a:Action><a:MessageID>uuid:%s</a:MessageID>",
		action, message_id);
	if (request->operation_id[0]) {
		fputs("<p:OperationID s:mustUnderstand=\"false\">", out);
		write_escaped(out, request->operation_id);
		fputs("</p:OperationID>", out);
	}
	fputs("<p:SequenceId>1</p:SequenceId><a:To>" ANONYMOUS "</a:To><a:RelatesTo>", out);
	write_escaped(out, request->message_id);
	fputs("</a:RelatesTo></s:Header>", out);
}

/* Where the client is to deliver, and what it is to send along, for NotifyTo and EndTo. */
static void write_endpoint(FILE *out, const struct wef_settings *settings, const char *id)
{
	fprintf(out,
		"<a:Address>%s/wsman/subscriptions/%s</a:Address>"
		"<a:ReferenceParameters><e:Identifier>%s</e:Identifier></a:ReferenceParameters>",
		settings->base_url, id, id);
}

static void write_options(FILE *out)
{
	fputs("<w:OptionSet xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">"
	      "<w:Option Name=\"SubscriptionName\">procspan</w:Option>"
	      "<w:Option Name=\"Compression\">SLDC</w:Option>"
	      "<w:Option Name=\"CDATA\" xsi:nil=\"true\"/>"
	      "<w:Option Name=\"ContentFormat\">Raw</w:Option>"
	      "<w:Option Name=\"IgnoreChannelError\" xsi:nil=\"true\"/></w:OptionSet>",
	      out);
}

static void write_delivery(FILE *out, const struct wef_settings *settings, const char *id)
{
	fprintf(out,
		"<e:Delivery Mode=\"http://schemas.dmtf.org/wbem/wsman/1/wsman/Events\">"
		"<w:Heartbeats>PT%u.000S</w:Heartbeats><e:NotifyTo>",
		settings->heartbeat_s);
	write_endpoint(out, settings, id);
	fprintf(out,
		"<c:Policy xmlns:c=\"http://schemas.xmlsoap.org/ws/2002/12/policy\""
		" xmlns:auth=\"http://schemas.microsoft.com/wbem/wsman/1/"
		"authentication\"><c:ExactlyOne><c:All>"
		"<auth:Authentication Profile=\"" WSMAN_ACTION
		"secprofile/https/mutual\"><auth:ClientCertificate>"
		"<auth:Thumbprint "
		"Role=\"issuer\">%s</auth:Thumbprint></auth:ClientCertificate></"
		"auth:Authentication>"
		"</c:All></c:ExactlyOne></c:Policy></e:NotifyTo>"
		"<w:ConnectionRetry "
		"Total=\"5\">PT60.0S</w:ConnectionRetry><w:MaxTime>PT%u.000S</w:MaxTime>"
		"<w:MaxEnvelopeSize Policy=\"Notify\">%d</w:MaxEnvelopeSize>"
		"<w:Locale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/>"
		"<p:DataLocale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/>"
		"<w:ContentEncoding>UTF-16</w:ContentEncoding></e:Delivery>",
		settings->issuer_thumbprint, settings->latency_s, WEF_ENVELOPE_MAX);
}

/* What to start from: after the last acknowledged event, from the beginning, or from now (no
 * element). */
static void write_bookmark(FILE *out, const struct wef_settings *settings, const char *machine)
{
	char bookmark[WEF_BOOKMARK_MAX];
	if (settings->find_bookmark &&
	    settings->find_bookmark(settings->context, machine, bookmark))
		fprintf(out, "<w:Bookmark>%s</w:Bookmark>", bookmark);
	else if (settings->read_existing)
		fputs("<w:Bookmark>" WSMAN_ACTION "bookmark/earliest</w:Bookmark>", out);
}

/* The whole subscription: an envelope inside the envelope. */
static void write_subscription(FILE *out, const struct wef_settings *settings, const char *machine)
{
	char id[WEF_ID_TEXT_MAX];
	char message_id[WEF_ID_TEXT_MAX];
	wef_subscription_id(settings, id);
	uuid_of(message_id, "subscribe", id, machine, NULL);
	fprintf(out,
		"<m:Subscription "
		"xmlns:m=\"http://schemas.microsoft.com/wbem/wsman/1/subscription\">"
		"<m:Version>uuid:%s</m:Version><s:Envelope "
		"xmlns:e=\"http://schemas.xmlsoap.org/ws/2004/08/eventing\">"
		"<s:Header><a:To>" ANONYMOUS "</a:To><w:ResourceURI s:mustUnderstand=\"true\">"
		"http://schemas.microsoft.com/wbem/wsman/1/windows/EventLog</w:ResourceURI>"
		"<a:ReplyTo><a:Address s:mustUnderstand=\"true\">" ANONYMOUS
		"</a:Address></a:ReplyTo>"
		"<a:Action "
		"s:mustUnderstand=\"true\">http://schemas.xmlsoap.org/ws/2004/08/eventing/"
		"Subscribe</a:Action>"
		"<w:MaxEnvelopeSize s:mustUnderstand=\"true\">%d</w:MaxEnvelopeSize>"
		"<a:MessageID>uuid:%s</a:MessageID><w:Locale xml:lang=\"en-US\" "
		"s:mustUnderstand=\"false\"/>"
		"<p:DataLocale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/>"
		"<p:OperationID s:mustUnderstand=\"false\">uuid:%s</p:OperationID>"
		"<p:SequenceId s:mustUnderstand=\"false\">1</p:SequenceId>",
		id, WEF_ENVELOPE_MAX, message_id, id);
	write_options(out);
	fputs("</s:Header><s:Body><e:Subscribe><e:EndTo>", out);
	write_endpoint(out, settings, id);
	fputs("</e:EndTo>", out);
	write_delivery(out, settings, id);
	fprintf(out,
		"<w:Filter "
		"Dialect=\"http://schemas.microsoft.com/win/2004/08/events/eventquery\">%s</"
		"w:Filter>",
		settings->query);
	write_bookmark(out, settings, machine);
	fputs("<w:SendBookmarks/></e:Subscribe></s:Body></s:Envelope></m:Subscription>", out);
}

/* --- answering -------------------------------------------------------------------------------- */

typedef void write_body_fn(FILE *out, const struct wef_settings *settings,
			   const struct wef_envelope *request);

static void answer_envelope(const struct wef_settings *settings, const struct wef_envelope *request,
			    const char *action, write_body_fn *write_body,
			    struct http_response *response)
{
	char *text = NULL;
	size_t text_bytes = 0;
	FILE *out = open_memstream(&text, &text_bytes);
	if (out) {
		write_head(out, request, action);
		fputs("<s:Body>", out);
		if (write_body)
			write_body(out, settings, request);
		fputs("</s:Body></s:Envelope>", out);
	}
	const bool written = out && fclose(out) == 0;
	const size_t room_bytes = 2 * text_bytes + 4;
	response->body = written ? malloc(room_bytes) : NULL;
	response->status = response->body ? 200 : 500;
	if (response->body) {
		response->body_bytes =
			utf16le_from_utf8(text, text_bytes, response->body, room_bytes);
		response->headers[response->header_count++] =
			(struct http_header){ "Content-Type", envelope_type };
	}
	free(text);
}

static void write_enumeration(FILE *out, const struct wef_settings *settings,
			      const struct wef_envelope *request)
{
	/* The context must be empty, or Windows comes back with a Pull that nobody answers. */
	fputs("<n:EnumerateResponse><n:EnumerationContext></n:EnumerationContext><w:Items>", out);
	write_subscription(out, settings, request->machine);
	fputs("</w:Items><w:EndOfSequence/></n:EnumerateResponse>", out);
}

static void hand_over_bookmark(const struct wef_envelope *envelope, const struct session_sink *sink)
{
	char document[WEF_MACHINE_MAX + 1 + WEF_BOOKMARK_MAX];
	const int size = snprintf(document, sizeof(document), "%s\n%s", envelope->machine,
				  envelope->bookmark);
	sink->document(sink->context, DOCUMENT_BOOKMARK, document, (size_t)size);
}

/* Takes the events of an envelope that was found good as a whole, or none. */
static void answer_events(const struct wef_settings *settings, const char *xml, size_t size_bytes,
			  struct wef_envelope *envelope, const struct session_sink *sink,
			  struct http_response *response)
{
	wef_envelope_read(xml, size_bytes, &settings->limits, sink, envelope);
	if (envelope->bookmark[0] && envelope->machine[0])
		hand_over_bookmark(envelope, sink);
	sink->checkpoint(sink->context);
	answer_envelope(settings, envelope, WSMAN_ACTION "Ack", NULL, response);
}

static void answer_read(const struct wef_settings *settings, const char *xml, size_t size_bytes,
			const struct session_sink *sink, struct http_response *response)
{
	struct wef_envelope *envelope = malloc(sizeof(*envelope));
	if (!envelope || !wef_envelope_read(xml, size_bytes, &settings->limits, NULL, envelope)) {
		response->status = envelope ? 400 : 500;
		free(envelope);
		return;
	}
	switch (envelope->action) {
	case WEF_ENUMERATE:
		answer_envelope(
			settings, envelope,
			"http://schemas.xmlsoap.org/ws/2004/09/enumeration/EnumerateResponse",
			write_enumeration, response);
		break;
	case WEF_HEARTBEAT:
	case WEF_EVENTS:
		answer_events(settings, xml, size_bytes, envelope, sink, response);
		break;
	case WEF_END:
	case WEF_SUBSCRIPTION_END:
		response->status = 200;
		break;
	case WEF_OTHER:
		response->status = 400;
		break;
	}
	free(envelope);
}

/* Decompressed bytes in a malloc'ed block. The last message of a connection says SLDC and is not:
 * then as they are. */
static char *decompress(const struct http_request *request, size_t *out_bytes)
{
	char *plain = malloc(WEF_ENVELOPE_MAX);
	if (!plain)
		return NULL;
	ssize_t size = -EPROTO;
	if (request->content_encoding && strcasecmp(request->content_encoding, "SLDC") == 0)
		size = sldc_decode(request->body, request->body_bytes, plain, WEF_ENVELOPE_MAX);
	/* A byte order mark reads as "nothing follows" in SLDC. */
	if ((size == -EPROTO || size == 0) && request->body_bytes <= WEF_ENVELOPE_MAX) {
		memcpy(plain, request->body, request->body_bytes);
		size = (ssize_t)request->body_bytes;
	}
	if (size < 0) {
		free(plain);
		return NULL;
	}
	*out_bytes = (size_t)size;
	return plain;
}

void wef_respond(const struct wef_settings *settings, const struct http_request *request,
		 const struct session_sink *sink, struct http_response *out_response)
{
	*out_response = (struct http_response){ .status = 200 };
	if (strcmp(request->method, "POST") != 0) {
		out_response->status = 405;
		return;
	}
	if (request->body_bytes == 0) /* a probe before the first real message */
		return;
	size_t plain_bytes;
	char *plain = decompress(request, &plain_bytes);
	const size_t room_bytes = plain ? plain_bytes / 2 * 3 + 1 : 0;
	char *xml = plain ? malloc(room_bytes) : NULL;
	if (xml) {
		const size_t xml_bytes = utf8_from_utf16le(plain, plain_bytes, xml, room_bytes);
		answer_read(settings, xml, xml_bytes, sink, out_response);
	} else {
		out_response->status = 413;
	}
	free(xml);
	free(plain);
}
