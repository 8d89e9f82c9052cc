"""Pipelines and hooks that hold a recipe's data and models against its gates on every change."""
