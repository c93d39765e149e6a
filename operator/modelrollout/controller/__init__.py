"""The process: watches wake keys, workers reconcile them, slow readings are taken beside the loop."""
