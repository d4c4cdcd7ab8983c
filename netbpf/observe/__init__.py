"""What is seen of packets from user space: capture files and counters."""
