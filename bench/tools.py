"""The contestants: how each is set up, cleaned, and called. Everything lives below one work folder."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

BASE = "bench-busybox"
BRIDGE = "/sys/class/net/cni-podman0"  # podman's default network makes it and leaves it


def run(command, environment=None):
    done = subprocess.run(command, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def wait_for(what, reached):
    for _ in range(200):
        if reached():
            return
        time.sleep(0.1)
    raise SystemExit(f"bench: waited in vain for {what}")


class Dhow:
    name = "dhow"

    def __init__(self, work, binary):
        self.binary = binary
        self.store = os.path.join(work, "dhow")
        self.environment = {"DHOW_ROOT": self.store}

    def set_up(self, base_tar):
        self.base_tar = base_tar
        run([self.binary, "import", base_tar, BASE], self.environment)

    def build(self, tag, context, *options):
        return [self.binary, "build", "-q", *options, "-t", tag, context]

    def empty_cache(self):
        shutil.rmtree(self.store)
        self.set_up(self.base_tar)

    def build_and_push(self, tag, context):
        return [self.binary, "build", "-q", "--push", "-t", tag, context]

    def forget(self, *_):
        """A machine that has nothing yet but the common base."""
        self.empty_cache()

    def tear_down(self):
        pass


class Docker:
    """Docker's builder with a daemon of its own: no bridge, no iptables."""
    name = "docker"

    def __init__(self, work):
        self.work = os.path.join(work, "docker")
        self.socket = os.path.join(work, "docker.sock")
        self.client = "/usr/bin/docker" if os.path.exists("/usr/bin/docker") else "docker"
        self.environment = {"DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "1",
                            "DOCKER_CONFIG": os.path.join(work, "docker-config")}

    def set_up(self, base_tar):
        os.makedirs(self.work)
        log = open(os.path.join(self.work, "log"), "w")
        self.daemon = subprocess.Popen(
            ["dockerd", "--host", f"unix://{self.socket}", "--data-root", f"{self.work}/data",
             "--exec-root", f"{self.work}/exec", "--pidfile", f"{self.work}/pid", "--bridge", "none",
             "--iptables=false", "--ip6tables=false", "--exec-opt", "native.cgroupdriver=cgroupfs"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        answers = [self.client, "version"]
        wait_for("dockerd", lambda: subprocess.run(answers, env={**os.environ, **self.environment},
                                                   capture_output=True).returncode == 0)
        run([self.client, "import", base_tar, BASE], self.environment)

    def build(self, tag, context, *options):
        return [self.client, "build", "-q", *options, "-t", tag, context]

    def build_and_push(self, tag, context):
        return ["sh", "-c", f"{self.client} build -q -t {tag} {context} && {self.client} push -q {tag}"]

    def forget(self, *names):
        for name in names:
            subprocess.run([self.client, "rmi", "-f", name], capture_output=True, env={**os.environ, **self.environment})
        self.empty_cache()

    def empty_cache(self):
        run([self.client, "builder", "prune", "-af"], self.environment)

    def tear_down(self):
        self.daemon.terminate()
        self.daemon.wait()


class Podman:
    """podman and buildah, which share a storage."""
    name = "podman"

    def __init__(self, work):
        self.storage = ["--root", os.path.join(work, "containers"), "--runroot", os.path.join(work, "containers-run")]
        self.had_bridge = os.path.exists(BRIDGE)
        config = os.path.join(work, "containers.conf")
        with open(config, "w") as out:
            out.write('[containers]\ncgroups = "disabled"\n'
                      'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
                      '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "crun"\n')
        self.environment = {"CONTAINERS_CONF": config}

    def set_up(self, base_tar):
        run(["podman", *self.storage, "import", "-q", base_tar, f"localhost/{BASE}"], self.environment)

    def command(self, *arguments):
        return ["podman", *self.storage, *arguments]

    def tear_down(self):
        run(self.command("rmi", "-a", "-f"), self.environment)
        if not self.had_bridge and os.path.exists(BRIDGE):
            run(["ip", "link", "delete", os.path.basename(BRIDGE)])


class Buildah:
    name = "buildah"

    def __init__(self, podman):
        self.podman = podman
        self.environment = {**podman.environment, "BUILDAH_ISOLATION": "oci"}

    def build(self, tag, context, *options):
        return ["buildah", *self.podman.storage, "--runtime", "runc", "build", "-q", "--layers", *options, "-t", tag, context]

    def build_and_push(self, tag, context):
        buildah = " ".join(["buildah", *self.podman.storage])
        return ["sh", "-c", f"{buildah} --runtime runc build -q --layers --tls-verify=false -t {tag} {context} && "
                            f"{buildah} push -q --tls-verify=false {tag}"]

    def forget(self, *names):
        for name in names:
            subprocess.run(self.podman.command("rmi", "-f", name), capture_output=True,
                           env={**os.environ, **self.environment})
        run(self.podman.command("image", "prune", "-f"), self.environment)

    def empty_cache(self):
        self.forget("copy")


class Crun:
    """A bare `crun run` of a bundle that is ready."""
    name = "crun"
    environment = {}

    def __init__(self, work):
        self.bundle = os.path.join(work, "bundle")
        self.state = os.path.join(work, "crun")

    def set_up(self, base_tar):
        root = os.path.join(self.bundle, "rootfs")
        os.makedirs(root)
        run(["tar", "-C", root, "-xf", base_tar])
        run(["crun", "spec", "--bundle", self.bundle])
        path = os.path.join(self.bundle, "config.json")
        with open(path) as file:
            spec = json.load(file)
        spec["process"].update(terminal=False, args=["true"])
        spec["process"].pop("rlimits", None)
        spec["linux"].pop("resources", None)
        with open(path, "w") as file:
            json.dump(spec, file)

    def command(self):
        return ["crun", "--root", self.state, "--cgroup-manager=disabled", "run", "--bundle", self.bundle, "bench"]

    def tear_down(self):
        pass


class Registry:
    """docker-registry on a free loopback port."""

    def __init__(self, work):
        self.folder = tempfile.mkdtemp(prefix="registry-", dir=work)

    def set_up(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = os.path.join(self.folder, "config.yml")
        with open(config, "w") as out:
            out.write(f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
                      f"storage: {{filesystem: {{rootdirectory: {self.folder}/data}}}}\n"
                      f"http: {{addr: 127.0.0.1:{self.port}}}\n")
        self.process = subprocess.Popen(["docker-registry", "serve", config], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def answers():
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", self.port)) == 0
        wait_for("docker-registry", answers)

    def tear_down(self):
        self.process.terminate()
        self.process.wait()
