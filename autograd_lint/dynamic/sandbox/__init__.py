"""The walls around a program that is run on trial, and the guard rails in front of them.

A wall is kept by the kernel and holds whatever the program does. A guard rail is kept inside the interpreter: it stops
the honest and tells why. Needs the standard library alone.
"""
