"""What torch's own names do when they are called: tensors, modules, optimizers, custom Functions."""
