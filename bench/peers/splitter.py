"""Chunks of Markdown files by semantic-text-splitter: how many, and the processor time."""
import json
import pathlib
import sys
import time

from semantic_text_splitter import MarkdownSplitter

splitter = MarkdownSplitter(int(sys.argv[1]))
for line in sys.stdin:
    text = pathlib.Path(line.strip()).read_text(encoding="utf-8")
    begun = time.process_time()
    chunks = len(splitter.chunks(text))
    print(json.dumps({"chunks": chunks, "ms": (time.process_time() - begun) * 1000}), flush=True)
