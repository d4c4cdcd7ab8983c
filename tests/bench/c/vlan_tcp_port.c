/* vlan 100 and tcp port 80 */
#include "frame.h"

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	/* libpcap looks behind one tag here, netbpf behind one or two: `vlan` tests the first. */
	struct frame inner = { f->data + 4, f->end };
	struct transport t;
	if (!has(f, f->data, 18) || !is_tag(U16(f->data, 12)) ||
	    (U16(f->data, 14) & H16(0x0fff)) != H16(100))
		return 0;
	return ports(dialect == PCAP ? &inner : f, dialect, &t) && t.proto == TCP &&
	       (sport(&t) == H16(80) || dport(&t) == H16(80));
}
