"""The life of a filter on the command line: attached, counting, kept, listed, detached, killed."""

from __future__ import annotations

import json
import os
import pty
import random
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from netbpf.kernel import bpffs, interface, version
from netbpf.link import netlink, tc, xdp
from netbpf.objects import Program
from netbpf.spec import Target
from netbpf.uapi.bpf import ProgType
from netbpf.uapi.pkt_cls import EGRESS, INGRESS
from tests.net.netbpf_process import OLD_KERNEL, Netbpf, last
from tests.support import skips
from tests.support.bpffs import private
from tests.support.netns import Namespace, namespace, pair, wait_until
from tests.support.programs import counting, returning
from tests.support.tools import patient, require_tool, scaled
from tests.unit.cli.test_match import ARP, TCP80, TCP81

pytestmark = pytest.mark.root

HOOKS = ("socket", "xdp", "tc", "tc-egress")
TCX = not skips.too_old("attach at tc, tcx", version.running())
AT_TC = "tcx" if TCX else "clsact"
MODES = {"socket": "packet", "xdp": "native", "tc": AT_TC, "tc-egress": AT_TC}
Ends = tuple[Namespace, Namespace]


@pytest.fixture(scope="module")
def ends() -> Iterator[Ends]:
    with pair() as made:
        yield made


@pytest.fixture
def store() -> Iterator[Path]:
    with private() as root:
        yield root


@pytest.fixture
def netbpf(store: Path) -> Netbpf:
    return Netbpf(store)


def place(ends: Ends, hook: str) -> tuple[str, ...]:
    """Return the options for a hook of the near end."""
    return ("-i", ends[0].device, "--netns", ends[0].name, "--at", hook)


def send(ends: Ends, hook: str, *frames: bytes) -> None:
    """Send frames past a hook of the near end."""
    ends[0 if hook == "tc-egress" else 1].send(frames)


def attached(where: Namespace) -> list[str]:
    """Return what is attached to an interface, by netlink's account."""
    with where.entered():
        index = interface.find(where.device).index
        state = netlink.xdp_state(index)
        found = ["xdp"] * bool(state.native or state.generic)
        if netlink.clsact_kind(index):
            entries = netlink.filters(index, INGRESS) + netlink.filters(index, EGRESS)
            found += ["clsact", *(entry.name for entry in entries)]
        return found


def rows(netbpf: Netbpf, where: Namespace) -> list[dict[str, Any]]:
    """Return what `netbpf list` says about a namespace, and what is kept in the test's own place.

    On the machine there may be more: another run of the tests, say.
    """
    names = (where.name, f"/run/netns/{where.name}")
    return [row for row in netbpf.json("list") if row.get("netns") in names or "pins" in row]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
@pytest.mark.parametrize("hook", HOOKS)
def test_counts_until_it_is_told_to_stop(
    netbpf: Netbpf, ends: Ends, hook: str, number: signal.Signals
) -> None:
    words = ("--json", "--interval", "0.1", "--by", "port", "--by", "src", "--by", "flow")
    with netbpf.running("filter", *place(ends, hook), *words, "tcp") as running:
        first = running.next()
        assert first["packets"] == 0
        assert (first["iface"], first["at"], first["mode"]) == ("veth0", hook, MODES[hook])
        assert "final" not in first
        send(ends, hook, TCP80, TCP80, TCP81, ARP)
        running.until(3)
        done = running.stop(number)
    final = last(done.out)
    assert done.code == 0
    assert done.err == ""
    assert final.pop("t") == pytest.approx(time.time(), abs=60)
    flow = {"proto": "tcp", "src": "1.2.3.4", "sport": 4096, "dst": "5.6.7.8"}
    assert final == {
        "name": first["name"],
        "iface": "veth0",
        "at": hook,
        "mode": MODES[hook],
        "packets": 3,
        "bytes": 3 * len(TCP80),
        "dropped": 0,
        "by": {
            "port": [
                {"key": 80, "packets": 2, "bytes": 108},
                {"key": 81, "packets": 1, "bytes": 54},
            ],
            "src": [{"key": "1.2.3.4", "packets": 3, "bytes": 162}],
            "flow": [
                {"key": "tcp 1.2.3.4:4096 > 5.6.7.8:80", **flow, "dport": 80}
                | {"packets": 2, "bytes": 108},
                {"key": "tcp 1.2.3.4:4096 > 5.6.7.8:81", **flow, "dport": 81}
                | {"packets": 1, "bytes": 54},
            ],
        },
        "evicted": {},
        "final": True,
    }
    assert attached(ends[0]) == []


