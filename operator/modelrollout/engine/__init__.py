"""The pure core: what was seen goes in, a Plan comes out. No I/O, no clock, no logging, no randomness."""
