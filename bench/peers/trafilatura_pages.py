"""Main content of files named on standard input, by trafilatura or rs-trafilatura."""
import json
import pathlib
import sys
import time

if sys.argv[1] == "trafilatura":
    import trafilatura

    def extract(html):
        return trafilatura.extract(html, include_comments=False, include_tables=True)
else:
    import rs_trafilatura

    def extract(html):
        return rs_trafilatura.extract(html).main_content

for line in sys.stdin:
    file = pathlib.Path(line.strip())
    html = file.read_bytes().decode("utf-8", "replace")
    begun = time.process_time()
    try:
        text = extract(html) or ""
    except Exception as error:  # a page that an extractor cannot take counts as empty
        print(f"{file.name}: {error}", file=sys.stderr)
        text = ""
    ms = (time.process_time() - begun) * 1000
    print(json.dumps({"id": file.stem, "text": text, "ms": ms}), flush=True)
