"""What scoring needs of a kind of task: from stored outputs to cases, in numpy."""
