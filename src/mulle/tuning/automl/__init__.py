"""AutoML: a search over real pipelines for a dataset; the winner is written as code of the project."""
