"""Prints the tables of README.md out of the stored results: ``python benchmarks/table.py [ratios|assets|scale|parity|steps|causes|floor|rays|clicks|stages|fuzz|meshes]``.

Those of several results (steps, causes, floor, rays, clicks) say so where none is stored yet.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent


def result(name: str) -> dict:
    return json.loads((HERE / "results" / f"{name}.json").read_text())


def ratios() -> str:
    """How many times faster than a peer."""
    frechet, n_d = result("frechet"), "n = {n}, d = {d}"
    told = [("frechet.py", f"scipy's `sqrtm`, {n_d.format(**frechet)}", frechet["times faster"])]
    for name, options in (("scoring", ""), ("scoring_imagenet", " --network imagenet")):
        found = result(name)
        against = f"torchmetrics metric by metric, same networks, {found['views']} views"
        told.append((f"scoring.py{options}", against, found["times faster"]))
    told += _from_files()
    for name, options in (("fused_forward", ""), ("fused_forward_sd21", " --size sd21")):
        fused = result(name)
        for part, what in (("rows", "the rows of an ESD step"), ("step", "with the student's fit")):
            for peer, ratio in fused[part]["times faster than"].items():
                told.append((f"fused_forward.py{options}", f"{peer}, {what}", ratio))
    voxels = result("voxel_lookup_cuda")
    against = f"`grid_sample` with its gradient, {voxels['members']} scenes"
    told.append(("voxel_lookup.py --device cuda", against, voxels["grid_sample / ours"]))
    march = result("voxel_march_cuda")
    against = f"`grid_sample` and torch's compositing with gradients, {march['members']} scenes, {march['views']} views of {march['size']}², CUDA graphs of both"
    told.append(("voxel_march.py --device cuda", against, march["grid_sample / ours"]))
    for method in ("sds", "esd"):
        pack = result(f"pack_{method}")
        for name, ratio in list(pack["times faster than the first"].items())[1:]:
            told.append((f"pack.py --method {method}", f"pack 1, eager: {name}", ratio))
    lines = [f"| `{what}` | {peer} | {_short(ratio)} |" for what, peer, ratio in told]
    return "\n".join(["| command | against | times faster, median |", "|---|---|---|", *lines])


PEERS = {
    "all": "torch-fidelity, torchmetrics and open_clip",
    "lean": "torch-fidelity and open_clip alone",
}


def _from_files() -> list[tuple[str, str, float]]:
    """The same from PNG files to all numbers."""
    told = []
    for found in _stored("score_speed*"):
        options = "" if found["device"] == "cpu" else f" --device {found['device']}"
        what = f"{found['clip']} and Inception-v3, {found['views']} views of {found['pixels']}²"
        for peers, ratio in found["times faster"].items():
            told.append((f"score_speed.py{options}", f"{PEERS[peers]} in turn, {what}", ratio))
    return told


def scale() -> str:
    """Memory and the cost of an asset while many are scored."""
    lines = []
    for found in _stored("score_scale*"):
        held, each = found["MiB resident"], found["processor seconds an asset"]
        gpu = found["machine"]["device"].startswith("NVIDIA")
        counts = [n for n in held if n != "0"]
        cells = (
            f"{found['assets']} x {found['views']}",
            ", ".join(found["metrics"]),
            found["machine"]["device"] if gpu else "CPU, one thread",
            ", ".join(f"{held[n]:.0f} at {n}" for n in counts),
            *(_short(each[x]) for x in ("first quarter", "last quarter")),
            f"{each['last / first'] - 1:+.0%}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    head = "| assets | metrics | machine | MiB resident | processor seconds an asset, first quarter | last quarter | change |"
    return _table(head, lines)


def assets() -> str:
    """What a step and an asset cost, alone and side by side."""
    lines = ["| method, scenes side by side | machine | ms a step | seconds an asset | GiB |"]
    lines.append("|---|---|---|---|---|")
    for name in ("pack_sds_cpu", "pack_esd_cpu", "pack_sds", "pack_esd"):
        found = result(name)
        for how, value in found.items():
            if not how.startswith("pack "):
                continue
            width, mode = how.removeprefix("pack ").split(", ")
            gpu = found["machine"]["device"].startswith("NVIDIA")
            where = f"{found['machine']['device']}, {mode}" if gpu else "CPU, two cores"
            seconds = found["steps"] / value["scene-steps per second"]
            cells = (
                f"{found['method'].upper()}, {width}",
                where,
                _short(value["milliseconds per step"]),
                _short(seconds),
                _short(value["peak GiB"]) if gpu else "–",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


NOTHING = "Not measured yet."


def _stored(pattern: str) -> list[dict]:
    """All results of a benchmark; none where there is none."""
    return [result(path.stem) for path in sorted((HERE / "results").glob(f"{pattern}.json"))]


def _rows(pattern: str) -> list[dict]:
    """The rows of all of them."""
    return [row for one in _stored(pattern) for row in one["rows"]]


def _table(head: str, lines: list[str]) -> str:
    columns = head.count("|") - 1
    return "\n".join([head, "|" + "---|" * columns, *lines]) if lines else NOTHING


def steps() -> str:
    """A full step at SD-2.1's size against threestudio's sequence."""
    lines = []
    for row in _rows("full_step*"):
        first = f"{row['method'].upper().replace('_', '-')}, {row['batch']} x {row['render']}²"
        memory = row["memory"]
        for side, milliseconds in row["milliseconds"].items():
            time, share = (
                row[x].get(side) for x in ("ours times faster than", "ours of their memory")
            )
            held = memory.get(side, {})
            cells = (
                first,
                side,
                _short(milliseconds),
                *(_short(held[x]) if held else "–" for x in ("GiB", "weights GiB")),
                *(_short(x) if x else "" for x in (time, share)),
            )
            lines.append(f"| {' | '.join(cells)} |")
    head = "| step | side | ms | peak GiB | of it networks | ours is faster by | ours takes of its memory |"
    return _table(head, lines)


def causes() -> str:
    """By how much each difference from threestudio's sequence makes a step faster."""
    rows = [row for row in _rows("full_step*") if len(row["share of each cause"]) == 3]
    names = list(rows[0]["share of each cause"]) if rows else []
    lines = [
        f"| {row['method'].upper().replace('_', '-')}, {row['batch']} x {row['render']}² | "
        + " | ".join(_short(row["share of each cause"][name]) for name in names)
        + " |"
        for row in rows
    ]
    return _table(f"| step | {' | '.join(names)} |", lines)


