"""Strategies, one module each: each compiles its config to a list of stages."""
