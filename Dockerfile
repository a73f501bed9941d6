# Two images from one build:
#
#     docker build -t orchestrateur .                       the orchestrator: the last stage
#     docker build -t boutique --target boutique .          the demo shop, one of its services a container
#
# Without DATABASE_URL orders are kept in /var/lib/orchestrateur: mount a volume there, or they go with the container.

# The slim image has the C compiler that SQLite, ring and mimalloc are built with. Same Debian as below, or glibc is
# too new.
FROM rust:1.95-slim-bookworm AS toolchain
WORKDIR /src
# Line tables are three quarters of the program. Backtraces still name functions.
ENV CARGO_PROFILE_RELEASE_DEBUG=none

# What the dependencies are, and nothing of what we write: every crate, with an empty library and an idle program.
FROM toolchain AS manifests
COPY Cargo.toml Cargo.lock ./
COPY crates crates
RUN find crates -type f ! -name Cargo.toml ! -name lib.rs ! -name main.rs -delete \
    && find crates -name lib.rs -exec truncate -s 0 {} + \
    && find crates -name main.rs -exec sh -c 'for file; do echo "fn main() { }" > "$file"; done' sh {} +

# Built again only when a manifest changes. A layer rather than a cache mount: every builder has those.
FROM toolchain AS dependencies
COPY --from=manifests /src ./
RUN cargo build --release --locked --package orchestrateur --package boutique

FROM dependencies AS build
COPY crates crates
COPY sagas sagas
# Cargo compares times, and our files are older than the idle programs that were just built from their names.
RUN find crates -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package orchestrateur --package boutique

FROM debian:bookworm-slim AS runtime
# For participants and databases behind TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
RUN groupadd --system --gid 10001 orchestrateur \
    && useradd --system --no-log-init --uid 10001 --gid 10001 --home-dir /var/lib/orchestrateur orchestrateur \
    && install --directory --owner=10001 --group=10001 --mode=0750 /var/lib/orchestrateur /var/lib/boutique
COPY --from=build /src/target/release/orchestrateur /usr/local/bin/
# By number: a cluster can then see that it is not root.
USER 10001:10001

FROM runtime AS boutique
COPY --from=build /src/target/release/boutique /usr/local/bin/
WORKDIR /var/lib/boutique
ENV BOUTIQUE_DATA=/var/lib/boutique
EXPOSE 8000
# The orchestrator's question is all that it takes; a short answer is what it asks for.
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=6 \
    CMD ["orchestrateur", "health", "--url", "http://127.0.0.1:8000/fautes"]
ENTRYPOINT ["boutique"]

FROM runtime AS orchestrateur
WORKDIR /var/lib/orchestrateur
# Unless it is told otherwise it listens for its own machine alone, which here is the container.
ENV ORCHESTRATEUR_LISTEN=0.0.0.0:8023
EXPOSE 8023
# Asks where ORCHESTRATEUR_LISTEN says: change the address there, not by a flag.
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=6 CMD ["orchestrateur", "health"]
ENTRYPOINT ["orchestrateur"]
CMD ["serve"]
