/* icmp6[icmp6type] = icmp6-echo */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct network n;
	struct transport t;
	return network(f, dialect, &n) && n.type == H16(IP6) && behind_ip6(f, dialect, n.at, &t) &&
	       t.proto == ICMP6 && !t.later && has(f, t.at, 1) && U8(t.at, 0) == 128;
}
