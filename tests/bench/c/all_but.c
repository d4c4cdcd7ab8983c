/* not arp and not icmp and not (udp port 53 or udp port 67 or udp port 123)
 * and not ether broadcast */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct network n;
	struct transport t;
	if (!network(f, dialect, &n) || n.type == H16(ARP))
		return 0;
	if (U32(f->data, 0) == 0xffffffff && U16(f->data, 4) == 0xffff)
		return 0;
	if (n.type == H16(IP4)) {
		if (!behind_ip4(f, n.at, &t) || t.proto == ICMP)
			return 0;
	} else if (n.type == H16(IP6)) {
		if (!behind_ip6(f, dialect, n.at, &t))
			return 0;
	} else {
		return 1;
	}
	if (t.proto != UDP || t.later)
		return 1;
	if (!has(f, t.at, 4))
		return 0;
	u16 from = sport(&t), to = dport(&t);
	return from != H16(53) && to != H16(53) && from != H16(67) && to != H16(67) &&
	       from != H16(123) && to != H16(123);
}