@pytest.mark.parametrize("hook", HOOKS[1:])
def test_drop_and_pass(netbpf: Netbpf, ends: Ends, hook: str) -> None:
    near, far = ends
    receiver = far if hook == "tc-egress" else near
    for action, dropped in (("drop", 2), ("pass", 1)):
        words = ("--json", "--interval", "0.1", "--by", "none", "--action", action)
        with (
            closing(receiver.packet_socket()) as seen,
            netbpf.running("filter", *place(ends, hook), *words, "tcp dst port 80") as running,
        ):
            running.next()
            for frame in (TCP80, TCP81, TCP80):
                with suppress(OSError):  # the sender is told what egress drops: ENOBUFS
                    send(ends, hook, frame)
            running.until(2)
            final = last(running.stop().out)
            assert (final["packets"], final["dropped"], final["by"]) == (2, dropped, {})
            arrived = [frame for frame in received(seen) if frame in (TCP80, TCP81)]
            expected = [TCP81] if action == "drop" else [TCP80, TCP80]
            if hook == "tc":  # which a packet socket is ahead of
                expected = [TCP80, TCP81, TCP80]
            assert arrived == expected


def received(seen: socket.socket) -> list[bytes]:
    found = []
    while select.select([seen], [], [], 0.2)[0]:
        found.append(seen.recv(2000))
    return found


class TestPlain:
    def test_totals_where_there_is_no_terminal(self, netbpf: Netbpf, ends: Ends) -> None:
        words = ("filter", *place(ends, "xdp"), "--duration", str(patient(2)), "tcp")
        with netbpf.running(*words) as running:
            wait_until(lambda: attached(ends[0]) == ["xdp"], what="it is attached")
            send(ends, "xdp", TCP80, TCP80, TCP81)
            done = running.end()
        assert done.code == 0
        head, *lines = done.out.splitlines()
        assert head.endswith("veth0 at xdp (native): 3 packets, 162 bytes")
        assert [line.split() for line in lines] == [
            ["destination", "port", "packets", "bytes"],
            ["80", "2", "108"],
            ["81", "1", "54"],
        ]

    def test_live_table_on_a_terminal(self, netbpf: Netbpf, ends: Ends) -> None:
        leader, follower = pty.openpty()
        live = ("--interval", "0.1", "--duration", str(patient(2)))
        words = ["filter", *place(ends, "tc"), *live, "tcp"]
        process = subprocess.Popen(
            [*netbpf._command, *words],
            env=netbpf._environment | {"TERM": "xterm", "COLUMNS": "100"},
            stdout=follower,
            stderr=follower,
        )
        os.close(follower)
        with closing(os.fdopen(leader, "rb", buffering=0)) as screen:
            shown = b""
            sent = False
            while True:
                try:
                    shown += screen.read(65536)
                except OSError:  # the other end is closed
                    break
                if b"destination port" in shown and not sent:
                    send(ends, "tc", *[TCP80] * 50)
                    sent = True
        assert process.wait(patient(30)) == 0
        assert b"Ctrl-C detaches" in shown
        assert b"packets/s" in shown
        assert b"50 packets, 2,700 bytes" in shown

    def test_a_reader_that_goes_away_detaches(self, netbpf: Netbpf, ends: Ends) -> None:
        with netbpf.running(
            "filter", *place(ends, "xdp"), "--json", "--interval", "0.1"
        ) as running:
            running.next()
            assert running.process.stdout is not None
            running.process.stdout.close()
            assert running.process.wait(patient(20)) == 0
            assert running.process.stderr is not None
            assert running.process.stderr.read() == ""
        assert attached(ends[0]) == []


