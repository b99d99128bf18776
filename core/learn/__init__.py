"""Small worlds for teaching: each idea of the method on numbers that one can follow by hand."""
