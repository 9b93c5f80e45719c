"""Recall with an embedding model that a package carries: nothing is downloaded, nothing leaves the machine.

    uv run --with "wordllama>=0.4,<0.5" --with . python examples/semantic_recall.py

The package holds the weights (16 MB, 256 numbers a text, English above all); with what it needs it takes about
140 MB on disk and 120 MB of memory, and a text takes it a fifth of a millisecond. Any function from texts to
vectors does as well: a model of your own, or a service.
"""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from omega_models import Store

MODEL = "wordllama l2_supercat 256"
SAID = (
    "My automobile broke down on the way to the coast",
    "We had soup and bread for supper",
    "The physician told me to rest for a week",
)
ASKED = ("What happened to the car?", "What did the doctor say?")


@cache
def model() -> Any:
    """The model, loaded at the first need from the package's own folder."""
    wordllama: Any = import_module("wordllama")
    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)


def embed(texts: list[str]) -> Any:
    """A vector for each of the texts."""
    return model().embed(texts)


def main() -> None:
    with Store(":memory:", embed=embed, embed_model=MODEL) as store:
        conversation = store.get_or_create_conversation("console", "me")
        for text in SAID:
            store.append_message(conversation, "user", text)
        while store.embed_waiting():
            pass
        for question in ASKED:
            print(question, "→", store.search_messages(question, None, "me", limit=1)[0].content)


if __name__ == "__main__":
    main()
