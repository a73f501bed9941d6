"""The table: each row's figures, their limits, and which of them are reached."""
from .rows import summary


def shown(value, unit):
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 or unit in ("ms", "MiB", "MB", "KiB") else 2
    return f"{value:,.{digits}f}" + ("" if unit == "x" else f" {unit}")


def limit(figure, value):
    return "" if value is None else ("at least " if figure.more_is_better else "at most ") + shown(value, figure.unit)


def reached(figure, value):
    if figure.at_least is None:
        return ""
    if value is None:
        return "not measured"
    return "aim" if figure.reaches(value, figure.aim) else "at least" if figure.reaches(value, figure.at_least) else "**no**"


def lines(rows, bench):
    """The rows as a table in Markdown."""
    with_before = "before" in bench.binaries
    yield "| row | measure | now | spread |" + (" before | spread |" if with_before else "") + " at least | aim | reached |"
    yield "|---|---|--:|--:|" + ("--:|--:|" if with_before else "") + "--:|--:|---|"
    for row in rows:
        for figure in row.figures:
            cells, medians = [], {}
            for column in ("now", "before") if with_before else ("now",):
                found = summary(bench.samples[row.name, figure.key, column])
                medians[column] = found and found[0]
                cells += [shown(medians[column], figure.unit), f"{shown(found[1], 'x')} to {shown(found[2], 'x')}" if found else "-"]
            if not any(cell != "-" for cell in cells):
                continue
            # The figures of a check mean nothing, and should not look as if they did.
            verdict = "" if bench.is_check else reached(figure, medians["now"])
            cells += [limit(figure, figure.at_least), limit(figure, figure.aim), verdict]
            yield f"| `{row.name}` | {row.title}: {figure.text} | {' | '.join(cells)} |"


def absolute_lines(bench):
    """The figures that the ratios of steady load are made of: medians."""
    systems = list(dict.fromkeys(system for system, _ in bench.absolute))
    figures = list(dict.fromkeys(figure for _, figure in bench.absolute))
    if not systems:
        return
    yield "| steady load, medians | " + " | ".join(f"`{system}`" for system in sorted(systems)) + " |"
    yield "|---|" + "--:|" * len(systems)
    for figure in figures:
        values = (summary(bench.absolute[system, figure]) for system in sorted(systems))
        yield f"| {figure} | " + " | ".join(shown(found and found[0], "") for found in values) + " |"
