"""Prints one table of CounterFact's scores from the CSV of several studies: methods_table.py 'LABEL=FILE.csv' ..."""

import csv
import sys

COLUMNS = [("ES", "rewrite", "success"), ("PS", "paraphrase", "success"), ("NS", "neighborhood", "success"), ("S", "all", "score")]


def name_of(condition: str, label: str) -> str:
    """The method out of "edited (edit.method=memit …)", or the label's own."""
    settings = condition.partition("(")[2].rstrip(")").split()
    methods = [word.partition("=")[2] for word in settings if word.startswith("edit.method=")]
    return f"{methods[0] if methods else label.partition(' ')[0]:12} {label.partition(' ')[2]}"


def main() -> None:
    print(f"{'method':12} {'facts in a model':17}" + "".join(f"{column:>6} {'95 % interval':>15}" for column, _, _ in COLUMNS) + "     n/planned")
    for argument in sys.argv[1:]:
        label, _, file = argument.partition("=")
        cells: dict[str, dict] = {}
        with open(file, newline="") as stream:
            for row in csv.DictReader(stream):
                if row["relation"] == "all" and row["condition"].startswith("edited"):
                    cells.setdefault(name_of(row["condition"], label), {})[row["prompts"], row["metric"]] = row
        for name, found in cells.items():
            line = f"{name:30}"
            for _, prompts, metric in COLUMNS:
                row = found[prompts, metric]
                mean, low, high = (100 * float(row[key]) for key in ("mean", "low", "high"))
                line += f"{mean:6.1f} {f'[{low:.1f}, {high:.1f}]':>15}"
            print(f"{line}{row['n']:>9}/{row['planned']}")


if __name__ == "__main__":
    main()
