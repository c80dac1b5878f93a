"""What the benchmarks factorize: real matrices where the machine has them, else made ones."""

from __future__ import annotations

import gzip
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from harness import audio, matrices

HERE = Path(__file__).resolve().parents[1]
CACHE = HERE.parent / "build" / "bench-cache"
"""Where matrices are kept that take long to make; not under version control."""

FASHION = [
    Path("/usr/share/datasets/fashion-mnist"),
    Path("/usr/share/dataset-fashion-mnist"),
]
"""Where Debian's package dataset-fashion-mnist puts its files, now and perhaps later."""
APT_LISTS = Path("/var/lib/apt/lists")
APT_HELPER = Path("/usr/lib/apt/apt-helper")


@dataclass(frozen=True)
class Loaded:
    """A matrix, what it is in one line, and whether it only stands in for a real one."""

    X: Any
    source: str
    stand_in: bool = False


@dataclass(frozen=True)
class Input:
    """A benchmark: a matrix, the number of components and what is to be done."""

    name: str
    n_components: int
    load: Callable[[bool], Loaded]
    """Called with True for the quick version, a few hundred times less work."""
    wanted: float
    """scikit-learn's time over nonneg's, at least, to count as reached."""
    task: str = "fit"
    """"fit", or "transform": only W is sought, for a given H."""
    seconds: float = 200.0
    """Most seconds that one run of scikit-learn's may take."""
    repeats: int = 1
    """Runs of each kind of which the median counts, for very short ones."""
    beta: float = 2
    """The loss: 2 the squared error, 1 the Kullback-Leibler divergence."""
    quick_seconds: float | None = None
    """As `seconds`, with --quick; None for a tenth of them."""
    quick: bool = True
    """Whether --quick has it where no input is named."""

    def cap(self, quick: bool) -> float:
        """Most seconds that one run of scikit-learn's may take."""
        if not quick:
            return self.seconds
        return self.seconds / 10 if self.quick_seconds is None else self.quick_seconds


def _idx(path: Path) -> Any:
    """Images of a gzipped IDX file as rows of bytes."""
    with gzip.open(path) as file:
        raw = file.read()
    n, height, width = (
        int(size) for size in np.frombuffer(raw, dtype=">u4", count=4)[1:]
    )
    return np.frombuffer(raw, dtype=np.uint8, offset=16).reshape(n, height * width)


def fashion_mnist(quick: bool) -> Loaded:
    """Fashion-MNIST, training and test images, pixels in 0…1, float32."""
    folder = next((path for path in FASHION if path.is_dir()), None)
    if folder is None:
        X = matrices.sparse_images(2000 if quick else 70_000, 784)
        return Loaded(X, "made images (dataset-fashion-mnist is not installed)", True)
    parts = ["t10k"] if quick else ["train", "t10k"]
    images = [_idx(folder / f"{part}-images-idx3-ubyte.gz") for part in parts]
    images = [images[0][:2000]] if quick else images
    X = np.empty((sum(map(len, images)), images[0].shape[1]), dtype=np.float32)
    np.concatenate(images, out=X, casting="unsafe")
    X /= np.float32(255)
    return Loaded(X, "Fashion-MNIST, training and test images")


def package_descriptions(at_most: int | None = None) -> list[str]:
    """Long English descriptions of Debian's packages, as `apt-get update` fetched them.

    Of the largest archive in apt's lists. Empty where there is none: apt keeps them
    if `Acquire::Languages` names "en".
    """
    lists = list(APT_LISTS.glob("*_i18n_Translation-en*"))
    if not (lists and APT_HELPER.exists()):
        return []
    largest = max(lists, key=lambda path: path.stat().st_size)
    text = subprocess.run(
        [str(APT_HELPER), "cat-file", str(largest)], capture_output=True, check=False
    ).stdout.decode(errors="replace")
    records = (part.partition("\nDescription-en:") for part in text.split("\n\n"))
    return [description for _, mark, description in records if mark][:at_most]


WORDS = {"min_df": 5, "stop_words": "english", "token_pattern": r"[a-z]{3,}"}
"""What counts as a word; the vocabulary is the same for counts and weights."""
NO_LISTS = "made documents (apt has no Translation-en lists here)"


def _fitted(vectorizer: Any, documents: list[str]) -> Any:
    X = vectorizer.fit_transform(documents).tocsr()
    X.sort_indices()
    return X


