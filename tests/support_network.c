#include "tests/support_network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ETHERNET_BYTES = 14, MTU_BYTES = 65535 };

static bool quiet_command(const char *command)
{
	char line[256];
	snprintf(line, sizeof(line), "PATH=$PATH:/sbin:/usr/sbin; %s >/dev/null 2>&1", command);
	return system(line) == 0; /* NOLINT(cert-env33-c): fixed commands, in a namespace */
}

/* Interfaces that are brought up announce themselves over IPv6, unless told not to. */
static void silence_ipv6(void)
{
	FILE *file = fopen("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w");
	if (!file)
		return;
	fputs("1", file);
	fclose(file);
}

bool network_make(void)
{
	static bool moved;
	if (!moved && unshare(CLONE_NEWNET) != 0) {
		printf("skipped: no network namespace (%s)\n", strerror(errno));
		return false;
	}
	moved = true;
	silence_ipv6();
	quiet_command("ip link del " NETWORK_NEAR);
	if (!quiet_command("ip link add " NETWORK_NEAR " mtu 65535 type veth peer " NETWORK_FAR
			   " mtu 65535") ||
	    !quiet_command("ip link set " NETWORK_NEAR " arp off up") ||
	    !quiet_command("ip link set " NETWORK_FAR " arp off up")) {
		printf("skipped: no pair of virtual interfaces (`ip link add type veth` failed)\n");
		return false;
	}
	return true;
}

int network_sender(const char *interface)
{
	const int sender = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(sender >= 0);
	const struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	assert_int_equal(bind(sender, (const void *)&address, sizeof(address)), 0);
	const int yes = 1;
	assert_int_equal(setsockopt(sender, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes)), 0);
	return sender;
}

bool network_send(int sender, const void *frame, size_t size_bytes)
{
	if (size_bytes <= ETHERNET_BYTES || size_bytes > MTU_BYTES)
		return false;
	for (;;) {
		if (send(sender, frame, size_bytes, 0) == (ssize_t)size_bytes)
			return true;
		if (errno != ENOBUFS && errno != EAGAIN)
			return false;
		const struct timespec step = { .tv_nsec = 100000 };
		nanosleep(&step, NULL);
	}
}
