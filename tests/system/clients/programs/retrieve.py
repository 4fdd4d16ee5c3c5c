"""A retrieve by pynetdicom2, into a folder.

python retrieve.py '{"how": "get", "port": 11112, "called": "MINIPACS", "folder": "in",
"own_port": 11113, "classes": ["1.2.840.10008.5.1.4.1.1.2"], "syntaxes": ["1.2.840.10008.1.2.1"],
"keys": {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3"}}'

prints JSON: how many instances a C-GET gave, or the last numbers of completed and failed
sub-operations of a C-MOVE.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pynetdicom2 import (  # type: ignore[import-not-found]
    applicationentity,
    asceprovider,
    sopclass,
    statuses,
    uids,
)


class Entity(applicationentity.StorageAE):  # type: ignore[misc]
    """Takes what is stored: get_file() has written it to the folder by then."""

    def on_receive_store(self, context: Any, data_set: Any) -> statuses.Status:
        return statuses.SUCCESS


def entity_of(asked: dict[str, Any]) -> Entity:
    """An entity for some storage classes: pynetdicom2's own service has more than 128."""

    @sopclass.store_in_file  # type: ignore[untyped-decorator]
    @sopclass.sop_classes(asked["classes"])  # type: ignore[untyped-decorator]
    def storage(association: Any, context: Any, message: Any) -> None:
        sopclass.storage_scp(association, context, message)

    made = Entity(
        Path(asked["folder"]), "PYNETDICOM2", asked["own_port"], supported_ts=asked["syntaxes"]
    )
    made.add_scu(sopclass.qr_get_scu).add_scu(sopclass.qr_move_scu).add_scp(storage)
    return made


def main() -> None:
    asked = json.loads(sys.argv[1])
    remote = asceprovider.RemoteAEConfig(
        aet=asked["called"], address="127.0.0.1", port=asked["port"]
    )
    keys = Dataset()
    for keyword, value in asked["keys"].items():
        setattr(keys, keyword, value)
    with entity_of(asked) as entity, entity.request_association(remote) as association:
        if asked["how"] == "get":
            get = association.get_scu(uids.STUDY_ROOT_GET_SOP_CLASS)
            print(json.dumps(len(list(get(keys, 1)))))
            return
        move = association.get_scu(uids.STUDY_ROOT_MOVE_SOP_CLASS)
        final, response = list(move(keys, "PYNETDICOM2", 1))[-1]
        assert int(final) == 0x0000, final
        counts = (response.num_of_completed_sub_ops, response.num_of_failed_sub_ops)
        print(json.dumps(counts))


if __name__ == "__main__":
    main()
