"""Write the reference pages of the commands and of the verbs from the code that they describe.

python scripts/build_reference.py            # write docs/{en,ko}/reference/{cli,verbs}.md
python scripts/build_reference.py --check    # fail when a page is not what the code says
"""

from __future__ import annotations

import inspect
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from mulle.cli.main import PLACES, cli
from mulle.verbs import verbs_of
from mulle.workspace import Workspace

DOCS = Path(__file__).parent.parent / "docs"
TEXT = {
    "en": {
        "cli": "Commands",
        "cli_intro": """\
Every command takes `--help`. `mulle -C DIR …` works in another directory, `mulle --debug …` shows the traceback of an
error. With `--json` a command answers on one line of JSON; an error is then `{"error", "cause", "cure"}`. Exit codes: 0
success, 1 failure, 2 a wrong call, 130 stopped by Ctrl-C.""",
        "verbs": "Verbs",
        "verbs_intro": """\
A verb is a method of a service: `ws.models.promote(…)` in Python, `POST /api/v1/models.promote` over HTTP, and mostly
`mulle models promote` at the prompt. Arguments and answers are plain values and records.""",
        "same": "Same as",
        "command": "Command",
        "scope": "Needs",
    },
    "ko": {
        "cli": "명령",
        "cli_intro": """\
모든 명령은 `--help`를 받습니다. `mulle -C DIR …`은 다른 디렉터리에서 실행하고,
`mulle --debug …`는 오류의 트레이스백을 보여 줍니다. `--json`을 주면 JSON 한 줄로 답하며, 오류는
`{"error", "cause", "cure"}`입니다. 종료 코드: 0 성공, 1 실패, 2 잘못된 호출, 130 Ctrl-C로 중단.""",
        "verbs": "동사",
        "verbs_intro": """\
동사는 서비스의 메서드입니다. 파이썬에서는 `ws.models.promote(…)`, HTTP에서는
`POST /api/v1/models.promote`, 대개 명령줄에서는 `mulle models promote`입니다. 인자와 답은 평범한 값과
레코드입니다.""",
        "same": "같은 동사",
        "command": "명령",
        "scope": "권한",
    },
}


def commands() -> dict[str, click.Command]:
    """Every command by its words, groups before what is in them."""
    found: dict[str, click.Command] = {}
    for name, place in PLACES.items():
        command = place.load()
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {each}": command.commands[each] for each in command.commands}
    return found


def services() -> dict[str, Any]:
    """The classes of the services by plane, from a workspace that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "mulle.toml").write_text('[project]\nname = "reference"\n')
        with Workspace.open(folder) as ws:
            return {plane: type(service) for plane, service in ws.services().items()}


def pages() -> dict[Path, str]:
    """Every page and what it must say."""
    found = {}
    for language, text in TEXT.items():
        folder = DOCS / language / "reference"
        found[folder / "cli.md"] = cli_page(text)
        found[folder / "verbs.md"] = verbs_page(text)
    return found


def cli_page(text: Mapping[str, str]) -> str:
    """The page of the commands."""
    lines = [f"# {text['cli']}", "", text["cli_intro"], ""]
    for words, command in commands().items():
        lines += [f"{'##' if ' ' not in words else '###'} mulle {words}", "", *_command(words, command, text)]
    return "\n".join(lines).rstrip() + "\n"


def _command(words: str, command: click.Command, text: Mapping[str, str]) -> list[str]:
    lines = [inspect.cleandoc(command.help or "").replace("\b\n", ""), ""]
    context = click.Context(command, info_name=f"mulle {words}", parent=None)
    if not isinstance(command, click.Group):
        usage = " ".join(command.collect_usage_pieces(context))
        lines += ["```text", f"mulle {words} {usage}".rstrip(), "```", ""]
        options = [record for each in command.get_params(context) if (record := each.get_help_record(context))]
        lines += [f"- `{names}` {what}" for names, what in options if "--help" not in names]
        lines += [""]
    examples = getattr(command, "examples", ())
    if examples:
        lines += ["```sh", *examples, "```", ""]
    called = getattr(command, "verbs", ())
    if called:
        lines += [f"{text['same']}: " + ", ".join(f"[`{name}`](verbs.md#{_anchor(name)})" for name in called), ""]
    return lines


def verbs_page(text: Mapping[str, str]) -> str:
    """The page of the verbs."""
    by_verb: dict[str, list[str]] = {}
    for words, command in commands().items():
        for name in getattr(command, "verbs", ()):
            by_verb.setdefault(name, []).append(words)
    lines = [f"# {text['verbs']}", "", text["verbs_intro"], ""]
    for plane, service in services().items():
        lines += [f"## {plane}", "", (inspect.getdoc(service) or "").partition("\n\n")[0], ""]
        for name, (scope, function) in verbs_of(service).items():
            full = f"{plane}.{name.rstrip('_')}"
            lines += [f"### {full}", "", "```python", f"ws.{full}{_signature(function)}", "```", ""]
            lines += [*_prose(inspect.getdoc(function) or ""), "", f"{text['scope']}: {scope}."]
            if full in by_verb:
                links = (f"[`mulle {words}`](cli.md#mulle-{words.replace(' ', '-')})" for words in by_verb[full])
                lines[-1] += f" {text['command']}: " + ", ".join(links)
            lines += [""]
    return "\n".join(lines).rstrip() + "\n"


_ANNOTATION = re.compile(r"""(: |-> )(['"])(.*?)\2(?=[,)=\s]|$)""")
"""An annotation that is written as a string, as all are in these modules."""


def _signature(function: Any) -> str:
    signature = inspect.signature(inspect.unwrap(function))
    own = [each for each in signature.parameters.values() if each.name != "self"]
    return _ANNOTATION.sub(r"\1\3", str(signature.replace(parameters=own)))


def _prose(doc: str) -> list[str]:
    """A docstring as Markdown: its sections become bold words and lists."""
    lines, within = [], False
    for line in doc.splitlines():
        if line.strip() in ("Args:", "Returns:", "Raises:", "Yields:"):
            lines += [f"**{line.strip().rstrip(':')}**", ""]
            within = True
        elif within and line.startswith("    ") and not line.startswith("     "):
            name, colon, what = line.strip().partition(": ")
            lines.append(f"- `{name}`: {what}" if colon else f"- {line.strip()}")
        else:
            lines.append(line.strip())
    return lines


def _anchor(verb: str) -> str:
    """The anchor that a heading with the verb's name gets."""
    return verb.replace(".", "")


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them."""
    assert cli.name == "cli"
    stale = [
        path for path, content in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != content
    ]
    if "--check" in arguments:
        for path in stale:
            print(f"{path} is not what the code says: run python scripts/build_reference.py", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages()[path], encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
