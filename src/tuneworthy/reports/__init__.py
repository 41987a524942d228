"""Terminal, HTML and JSON: render, compute nothing."""
