"""Suggestions for other programs to look at; the programs' own libraries are not needed to write them."""
