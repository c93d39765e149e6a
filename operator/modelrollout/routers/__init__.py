"""Routers, one module each: each renders a route into objects and parses what a data plane says."""
