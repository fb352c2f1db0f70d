"""The parts of the DataLoader: batches from samples, samples from datasets, and worker processes."""
