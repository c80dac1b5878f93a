"""Spoken prompts, and music that a few lines of arithmetic play; their spectrograms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import fft, signal
from scipy.io import wavfile

RATE = 16_000
"""Samples a second."""
WINDOW, HOP = 1024, 256
SPEECH = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
"""Where Debian's package asterisk-core-sounds-en-wav puts its files."""
ROUNDING_POWER = np.float32(0.375 * WINDOW / 12 / 32768**2)
"""Power that rounding to 16 bits adds to each frequency of a Hann window, on average."""
SCALE = np.array([0, 2, 4, 5, 7, 9, 11])
"""Semitones of a major scale."""


@dataclass(frozen=True)
class Instrument:
    """How the notes of a voice sound."""

    lowest: int
    """Lowest note, as a MIDI number."""
    brightness: float
    """Amplitude of a harmonic over that of the one before."""
    even: float
    """Amplitude of the even harmonics over that of their neighbours."""
    attack: float
    decay: float
    """Seconds in which a note rises, and falls to 1/e."""
    vibrato: float
    """Depth in semitones, at 5 to 6 a second."""
    breath: float
    """Noise that goes with the note."""
    beat: float
    """Mean length of a note in seconds."""


BAND = [
    Instrument(36, 0.72, 1.0, 0.008, 0.60, 0.00, 0.004, 0.60),  # plucked, low
    Instrument(48, 0.66, 0.9, 0.005, 0.45, 0.00, 0.002, 0.35),  # struck
    Instrument(60, 0.55, 1.0, 0.060, 2.50, 0.25, 0.010, 0.70),  # bowed
    Instrument(67, 0.60, 0.2, 0.030, 2.00, 0.12, 0.020, 0.45),  # blown, odd harmonics
]


def _note(rng: np.random.Generator, kind: Instrument, pitch: int, length: int) -> Any:
    """Samples of one note; its harmonics are powers of one rotating number."""
    t = np.arange(length) / RATE
    wobble = kind.vibrato * np.sin(2 * np.pi * (rng.uniform(5, 6) * t + rng.random()))
    wobble *= np.minimum(1.0, t / 0.3)  # vibrato sets in late
    tuning = pitch + 0.05 * rng.standard_normal()
    frequency = 440.0 * 2.0 ** ((tuning + wobble - 69) / 12)
    turn = np.exp(2j * np.pi * np.cumsum(frequency / RATE)).astype(np.complex64)
    highest = frequency.max()
    sound = kind.breath * rng.standard_normal(length).astype(np.float32)
    power = turn.copy()
    harmonic = 1
    while harmonic * highest < RATE / 2 and harmonic <= 24:
        loudness = kind.brightness**harmonic * (1.0 if harmonic % 2 else kind.even)
        # the higher ones die away sooner
        fading = np.exp(-t * harmonic**0.5 / kind.decay).astype(np.float32)
        sound += np.float32(loudness) * fading * power.imag
        power *= turn
        harmonic += 1
    rise = np.minimum(1.0, t / kind.attack)
    fall = np.minimum(1.0, (length / RATE - t) / 0.02)
    return rng.uniform(0.3, 1.0) * (sound * (rise * fall).astype(np.float32))


def _drums(rng: np.random.Generator, length: int) -> Any:
    """Bursts of noise, low and high, on half of the beats."""
    sound = np.zeros(length, dtype=np.float32)
    bands = {"low": ("lowpass", 180.0, 0.12), "high": ("highpass", 4000.0, 0.04)}
    for kind, edge, decay in bands.values():
        sections = signal.butter(2, edge, kind, fs=RATE, output="sos")
        size = int(5 * decay * RATE)
        shape = np.exp(-np.arange(size) / (decay * RATE))
        burst = signal.sosfilt(sections, rng.standard_normal(size)) * shape
        burst /= np.abs(burst).max()
        for beat in range(0, length - size, RATE // 4):
            if rng.random() < 0.5:
                sound[beat : beat + size] += rng.uniform(0.3, 1.0) * burst
    return sound


def music(length: int, seed: int = 0) -> Any:
    """Samples of four voices that walk along a scale, drums and some noise, float32."""
    rng = np.random.default_rng(seed)
    sound = 0.5 * _drums(rng, length)
    sound += 1e-3 * rng.standard_normal(length).astype(np.float32)
    for kind in BAND:
        begin, step = 0, 4
        while begin < length:
            beats = rng.choice([0.5, 1.0, 1.0, 2.0])
            size = int(min(length - begin, kind.beat * beats * RATE))
            if size > RATE // 50 and rng.random() < 0.9:  # else a rest
                step = int(np.clip(step + rng.integers(-3, 4), 0, 13))
                pitch = kind.lowest + 12 * (step // 7) + SCALE[step % 7]
                sound[begin : begin + size] += _note(rng, kind, int(pitch), size)
            begin += max(size, 1)
    return sound


def speech_frames(at_most: int | None = None) -> Any:
    """Frames of all prompts, in order of their names, (n_frames, 1024); None without them.

    Of more than `at_most` frames that many are taken, evenly spread.
    """
    frames = []
    for path in sorted(SPEECH.rglob("*.wav")):
        _, samples = wavfile.read(path)
        if samples.ndim == 1 and samples.dtype == np.int16 and samples.size >= WINDOW:
            sound = samples.astype(np.float32) / np.float32(32768)
            frames.append(
                np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP]
            )
    if not frames:
        return None
    together = np.concatenate(frames)
    if at_most is None or at_most >= len(together):
        return together
    return together[np.linspace(0, len(together) - 1, at_most).astype(int)]


def magnitudes(sound: Any) -> Any:
    """|STFT| of a signal by Hann windows, (n_frames, 513), float32."""
    return frame_magnitudes(
        np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP]
    )


def frame_magnitudes(frames: Any) -> Any:
    """|FFT| of frames (n_frames, 1024) under a Hann window, (n_frames, 513), float32."""
    window = signal.get_window("hann", WINDOW).astype(np.float32)
    X = np.empty((len(frames), WINDOW // 2 + 1), dtype=np.float32)
    for start in range(0, len(frames), 2000):
        block = frames[start : start + 2000] * window
        X[start : start + 2000] = np.abs(fft.rfft(block, axis=1))
    return X


def spectrogram(n_frames: int, seed: int = 0) -> Any:
    """Magnitudes of so many frames of `music`."""
    return magnitudes(music((n_frames - 1) * HOP + WINDOW, seed))