class TestKeep:
    @pytest.mark.parametrize("hook", ["xdp", "tc", "tc-egress"])
    def test_whole_life(self, netbpf: Netbpf, ends: Ends, hook: str) -> None:
        near = ends[0]
        kept = netbpf(
            "filter", *place(ends, hook), "--keep", "web", "--duration", "0", "--json",
            "--by", "port", "--by", "src", "tcp",
        )  # fmt: skip
        assert (kept.code, kept.err) == (0, "")
        assert last(kept.out)["final"] is True
        assert attached(near) != []
        send(ends, hook, TCP80, TCP80, TCP81, ARP)

        (row,) = rows(netbpf, near)
        assert (row["name"], row["iface"], row["at"], row["expr"], row["action"]) == (
            "web", "veth0", hook, "tcp", "count",
        )  # fmt: skip
        assert row["state"] == "attached"
        assert row["mode"] == ("native" if hook == "xdp" else "clsact")
        assert row["insns"] > 5
        table = netbpf("list").out
        assert "web" in table
        assert f"veth0 in {near.name}" in table

        counters = netbpf.json("counters", "web")
        assert (counters["packets"], counters["bytes"], counters["iface"]) == (3, 162, "veth0")
        assert counters["by"] == {
            "port": [
                {"key": 80, "packets": 2, "bytes": 108},
                {"key": 81, "packets": 1, "bytes": 54},
            ],
            "src": [{"key": "1.2.3.4", "packets": 3, "bytes": 162}],
        }
        assert netbpf.json("counters") == [counters]
        top = netbpf.json("counters", "web", "--by", "port", "--top", "1")["by"]
        assert top == {"port": counters["by"]["port"][:1]}
        assert netbpf("counters", "web", "--by", "dst").code == 1
        assert "3 packets, 162 bytes" in netbpf("counters", "web", "--reset").out
        zero = netbpf.json("counters", "web")
        assert (zero["packets"], zero["bytes"], zero["by"]) == (0, 0, {"port": [], "src": []})
        send(ends, hook, TCP80)
        assert netbpf.json("counters", "web")["packets"] == 1

        gone = netbpf("detach", "web")
        assert (gone.code, gone.err) == (0, f"netbpf: web detached from veth0 at {hook}\n")
        assert attached(near) == []
        assert rows(netbpf, near) == []
        assert netbpf("detach", "web").code == 1
        assert netbpf("counters", "web").code == 1

    def test_watch(self, netbpf: Netbpf, ends: Ends) -> None:
        netbpf("filter", *place(ends, "xdp"), "--keep", "web", "--duration", "0", "tcp")
        words = ("counters", "web", "--watch", "--interval", "0.1", "--json")
        with netbpf.running(*words) as running:
            assert running.next()["packets"] == 0
            send(ends, "xdp", TCP80)
            running.until(1)
            assert running.stop().code == 0
        assert attached(ends[0]) == ["xdp"]
        assert netbpf("detach", "web").code == 0

    def test_ctrl_c_leaves_it_attached(self, netbpf: Netbpf, ends: Ends) -> None:
        words = ("--keep", "web", "--json", "--interval", "0.1")
        with netbpf.running("filter", *place(ends, "tc"), *words, "tcp") as running:
            assert running.next()["name"] == "web"
            assert running.stop().code == 0
        assert len(attached(ends[0])) == 2
        netbpf("detach", "web")
        assert attached(ends[0]) == []

    def test_a_name_is_taken_once(self, netbpf: Netbpf, ends: Ends) -> None:
        words = ("--keep", "web", "--duration", "0", "tcp")
        assert netbpf("filter", *place(ends, "xdp"), *words).code == 0
        again = netbpf("filter", *place(ends, "tc"), *words)
        assert again.code == 1
        assert "something is kept by the name 'web' already" in again.err
        assert attached(ends[0]) == ["xdp"]
        netbpf("detach", "web")

    def test_not_at_a_socket(self, netbpf: Netbpf, ends: Ends) -> None:
        done = netbpf("filter", *place(ends, "socket"), "--keep", "web", "tcp")
        assert (done.code, done.err) == (
            2,
            "netbpf: a socket filter ends with its process\n    add --at xdp, tc or tc-egress\n",
        )

    def test_a_bad_name(self, netbpf: Netbpf, ends: Ends) -> None:
        assert netbpf("filter", *place(ends, "xdp"), "--keep", "../x", "tcp").code == 2
        assert attached(ends[0]) == []

    def test_a_bpf_file_system_is_mounted_where_there_is_none(self, ends: Ends) -> None:
        with tempfile.TemporaryDirectory(prefix="nbtest-bpf-") as directory:
            netbpf = Netbpf(Path(directory))
            try:
                done = netbpf("filter", *place(ends, "xdp"), "--keep", "web", "--duration", "0")
                assert done.code == 0
                assert f"mounted a BPF file system at {directory}" in done.err
                assert bpffs.mounted(Path(directory))
                assert netbpf("detach", "web").code == 0
            finally:
                subprocess.run(["umount", directory], check=True)

    def test_whose_interface_is_gone(self, netbpf: Netbpf) -> None:
        with pair() as (near, far):
            words = ("--keep", "web", "--duration", "0", "tcp")
            assert netbpf("filter", *place((near, far), "xdp"), *words).code == 0
            require_tool("ip")
            near.run("ip", "link", "delete", near.device)
            (row,) = rows(netbpf, near)
            assert (row["mode"], row["state"]) == (None, "not attached any more")
            assert netbpf.json("counters", "web")["packets"] == 0
            done = netbpf("detach", "web")
            assert (done.code, "was not attached any more" in done.err) == (0, True)
            assert rows(netbpf, near) == []


