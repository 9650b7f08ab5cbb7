/* capture_fanout.h: several packet sockets that share an interface's packets. For capture_live.c
 * only. */
#pragma once

/* Makes the first socket the group's founder (`*group` < 0 before, the kernel's number after), or
 * joins the group. 0 or -errno.
 *
 * Packets are spread by both addresses, without ports: so fragments, and ICMP errors between the
 * same hosts, stay with their flow, which the kernel's own hash does not promise. What is not IP,
 * or hides behind more than two VLAN tags, goes to the first socket. */
int capture_fanout_join(int socket, int *group);
