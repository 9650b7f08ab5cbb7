/* The Elasticsearch-compatible interface: what clients ask at connect, their _bulk bodies, and bad
 * ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "collector/input/bulk.h"
#include "tests/support_shared.h"

struct taken {
	size_t document_count;
	size_t checkpoint_count;
};

static void take_document(void *context, enum document_kind kind, const char *bytes,
			  size_t size_bytes)
{
	struct taken *taken = context;
	json_t *document = json_loadb(bytes, size_bytes, 0, NULL);
	assert_int_equal(kind, DOCUMENT_JSON);
	assert_true(json_is_object(document));
	json_decref(document);
	taken->document_count++;
}

static void take_checkpoint(void *context)
{
	((struct taken *)context)->checkpoint_count++;
}

static struct http_response respond(const struct http_request *request, struct taken *taken)
{
	static const char *const authorizations[] = { "ApiKey aWQ6a2V5", "Basic dXNlcjpwYXNz" };
	struct bulk_settings settings = { .authorizations = authorizations,
					  .authorization_count = 2 };
	session_limits_default(&settings.limits);
	settings.limits.document_bytes = 1 << 16;
	settings.limits.inflated_bytes = 1 << 20;
	const struct session_sink sink = { taken, take_document, take_checkpoint, NULL };
	struct http_response response;
	*taken = (struct taken){ 0 };
	bulk_respond(&settings, request, &sink, &response);
	return response;
}

static const char *header(const struct http_response *response, const char *name)
{
	for (size_t i = 0; i < response->header_count; i++)
		if (strcmp(response->headers[i].name, name) == 0)
			return response->headers[i].value;
	return "";
}

static void requests_are_answered_as_clients_expect(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *method;
		const char *path;
		const char *authorization;
		const char *body;
		int status;
		size_t document_count;
		const char *says;
	} cases[] = {
		{ "who are you", "GET", "/", "ApiKey aWQ6a2V5", "", 200, 0,
		  "\"build_flavor\":\"default\"" },
		{ "template there?", "HEAD", "/_index_template/winlogbeat-8", "Basic dXNlcjpwYXNz",
		  "", 200, 0, NULL },
		{ "pipeline there?", "GET", "/_ingest/pipeline/x", "Basic dXNlcjpwYXNz", "", 200, 0,
		  "{}" },
		{ "put a policy", "PUT", "/_ilm/policy/x", "Basic dXNlcjpwYXNz", "{}", 200, 0,
		  "acknowledged" },
		{ "no credentials", "GET", "/", NULL, "", 401, 0, "security_exception" },
		{ "wrong credentials", "POST", "/_bulk", "Basic dXNlcjpwYXNx",
		  "{\"create\":{}}\n{}\n", 401, 0, NULL },
		{ "two documents", "POST", "/_bulk", "Basic dXNlcjpwYXNz",
		  "{\"create\":{}}\n{\"a\":1}\n{ \"index\" : {\"_id\":\"7\"} }\r\n{}\n", 200, 2,
		  "{\"took\":1,\"errors\":false,\"items\":[{\"create\":{" },
		{ "empty lines behind documents", "POST", "/winlogbeat/_bulk", "Basic dXNlcjpwYXNz",
		  "{\"create\":{}}\n{}\n\n{\"create\":{}}\n{}\n\n", 200, 2, NULL },
		{ "no last newline", "PUT", "/_bulk", "Basic dXNlcjpwYXNz", "{\"index\":{}}\n{}",
		  200, 1, NULL },
		{ "nothing", "POST", "/_bulk", "Basic dXNlcjpwYXNz", "", 200, 0, "\"items\":[]" },
		{ "delete", "POST", "/_bulk", "Basic dXNlcjpwYXNz",
		  "{\"create\":{}}\n{}\n{\"delete\":{}}\n", 400, 0, "only create and index" },
		{ "action without document", "POST", "/_bulk", "Basic dXNlcjpwYXNz",
		  "{\"create\":{}}\n", 400, 0, "without its document" },
		{ "one document", "POST", "/logs/_doc", "Basic dXNlcjpwYXNz", "{\"a\":1}", 201, 1,
		  "created" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct http_request request = { .method = cases[i].method,
						      .path = cases[i].path,
						      .authorization = cases[i].authorization,
						      .body = cases[i].body,
						      .body_bytes = strlen(cases[i].body) };
		struct taken taken;
		struct http_response response = respond(&request, &taken);
		if (response.status != cases[i].status ||
		    taken.document_count != cases[i].document_count ||
		    strcmp(header(&response, "X-elastic-product"), "Elasticsearch") != 0 ||
		    (cases[i].says && !strstr(response.body, cases[i].says)))
			fail_msg("%s: %d, %zu documents, %s", cases[i].name, response.status,
				 taken.document_count, response.body);
		http_response_release(&response);
	}
}

static void compressed_body_that_grows_beyond_the_limit_is_refused(void **state)
{
	(void)state;
	const size_t size = 4 << 20;
	char *zeros = calloc(1, size);
	uLongf packed_bytes = compressBound(size);
	char *packed = malloc(packed_bytes);
	compress((Bytef *)packed, &packed_bytes, (const Bytef *)zeros, size);
	const struct http_request request = { .method = "POST",
					      .path = "/_bulk",
					      .authorization = "ApiKey aWQ6a2V5",
					      .content_encoding = "deflate",
					      .body = packed,
					      .body_bytes = packed_bytes };
	struct taken taken;
	struct http_response response = respond(&request, &taken);
	assert_int_equal(response.status, 413);
	http_response_release(&response);

	/* Every prefix of it is refused too, without reading beyond it. */
	for (size_t cut = 0; cut < packed_bytes && cut < 256; cut++) {
		char *copy = malloc(cut + 1);
		memcpy(copy, packed, cut);
		char *exact = realloc(copy, cut ? cut : 1);
		const struct http_request prefix = { .method = "POST",
						     .path = "/_bulk",
						     .authorization = "ApiKey aWQ6a2V5",
						     .content_encoding = "gzip",
						     .body = exact,
						     .body_bytes = cut };
		response = respond(&prefix, &taken);
		assert_int_equal(response.status, 400);
		http_response_release(&response);
		free(exact);
	}
	free(zeros);
	free(packed);
}

