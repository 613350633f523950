"""Shapes and strides, as far as they decide what autograd does."""
