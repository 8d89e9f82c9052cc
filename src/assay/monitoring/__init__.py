"""New data held against a version: what has drifted, since when, and how well models still do."""
