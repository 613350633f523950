"""From a file's text to the small typed form that is executed: parsing, lowering, positions."""
