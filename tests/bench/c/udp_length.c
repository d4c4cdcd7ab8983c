/* udp[4:2] > 30 and (dst port 53 or dst port 123) */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct transport t;
	return layer4(f, dialect, UDP, &t) && has(f, t.at, 6) && H16(U16(t.at, 4)) > 30 &&
	       (dport(&t) == H16(53) || dport(&t) == H16(123));
}