class TestKilled:
    def test_at_any_moment_leaves_nothing(self, netbpf: Netbpf, ends: Ends) -> None:
        """Where the kernel has bpf_link: XDP since 5.9, tcx since 6.6."""
        rng = random.Random(1)
        for round_ in range(scaled(6)):
            hook = ("xdp", "tc", "tc-egress")[round_ % 3] if TCX else "xdp"
            with netbpf.running("filter", *place(ends, hook), "--json", "tcp") as running:
                if round_ % 2:
                    running.next()
                else:
                    time.sleep(rng.uniform(0.2, 1.2))
                running.process.kill()
                running.process.wait()
            wait_until(lambda: attached(ends[0]) == [], what="the kernel has cleaned up")
            assert rows(netbpf, ends[0]) == []

    @pytest.mark.parametrize("hook", ["xdp", "tc", "tc-egress"])
    def test_on_an_old_kernel_leaves_what_detach_removes(
        self, store: Path, netbpf: Netbpf, ends: Ends, hook: str
    ) -> None:
        near = ends[0]
        old = Netbpf(store, before=OLD_KERNEL)
        with old.running("filter", *place(ends, hook), "--json", "tcp") as running:
            name = running.next()["name"]
            (row,) = rows(netbpf, near)
            assert (row["name"], row["at"], row["state"]) == (
                name, hook, f"of running process {running.pid}",
            )  # fmt: skip
            refused = netbpf("detach", name)
            assert refused.code == 1
            assert f"belongs to process {running.pid}, which runs" in refused.err
            running.process.kill()
            running.process.wait()
        assert attached(near) != []
        (row,) = rows(netbpf, near)
        assert (row["name"], row["state"]) == (name, "left over")
        done = netbpf("detach", name)
        assert (done.code, done.err) == (0, f"netbpf: {name} detached from veth0 at {hook}\n")
        assert attached(near) == []
        assert netbpf("detach", name).code == 1

    @pytest.mark.parametrize("hook", ["xdp", "tc"])
    def test_on_an_old_kernel_ctrl_c_leaves_nothing(
        self, store: Path, ends: Ends, hook: str
    ) -> None:
        old = Netbpf(store, before=OLD_KERNEL)
        with old.running("filter", *place(ends, hook), "--json", "tcp") as running:
            running.next()
            assert attached(ends[0]) != []
            assert running.stop(signal.SIGTERM).code == 0
        assert attached(ends[0]) == []

    def test_while_keeping_leaves_what_can_be_removed(self, netbpf: Netbpf, ends: Ends) -> None:
        rng = random.Random(2)
        for _ in range(scaled(4)):
            words = ("--keep", "web", "--duration", "0", "tcp")
            with netbpf.running("filter", *place(ends, "xdp"), *words) as running:
                time.sleep(rng.uniform(0.3, 1.2))
                running.process.kill()
                running.process.wait()
            for row in rows(netbpf, ends[0]):
                assert netbpf("detach", row["name"]).code == 0
            wait_until(lambda: attached(ends[0]) == [], what="nothing is attached")

    def test_detach_all(self, store: Path, netbpf: Netbpf, ends: Ends) -> None:
        """In a mount namespace where no other network namespace than the test's has a name."""
        near = ends[0]
        old = Netbpf(store, before=OLD_KERNEL)
        netbpf("filter", *place(ends, "tc"), "--keep", "web", "--duration", "0", "tcp")
        with old.running("filter", *place(ends, "xdp"), "--json", "tcp") as running:
            running.next()
            running.process.kill()
            running.process.wait()
        names = tempfile.mkdtemp(prefix="nbtest-netns-")
        script = (
            f"mount --bind {names} {names} && touch {names}/{near.name} && "
            f"mount --bind /run/netns/{near.name} {names}/{near.name} && "
            f'mount --move {names} /run/netns && exec "$@"'
        )
        command = ["unshare", "--mount", "sh", "-c", script, "sh"]
        command += [*netbpf._command, "detach", "--all"]
        require_tool("unshare")
        done = subprocess.run(
            command, env=netbpf._environment, capture_output=True, text=True, check=False
        )
        for entry in Path(names).iterdir():
            entry.unlink()
        Path(names).rmdir()
        assert done.returncode == 0, done.stderr
        assert "web detached" in done.stderr
        assert attached(near) == []
        assert netbpf("detach").code == 2
        assert netbpf("detach", "x", "--all").code == 2


