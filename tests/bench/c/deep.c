/* (tcp port 80 or tcp port 443) and (src net 10.0.0.0/8 or src net 192.168.0.0/16)
 * and not (dst host 203.0.113.5 or dst net 172.16.0.0/12) */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	/* An IPv4 or ARP address, and a TCP port: IPv4. */
	struct transport t;
	u8 *ip;
	if (!over_ip4(f, dialect, &ip, &t) || t.proto != TCP || !has(f, t.at, 4))
		return 0;
	u16 from = sport(&t), to = dport(&t);
	if (from != H16(80) && to != H16(80) && from != H16(443) && to != H16(443))
		return 0;
	u32 src = U32(ip, 12), dst = U32(ip, 16);
	if ((src & H32(0xff000000)) != H32(0x0a000000) && (src & H32(0xffff0000)) != H32(0xc0a80000))
		return 0;
	return dst != H32(0xcb007105) && (dst & H32(0xfff00000)) != H32(0xac100000);
}
