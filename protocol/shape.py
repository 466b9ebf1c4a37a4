"""Values checked against typed structs: a FormatError names the path of what is wrong.

msgspec does the checking. Its words are those of its types, and its paths begin with "$"; people
who wrote a jobspec or an R get "jobspec: tasks[0].command: expected a list, got int" instead.
"""

import re
from typing import Any, Final, TypeVar

import msgspec

from protocol.errors import FormatError

T = TypeVar("T")

_WHERE: Final = re.compile(
    r"^(?P<what>.*?)(?: - at (?P<key>`key` in )?`\$\.?(?P<path>.*)`)?$", re.DOTALL
)
_FIELD: Final = re.compile(r"^Object (missing required|contains unknown) field `(.*)`$", re.DOTALL)
_WORDS: Final = {
    "`array`": "a list",
    "`object`": "an object",
    "`str`": "a string",
    "`int`": "an integer",
    "`bool`": "true or false",
    "`float | str`": "a number or a duration string",
    "`str | null`": "a string or null",
}


def convert(value: Any, type_: type[T], name: str) -> T:  # noqa: ANN401 (anything may be offered)
    """Check a decoded value against a type; `name` is what people call the value.

    Raises:
        FormatError: the value does not have that shape; the text says where and why.
    """
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        raise FormatError(explain(str(error), name)) from None
    except RecursionError:
        raise FormatError(f"{name}: nested too deeply") from None
    except UnicodeEncodeError:
        raise FormatError(f"{name}: a key is not UTF-8") from None


def decode(data: bytes, decoder: "msgspec.json.Decoder[T]", name: str) -> T:
    """Decode JSON into the decoder's type in one pass.

    Raises:
        FormatError: not JSON, or not of that shape.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise FormatError(explain(str(error), name)) from None
    except msgspec.DecodeError as error:
        raise FormatError(f"{name}: invalid JSON: {error}") from None
    except UnicodeDecodeError:
        raise FormatError(f"{name}: invalid JSON: not UTF-8") from None
    except RecursionError:
        raise FormatError(f"{name}: nested too deeply") from None


def explain(text: str, name: str) -> str:
    """Say a msgspec validation error in the words of the value's format."""
    match = _WHERE.match(text)
    what, path = (match["what"], match["path"] or "") if match else (text, "")
    if field := _FIELD.match(what):
        verb = "missing" if field[1] == "missing required" else "unknown key"
        return f"{name}: {verb} {path}{'.' if path else ''}{field[2]}"
    expected, got, given = what.partition(", got ")
    for word, plain in _WORDS.items():
        expected = expected.replace(word, plain)
    what = f"{expected}{got}{given}".replace("`", "")
    at = "a key of " if match and match["key"] else ""
    where = f"{at}{path or name}: " if path or at else ""
    return f"{name}: {where}{what[:1].lower()}{what[1:]}"
