"""A table of learning curves: small multilayer perceptrons on the digits of scikit-learn, over a grid of settings.

    python -m benchmarks.mlp_table        # trains them anew and writes benchmarks/mlp_table.json

A search over the table costs nothing but the search, so its quality can be measured over many seeds. The table has for
each setting the error on 900 digits that were kept aside, after each of 27 epochs.
"""

from __future__ import annotations

import itertools
import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

PATH = Path(__file__).with_name("mlp_table.json")
EPOCHS = 27
GRID: dict[str, list[Any]] = {
    "width": [8, 16, 32, 64],
    "rate": [0.0003, 0.001, 0.003, 0.01, 0.03],
    "batch": [16, 64, 256],
    "alpha": [1e-5, 1e-2, 1.0],
    "activation": ["relu", "tanh"],
}


def curve(setting: dict[str, Any]) -> list[float]:
    """The error after each epoch."""
    images, digits = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(digits))
    images, digits = images[order] / 16, digits[order]
    train, aside = slice(0, len(digits) - 900), slice(len(digits) - 900, None)
    network = MLPClassifier(
        hidden_layer_sizes=(setting["width"],),
        learning_rate_init=setting["rate"],
        batch_size=setting["batch"],
        alpha=setting["alpha"],
        activation=setting["activation"],
        random_state=0,
    )
    errors = []
    for _ in range(EPOCHS):
        network.partial_fit(images[train], digits[train], classes=np.arange(10))
        errors.append(round(1 - float(network.score(images[aside], digits[aside])), 5))
    return errors


@cache
def table() -> dict[tuple[Any, ...], list[float]]:
    """Setting, in the order of GRID → curve."""
    found = json.loads(PATH.read_text())
    return {tuple(setting): errors for setting, errors in found["curves"]}


def main() -> None:
    """Train and write."""
    warnings.simplefilter("ignore")
    curves = [(values, curve(dict(zip(GRID, values, strict=True)))) for values in itertools.product(*GRID.values())]
    lines = ",\n".join(json.dumps(each) for each in curves)
    PATH.write_text(f'{{"grid": {json.dumps(GRID)}, "epochs": {EPOCHS}, "curves": [\n{lines}\n]}}\n')
    print(PATH, len(curves))


if __name__ == "__main__":
    main()
