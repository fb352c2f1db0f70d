"""ondol: PyTorch's programming model on a small native floor."""
