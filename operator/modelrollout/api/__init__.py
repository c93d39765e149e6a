"""The API: the spec composed from the plugins, its checks, and the CRD and reference generated from it."""
