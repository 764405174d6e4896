"""Scenes of the drawings, composed by code, whose truth is known: what is where, in which colour, on what, and what is said about it.

A package beside the recipe's scripts: training, the judge, measuring and tools/mixbench all take their scenes from it.
"""
