"""Judges, one module each: each turns readings into a verdict."""
