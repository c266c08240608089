"""The build contexts and Dockerfiles of the benches, made from a fixed seed."""
import os
import random
import shutil


def write(folder, name, content):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb" if isinstance(content, bytes) else "w") as out:
        out.write(content)


def half_noise(source, size):
    """Bytes that compress to about a half: noise, then a repeated line."""
    text = b"the quick brown fox jumps over the lazy dog\n" * (size // 88 + 1)
    return source.randbytes(size // 2) + text[:size - size // 2]


def project(folder):
    """14 instructions over 2,000 files of about 1 kB."""
    source = random.Random(1)
    for index in range(2000):
        write(folder, f"src/d{index % 40}/file{index}.txt", half_noise(source, 1000))
    write(folder, "package.json", '{"name": "bench"}\n')
    write(folder, "src/main.txt", "first\n")
    write(folder, "Dockerfile", """FROM bench-busybox AS build
ARG VERSION=1
ENV STAGE=build
WORKDIR /src
COPY package.json .
RUN echo dependencies > dependencies
COPY src src
RUN cat src/main.txt > built
FROM bench-busybox
LABEL kind=bench
WORKDIR /app
COPY --from=build /src/built built
EXPOSE 8080
CMD ["cat", "/app/built"]
""")


def steps(folder):
    """20 RUN steps that do next to nothing."""
    write(folder, "Dockerfile", "FROM bench-busybox\n" + "".join(f"RUN echo {n} > /n{n}\n" for n in range(20)))


def stages(folder):
    """Four stages that do not need each other."""
    names = "abcd"
    text = "".join(f"FROM bench-busybox AS {n}\nRUN sleep 1 && echo {n} > /{n}\n" for n in names)
    text += "FROM bench-busybox\n" + "".join(f"COPY --from={n} /{n} /{n}\n" for n in names)
    write(folder, "Dockerfile", text)


def files(folder):
    """20,000 small files (about 100 MB) and one of 300 MB."""
    source = random.Random(2)
    for index in range(20000):
        write(folder, f"data/d{index % 100}/f{index}", half_noise(source, source.randrange(100, 10000)))
    with open(os.path.join(folder, "data/large"), "wb") as out:
        for _ in range(300):
            out.write(half_noise(source, 1 << 20))
    write(folder, "Dockerfile", "FROM bench-busybox\nCOPY data /data\n")


def large(folder):
    """One layer of 1 GB."""
    source = random.Random(3)
    os.makedirs(os.path.join(folder, "data"), exist_ok=True)
    for index in range(4):
        with open(os.path.join(folder, f"data/part{index}"), "wb") as out:
            for _ in range(256):
                out.write(half_noise(source, 1 << 20))
    write(folder, "Dockerfile", "FROM bench-busybox\nCOPY data /data\n")


def crowd(folder):
    """100,000 files, of which one is copied."""
    for index in range(100000):
        write(folder, f"many/d{index % 500}/f{index}", f"{index}\n")
    write(folder, "one", "one\n")
    write(folder, "Dockerfile", "FROM bench-busybox\nENV A=1\nWORKDIR /app\nCOPY one one\nRUN cat one > two\nCMD [\"cat\", \"two\"]\n")


def written(folder):
    """One RUN that writes 20,000 files and 400 MB."""
    write(folder, "Dockerfile", """FROM bench-busybox
RUN mkdir /files && d=0 && while [ $d -lt 100 ]; do mkdir /files/$d && i=0 && \\
    while [ $i -lt 200 ]; do echo $i > /files/$d/$i; i=$((i + 1)); done; d=$((d + 1)); done && \\
    head -c 40000000 /dev/urandom > /noise && for i in 0 1 2 3 4 5 6 7 8 9; do cat /noise >> /large; done && rm /noise
""")


def application(folder, base):
    """A file on a base that is in a registry; no RUN."""
    write(folder, "app", "0\n")
    write(folder, "Dockerfile", f"FROM {base}\nLABEL kind=bench\nWORKDIR /app\nCOPY app /app/app\nCMD [\"/app/app\"]\n")


def base_with_noise(folder, root):
    """A base of two layers, as a distribution builds it: the tar `root`, and 100 MB of noise."""
    source = random.Random(4)
    os.makedirs(folder, exist_ok=True)
    # In parts: what this process ever held counts as the largest resident set of those it starts.
    with open(os.path.join(folder, "noise"), "wb") as out:
        for _ in range(100):
            out.write(source.randbytes(1 << 20))
    shutil.copy(root, os.path.join(folder, "root.tar"))
    write(folder, "Dockerfile", "FROM scratch\nADD root.tar /\nCOPY noise /noise\n")
