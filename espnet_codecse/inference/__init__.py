"""The contract of every enhancer, and what all of them share: batches, segments, data sets."""
