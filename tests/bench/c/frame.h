/* What the filters of this directory share: the walk to the headers, in either dialect.
 *
 * A file defines matches(), which frame.h makes two programs of: in section `pcap` with libpcap's
 * meaning, in section `netbpf` with that of netbpf's own dialect, which sees through up to two VLAN
 * tags and up to eight IPv6 extension headers. A program drops what matches.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

#define INLINE inline __attribute__((always_inline))
#define H16(x) ((u16)__builtin_bswap16(x))
#define H32(x) ((u32)__builtin_bswap32(x))
#define U8(at, off) (*(u8 *)((at) + (off)))
#define U16(at, off) (*(u16 *)((at) + (off)))
#define U32(at, off) (*(u32 *)((at) + (off)))

enum dialect { PCAP, NETBPF };
enum { ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58, SCTP = 132 };
enum { IP4 = 0x0800, ARP = 0x0806, RARP = 0x8035, IP6 = 0x86dd, MPLS = 0x8847 };

struct frame {
	u8 *data, *end;
};

/* The network header: where it is, and its type in network order. */
struct network {
	u8 *at;
	u16 type;
};

/* The header behind it; `later`: it is in another fragment. */
struct transport {
	u8 *at;
	u8 proto;
	int later;
};

static INLINE int has(const struct frame *f, const u8 *at, int size)
{
	return at + size <= f->end;
}

static INLINE int is_tag(u16 type)
{
	return type == H16(0x8100) || type == H16(0x88a8) || type == H16(0x9100);
}

static INLINE int network(const struct frame *f, enum dialect dialect, struct network *n)
{
	n->type = 0; /* or clang computes with what is none, and the verifier refuses it */
	if (!has(f, f->data, 14))
		return 0;
	n->at = f->data + 14;
	n->type = U16(f->data, 12);
	if (dialect == PCAP)
		return 1;
#pragma unroll
	for (int tags = 0; tags < 2 && is_tag(n->type); tags++) {
		if (!has(f, n->at, 4))
			return 0;
		n->type = U16(n->at, 2);
		n->at += 4;
	}
	return 1;
}

static INLINE int behind_ip4(const struct frame *f, u8 *ip, struct transport *t)
{
	if (!has(f, ip, 20))
		return 0;
	t->proto = U8(ip, 9);
	t->later = (U16(ip, 6) & H16(0x1fff)) != 0;
	t->at = ip + (U8(ip, 0) & 15) * 4;
	return 1;
}

static INLINE int behind_ip6(const struct frame *f, enum dialect dialect, u8 *ip, struct transport *t)
{
	if (!has(f, ip, 40))
		return 0;
	t->proto = U8(ip, 6);
	t->later = 0;
	t->at = ip + 40;
	if (dialect == PCAP)
		return 1;
#pragma unroll
	for (int headers = 0; headers <= 8; headers++) {
		u8 proto = t->proto;
		u32 length;
		if (proto != 0 && proto != 43 && proto != 60 && proto != 44 && proto != 51)
			return 1;
		if (headers == 8 || !has(f, t->at, 8))
			return 0;
		t->proto = U8(t->at, 0);
		if (proto == 44) {
			if (U16(t->at, 2) & H16(0xfff8)) {
				t->later = 1;
				return 1;
			}
			length = 8;
		} else if (proto == 51) {
			length = (U8(t->at, 1) + 2) * 4;
		} else {
			length = (U8(t->at, 1) + 1) * 8;
		}
		t->at += length;
	}
	return 0;
}

static INLINE int transport(const struct frame *f, enum dialect dialect, struct transport *t)
{
	struct network n;
	if (!network(f, dialect, &n))
		return 0;
	if (n.type == H16(IP4))
		return behind_ip4(f, n.at, t);
	if (n.type == H16(IP6))
		return behind_ip6(f, dialect, n.at, t);
	return 0;
}

/* The header of a first fragment whose protocol has ports, with room for both of them. */
static INLINE int ports(const struct frame *f, enum dialect dialect, struct transport *t)
{
	return transport(f, dialect, t) && !t->later &&
	       (t->proto == TCP || t->proto == UDP || t->proto == SCTP) && has(f, t->at, 4);
}

static INLINE int sport(const struct transport *t)
{
	return U16(t->at, 0);
}

static INLINE int dport(const struct transport *t)
{
	return U16(t->at, 2);
}

/* IPv4 only: what ip[…] together with tcp[…] or udp[…] asks for. */
static INLINE int over_ip4(const struct frame *f, enum dialect dialect, u8 **ip, struct transport *t)
{
	struct network n;
	if (!network(f, dialect, &n) || n.type != H16(IP4) || !behind_ip4(f, n.at, t))
		return 0;
	*ip = n.at;
	return !t->later;
}

/* In libpcap's dialect tcp[…] and udp[…] are of IPv4. */
static INLINE int layer4(const struct frame *f, enum dialect dialect, u8 proto, struct transport *t)
{
	u8 *ip;
	int found = dialect == PCAP ? over_ip4(f, dialect, &ip, t) : transport(f, dialect, t);
	return found && !t->later && t->proto == proto;
}

/* The addresses of an IPv4 or ARP packet, in network order. */
static INLINE int addresses4(const struct frame *f, const struct network *n, u32 *src, u32 *dst)
{
	if (n->type == H16(IP4)) {
		if (!has(f, n->at, 20))
			return 0;
		*src = U32(n->at, 12);
		*dst = U32(n->at, 16);
		return 1;
	}
	if (n->type == H16(ARP) || n->type == H16(RARP)) {
		if (!has(f, n->at, 28))
			return 0;
		*src = U32(n->at, 14);
		*dst = U32(n->at, 24);
		return 1;
	}
	return 0;
}

static int matches(const struct frame *f, enum dialect dialect);

#define PROGRAM(name, dialect)                                                         \
	__attribute__((section(#name), used)) int in_##name(struct xdp_md *ctx)        \
	{                                                                              \
		struct frame f = { (u8 *)(long)ctx->data, (u8 *)(long)ctx->data_end }; \
		return matches(&f, dialect) ? 1 : 2;                                   \
	}
PROGRAM(pcap, PCAP)
PROGRAM(netbpf, NETBPF)
