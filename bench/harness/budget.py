"""The table in docs/performance.md: the budget of an order."""
from .build import ROOT
from .rows import STORES

PAGE = ROOT / "docs/performance.md"
SECTION = "\n## Budget of an order\n"
HEAD = f"| measure | layer | {' | '.join(STORES.values())} | within |"
RULE = "|---|---|" + "--:|" * len(STORES) + "--:|"
AT_MOST = "at most"
# Measures that depend on how busy the machine is: only too many is wrong.
LIMITS = ("flushes, 64 callers",)
# How far a new row's figures may be from the table, in percent, by measure or by row. A row that is there keeps its own.
WITHIN = {"instructions": 5, ("instructions", "journal"): 10, ("instructions", "runtime"): 15,
          "bytes allocated": 3, "bytes written": 3, "bytes of WAL": 5, ("system calls", "journal"): 5, ("system calls", "runtime"): 50, ("allocations", "journal"): 4}
WITHIN_DEFAULT = 2
# Measures and layers in the table's order.
MEASURES = ("instructions", "allocations", "bytes allocated", "system calls", "bytes written", "flushes", "flushes, 64 callers", "entries", "events",
            "statements", "bytes of WAL", "bytes kept")
LAYERS = ("all", "server", "engine", "calls", "journal", "runtime")


class Table:
    def __init__(self, before, rows, after):
        self.before, self.rows, self.after = before, rows, after

    @classmethod
    def read(cls):
        page = PAGE.read_text()
        begin = page.index(HEAD, page.index(SECTION))
        lines = page[begin:].splitlines(keepends=True)
        end = next((at for at, line in enumerate(lines) if not line.startswith("|")), len(lines))
        rows = {}
        for line in lines[2:end]:
            measure, layer, *figures, within = (cell.strip() for cell in line.strip().strip("|").split("|"))
            rows[measure, layer] = ({store: float(figure.replace(",", "")) for store, figure in zip(STORES, figures) if figure}, within)
        return cls(page[:begin], rows, "".join(lines[end:]))

    def differences(self, counted):
        """What is not as the table says, in sentences. Measures that were not counted are left alone."""
        told = []
        measures = {measure for measure, _, _ in counted}
        for (measure, layer), (figures, within) in self.rows.items():
            for store, figure in figures.items():
                if measure not in measures:
                    continue
                count = counted.get((measure, layer, store))
                if count is None:
                    told.append(f"{measure}, {layer}, {STORES[store]}: {figure:g} in the table, and nothing counts that")
                    continue
                percent = (count - figure) / figure * 100 if figure else 100.0 * bool(count)
                if percent > 0 if within == AT_MOST else abs(percent) > float(within.rstrip(" %")):
                    told.append(f"{measure}, {layer}, {STORES[store]}: {count:,.1f} counted, {figure:g} in the table ({percent:+.1f} %; {within})")
        missing = {(measure, layer) for measure, layer, _ in counted} - set(self.rows)
        return told + [f"{measure}, {layer}: counted, and not in the table" for measure, layer in sorted(missing) if measure in MEASURES]

    def set(self, counted):
        """Puts the counts into the table, but for limits, which are no counts."""
        for (measure, layer, store), count in counted.items():
            percent = WITHIN.get((measure, layer), WITHIN.get(measure, WITHIN_DEFAULT))
            figures, within = self.rows.setdefault((measure, layer), ({}, AT_MOST if measure in LIMITS else f"{percent} %"))
            if within != AT_MOST or store not in figures:
                figures[store] = count

    def __str__(self):
        order = sorted(self.rows, key=lambda key: (MEASURES.index(key[0]), LAYERS.index(key[1])))
        lines = [HEAD, RULE]
        for measure, layer in order:
            figures, within = self.rows[measure, layer]
            cells = (shown(figures[store]) if store in figures else "" for store in STORES)
            lines.append(f"| {measure} | {layer} | {' | '.join(cells)} | {within} |")
        return "\n".join(lines) + "\n"

    def write(self):
        PAGE.write_text(self.before + str(self) + self.after)


def shown(figure):
    """Three digits: no count is more repeatable."""
    if figure >= 100:
        return f"{round(figure):,}"
    return f"{figure:.1f}".removesuffix(".0")
