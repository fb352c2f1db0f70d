"""How vmap computes with batches: tensors that hide a batch dimension, and a rule for every operation.

`level` and `batched` hold what a batched tensor is, `call` takes a call apart by the operation's schema, the modules
`rules_...` say how families of operations act on batches, `fallback` computes example by example.
"""
