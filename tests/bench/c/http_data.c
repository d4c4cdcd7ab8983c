/* tcp port 80 and ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) != 0 */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct transport t;
	u8 *ip;
	if (!over_ip4(f, dialect, &ip, &t) || t.proto != TCP || !has(f, t.at, 13))
		return 0;
	if (sport(&t) != H16(80) && dport(&t) != H16(80))
		return 0;
	u32 header = (U8(ip, 0) & 15) << 2, tcp = (U8(t.at, 12) & 0xf0) >> 2;
	return H16(U16(ip, 2)) - header - tcp != 0;
}
