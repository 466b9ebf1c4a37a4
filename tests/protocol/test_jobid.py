"""FLUIDs (RFC 19): spellings, and ids that never come twice."""

from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import jobid
from protocol.errors import FormatError
from protocol.jobid import Generator, Spelling, encode, parse, timestamp

IDS = st.integers(0, jobid.MAX)

F58 = [
    (0, "ƒ1"),
    (1, "ƒ2"),
    (57, "ƒz"),
    (1234, "ƒNH"),
    (1888, "ƒZZ"),
    (3363, "ƒzz"),
    (3364, "ƒ211"),
    (4369, "ƒ2JL"),
    (65535, "ƒLUv"),
    (4294967295, "ƒ7YXq9G"),
    (633528662, "ƒxyzzy"),
    (6731191091817518, "ƒuZZybuNNy"),
    (18446744073709551614, "ƒjpXCZedGfVP"),
    (18446744073709551615, "ƒjpXCZedGfVQ"),
]


WORDS = [
    (0, "academy-academy-academy--academy-academy-academy"),
    (1, "acrobat-academy-academy--academy-academy-academy"),
    (65535, "nevada-archive-academy--academy-academy-academy"),
    (6787342413402046, "cake-plume-nepal--neuron-pencil-academy"),
]
EMOJI = [
    (0, "😃"),
    (1, "😄"),
    (1234, "😁👌"),
    (65535, "💁📚"),
    (12342435, "😠🙇📍"),
    (2034152287593, "😪🏭🐭🍑👨"),
    (21900760568561664, "🎆🍧🎆🐾🕓😃"),
    (18446743892750589633, "🚹💗🔥😜💟🎱💃"),
    (18446744073709551615, "🚹💗💧👗😷📷📚"),
]


class TestSpellings:
    """RFC 19: representation."""

    @pytest.mark.parametrize(("id", "text"), WORDS)
    def test_words(self, id: int, text: str) -> None:
        """mnemonicode's; they may be read out, without marks of where the halves are."""
        assert encode(id, "words") == text
        assert parse(f" {text}\n") == parse(text.upper().replace("--", "-")) == id

    @pytest.mark.parametrize(("id", "text"), EMOJI)
    def test_emoji(self, id: int, text: str) -> None:
        """Base 576, the first digit the highest."""
        assert encode(id, "emoji") == text
        assert parse(text) == id

    @pytest.mark.parametrize(
        "text",
        [
            "academy-academy-academy",
            "academy-academy-academy--academy-academy-academi",
            "academy-academy-academy--academy-academy-academy-academy",
            "academy-academy-academy--amen-amen-amen",
            "amen-amen-amen--academy-academy-academy",
            "😃ƒ1",
            "🎌🎌🎌🎌🎌🎌🎌",
            "🎌" * 8,
            "🫠",
        ],
    )
    def test_what_spells_no_id_is_refused(self, text: str) -> None:
        """Too few or too many digits, some that are none, more than 64 bits."""
        with pytest.raises(FormatError, match="invalid jobid"):
            parse(text)

    @given(IDS, st.sampled_from(get_args(Spelling)))
    def test_round_trip(self, id: int, spelling: Spelling) -> None:
        """An id is the same in every spelling."""
        assert parse(encode(id, spelling)) == id

    @pytest.mark.parametrize(("id", "text"), F58)
    def test_f58(self, id: int, text: str) -> None:
        """F58 is base 58 after ƒ, or after f where only ASCII can be shown."""
        assert encode(id, "f58") == text
        assert encode(id, "f58plain") == text.replace("ƒ", "f")
        assert parse(text) == parse(text.replace("ƒ", "f")) == id

    @pytest.mark.parametrize(
        ("spelling", "text"),
        [
            ("dec", "6731191091817518"),
            ("hex", "0x17e9fb8df16c2e"),
            ("dothex", "0017.e9fb.8df1.6c2e"),
            ("kvs", "job.0017.e9fb.8df1.6c2e"),
            ("f58", "ƒuZZybuNNy"),
            ("f58plain", "fuZZybuNNy"),
        ],
    )
    def test_the_rfc_s_example(self, spelling: Spelling, text: str) -> None:
        """The number the RFC explains its encodings with has these spellings."""
        assert encode(6731191091817518, spelling) == text

    @pytest.mark.parametrize(
        ("text", "id"),
        [
            ("f111", 0),
            ("0x4d2", 1234),
            ("0xFFFF", 65535),
            ("0xffffffffffffffff", jobid.MAX),
            ("0.0.0.0", 0),  # noqa: S104 - an id, no address
            ("0.0.0.0039", 57),
            ("a.b.c.d", 2814797012533261),
            ("1.2.3.4", 281483566841860),
            ("ffff.0000.0000.0000", 18446462598732840960),
            ("0000.ffff.0000.0000", 281470681743360),
            (" 0xffff   ", 65535),
            ("\tƒNH\n", 1234),
            ("job.1234", 1234),
            ("18446744073709551615", jobid.MAX),
        ],
    )
    def test_read(self, text: str, id: int) -> None:
        """Short groups, either case and white space around are read as Flux reads them."""
        assert parse(text) == id

    @pytest.mark.parametrize(
        "text",
        [
            *("", " ", "boo", "f", "ƒ", "-1", "+1", "1 2", "1_0", "0x", "0x1g", "0X1", "١٢"),
            *("0.0.0", "0.0.0.0.0", "0.0.0.g", "0.0.0.", ".0.0.0", "00000.0.0.0", "job."),
            *("f0", "fO", "fI", "fl", "flux", "f1230", "x1", "f1111111111111", "fjpXCZedGfVR"),
            *("fzzzzzzzzzzzz", "18446744073709551616", "0x10000000000000000", "9" * 10_000),
        ],
    )
    def test_refused(self, text: str) -> None:
        """What is no id, or too large for one, is refused by name."""
        with pytest.raises(FormatError, match="invalid jobid") as caught:
            parse(text)
        assert repr(text[:64]) in str(caught.value)

    @given(st.text())
    def test_arbitrary_text(self, text: str) -> None:
        """Arbitrary text is an id of 64 bits or a FormatError."""
        try:
            assert 0 <= parse(text) <= jobid.MAX
        except FormatError:
            return

    @pytest.mark.parametrize("id", [-1, 2**64])
    def test_numbers_that_are_no_ids(self, id: int) -> None:
        """Only 64 bits can be spelled."""
        with pytest.raises(FormatError, match="invalid jobid"):
            encode(id, "dec")


