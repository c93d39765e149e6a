"""Builders of Kubernetes objects: plain dicts that hold only the fields that we own. Values in, values out."""
