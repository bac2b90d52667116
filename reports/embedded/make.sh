#!/usr/bin/env bash
# The embedded benchmark: 24 prompts that no setting was chosen by, one seed; SDS, VSD, ESD(.5), ESD(1); view words on and
# off; on the strongly biased prior, in packs of 24. Arms run side by side, one GPU each. Running it again resumes.
#
#   bash reports/embedded/make.sh [RUNS]        GPUS=3 and ESD_BENCH="esd-bench" may be set
#
# To try it without a GPU:  DEVICE=cpu STEPS=2 PACK=2 PROMPTS=demo HERE=/tmp/try bash reports/embedded/make.sh /tmp/try/runs
set -euo pipefail
here=${HERE:-$(dirname "$0")}
runs=${1:-runs/embedded}
device=${DEVICE:-cuda}
gpus=${GPUS:-1}
read -ra bench <<<"${ESD_BENCH:-esd-bench}"

arms=()
for words in --view-words --no-view-words; do
  arms+=("-m vsd $words" "-m esd $words" "-m esd --set entropy=1 $words" "-m sds $words")
done

generate() { # every GPUS-th arm, from the N-th
  for ((arm = $1; arm < ${#arms[@]}; arm += gpus)); do
    read -ra options <<<"${arms[arm]} ${STEPS:+--steps $STEPS}"
    "${bench[@]}" generate "${options[@]}" --preset embedded-gpu --prior embedded-biased --prompts "${PROMPTS:-benchmark}" \
      --pack "${PACK:-24}" --device "$device" --out "$runs"
  done
}

workers=()
for ((gpu = 0; gpu < gpus; gpu++)); do
  if ((gpus > 1)); then export CUDA_VISIBLE_DEVICES=$gpu; fi
  generate "$gpu" &
  workers+=($!)
done
unset CUDA_VISIBLE_DEVICES
for worker in "${workers[@]}"; do wait "$worker"; done

"${bench[@]}" sheet "$runs" --only wording="view words" --out "$here/view-words.webp"
"${bench[@]}" sheet "$runs" --only wording="no view words" --out "$here/no-view-words.webp"
"${bench[@]}" score "$runs" --device "$device"
"${bench[@]}" report "$runs" --scores "$here/scores.csv.gz" --out "$here/overview.md"
for table in overview spread per_prompt collapse; do
  for format in csv latex markdown; do
    ending=${format/latex/tex} ending=${ending/markdown/md}
    "${bench[@]}" report "$here/scores.csv.gz" --table "$table" --format "$format" --out "$here/$table.$ending"
  done
done
if [[ ! ${PROMPTS:-} ]]; then
  "${bench[@]}" sheet "$runs" --only prompt=a-red-clock --only prompt=a-red-dog --only prompt=a-spotted-blue-duck \
    --out "$here/picture.webp"
fi
echo "next: make tables, which renews README.md and $here/README.md"
