#include "correlator/baseline.h"

#include <math.h>

static bool is_lookup_port(uint16_t port)
{
	return port == 53 || port == 137 || port == 5353 || port == 5355;
}

enum traffic_kind traffic_kind_of(const struct flow_event *flow, bool in)
{
	if (is_lookup_port(flow->source_port) || is_lookup_port(flow->destination_port))
		return in ? TRAFFIC_LOOKUP_IN : TRAFFIC_LOOKUP_OUT;
	if (flow->ip_protocol == 17)
		return in ? TRAFFIC_UDP_IN : TRAFFIC_UDP_OUT;
	return in ? TRAFFIC_TCP_IN : TRAFFIC_TCP_OUT;
}

void baseline_learn(struct baseline *baseline, bool reported)
{
	if (baseline->could_count >= BASELINE_MEMORY) {
		baseline->could_count /= 2;
		baseline->did_count /= 2;
	}
	baseline->could_count++;
	baseline->did_count += reported;
}

/* Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927.
 */
double baseline_expected(const struct baseline *baseline)
{
	const double z = 1.96;
	const double count = baseline->could_count;
	if (baseline->did_count == 0)
		return 0;
	const double share = baseline->did_count / count;
	const double middle = share + z * z / (2 * count);
	const double half = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count));
	return (middle - half) / (1 + z * z / count);
}
