"""What the Python crawlers share: the order, the answer, and waiting for the driver."""
import json
import sys
import time

ORDER = json.loads(sys.argv[1])


def words(text):
    return len((text or "").split())


def tell(pages, count):
    """Says that the crawl is through; the process stays until the driver has looked at it."""
    print(json.dumps({"pages": pages, "words": count, "at": time.time() * 1e6}), flush=True)
    sys.stdin.read()
