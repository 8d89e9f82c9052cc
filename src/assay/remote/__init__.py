"""Versions in an object store: a folder on this machine that stands for them.

Everything works on that folder as on any other; what is special is said here. `working` brings it
up to date and sends back what has changed. A version's data is fetched when somebody first asks for
it (`here`). A version appears in the store whole or not at all: its number is claimed by a
conditional write that one build alone can win, its files are sent, and its manifest, without which
nobody sees it, is written last. What a killed build left there is removed a day later by another.

Files that change (tags, histories) are sent only if nobody else has changed them meanwhile.
"""

from assay.remote.placing import cached, here, mirror_of, placed, shown, size, working

__all__ = ["cached", "here", "mirror_of", "placed", "shown", "size", "working"]
