"""What ondol says to the mistakes that users make most: PyTorch's type and words, and the facts that help."""

import mistakes
import pytest

import ondol


@pytest.mark.parametrize("mistake", mistakes.MISTAKES, ids=lambda mistake: mistake.title)
def test_the_message_names_what_is_wrong_and_what_to_do(mistake):
    with pytest.raises(mistake.error) as caught:
        exec(compile(mistake.code, "<mistake>", "exec"), {"torch": ondol})
    words = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    missing = [fact for fact in mistake.facts if fact not in words]
    assert not missing, words
