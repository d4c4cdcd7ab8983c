"""`netbpf filter`: attach an expression, count what matches, detach."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from netbpf.cli import output
from netbpf.cli.options import complete_interface, examples, json_option, takes_expression
from netbpf.cli.request import Request
from netbpf.errors import NotFoundError

if TYPE_CHECKING:
    from netbpf.cli.attaching import Attachment, Order
    from netbpf.cli.live import Display
    from netbpf.cli.stopping import Stop

KEYS = ("port", "sport", "proto", "src", "dst", "flow", "none")
_LONGEST_TICK = 0.5  # seconds between looks whether it is still attached


@click.command(
    epilog=examples(
        ("netbpf filter tcp dst port 80", "count on the default route's interface"),
        ("netbpf filter -i eth0 --at xdp --by src --by flow udp", "who sends UDP, at XDP"),
        ("netbpf filter -i eth0 --at tc --action drop --keep web tcp port 80", "drop, and stay"),
        ("netbpf filter -i eth0 --json --duration 10 icmp | jq .packets", "for programs"),
    )
)
@click.option(
    "-i", "interfaces", metavar="IFACE", multiple=True, shell_complete=complete_interface,
    help="The interface; may be given again. [default: that of the default route]",
)  # fmt: skip
@click.option(
    "--at", type=click.Choice(["socket", "xdp", "tc", "tc-egress"]), default="socket",
    show_default=True, help="Where the packets are looked at; a socket only observes.",
)  # fmt: skip
@click.option(
    "--action", type=click.Choice(["count", "drop", "pass"]), default="count", show_default=True,
    help="drop drops what matches, pass what does not.",
)  # fmt: skip
@click.option(
    "--by", type=click.Choice(KEYS), multiple=True, default=("port",), show_default=True,
    help="What to count by; may be given again. port is the destination port.",
)  # fmt: skip
@click.option(
    "--xdp-mode", type=click.Choice(["auto", "native", "generic"]), default="auto",
    show_default=True, help="In the driver or in the network stack.",
)  # fmt: skip
@click.option("--netns", metavar="NAME", help="Work in a network namespace (name, path or pid).")
@click.option("--keep", metavar="NAME", help="Stay attached after exit, to be found by NAME.")
@click.option("--duration", metavar="S", type=click.FloatRange(0), help="Stop after S seconds.")
@click.option(
    "--interval", metavar="S", type=click.FloatRange(0.05), default=1.0, show_default=True,
    help="Seconds between reports.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Cut off your own SSH session if it comes to that.")
@json_option
@takes_expression
def command(  # noqa: PLR0913, PLR0917 - each is an option
    request: Request,
    interfaces: tuple[str, ...],
    at: str,
    action: str,
    by: tuple[str, ...],
    xdp_mode: str,
    netns: str | None,
    keep: str | None,
    duration: float | None,
    interval: float,
    yes: bool,
    as_json: bool,
) -> None:
    """Attach EXPR to interfaces and count what matches, until Ctrl-C.

    Needs root (CAP_BPF, CAP_NET_ADMIN, and CAP_NET_RAW at a socket). With --json a stream of
    objects, the first as soon as all is attached; on a terminal a live table; else the totals at
    the end.
    """
    from netbpf.cli.attaching import Order, attach_all
    from netbpf.cli.live import display
    from netbpf.cli.stopping import Stop
    from netbpf.link.xdp import XdpMode
    from netbpf.objects.pins import check_name
    from netbpf.spec import Action, Key, Target

    order = Order(
        request=request,
        target=Target(at),
        action=Action(action),
        by=tuple(dict.fromkeys(Key(word) for word in by if word != "none")),
        xdp_mode=XdpMode(xdp_mode),
        netns=netns,
        keep=check_name(keep) if keep is not None else "",
        yes=yes,
    )
    order.check()
    with ExitStack() as stack:
        stop = stack.enter_context(Stop())
        attachments = attach_all(order, interfaces, stack)
        _tell(order, attachments)
        with display(as_json, request.text or "every packet") as shown:
            _watch(attachments, shown, stop, duration, interval)


def _tell(order: Order, attachments: list[Attachment]) -> None:
    for one in attachments:
        if one.note:
            output.note(f"{one.where.iface}: {one.note}")
    if sys.stderr.isatty():
        places = ", ".join(f"{w.iface} ({w.mode})" for w in (one.where for one in attachments))
        end = "Ctrl-C leaves it attached" if order.keep else "Ctrl-C detaches"
        output.note(f"attached at {order.target.value} of {places}; {end}")


def _watch(
    attachments: list[Attachment],
    shown: Display,
    stop: Stop,
    duration: float | None,
    interval: float,
) -> None:
    """Report until the end comes; then the totals, whatever brought the end about."""
    end = float("inf") if duration is None else time.monotonic() + duration
    lost = None
    while lost is None:
        _report(attachments, shown, final=False)
        due = min(end, time.monotonic() + interval)
        lost = _wait(attachments, stop, due)
        if stop.asked or time.monotonic() >= end:
            break
    for one in attachments:
        one.end()
    _report(attachments, shown, final=True)
    if lost is not None:
        raise NotFoundError(
            f"{lost.where.iface} is gone, or the filter was detached or replaced by somebody else"
        )


def _wait(attachments: list[Attachment], stop: Stop, due: float) -> Attachment | None:
    """Wait until it is time for a report, or to stop; return what is not attached any more."""
    while not stop.asked:
        for one in attachments:
            if not one.alive():
                return one
        left = due - time.monotonic()
        if left <= 0:
            break
        stop.wait(min(left, _LONGEST_TICK))
    return None


def _report(attachments: list[Attachment], shown: Display, *, final: bool) -> None:
    shown.show(time.time(), [(one.where, one.counters()) for one in attachments], final=final)
