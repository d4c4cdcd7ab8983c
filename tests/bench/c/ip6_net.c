/* dst net 2001:db8:5::/48 and udp port 53 */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct network n;
	struct transport t;
	return network(f, dialect, &n) && n.type == H16(IP6) && behind_ip6(f, dialect, n.at, &t) &&
	       U32(n.at, 24) == H32(0x20010db8) && U16(n.at, 28) == H16(5) && t.proto == UDP &&
	       !t.later && has(f, t.at, 4) && (sport(&t) == H16(53) || dport(&t) == H16(53));
}
