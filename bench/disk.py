"""A file system of the benches' own: ext4 with a journal, in a sparse file, empty at the beginning of each run.

ext4 without a journal, which some machines have, does not use the inodes again that were deleted in the last minutes, and
steps over each of them for every file that is made: whoever writes after somebody who cleaned up pays for the cleaning.
On an empty disk with a journal, as distributions set it up, each contestant pays for what it does itself.
"""
import os
import subprocess

SIZE = "40G"  # of which is taken what is written


def done(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class Disk:
    """`folder` lies on a disk of its own where the machine has loop devices."""

    def __init__(self, folder):
        self.folder, self.image = folder, folder + ".img"
        self.is_mounted = False

    def mount(self):
        """Mounts it; the device goes with the mount, also when this process is killed."""
        done("truncate", "-s", SIZE, self.image)
        try:
            done("mkfs.ext4", "-q", "-F", self.image)
            device = done("losetup", "--find", "--show", "--direct-io=on", self.image)
            try:
                done("mount", "-o", "discard", device, self.folder)
                self.is_mounted = True
            finally:
                done("losetup", "--detach", device)
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            print(f"bench: no disk of its own, the figures depend on {os.path.dirname(self.folder)}: {error}")
        # The file has no name from here on: nothing is left behind.
        os.unlink(self.image)

    def remove(self):
        if self.is_mounted:
            done("umount", "--lazy", self.folder)
        subprocess.run(["rm", "-rf", "--one-file-system", self.folder], check=False)
