"""Runs parts of a file that does not run by itself: what is missing is made up, what takes long is cut short.

Everything happens in the sandbox. Rows and columns stay those of the user's file, since only its syntax tree changes.
"""
