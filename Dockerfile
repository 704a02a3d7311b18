# syntax=docker/dockerfile:1
# Two stages: Rust with a C compiler (the TLS library and zstd are partly C) builds; the result runs on a slim Debian of the
# same release. Python with pip is there to download the embedding model into the cache volume at the first start, Chromium to
# render pages that scripts make.
FROM rust:1.95-trixie AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package omniops \
    && install -D target/release/omniops /out/omniops

FROM debian:trixie-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates chromium chromium-driver python3 python3-pip \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --create-home omniops \
    # New volumes take over these folders' owner.
    && install -d -o omniops -g omniops /var/cache/omniops /var/lib/omniops
COPY --from=build /out/omniops /usr/local/bin/omniops
USER omniops
WORKDIR /home/omniops
# The C library would keep a heap for each thread: its pages stay with the process once a thread has read a large document.
ENV OMNIOPS_CACHE_DIR=/var/cache/omniops BROWSER_NO_SANDBOX=true MALLOC_ARENA_MAX=2
VOLUME /var/cache/omniops
EXPOSE 3000 3001
ENTRYPOINT ["omniops"]
CMD ["api"]
