"""Names that are native in PyTorch refuse what is no tensor by TypeError, also where ondol composes them in Python."""

import pytest

import ondol


@pytest.mark.parametrize("name", ["pairwise_distance", "cosine_similarity", "channel_shuffle", "pixel_shuffle"])
def test_no_tensors_are_refused_by_a_type_error(name):
    with pytest.raises(TypeError, match=f"{name}.*Tensor"):
        getattr(ondol, name)(1j, -1)
