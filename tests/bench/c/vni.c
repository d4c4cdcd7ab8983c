/* udp dst port 4789 and udp[12:4] >> 8 = 42 */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct transport t;
	return layer4(f, dialect, UDP, &t) && has(f, t.at, 16) && dport(&t) == H16(4789) &&
	       (U32(t.at, 12) & H32(0xffffff00)) == H32(42 << 8);
}
