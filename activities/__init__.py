"""One module per kind of side effect: here policies, providers and storage are joined, and nowhere else."""
