"""`mulle`: the root command, its table of commands, and the one place where errors become exit codes."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from mulle import __version__
from mulle.cli.failure import INTERRUPTED, report, silence_output
from mulle.cli.lazy import LazyGroup, Place
from mulle.cli.state import State

START, WHEEL, LOOK, ASK = "Begin", "Turn the wheel", "Look", "Ask where things come from"

PLACES = {
    "init": Place("mulle.cli.start:init", "Start a project, empty or from a data file of your own.", START),
    "demo": Place("mulle.cli.start:demo", "Play a whole year of real flights through the wheel.", START),
    "run": Place("mulle.cli.run:run", "Run a pipeline; steps that are known already cost nothing.", WHEEL),
    "tune": Place("mulle.cli.tune:tune", "Search over the parameters of a pipeline; each trial is a run.", WHEEL),
    "step": Place("mulle.cli.step:step", "Do exactly one step of a run that something else drives.", WHEEL),
    "export": Place(
        "mulle.cli.export:export", "A pipeline for another workflow engine, whose nodes call `mulle step`.", WHEEL
    ),
    "plan": Place("mulle.cli.plan:plan", "What a run would do, and why: nothing runs.", WHEEL),
    "automl": Place("mulle.cli.automl:automl", "Find the best pipeline for a dataset within a budget.", WHEEL),
    "deploy": Place("mulle.cli.deploy:deploy", "Put a model version behind an endpoint, through its gate.", WHEEL),
    "rollback": Place("mulle.cli.deploy:rollback", "Return a deployment to its former revision.", WHEEL),
    "serve": Place("mulle.cli.serve:serve", "Answer prediction requests over HTTP.", WHEEL),
    "predict": Place("mulle.cli.predict:predict", "Ask a deployment for a row, rows or a file.", WHEEL),
    "trigger": Place("mulle.cli.trigger:trigger", "What starts pipelines, and what started them.", WHEEL),
    "backtest": Place("mulle.cli.backtest:backtest", "Replay history under several retraining policies.", WHEEL),
    "backfill": Place("mulle.cli.backfill:backfill", "Run a pipeline for what is missing of a range.", WHEEL),
    "server": Place("mulle.cli.serve:server", "Keep the wheel turning, with the web UI and the HTTP API.", WHEEL),
    "deployments": Place("mulle.cli.deploy:deployments", "Endpoints, their revisions and traffic.", LOOK),
    "data": Place("mulle.cli.data:data", "Datasets and their versions.", LOOK),
    "features": Place("mulle.cli.features:features", "Feature views, offline and online.", LOOK),
    "runs": Place("mulle.cli.runs:runs", "Runs, their steps, metrics and logs.", LOOK),
    "studies": Place("mulle.cli.studies:studies", "Searches, their trials and what they found out.", LOOK),
    "resources": Place("mulle.cli.resources:resources", "Who uses what of the machine, who waits, what it cost.", LOOK),
    "pipelines": Place("mulle.cli.pipelines:pipelines", "The project's pipelines and their parameters.", LOOK),
    "models": Place("mulle.cli.models:models", "Models, versions and aliases.", LOOK),
    "predictions": Place("mulle.cli.predictions:predictions", "Answers that were given, with their ids.", LOOK),
    "monitor": Place("mulle.cli.monitor:monitor", "Drift, quality, outliers, staleness and their alerts.", LOOK),
    "rollouts": Place("mulle.cli.rollouts:rollouts", "How traffic moves to a new model, and what its gate said.", LOOK),
    "why": Place("mulle.cli.lineage:why", "What a prediction, model or run was made from, down to the raw rows.", ASK),
    "impact": Place(
        "mulle.cli.lineage:impact", "What a dataset version, run or model went into, up to what serves it now.", ASK
    ),
    "audit": Place("mulle.cli.audit:audit", "The ledger: who did what, when, why and because of what.", ASK),
}


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"mulle {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    places=PLACES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    examples=(
        "mulle init late --from flights.csv --target late --time time_hour",
        "mulle -C late run",
        "mulle -C late deploy",
        "mulle -C late why prediction:0193… --json",
    ),
)
@click.option("-C", "directory", type=click.Path(path_type=Path), default=Path(), metavar="DIR", help="Work in DIR.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
@click.pass_context
def cli(ctx: click.Context, directory: Path, debug: bool) -> None:
    """From raw data to a watched, self-renewing prediction service.

    Raw data goes in on one side, predictions come out on the other, and every answer resolves to the rows that
    taught it.
    """
    ctx.obj = State(directory, debug=debug, stack=ctx.with_resource(ExitStack()))


_COLLECT = (50_000, 20, 50)
"""The collector's thresholds: looking for garbage among modules being imported costs a tenth of the start-up time."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    gc.set_threshold(*_COLLECT)
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(call(given))


def call(arguments: list[str]) -> int:
    """Run one command and return its exit code; errors are told, not raised."""
    try:
        code = cli.main(args=arguments, prog_name="mulle", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nstopped", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        return silence_output()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the one place where every error meets the user
        if "--debug" in arguments and not isinstance(error, click.ClickException):
            traceback.print_exc()
        return report(error, as_json="--json" in arguments)
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
