"""SQL as trees: trees in, trees or facts out."""
