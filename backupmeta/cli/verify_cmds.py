"""The commands that judge: ``verify`` and ``checks``."""

from collections.abc import Mapping
from datetime import tzinfo
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from backupmeta.cli import options, output
from backupmeta.cli.options import Moment, Span
from backupmeta.vocabulary.kinds import Group, Severity

if TYPE_CHECKING:
    from backupmeta.account.protected import Protected
    from backupmeta.archive.limits import Limits
    from backupmeta.checks.policy import Policy
    from backupmeta.cli.progress import Bar
    from backupmeta.render.verified import Selection, Tally
    from backupmeta.search import Search
    from backupmeta.verification import Run

_AHEAD: Final = 32
"""How many archives for each process may be verified before the first of them is, which may be a large one."""

_SEVERITIES: Final = tuple(map(str, Severity))
_FORMATS: Final = ("text", "json", "junit", "sarif", "github")


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@options.searching
@options.cataloged
@click.option("--policy", "policy_file", metavar="FILE", help="What to ask for (TOML; see the README).")
@click.option("--select", multiple=True, metavar="ID", help="Judge this alone: a check's id, or a group. Repeatable.")
@click.option("--ignore", multiple=True, metavar="ID", help="Don't judge this: a check's id, or a group. Repeatable.")
@click.option("--fail-on", type=click.Choice(_SEVERITIES), help="The least severity that fails; warning by default.")
@click.option("--now", type=Moment(), metavar="TIME", help="Judge ages as of this moment: for old images.")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", help="How to write the answer.")
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option("--sarif-results", type=click.IntRange(1), metavar="N", help="SARIF: at most N results; 5000 by default.")
@click.option("--sarif-notes", is_flag=True, help="SARIF: notes as well; by default they are only counted.")
@click.option("-o", "--output", "target_file", metavar="FILE", help="Write the answer there instead of to stdout.")
@click.option("--jobs", type=options.JOBS, metavar="N", help="How many processes; by default, one a core.")
@options.overriding_limits
def verify(
    targets: tuple[str, ...],
    sysroot: str | None,
    zone: tzinfo | None,
    catalog: str | None,
    *,
    policy_file: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str | None,
    now: Span | None,
    form: str,
    sarif_results: int | None,
    sarif_notes: bool,
    target_file: str | None,
    jobs: int | None,
    limits: Mapping[str, int],
) -> int:
    """Say whether backups are whole, and are what their records say; why not, and where.

    A TARGET is an archive, a home, a folder of homes or of archives; any other folder is searched downwards for these.
    Without one, this machine's conventional places are searched (/home/*, /var/www/vhosts/*). Each archive is read
    once, from its first to its last byte; each home is judged as a whole, too. What is asked for can be changed by a
    policy: --policy FILE, else the table [tool.backupmeta] of the nearest pyproject.toml.

    Exit code 0 where everything passes, 1 where something fails, 2 where something could not be read, or nothing was
    found or judged. 'backupmeta checks' lists what is judged.

    \b
    Examples:
      backupmeta verify app_example-com_Blog_2024-06-13_20-55-21.tar.gz
      backupmeta verify /home --policy backups.toml --format junit -o report.xml
      backupmeta verify --sysroot /mnt/image --now 2024-06-14 --json
    """
    from backupmeta import verification
    from backupmeta.archive.limits import Limits
    from backupmeta.cli import progress
    from backupmeta.render.verified import VERIFICATIONS, Tally, VerificationView

    protected = _protected(targets, sysroot, catalog)
    policy = _policy(policy_file, protected).with_options(
        select=select, ignore=ignore, fail_on=Severity(fail_on) if fail_on else None
    )
    selection = _selection(form, sarif_results, has_notes=sarif_notes, policy=policy)
    search = _search(targets, sysroot, zone, catalog, Limits(**{**policy.limits, **limits}))
    tally, size = Tally(), None if catalog else partial(verification.size, search)
    recorded = _recorded(catalog, policy) if catalog else None
    with progress.shown(size) as bar, output.opened(target_file, protected) as write:
        run = recorded or _in_processes(jobs, bar)
        found = tally.counting(verification.verify(search, policy, now and now.first, run))
        width = output.width() if target_file in {None, "-"} else None
        view = VerificationView(width) if selection is None else VerificationView(width, selection)
        parts = iter(VERIFICATIONS[form].render(found, view))
        for part in parts if bar is None else bar.making_way(parts):
            write(part)
    if selection and selection.line:
        output.complain(f"{selection.line}; --sarif-results N and --sarif-notes ask for more")
    if tally.verdict is None:
        looked = catalog or ", ".join((*targets, *([] if sysroot is None else [sysroot]))) or "the conventional places"
        output.complain(f"there is no backup in {looked}; give the path of an archive, a home, or a folder of them")
    elif form != "text" or target_file is not None:
        output.complain(tally.line)
    return _exit_code(tally)


