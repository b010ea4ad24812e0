"""From checkpoints to scores, ensembles, AUROC and its uncertainty."""
