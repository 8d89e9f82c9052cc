"""Where models fail: slices, residuals, confusions, worst rows, suspected labels."""
