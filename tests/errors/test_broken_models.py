"""What ondol says to broken models: PyTorch's type and words, where in the model it was, and the facts that help."""

import broken_models
import pytest

import ondol


@pytest.mark.parametrize("model", broken_models.BROKEN_MODELS, ids=lambda model: model.title)
def test_the_message_says_where_in_the_model_and_what_is_wrong(model):
    with pytest.raises(model.error) as caught:
        exec(compile(model.code, "<broken model>", "exec"), {"torch": ondol})
    words = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    missing = [fact for fact in (model.where, *model.facts) if fact not in words]
    assert not missing, words


def test_arguments_by_name_are_shown_too():
    with pytest.raises(RuntimeError) as caught:
        ondol.nn.Linear(3, 2)(input=ondol.zeros(4, 5))
    assert "called with input=float32 [4, 5]" in "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


@pytest.mark.parametrize(("make", "path"), [(list, "layers[1]"), (lambda v: dict(enumerate(v)), "layers[1]")])
def test_a_layer_in_an_ordinary_list_or_dictionary_is_found_too(make, path):
    class Net(ondol.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = make([ondol.nn.Linear(3, 8), ondol.nn.Linear(4, 2)])

        def forward(self, x):
            return self.layers[1](self.layers[0](x))

    with pytest.raises(RuntimeError) as caught:
        ondol.nn.Sequential(Net())(ondol.zeros(4, 3))
    words = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert f"in 0.{path}: Linear(in_features=4, out_features=2, bias=True)" in words
