/* tcp[tcpflags] & tcp-syn != 0 and port 443 */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct transport t;
	return layer4(f, dialect, TCP, &t) && has(f, t.at, 14) && U8(t.at, 13) & 2 &&
	       (sport(&t) == H16(443) || dport(&t) == H16(443));
}
