/* The tap's kernel half, in front of the tracker in user space, which stays the only judge of what
 * a flow is.
 *
 *	packet --> seen --> unwanted at both ends? ------------------------> excluded
 *	                --> not of the straight path (tap_parse.bpf.h) ----> crosses
 *	                --> first packets of a direction, or after a silence,
 *	                    or SYN, FIN, RST -----------------------------> crosses
 *	                --> any other --------------------> counted in the flow's entry
 *
 * What crosses takes along what was counted of its direction before (a SYN: of both), so user space
 *sees all that changes a flow's state in order, and everything else as sums. The rest is swept up
 *there.
 *
 * The program passes every packet on: a tap takes nothing away.
 */
#include "bpf/tap_parse.bpf.h"

enum { EEXIST = 17, TCP_CHANGES = 0x07 /* FIN, SYN, RST */, TCP_SYN = 0x02 };

/* Set before load. */
const volatile __u32 first_packets = 1;		   /* of each direction that cross */
const volatile __u32 kept_bytes = TAP_SMALL_BYTES; /* of such a packet */
const volatile __u64 silence_ns = 0;		   /* after it a packet crosses again */
const volatile bool vlan_in_key = false;	   /* as in the tracker: two segments, two flows */

struct tap_exclusion exclusion;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct tap_flow_key);
	__type(value, struct tap_flow);
	__uint(max_entries, 1);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct tap_counts);
	__uint(max_entries, 1);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tap_prefix4);
	__type(value, __u32);
	__uint(max_entries, 1);
} unwanted4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tap_prefix6);
	__type(value, __u32);
	__uint(max_entries, 1);
} unwanted6 SEC(".maps");

/* --- exclusion -------------------------------------------------------------------------------- */

static __always_inline bool is_unwanted4(__u32 address, __u32 generation)
{
	const __u32 network = bpf_ntohl(address) >> 16;
	const __u8 four = exclusion.ipv4[generation & 1][network >> 2];
	const __u32 state = four >> (network & 3) * 2 & 3;
	if (state != TAP_UNWANTED_PARTLY)
		return state == TAP_UNWANTED;
	const struct tap_prefix4 key = { 64, generation, address };
	return bpf_map_lookup_elem(&unwanted4, &key) != NULL;
}

static __always_inline bool is_unwanted6(const __u32 address[4], __u32 generation)
{
	if (!(exclusion.has_ipv6 >> (generation & 1) & 1))
		return false;
	const struct tap_prefix6 key = { 160,
					 generation,
					 { address[0], address[1], address[2], address[3] } };
	return bpf_map_lookup_elem(&unwanted6, &key) != NULL;
}

/* Which end opened the flow is for user space to say, so both have to be unwanted. */
static __always_inline bool is_excluded(const struct tap_flow_key *key)
{
	const __u32 generation = *(const volatile __u32 *)&exclusion.generation;
	if (key->source[0] == 0 && key->source[1] == 0 && key->source[2] == bpf_htonl(0xffff) &&
	    key->destination[0] == 0 && key->destination[1] == 0 &&
	    key->destination[2] == bpf_htonl(0xffff))
		return is_unwanted4(key->destination[3], generation) &&
		       is_unwanted4(key->source[3], generation);
	return is_unwanted6(key->destination, generation) && is_unwanted6(key->source, generation);
}

/* What was counted before a packet, of its direction and of the other. */
struct tap_before {
	struct tap_flow own;
	struct tap_flow reverse;
};

/* --- crossing --------------------------------------------------------------------------------- */

