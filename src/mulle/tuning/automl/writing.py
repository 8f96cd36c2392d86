"""A winner as code of the project: plain steps and a pipeline, which retrain to the same score. Pure string building.

The search builds its estimators from the same expressions, so what is written is what was tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from mulle.tuning.automl.problem import Problem
from mulle.tuning.automl.recipes import Recipe

HOLDOUT = 0.2
_WIDTH = 100
_TAKEN = {"rows", "train", "split", "prepare", "evaluate", "mulle", "pl", "data", "Table", "TARGET", "TIME", "NUMBERS"}


class Names(msgspec.Struct, frozen=True):
    """What things are called: the dataset, how the code gets at it, the pipeline and its model, and the command."""

    dataset: str
    pipeline: str
    command: str
    imported_from: str = ""
    """The module that defines the dataset, and `variable` its name there; empty where the code defines it."""
    variable: str = ""


class Member(msgspec.Struct, frozen=True):
    """A recipe in an ensemble, and how much it counts."""

    recipe: Recipe
    weight: int = 1


def module(problem: Problem, members: Sequence[Member], names: Names, found: Sequence[str] = ()) -> str:
    """The code of a project module.

    Args:
        problem: what is learned.
        members: the recipes, one or several that vote.
        names: what things are called.
        found: lines about how good it is, for the head of the module.
    """
    blocks = [
        _head(problem, members, names, found),
        _constants(problem),
        _dataset(names),
        _prepare(problem),
        _split(problem),
        _train(problem, members),
        _evaluate(problem),
        _pipeline(problem, names),
    ]
    return "\n\n\n".join(block.strip("\n") for block in blocks) + "\n"


def pipeline_name(target: str, taken: Iterable[str] = ()) -> str:
    """A name for the pipeline and its model that is an identifier and free."""
    base = re.sub(r"\W+", "_", target).strip("_").lower() or "target"
    base = f"t_{base}" if base[0].isdigit() else base
    used = {*taken, *_TAKEN}
    return next(name for name in (base, f"{base}_model", *(f"{base}_{n}" for n in range(2, 1000))) if name not in used)


# -- expressions -----------------------------------------------------------------------------------------------------


def columns_expression(recipe: Recipe, problem: Problem) -> str:
    """What turns the rows into numbers, as an expression over NUMBERS and CATEGORIES."""
    parts = []
    numbers = bool(problem.numbers or any(problem.dates.values()))
    if problem.categories:
        encoders = {
            "ordinal": ['OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)'],
            "target": [f"TargetEncoder(random_state={problem.seed})"],
            "onehot": ['OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20, sparse_output=False)'],
        }
        chosen = encoders["ordinal"] + encoders["target"] if recipe.encoding == "both" else encoders[recipe.encoding]
        parts += [f"({encoder}, CATEGORIES)" for encoder in chosen]
    if numbers:
        parts.append(f"({_for_numbers(recipe)}, {'NUMBERS + TREND' if recipe.trend and problem.trend else 'NUMBERS'})")
    return f"make_column_transformer({', '.join(parts)})"


def _for_numbers(recipe: Recipe) -> str:
    filled = 'SimpleImputer(strategy="median", keep_empty_features=True)'
    if recipe.learner == "linear":
        return f"make_pipeline({filled}, StandardScaler())"
    return '"passthrough"' if recipe.learner in {"lightgbm", "histogram"} else filled


def learner_expression(recipe: Recipe, problem: Problem, trees: int = 0) -> str:
    """The estimator, as an expression.

    Args:
        recipe: which one.
        problem: for what.
        trees: how many trees a boosted learner has where the recipe does not say.
    """
    regression = problem.task == "regression"
    kind = "Regressor" if regression else "Classifier"
    given = dict(recipe.settings)
    balanced = {"class_weight": "balanced"} if recipe.balanced and not regression else {}
    trees = recipe.trees or trees
    match recipe.learner:
        case "lightgbm":
            bagging = {"subsample_freq": 1} if given.get("subsample", 1.0) < 1 else {}
            settings = {
                "n_estimators": trees,
                **given,
                **bagging,
                **balanced,
                "random_state": problem.seed,
                "n_jobs": 1,
            }
            return _call(f"LGBM{kind}", settings | {"deterministic": True, "force_row_wise": True, "verbose": -1})
        case "histogram":
            settings = {"max_iter": trees, **given, **balanced, "early_stopping": False, "random_state": problem.seed}
            return _call(f"HistGradientBoosting{kind}", settings)
        case "extra_trees":
            return _call(f"ExtraTrees{kind}", {**given, **balanced, "random_state": problem.seed, "n_jobs": 1})
        case "forest":
            return _call(f"RandomForest{kind}", {**given, **balanced, "random_state": problem.seed, "n_jobs": 1})
        case "linear":
            if regression:
                return _call("Ridge", {"alpha": 1 / given["strength"]})
            return _call("LogisticRegression", {"C": given["strength"], **balanced, "max_iter": 300})
    raise AssertionError(recipe.learner)


def estimator_expression(members: Sequence[Member], problem: Problem) -> str:
    """The whole estimator: one pipeline, or several that vote."""
    made = [
        f"make_pipeline({columns_expression(one.recipe, problem)}, {learner_expression(one.recipe, problem)})"
        for one in members
    ]
    if len(made) == 1:
        return made[0]
    named = ", ".join(
        f'("{one.recipe.learner}_{place}", {text})'
        for place, (one, text) in enumerate(zip(members, made, strict=True), 1)
    )
    weights = [one.weight for one in members]
    if problem.task == "regression":
        return f"VotingRegressor([{named}], weights={weights})"
    return f'VotingClassifier([{named}], voting="soft", weights={weights})'


_IMPORTS = {
    "LGBMClassifier": "lightgbm",
    "LGBMRegressor": "lightgbm",
    "make_column_transformer": "sklearn.compose",
    "ExtraTreesClassifier": "sklearn.ensemble",
    "ExtraTreesRegressor": "sklearn.ensemble",
    "HistGradientBoostingClassifier": "sklearn.ensemble",
    "HistGradientBoostingRegressor": "sklearn.ensemble",
    "RandomForestClassifier": "sklearn.ensemble",
    "RandomForestRegressor": "sklearn.ensemble",
    "VotingClassifier": "sklearn.ensemble",
    "VotingRegressor": "sklearn.ensemble",
    "SimpleImputer": "sklearn.impute",
    "LogisticRegression": "sklearn.linear_model",
    "Ridge": "sklearn.linear_model",
    "make_pipeline": "sklearn.pipeline",
    "OneHotEncoder": "sklearn.preprocessing",
    "OrdinalEncoder": "sklearn.preprocessing",
    "StandardScaler": "sklearn.preprocessing",
    "TargetEncoder": "sklearn.preprocessing",
}


def imports_of(expression: str) -> list[str]:
    """The import lines that an expression needs."""
    used: dict[str, list[str]] = {}
    for name, home in _IMPORTS.items():
        if re.search(rf"\b{name}\b", expression):
            used.setdefault(home, []).append(name)
    return [f"from {home} import {', '.join(names)}" for home, names in used.items()]


def _call(name: str, settings: dict[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in settings.items())})"


# -- the module's parts ----------------------------------------------------------------------------------------------


def _head(problem: Problem, members: Sequence[Member], names: Names, found: Sequence[str]) -> str:
    question = {"binary": "Is `{0}` true?", "multiclass": "Which `{0}`?", "regression": "How much is `{0}`?"}[
        problem.task
    ]
    lines = imports_of(estimator_expression(members, problem))
    if names.imported_from:
        lines.append(f"from {names.imported_from} import {names.variable} as data")
    told = "".join(f"{line}\n" for line in found)
    return f'''
"""{question.format(problem.target)} Learned from {names.dataset}.

