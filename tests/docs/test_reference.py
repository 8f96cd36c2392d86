"""The reference pages are what the code says, and the code says something about everything."""

from __future__ import annotations

import inspect

from scripts.build_reference import commands, pages, services

from mulle.verbs import verbs_of


def test_the_pages_are_what_the_code_says() -> None:
    stale = [path.name for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]
    assert stale == [], "run: python scripts/build_reference.py"


def test_every_command_says_what_it_does() -> None:
    assert [words for words, command in commands().items() if not command.help] == []


def test_every_verb_says_what_it_does() -> None:
    silent = [
        f"{plane}.{name}"
        for plane, service in services().items()
        for name, (_, function) in verbs_of(service).items()
        if not inspect.getdoc(function)
    ]
    assert silent == []


def test_commands_name_verbs_that_exist() -> None:
    known = {f"{plane}.{name.rstrip('_')}" for plane, service in services().items() for name in verbs_of(service)}
    named = {verb for command in commands().values() for verb in getattr(command, "verbs", ())}
    assert named - known == set()


def test_every_verb_can_be_called_from_the_prompt_or_says_why_not() -> None:
    known = {f"{plane}.{name.rstrip('_')}" for plane, service in services().items() for name in verbs_of(service)}
    named = {verb for command in commands().values() for verb in getattr(command, "verbs", ())}
    assert known - named == WITHOUT_A_COMMAND


WITHOUT_A_COMMAND = {
    "predictions.quality",  # the timeline page draws it; `monitor status` tells the present value
    "predictions.summary",  # as above
    "predictions.compact",  # whoever serves does it by itself
    "runs.graph",  # drawn by the pages; `runs steps` lists the same
}