class TestInTheWay:
    def test_a_second_filter_at_xdp(self, netbpf: Netbpf, ends: Ends) -> None:
        with netbpf.running("filter", *place(ends, "xdp"), "--json", "tcp") as running:
            running.next()
            second = netbpf("filter", *place(ends, "xdp"), "--duration", "0", "udp")
            assert second.code == 1
            assert "veth0 has an XDP program already" in second.err
            assert "'netbpf' (native)" in second.err
            send(ends, "xdp", TCP80)
            assert running.until(1)["packets"] == 1

    @pytest.mark.parametrize("hook", ["tc", "tc-egress", "socket"])
    def test_a_second_filter_elsewhere(self, netbpf: Netbpf, ends: Ends, hook: str) -> None:
        words = ("--json", "--interval", "0.1")
        with (
            netbpf.running("filter", *place(ends, hook), *words, "tcp") as one,
            netbpf.running("filter", *place(ends, hook), *words, "port 80") as two,
        ):
            one.next()
            two.next()
            send(ends, hook, TCP80, TCP81)
            assert one.until(2)["packets"] == 2
            assert two.until(1)["packets"] == 1

    def test_a_foreign_xdp_program_stays(self, netbpf: Netbpf, ends: Ends) -> None:
        near = ends[0]
        with ExitStack() as stack:
            stack.enter_context(near.entered())
            found = interface.find(near.device)
            program = stack.enter_context(Program.load(returning(2, name="foreign")))
            link = stack.enter_context(xdp.attach_lasting(program, found))
            done = netbpf("filter", *place(ends, "xdp"), "--duration", "0", "tcp")
            assert done.code == 1
            assert f"program {program.id} 'foreign' (native)" in done.err
            assert link.alive()

    def test_a_foreign_filter_and_its_qdisc_stay(self, netbpf: Netbpf, ends: Ends) -> None:
        near = ends[0]
        with ExitStack() as stack:
            stack.enter_context(near.entered())
            found = interface.find(near.device)
            netlink.add_clsact(found.index)
            stack.callback(netlink.delete_clsact, found.index)
            spec = returning(-1, ProgType.SCHED_CLS, name="foreign")
            program = stack.enter_context(Program.load(spec))
            netlink.add_filter(
                *(found.index, INGRESS, program.fd), name="theirs", priority=1, handle=1
            )
            netbpf("filter", *place(ends, "tc"), "--keep", "web", "--duration", "0", "tcp")
            send(ends, "tc", TCP80)
            assert netbpf.json("counters", "web")["packets"] == 1
            assert netbpf("detach", "web").code == 0
            assert attached(near) == ["clsact", "theirs"]

    def test_detached_by_somebody_else(self, netbpf: Netbpf, ends: Ends) -> None:
        near = ends[0]
        words = ("--keep", "web", "--json", "--interval", "0.1", "tcp")
        with netbpf.running("filter", *place(ends, "xdp"), *words) as running:
            running.next()
            near.run("ip", "link", "set", near.device, "xdp", "off")
            done = running.end()
        assert done.code == 1
        assert last(done.out)["final"] is True
        assert "veth0 is gone, or the filter was detached" in done.err
        assert netbpf("detach", "web").code == 0


