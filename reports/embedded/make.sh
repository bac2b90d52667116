#!/usr/bin/env bash
# The embedded benchmark: 24 prompts that no setting was chosen by, one seed; SDS, VSD, ESD(.5), ESD(1), Debiased-SDS with
# both published bounds; view words on and off; Perp-Neg, which works through them; on the strongly biased prior, in packs
# of 24. Arms run side by side, one GPU each, and so do metrics. Running it again resumes.
#
#   bash reports/embedded/make.sh [RUNS]        GPUS=4 and ESD_BENCH="esd-bench" may be set
#
# To try it without a GPU:  DEVICE=cpu STEPS=2 PACK=2 PROMPTS=demo HERE=/tmp/try bash reports/embedded/make.sh /tmp/try/runs
set -euo pipefail
here=${HERE:-$(dirname "$0")}
runs=${1:-runs/embedded}
device=${DEVICE:-cuda}
gpus=${GPUS:-1}
bench=${ESD_BENCH:-esd-bench}

arms=()
for words in --view-words --no-view-words; do
  arms+=("-m vsd $words" "-m esd $words" "-m esd --set entropy=1 $words")
done
for words in --view-words --no-view-words; do
  arms+=("-m sds $words" "-m debiased-sds $words" "-m debiased-sds --set low=2 --set high=8 --set until=0.4 $words")
done
arms+=("-m perp-neg")

everywhere() { # a command with each of some endings, one after the other on every GPU
  printf '%s\n' "${@:2}" | xargs -d '\n' -P "$gpus" -I{} --process-slot-var=CUDA_VISIBLE_DEVICES bash -c "$1 {}"
}

everywhere "$bench generate --preset embedded-gpu --prior embedded-biased --prompts ${PROMPTS:-benchmark} ${STEPS:+--steps $STEPS} \
  --pack ${PACK:-24} --device $device --out $runs" "${arms[@]}"
everywhere "$bench score $runs --device $device --metric" fid inception janus clip_distance kid view_words front_peaks pose_peaks self_similarity
$bench sheet "$runs" --only wording="view words" --out "$here/view-words.webp"
$bench sheet "$runs" --only wording="no view words" --out "$here/no-view-words.webp"
$bench report "$runs" --scores "$here/scores.csv.gz" --out "$here/overview.md"
for table in overview spread per_prompt collapse paired; do
  for format in csv latex markdown; do
    ending=${format/latex/tex} ending=${ending/markdown/md}
    $bench report "$here/scores.csv.gz" --table "$table" --format "$format" --out "$here/$table.$ending"
  done
done
if [[ ! ${PROMPTS:-} ]]; then
  $bench sheet "$runs" --only prompt=a-red-clock --only prompt=a-red-dog --only prompt=a-spotted-blue-duck \
    --only method=sds --only method=vsd --only method=esd --out "$here/picture.webp"
fi
echo "next: make tables, which renews README.md and $here/README.md"
