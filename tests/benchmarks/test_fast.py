from rich.console import Console

from diff_harmonization.benchmarks import fast
from diff_harmonization.benchmarks.fast import EXACT, Measured, compare, table, ways
from diff_harmonization.benchmarks.metrics import Score


def test_each_way_differs_from_the_one_before_it_in_one_thing():
    settings = list(ways(50).values())
    changed = [
        [name for name in vars(a) if getattr(a, name) != getattr(b, name)]
        for a, b in zip(settings, settings[1:], strict=False)
    ]
    assert changed == [["null_text"], ["null_text", "edges"], ["refinement"], ["steps"]]
    assert [each.steps for each in settings] == [50, 50, 50, 50, 20]


def test_every_way_runs_on_every_pair(monkeypatch):
    ran = []
    monkeypatch.setattr(fast, "one_pass", lambda models, describe, settings: lambda pair: ran.append(settings))

    def measure(pairs, found, total):
        return {
            name: [(pair, 0.1, method(pair) or Score(20, 1, 1)) for pair in pairs] for name, method in found.items()
        }

    monkeypatch.setattr(fast, "measure", measure)
    monkeypatch.setattr(fast, "nothing", lambda pair: None)
    measured = compare(None, ["a", "b"], 2, steps=10, null_text=False)
    direct = {name: settings for name, settings in ways(10).items() if settings.null_text is None}
    assert len(direct) == 3 and list(measured.results) == ["nothing", *direct]
    assert ran == [settings for settings in direct.values() for _ in "ab"]
    assert set(measured.seconds) == set(direct)


def test_the_table_has_loss_and_gain():
    row = [("a", 0.1, Score(20.0, 1, 100)), ("b", 0.1, Score(22.0, 1, 100))]
    worse = [("a", 0.1, Score(19.0, 1, 300)), ("b", 0.1, Score(22.0, 1, 100))]
    measured = Measured(
        {"nothing": row, EXACT: row, "and cached queries": worse}, {EXACT: 8.0, "and cached queries": 2.0}
    )
    console = Console(record=True, width=140)
    console.print(table(measured))
    text = console.export_text()
    assert all(cell in text for cell in ("n=2", "21.00", "20.50", "-0.50", "4.0x", "1.0x", "4.0 ", "+0.00"))