@pytest.mark.parametrize("hook", HOOKS)
def test_an_interface_that_disappears(netbpf: Netbpf, hook: str) -> None:
    with pair() as ends:
        near, _ = ends
        words = ("--json", "--interval", "0.1", "tcp")
        with netbpf.running("filter", *place(ends, hook), *words) as running:
            running.next()
            send(ends, hook, TCP80)
            running.until(1)
            near.run("ip", "link", "delete", near.device)
            done = running.end()
        assert done.code == 1
        assert done.err.startswith("netbpf: veth0 is gone")
        final = last(done.out)
        assert (final["packets"], final["final"]) == (1, True)


class TestInterfaces:
    def test_several_at_once(self, netbpf: Netbpf, ends: Ends) -> None:
        near = ends[0]
        words = ("-i", "veth0", "-i", "lo", "-i", "veth0", "--netns", near.name)
        with netbpf.running(
            "filter", *words, "--at", "tc", "--json", "--interval", "0.1", "tcp"
        ) as running:
            assert [running.next()["iface"] for _ in range(2)] == ["veth0", "lo"]
            send(ends, "tc", TCP80)
            running.until(1)
            finals = [json.loads(line) for line in running.stop().out.splitlines()[-2:]]
        assert [(one["iface"], one["packets"], one["final"]) for one in finals] == [
            ("veth0", 1, True), ("lo", 0, True),
        ]  # fmt: skip

    def test_all_or_none(self, netbpf: Netbpf, ends: Ends) -> None:
        """The loopback device has a program: what was attached before it is detached again."""
        near = ends[0]
        words = ("-i", "veth0", "-i", "lo", "--netns", near.name, "--at", "xdp")
        with ExitStack() as stack:
            stack.enter_context(near.entered())
            program = stack.enter_context(Program.load(returning(2)))
            stack.enter_context(xdp.attach_lasting(program, interface.find("lo")))
            for keep in ((), ("--keep", "web")):
                done = netbpf("filter", *words, *keep, "--duration", "0", "tcp")
                assert done.code == 1
                assert "lo has an XDP program already" in done.err
                assert attached(near) == []
                assert rows(netbpf, near) == []

    def test_kept_ones_have_names_of_their_own(self, netbpf: Netbpf, ends: Ends) -> None:
        words = ("-i", "veth0", "-i", "lo", "--netns", ends[0].name, "--at", "tc")
        assert netbpf("filter", *words, "--keep", "web", "--duration", "0", "tcp").code == 0
        assert [row["name"] for row in rows(netbpf, ends[0])] == ["web-lo", "web-veth0"]
        assert netbpf("detach", "web-lo", "web-veth0").code == 0

    def test_the_default_route(self, netbpf: Netbpf) -> None:
        with pair(addresses=True) as (near, far):
            none = netbpf("filter", "--netns", near.name, "--duration", "0", "tcp")
            assert none.code == 1
            assert "there is no default route" in none.err
            near.run("ip", "route", "add", "default", "via", "192.0.2.2")
            done = netbpf("filter", "--netns", near.name, "--duration", "0", "tcp")
            assert (done.code, "veth0 at socket (packet)" in done.out) == (0, True)
            assert far.name

    def test_absent(self, netbpf: Netbpf, ends: Ends) -> None:
        done = netbpf("filter", "-i", "nix", "--netns", ends[0].name, "tcp")
        assert (done.code, done.err) == (
            1,
            "netbpf: there is no interface 'nix'\n    there are: lo, veth0\n",
        )
        done = netbpf("filter", "-i", "lo", "--netns", "nix", "tcp")
        assert (done.code, "there is no network namespace 'nix'" in done.err) == (1, True)

    def test_xdp_modes(self, netbpf: Netbpf, ends: Ends) -> None:
        for mode in ("native", "generic"):
            words = ("--xdp-mode", mode, "--duration", "0", "--json", "tcp")
            done = netbpf("filter", *place(ends, "xdp"), *words)
            assert last(done.out)["mode"] == mode
        with namespace() as alone:  # the loopback device has no native XDP
            on_lo = ("-i", "lo", "--netns", alone.name, "--at", "xdp", "--duration", "0")
            done = netbpf("filter", *on_lo, "--json", "tcp")
            assert last(done.out)["mode"] == "generic"
            assert "netbpf: lo: not native: " in done.err
            assert netbpf("filter", *on_lo, "--xdp-mode", "native", "tcp").code == 1


