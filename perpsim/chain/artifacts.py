"""Compiled contracts: in-process vyper behind a disk cache that is never stale.

Imports resolve as under `ape compile` (ape-vyper runs the vyper command in the project folder): the folder of
the contract itself, then the project root. So `from modules import x` works in `contracts/A.vy`, and `from
contracts.modules import x` or `from ..modules import x` in `contracts/policies/P.vy`. The bytecode is the
same.

The cache has two keys. The first is the hash of the whole tree of sources, the compiler and the settings: if
it is known nothing is parsed (about a millisecond). Otherwise the imports are resolved and the second key,
the hash of just the files that the contract is made of, decides whether to compile: editing one contract
recompiles only that one.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .codec import Interface
from .errors import EngineError

EVM_VERSION = "cancun"
MAX_RUNTIME_BYTES = 24_576
_FORMAT = 1
_SUFFIXES = (".vy", ".vyi", ".json")


class CompileError(EngineError):
    """A contract does not compile; the message is the compiler's."""


@dataclass(frozen=True)
class Artifact:
    """A compiled contract. `bytecode` is the creation code, `runtime_size` the deployed size in bytes."""

    name: str
    source: str
    abi: tuple[dict[str, Any], ...]
    bytecode: bytes = field(repr=False)
    runtime_size: int
    integrity: str
    layout: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def interface(self) -> Interface:
        """Codecs of the ABI."""
        return Interface(self.abi)

    @property
    def selectors(self) -> dict[str, bytes]:
        """Selector of every function signature."""
        functions = self.interface.functions.values()
        return {s: selector for f in functions for s, selector in zip(f.signatures, f.selectors)}

    def creation(self, *args: Any) -> bytes:
        """Creation code with its constructor arguments."""
        return self.bytecode + self.interface.encode_constructor(*args)


