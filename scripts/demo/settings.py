"""What the demo does, in figures."""

CALLERS = 16
STREAMED_ONE_IN = 4
# Bounds what a Strict budget must reserve for a call; a longer recorded answer is cut and counts as wrong.
MAX_TOKENS = 1024
# The outage, by number of call.
DARK_PROVIDER, DARK_FROM, DARK_UNTIL = "google", 400, 520
