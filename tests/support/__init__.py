"""What several test suites share: packets, namespaces, oracles."""
