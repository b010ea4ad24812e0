"""What training needs of a kind of task: its targets and its loss, in torch."""
