"""`check --confirm`: runs what the findings are about, and says of each whether torch bears it out.

Nothing here imports torch: programs run in other processes, and what they showed is judged here.
"""
