"""Which rows are alike: shingles, MinHash, candidate pairs, clusters."""
