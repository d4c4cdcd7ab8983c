"""libpcap as an oracle: what it compiles an expression to, and its verdict on a packet.

Through ctypes: the system's library, or the one that NETBPF_LIBPCAP names. Expressions are compiled
without libpcap's optimiser, which changes verdicts on truncated packets.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from netbpf.asm.cbpf import Insn
from netbpf.proto.linktype import LinkType
from tests.support.walk import ClassicWalker

UNKNOWN_NETMASK = 0xFFFFFFFF
DLT_RAW = 12  # on Linux; the others have the number of their LINKTYPE_


class LibpcapError(Exception):
    """libpcap refused an expression; the text is its error buffer's."""


class _Insn(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint32),
    ]


class _Program(ctypes.Structure):
    _fields_ = [("bf_len", ctypes.c_uint), ("bf_insns", ctypes.POINTER(_Insn))]


class _Header(ctypes.Structure):
    _fields_ = [
        ("tv_sec", ctypes.c_long),
        ("tv_usec", ctypes.c_long),
        ("caplen", ctypes.c_uint32),
        ("len", ctypes.c_uint32),
    ]


@dataclass(frozen=True)
class Difference:
    """Where the verdicts of some versions are not those that netbpf keeps."""

    since: tuple[int, ...]
    before: tuple[int, ...]
    pattern: str  # what an expression contains that is decided otherwise
    reason: str


DIFFERENCES = (
    Difference((1, 0), (1, 11), r"\bbyte\s+\w+\s*[&|]", "1.10 compares without loading the byte"),
    Difference((1, 0), (1, 11), r"\bgeneve\b.*\b(or|not)\b|\b(or|not)\b.*\bgeneve\b",
               "1.10 reads scratch memory that it never wrote"),
    Difference((1, 0), (9,), r"(\[|[<>=]).*\b(geneve|vxlan)\b",
               "an unset offset is what a relation before it left in scratch memory"),
    Difference((1, 11), (9,), r"\b(isis proto|l1|l2|iih|lsp|snp|csnp|psnp)\b",
               "1.11 masks the reserved bits of the PDU type"),
    Difference((1, 11), (9,), r"\bip multicast\b", "1.11 leaves out 240.0.0.0/4"),
    Difference((1, 11), (9,), r"\bdecnet (src|dst|host)\b", "1.11 loads flags and address at once"),
)  # fmt: skip
"""Facts, measured, about expressions that are decided otherwise."""


@dataclass(frozen=True)
class Libpcap:
    """A loaded libpcap and its version, such as (1, 10, 3)."""

    lib: ctypes.CDLL
    version: tuple[int, ...]

    def difference(self, text: str) -> str:
        """Return why this version's verdict on an expression is not netbpf's, '' if it is."""
        for known in DIFFERENCES:
            if known.since <= self.version < known.before and re.search(known.pattern, text):
                return known.reason
        return ""

    @property
    def reordered(self) -> bool:
        """Whether it leaves out loads whose outcome does not matter, and reorders others.

        That is 1.11; the verdict on a packet that is cut off at one of these is another then.
        """
        return self.version >= (1, 11)

    def excuses(self, insns: tuple[Insn, ...], data: bytes, length: int, *, stopped: bool) -> bool:
        """Whether another verdict is due to that: its program, or ours, `stopped` at a load."""
        return self.reordered and (stopped or ClassicWalker(insns)(data, length).stopped)

    @contextmanager
    def compiled(
        self,
        text: str,
        *,
        linktype: LinkType = LinkType.EN10MB,
        netmask: int | None = None,
        snaplen: int = 262144,
        optimise: bool = False,
    ) -> Iterator[Compiled]:
        """Yield the compiled expression. Raises LibpcapError.

        Its optimiser gives other verdicts on truncated packets: what tests compare with is not
        optimised.
        """
        dlt = DLT_RAW if linktype is LinkType.RAW else int(linktype)
        handle = self.lib.pcap_open_dead(dlt, snaplen)
        program = _Program()
        mask = UNKNOWN_NETMASK if netmask is None else netmask
        # libpcap's netmask is in network byte order by contract, in host byte order in fact.
        status = self.lib.pcap_compile(handle, ctypes.byref(program), text.encode(), optimise, mask)
        message = self.lib.pcap_geterr(handle).decode(errors="replace") if status else ""
        self.lib.pcap_close(handle)
        if status:
            raise LibpcapError(message)
        try:
            yield Compiled(self.lib, program)
        finally:
            self.lib.pcap_freecode(ctypes.byref(program))

    def compile(
        self,
        text: str,
        *,
        linktype: LinkType = LinkType.EN10MB,
        netmask: int | None = None,
        optimise: bool = False,
    ) -> tuple[Insn, ...]:
        """Return the instructions. Raises LibpcapError."""
        with self.compiled(text, linktype=linktype, netmask=netmask, optimise=optimise) as compiled:
            return compiled.insns


@dataclass(frozen=True)
class Compiled:
    """A program in libpcap's memory, valid inside `Libpcap.compiled`."""

    lib: ctypes.CDLL
    program: _Program

    @property
    def insns(self) -> tuple[Insn, ...]:
        """Return the instructions."""
        found = (self.program.bf_insns[i] for i in range(self.program.bf_len))
        return tuple(Insn(one.code, one.jt, one.jf, one.k) for one in found)

    def run(self, data: bytes, length: int | None = None) -> bool:
        """Return libpcap's verdict on captured bytes, `length` of them on the wire."""
        header = _Header(0, 0, len(data), len(data) if length is None else length)
        return bool(
            self.lib.pcap_offline_filter(ctypes.byref(self.program), ctypes.byref(header), data)
        )


@lru_cache
def libpcap() -> Libpcap | None:
    """Return the library, None where there is none."""
    name = os.environ.get("NETBPF_LIBPCAP") or ctypes.util.find_library("pcap") or "libpcap.so.0.8"
    try:
        lib = ctypes.CDLL(name)
    except OSError:
        return None
    lib.pcap_open_dead.restype = ctypes.c_void_p
    lib.pcap_open_dead.argtypes = [ctypes.c_int, ctypes.c_int]
    lib.pcap_compile.argtypes = [
        ctypes.c_void_p,
        ctypes.POINTER(_Program),
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_uint32,
    ]
    lib.pcap_geterr.restype = ctypes.c_char_p
    lib.pcap_geterr.argtypes = [ctypes.c_void_p]
    lib.pcap_close.argtypes = [ctypes.c_void_p]
    lib.pcap_close.restype = None
    lib.pcap_freecode.argtypes = [ctypes.POINTER(_Program)]
    lib.pcap_freecode.restype = None
    lib.pcap_offline_filter.argtypes = [
        ctypes.POINTER(_Program),
        ctypes.POINTER(_Header),
        ctypes.c_char_p,
    ]
    lib.pcap_offline_filter.restype = ctypes.c_int
    lib.pcap_lib_version.restype = ctypes.c_char_p
    return Libpcap(lib, _version(lib.pcap_lib_version().decode()))


def _version(text: str) -> tuple[int, ...]:
    """Return the numbers in 'libpcap version 1.10.3 (with …)'."""
    words = text.split("version", 1)[-1].split()
    numbers = (words[0] if words else "0").split("-")[0].split(".")
    return tuple(int(n) for n in numbers if n.isdigit())
