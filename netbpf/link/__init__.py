"""Attach points, one per file: xdp, tc, tcx, socket_filter. A link detaches when it is closed."""
