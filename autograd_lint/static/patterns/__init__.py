"""What no single operation shows: faults that only the course of a whole path tells."""
