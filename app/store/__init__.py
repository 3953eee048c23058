"""The store: one contract (``contract``), two engines (``sqlite``, ``mongo``)."""
