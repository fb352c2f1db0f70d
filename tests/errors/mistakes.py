"""The mistakes that users make most, as programs that `import ondol as torch` and `import torch` both run.

`tools/error_table.py` prints what the two libraries say, for docs/errors.md; `test_messages.py` checks what ondol says.
"""

from __future__ import annotations

from typing import NamedTuple


class Mistake(NamedTuple):
    title: str
    code: str  # the last line fails
    error: type[Exception]
    facts: tuple[str, ...]  # what the message must hold: PyTorch's own words, the shapes, dtypes, names, the remedy


MISTAKES = (
    # Shapes
    Mistake(
        "Matrices that do not fit",
        "torch.ones(2, 3) @ torch.ones(4, 5)",
        RuntimeError,
        ("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)", "[2, 3] @ [4, 5]", "3 columns", "4 rows"),
    ),
    Mistake(
        "Shapes that do not broadcast",
        "torch.ones(3, 4) + torch.ones(3, 5)",
        RuntimeError,
        (
            "The size of tensor a (4) must match the size of tensor b (5) at non-singleton dimension 1",
            "[3, 4]",
            "[3, 5]",
        ),
    ),
    Mistake(
        "Concatenating different sizes",
        "torch.cat([torch.ones(2, 3), torch.ones(2, 4)])",
        RuntimeError,
        ("Sizes of tensors must match except in dimension 0", "[2, 3]", "[2, 4]", "dim=1"),
    ),
    Mistake(
        "Stacking different shapes",
        "torch.stack([torch.ones(2), torch.ones(3)])",
        RuntimeError,
        ("stack expects each tensor to be equal size, but got [2] at entry 0 and [3] at entry 1", "pad"),
    ),
    Mistake(
        "A view of another number of elements",
        "torch.ones(2, 3).view(4, 2)",
        RuntimeError,
        ("shape '[4, 2]' is invalid for input of size 6", "[2, 3]", "8"),
    ),
    Mistake(
        "A view of a transposed tensor",
        "torch.ones(2, 3).t().view(6)",
        RuntimeError,
        ("view size is not compatible with input tensor's size and stride", ".reshape(...)", "[3, 2]"),
    ),
    Mistake(
        "Expanding a dimension that is not 1",
        "torch.ones(3).expand(4)",
        RuntimeError,
        ("The expanded size of the tensor (4) must match the existing size (3) at non-singleton dimension 0", "size 1"),
    ),
    Mistake(
        "A dimension that is not there",
        "torch.ones(2, 3).sum(dim=2)",
        IndexError,
        ("Dimension out of range (expected to be in range of [-2, 1], but got 2)", "2 dimensions"),
    ),
    Mistake(
        "Transposing more than two dimensions with t()",
        "torch.ones(2, 3, 4).t()",
        RuntimeError,
        ("t() expects a tensor with <= 2 dimensions, but self is 3D", "transpose", "mT"),
    ),
    Mistake(
        "Squashing several elements into one number",
        "torch.ones(3).item()",
        RuntimeError,
        ("a Tensor with 3 elements cannot be converted to Scalar", "[3]", "tolist()"),
    ),
    Mistake(
        "A condition on several elements",
        "x = torch.ones(3)\nif x > 0: pass",
        RuntimeError,
        ("Boolean value of Tensor with more than one value is ambiguous", "[3]", ".any()", ".all()"),
    ),
    Mistake(
        "einsum with a wrong number of subscripts",
        "torch.einsum('ij,jk->ik', torch.ones(2, 3), torch.ones(3))",
        RuntimeError,
        ("einsum()", "the number of subscripts in the equation (2)", "dimensions (1)", "operand 1", "'jk'", "[3]"),
    ),
    Mistake(
        "einsum with sizes that disagree",
        "torch.einsum('ij,jk->ik', torch.ones(2, 3), torch.ones(4, 5))",
        RuntimeError,
        ("einsum(): subscript j has size 4 for operand 1", "previously seen size 3", "[2, 3], [4, 5]"),
    ),
    # Indices
    Mistake(
        "An index out of range",
        "torch.ones(3)[5]",
        IndexError,
        ("index 5 is out of bounds for dimension 0 with size 3", "-3", "2"),
    ),
    Mistake(
        "Too many indices",
        "torch.ones(3)[0, 0]",
        IndexError,
        ("too many indices for tensor of dimension 1", "2", "[3]"),
    ),
    Mistake(
        "Floating-point indices",
        "torch.ones(3)[torch.tensor([0.0, 1.0])]",
        IndexError,
        ("tensors used as indices must be long, int, byte or bool tensors", "Float", ".long()"),
    ),
    Mistake(
        "A mask of another shape",
        "torch.ones(3)[torch.tensor([True, False])]",
        IndexError,
        (
            "The shape of the mask [2] at index 0 does not match the shape of the indexed tensor [3] at index 0",
            "each element",
        ),
    ),
    Mistake(
        "A gather index out of range",
        "torch.ones(2, 3).gather(1, torch.tensor([[3]]))",
        RuntimeError,
        ("index 3 is out of bounds for dimension 1 with size 3", "gather", "0 to 2"),
    ),
    Mistake(
        "A token that the embedding does not have",
        "torch.nn.Embedding(10, 4)(torch.tensor([3, 10]))",
        IndexError,
        ("index out of range in self", "10", "embedding", "num_embeddings"),
    ),
    Mistake(
        "Token ids that are not integers",
        "torch.nn.Embedding(10, 4)(torch.ones(3))",
        RuntimeError,
        ("to have one of the following scalar types: Long, Int", "Float", "embedding", ".long()"),
    ),
    # Dtypes
    Mistake(
        "Multiplying matrices of different dtypes",
        "torch.ones(2, 3) @ torch.ones(3, 4, dtype=torch.float64)",
        RuntimeError,
        ("expected m1 and m2 to have the same dtype, but got: float32 != float64", ".to(torch.float32)"),
    ),
    Mistake(
        "Integers fed to a layer",
        "torch.nn.Linear(3, 2)(torch.ones(4, 3, dtype=torch.int64))",
        RuntimeError,
        ("mat1 and mat2 must have the same dtype, but got Long and Float", "Linear", ".float()"),
    ),
    Mistake(
        "Adding floats into integers",
        "x = torch.ones(3, dtype=torch.int64)\nx += 0.5",
        RuntimeError,
        ("result type Float can't be cast to the desired output type Long", "in-place", "x = x + y"),
    ),
    Mistake(
        "The mean of integers",
        "torch.arange(4).mean()",
        RuntimeError,
        ("mean(): could not infer output dtype", "Long", ".float()"),
    ),
    Mistake(
        "Gradients of integers",
        "torch.ones(3, dtype=torch.int64).requires_grad_()",
        RuntimeError,
        ("only Tensors of floating point", "require gradients", "int64"),
    ),
    Mistake(
        "Ragged lists",
        "torch.tensor([[1, 2], [3]])",
        ValueError,
        ("expected sequence of length 2 at dim 1 (got 1)", "one length", "pad"),
    ),
    # Losses and layers
    Mistake(
        "A class that is not there",
        "torch.nn.functional.cross_entropy(torch.ones(2, 3), torch.tensor([0, 3]))",
        IndexError,
        ("Target 3 is out of bounds", "3 classes", "0 to 2", "cross_entropy"),
    ),
    Mistake(
        "Classes as floating-point numbers",
        "torch.nn.functional.cross_entropy(torch.ones(2, 3), torch.ones(2))",
        RuntimeError,
        ("expected target dtype to be Long or Byte, but got Float", "cross_entropy", ".long()"),
    ),
    Mistake(
        "Another number of targets than of samples",
        "torch.nn.functional.cross_entropy(torch.ones(4, 3), torch.tensor([0, 1]))",
        ValueError,
        ("Expected input batch_size (4) to match target batch_size (2)", "[4, 3]", "[2]"),
    ),
    Mistake(
        "Probabilities outside of 0 and 1",
        "torch.nn.functional.binary_cross_entropy(torch.tensor([1.5]), torch.tensor([1.0]))",
        RuntimeError,
        ("all elements of input should be between 0 and 1", "1.5", "binary_cross_entropy_with_logits"),
    ),
    Mistake(
        "Wrong number of features",
        "torch.nn.Linear(3, 2)(torch.ones(4, 5))",
        RuntimeError,
        ("mat1 and mat2 shapes cannot be multiplied (4x5 and 3x2)", "5 features", "takes 3", "Linear"),
    ),
    Mistake(
        "Wrong number of channels",
        "torch.nn.Conv2d(3, 8, 3)(torch.ones(1, 1, 28, 28))",
        RuntimeError,
        (
            "Given groups=1, weight of size [8, 3, 3, 3], expected input[1, 1, 28, 28] to have 3 channels, "
            "but got 1 channels instead",
        ),
    ),
    Mistake(
        "A kernel larger than the image",
        "torch.nn.Conv2d(1, 1, 5)(torch.ones(1, 1, 3, 3))",
        RuntimeError,
        ("Calculated padded input size per channel: (3 x 3). Kernel size: (5 x 5)", "padding"),
    ),
    Mistake(
        "Batch normalization of a single value",
        "torch.nn.BatchNorm1d(3)(torch.ones(1, 3))",
        ValueError,
        ("Expected more than 1 value per channel when training, got input size", "[1, 3]", "eval()"),
    ),
    Mistake(
        "super().__init__() forgotten",
        "class Net(torch.nn.Module):\n    def __init__(self):\n        self.layer = torch.nn.Linear(2, 2)\nNet()",
        AttributeError,
        ("cannot assign module before Module.__init__() call", "super().__init__()", "Net"),
    ),
    Mistake(
        "Weights of another model",
        "torch.nn.Linear(3, 2).load_state_dict({'weight': torch.ones(2, 4), 'scale': torch.ones(2)})",
        RuntimeError,
        (
            "Error(s) in loading state_dict for Linear",
            "size mismatch for weight",
            "[2, 4]",
            "[2, 3]",
            'Missing key(s) in state_dict: "bias"',
            'Unexpected key(s) in state_dict: "scale"',
        ),
    ),
    # Autograd
    Mistake(
        "backward() of many elements",
        "torch.ones(3, requires_grad=True).mul(2).backward()",
        RuntimeError,
        ("grad can be implicitly created only for scalar outputs", "[3]", ".sum()"),
    ),
    Mistake(
        "backward() without a graph",
        "torch.ones(3).sum().backward()",
        RuntimeError,
        ("element 0 of tensors does not require grad and does not have a grad_fn", "requires_grad", "no_grad"),
    ),
    Mistake(
        "A second backward()",
        "y = torch.ones(3, requires_grad=True).exp().sum()\ny.backward()\ny.backward()",
        RuntimeError,
        ("Trying to backward through the graph a second time", "retain_graph=True", "compute the loss again"),
    ),
    Mistake(
        "Changing a leaf in place",
        "w = torch.ones(3, requires_grad=True)\nw += 1",
        RuntimeError,
        ("a leaf Variable that requires grad is being used in an in-place operation", "no_grad"),
    ),
    Mistake(
        "Changing what backward needs",
        "x = torch.ones(3, requires_grad=True)\ny = x.exp()\ny += 1\ny.sum().backward()",
        RuntimeError,
        (
            "one of the variables needed for gradient computation has been modified by an inplace operation",
            "output 0 of Exp, is at version 1; expected version 0",
            "y = y + 1",
        ),
    ),
    Mistake(
        "numpy() of a tensor with gradients",
        "torch.ones(3, requires_grad=True).numpy()",
        RuntimeError,
        ("Can't call numpy() on Tensor that requires grad", "detach().numpy()", "gradients"),
    ),
    Mistake(
        "An optimizer without parameters",
        "torch.optim.SGD([], lr=0.1)",
        ValueError,
        ("optimizer got an empty parameter list", "SGD", "parameters()"),
    ),
    Mistake(
        "Optimizing what is no leaf",
        "torch.optim.SGD([torch.ones(3, requires_grad=True) * 2], lr=0.1)",
        ValueError,
        ("can't optimize a non-leaf Tensor", "MulBackward0", "detach()"),
    ),
    # Devices
    Mistake(
        "A device that is not there",
        "torch.ones(3).to('cuda')",
        AssertionError,
        ("Torch not compiled with CUDA enabled", "CPU", "cuda.is_available()"),
    ),
    Mistake(
        "A misspelt argument",
        "torch.ones(3).sum(axes=0)",
        TypeError,
        ("sum()", "axes", "dim"),
    ),
)
