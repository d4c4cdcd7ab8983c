"""OSI protocols over LLC: `esis`, `isis`, `clnp`, and the kinds of IS-IS packets.

Depends on lower.layers and common.
"""

from __future__ import annotations

from netbpf.errors import Span
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.common.tests import check_most, every, field_is, some
from netbpf.expr.lower.layers import Layers, Test
from netbpf.expr.nodes import Proto
from netbpf.proto.iso import ISIS_PDU_MASK, ISIS_PDU_OFFSET, IsisPdu, Nlpid
from netbpf.proto.llc import Sap

PDU_TYPES: dict[Proto, tuple[IsisPdu, ...]] = {
    Proto.L1: (
        IsisPdu.L1_PSNP, IsisPdu.L1_CSNP, IsisPdu.L1_LSP, IsisPdu.L1_LAN_IIH, IsisPdu.PTP_IIH,
    ),
    Proto.L2: (
        IsisPdu.L2_PSNP, IsisPdu.L2_CSNP, IsisPdu.L2_LSP, IsisPdu.L2_LAN_IIH, IsisPdu.PTP_IIH,
    ),
    Proto.IIH: (IsisPdu.PTP_IIH, IsisPdu.L1_LAN_IIH, IsisPdu.L2_LAN_IIH),
    Proto.LSP: (IsisPdu.L1_LSP, IsisPdu.L2_LSP),
    Proto.SNP: (IsisPdu.L2_PSNP, IsisPdu.L1_PSNP, IsisPdu.L1_CSNP, IsisPdu.L2_CSNP),
    Proto.CSNP: (IsisPdu.L1_CSNP, IsisPdu.L2_CSNP),
    Proto.PSNP: (IsisPdu.L1_PSNP, IsisPdu.L2_PSNP),
}  # fmt: skip
"""The packets that each keyword stands for; point-to-point hellos are of both levels."""

NLPIDS = {Proto.CLNP: Nlpid.CLNP, Proto.ESIS: Nlpid.ESIS, Proto.ISIS: Nlpid.ISIS}


def iso_protocol_is(layers: Layers, number: int, span: Span) -> Test:
    """Return the test for an OSI packet whose first byte is `number`."""
    check_most(layers, "ISO protocol", number, 0xFF, span)
    return every(
        layers.builder,
        link_protocol_is(layers, Sap.ISO, span),
        field_is(layers, layers.osi, 0, 1, number),
    )


def isis_pdu_is(layers: Layers, kinds: tuple[int, ...], span: Span) -> Test:
    """Return the test for an IS-IS packet of one of these PDU types."""
    for kind in kinds:
        check_most(layers, "IS-IS PDU type", kind, ISIS_PDU_MASK, span)
    # The whole byte is compared, its three reserved bits too, as by libpcap 1.10.
    tests = (field_is(layers, layers.osi, ISIS_PDU_OFFSET, 1, kind) for kind in kinds)
    return every(
        layers.builder, iso_protocol_is(layers, Nlpid.ISIS, span), some(layers.builder, *tests)
    )
