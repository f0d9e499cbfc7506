#!/usr/bin/env bash
# All that a machine with a GPU is needed for, in at most 12 minutes; what was measured is skipped by the next call.
#
#     benchmarks/gpu_session.sh OUT             # measures, and leaves everything in the folder OUT
#     benchmarks/gpu_session.sh --wheels DIR    # with a network: loads the wheels that a machine without one needs
#
# WHEELS is the folder of the wheels; without it TensorFlow must be installed. The Python is $PYTHON, or python3, of the
# version for which the wheels were loaded. MNIST_BENCH_DATA names MNIST where there is no network.
# Exit status: 0 all was measured, 2 no GPU or bad usage, 3 the time was over or a step failed: call again.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3}
limit=${LIMIT_SECONDS:-700}

fail() { echo "gpu_session: $1" >&2; exit 2; }

if [[ ${1:-} == --wheels ]]; then
    [[ $# == 2 ]] || fail "--wheels needs a folder"
    exec "$python" -m pip download --quiet --dest "$2" "$here[gpu,standin]" hatchling editables hypothesis
fi
[[ $# == 1 && $1 != -* ]] || fail "usage: gpu_session.sh OUT, or gpu_session.sh --wheels DIR"
mkdir -p "$1" || fail "$1: cannot be made"
out=$(cd "$1" && pwd)

command -v nvidia-smi > /dev/null && gpu=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2> /dev/null) && [[ -n $gpu ]] ||
    fail "no GPU: nvidia-smi shows none on this machine; nothing was measured"

if [[ -n ${WHEELS:-} ]]; then
    [[ -x $out/venv/bin/python ]] || "$python" -m venv "$out/venv" || fail "$out/venv: cannot be made"
    python=$out/venv/bin/python
    "$python" -m pip install --quiet --no-index --find-links "$WHEELS" -e "$here[gpu,standin]" ||
        fail "$WHEELS: the wheels do not suffice; load them by gpu_session.sh --wheels DIR"
fi
cd "$here" || fail "$here: cannot be entered"
export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-3}
"$python" -c 'import sys, tensorflow as tf; sys.exit(not tf.config.list_physical_devices("GPU"))' 2> "$out/tensorflow.log" ||
    fail "TensorFlow is not installed or sees no GPU ($gpu); $out/tensorflow.log says more"
bench=("$python" -m mnist_bench)

failed=0
# Run a step that was not done yet: its name, the seconds that it may take, the command. Its output is NAME.log.
step() {
    local name=$1 seconds=$2 status
    shift 2
    [[ -e $out/$name.done ]] && return
    if ((SECONDS + seconds > limit)); then
        echo "$name: no time left, call again"
        failed=3
        return
    fi
    timeout "$seconds" "$@" > "$out/$name.log" 2>&1
    status=$?
    echo "$name: status $status, $SECONDS s"
    # Of a check, 1, 3 and 4 are answers, too: the baseline of this machine is what this session makes. A run in which a
    # test failed is none.
    case $name:$status in
        *:0 | check:[134] | same:[13] | digests-same:[13]) echo "$status" > "$out/$name.done" ;;
        *) failed=3 ;;
    esac
}

echo "$gpu" | tee "$out/gpu.txt"
step environment 60 "${bench[@]}" env --json
measure=(-m pytest benchmarks --mnist-device gpu --mnist-require gpu -p no:cacheprovider -q)
step run1 280 "$python" "${measure[@]}" --benchmark-json "$out/run1.json"
# Twice: the same digests in two processes are what makes a baseline of digests. What a step left unfinished goes first.
for number in 1 2; do
    [[ -e $out/digests$number.done ]] || rm -rf "${out:?}/digests$number"
    step digests$number 100 "${bench[@]}" check --engine fused --device gpu --save-digests "$out/digests$number"
done
[[ -e $out/digests1.done && -e $out/digests2.done ]] &&
    step digests-same 30 "${bench[@]}" compare "$out/digests1" "$out/digests2"
step check 150 "${bench[@]}" check --engine fused --device gpu --fast --json
step settings 120 "$python" benchmarks/settings.py --device gpu --engine fused --engine graph --rounds 2
seeds=("${bench[@]}" run mlp --engine fused --device gpu --resume)
step seeds-in-turn 60 "${seeds[@]}" --seeds 8 --company 1 --jobs 1 --out "$out/seeds-in-turn"
step seeds-at-once 60 "${seeds[@]}" --seeds 8 --company 1 --jobs 4 --out "$out/seeds-at-once"
step seeds-in-one 60 "${seeds[@]}" --seeds 8 --company 8 --jobs 1 --out "$out/seeds-in-one"
step many-seeds 60 "${seeds[@]}" --seeds 64 --company 64 --jobs 1 --out "$out/many-seeds"
step same 120 "${bench[@]}" compare current current --same --only time --budget 60s --in-turn --device gpu \
    --engine fused --json
step run2 280 "$python" "${measure[@]}" --benchmark-json "$out/run2.json"
step run3 280 "$python" "${measure[@]}" --benchmark-json "$out/run3.json"
if [[ -e $out/digests-same.done && $(< "$out/digests-same.done") == 0 ]]; then
    echo "store the digests: mnist-bench baseline accept $out/digests1 --why ..."
fi
if [[ -e $out/run1.done && -e $out/run2.done && -e $out/run3.done ]]; then
    echo "store the baseline: mnist-bench timings accept $out/run1.json $out/run2.json $out/run3.json --why ..."
fi
exit "$failed"
