"""Rows and names that are markup, for tests of pages."""

from toy import toy_rows

SCRIPT = "<script>alert(window.pwned=1)</script>"
IMAGE = '"><img src=x onerror="alert(window.pwned=1)">'
DRAWING = "<svg onload=window.pwned=1><a href='javascript:alert(1)'>x</a></svg>"
TEMPLATE = "${window.pwned=1} {{constructor.constructor('window.pwned=1')()}} </script>"
FRAME = (
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe><link rel=preload href=https://far.example/x>"
)
STYLE = (
    "</style><style>@import url(https://far.example/a.css);*{background:url(https://far.example/b)}</style>"
)
HANDLER = "' autofocus onfocus=window.pwned=1 style=background:url(//far.example/c) x='"
OUT = "--></title></textarea></pre></code></noscript><script src=//far.example/d.js></script><!--"
MOVED = (
    "<base href=//far.example/><meta http-equiv=refresh content='0;url=//far.example/e'>"
    "<form action=//far.example>"
)
MOVING = (
    "<svg><animate onbegin=window.pwned=1 attributeName=x dur=1s /><use href=//far.example/f.svg#x /></svg>"
)
OBJECT = (
    "<object data=//far.example/g></object><embed src=//far.example/h>"
    "<video src=//far.example/i onerror=window.pwned=1>"
)
MARKDOWN = (
    "![x](https://far.example/j.png) [y](javascript:window.pwned=1) <https://far.example/k> "
    "https://far.example/l"
)
FENCE = (
    "```\n\n[z]: https://far.example/m\n\n# [z]\n<img src=//far.example/n onerror=window.pwned=1>\n\n~~~ `"
)
JINJA = "{{ 7*7 }}{% for x in ().__class__.__mro__ %}{{ x }}{% endfor %}<%= 7*7 %>#{7*7}"
BLIND = "\u202e\u2028\x0b<im\u200bg src=x> &lt;script&gt;alert(1)&lt;/script&gt; \\x3cscript\\x3e"
NAME = "run <img src=x onerror=alert(1)>"
EVIL = (SCRIPT, IMAGE, DRAWING, TEMPLATE, FRAME)
CORPUS = (
    *EVIL,
    STYLE,
    HANDLER,
    OUT,
    MOVED,
    MOVING,
    OBJECT,
    MARKDOWN,
    FENCE,
    JINJA,
    BLIND,
)


def hostile_rows() -> list[dict[str, str]]:
    """Toy rows whose texts, labels and column names are markup."""
    labels = {"refund": "<svg onload=alert(1)>", "delivery": IMAGE, "account": SCRIPT}
    rows = []
    for number, row in enumerate(toy_rows(36)):
        text = f"{row['text']} {EVIL[number % len(EVIL)]}"
        rows.append({f"text{IMAGE}": text, f"label{SCRIPT}": labels[row["label"]]})
    rows.append({**rows[0], f"label{SCRIPT}": IMAGE})
    return rows


def poisoned_rows() -> list[dict[str, str]]:
    """Rows of which every label is one of the corpus, as are parts of every text and both columns' names."""
    rows = []
    for number, row in enumerate(toy_rows(4 * len(CORPUS))):
        kind = number % len(CORPUS)
        text = f"word{kind} {row['text']} {CORPUS[(number // 3) % len(CORPUS)]}"
        rows.append({f"text {MARKDOWN} {STYLE}": text, f"label {FENCE} {OUT}": f"l{kind} {CORPUS[kind]}"})
    return rows
