"""Records as an editor, a bad disk or a stranger leaves them: hypothesis draws the damage to a sound one."""

import copy
import json

from hypothesis import strategies as st

from pacloop.datasets.errors import PacloopError

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "../../etc/passwd", "a\nb", "[x]", "$a_$", "\x00", "é" * 300, "nan"])
    | st.text(max_size=5)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
NESTED = "[" * 10_000


@st.composite
def damaged(draw, data):
    """Sound data, as JSON, with up to three of its values replaced, removed or joined by others."""
    data = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 3))):
        holder = data
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            key = draw(st.sampled_from(keys)) if keys else None
            inner = None if key is None else holder[key]
            if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
                break
            holder = inner
        action = draw(st.sampled_from(["replace", "remove", "add"]))
        if action == "add" and isinstance(holder, dict):
            holder[draw(st.text(max_size=5) | st.just("a\nb"))] = draw(VALUES)
        elif action == "remove" and key is not None:
            del holder[key]
        elif key is not None:
            holder[key] = draw(VALUES)
    return data


@st.composite
def damaged_bytes(draw, raw):
    """A sound file, cut off, overwritten at a place, or something else altogether."""
    place = draw(st.integers(0, len(raw)))
    junk = draw(st.binary(max_size=4) | st.just(NESTED.encode()))
    return draw(st.sampled_from([raw[:place], raw[:place] + junk + raw[place + len(junk) :], junk]))


def any_damage(sound):
    """The bytes of a file of JSON after some damage."""
    text = damaged(sound).map(lambda data: json.dumps(data).encode())
    return text | damaged_bytes(json.dumps(sound).encode())


def refusal(read, path):
    """The sentence with which a file is refused; "" where it is read. Fails for anything else."""
    try:
        read()
    except PacloopError as error:
        sentence = str(error)
        assert path.name in sentence, sentence
        assert "\n" not in sentence and len(sentence) < 1000, sentence
        return sentence
    return ""
