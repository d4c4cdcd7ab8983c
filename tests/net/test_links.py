"""Links of every kind, on veth pairs: what they see, what they leave, what they leave alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from netbpf.errors import ConflictError, KernelError, NotFoundError
from netbpf.kernel import interface
from netbpf.kernel.netns import Netns
from netbpf.link import netlink, socket_filter, tc, tcx, xdp
from netbpf.link.base import Link
from netbpf.link.xdp import XdpMode
from netbpf.objects import Program
from netbpf.spec import ProgramSpec, Target
from netbpf.uapi.bpf import ProgType, XdpAction
from netbpf.uapi.pkt_cls import INGRESS, TcAction
from tests.support.kernel_objects import Watch
from tests.support.netns import Namespace, pair, wait_until
from tests.support.programs import HITS, counting, hits, returning
from tests.support.tools import scaled

pytestmark = pytest.mark.root

FRAME = bytes.fromhex("ffffffffffff 020000000001 88b5").ljust(60, b"\0")  # a local experiment

Attach = Callable[[Program, interface.Interface], Link]


class Kind:
    """A way to attach: the type of program, its harmless return value, and the function."""

    def __init__(self, name: str, type_: ProgType, harmless: int, attach: Attach) -> None:
        self.name = name
        self.type = type_
        self.harmless = harmless
        self.attach = attach
        self.egress = "egress" in name
        self.needs_kernel = "attach at tc, tcx" if "tcx" in name else ""

    def counting(self) -> ProgramSpec:
        return counting(self.harmless, self.type)


XDP, CLS, SOCKET = ProgType.XDP, ProgType.SCHED_CLS, ProgType.SOCKET_FILTER
LASTING = [
    Kind(
        "xdp-netlink-native",
        XDP,
        XdpAction.PASS,
        lambda p, i: xdp.attach_lasting(p, i, mode=XdpMode.NATIVE),
    ),
    Kind(
        "xdp-netlink-generic",
        XDP,
        XdpAction.PASS,
        lambda p, i: xdp.attach_lasting(p, i, mode=XdpMode.GENERIC),
    ),
    Kind(
        "clsact-ingress",
        CLS,
        TcAction.UNSPEC,
        lambda p, i: tc.attach_lasting(p, i, Target.TC),
    ),
    Kind(
        "clsact-egress",
        CLS,
        TcAction.UNSPEC,
        lambda p, i: tc.attach_lasting(p, i, Target.TC_EGRESS),
    ),
]
KINDS = [
    *LASTING,
    Kind("xdp-link-native", XDP, XdpAction.PASS, xdp.attach),
    Kind(
        "xdp-link-generic",
        XDP,
        XdpAction.PASS,
        lambda p, i: xdp.attach(p, i, mode=XdpMode.GENERIC),
    ),
    Kind("tcx-ingress", CLS, TcAction.UNSPEC, lambda p, i: tcx.attach(p, i, Target.TC)),
    Kind("tcx-egress", CLS, TcAction.UNSPEC, lambda p, i: tcx.attach(p, i, Target.TC_EGRESS)),
    Kind("socket", SOCKET, 0, socket_filter.attach),
]


@pytest.fixture
def ends() -> Iterator[tuple[Namespace, Namespace]]:
    with pair() as made:
        yield made


@pytest.fixture
def here(ends: tuple[Namespace, Namespace]) -> Iterator[Namespace]:
    """The near end, with this thread inside of its namespace."""
    with ends[0].entered():
        yield ends[0]


@pytest.fixture
def veth(here: Namespace) -> interface.Interface:
    return interface.find(here.device)


def traffic(kind: Kind, ends: tuple[Namespace, Namespace], count: int = 7) -> None:
    """Send frames past where `kind` attaches in the near namespace."""
    near, far = ends
    (near if kind.egress else far).send([FRAME] * count)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_sees_every_packet_until_closed(
    kind: Kind, ends: tuple[Namespace, Namespace], veth: interface.Interface
) -> None:
    with Program.load(kind.counting()) as program:
        with kind.attach(program, veth) as link:
            assert link.alive()
            traffic(kind, ends)
            wait_until(lambda: hits(program.maps[HITS]) >= 7, what="the packets are counted")
            described = link.describe()
            assert (described.interface, described.ifindex) == (veth.name, veth.index)
            assert described.prog_id == program.id
            assert not described.note
        traffic(kind, ends)
        assert hits(program.maps[HITS]) == 7


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_replaced_by_another_program(
    kind: Kind, ends: tuple[Namespace, Namespace], veth: interface.Interface
) -> None:
    with ExitStack() as stack:
        old = stack.enter_context(Program.load(kind.counting()))
        new = stack.enter_context(Program.load(kind.counting()))
        link = stack.enter_context(kind.attach(old, veth))
        traffic(kind, ends, 3)
        wait_until(lambda: hits(old.maps[HITS]) == 3, what="the old program counts")
        link.replace(new)
        traffic(kind, ends, 5)
        wait_until(lambda: hits(new.maps[HITS]) == 5, what="the new program counts")
        assert hits(old.maps[HITS]) == 3
        assert link.describe().prog_id == new.id
        assert link.alive()
        link.close()
        traffic(kind, ends, 2)
        assert hits(new.maps[HITS]) == 5


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_interface_disappears(kind: Kind, here: Namespace, veth: interface.Interface) -> None:
    with Program.load(kind.counting()) as program:
        link = kind.attach(program, veth)
        here.run("ip", "link", "del", veth.name)
        assert not link.alive()
        link.close()
        link.close()


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_closes_from_another_namespace(kind: Kind, ends: tuple[Namespace, Namespace]) -> None:
    with Program.load(kind.counting()) as program:
        with Netns.open(ends[0].name) as inside, inside.entered():
            link = kind.attach(program, interface.find("veth0"))
        assert link.alive()
        traffic(kind, ends, 3)
        wait_until(lambda: hits(program.maps[HITS]) == 3, what="the packets are counted")
        link.close()
        traffic(kind, ends, 3)
        assert hits(program.maps[HITS]) == 3


def state_of(end: Namespace) -> str:
    """What `ip` and `tc` show of the interface, as text to be compared."""
    device = end.device
    shown = [end.run("tc", "qdisc", "show", "dev", device)]
    shown += [end.run("tc", "filter", "show", "dev", device, way) for way in ("ingress", "egress")]
    link = end.run("ip", "-d", "link", "show", "dev", device).stdout
    found = [line for line in link.splitlines() if "xdp" in line]
    return "".join(done.stdout for done in shown) + "".join(found)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_leaves_no_trace(kind: Kind, here: Namespace, veth: interface.Interface) -> None:
    before = state_of(here)
    with Program.load(kind.counting()) as program, kind.attach(program, veth):
        pass
    assert state_of(here) == before


@pytest.mark.parametrize("kind", LASTING, ids=lambda k: k.name)
def test_lasting_link_may_be_left(
    kind: Kind, ends: tuple[Namespace, Namespace], veth: interface.Interface
) -> None:
    with Program.load(kind.counting()) as program:
        link = kind.attach(program, veth)
        assert isinstance(link, xdp.NetlinkXdp | tc.ClsactFilter)
        link.leave()
        traffic(kind, ends)
        wait_until(lambda: hits(program.maps[HITS]) == 7, what="the packets are counted")


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_two_hundred_rounds_leak_nothing(
    kind: Kind, here: Namespace, veth: interface.Interface
) -> None:
    made = Watch(f"leak{os.getpid()}")
    spec = counting(kind.harmless, kind.type, name=made.name)
    rounds = scaled(200)
    open_before = descriptors()
    before = state_of(here)
    for _ in range(rounds):
        with Program.load(spec) as program, kind.attach(program, veth):
            made.look()
    assert len(made.seen) >= 2 * rounds  # a program and a map each, and maybe a link
    assert descriptors() == open_before
    assert state_of(here) == before
    wait_until(lambda: not made.left(), what="the kernel has let go of everything")


def descriptors() -> set[str]:
    """The open file descriptors, but for the one that this listing needs."""
    found = Path("/proc/self/fd").iterdir()
    return {f"{entry.name} {entry.readlink()}" for entry in found if entry.exists()}


@pytest.mark.parametrize("mode", [XdpMode.NATIVE, XdpMode.GENERIC], ids=lambda m: m.value)
@pytest.mark.parametrize("attach", [xdp.attach, xdp.attach_lasting], ids=["link", "netlink"])
@pytest.mark.parametrize("theirs", [XdpMode.NATIVE, XdpMode.GENERIC], ids=lambda m: m.value)
def test_foreign_xdp_program_is_named_and_left(
    mode: XdpMode, attach: Callable[..., Link], theirs: XdpMode, veth: interface.Interface
) -> None:
    with (
        Program.load(returning(2, name="foreigner")) as foreign,
        Program.load(returning(2)) as program,
        xdp.attach_lasting(foreign, veth, mode=theirs) as link,
    ):
        with pytest.raises(ConflictError) as caught:
            attach(program, veth, mode=mode)
        assert caught.value.message == (
            f"veth0 has an XDP program already: program {foreign.id} 'foreigner' ({theirs.value})"
        )
        assert "ip link set dev veth0 xdp off" in caught.value.remedy
        assert link.alive()


@pytest.mark.parametrize("theirs", [XdpMode.NATIVE, XdpMode.GENERIC], ids=lambda m: m.value)
def test_force_replaces_a_foreign_xdp_program(theirs: XdpMode, veth: interface.Interface) -> None:
    with Program.load(returning(2, name="foreigner")) as foreign, Program.load(returning(2)) as p:
        before = xdp.attach_lasting(foreign, veth, mode=theirs)
        with xdp.attach_lasting(p, veth, force=True) as link:
            assert link.alive()
            assert not before.alive()
            before.close()  # finds another program there
            assert link.alive()


def test_force_does_not_break_a_foreign_bpf_link(veth: interface.Interface) -> None:
    with (
        Program.load(returning(2, name="foreigner")) as foreign,
        Program.load(returning(2)) as program,
        xdp.attach(foreign, veth) as link,
    ):
        with pytest.raises(ConflictError, match="'foreigner' \\(native\\)"):
            xdp.attach_lasting(program, veth, force=True)
        assert link.alive()


def test_xdp_replaced_by_somebody_else_is_left_to_them(veth: interface.Interface) -> None:
    with ExitStack() as stack:
        ours = stack.enter_context(Program.load(returning(2)))
        theirs = stack.enter_context(Program.load(returning(2, name="foreigner")))
        later = stack.enter_context(Program.load(returning(2)))
        link = stack.enter_context(xdp.attach_lasting(ours, veth, mode=XdpMode.NATIVE))
        usurper = stack.enter_context(
            xdp.attach_lasting(theirs, veth, mode=XdpMode.NATIVE, force=True)
        )
        assert not link.alive()
        with pytest.raises(ConflictError, match="foreigner"):
            link.replace(later)
        link.close()
        assert usurper.alive()


def test_auto_mode_falls_back_to_generic_and_says_why(here: Namespace) -> None:
    del here
    with Program.load(returning(2)) as program:
        for attach in (xdp.attach, xdp.attach_lasting):
            with attach(program, interface.find("lo")) as link:
                described = link.describe()
                assert described.mode == "generic"
                assert described.note.startswith("not native: cannot attach")
    assert "does not support XDP in native mode" in described.note


def test_native_mode_does_not_fall_back(here: Namespace) -> None:
    del here
    with (
        Program.load(returning(2)) as program,
        pytest.raises(KernelError, match="driver does not support XDP in native mode"),
    ):
        xdp.attach(program, interface.find("lo"), mode=XdpMode.NATIVE)


@pytest.mark.needs_kernel("XDP programs for jumbo frames")
def test_jumbo_frames_need_frags_or_generic_mode() -> None:
    with pair(mtu=9000) as (near, _), near.entered():
        veth = interface.find("veth0")
        with Program.load(returning(2)) as plain, xdp.attach(plain, veth) as link:
            assert link.describe().mode == "generic"
        with Program.load(returning(2, frags=True)) as frags, xdp.attach(frags, veth) as link:
            assert link.describe().mode == "native"


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_interface_that_went_before(kind: Kind, here: Namespace, veth: interface.Interface) -> None:
    here.run("ip", "link", "del", veth.name)
    open_before = descriptors()
    with Program.load(kind.counting()) as program:
        with pytest.raises((KernelError, NotFoundError)) as caught:
            kind.attach(program, veth)
        assert "veth0" in caught.value.message or "interface" in caught.value.message
    assert descriptors() == open_before


def clsact(end: Namespace) -> bool:
    return "clsact" in end.run("tc", "qdisc", "show", "dev", end.device).stdout


def add_foreign(end: Namespace, *, priority: int, way: str = "ingress") -> str:
    """Add a filter that is not ours, and return the words that `tc` shows of it."""
    words = ("dev", end.device, way, "prio", str(priority), "protocol", "all")
    end.run("tc", "filter", "add", *words, "bpf", "bytecode", "1,6 0 0 0")  # matches nothing
    return f"pref {priority} bpf"


def test_qdisc_goes_with_our_last_filter(here: Namespace, veth: interface.Interface) -> None:
    with Program.load(returning(-1, CLS)) as p:
        first = tc.attach_lasting(p, veth, Target.TC, name="first")
        second = tc.attach_lasting(p, veth, Target.TC_EGRESS, name="second")
        third = tc.attach_lasting(p, veth, Target.TC, name="third")
        shown = here.run("tc", "filter", "show", "dev", "veth0", "ingress").stdout
        assert "netbpf+clsact:first" in shown
        assert "netbpf+clsact:third" in shown
        for link in (first, third):
            link.close()
            assert clsact(here)
            assert not link.alive()
        assert second.alive()
        second.close()
        assert not clsact(here)


def test_filter_that_is_refused_leaves_no_qdisc(here: Namespace, veth: interface.Interface) -> None:
    with (
        Program.load(returning(2, XDP)) as wrong,
        pytest.raises(KernelError, match="cannot add the filter"),
    ):
        tc.attach_lasting(wrong, veth, Target.TC)
    assert not clsact(here)


def test_foreign_qdisc_stays(here: Namespace, veth: interface.Interface) -> None:
    here.run("tc", "qdisc", "add", "dev", "veth0", "clsact")
    with Program.load(returning(-1, CLS)) as p:
        tc.attach_lasting(p, veth, Target.TC).close()
    assert clsact(here)


def test_foreign_filter_keeps_our_qdisc(here: Namespace, veth: interface.Interface) -> None:
    with Program.load(returning(-1, CLS)) as p:
        link = tc.attach_lasting(p, veth, Target.TC)
        shown = add_foreign(here, priority=5, way="egress")
        link.close()
    assert clsact(here)
    assert shown in here.run("tc", "filter", "show", "dev", "veth0", "egress").stdout


def test_foreign_filters_stay_in_their_places(
    ends: tuple[Namespace, Namespace], here: Namespace, veth: interface.Interface
) -> None:
    here.run("tc", "qdisc", "add", "dev", "veth0", "clsact")
    for priority in (1, tc.FIRST_PRIORITY, 20):
        add_foreign(here, priority=priority)
    before = state_of(here)
    with Program.load(counting(-1, CLS)) as program:
        with tc.attach_lasting(program, veth, Target.TC) as link:
            assert isinstance(link, tc.ClsactFilter)
            assert link.priority == tc.FIRST_PRIORITY + 1
            ends[1].send([FRAME] * 3)
            wait_until(lambda: hits(program.maps[HITS]) == 3, what="the packets are counted")
            assert [f.priority for f in netlink.filters(veth.index, INGRESS)] == [1, 10, 11, 20]
        assert state_of(here) == before


def test_filter_removed_by_somebody_else(here: Namespace, veth: interface.Interface) -> None:
    with Program.load(returning(-1, CLS)) as p, Program.load(returning(-1, CLS)) as other:
        link = tc.attach_lasting(p, veth, Target.TC)
        here.run("tc", "qdisc", "del", "dev", "veth0", "clsact")
        assert not link.alive()
        with pytest.raises((NotFoundError, KernelError)):
            link.replace(other)
        link.close()
        assert not clsact(here)


def test_filter_replaced_by_somebody_else_is_left_to_them(
    here: Namespace, veth: interface.Interface
) -> None:
    with Program.load(returning(-1, CLS)) as p, Program.load(returning(-1, CLS)) as theirs:
        link = tc.attach_lasting(p, veth, Target.TC)
        assert isinstance(link, tc.ClsactFilter)
        netlink.replace_filter(
            *(veth.index, INGRESS, theirs.fd),
            name="theirs",
            priority=link.priority,
            handle=tc.HANDLE,
        )
        link.close()
        (left,) = netlink.filters(veth.index, INGRESS)
        assert (left.name, left.prog_id) == ("theirs", theirs.id)
    assert clsact(here)


def test_ingress_qdisc_serves_ingress_only(here: Namespace, veth: interface.Interface) -> None:
    here.run("tc", "qdisc", "add", "dev", "veth0", "ingress")
    with Program.load(counting(-1, CLS)) as p:
        with tc.attach_lasting(p, veth, Target.TC) as link:
            assert link.alive()
        with pytest.raises(ConflictError, match="ingress qdisc"):
            tc.attach_lasting(p, veth, Target.TC_EGRESS)
    assert "qdisc ingress" in here.run("tc", "qdisc", "show", "dev", "veth0").stdout


@pytest.mark.needs_kernel("attach at tc, tcx")
def test_tcx_runs_ahead_of_other_programs(
    ends: tuple[Namespace, Namespace], veth: interface.Interface
) -> None:
    with ExitStack() as stack:
        dropping = stack.enter_context(Program.load(returning(TcAction.SHOT, CLS)))
        ours = stack.enter_context(Program.load(counting(TcAction.UNSPEC, CLS)))
        stack.enter_context(tcx.attach(dropping, veth, Target.TC))
        stack.enter_context(tcx.attach(ours, veth, Target.TC))
        ends[1].send([FRAME] * 4)
        wait_until(lambda: hits(ours.maps[HITS]) == 4, what="the packets are counted")


def test_xdp_drops_before_a_socket_sees(
    ends: tuple[Namespace, Namespace], veth: interface.Interface
) -> None:
    with ExitStack() as stack:
        drop = stack.enter_context(Program.load(counting(XdpAction.DROP)))
        watch = stack.enter_context(Program.load(counting(0, SOCKET)))
        stack.enter_context(socket_filter.attach(watch, veth))
        with xdp.attach(drop, veth):
            ends[1].send([FRAME] * 4)
            wait_until(lambda: hits(drop.maps[HITS]) == 4, what="the packets are dropped")
            assert hits(watch.maps[HITS]) == 0


def test_socket_filter_sees_both_ways_and_queues_nothing(
    ends: tuple[Namespace, Namespace], veth: interface.Interface
) -> None:
    with (
        Program.load(counting(0, SOCKET)) as program,
        socket_filter.attach(program, veth) as link,
    ):
        assert isinstance(link, socket_filter.SocketFilter)
        ends[0].send([FRAME] * 2)
        ends[1].send([FRAME] * 3)
        wait_until(lambda: hits(program.maps[HITS]) == 5, what="the packets are counted")
        link._socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            link._socket.recv(1)


def test_killed_process_leaves_no_bpf_link(here: Namespace, veth: interface.Interface) -> None:
    """A bpf_link dies with its process; no code of ours runs for that."""
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        program = Program.load(returning(2))
        link = xdp.attach(program, veth)
        os.write(told, b"x" if link.alive() else b"-")
        signal.pause()
    assert os.read(ready, 1) == b"x"
    assert netlink.xdp_state(veth.index).native
    os.kill(child, 9)
    os.waitpid(child, 0)
    os.close(ready)
    os.close(told)
    wait_until(lambda: netlink.xdp_state(veth.index) == netlink.XdpState(), what="XDP is detached")
    del here
