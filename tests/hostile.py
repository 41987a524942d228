"""Rows and names that are markup, for tests of pages."""

from toy import toy_rows

SCRIPT = "<script>alert(window.pwned=1)</script>"
IMAGE = '"><img src=x onerror="alert(window.pwned=1)">'
DRAWING = "<svg onload=window.pwned=1><a href='javascript:alert(1)'>x</a></svg>"
TEMPLATE = "${window.pwned=1} {{constructor.constructor('window.pwned=1')()}} </script>"
FRAME = (
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe><link rel=preload href=https://far.example/x>"
)
NAME = "run <img src=x onerror=alert(1)>"
EVIL = (SCRIPT, IMAGE, DRAWING, TEMPLATE, FRAME)


def hostile_rows() -> list[dict[str, str]]:
    """Toy rows whose texts, labels and column names are markup."""
    labels = {"refund": "<svg onload=alert(1)>", "delivery": IMAGE, "account": SCRIPT}
    rows = []
    for number, row in enumerate(toy_rows(36)):
        text = f"{row['text']} {EVIL[number % len(EVIL)]}"
        rows.append({f"text{IMAGE}": text, f"label{SCRIPT}": labels[row["label"]]})
    rows.append({**rows[0], f"label{SCRIPT}": IMAGE})
    return rows