class Compiler:
    """Compiles and caches the contracts of one tree.

    `contracts` is the folder of sources (default: the one of this project). `cache` is where artifacts are
    kept (default `.build/perpsim` beside `contracts`, or the user's cache folder where that cannot be
    written).
    """

    def __init__(self, contracts: Path | None = None, cache: Path | None = None) -> None:
        if contracts is None:
            from perpsim import CONTRACTS

            if CONTRACTS is None:
                raise EngineError("no contracts folder, neither beside nor inside the perpsim package")
            contracts = CONTRACTS
        self.contracts = contracts.resolve()
        self.root = self.contracts.parent
        self._cache = cache
        self._loaded: dict[tuple[str, str], Artifact] = {}
        #: how often the compiler really ran and how often imports were parsed, for tests and for the curious
        self.compiled = 0
        self.parsed = 0

    # -------------------------------------------------------------------------------------- sources

    def names(self) -> list[str]:
        """Names of the deployable contracts: every `.vy` file outside `modules` and `interfaces`."""
        return sorted(path.stem for path in self._deployable())

    def path(self, name: str) -> Path:
        """The file of a contract by its name (`OrderBook`) or its path below `contracts`
        (`policies/Queue`)."""
        direct = self.contracts / f"{name}.vy"
        if direct.is_file():
            return direct
        found = [path for path in self._deployable() if path.stem == name]
        if len(found) > 1:
            raise EngineError(f"contract {name} is ambiguous: {', '.join(str(p) for p in found)}")
        if not found:
            raise EngineError(
                f"no contract {name} below {self.contracts}; there are: {', '.join(self.names())}"
            )
        return found[0]

    def _deployable(self) -> Iterator[Path]:
        for path in self.contracts.rglob("*.vy"):
            if not {"modules", "interfaces"} & set(path.relative_to(self.contracts).parts):
                yield path

    def tree_key(self) -> str:
        """Hash of every source below `contracts`, the compiler's version and the settings."""
        digest = _settings_hash()
        for path in sorted(p for p in self.contracts.rglob("*") if p.suffix in _SUFFIXES):
            digest.update(path.relative_to(self.contracts).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:40]

    # -------------------------------------------------------------------------------------- artifacts

    def load(self, name: str) -> Artifact:
        """The artifact of a contract, compiled if no cached one is of exactly these sources."""
        return self._load(name, self.tree_key())

    def load_all(self) -> dict[str, Artifact]:
        """Artifacts of all deployable contracts by name."""
        tree = self.tree_key()
        return {name: self._load(name, tree) for name in self.names()}

    def _load(self, name: str, tree: str) -> Artifact:
        known = self._loaded.get((name, tree))
        if known is not None:
            return known
        path = self.path(name)
        label = path.relative_to(self.contracts).with_suffix("").as_posix()
        index = f"tree-{hashlib.sha256(f'{tree} {label}'.encode()).hexdigest()[:32]}"
        pointer = self._read(index)
        artifact = self._read_artifact(str(pointer["integrity"])) if pointer else None
        if artifact is None:
            artifact, inside = self._compile(path)
            # not covered by the hash of the tree: a source outside it, and one that was edited meanwhile
            if not inside or self.tree_key() != tree:
                return artifact
            self._write(index, {"integrity": artifact.integrity})
        self._loaded[name, tree] = artifact
        return artifact

    def _compile(self, path: Path) -> tuple[Artifact, bool]:
        from vyper.compiler import CompilerData
        from vyper.compiler.input_bundle import FileInput, FilesystemInputBundle
        from vyper.compiler.settings import Settings, anchor_settings
        from vyper.exceptions import VyperException

        self.parsed += 1
        bundle = FilesystemInputBundle([self.root])
        source = bundle.load_file(path)
        assert isinstance(source, FileInput)
        data = CompilerData(source, input_bundle=bundle, settings=Settings(evm_version=EVM_VERSION))
        try:
            with anchor_settings(data.settings):
                imports = data.resolved_imports.compiler_inputs
            digest = _settings_hash()
            digest.update(data.integrity_sum.encode())
            inside = True
            # vyper's own sum does not look into what an interface imports: hash every file that was read
            for item in sorted([source, *imports], key=lambda i: str(i.resolved_path)):
                resolved = Path(item.resolved_path)
                if not item.from_builtin:
                    inside = inside and resolved.is_relative_to(self.contracts)
                    where = os.path.relpath(resolved, self.root)
                    digest.update(f"{where} {item.sha256sum}\n".encode())
            integrity = digest.hexdigest()[:40]
            cached = self._read_artifact(integrity)
            if cached is not None:
                return cached, inside
            self.compiled += 1
            artifact = _build(data, path, self.root, integrity)
        except VyperException as error:
            raise CompileError(f"{os.path.relpath(path, self.root)} does not compile: {error}") from error
        self._write(integrity, _to_json(artifact))
        return artifact, inside

    # ------------------------------------------------------------------------------------------ disk

    @cached_property
    def cache(self) -> Path | None:
        """Folder of cached artifacts, None if no place can be written."""
        if self._cache is not None:
            places = [self._cache]
        else:
            home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
            places = [Path(home) / "perpsim", Path(tempfile.gettempdir()) / f"perpsim-{os.getuid()}"]
            # an installed package has no business writing into site-packages
            if (self.root / "pyproject.toml").is_file() or (self.root / "ape-config.yaml").is_file():
                places.insert(0, self.root / ".build" / "perpsim")
        for place in places:
            try:
                place.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=place):
                    return place
            except OSError:
                continue
        return None

    def _read(self, key: str) -> dict[str, Any] | None:
        if self.cache is None:
            return None
        try:
            content = json.loads((self.cache / f"{key}.json").read_text())
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) and content.get("format") == _FORMAT else None

    def _read_artifact(self, integrity: str) -> Artifact | None:
        content = self._read(integrity)
        if content is None:
            return None
        try:
            return Artifact(
                name=content["name"],
                source=content["source"],
                abi=tuple(content["abi"]),
                bytecode=bytes.fromhex(content["bytecode"]),
                runtime_size=content["runtime_size"],
                integrity=integrity,
                layout=content["layout"],
            )
        except (KeyError, TypeError, ValueError):
            return None

    def _write(self, key: str, content: dict[str, Any]) -> None:
        if self.cache is None:
            return
        # another process may be writing the same: whoever renames last leaves a whole file
        handle, name = tempfile.mkstemp(dir=self.cache, prefix=".writing-")
        try:
            with os.fdopen(handle, "w") as out:
                json.dump({"format": _FORMAT, **content}, out)
            os.replace(name, self.cache / f"{key}.json")
        except OSError:
            Path(name).unlink(missing_ok=True)


def _settings_hash() -> hashlib._Hash:
    # not vyper.__version__: importing vyper takes longer than all the rest of a cache hit
    return hashlib.sha256(f"perpsim {_FORMAT} vyper {version('vyper')} {EVM_VERSION}\n".encode())


def _build(data: Any, path: Path, root: Path, integrity: str) -> Artifact:
    from vyper.compiler.output import build_abi_output
    from vyper.compiler.settings import anchor_settings

    with anchor_settings(data.settings):
        return Artifact(
            name=path.stem,
            source=os.path.relpath(path, root),
            abi=tuple(build_abi_output(data)),
            bytecode=data.bytecode,
            # immutables are put behind the code when it is deployed
            runtime_size=len(data.bytecode_runtime) + data.global_ctx.immutable_section_bytes,
            integrity=integrity,
            layout=data.storage_layout,
        )


def _to_json(artifact: Artifact) -> dict[str, Any]:
    return {
        "name": artifact.name,
        "source": artifact.source,
        "abi": artifact.abi,
        "bytecode": artifact.bytecode.hex(),
        "runtime_size": artifact.runtime_size,
        "layout": artifact.layout,
    }


def compile_source(source: str, name: str = "Contract") -> Artifact:
    """Compile a single file given as text, uncached; for tests and experiments."""
    from vyper.compiler import CompilerData
    from vyper.compiler.settings import Settings
    from vyper.exceptions import VyperException

    data = CompilerData(source, settings=Settings(evm_version=EVM_VERSION))
    try:
        return _build(data, Path(f"{name}.vy"), Path("."), data.integrity_sum[:40])
    except VyperException as error:
        raise CompileError(f"{name} does not compile: {error}") from error