/* Fills in and hands over a record with room for `room_bytes` of the packet. */
static __always_inline void send_record(struct xdp_md *context, struct tap_record *record,
					__u32 room_bytes, __u32 wire_bytes, __u64 now_ns,
					const struct tap_parsed *parsed,
					const struct tap_before *before, struct tap_counts *count)
{
	__u32 captured_bytes = wire_bytes < room_bytes ? wire_bytes : room_bytes;
	record->time_ns = now_ns;
	record->wire_bytes = wire_bytes;
	record->before = before->own;
	record->reverse = before->reverse;
	record->key = parsed->key;
	/* Both bounds on the register that the helper gets, or the verifier does not see them. */
	asm volatile("" : "+r"(captured_bytes));
	if (captured_bytes == 0 || captured_bytes > room_bytes ||
	    bpf_xdp_load_bytes(context, 0, record->bytes, captured_bytes) != 0)
		captured_bytes = 0;
	record->captured_bytes = captured_bytes;
	count->crossed++;
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

static __always_inline void cross(struct xdp_md *context, __u32 wire_bytes, __u32 keep_bytes,
				  __u64 now_ns, const struct tap_parsed *parsed,
				  const struct tap_before *before, struct tap_counts *count)
{
	struct tap_record *record;
	if (wire_bytes <= TAP_SMALL_BYTES || keep_bytes <= TAP_SMALL_BYTES) {
		record = bpf_ringbuf_reserve(&records, TAP_RECORD_HEAD_BYTES + TAP_SMALL_BYTES, 0);
		if (record) {
			send_record(context, record, TAP_SMALL_BYTES, wire_bytes, now_ns, parsed,
				    before, count);
			return;
		}
	} else {
		record = bpf_ringbuf_reserve(&records, TAP_RECORD_HEAD_BYTES + TAP_LARGE_BYTES, 0);
		if (record) {
			send_record(context, record, TAP_LARGE_BYTES, wire_bytes, now_ns, parsed,
				    before, count);
			return;
		}
	}
	count->lost++;
}

/* --- flows ------------------------------------------------------------------------------------ */

/* Counts the packet in the entry, or says that it has to cross (true). */
static __always_inline bool note_packet(struct tap_flow *flow, const struct tap_parsed *parsed,
					__u64 now_ns)
{
	const bool silent = now_ns - flow->last_ns > silence_ns && now_ns > flow->last_ns;
	flow->last_ns = now_ns;
	if ((parsed->tcp_flags & TCP_CHANGES) || silent) {
		if (silent || (parsed->tcp_flags & TCP_SYN)) {
			flow->crossed_count = 1;
			flow->tcp_flags = 0;
		}
		return true;
	}
	if (flow->crossed_count < first_packets) {
		flow->crossed_count++;
		return true;
	}
	if ((flow->tcp_flags | parsed->tcp_flags) != flow->tcp_flags)
		flow->tcp_flags |= parsed->tcp_flags;
	/* Two CPUs may carry one direction. */
	__sync_fetch_and_add(&flow->packet_count, 1);
	__sync_fetch_and_add(&flow->ip_bytes, parsed->ip_bytes);
	return false;
}

/* A SYN may begin another connection on the same ports: what was counted of the other direction
 * belongs to the one before, and its next packet crosses. */
static __always_inline void begin_again(const struct tap_flow_key *key,
					struct tap_flow *out_reverse)
{
	struct tap_flow_key reverse_key = *key;
	for (int i = 0; i < 4; i++) {
		reverse_key.source[i] = key->destination[i];
		reverse_key.destination[i] = key->source[i];
	}
	reverse_key.source_port = key->destination_port;
	reverse_key.destination_port = key->source_port;
	struct tap_flow *reverse = bpf_map_lookup_elem(&flows, &reverse_key);
	if (!reverse)
		return;
	*out_reverse = *reverse;
	reverse->crossed_count = 0;
	reverse->tcp_flags = 0;
}

static __always_inline void follow(struct xdp_md *context, __u32 wire_bytes,
				   const struct tap_parsed *parsed, struct tap_counts *count)
{
	const __u64 now_ns = bpf_ktime_get_tai_ns();
	struct tap_before before = {};
	struct tap_flow *flow = bpf_map_lookup_elem(&flows, &parsed->key);
	if (!flow) {
		const struct tap_flow fresh = { .born_ns = now_ns,
						.last_ns = now_ns,
						.crossed_count = 1 };
		const long status = bpf_map_update_elem(&flows, &parsed->key, &fresh, BPF_NOEXIST);
		/* Another CPU was first: the packet crosses all the same. */
		if (status != 0 && status != -EEXIST)
			count->table_full++;
	} else {
		before.own = *flow;
		if (!note_packet(flow, parsed, now_ns)) {
			count->counted++;
			return;
		}
	}
	if (parsed->tcp_flags & TCP_SYN)
		begin_again(&parsed->key, &before.reverse);
	cross(context, wire_bytes, kept_bytes, now_ns, parsed, &before, count);
}

SEC("xdp.frags")
int tap(struct xdp_md *context)
{
	const __u32 zero = 0;
	struct tap_counts *count = bpf_map_lookup_elem(&counts, &zero);
	if (!count)
		return XDP_PASS;
	const __u32 wire_bytes = (__u32)bpf_xdp_get_buff_len(context);
	const void *at = (const void *)(long)context->data;
	const void *end = (const void *)(long)context->data_end;
	struct tap_parsed parsed = {};
	count->seen++;
	count->seen_bytes += wire_bytes;
	if (!tap_parse(at, end, wire_bytes, &parsed)) {
		const struct tap_before none = {};
		cross(context, wire_bytes, TAP_LARGE_BYTES, bpf_ktime_get_tai_ns(), &parsed, &none,
		      count);
	} else if (is_excluded(&parsed.key)) {
		count->excluded++;
		count->excluded_bytes += wire_bytes;
	} else {
		if (!vlan_in_key)
			parsed.key.vlan_ids[0] = parsed.key.vlan_ids[1] = 0;
		follow(context, wire_bytes, &parsed, count);
	}
	return XDP_PASS;
}
