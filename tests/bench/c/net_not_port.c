/* net 10.0.0.0/8 and not port 22 */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct network n;
	struct transport t;
	u32 src, dst, mask = H32(0xff000000), net = H32(0x0a000000);
	if (!network(f, dialect, &n) || !addresses4(f, &n, &src, &dst))
		return 0;
	if ((src & mask) != net && (dst & mask) != net)
		return 0;
	if (n.type != H16(IP4) || !behind_ip4(f, n.at, &t) || t.later)
		return 1;
	if (t.proto != TCP && t.proto != UDP && t.proto != SCTP)
		return 1;
	return has(f, t.at, 4) && sport(&t) != H16(22) && dport(&t) != H16(22);
}
