"""Scores of a unit on a fifth of the room: a row for each score of each pass, a column for each prompt, nine digits.

What tidy scores (:mod:`esd_bench.gather`) say again in every row stands once: of the unit in its facts, of a score in its row.
"""

import hashlib
import io
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from esd_bench.tables import COLUMNS

UNIT = ["suite", "prior", "method", "label", "seed", "wording", "start"]
RUN = ["text", "run", "status"]
SCORE = ["pass", "score", "unit", "better", "n", "network", "key", "provenance"]


def write(frame: pd.DataFrame, path: Path) -> dict[str, Any]:
    """Store the values of tidy scores with a column ``pass``; returns the facts that :func:`read` needs beside them.

    Raises:
        ValueError: when a score differs between prompts in more than its value and its note.
    """
    (unit,) = frame[UNIT].drop_duplicates().to_dict("records")
    runs = frame.drop_duplicates("prompt").set_index("prompt")[RUN]
    lost = frame[frame["score"] == ""].set_index("prompt")["note"]
    made = frame[frame["score"] != ""]
    rows = made[SCORE].drop_duplicates()
    if rows.duplicated(["pass", "score"]).any():
        raise ValueError("a score was measured in two ways within one unit")
    values = made.pivot(index=["pass", "score"], columns="prompt", values="value")
    values = values.reindex(columns=[*runs.index])
    whole = rows.merge(values.reset_index(), on=["pass", "score"], validate="1:1")
    text = whole.to_csv(index=False, lineterminator="\n", float_format="%.9g")
    packed = lzma.compress(text.encode())
    path.write_bytes(packed)
    said = made[made["note"] != ""]
    places = zip(said["pass"], said["score"], said["prompt"], said["note"], strict=True)
    return {
        "scores": hashlib.sha256(packed).hexdigest(),
        "unit": unit,
        "runs": runs.to_dict("index"),
        "failed": lost.to_dict(),
        "notes": [list(x) for x in places],
    }


def read(path: Path, facts: dict[str, Any]) -> pd.DataFrame:
    """The tidy scores again, ``pass`` among them; failed runs have a row without a score.

    Raises:
        ValueError: naming a file that is missing, or holds something else.
    """
    if not path.is_file():
        raise ValueError(f"{path} is missing beside its .json; make the unit again")
    packed = path.read_bytes()
    if hashlib.sha256(packed).hexdigest() != facts.get("scores"):
        raise ValueError(f"{path} does not hold what its .json says; make the unit again")
    try:
        whole = pd.read_csv(io.BytesIO(packed), compression="xz", keep_default_na=False)
        prompts = [x for x in whole.columns if x not in SCORE]
        # pandas' melt would copy every column's text for each of 48 prompts.
        long = whole[SCORE].iloc[np.tile(np.arange(len(whole)), len(prompts))]
        long = long.reset_index(drop=True).assign(
            prompt=np.repeat(prompts, len(whole)),
            value=pd.to_numeric(whole[prompts].to_numpy().T.ravel()),
        )
        notes = pd.DataFrame(facts["notes"], columns=["pass", "score", "prompt", "note"])
        long = long.merge(notes, "left", ["pass", "score", "prompt"]).fillna({"note": ""})
        runs = pd.DataFrame.from_dict(facts["runs"], orient="index")
        nothing = {**dict.fromkeys(SCORE, ""), "pass": "main", "n": 0}
        lost = facts["failed"]
        failed = pd.DataFrame([{**nothing, "prompt": k, "note": v} for k, v in lost.items()])
        full = pd.concat([long[~long["prompt"].isin([*lost])], failed], ignore_index=True)
        return full.join(runs, on="prompt").assign(**facts["unit"])[[*COLUMNS, "pass"]]
    except (KeyError, ValueError, TypeError, OSError, lzma.LZMAError) as error:
        raise ValueError(f"{path} holds no scores of a unit: {error}") from None