Written by `{names.command}`: every line is yours to change.
{told}"""

import polars as pl
{chr(10).join(lines)}

import mulle
from mulle import Table
'''


def _constants(problem: Problem) -> str:
    parts = [f"{name}_{part}" for name, chosen in problem.dates.items() for part in chosen]
    lines = [f"TARGET = {_text(problem.target)}"]
    if problem.time:
        lines.append(f"TIME = {_text(problem.time)}")
    lines.append(f"NUMBERS = {_list([*problem.numbers, *(part for part in parts if part not in problem.trend)])}")
    if problem.trend:
        lines.append(f"TREND = {_list(problem.trend)}  # does not come again: not every estimator learns from it")
    if problem.categories:
        lines.append(f"CATEGORIES = {_list(problem.categories)}")
    return "\n".join(lines)


def _dataset(names: Names) -> str:
    return "" if names.imported_from else f"data = mulle.dataset({_text(names.dataset)})"


def _prepare(problem: Problem) -> str:
    made = [
        f"pl.col({_text(name)}).dt.{part}().alias({_text(f'{name}_{part}')}),"
        for name, chosen in problem.dates.items()
        for part in chosen
    ]
    steps = ["known = rows.drop_nulls(TARGET)"]
    if made:
        steps.append(f"known = known.with_columns(\n        {f'{chr(10)}        '.join(made)}\n    )")
    columns = [f"pl.col(NUMBERS{' + TREND' if problem.trend else ''}).cast(pl.Float64)"]
    if problem.categories:
        columns.append('pl.col(CATEGORIES).cast(pl.String).fill_null("")')
    if problem.task == "binary":
        truth = (
            f"pl.col(TARGET) == {problem.positive!r}"
            if problem.positive is not None
            else "pl.col(TARGET).cast(pl.Boolean)"
        )
        columns.append(truth if problem.positive is None else f"({truth})")
    elif problem.task == "multiclass":
        columns.append("pl.col(TARGET).cast(pl.String)")
    else:
        columns.append("pl.col(TARGET).cast(pl.Float64)")
    steps.append(f"return known.with_columns(\n        {f',{chr(10)}        '.join(columns)},\n    )")
    return f'''
@mulle.step
def prepare(rows: Table) -> Table:
    """The rows with a known target, their columns as the model takes them."""
    {f"{chr(10)}    ".join(steps)}
'''


def _split(problem: Problem) -> str:
    if problem.time:
        return '''
@mulle.step
def split(rows: Table, share: float) -> tuple[Table, Table]:
    """All but the newest rows to train on, the newest `share` of them to judge by."""
    ordered = rows.sort(TIME, maintain_order=True)
    cut = ordered[TIME][int(len(ordered) * (1 - share))]
    return ordered.filter(pl.col(TIME) < cut), ordered.filter(pl.col(TIME) >= cut)
'''
    if problem.group:
        group = _text(problem.group)
        return f'''
@mulle.step
def split(rows: Table, share: float) -> tuple[Table, Table]:
    """Most groups to train on, `share` of them to judge by, drawn at random; a group is never on both sides."""
    groups = rows[{group}].unique().sort().sample(fraction=1.0, shuffle=True, seed={problem.seed})
    held = groups.head(int(len(groups) * share) or 1)
    return rows.filter(~pl.col({group}).is_in(held.implode())), rows.filter(pl.col({group}).is_in(held.implode()))
'''
    over = "" if problem.task == "regression" else ".over(TARGET)"
    of = "" if problem.task == "regression" else " of each class"
    return f'''
@mulle.step
def split(rows: Table, share: float) -> tuple[Table, Table]:
    """Most rows to train on, `share`{of} to judge by, drawn at random."""
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed={problem.seed})
    held = shuffled.select(pl.int_range(pl.len()){over} < pl.len(){over} * share).to_series()
    return shuffled.filter(~held), shuffled.filter(held)
'''


def _train(problem: Problem, members: Sequence[Member]) -> str:
    trend = problem.trend and any(one.recipe.trend for one in members)
    columns = " + ".join(["NUMBERS", *(["TREND"] if trend else []), *(["CATEGORIES"] if problem.categories else [])])
    lines: list[str] = []
    made = []
    for place, one in enumerate(members, 1):
        suffix = f"_{place}" if len(members) > 1 else ""
        lines.append(_assigned(f"columns{suffix}", columns_expression(one.recipe, problem)))
        lines.append(_assigned(f"learner{suffix}", learner_expression(one.recipe, problem)))
        made.append(f"make_pipeline(columns{suffix}, learner{suffix})")
    if len(members) == 1:
        lines.append(f"model = {made[0]}")
    else:
        named = "".join(
            f'\n            ("{m.recipe.learner}_{p}", {text}),'
            for p, (m, text) in enumerate(zip(members, made, strict=True), 1)
        )
        kind, soft = (
            ("VotingRegressor", "")
            if problem.task == "regression"
            else ("VotingClassifier", '\n        voting="soft",')
        )
        weights = [one.weight for one in members]
        lines.append(f"model = {kind}(\n        [{named}\n        ],{soft}\n        weights={weights},\n    )")
    body = "\n    ".join(lines)
    what = (
        "One estimator over the columns."
        if len(members) == 1
        else f"{len(members)} estimators that vote, each by its weight."
    )
    return f'''
@mulle.step
def train(rows: Table) -> mulle.Model:
    """{what}"""
    {body}
    features = rows.select({columns})
    return mulle.Model(model.fit(features, rows[TARGET].to_numpy()), example=features.head(100))
'''


def _evaluate(problem: Problem) -> str:
    slices = f", slices={_list(problem.slices)}" if problem.slices else ""
    return f'''
@mulle.step
def evaluate(model: mulle.Model, holdout: Table) -> mulle.Report:
    """The model on rows it has not seen."""
    report = mulle.evaluate(model, holdout, label=TARGET{slices})
    mulle.log_metric("{problem.metric}", report.metrics["{problem.metric}"])
    return report
'''


def _pipeline(problem: Problem, names: Names) -> str:  # noqa: ARG001 - the signature of the module's other parts
    return f"""
