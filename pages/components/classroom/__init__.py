"""Class: reader studies and case conferences."""
