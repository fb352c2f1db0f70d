"""How vmap computes with batches: tensors that hide a batch dimension, and a rule for every operation.

`level` and `batched` hold what a batched tensor is, `call` takes a call apart by the operation's schema, `rules` and the
modules beside it say how families of operations act on batches, `fallback` computes example by example.
"""
