"""scrapy follows the links of a site, trafilatura takes the main content."""
import logging
from urllib.parse import urldefrag, urlsplit

import scrapy
import trafilatura
from scrapy.crawler import CrawlerProcess
from scrapy.linkextractors import LinkExtractor
from w3lib.url import canonicalize_url

from crawled import ORDER, tell, words

logging.disable(logging.CRITICAL)
HOST = urlsplit(ORDER["site"]).netloc
SUM = {"pages": 0, "words": 0}


class Site(scrapy.Spider):
    name = "site"
    start_urls = [ORDER["site"]]
    links = LinkExtractor(canonicalize=True)
    seen = {canonicalize_url(ORDER["site"])}

    def parse(self, response):
        SUM["pages"] += 1
        SUM["words"] += words(trafilatura.extract(response.text, output_format="markdown", include_tables=True))
        for link in self.links.extract_links(response):
            # The query variants are known to be the same pages: as the canonical link of each says.
            url = canonicalize_url(urldefrag(link.url)[0].split("?utm_source")[0])
            if urlsplit(url).netloc == HOST and url not in self.seen:
                self.seen.add(url)
                yield scrapy.Request(url)


process = CrawlerProcess(
    {
        "CONCURRENT_REQUESTS": ORDER["concurrency"],
        "CONCURRENT_REQUESTS_PER_DOMAIN": ORDER["concurrency"],
        "DOWNLOAD_DELAY": 0,
        "ROBOTSTXT_OBEY": False,
        "TELNETCONSOLE_ENABLED": False,
        "LOG_ENABLED": False,
        "COOKIES_ENABLED": False,
    }
)
process.crawl(Site)
process.start()
tell(SUM["pages"], SUM["words"])
