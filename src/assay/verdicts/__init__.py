"""The verdicts of gates as others read them: terminals, test reports, code hosts, pull requests."""
