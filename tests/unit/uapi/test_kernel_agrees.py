"""Our constants and structures against the kernel's: by its BTF, and by the installed headers."""

from __future__ import annotations

import re
from ctypes import Structure
from enum import IntEnum, IntFlag
from pathlib import Path

import pytest

from netbpf.kernel import attr
from netbpf.kernel.version import running
from netbpf.uapi import bpf, capability, if_arp, if_ether, if_link, netlink, pkt_cls
from netbpf.uapi import socket as socket_options
from tests.support import btf

Constants = type[IntEnum] | type[IntFlag]

# A kernel, or headers, from then on must know every constant.
ALL_KNOWN = (6, 12)

IN_BTF: list[tuple[Constants, str]] = [
    (bpf.Cmd, "BPF_"),
    (bpf.MapType, "BPF_MAP_TYPE_"),
    (bpf.ProgType, "BPF_PROG_TYPE_"),
    (bpf.AttachType, "BPF_"),
    (bpf.LinkType, "BPF_LINK_TYPE_"),
    (bpf.UpdateFlag, "BPF_"),
    (bpf.MapFlag, "BPF_F_"),
    (bpf.XdpAction, "XDP_"),
    (netlink.Rtm, "RTM_"),
]

IN_HEADERS: list[tuple[Constants, str, str]] = [
    (bpf.ProgFlag, "BPF_F_", "linux/bpf.h"),
    (bpf.AttachFlag, "BPF_F_", "linux/bpf.h"),
    (bpf.PseudoSrc, "BPF_PSEUDO_", "linux/bpf.h"),
    (if_link.XdpFlag, "XDP_FLAGS_", "linux/if_link.h"),
    (if_arp.ArpHrd, "ARPHRD_", "linux/if_arp.h"),
    (if_ether.EthP, "ETH_P_", "linux/if_ether.h"),
    (pkt_cls.TcAction, "TC_ACT_", "linux/pkt_cls.h"),
    (pkt_cls.TcBpfFlag, "TCA_BPF_FLAG_", "linux/pkt_cls.h"),
    (capability.Cap, "CAP_", "linux/capability.h"),
    (netlink.Nlm, "NLMSG_", "linux/netlink.h"),
    (netlink.NlmFlag, "NLM_F_", "linux/netlink.h"),
    (socket_options.SockOpt, "SO_", "asm-generic/socket.h"),
]
INCLUDE = Path("/usr/include")


def is_request(found: object) -> bool:
    """Whether it is one of our members of union bpf_attr."""
    if not (isinstance(found, type) and issubclass(found, Structure) and found is not Structure):
        return False
    return found not in (attr.ProgInfo, attr.MapInfo, attr.LinkInfo)


def prefixed(constants: Constants, prefix: str) -> dict[str, int]:
    return {f"{prefix}{one.name}": int(one) for one in constants}


@pytest.mark.parametrize(("constants", "prefix"), IN_BTF, ids=lambda x: getattr(x, "__name__", ""))
def test_enum_agrees_with_btf(constants: Constants, prefix: str) -> None:
    known = btf.kernel().enumerators
    ours = prefixed(constants, prefix)
    agreed = {name: {value} for name, value in ours.items() if name in known}
    assert agreed == {name: known[name] for name in agreed}
    assert agreed
    if running() >= ALL_KNOWN:
        assert set(agreed) == set(ours)


@pytest.mark.parametrize(
    ("constants", "prefix", "header"), IN_HEADERS, ids=lambda x: getattr(x, "__name__", "")
)
def test_macros_agree_with_header(constants: Constants, prefix: str, header: str) -> None:
    known = macros(header)
    ours = prefixed(constants, prefix)
    agreed = {name: value for name, value in ours.items() if name in known}
    assert agreed == {name: known[name] for name in agreed}
    assert agreed
    unknown = {"NLM_F_DUMP"}  # a sum of two others
    if macros("linux/version.h")["LINUX_VERSION_CODE"] >= ALL_KNOWN[0] << 16 | ALL_KNOWN[1] << 8:
        assert set(agreed) == set(ours) - unknown


def macros(header: str) -> dict[str, int]:
    """Return the macros of a header that are a number, a shifted number, or a sum of such."""
    path = INCLUDE / header
    if not path.exists():
        pytest.skip(f"{header} is not installed (linux-libc-dev)")
    found: dict[str, int] = {}
    number = r"-?[0-9][0-9a-fA-Fx]*U?L*"
    value = rf"\(?{number}(?:\s*<<\s*[0-9]+)?\)?"
    pattern = rf"^\s*#\s*define\s+(\w+)\s+({value})\s*(?:/\*.*)?$"
    for name, text in re.findall(pattern, path.read_text(), re.MULTILINE):
        shifted, _, shift = text.strip("()").partition("<<")
        found[name] = int(shifted.strip().rstrip("UL"), 0) << int(shift or 0)
    return found


@pytest.mark.parametrize("number", [pkt_cls.INGRESS, pkt_cls.EGRESS])
def test_parents_of_clsact_chains(number: int) -> None:
    names = {pkt_cls.INGRESS: "TC_H_MIN_INGRESS", pkt_cls.EGRESS: "TC_H_MIN_EGRESS"}
    text = (INCLUDE / "linux/pkt_sched.h").read_text()
    (minor,) = re.findall(rf"#define\s+{names[number]}\s+0x([0-9A-F]+)U", text)
    assert number == 0xFFFF0000 | int(minor, 16)


# Each of our structures, and the kernel's that has its fields at the same offsets.
LAYOUTS: list[tuple[type[Structure], str]] = [
    *((found, "bpf_attr") for found in vars(attr).values() if is_request(found)),
    (attr.ProgInfo, "bpf_prog_info"),
    (attr.MapInfo, "bpf_map_info"),
    (attr.LinkInfo, "bpf_link_info"),
]
# Ours : the kernel's, where one of our fields stands for several of a union.
OTHER_NAMES = {"id": "start_id", "target": "target_ifindex"}


@pytest.mark.parametrize(("ours", "theirs"), LAYOUTS, ids=lambda x: getattr(x, "__name__", x))
def test_structures_agree_with_btf(ours: type[Structure], theirs: str) -> None:
    known = btf.kernel().layout(theirs)
    names = {name for name, _ in known}
    for field in ours._fields_:
        name = str(field[0])
        if name.startswith("_"):
            continue
        if theirs == "bpf_attr":
            name = OTHER_NAMES.get(name, name)
        if name not in names and running() < ALL_KNOWN:
            continue
        assert (name, getattr(ours, str(field[0])).offset) in known
