/* bulk.h: enough of Elasticsearch's HTTP interface that Beats, Elastic Agent, Fluent Bit, rsyslog
 * and the official clients send their events here unmodified.
 *
 * A pure function from request to response. Source: Elasticsearch's bulk API; what each client asks
 * at connect was read in libbeat (eslegclient, idxmgmt, template), Fluent Bit (in_elasticsearch,
 * out_es) and elasticsearch-js.
 */
#pragma once

#include "collector/input/http.h"
#include "collector/input/session.h"

struct bulk_settings {
	const char *version; /* that we claim to be; Beats refuse an older one than their own. NULL
				= 8.19.0 */
	const char *const *authorizations; /* accepted header values ("Basic ...", "ApiKey ...");
					      none = all may send */
	size_t authorization_count;
	struct session_limits limits;
};

/* Answers any request. Documents of a _bulk body go to the sink; after the last one of a request
 * that may only be answered when they are safe, sink->checkpoint. sink->reply is not used. */
void bulk_respond(const struct bulk_settings *settings, const struct http_request *request,
		  const struct session_sink *sink, struct http_response *out_response);

/* What to answer instead when no more can be taken now: 429; clients wait and send again. */
void bulk_respond_overloaded(struct http_response *out_response);
