"""For data scientists: the release, a model honestly evaluated, and its predictions."""
