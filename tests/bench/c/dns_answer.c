/* udp port 53 and udp[10] & 0x80 != 0 */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct transport t;
	return layer4(f, dialect, UDP, &t) && has(f, t.at, 11) && U8(t.at, 10) & 0x80 &&
	       (sport(&t) == H16(53) || dport(&t) == H16(53));
}
