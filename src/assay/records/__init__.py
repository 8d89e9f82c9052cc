"""Runs as they are recorded: begun, ended, and told from those that were killed."""
