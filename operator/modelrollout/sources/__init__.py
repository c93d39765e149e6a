"""Sources, one module each: each says what to fetch and parses the answer into counters or a gauge."""