@mulle.pipeline
def {names.pipeline}(share: float = {HOLDOUT}) -> None:
    train_rows, holdout = split(prepare(data), share)
    model = train(train_rows)
    mulle.register("{names.pipeline}", model, evaluate(model, holdout))
"""


def _assigned(name: str, expression: str) -> str:
    """An assignment, its arguments one a line where it is long."""
    one_line = f"{name} = {expression}"
    if len(one_line) <= _WIDTH:
        return one_line
    head, _, inner = expression.partition("(")
    arguments = _arguments(inner[:-1])
    inside = "".join(f"        {each},\n" for each in arguments)
    return f"{name} = {head}(\n{inside}    )"


def _arguments(text: str) -> list[str]:
    """The arguments of a call, split at the commas outside of brackets."""
    found, depth, start = [], 0, 0
    for place, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            found.append(text[start:place].strip())
            start = place + 1
    return [*found, text[start:].strip()]


def _text(value: str) -> str:
    return msgspec.json.encode(value).decode()


def _list(names: Sequence[str]) -> str:
    items = [_text(name) for name in names]
    one_line = f"[{', '.join(items)}]"
    if len(one_line) <= _WIDTH - 20:
        return one_line
    lines, line = [], ""
    for item in items:
        if line and len(line) + len(item) > _WIDTH - 10:
            lines.append(line.rstrip())
            line = ""
        line += f"{item}, "
    return "[\n    " + "\n    ".join([*lines, line.rstrip()]) + "\n]"
