"""What a dynamically linked program needs beside itself: `runtime.py ROOT FILE …` copies its libraries into ROOT.

`runtime.py --python ROOT` copies the interpreter that runs this, with its standard library, to ROOT/usr/local.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

# What no program loop needs, a third of the whole.
LEFT_OUT = ("test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "__pycache__", "site-packages",
            "dist-packages", "config-*")


def main() -> None:
    if sys.argv[1] == "--python":
        python(Path(sys.argv[2]))
    else:
        libraries(Path(sys.argv[1]), [Path(file) for file in sys.argv[2:]])


def libraries(root: Path, files: list[Path]) -> None:
    for library in sorted({library for file in files for library in needed_by(file)}):
        place = root / home(library).relative_to("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(os.path.realpath(library), place)
        place.chmod(0o755)


def needed_by(file: Path) -> set[Path]:
    said = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False)
    # `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, and the loader by its path alone.
    return {Path(found) for found in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", said.stdout, re.MULTILINE)}


def home(library: Path) -> Path:
    """Where the loader of the image finds it: its own place, or the usual folder where it came from elsewhere."""
    usual = str(library).startswith(("/lib", "/usr/lib"))
    return library if usual else Path("/usr/lib") / library.name


def python(root: Path) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    local = root / "usr/local"
    (local / "bin").mkdir(parents=True)
    program = local / "bin" / version
    shutil.copyfile(os.path.realpath(sys.executable), program)
    program.chmod(0o755)
    for name in ("python3", "python"):
        (local / "bin" / name).symlink_to(version)
    ignored = shutil.ignore_patterns(*LEFT_OUT)
    shutil.copytree(sysconfig.get_path("stdlib"), local / "lib" / version, ignore=ignored)
    modules = sorted((local / "lib" / version / "lib-dynload").glob("*.so"))
    # Asked where they came from: a library of the interpreter's own folder is found from there only.
    origin = Path(sysconfig.get_config_var("DESTSHARED") or "")
    libraries(root, [Path(os.path.realpath(sys.executable)), *(origin / module.name for module in modules)])


if __name__ == "__main__":
    main()
