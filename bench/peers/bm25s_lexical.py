"""bm25s over the texts of a labelled set: nDCG@10 and the milliseconds of each question, as one line of JSON."""
import json
import math
import pathlib
import sys
import time

import bm25s
import Stemmer

folder = pathlib.Path(sys.argv[1])
chunks, queries = ([json.loads(line) for line in open(folder / name, encoding="utf-8")] for name in ("chunks.jsonl", "queries.jsonl"))
stemmer = Stemmer.Stemmer(sys.argv[2] if len(sys.argv) > 2 else "english")
tokens = lambda texts: bm25s.tokenize(texts, stopwords=sys.argv[3] if len(sys.argv) > 3 else "en", stemmer=stemmer, show_progress=False)
peer = bm25s.BM25()
peer.index(tokens([chunk["text"] for chunk in chunks]), show_progress=False)
times, scores = [], []
for query in queries:
    begun = time.perf_counter()
    found, _ = peer.retrieve(tokens([query["text"]]), k=min(100, len(chunks)), show_progress=False)
    times.append((time.perf_counter() - begun) * 1000)
    units = list(dict.fromkeys(chunks[at]["unit"] for at in found[0]))[:10]
    gain = sum(1 / math.log2(at + 2) for at, unit in enumerate(units) if unit in query["relevant"])
    scores.append(gain / sum(1 / math.log2(at + 2) for at in range(min(10, len(query["relevant"])))))
print(json.dumps({"ndcg": sum(scores) / len(scores), "ms": times}))
