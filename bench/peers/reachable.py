"""Prints the pages of a folder that links lead to from a start page, by Python's own HTML parser: `reachable.py FOLDER PATH`.

What the benchmark and the worker's example `crawl` compare a crawl with, so that one parser's mistakes don't hide the other's.
"""
import os
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

FOLDER, START = sys.argv[1], sys.argv[2]
SITE = "http://site.test"


class Links(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.base, self.found = page, []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "base" and attributes.get("href"):
            self.base = urljoin(self.base, attributes["href"])
        url = attributes.get("src" if tag in ("frame", "iframe") else "href")
        if tag in ("a", "area", "frame", "iframe") and url and "nofollow" not in (attributes.get("rel") or ""):
            self.found.append(urldefrag(urljoin(self.base, url.strip()))[0])


def file_of(url):
    path = unquote(urlsplit(url).path)
    return os.path.join(FOLDER, path.lstrip("/"), "index.html" if path.endswith("/") else "").rstrip("/")


seen, todo = set(), [urljoin(SITE, START)]
while todo:
    url = todo.pop()
    file = file_of(url)
    if url in seen or urlsplit(url).netloc != "site.test" or not file.endswith((".html", ".htm")) or not os.path.isfile(file):
        continue
    seen.add(url)
    with open(file, encoding="utf-8", errors="replace") as text:
        links = Links(url)
        links.feed(text.read())
    # Queries lead nowhere else in a folder of files.
    todo += [link.split("?")[0] for link in links.found if link.startswith("http")]
for url in sorted(seen):
    print(urlsplit(url).path)
