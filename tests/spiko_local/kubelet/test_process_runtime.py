"""What a kubelet keeps of a pod on disk goes with the pod."""

from __future__ import annotations

from pathlib import Path

from spiko_local.kubelet.pod_records import Record
from spiko_local.kubelet.process_runtime import ProcessRuntime
from spiko_local.kubelet.volume_files import write_volume


def test_a_forgotten_pod_leaves_nothing(tmp_path: Path) -> None:
    """Given volumes, a record and logs of two pods, when one is forgotten, then only the other's are left."""
    runtime = ProcessRuntime(tmp_path, "unused", None)
    for uid in ("p", "q"):
        runtime.records.write(Record(uid, "default", uid, "n", 1, container=2))
        for number in (1, 2, 3):
            runtime.log_file(uid, number).touch()
        write_volume(runtime.volumes(uid) / "run" / "keys", {"join": b"k"})
    runtime.forget(runtime.records.read()["p"])

    assert ["q.1.log", "q.2.log", "q.3.log", "q.json"] == sorted(
        path.name for path in tmp_path.rglob("*") if path.suffix in (".log", ".json")
    )
    assert (False, True) == (runtime.volumes("p").exists(), runtime.volumes("q").exists())


def test_a_container_knows_where_its_volumes_are(tmp_path: Path) -> None:
    """Given a pod, then SPIKO_VOLUMES_ROOT is its own folder, as an absolute path."""
    runtime = ProcessRuntime(tmp_path, "unused", None)
    root = Path(runtime.environment("p", "127.65.0.1")["SPIKO_VOLUMES_ROOT"])

    assert (runtime.volumes("p"), True) == (root, root.is_absolute())