class TestGenerator:
    """RFC 19: timestamp, generator id and sequence."""

    @given(
        st.integers(0, 2**63),
        st.integers(0, 2**14 - 1),
        st.lists(st.integers(-5, 2**39), min_size=1),
    )
    def test_strictly_increasing(self, after: int, generator_id: int, clock: list[int]) -> None:
        """Whatever the clock does, every id is greater than all before and than `after`."""
        generator = Generator(after, generator_id)
        ids = [after, *(generator.next(ms) for ms in clock)]
        assert all(earlier < later for earlier, later in pairwise(ids))
        assert all(id >> 10 & 0x3FFF == generator_id for id in ids[1:])

    @given(st.integers(0, 2**63), st.integers(0, 2**39))
    def test_restart(self, last: int, ms: int) -> None:
        """A generator that starts after an id continues above it, at the clock's time if it can."""
        id = Generator(after=last).next(ms)
        assert id > last
        assert timestamp(id) == max(ms, timestamp(last) + 1)

    def test_layout(self) -> None:
        """The timestamp is in the upper 40 bits, then 14 bits of generator, 10 of sequence."""
        generator = Generator(generator_id=3)
        assert generator.next(5) == 5 << 24 | 3 << 10 | 0
        assert generator.next(5) == 5 << 24 | 3 << 10 | 1
        assert generator.next(6) == 6 << 24 | 3 << 10 | 0

    def test_sequence_exhausted(self) -> None:
        """After 1024 ids in a millisecond the timestamp moves on by itself."""
        generator = Generator()
        ids = [generator.next(7) for _ in range(1025)]
        assert [timestamp(id) for id in ids] == [7] * 1024 + [8]
        assert timestamp(generator.next(8)) == 8
        assert timestamp(generator.next(9)) == 9

    def test_first_id_is_not_zero(self) -> None:
        """Zero, which reads as "no job", is never given."""
        assert Generator().next(0) > 0

    def test_used_up(self) -> None:
        """After 34 years ids end, rather than begin again."""
        generator = Generator(after=(2**40 - 2) << 24)
        for _ in range(1024):
            generator.next(0)
        for ms in (0, 2**40):
            with pytest.raises(OverflowError, match="40 bits"):
                generator.next(ms)

    @pytest.mark.parametrize("generator_id", [-1, 2**14])
    def test_generator_id(self, generator_id: int) -> None:
        """A generator id has 14 bits."""
        with pytest.raises(ValueError, match="generator id"):
            Generator(generator_id=generator_id)
