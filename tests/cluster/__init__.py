"""A real one-node Kubernetes for the tests, in namespaces of its own; see README.md."""
