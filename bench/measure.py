"""Takes samples of commands, and prints them as a table."""
import os
import statistics
import subprocess
import time


class Sample:
    """One run of a command: wall seconds, and the largest resident set of it or its children in bytes."""

    def __init__(self, seconds, peak):
        self.seconds = seconds
        self.peak = peak


def take(command, environment):
    """Runs `command` to its end; a failure ends the bench with what it printed."""
    os.sync()
    log = os.memfd_create("output")
    start = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                               env={**os.environ, **environment})
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        os.lseek(log, 0, os.SEEK_SET)
        output = os.read(log, 1 << 20).decode(errors="replace")
        raise SystemExit(f"bench: {' '.join(command)} ended with {process.returncode}:\n{output[-4000:]}")
    os.close(log)
    return Sample(seconds, usage.ru_maxrss * 1024)


def in_turns(runs, contestants):
    """`runs` samples of each contestant, taken in turns: {name: [Sample]}.

    A contestant is (prepare, command, environment); `prepare` is called before each sample, untimed.
    """
    samples = {name: [] for name in contestants}
    for _ in range(runs):
        for name, (prepare, command, environment) in contestants.items():
            prepare()
            samples[name].append(take(command, environment))
    return samples


def seconds(samples):
    return statistics.median(sample.seconds for sample in samples)


def spread(samples):
    values = [sample.seconds for sample in samples]
    return f"{min(values):.3f}-{max(values):.3f}"


def print_table(header, rows):
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip(), flush=True)
