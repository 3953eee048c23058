"""The order of the steps by which what arrives becomes records, links and resources."""
