"""Runs kept: what was asked, what came out, here and on a tracking server."""
