/* procspan wef gpo: what to put into the group policy, and the subscription that clients get. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/input/listener.h"
#include "collector/input/wef.h"
#include "correlator/command.h"
#include "correlator/config.h"
#include "correlator/options.h"
#include "correlator/wef_query.h"

enum { REFRESH_S = 60 };

struct wef_arguments {
	const char *what;
	const char *config;
};

#define AT(field) offsetof(struct wef_arguments, field)

static const struct option options[] = {
	{ NULL, OPTION_TEXT, AT(what), "gpo", "what to print", 0, 0 },
	{ "config", OPTION_TEXT, AT(config), "FILE", "the configuration of the service", 0, 0 },
};

enum { OPTIONS_COUNT = sizeof(options) / sizeof(options[0]) };

static int print_policy(const struct listener_url *url)
{
	char issuer[LISTENER_THUMBPRINT_MAX] = "";
	if (url->ca_path[0] && !listener_thumbprint(url->ca_path, issuer)) {
		fprintf(stderr, "procspan wef: cannot read %s\n", url->ca_path);
		return EXIT_CONFIGURATION;
	}
	const struct wef_settings settings = {
		.base_url = url->base_url,
		.query = wef_query,
		.issuer_thumbprint = issuer,
		.heartbeat_s = url->heartbeat_s,
		.latency_s = url->latency_s,
		.read_existing = url->read_existing,
	};
	char id[WEF_ID_TEXT_MAX];
	char *policy = wef_policy_string(&settings, REFRESH_S);
	if (!policy)
		return EXIT_PERMISSION;
	wef_subscription_id(&settings, id);
	printf("# Computer Configuration > Policies > Administrative Templates > Windows "
	       "Components >\n# Event Forwarding > Configure target Subscription Manager\n%s\n\n"
	       "# subscription %s\n%s\n",
	       policy, id, wef_query);
	free(policy);
	return EXIT_DONE;
}

static int print_all(const struct config *config)
{
	int code = EXIT_INPUT;
	for (size_t i = 0; i < config->inputs.count; i++) {
		struct listener_url url;
		struct complaint complaint;
		if (!listener_url_parse(config->inputs.items[i], &complaint, &url)) {
			fprintf(stderr, "%s\n", complaint.text);
			return EXIT_CONFIGURATION;
		}
		if (url.kind == LISTENER_WEF)
			code = print_policy(&url);
	}
	if (code == EXIT_INPUT)
		fputs("procspan wef: no input of the configuration is wef+https://\n", stderr);
	return code;
}

static int run(const struct wef_arguments *arguments)
{
	struct config config;
	struct complaints *complaints = calloc(1, sizeof(*complaints));
	if (!complaints)
		return EXIT_PERMISSION;
	const bool good = config_read(arguments->config, NULL, 0, &config, complaints);
	for (size_t i = 0; i < complaints->count; i++) {
		complaint_print(&complaints->items[i], stderr);
		fputc('\n', stderr);
	}
	free(complaints);
	const int code = good ? print_all(&config) : EXIT_CONFIGURATION;
	config_release(&config);
	return code;
}

int command_wef(int argument_count, char *const *arguments)
{
	struct wef_arguments parsed = { 0 };
	struct complaint complaint;
	if (command_wants_help(argument_count, arguments)) {
		fputs("procspan wef gpo --config FILE\n\n", stdout);
		options_print(options, OPTIONS_COUNT, stdout);
		return EXIT_DONE;
	}
	if (!options_parse(options, OPTIONS_COUNT, &parsed, argument_count, arguments,
			   &complaint)) {
		fprintf(stderr, "procspan wef: %s\n", complaint.text);
		return EXIT_USAGE;
	}
	if (!parsed.what || strcmp(parsed.what, "gpo") != 0 || !parsed.config) {
		fputs("procspan wef: expected gpo --config FILE\n", stderr);
		return EXIT_USAGE;
	}
	return run(&parsed);
}
