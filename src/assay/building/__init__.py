"""The way of the rows: from a recipe and its source to a version."""