class TestSafety:
    """tests/unit/cli/test_safety.py has the cases; here is what comes of them."""

    def test_neighbour_discovery_is_warned_of(self, netbpf: Netbpf, ends: Ends) -> None:
        words = ("--action", "pass", "--duration", "0", "arp or tcp port 80")
        done = netbpf("filter", *place(ends, "xdp"), *words)
        said = (
            "netbpf: warning: IPv6 neighbour discovery on veth0 is dropped too: "
            "hosts will lose each other in a while\n"
        )
        assert (done.code, done.err) == (0, said)

    def test_an_ssh_session_is_not_cut(self, store: Path) -> None:
        with pair(addresses=True) as ends, session(*ends) as (told, port):
            netbpf = Netbpf(store, SSH_CONNECTION=told)
            for hook in ("xdp", "tc-egress"):
                words = ("--action", "drop", "--duration", "0", f"tcp port {port}")
                done = netbpf("filter", *place(ends, hook), *words)
                assert done.code == 1
                assert "this would cut your SSH session from 192.0.2.2 port" in done.err
                assert attached(ends[0]) == []
            insists = netbpf("filter", *place(ends, "xdp"), "--yes", *words)
            assert insists.code == 0
            assert netbpf("filter", *place(ends, "xdp"), *words[:-1], "tcp port 1").code == 0

    def test_a_session_that_is_not_there_is_no_matter(self, store: Path, ends: Ends) -> None:
        netbpf = Netbpf(store, SSH_CONNECTION="192.0.2.2 50000 192.0.2.1 22")
        words = ("--action", "drop", "--duration", "0", "tcp port 22")
        assert netbpf("filter", *place(ends, "xdp"), *words).code == 0

    def test_a_socket_only_observes(self, netbpf: Netbpf, ends: Ends) -> None:
        done = netbpf("filter", *place(ends, "socket"), "--action", "drop", "tcp")
        said = (
            "netbpf: a socket only observes: it cannot drop packets\n"
            "    add --at xdp, tc or tc-egress\n"
        )
        assert (done.code, done.err) == (2, said)


class session(ExitStack):  # noqa: N801 - used as a function
    """A TCP connection from the far end to the near: what SSH_CONNECTION says, and the port."""

    def __init__(self, near: Namespace, far: Namespace) -> None:
        super().__init__()
        self._near, self._far = near, far

    def __enter__(self) -> Any:
        super().__enter__()
        with self._near.entered():
            listener = self.enter_context(socket.create_server(("192.0.2.1", 0)))
        with self._far.entered():
            client = self.enter_context(socket.create_connection(listener.getsockname()))
        self.enter_context(listener.accept()[0])
        host, port = client.getsockname()
        return f"{host} {port} 192.0.2.1 {listener.getsockname()[1]}", listener.getsockname()[1]


