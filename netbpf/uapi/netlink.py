"""Constants of include/uapi/linux/netlink.h and rtnetlink.h."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Nlm(IntEnum):
    """NLMSG_*: message types of netlink itself."""

    ERROR = 2
    DONE = 3


class NlmFlag(IntFlag):
    """NLM_F_*: what a request wants."""

    REQUEST = 0x1
    ACK = 0x4
    REPLACE = 0x100  # of a request that makes something
    EXCL = 0x200
    CREATE = 0x400
    DUMP = 0x300  # of a request that reads


class Rtm(IntEnum):
    """RTM_*: message types of rtnetlink."""

    GETLINK = 18
    SETLINK = 19
    NEWQDISC = 36
    DELQDISC = 37
    GETQDISC = 38
    NEWTFILTER = 44
    DELTFILTER = 45
    GETTFILTER = 46


NETLINK_EXT_ACK = 11  # a socket option
SOL_NETLINK = 270  # include/linux/socket.h: its level
