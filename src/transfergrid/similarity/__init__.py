"""How alike networks are: their activations and their predictions; numpy and scipy alone."""
