import logging

import pytest


@pytest.fixture
def logging_as_it_was():
    loggers = [logging.getLogger(name) for name in (None, "kopf", "aiohttp.access")]
    levels = [logger.level for logger in loggers]
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
