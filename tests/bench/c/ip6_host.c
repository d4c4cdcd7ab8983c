/* ip6 host 2001:db8::1 and tcp dst port 443 */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct network n;
	struct transport t;
	if (!network(f, dialect, &n) || n.type != H16(IP6) || !behind_ip6(f, dialect, n.at, &t))
		return 0;
	int src = U32(n.at, 8) == H32(0x20010db8) && !U32(n.at, 12) && !U32(n.at, 16) &&
		  U32(n.at, 20) == H32(1);
	int dst = U32(n.at, 24) == H32(0x20010db8) && !U32(n.at, 28) && !U32(n.at, 32) &&
		  U32(n.at, 36) == H32(1);
	return (src || dst) && t.proto == TCP && !t.later && has(f, t.at, 4) &&
	       dport(&t) == H16(443);
}
