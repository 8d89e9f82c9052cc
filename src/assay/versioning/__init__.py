"""Versions kept: compared, restored, named, thinned out, and traced to what they came from."""
