"""The collector: a small process beside each router that compares answers to copied requests, and measures what all ask.

Requests and answers come from the router, joined by the request's id, and become counters at once: what a client asked and
what a model said is kept nowhere, except ten short examples if the spec asks for them. All of it but ``server.py``,
``config.py`` and ``__main__.py`` is pure, so that simulated routers collect with the same code.
"""
