"""The commands that judge: ``verify`` and ``checks``."""

import os
from collections.abc import Iterable
from functools import partial
from typing import Final

import click

from backupmeta import verification
from backupmeta.checks import baseline, policy
from backupmeta.checks.baseline import Baseline, KnownFindings
from backupmeta.checks.identity import Base
from backupmeta.checks.policy import Policy, Verification
from backupmeta.checks.rulebook import FINDINGS
from backupmeta.cli import completion, messages, options, output
from backupmeta.cli.options import Where
from backupmeta.cli.output import Destination
from backupmeta.cli.progress_bar import progress_bar
from backupmeta.errors import did_you_mean
from backupmeta.findings import Group, Severity
from backupmeta.render.ci import VERIFICATIONS
from backupmeta.render.formats import Trait, View
from backupmeta.render.verified import (
    CHECKS,
    MOST_ACCEPTED,
    MOST_RESULTS,
    Selection,
    Tally,
    VerificationView,
    baseline_json,
)
from backupmeta.search import NOTHING_PROTECTED, Protected
from backupmeta.verification import Run

_AHEAD: Final = 32
"""How many archives for each process may be verified before the first of them is, which may be a large one."""


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=completion.target)
@click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    shell_complete=completion.file,
    help="What counts, as TOML; 'backupmeta help verify' has the keys.",
)
@click.option(
    "--select",
    multiple=True,
    metavar="ID",
    shell_complete=completion.finding,
    help="Judge this alone: a check's id, or a group. Repeatable.",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="ID",
    shell_complete=completion.finding,
    help="Don't judge this: a check's id, or a group. Repeatable.",
)
@options.failing(map(str, Severity), "findings at least as severe as this; warning by default")
@click.option(
    "--baseline",
    "baseline_file",
    metavar="FILE",
    shell_complete=completion.file,
    help="Let what is known pass: the findings in FILE.",
)
@click.option(
    "--write-baseline",
    metavar="FILE",
    shell_complete=completion.file,
    help="Write what is found to FILE, as a baseline.",
)
@options.as_of("for old images")
@click.option(
    "--sarif-results",
    type=click.IntRange(1, MOST_ACCEPTED),
    metavar="N",
    help="SARIF: at most N results; 5000 by default.",
)
@click.option("--sarif-notes", is_flag=True, help="SARIF: notes as well; by default they are only counted.")
@click.option(
    "--relative-to",
    type=click.Path(exists=True, file_okay=False),
    metavar="FOLDER",
    shell_complete=completion.folder,
    help="CI formats, baselines: name files from FOLDER on, not from here.",
)
@options.looking("--root", in_catalog=True)
@options.answering(VERIFICATIONS)
@options.working
@options.quiet
def verify(
    targets: tuple[str, ...],
    where: Where,
    *,
    policy_file: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str | None,
    baseline_file: str | None,
    write_baseline: str | None,
    now: int,
    format_name: str,
    sarif_results: int | None,
    sarif_notes: bool,
    relative_to: str | None,
    destination: Destination,
    jobs: int | None,
) -> int:
    """Say whether backups are whole, and are what their records say; why not, and where.

    TARGET is an archive, a folder that is searched for archives and homes, a record file, an id (an install's stands
    for all its backups), an archive's name, or a path as the server of --sysroot saw it; by default all that is at
    --root, or in the conventional places. Each archive is read once, and each home is judged as a whole, too. A policy
    says what counts: --policy, else [tool.backupmeta] of the nearest pyproject.toml. With --baseline, what
    --write-baseline wrote passes: the same findings in the same bytes at the same path.

    Exit code 0 where all passes, 1 where something fails, 2 where something could not be read, or nothing was judged.
    'backupmeta checks' lists what is judged.

    \b
    Examples:
      backupmeta verify app_example-com_Blog_2024-06-13_20-55-21.tar.gz
      backupmeta verify /home --policy backups.toml --format junit -o report.xml
      backupmeta verify backups --baseline known.json
      backupmeta verify --sysroot /mnt/image --now 2024-06-14 --json
    """
    if where.catalog is not None:
        options.refuse_beside("--catalog", {"TARGET": targets})
    protected = where.protected(*targets)
    least = None if fail_on is None else Severity(fail_on)
    chosen = _policy(policy_file, protected).with_options(select=select, ignore=ignore, fail_on=least)
    if relative_to is not None and baseline_file is write_baseline is None:
        options.need(Trait.FROM_BASE, VERIFICATIONS, format_name, "--relative-to")
    selection = _selection(format_name, sarif_results, has_notes=sarif_notes, chosen=chosen)
    base = Base() if relative_to is None else Base(os.path.abspath(relative_to))
    known = _known(baseline_file, base, chosen, targets or where.roots)
    findings = _findings(write_baseline, base, protected, destination)
    search = where._replace(bounds={**chosen.limits, **where.bounds}).search()
    tally, size = Tally(), None if where.catalog else partial(verification.size, search, targets)
    recorded = _recorded(where.catalog, chosen) if where.catalog else None
    with progress_bar(size, lambda: tally.counts or "0 pass") as bar, destination.opened(protected) as write:
        run = recorded or verification.run_by(messages.workers(jobs, bar.watch, _AHEAD))
        verifications = _compared(verification.verify(search, chosen, now, run, targets), known, findings)
        view = VerificationView(destination.width, selection, base, messages.is_quiet(), known)
        for part in bar.making_way(VERIFICATIONS[format_name].render(tally.counting(verifications), view)):
            write(part)
    if findings is not None:
        _write(findings, Destination(write_baseline, "--write-baseline"), protected)
    if known is not None:
        messages.write_remark(f"{baseline_file}: {known.line}")
    if selection.line:
        write_left_out = messages.write_line if selection.lacks_errors else messages.write_remark
        write_left_out(f"{selection.line}; --sarif-results N and --sarif-notes ask for more")
    if tally.verdict is None:
        advice = "give the path of an archive, a home, or a folder of them"
        nothing = f"there is no backup in {', '.join(targets) or where.name}; {advice}"
        messages.write_line("; ".join([nothing, *where._replace(roots=targets or where.roots).obstacles]))
    elif format_name != "text" or destination.path is not None:
        messages.write_remark(tally.line)
    return tally.exit_code


