"""Predictions held against the truth: metrics, intervals, comparisons, and the file of them."""
