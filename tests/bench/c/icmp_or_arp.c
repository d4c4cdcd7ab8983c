/* icmp or arp */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct network n;
	if (!network(f, dialect, &n))
		return 0;
	if (n.type == H16(IP4))
		return has(f, n.at, 10) && U8(n.at, 9) == ICMP;
	return n.type == H16(ARP);
}
