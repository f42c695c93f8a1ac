"""Checks: can what the methods find be trusted, does it name what the network uses, and does it move?

A check is a folder: what it computes, its tables and their figures.
"""
