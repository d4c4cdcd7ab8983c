"""The Linux kernel's doors: bpf(2), namespaces, capabilities. The only home of ctypes."""
