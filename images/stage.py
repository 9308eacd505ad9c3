"""Finish the files of an image, with nothing but the standard library of the base image.

    python3 stage.py packages FOLDER PYPROJECT   FOLDER has the packages of an image
    python3 stage.py bytecode ROOT               bytecode of the standard library, below ROOT

`packages` removes what the image does not use, adds the metadata of Spiko, and compiles all modules.
"""

from __future__ import annotations

import py_compile
import shutil
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from importlib.util import cache_from_source
from pathlib import Path

# Commands of packages, sources of compiled modules, stubs for type checkers. Licenses stay.
WASTE = ("bin", "**/__pycache__", "**/*.pyx", "**/*.pxd", "**/*.pyi")
# The operator sends requests of its own with the client of `kubernetes.aio`. That package looks up its models
# and the groups of the API only when they are used; `import kubernetes` uses three models.
CLIENTS = ("kubernetes/client", "kubernetes/aio/client")
USED_MODELS = frozenset({"__init__", "v1_managed_fields_entry", "v1_object_meta", "v1_owner_reference"})
# Parts of the standard library that no image imports.
UNUSED = frozenset(
    ["dist-packages", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test", "tests"]
)


def unused(folder: Path) -> Iterator[Path]:
    """Yield the files and folders in `folder` that an image does not need."""
    for pattern in WASTE:
        yield from folder.glob(pattern)
    for client in CLIENTS:
        modules = (*folder.glob(f"{client}/api/*.py"), *folder.glob(f"{client}/models/*.py"))
        yield from (path for path in modules if path.stem not in USED_MODELS)


def remove_unused(folder: Path) -> None:
    """Remove the files and folders that an image does not need."""
    for path in list(unused(folder)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def write_metadata(folder: Path, pyproject: Path) -> None:
    """Write Spiko's *.dist-info, which the operator and inventories of images read.

    Args:
        folder: of the packages.
        pyproject: pyproject.toml, beside LICENSE.
    """
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    target = folder / f"{project['name']}-{project['version']}.dist-info"
    (target / "licenses").mkdir(parents=True)
    shutil.copy(pyproject.parent / "LICENSE", target / "licenses")
    fields = {
        "Metadata-Version": "2.4",
        "Name": project["name"],
        "Version": project["version"],
        "Summary": project["description"],
        "License-Expression": project["license"],
        "License-File": "LICENSE",
        "Requires-Python": project["requires-python"],
    }
    text = "".join(f"{name}: {value}\n" for name, value in fields.items())
    (target / "METADATA").write_text(text, encoding="utf-8")


def write_bytecode(folder: Path, root: Path = Path("/")) -> None:
    """Compile every module in `folder` that has no bytecode yet.

    The file system of a container is read-only: without bytecode, every start would compile all modules. The
    bytecode does not depend on the time of its source, because builders may set all times alike.

    Args:
        folder: an absolute path.
        root: where the bytecode is written, at the path that it would have beside its module.

    Raises:
        py_compile.PyCompileError: a module is not valid.
    """
    for path in sorted(folder.rglob("*.py")):
        bytecode = Path(cache_from_source(str(path)))
        if bytecode.exists() or UNUSED.intersection(path.relative_to(folder).parts):
            continue
        py_compile.compile(
            str(path),
            cfile=str(root / bytecode.relative_to("/")),
            dfile=str(path),
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


def main(arguments: list[str]) -> None:
    """Run one command."""
    match arguments:
        case ["packages", folder, pyproject]:
            remove_unused(Path(folder))
            write_metadata(Path(folder), Path(pyproject))
            write_bytecode(Path(folder))
        case ["bytecode", root]:
            write_bytecode(Path(sysconfig.get_path("stdlib")), Path(root))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
