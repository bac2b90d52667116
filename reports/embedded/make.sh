#!/usr/bin/env bash
# The embedded benchmark: 24 prompts that no setting was chosen by, one seed; SDS, VSD, ESD(.5), ESD(1); view words on and
# off; on the strongly biased prior, in packs of 24 on a GPU. Running it again resumes.
#
#   bash reports/embedded/make.sh [RUNS]        ESD_BENCH="esd-bench" and DEVICE="cuda" may be set
set -euo pipefail
here=$(dirname "$0")
runs=${1:-runs/embedded}
read -ra bench <<<"${ESD_BENCH:-esd-bench}"
device=${DEVICE:-cuda}
pack=${PACK:-24}
extra=(${STEPS:+--steps "$STEPS"})

for words in --view-words --no-view-words; do
  common=(--preset embedded-gpu --prior embedded-biased --prompts benchmark --pack "$pack" --device "$device" --out "$runs")
  "${bench[@]}" generate -m sds -m vsd -m esd "$words" "${common[@]}" "${extra[@]}"
  "${bench[@]}" generate -m esd --set entropy=1 "$words" "${common[@]}" "${extra[@]}"
done
"${bench[@]}" score "$runs" --device "$device"
"${bench[@]}" report "$runs" --scores "$here/scores.csv" >"$here/overview.md"
for table in overview spread per_prompt collapse; do
  for format in csv latex markdown; do
    ending=${format/latex/tex} ending=${ending/markdown/md}
    "${bench[@]}" report "$here/scores.csv" --table "$table" --format "$format" --out "$here/$table.$ending"
  done
done
