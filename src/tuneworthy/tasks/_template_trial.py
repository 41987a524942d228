"""Renders a template once, in a process of its own that may take little time and memory.

A script: it takes a template and what to render it with as JSON from its standard input. That a template
fails is for whoever uses it to say; whether it ends is said here.
"""

import json
import sys

SECONDS = 2  # of processor time
MEMORY = 1 << 30  # bytes
LONGEST = 10_000_000  # characters, of a text of some thousand
TOO_MUCH = 3  # exit code


def main() -> int:
    """0 unless the template asks for too much; the limit on time ends the process by a signal."""
    asked = json.load(sys.stdin)
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError, OSError):
        pass  # elsewhere the caller's clock alone ends it
    try:
        compiled = ImmutableSandboxedEnvironment().from_string(asked["template"])
        for variables in asked["variables"]:
            written = 0
            for part in compiled.generate(**variables):
                written += len(part)
                if written > LONGEST:
                    return TOO_MUCH
    except MemoryError:
        return TOO_MUCH
    except Exception:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
