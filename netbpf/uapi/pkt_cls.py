"""Constants of include/uapi/linux/pkt_cls.h and pkt_sched.h: traffic control."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class TcAction(IntEnum):
    """TC_ACT_*: what a direct-action classifier returns."""

    UNSPEC = -1  # go on with the next filter
    OK = 0
    RECLASSIFY = 1
    SHOT = 2  # drop
    PIPE = 3
    STOLEN = 4
    QUEUED = 5
    REPEAT = 6
    REDIRECT = 7


class TcBpfFlag(IntFlag):
    """TCA_BPF_FLAG_*: the value of TCA_BPF_FLAGS."""

    ACT_DIRECT = 1 << 0


# pkt_sched.h: the clsact qdisc, and the parents of its two filter chains.
CLSACT = 0xFFFF_FFF1  # TC_H_CLSACT, its own parent
CLSACT_HANDLE = 0xFFFF_0000
INGRESS = 0xFFFF_FFF2  # TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
EGRESS = 0xFFFF_FFF3  # TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)
