"""The abstract autograd machine: values, memory, version counters, the graph, backward passes."""