def test_needs_root(store: Path, ends: Ends) -> None:
    """Without capabilities: the message names the one that is missing, and what to do."""
    netbpf = Netbpf(store)
    require_tool("setpriv")
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    done = subprocess.run(
        [*command, *netbpf._command, "filter", "-i", "lo", "--duration", "0", "tcp"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "CAP_" in done.stderr
    assert "run it as root" in done.stderr
    assert ends


def test_the_count_of_a_kernel_that_has_no_multi_buffer_xdp(store: Path, ends: Ends) -> None:
    """Before Linux 5.18 the program is loaded once more, without."""
    before = """
from netbpf.errors import KernelError
from netbpf.objects import Program
from netbpf.uapi.bpf import ProgFlag
load = Program.load
def refuse(spec, **more):
    if spec.flags & ProgFlag.XDP_HAS_FRAGS:
        raise KernelError("what flags?", command="BPF_PROG_LOAD", errno=22)
    return load(spec, **more)
Program.load = refuse
"""
    netbpf = Netbpf(store, before=before)
    with netbpf.running(
        "filter", *place(ends, "xdp"), "--json", "--interval", "0.1", "tcp"
    ) as running:
        running.next()
        send(ends, "xdp", TCP80)
        assert running.until(1)["packets"] == 1


def test_the_count_of_a_kernel_that_has_no_large_values(store: Path, ends: Ends) -> None:
    """Before Linux 6.0 a port table with rows for many CPUs is refused: the kernel's is taken."""
    before = """
from netbpf.errors import KernelError
from netbpf.objects import Map
from netbpf.uapi.bpf import MapType
create = Map.create
def refuse(spec):
    if spec.type is MapType.ARRAY and spec.value_size > 1 << 20:
        raise KernelError("too large", command="BPF_MAP_CREATE", errno=7)
    return create(spec)
Map.create = refuse
"""
    netbpf = Netbpf(store, before=before)
    with netbpf.running(
        "filter", *place(ends, "tc"), "--by", "port", "--json", "--interval", "0.1", "tcp"
    ) as running:
        running.next()
        send(ends, "tc", TCP80)
        assert running.until(1)["packets"] == 1


@pytest.mark.parametrize("refusing", ["no BTF", "the program"])
def test_the_count_of_a_kernel_that_lets_no_socket_program_look_into_it(
    refusing: str, store: Path, ends: Ends
) -> None:
    """Before Linux 6.17, without BTF, or where such a program is too large: it reads otherwise."""
    before = """
from pathlib import Path
from netbpf.asm.ebpf import PseudoCall
from netbpf.errors import KernelError
from netbpf.kernel import buff
from netbpf.objects import Program
load = Program.load
def refuse(spec, **more):
    if any(insn.code == 0x85 and insn.src == PseudoCall.KFUNC for insn in spec.insns):
        raise KernelError("what function?", command="BPF_PROG_LOAD", errno=22)
    return load(spec, **more)
Program.load = refuse
"""
    if refusing == "no BTF":
        before += "buff._BTF = Path('/nowhere')\n"
    netbpf = Netbpf(store, before=before)
    with netbpf.running(
        "filter", *place(ends, "socket"), "--json", "--interval", "0.1", "tcp"
    ) as running:
        running.next()
        send(ends, "socket", TCP80)
        assert running.until(1)["packets"] == 1


def test_attachments_are_what_they_say(ends: Ends) -> None:
    """The helper that the tests above trust: it sees links and filters of every kind."""
    near = ends[0]
    with near.entered():
        found = interface.find(near.device)
        with Program.load(counting(2)) as program, xdp.attach(program, found):
            assert attached(near) == ["xdp"]
        with (
            Program.load(counting(-1, ProgType.SCHED_CLS)) as program,
            tc.attach_lasting(program, found, Target.TC_EGRESS),
        ):
            assert len(attached(near)) == 2
    assert attached(near) == []
