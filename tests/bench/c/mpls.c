/* mpls 100 and tcp dst port 80 */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct network n;
	struct transport t;
	if (!network(f, dialect, &n) || n.type != H16(MPLS) || !has(f, n.at, 5))
		return 0;
	u32 entry = U32(n.at, 0);
	if ((entry & H32(0xfffff000)) != H32(100 << 12) || !(entry & H32(0x100)))
		return 0;
	u8 version = U8(n.at, 4) >> 4;
	if (version == 4 ? !behind_ip4(f, n.at + 4, &t) :
			   version != 6 || !behind_ip6(f, dialect, n.at + 4, &t))
		return 0;
	return t.proto == TCP && !t.later && has(f, t.at, 4) && dport(&t) == H16(80);
}