def debian_descriptions(quick: bool) -> Loaded:
    """tf-idf of package descriptions: sublinear, rows of unit length, float64."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    documents = package_descriptions(4000 if quick else None)
    if documents:
        X = _fitted(TfidfVectorizer(sublinear_tf=True, **WORDS), documents)
        return Loaded(X, "descriptions of Debian's packages")
    size = (4000, 4000) if quick else (64_000, 18_000)
    return Loaded(matrices.random_documents(*size, 28), NO_LISTS, True)


def debian_counts(quick: bool) -> Loaded:
    """How often each package's description has each word, CSR, float64."""
    from sklearn.feature_extraction.text import CountVectorizer

    documents = package_descriptions(4000 if quick else None)
    if documents:
        X = _fitted(CountVectorizer(dtype=np.float64, **WORDS), documents)
        return Loaded(X, "word counts of the descriptions of Debian's packages")
    size = (4000, 4000) if quick else (64_000, 18_000)
    return Loaded(matrices.random_counts(*size, 28), NO_LISTS, True)


def _lists(pattern: str) -> list[str]:
    """The text of apt's lists whose names match."""
    if not APT_HELPER.exists():
        return []
    return [
        subprocess.run(
            [str(APT_HELPER), "cat-file", str(path)], capture_output=True, check=False
        ).stdout.decode(errors="replace")
        for path in sorted(APT_LISTS.glob(pattern))
    ]


def package_synopses(at_most: int | None = None) -> list[str]:
    """The one-line descriptions of all packages in apt's lists, one for each name."""
    known: dict[str, str] = {}
    for text in _lists("*_Packages*"):
        for record in text.split("\n\n"):
            name = re.search(r"^Package: (.*)$", record, flags=re.MULTILINE)
            synopsis = re.search(r"^Description: (.*)$", record, flags=re.MULTILINE)
            if name and synopsis:
                known.setdefault(name[1], synopsis[1])
    return list(known.values())[:at_most]


SHORT_WORDS = {"min_df": 2, "token_pattern": r"[a-z0-9]{2,}"}
"""What counts as a word of a synopsis: nearly everything, as short texts have little."""
NO_PACKAGES = "made short documents (apt has no lists of packages here)"


