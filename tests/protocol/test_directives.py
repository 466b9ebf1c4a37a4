"""RFC 36: directives, and what is none."""

import pytest

from protocol.directives import Directive, parse
from protocol.errors import FormatError


def words(script: str) -> list[str]:
    """The words of all directives."""
    return [word for directive in parse(script) for word in directive.words]


@pytest.mark.parametrize("prefix", ["# flux:", "#FLUX:", "-- flux: ", "// FLUX:", "#flux:"])
def test_a_directive_begins_with_a_prefix_and_its_tag(prefix: str) -> None:
    """Whatever is a comment in the script's language."""
    assert parse(f"#!/x\n{prefix}-N4 --time-limit=1h # why\n") == [
        Directive(2, ["-N4", "--time-limit=1h"])
    ]


def test_quotes_are_those_of_a_shell() -> None:
    """Comments and empty directives are nothing."""
    script = "#flux: --job-name=\"my job\" --x='a b'\n#flux:\n#flux: # -n1\n#flux: -n2\n"
    assert words(script) == ["--job-name=my job", "--x=a b", "-n2"]


def test_triple_quotes_hold_lines() -> None:
    """On one line, or several with their common indent taken off."""
    one = '# flux: --setattr=user.x="""it\'s "so" """\n'
    assert words(one) == ['--setattr=user.x=it\'s "so" ']
    several = "#flux: --setattr=user.x='''\n#flux: {\n#flux:   \"a\"\n#flux: }'''\n#flux: -n1\n"
    assert words(several) == ['--setattr=user.x={\n  "a"\n}', "-n1"]


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("#flux: nope\n", "line 1: Unknown directive: nope"),
        ("#flux: -n1\n\n# a comment\necho\n#flux: -n2\n", "line 5: orphan 'flux:' detected"),
        ("#flux: -n1\n# flux: -n2\n", "line 2: sentinel changed from '#flux:' to '# flux:'"),
        ("#flux: --x='a\n", "line 1: --x='a: No closing quotation"),
        ('#flux: --x="""a\n', "line 1: unclosed triple quote"),
        ('#flux: --x="""\n#flux: b\n', "line 1: unterminated multi-line quote"),
    ],
)
def test_a_wrong_directive_is_named_by_its_line(script: str, text: str) -> None:
    """With what is wrong about it."""
    with pytest.raises(FormatError) as caught:
        parse(script)
    assert str(caught.value).startswith(text)


def test_a_script_without_directives_has_none() -> None:
    """Nor has one whose words only look like it."""
    assert parse("#!/bin/sh\necho flux: x\nflux submit\n") == []
