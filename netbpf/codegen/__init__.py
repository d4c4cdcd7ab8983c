"""From the IR to code: classic and extended BPF."""
