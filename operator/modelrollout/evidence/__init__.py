"""Sequential tests: evidence that may be looked at as often as one likes. Pure arithmetic on counts; no spec, no clock."""