def synopses(quick: bool) -> Loaded:
    """tf-idf of one-line descriptions, about 7 words a row, float64."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = package_synopses(4000 if quick else None)
    if texts:
        X = _fitted(TfidfVectorizer(sublinear_tf=True, **SHORT_WORDS), texts)
        return Loaded(X, "synopses of Debian's packages")
    size = (4000, 2000) if quick else (64_000, 18_000)
    return Loaded(matrices.random_documents(*size, 7), NO_PACKAGES, True)


def synopsis_counts(quick: bool) -> Loaded:
    """Word counts of one-line descriptions, float64."""
    from sklearn.feature_extraction.text import CountVectorizer

    texts = package_synopses(4000 if quick else None)
    if texts:
        X = _fitted(CountVectorizer(dtype=np.float64, **SHORT_WORDS), texts)
        return Loaded(X, "word counts of the synopses of Debian's packages")
    size = (4000, 2000) if quick else (64_000, 18_000)
    return Loaded(matrices.random_counts(*size, 7), NO_PACKAGES, True)


def speech(quick: bool) -> Loaded:
    """|STFT| of spoken prompts at 8 kHz, dense, float32."""
    frames = audio.speech_frames(1250 if quick else None)
    if frames is None:
        X = audio.spectrogram(1250 if quick else 30_000)
        return Loaded(X, "made music (no asterisk-core-sounds-en-wav)", True)
    return Loaded(audio.frame_magnitudes(frames), "spoken prompts, magnitudes")


def speech_power(quick: bool) -> Loaded:
    """|STFT|² of the same, with the power of the rounding to 16 bits, dense, float32."""
    magnitudes = speech(quick)
    X = magnitudes.X**2 + audio.ROUNDING_POWER
    return Loaded(
        X, magnitudes.source.replace("magnitudes", "powers"), magnitudes.stand_in
    )


def spectrogram(quick: bool) -> Loaded:
    """|STFT| of made music, 8 minutes (quick: 20 s) at 16 kHz, dense, float32."""
    X = audio.spectrogram(1250 if quick else 30_000)
    return Loaded(X, "made music (in place of a recording), magnitudes", True)


def low_rank(quick: bool) -> Loaded:
    """A product of rank 50 plus noise, dense, float32."""
    size = (2000, 500) if quick else (20_000, 5000)
    return Loaded(matrices.low_rank(*size, 50, np.float32), "made: rank 50 and noise")


def topics(quick: bool) -> Loaded:
    """log(1 + counts) of a topic model, CSR, float64; kept on disk."""
    source = "made: log(1 + counts) of a topic model"
    if quick:
        return Loaded(matrices.topic_counts(5000, 3000, 60), source)
    path = CACHE / "topic-counts-1.npz"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.npz")
        X = matrices.topic_counts(100_000, 30_000, 558)
        sp.save_npz(partial, X, compressed=False)
        del X
        partial.rename(path)
    return Loaded(sp.load_npz(path).tocsr(), source)


def pbmc3k(quick: bool) -> Loaded:
    """Single-cell counts: 2,638 cells × 13,713 genes, CSR, float64 (data/README.md)."""
    X = sp.load_npz(HERE / "data" / "pbmc3k_counts.npz").tocsr()
    X = X[:300] if quick else X
    return Loaded(X.astype(np.float64), "10x Genomics, 3k PBMCs, counts (CC BY 4.0)")


def small(quick: bool) -> Loaded:  # noqa: ARG001
    """300 × 200 of rank 6 and noise, float64: what a call costs besides its work.

    Its factors have no zeros, so that many cheap iterations are needed.
    """
    X = matrices.low_rank(300, 200, 6, np.float64, zeros=0)
    return Loaded(X, "made: rank 6 and noise")


def _divergence(*args: Any, beta: float = 1, **options: Any) -> Input:
    """An input for Kullback-Leibler or β; its quick runs end after five seconds."""
    return Input(*args, beta=beta, quick_seconds=5, **options)


INPUTS = [
    Input("fashion", 32, fashion_mnist, 10, seconds=150),
    Input("debian", 30, debian_descriptions, 7, seconds=60),
    Input("low-rank", 50, low_rank, 6, seconds=200),
    Input("topics", 50, topics, 7, seconds=300),
    Input("pbmc", 20, pbmc3k, 10, seconds=100),
    Input("transform", 32, fashion_mnist, 10, task="transform", seconds=60, repeats=3),
    Input("small", 6, small, 8, seconds=10, repeats=5),
    Input("synopses", 30, synopses, 8, seconds=60),
    _divergence("kl-debian", 30, debian_counts, 25, seconds=240, quick=False),
    _divergence("kl-pbmc", 20, pbmc3k, 30, seconds=240),
    _divergence("kl-spectrogram", 40, spectrogram, 5, seconds=90),
    _divergence("kl-synopses", 20, synopsis_counts, 20, seconds=120, quick=False),
    _divergence("kl-speech", 40, speech, 10, seconds=120, quick=False),
    _divergence("is-speech", 40, speech_power, 8, beta=0, seconds=120, quick=False),
]
"""The inputs of the time-to-target benchmark."""


def described(X: Any) -> str:
    """Kind, shape, stored entries and type of a matrix in a few words."""
    shape = " × ".join(f"{size:,}" for size in X.shape)
    if sp.issparse(X):
        return f"{X.format.upper()} {shape}, {X.nnz:,} stored, {X.dtype}"
    return f"dense {shape}, {X.dtype}"


def start(X: Any, k: int, seed: int = 0) -> tuple[Any, Any]:
    """W and H as init="random" makes them: |Gaussian|, scaled by sqrt(mean of X / k)."""
    rng = np.random.RandomState(seed)
    scale = np.sqrt(float(X.mean(dtype=np.float64)) / k)
    H = np.abs(scale * rng.standard_normal((k, X.shape[1])))
    W = np.abs(scale * rng.standard_normal((X.shape[0], k)))
    return W.astype(X.dtype), H.astype(X.dtype)


def select(names: str | None, quick: bool = False) -> list[Input]:
    """The inputs of these comma-separated names; for None all, or all quick ones."""
    if names is None:
        return [item for item in INPUTS if item.quick or not quick]
    known = {item.name: item for item in INPUTS}
    wanted = [name for name in re.split(r"[ ,]+", names) if name]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        msg = f"no input {', '.join(unknown)}; choose from {', '.join(known)}."
        raise SystemExit(msg)
    return [known[name] for name in wanted]
