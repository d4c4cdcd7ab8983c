"""`netbpf lab`: the main job on any machine, in namespaces of its own, against known traffic."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from netbpf.cli import output
from netbpf.cli.options import examples, json_option
from netbpf.cli.request import Request

if TYPE_CHECKING:
    from netbpf.cli.attaching import Attachment
    from netbpf.cli.lab.network import LabNetwork
    from netbpf.cli.lab.traffic import Case, Truth
    from netbpf.cli.stopping import Stop
    from netbpf.observe.counters import Counters

_HOOKS = ("socket", "tc", "xdp")
_PATIENCE = 3.0  # seconds for packets to arrive


@click.command(epilog=examples(("sudo netbpf lab", "about ten seconds; it needs root")))
@json_option
def command(as_json: bool) -> int:
    """Watch netbpf work, on any machine.

    Makes two network namespaces with a veth pair, sends known traffic (IPv4, IPv6, VLAN tags,
    fragments), and runs `netbpf filter` at a socket, at tc and at XDP. What each counts stands
    beside what was sent. Everything is removed afterwards.
    """
    from netbpf.cli.lab import traffic
    from netbpf.cli.lab.network import LabNetwork
    from netbpf.cli.stopping import Stop

    packets = traffic.packets()
    frames = [bytes(packet) for packet in packets]
    rows = []
    with Stop() as stop, LabNetwork() as network:
        if not as_json:
            _introduce(network, len(frames))
        for hook in _HOOKS:
            for case in traffic.CASES:
                expected = traffic.truth(case, packets)
                counted = _count(hook, case, expected, network, frames, stop)
                row = _row(hook, case, expected, counted)
                rows.append(row)
                if not as_json:
                    _print(row)
    good = all(row["ok"] for row in rows)
    if as_json:
        output.document({"sent": len(frames), "results": rows, "ok": good})
    else:
        _conclude(good)
    return 0 if good else 1


def _count(
    hook: str, case: Case, expected: Truth, network: LabNetwork, frames: list[bytes], stop: Stop
) -> tuple[str, Counters]:
    """Attach, send everything, wait for it, detach; return the mode and the counters."""
    from netbpf.cli.attaching import Order, attach_all
    from netbpf.cli.lab.network import DEVICE
    from netbpf.link.xdp import XdpMode
    from netbpf.spec import Action, Key, Target

    order = Order(
        request=Request(case.expression, False, False, None, True, {}),
        target=Target(hook),
        action=Action.COUNT,
        by=(Key.PORT,),
        xdp_mode=XdpMode.AUTO,
        netns=network.receiver,
        keep="",
        yes=False,
    )
    with ExitStack() as stack:
        (attachment,) = attach_all(order, (DEVICE,), stack)
        network.send(frames)
        _settle(attachment, expected, stop)
        attachment.end()
        return attachment.where.mode, attachment.counters()


def _settle(attachment: Attachment, expected: Truth, stop: Stop) -> None:
    """Wait until all is counted, or nothing more can be on its way."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if stop.asked:
            raise KeyboardInterrupt
        if attachment.counters(by=()).packets >= expected.packets:
            break
        time.sleep(0.005)
    stop.wait(0.02)  # for what should not be counted


def _row(hook: str, case: Case, expected: Truth, found: tuple[str, Counters]) -> dict[str, Any]:
    mode, counted = found
    (table,) = counted.tables
    ports = {entry.key: entry.packets for entry in table.entries}
    return {
        "at": hook,
        "mode": mode,
        "expr": case.expression,
        "sent": {"packets": expected.packets, "bytes": expected.bytes},
        "counted": {"packets": counted.packets, "bytes": counted.bytes},
        "ports": {str(port): packets for port, packets in ports.items()},
        "ok": (counted.packets, counted.bytes, ports)
        == (expected.packets, expected.bytes, expected.ports),
    }


# -- for people ------------------------------------------------------------------------------------


def _introduce(network: LabNetwork, frames: int) -> None:
    print(f"Two namespaces, {network.sender} and {network.receiver}, joined by a veth pair.")
    print(f"For every line {frames} frames are sent: IPv4, IPv6, VLAN tags, fragments, ARP.\n")
    print(f"{'hook':8} {'expression':22} {'sent':>16} {'counted':>16}")


def _print(row: dict[str, Any]) -> None:
    sent, counted = (
        f"{row[side]['packets']} / {row[side]['bytes']} B" for side in ("sent", "counted")
    )
    verdict = "OK" if row["ok"] else "DIFFERENT"
    print(f"{row['at']:8} {row['expr'] or '(every packet)':22} {sent:>16} {counted:>16}  {verdict}")
    sys.stdout.flush()


def _conclude(good: bool) -> None:
    if good:
        print("\nEvery counter equals what was sent, by packets, bytes and destination ports.")
    else:
        print("\nSome counters differ from what was sent.")
    print("The namespaces are gone again. Now try: netbpf filter tcp dst port 80")
