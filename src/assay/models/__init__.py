"""Models: public functions that learn from the train split and predict the rows they are given."""
