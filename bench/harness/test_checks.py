"""Tests of the parts that decide: the check of a point, and which limit is reached. `bench/run --check` runs them first."""
import pathlib, unittest

from . import instructions, processes, web
from .budget import AT_MOST, Table
from .point import check
from .rows import Bench, Figure, Scale, summary
from .table import lines, reached

LEDGER = {"carts": 2, "reserved": 2, "released": 0, "paid": 2, "refunded": 0, "sold": 2, "unsold": 0, "paid_cents": 5050, "refused": 0,
          "duplicates": 0, "too_late": 0, "without_key": 0, "nothing_to_undo": 0}
REFUSED = LEDGER | {"released": 2, "paid": 0, "sold": 0, "paid_cents": 0, "refused": 2}


def told(errors=None, **counts):
    return {"counts": {f"200:{state}": count for state, count in counts.items()}, "errors": errors or {}}


class Checks(unittest.TestCase):
    def test_equal_counts_are_right(self):
        self.assertEqual(check(told(CONFIRMEE=2), LEDGER), [])
        self.assertEqual(check(told(ECHEC_PAIEMENT=2), REFUSED), [])

    def test_each_difference_is_found(self):
        for change in ({"sold": 1}, {"sold": 3}, {"refunded": 1}, {"released": 1}, {"paid_cents": 5049}, {"duplicates": 1}, {"without_key": 1},
                       {"refused": 1}, {"too_late": 1}):
            self.assertTrue(check(told(CONFIRMEE=2), LEDGER | change), change)

    def test_other_answers_and_errors_are_found(self):
        self.assertTrue(check(told(CONFIRMEE=2, ANNULEE=1), LEDGER))
        self.assertTrue(check(told(CONFIRMEE=2, errors={"timeout": 1}), LEDGER))
        self.assertTrue(check(told(CONFIRMEE=2), LEDGER, only="200:ECHEC_PAIEMENT"))

    def test_calls_are_repeated_after_a_kill_and_have_one_effect(self):
        self.assertEqual(check(told(CONFIRMEE=2), LEDGER | {"duplicates": 7}, repeated=True), [])
        self.assertTrue(check(told(CONFIRMEE=2), LEDGER | {"sold": 3}, repeated=True))


class Limits(unittest.TestCase):
    def test_the_best_limit_that_is_reached_is_told(self):
        more, less = Figure("a", "", "x", 0.75, 1.0), Figure("b", "", "ms", 50, 15, False)
        self.assertEqual([reached(more, value) for value in (1.0, 0.8, 0.7, None)], ["aim", "at least", "**no**", "not measured"])
        self.assertEqual([reached(less, value) for value in (15, 16, 51)], ["aim", "at least", "**no**"])

    def test_medians_and_spread(self):
        self.assertEqual(summary([3, 1, 2]), (2, 1, 3))
        self.assertIsNone(summary([]))

    def test_the_table_has_both_binaries(self):
        from .steady import AT_64
        bench = Bench(None, {"now": None, "before": None}, Scale(), ["sqlite"], 1, "/", False)
        bench.add(AT_64.name, "sqlite", "now", 0.8)
        bench.add(AT_64.name, "sqlite", "before", 0.5)
        line = list(lines([AT_64], bench))[2]
        self.assertIn("| 0.80 | 0.80 to 0.80 | 0.50 | 0.50 to 0.50 | at least 0.75 | at least 1.00 | at least |", line)


class Budgets(unittest.TestCase):
    # A library's function takes 30, of which calls of a server's function account for 10 and those of an engine's for 20.
    PROFILE = """\
events: Ir
fn=(1) orchestrateur::http::serve
5 100
cfn=(2) alloc::vec::Vec<T>::push
calls=1 7
6 10
fn=(3) <saga_core::Saga as core::clone::Clone>::clone'2
+1 50
cfn=(2)
calls=2 7
+2 20
fn=(2)
* 30
fn=(4) start_thread
1 7
"""

    def test_instructions_of_libraries_belong_to_their_callers(self):
        layers = instructions.Profile(self.PROFILE.splitlines(keepends=True)).layers()
        self.assertEqual({name: round(total) for name, total in layers.items()}, {"server": 110, "engine": 70, "calls": 0, "journal": 0, "runtime": 7})

    def test_layers_of_functions(self):
        for function, expected in {"saga_engine::participants::http::call": "calls", "saga_engine::driver::Driver::run": "engine",
                                   "<saga_journal::sqlite::Writer as core::ops::drop::Drop>::drop": "journal", "sqlite3VdbeExec": None,
                                   "core::ptr::drop_in_place<saga_core::saga::Saga>": None, "tokio::runtime::park::Inner::park": "runtime"}.items():
            self.assertEqual(instructions.layer(function), expected, function)

    def test_a_count_has_to_be_near_its_budget(self):
        table = Table("", {("allocations", "all"): ({"sqlite": 100.0}, "5 %"), ("flushes", "journal"): ({"sqlite": 2.0}, AT_MOST)}, "")

        def told(allocations, flushes, **more):
            return table.differences({("allocations", "all", "sqlite"): allocations, ("flushes", "journal", "sqlite"): flushes, **more})
        self.assertEqual(told(95, 2) + told(105, 0), [])
        for counts in ((94, 2), (106, 2), (100, 3)):
            self.assertEqual(len(told(*counts)), 1, counts)
        self.assertEqual(len(table.differences({("allocations", "server", "sqlite"): 100})), 2, "one has no count, and one no budget")
        self.assertEqual(table.differences({}), [], "measures that were not counted are left alone")
        table.set({("allocations", "all", "sqlite"): 1234.5, ("flushes", "journal", "sqlite"): 1.0, ("entries", "journal", "postgres"): 2.0})
        self.assertEqual(str(table).splitlines()[2:], ["| allocations | all | 1,234 |  | 5 % |", "| flushes | journal | 2 |  | at most |",
                                                        "| entries | journal |  | 2 | 2 % |"])


class Figures(unittest.TestCase):
    def test_this_process_has_figures(self):
        own = [processes.os.getpid()]
        self.assertGreater(processes.cpu_seconds(own), 0)
        self.assertGreater(processes.memory_mib(own), 1)
        self.assertEqual(len(processes.written(own)), 2)

    def test_metrics_add_up_by_label(self):
        metrics = object.__new__(web.Metrics)
        metrics.samples = []
        for line in ('a{saga="x",step="y"} 2', 'a{saga="z"} 3', "b 4"):
            found = web.SAMPLE.match(line)
            metrics.samples.append((found[1], dict(web.LABEL.findall(found[2] or "")), float(found[3])))
        self.assertEqual((metrics.total("a"), metrics.total("a", saga="x"), metrics.total("b")), (5, 2, 4))


def run():
    """Whether all tests have passed."""
    suite = unittest.defaultTestLoader.discover(pathlib.Path(__file__).parent, "test_*.py", pathlib.Path(__file__).parent.parent)
    return unittest.TextTestRunner(verbosity=1).run(suite).wasSuccessful()
