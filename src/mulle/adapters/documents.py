"""YAML for people: texts of several lines as blocks, and nothing said by reference."""

from __future__ import annotations

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def document(pipeline: str, to: str, value: Any) -> str:
    """The value as YAML, with a first line that says what made it."""
    head = f"# The pipeline {pipeline}, by: mulle export pipeline {pipeline} --to {to}\n"
    return head + str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))