def floor() -> str:
    """The floors of a step, how far it is from them, and where its time goes."""
    told = []
    for found in _stored("floor*"):
        graph, rate = found["milliseconds"]["graph"], found["measured"]
        what = f"{found['method'].upper()}, {found['batch']} x {found['render']}²"
        told += [
            f"{what}: {_short(graph)} ms, {found['of a step']['Tflop']:.3g} Tflop; measured "
            f"{_short(rate['matrix product, Tflop/s'])} Tflop/s and {_short(rate['copy, GB/s'])} GB/s.",
            "",
            _table(
                "| floor | ms | the step takes times as long |",
                [
                    f"| {name} | {_short(x)} | {_short(found['times the floor'][name])} |"
                    for name, x in found["floor, milliseconds"].items()
                ],
            ),
            "",
            _table(
                "| part, eager | ms of kernels | share | kernels |",
                [
                    f"| {x['part']} | {x['milliseconds']:.3g} | {x['share']:.0%} | {x['kernels']} |"
                    for x in found["profile"]
                ],
            ),
            "",
        ]
    return "\n".join(told).strip() or NOTHING


def rays() -> str:
    """Rays per second of the hash-grid field."""
    lines = [
        f"| {row['render']}² | {row['samples']} | {name} | {count / 1e6:.3g} | "
        f"{_short(row['million samples per second'][name])} | "
        f"{row['times faster than nerfacc'].get(name, '')} |"
        for row in _rows("rays*")
        for name, count in row["rays per second"].items()
    ]
    return _table(
        "| picture | samples a ray | what | million rays a second | million samples a second | times nerfacc's |",
        lines,
    )


def stages() -> str:
    """What the three stages of an asset cost."""
    found = result("stages")
    lines = []
    for run in found["packs"]:
        same = [
            row
            for row in found["rows"]
            if (row["width"], row["graph"]) == (run["width"], run["graph"])
        ]
        cells = (
            str(run["width"]),
            "graphs" if run["graph"] else "eager",
            *(_short(row["milliseconds"]) for row in same),
            _short(run["seconds at the preset's steps"] / run["width"]),
        )
        lines.append(f"| {' | '.join(cells)} |")
    names = [f"{x['method'].upper()} on {x['scene']}, ms a step" for x in found["rows"][:3]]
    return _table(f"| scenes side by side | | {' | '.join(names)} | seconds an asset |", lines)


def parity() -> str:
    """Our numbers against those of the libraries whose names they carry."""
    found = result("parity")
    lines = []
    for row in found["rows"]:
        apart = row["relative difference"]
        cells = (
            row["pictures"],
            row["network"] + (f", `{row['mode']}`" if row["mode"] else ""),
            row["peer"],
            row["number"],
            *(f"{row[side]:.7g}" for side in ("ours", "theirs")),
            f"{apart:.0e}" if apart < found["limit"] else f"**{apart:.0e}**",
        )
        lines.append(f"| {' | '.join(cells)} |")
    head = "| pictures | network | against | number | ours | theirs | apart, relative |"
    return _table(head, lines)


def clicks() -> str:
    """How long a click on the human study's page takes to be on the disk."""
    lines = [
        f"| {row['raters']}, {row['seconds between clicks']:g} s between clicks | {row['clicks sent']} | "
        f"{row['clicks kept']} | {row['clicks doubled']} | {_short(row['clicks per second'])} | "
        + " | ".join(_short(row["milliseconds of a click"][x]) for x in ("p50", "p95"))
        + f" | {_short(row['milliseconds of one SQLite append']['p95'])} | "
        f"{row['machine']['load before']:.0f} on {row['machine']['cores']} cores |"
        for row in _stored("labelling*")
    ]
    return _table(
        "| raters | clicks sent | kept | doubled | a second | ms, p50 | p95 | SQLite alone, p95 | load |",
        lines,
    )


def fuzz() -> str:
    """How many broken files each adapter has met."""
    lines = [
        f"| `{row['adapter']}` | {row['inputs']} | {row['an asset']} | {row['a ValueError']} | {row['minutes']:g} | "
        f"{row['slowest (s)']} | {row['memory (MB)']} |"
        for row in _stored("fuzz_*")
    ]
    return _table(
        "| adapter | inputs | assets | refusals in a line | minutes | slowest, s | MB more |", lines
    )


def meshes() -> str:
    """Views a second of a mesh by both renderers."""
    lines = [
        f"| {row['faces']}, {row['pixels']}² | torch, one thread | {_short(row['views per second']['torch'])} | |\n"
        f"| | {row['drawn by']} | {_short(row['views per second']['moderngl'])} | {row['times faster']} |"
        for row in _stored("mesh_views*")
    ]
    return _table("| faces, picture | drawn by | views a second | times torch's |", lines)


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    made = (ratios, assets, scale, parity, steps, causes, floor, rays, clicks, stages, fuzz, meshes)
    print({x.__name__: x for x in made}[(sys.argv[1:] or ["ratios"])[0]]())
