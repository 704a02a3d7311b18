"""crawl4ai renders the pages of a site with the system's Chromium and makes Markdown of them."""
import asyncio
import os
import shutil
from urllib.parse import urljoin, urldefrag, urlsplit

os.environ.setdefault("CRAWL4_AI_BASE_DIRECTORY", os.getcwd())
os.environ["CRAWL4AI_NO_CLOUD_NOTICE"] = "1"

from crawl4ai import AsyncWebCrawler, BrowserConfig, CacheMode, CrawlerRunConfig

from crawled import ORDER, tell, words

HOST = urlsplit(ORDER["site"]).netloc


async def main():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    # The browser is started here, since the library would fetch one of its own.
    port = 9222 + os.getpid() % 1000
    profile = os.path.join(os.getcwd(), f"profile-{os.getpid()}")
    browser = await asyncio.create_subprocess_exec(
        chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--blink-settings=imagesEnabled=false", f"--remote-debugging-port={port}", f"--user-data-dir={profile}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.1)
        config = CrawlerRunConfig(cache_mode=CacheMode.BYPASS, wait_for="css:article", page_timeout=15000, verbose=False)
        pages = count = 0
        seen, todo = {ORDER["site"]}, [ORDER["site"]]
        async with AsyncWebCrawler(config=BrowserConfig(browser_mode="cdp", cdp_url=f"http://127.0.0.1:{port}", verbose=False)) as crawler:
            async def lane():
                nonlocal pages, count
                while todo:
                    url = todo.pop(0)
                    result = await crawler.arun(url, config=config)
                    pages += 1
                    count += words(str(result.markdown))
                    for link in result.links.get("internal", []):
                        to = urldefrag(urljoin(url, link["href"]))[0].split("?utm_source")[0]
                        if urlsplit(to).netloc == HOST and to not in seen:
                            seen.add(to)
                            todo.append(to)
            await lane_until_idle(lane, todo, ORDER["concurrency"])
    finally:
        browser.kill()
        await browser.wait()
        shutil.rmtree(profile, ignore_errors=True)
    return pages, count


async def lane_until_idle(lane, todo, lanes):
    """Lanes end when there is nothing to do; what one of them found last is done by new ones."""
    while todo:
        await asyncio.gather(*(lane() for _ in range(lanes)))


tell(*asyncio.run(main()))
