"""Two sound cards of PulseAudio null sinks, and what a microphone heard compared with what a speaker played."""

import os
import subprocess
import threading
import time
import wave

import numpy

from machine import Failed

RATE = 48_000
# Where Debian's alsa-utils keeps a person saying where the loudspeakers are.
VOICE = "/usr/share/sounds/alsa"
WORDS = ["Front_Center", "Rear_Center", "Side_Left", "Front_Left", "Rear_Right", "Side_Right"]
# A correlation over this is the same speech; speech against other speech stays below half of it.
SAME = 0.35


class Card:
    """A sound server of its own: what is played into `mic` is heard by its microphone, `spk` is its speaker."""

    def __init__(self, folder, name):
        home = f"{folder}/{name}"
        os.makedirs(home)
        path = f"{home}/native"
        command = ["pulseaudio", "-n", "--exit-idle-time=-1", "--daemonize=no", "--disallow-exit", "--realtime=no",
                   "--high-priority=no", "--use-pid-file=no", "-L", f"module-native-protocol-unix socket={path} auth-anonymous=1"]
        for sink in ("mic", "spk"):
            command += ["-L", f"module-null-sink sink_name={sink} rate={RATE} channels=1 format=s16le"]
        command += ["-L", "module-remap-source master=mic.monitor source_name=micsrc"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=open(f"{home}/log", "w"),
                                        env={**os.environ, "HOME": home, "XDG_RUNTIME_DIR": home})
        self.environment = {"PULSE_SERVER": f"unix:{path}"}
        end = time.monotonic() + 20
        while self._control("set-default-source", "micsrc") or self._control("set-default-sink", "spk"):
            if time.monotonic() > end:
                raise Failed("PulseAudio does not start")
            time.sleep(0.1)

    def _control(self, *command):
        return subprocess.run(["pactl", *command], env={**os.environ, **self.environment}, stderr=subprocess.DEVNULL).returncode

    def speak(self, path):
        """Plays a recording into the microphone, to its end."""
        subprocess.run(["paplay", "--device=mic", "--latency-msec=20", path], check=True, env={**os.environ, **self.environment})

    def record(self, sink):
        """Begins to record what goes into `mic` or comes out of `spk`."""
        return Recorder(f"{sink}.monitor", {**os.environ, **self.environment})

    def close(self):
        self.process.terminate()
        self.process.wait()


class Recorder(threading.Thread):
    """A recording whose beginning is dated by the earliest that any part of it could have arrived."""

    def __init__(self, device, environment):
        super().__init__(daemon=True)
        self.parts = []
        self.process = subprocess.Popen(["parec", f"--device={device}", "--format=s16le", f"--rate={RATE}", "--channels=1", "--raw",
                                         "--latency-msec=5"], stdout=subprocess.PIPE, env=environment)
        self.start()

    def run(self):
        while data := self.process.stdout.read1(8192):
            self.parts.append((time.monotonic(), data))

    def stop(self):
        """When it began, in monotonic seconds, and its samples, ±1."""
        self.process.terminate()
        self.join(5)
        count, begin = 0, None
        for at, data in self.parts:
            count += len(data) // 2
            begin = min(begin or at, at - count / RATE)
        data = b"".join(data for _, data in self.parts)
        return begin, numpy.frombuffer(data[:len(data) // 2 * 2], numpy.int16) / 32768


def speech(path):
    """Writes about ten seconds of a person's voice, 48 kHz mono."""
    pieces = []
    for word in WORDS:
        with wave.open(f"{VOICE}/{word}.wav") as file:
            assert file.getframerate() == RATE and file.getsampwidth() == 2
            samples = numpy.frombuffer(file.readframes(file.getnframes()), numpy.int16)
            pieces += [samples[::file.getnchannels()], numpy.zeros(RATE // 4, numpy.int16)]
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(numpy.concatenate(pieces).astype(numpy.int16).tobytes())


def compare(microphone, speaker):
    """Mouth to ear: median delay in ms with its range, and both levels in dBFS, over two-second windows of speech."""
    (mouth_began, mouth), (ear_began, ear) = microphone, speaker
    window, delays, levels = 2 * RATE, [], []
    for at in range(0, len(mouth) - window, RATE // 2):
        said = mouth[at:at + window]
        if rms(said) < 0.01:
            continue
        begin = max(0, at + int((mouth_began - ear_began) * RATE) - RATE // 50)
        heard = ear[begin:begin + window + 2 * RATE]
        if len(heard) < window + RATE // 2:
            continue
        match = correlation(heard, said)
        best = int(numpy.argmax(match))
        part = heard[best:best + window]
        if match[best] / (numpy.linalg.norm(said) * numpy.linalg.norm(part) + 1e-9) > SAME:
            delays.append(((begin + best) / RATE + ear_began - at / RATE - mouth_began) * 1000)
            levels.append((decibels(rms(said)), decibels(rms(part))))
    if not delays:
        raise Failed(f"what the microphone heard ({decibels(rms(mouth)):.1f} dBFS) was never played ({decibels(rms(ear)):.1f} dBFS)")
    said, heard = (float(numpy.median(side)) for side in zip(*levels))
    return {"delay_ms": round(float(numpy.median(delays)), 1), "delay_range_ms": [round(min(delays), 1), round(max(delays), 1)],
            "windows": len(delays), "said_dbfs": round(said, 1), "heard_dbfs": round(heard, 1)}


def correlation(long, short):
    """How well `short` fits at each place of `long`."""
    size = 1 << (len(long) + len(short)).bit_length()
    product = numpy.fft.rfft(long, size) * numpy.conj(numpy.fft.rfft(short, size))
    return numpy.abs(numpy.fft.irfft(product, size)[:len(long) - len(short)])


def rms(samples):
    return float(numpy.sqrt(numpy.mean(numpy.square(samples)))) if len(samples) else 0.0


def decibels(value):
    return 20 * numpy.log10(max(value, 1e-5))
