"""Studies of models on a version: folds, learning curves, importances, calibration, intervals."""