def _search(
    targets: tuple[str, ...], sysroot: str | None, zone: tzinfo | None, catalog: str | None, limits: "Limits"
) -> "Search":
    """Return where to look: on disk, or in a catalog."""
    from backupmeta.search import Search

    if catalog is None:
        return Search(targets, sysroot, zone, limits)
    from backupmeta.catalog.answers import InCatalog

    options.refuse_beside_catalog({"TARGET": targets, "--sysroot": sysroot})
    output.tell_age(catalog)
    return InCatalog(zone=zone, limits=limits, catalog=catalog)


def _in_processes(jobs: int | None, bar: "Bar | None") -> "Run":
    from backupmeta import verification

    return verification.run_by(output.workers(jobs, None if bar is None else bar.advance, _AHEAD))


def _recorded(catalog: str, policy: "Policy") -> "Run":
    from backupmeta.catalog.deep_scan import recorded

    return recorded(catalog, policy)


def _protected(targets: tuple[str, ...], sysroot: str | None, catalog: str | None) -> "Protected":
    """Return what is evidence: what is read, and what a catalog was made from."""
    from backupmeta.account.protected import Protected

    if catalog is None:
        return Protected(targets, sysroot)
    from backupmeta.catalog.database import roots

    return Protected((*targets, *roots(catalog)), sysroot, catalog)


def _policy(path: str | None, protected: "Protected") -> "Policy":
    """Return the policy that was named, else that of the nearest project, else what is judged without any.

    Evidence does not choose what it is judged by: a project that lies in it is passed over.
    """
    from backupmeta.checks import policy

    def is_evidence(found: str) -> bool:
        if is_it := protected.holds(found):
            output.complain(
                f"{found} lies among what is judged, and is no policy; name it with --policy if you trust it"
            )
        return is_it

    if path is not None:
        return policy.load(path)
    if (found := policy.nearest(".", is_evidence)) is None:
        return policy.DEFAULT
    chosen = policy.load_found(found)
    output.complain(f"the policy is the one in {found}")
    return chosen


def _selection(form: str, most: int | None, *, has_notes: bool, policy: "Policy") -> "Selection | None":
    """Return which results SARIF has; None for another format. Notes that fail are never left out for being notes."""
    if form == "sarif":
        from backupmeta.render.verified import MOST_RESULTS, Selection

        return Selection(most or MOST_RESULTS, has_notes=has_notes or policy.fails(Severity.NOTE))
    if most is not None or has_notes:
        raise click.UsageError("--sarif-results and --sarif-notes go with --format sarif")
    return None


def _exit_code(tally: "Tally") -> int:
    """Return 2 where something could not be read, or nothing was found or judged, 1 where something fails, else 0."""
    from backupmeta.checks.verdict import Verdict

    codes = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.UNREADABLE: 2, Verdict.NOT_JUDGED: 2}
    return 2 if tally.verdict is None else codes[tally.verdict]


@click.command()
@click.argument("name", required=False, metavar="[ID]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def checks(name: str | None, *, as_json: bool) -> int:
    """List what verify judges, or explain one check; ID may also be a group: whole, safe, record, ….

    \b
    Examples:
      backupmeta checks
      backupmeta checks table-missing
    """
    from backupmeta.errors import did_you_mean
    from backupmeta.render.explanations import CHECKS
    from backupmeta.render.formats import View
    from backupmeta.vocabulary.table import FINDINGS

    chosen = [id_ for id_, kind in FINDINGS.items() if name in {None, id_, kind.group}]
    if not chosen:
        near = did_you_mean(name or "", (*Group, *FINDINGS), "'backupmeta checks' lists them")
        raise click.UsageError(f"{name!r} is no check; {near}")
    output.write_all(CHECKS["json" if as_json else "text"].render(chosen, View(output.width())))
    return 0
