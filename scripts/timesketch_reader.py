#!/usr/bin/env python3
"""Read a timeline as Timesketch's import client does, without a server, and print what it would send.

PYTHON scripts/timesketch_reader.py timeline.jsonl

PYTHON is one that has the client: pip install timesketch-import-client six
"""

import sys
from types import SimpleNamespace

from timesketch_import_client.importer import ImportStreamer


class Session:
    """Takes the place of the connection to a server."""

    def post(self, _url: str, *, data: dict[str, object], files: dict[str, tuple[None, str, str]]) -> SimpleNamespace:
        """Print the events that are sent, one JSON object a line."""
        _, events, _ = files["events"]
        print(events)
        answer = {"objects": [{"id": 1, "searchindex": {"index_name": data["name"]}}], "meta": {}}
        return SimpleNamespace(status_code=200, json=lambda: answer)


def main() -> None:
    """Run the script."""
    sketch = SimpleNamespace(id=1, api=SimpleNamespace(api_root="http://localhost", session=Session()))
    with ImportStreamer() as streamer:
        streamer.set_sketch(sketch)
        streamer.add_file(sys.argv[1])


if __name__ == "__main__":
    main()
