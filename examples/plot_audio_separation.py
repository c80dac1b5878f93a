"""
Notes out of a chord
====================

Three strings sound at once. Their sum is all that the microphone hears, and yet each can be
heard alone again: the magnitudes of a spectrogram are close to a sum of notes, each a
spectrum (a row of H) that swells and fades (a column of W).
"""

from __future__ import annotations

import base64
import io
import tempfile
import wave
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from nonneg import NMF

# %%
# A recording
# -----------
#
# Plucked strings, made by adding harmonics that decay, the high ones sooner: first one by one,
# then two at a time, then all three, at 8 kHz and with a little noise.

RATE = 8000
NOTES = {"A3": 220.0, "C sharp 4": 277.18, "E4": 329.63}
ONSETS = {
    "A3": [0.0, 1.5, 2.0, 3.0],
    "C sharp 4": [0.5, 1.5, 2.5, 3.0],
    "E4": [1.0, 2.0, 2.5, 3.0],
}
rng = np.random.default_rng(0)
time = np.arange(int(4.5 * RATE)) / RATE


def pluck(pitch: float, onset: float) -> np.ndarray:
    """Sound of a note from its onset on."""
    t = np.clip(time - onset, 0, None)
    sound = np.zeros(len(time))
    for n in range(1, 9):
        phase = 2 * np.pi * (n * pitch * t + rng.random())
        sound += np.sin(phase) * np.exp(-t * (2 + 0.7 * n)) / n**1.3
    return sound * (1 - np.exp(-t / 0.004)) * (time >= onset)


alone = {
    name: sum(pluck(pitch, onset) for onset in ONSETS[name])
    for name, pitch in NOTES.items()
}
mixture = 0.15 * (sum(alone.values()) + 0.02 * rng.standard_normal(len(time)))


class Player:
    """A sound that notebooks and this page can play."""

    def __init__(self, sound: np.ndarray) -> None:
        samples = (np.clip(sound, -1, 1) * 32767).astype("<i2")
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(samples.tobytes())
        self.wav = buffer.getvalue()

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.wav).decode()
        return f'<audio controls src="data:audio/wav;base64,{data}"></audio>'


Player(mixture)

# %%
# A spectrogram
# -------------
#
# Windows of an eighth of a second, a quarter of it apart. X has a row for each window and a
# column for each frequency. The Kullback-Leibler divergence lets faint overtones count.

transform = ShortTimeFFT(hann(1024, sym=False), hop=256, fs=RATE)
spectrum = transform.stft(mixture)
X = np.abs(spectrum).T
model = NMF(
    3,
    solver="auto",
    beta_loss="kullback-leibler",
    init="random",
    n_init=5,
    random_state=0,
    max_iter=500,
)
W = model.fit_transform(X)
H = model.components_

# %%
# Each component keeps its share of each point of the spectrogram, phases included (a Wiener
# filter), and goes back to a sound. The loudest frequency of a spectrum says which note it is.

shares = W.T[:, :, None] * H[:, None, :]
shares /= shares.sum(axis=0)
order = np.argsort(H.argmax(axis=1))
parts = [transform.istft(spectrum * shares[t].T, k1=len(time)) for t in order]

for name, part in zip(NOTES, parts, strict=True):
    agreement = np.corrcoef(part, alone[name])[0, 1]
    print(f"{name:10s} correlation with the note as it was played: {agreement:.3f}")

# %%
# What is in the spectrogram
# --------------------------
#
# The mixture above, the three components below: harmonics that rise and fall together end up
# in the same one.

fig, axes = plt.subplots(
    2, 2, figsize=(9, 5.2), sharex=True, sharey=True, layout="constrained"
)
pictures = {"mixture": X.T}
pictures |= {n: X.T * shares[t].T for n, t in zip(NOTES, order, strict=True)}
for ax, (name, magnitude) in zip(axes.flat, pictures.items(), strict=True):
    level = 20 * np.log10(magnitude / X.max() + 1e-6)
    image = ax.pcolormesh(
        transform.t(len(time)), transform.f, level, vmin=-70, vmax=0, rasterized=True
    )
    ax.set(title=name, ylim=(0, 2500), xlim=(0, 4.5))
fig.supxlabel("time (s)")
fig.supylabel("frequency (Hz)")
fig.colorbar(image, ax=axes, label="level (dB below the loudest)")
plt.show()

# %%
# When each note sounds
# ---------------------
#
# The columns of W, with the onsets that were played (triangles).

fig, axes = plt.subplots(3, 1, figsize=(9, 3.6), sharex=True, layout="constrained")
times = transform.t(len(time))
for i, (ax, name) in enumerate(zip(axes, NOTES, strict=True)):
    level = W[:, order[i]] / W[:, order[i]].max()
    ax.fill_between(times, level, color=f"C{i}", alpha=0.8)
    ax.plot(ONSETS[name], np.full(4, 1.1), "v", color="0.3", clip_on=False)
    ax.set(ylabel=name, yticks=[], ylim=(0, 1.15), xlim=(0, 4.5))
axes[-1].set_xlabel("time (s)")
plt.show()

# %%
# To hear
# -------
#
# The three notes as .wav files. The first of them, once more:

with tempfile.TemporaryDirectory() as folder:
    for name, part in zip(NOTES, parts, strict=True):
        path = Path(folder, f"{name}.wav")
        path.write_bytes(Player(part).wav)
        print(f"{path.name}: {path.stat().st_size:,} bytes")

Player(parts[0])

# %%
# the second,

Player(parts[1])

# %%
# and the third.

Player(parts[2])
