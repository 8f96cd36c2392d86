"""What is said of a project while it is not as it should be, in words that the web UI has in its languages."""

IMPORTING = "the project is being imported"
CHANGED = "the project has changed"
FORMER_GOES_ON = "a turn of its former version goes on"
ENDED = "the project's process ended"
TURN_FAILED = "the wheel's last turn failed"
