"""What both halves stand on."""

import sys

# Where rich is installed, structlog would load it for tracebacks that nobody sees here: 7 MB a server.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # None is how Python says "not to be imported"