def _recorded(catalog: str, chosen: Policy) -> Run:
    from backupmeta.catalog.deep_scan import recorded

    return recorded(catalog, chosen)


def _known(path: str | None, base: Base, chosen: Policy, asked: tuple[str, ...]) -> Baseline | None:
    return None if path is None else Baseline(baseline.load(path), base, chosen, asked)


def _findings(path: str | None, base: Base, protected: Protected, destination: Destination) -> KnownFindings | None:
    """Return what keeps findings for a baseline that is to be written at ``path``; None where none is."""
    if path is None:
        return None
    if path == "-":
        raise click.BadParameter("a baseline is a file, and is not printed; name one", param_hint="--write-baseline")
    if destination.path is not None and os.path.realpath(path) == os.path.realpath(destination.path):
        raise click.BadParameter("the answer goes there; name another file", param_hint="--write-baseline")
    output.refuse_evidence(path, protected, "--write-baseline")
    return KnownFindings(base)


def _write(findings: KnownFindings, destination: Destination, protected: Protected) -> None:
    """Write a baseline, unless nothing could be judged: a slip in a TARGET must not empty the one that is there."""
    if findings.targets:
        destination.write(baseline_json(findings), protected)
    else:
        messages.write_line(f"{destination.path} is not written: nothing could be judged")


def _compared(
    verifications: Iterable[Verification], known: Baseline | None, findings: KnownFindings | None
) -> Iterable[Verification]:
    """Return the ``verifications``, which are kept in ``findings``, and compared with those that are ``known``."""
    kept = verifications if findings is None else findings.taking(verifications)
    return kept if known is None else known.compared(kept)


def _policy(path: str | None, protected: Protected) -> Policy:
    """Return the policy that was named, else that of the nearest project, else what is judged without any.

    Evidence does not choose what it is judged by: a project that lies in it is passed over.
    """

    def is_evidence(project: str) -> bool:
        if is_held := protected.holds(project):
            advice = "name it with --policy if you trust it"
            messages.write_line(f"{project} lies among what is judged, and is no policy; {advice}")
        return is_held

    if path is not None:
        return policy.load(path)
    if (project := policy.nearest(".", is_evidence)) is None:
        return policy.DEFAULT
    chosen = policy.load(project, policy.require_trusted)
    messages.write_remark(f"the policy is the one in {project}")
    return chosen


def _selection(format_name: str, most: int | None, *, has_notes: bool, chosen: Policy) -> Selection:
    """Return which results SARIF has. Notes that fail are never left out for being notes."""
    if format_name != "sarif" and (most is not None or has_notes):
        raise click.UsageError("--sarif-results and --sarif-notes go with --format sarif")
    return Selection(most or MOST_RESULTS, has_notes=has_notes or chosen.fails(Severity.NOTE))


@click.command()
@click.argument("name", required=False, metavar="[ID]", shell_complete=completion.finding)
@options.answering(CHECKS)
def checks(name: str | None, *, format_name: str, destination: Destination) -> int:
    """List what verify judges, or explain one check; ID may also be a group: whole, safe, record, ….

    \b
    Examples:
      backupmeta checks
      backupmeta checks table-missing
    """
    chosen = [rule for rule in FINDINGS.values() if name in {None, rule.id, rule.group}]
    if not chosen:
        near = did_you_mean(name or "", (*Group, *FINDINGS), "'backupmeta checks' lists them")
        raise click.UsageError(f"{name!r} is no check; {near}")
    destination.write(CHECKS[format_name].render(chosen, View(destination.width)), NOTHING_PROTECTED)
    return 0
