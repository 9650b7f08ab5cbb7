#include "collector/packet/capture_fanout.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_QINQ = 0x88a8,
	TAG_BYTES = 4,
	TAG_TYPE_OFFSET = 2,
	IPV4_ADDRESSES_OFFSET = 12,
	IPV6_ADDRESSES_OFFSET = 8,
	HASH_MULTIPLIER = 0x45d9f3b,
};

/* Offsets from the network header. The kernel takes off the outermost tag, so one that is still
 * there is at the network header. */
#define WORD_AT(offset)	      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_NET_OFF + (offset))
#define HALF_AT(offset)	      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (uint32_t)SKF_NET_OFF + (offset))
#define SKB_PROTOCOL	      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL))
#define EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define TO_X		      BPF_STMT(BPF_MISC | BPF_TAX, 0)
#define XOR_X		      BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0)
/* A = A ^ word at offset; uses X. */
#define XOR_WORD_AT(offset) TO_X, WORD_AT(offset), XOR_X

/* A hash of both addresses, the same for both directions, spread by a multiplication. */
#define SPREAD                                                                                     \
	BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, HASH_MULTIPLIER),                                      \
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16), BPF_STMT(BPF_RET | BPF_A, 0)
#define HASH_IPV4(at)                                                                              \
	WORD_AT((at) + IPV4_ADDRESSES_OFFSET), XOR_WORD_AT((at) + IPV4_ADDRESSES_OFFSET + 4), SPREAD
#define HASH_IPV6(at)                                                                              \
	WORD_AT((at) + IPV6_ADDRESSES_OFFSET), XOR_WORD_AT((at) + IPV6_ADDRESSES_OFFSET + 4),      \
		XOR_WORD_AT((at) + IPV6_ADDRESSES_OFFSET + 8),                                     \
		XOR_WORD_AT((at) + IPV6_ADDRESSES_OFFSET + 12),                                    \
		XOR_WORD_AT((at) + IPV6_ADDRESSES_OFFSET + 16),                                    \
		XOR_WORD_AT((at) + IPV6_ADDRESSES_OFFSET + 20),                                    \
		XOR_WORD_AT((at) + IPV6_ADDRESSES_OFFSET + 24),                                    \
		XOR_WORD_AT((at) + IPV6_ADDRESSES_OFFSET + 28), SPREAD
enum { HASH_IPV4_COUNT = 7, HASH_IPV6_COUNT = 25 };

/* A = ethertype of the network header at `at`. */
#define HASH_IP(at)                                                                                \
	EQUAL(ETHERTYPE_IPV4, 0, HASH_IPV4_COUNT), HASH_IPV4(at),                                  \
		EQUAL(ETHERTYPE_IPV6, 0, HASH_IPV6_COUNT), HASH_IPV6(at),                          \
		BPF_STMT(BPF_RET | BPF_K, 0)
enum { HASH_IP_COUNT = 1 + HASH_IPV4_COUNT + 1 + HASH_IPV6_COUNT + 1 };

int capture_fanout_join(int socket, int *group)
{
	static struct sock_filter spread[] = {
		SKB_PROTOCOL,
		EQUAL(ETHERTYPE_VLAN, 1, 0),
		EQUAL(ETHERTYPE_QINQ, 0, 1 + HASH_IP_COUNT),
		HALF_AT(TAG_TYPE_OFFSET),
		HASH_IP(TAG_BYTES),
		HASH_IP(0),
	};
	static const struct sock_fprog program = {
		.len = sizeof(spread) / sizeof(spread[0]),
		.filter = spread,
	};
	const int found = *group < 0;
	int request = (found ? 0 : *group) |
		      (PACKET_FANOUT_CBPF | (found ? PACKET_FANOUT_FLAG_UNIQUEID : 0)) << 16;
	if (setsockopt(socket, SOL_PACKET, PACKET_FANOUT, &request, sizeof(request)) != 0)
		return -errno;
	if (!found)
		return 0;
	/* Only the founder's program counts: the group has one. */
	if (setsockopt(socket, SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof(program)) != 0)
		return -errno;
	socklen_t size = sizeof(request);
	if (getsockopt(socket, SOL_PACKET, PACKET_FANOUT, &request, &size) != 0)
		return -errno;
	*group = request & 0xffff;
	return 0;
}
