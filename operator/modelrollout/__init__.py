"""modelrollout: takes a machine-learning model from version N to N+1 without hurting the people who use it."""

__version__ = "0.1.0"
