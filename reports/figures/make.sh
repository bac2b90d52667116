#!/usr/bin/env bash
# The paper's figures on the embedded priors: pictures and CSVs into this folder. Running it again resumes.
#
#   bash reports/figures/make.sh [RUNS]        ESD_BENCH="esd-bench" may be set
#
# To try it without a GPU:  DEVICE=cpu STEPS=2 SEEDS=0 PRESET=embedded HERE=/tmp/try bash reports/figures/make.sh /tmp/try/runs
set -euo pipefail
here=${HERE:-$(dirname "$0")}
runs=${1:-runs/figures}
seeds=${SEEDS:-0-3}
read -ra bench <<<"${ESD_BENCH:-esd-bench}"
common=(--device "${DEVICE:-cuda}" --pack "${PACK:-8}" --seeds "$seeds" --out "$here" ${STEPS:+--steps "$STEPS"})

"${bench[@]}" illustrate gaussian --out "$here"
"${bench[@]}" illustrate image2d --runs "$runs/image2d" "${common[@]}"
for figure in lambda dreamtime unconditioned; do
  "${bench[@]}" illustrate "$figure" --runs "$runs/$figure" --preset "${PRESET:-embedded-gpu}" "${common[@]}"
done

# What is stored here is WebP, a third of the size.
python - "$here" <<'END'
import sys
from pathlib import Path
from PIL import Image

for path in Path(sys.argv[1]).glob("*.png"):
    Image.open(path).convert("RGB").save(path.with_suffix(".webp"), quality=90, method=6)
    path.unlink()
END