/* --- recorded requests ------------------------------------------------------------------------ */

/* The value of a header in a raw request, copied; NULL when it is not there. */
static char *raw_header(const char *head, const char *name)
{
	char wanted[64];
	snprintf(wanted, sizeof(wanted), "\n%s:", name);
	const char *at = strcasestr(head, wanted);
	if (!at)
		return NULL;
	at += strlen(wanted);
	at += strspn(at, " ");
	return strndup(at, strcspn(at, "\r\n"));
}

static void recorded_requests_are_taken(void **state)
{
	(void)state;
	static const char *const names[] = { "curl_001",     "flb_gzip_001",	"js_001",
					     "js_002",	     "js_noheader_001", "js_noheader_002",
					     "libbeat_shape" };
	size_t document_count = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char relative[64];
		snprintf(relative, sizeof(relative), "ingest/es_bulk/%s.http", names[i]);
		const char *path = shared_path(relative);
		if (!path)
			return;
		size_t size;
		char *raw = NULL;
		FILE *file = fopen(
			path,
			"rb"); /* not read_whole_file: the body may be gzip, the file is not */
		raw = calloc(1, 1 << 20);
		size = fread(raw, 1, (1 << 20) - 1, file);
		fclose(file);
		char *body = memmem(raw, size, "\r\n\r\n", 4);
		assert_non_null(body);
		*body = '\0';
		body += 4;
		char method[16];
		char target[256];
		assert_int_equal(sscanf(raw, "%15s %255s", method, target), 2);
		target[strcspn(target, "?")] = '\0';
		char *coding = raw_header(raw, "content-encoding");
		char *type = raw_header(raw, "content-type");
		const struct http_request request = { .method = method,
						      .path = target,
						      .authorization = "ApiKey aWQ6a2V5",
						      .content_encoding = coding,
						      .content_type = type,
						      .body = body,
						      .body_bytes = size - (size_t)(body - raw) };
		struct taken taken;
		struct http_response response = respond(&request, &taken);
		if (response.status != 200)
			fail_msg("%s: %d %s", names[i], response.status, response.body);
		document_count += taken.document_count;
		http_response_release(&response);
		free(coding);
		free(type);
		free(raw);
	}
	assert_true(document_count >= 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_answered_as_clients_expect),
		cmocka_unit_test(compressed_body_that_grows_beyond_the_limit_is_refused),
		cmocka_unit_test(recorded_requests_are_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
