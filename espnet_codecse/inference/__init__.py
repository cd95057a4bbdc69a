"""The contract of all enhancers, and their shared parts: batches, segments, data sets."""
