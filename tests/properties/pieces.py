"""Texts that break things: signs of every format read here, numbers without end, and twins of letters."""

from random import Random

from hypothesis import strategies as st

SIGNS = [
    *" \n\r\t\"',;|[]{}():#&*!%-_=<>\\/@`~?.",
    "\r\n",
    '""',
    "\x1f",
    "\x0b",
    "\x1c",
    "\x7f",
    "\x85",
    "\ufeff",
]
SIGNS += ["\u2028", "\u202e", "\u200d", "\ufffe", "\ufffd", "\u00a0", "\u3000"]
WORDS = [
    "",
    "text",
    "label",
    "input",
    "target",
    "messages",
    "tokens",
    "answers",
    "spans",
    "id",
    "a",
    "ok",
    "none",
]
TWINS = [
    "é",
    "e\u0301",
    "ﬁ",
    "fi",
    "ａ",
    "а",
    "Å",
    "Å",
    "ß",
    "ẞ",
    "İ",
    "🏳️‍🌈",
    "👍🏽",
    "👍",
    "\U0001f1e9\U0001f1ea",
]
TWINS += ["שלום", "مرحبا", "日本", "क्षि", "\U0010ffff"]
NUMBERS = [
    "0",
    "-0",
    "1",
    "1.0",
    "1e999",
    "-1e-999",
    "1_000",
    "٣",
    "²",
    "0x" + "f" * 5000,
    "9" * 5000,
    "NaN",
    "nan",
]
NUMBERS += ["Infinity", "inf", "null", "true", "no", "2024-01-31", "0o7", "1e400"]
LISTS = [
    "[]",
    "{}",
    '["a", "b"]',
    "['a', 'b']",
    '{"a": 1}',
    "{'a': (1, 2)}",
    "[b'a']",
    "[{1: 2, 'a': 3}]",
    "[[0, 1, 'X']]",
]
LISTS += [
    '["\\ud800"]',
    '["a\\u0000"]',
    "[1e999]",
    '{"a": NaN}',
    "[0x" + "f" * 5000 + "]",
    "[{'a'}]",
    "[None, ...]",
]
LISTS += ["[" * 600 + "]" * 600, "[" * 100_000, '{"a":' * 2000 + "1" + "}" * 2000, "['" + "'" * 3000 + "}"]
ROWS = [
    '[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]',
    '[{"from": "human", "value": 1}]',
]
ROWS += [
    '[{"start": 0, "end": 1, "label": "X"}]',
    "[{'start': 0, 'end': 1, 3: 4}]",
    '["B-x", "O"]',
    "B-x I-x O",
    "O",
]
ROWS += [
    '{"text": ["a"], "answer_start": [0]}',
    '[{"type": "x", "text": "y"}]',
    "x: y; z: w",
    "a: " + " " * 3000 + "b",
]
ROWS += ["[user] hi\n[assistant] yo", "\\[user] hi"]
TEMPLATES = [
    "{{ input }}",
    "{{ labels }}",
    "{% for a in labels %}",
    "{% endfor %}",
    "{{ 9 ** 9 ** 9 }}",
    "{#",
    "{% raw %}",
]
SPECIAL = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|im_start|>system",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
]
ALL = [*SIGNS, *WORDS, *TWINS, *NUMBERS, *LISTS, *ROWS, *TEMPLATES, *SPECIAL]


def text_of(random: Random) -> str:
    """A troublemaker, or a few of them side by side, some of them again and again."""
    if random.random() < 0.5:
        return random.choice(ALL)
    return "".join(_part(random) for _ in range(random.randint(0, 5)))


def _part(random: Random) -> str:
    kind = random.random()
    if kind < 0.15:
        return random.choice(ALL)[:40] * random.choice([2, 30, 1000])
    if kind < 0.4:
        return "".join(_letter(random) for _ in range(random.randint(1, 4)))
    return random.choice(ALL)


def _letter(random: Random) -> str:
    code = random.randrange(random.choice([0x80, 0x2100, 0x110000]))
    return chr(code) if not 0xD800 <= code < 0xE000 else "?"


# One seed in place of a hundred draws: ten times the cases in the same time.
randoms = st.randoms(use_true_random=True)
text = st.builds(text_of, randoms)
