"""A pipeline whose trials are curves, as the tests tune it."""

PROJECT = """
from pathlib import Path

import mulle

HERE = Path(__file__).parent


def noted(what):
    with (HERE / "executed").open("a") as file:
        file.write(f"{what}\\n")


@mulle.step
def prepare(rows: int) -> list:
    noted("prepare")
    return list(range(rows))


@mulle.step
def train(rows: list, *, rate: float = 0.1, depth: int = 3) -> float:
    noted(f"train {rate} {depth}")
    if depth == 13:
        raise ValueError("depth 13 is unlucky")
    value = 0.0
    for epoch in range(1, 17):
        value = 1 - abs(rate - 0.1) - abs(depth - 7) / 20 - 1 / (epoch + 1)
        mulle.report(epoch, value)
    mulle.log_metric("auc", value)
    return value


@mulle.pipeline
def main(rate: float = 0.1, depth: int = 3, rows: int = 10):
    return train(prepare(rows), rate=rate, depth=depth)
"""
SPACE = {"rate": "log(0.001,1)", "depth": "int(2,12)"}
