"""A cluster in memory with a virtual clock, on which the real loop runs: for ``explain``, and for tests that break things."""
