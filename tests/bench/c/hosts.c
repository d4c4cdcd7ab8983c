/* (host … or host …) and tcp port 80; the labels of `switch` come from the benchmark: members.h. */
#include "frame.h"
#include "members.h"

static INLINE int is_member(u32 address)
{
	switch (address) {
		HOSTS return 1;
	}
	return 0;
}

static INLINE int matches(const struct frame *f, enum dialect dialect)
{
	struct transport t;
	u8 *ip;
	return over_ip4(f, dialect, &ip, &t) && t.proto == TCP && has(f, t.at, 4) &&
	       (sport(&t) == H16(80) || dport(&t) == H16(80)) &&
	       (is_member(U32(ip, 12)) || is_member(U32(ip, 16)));
}
