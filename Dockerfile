# One build gives two images:
#
#     docker build -t orchestrateur .                       the orchestrator: the last stage
#     docker build -t boutique --target boutique .          the demo shop; each container runs one of its services
#
# Without DATABASE_URL, orders are kept in /var/lib/orchestrateur: mount a volume there, or they are lost with the container.

# The slim image has the C compiler that SQLite, ring and mimalloc need. It uses the same Debian release as the runtime
# stage below; a newer glibc would not run there.
FROM rust:1.95-slim-bookworm AS toolchain
WORKDIR /src
# Without line tables the program is a quarter of its size. Backtraces still name functions.
ENV CARGO_PROFILE_RELEASE_DEBUG=none

# The manifests of all crates, with empty libraries and programs that do nothing: enough to build the dependencies.
FROM toolchain AS manifests
COPY Cargo.toml Cargo.lock ./
COPY crates crates
RUN find crates -type f ! -name Cargo.toml ! -name lib.rs ! -name main.rs -delete \
    && find crates -name lib.rs -exec truncate -s 0 {} + \
    && find crates -name main.rs -exec sh -c 'for file; do echo "fn main() { }" > "$file"; done' sh {} +

# Rebuilt only when a manifest changes. A layer instead of a cache mount, because every builder supports layers.
FROM toolchain AS dependencies
COPY --from=manifests /src ./
RUN cargo build --release --locked --package orchestrateur --package boutique

FROM dependencies AS build
COPY crates crates
COPY sagas sagas
# The commit, for `orchestrateur --version`: --build-arg ORCHESTRATEUR_REVISION="$(git rev-parse --short=12 HEAD)".
ARG ORCHESTRATEUR_REVISION=""
# Cargo compares file times, and these files are older than the empty programs that were just built in their place.
RUN find crates -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package orchestrateur --package boutique

FROM debian:bookworm-slim AS runtime
# For participants and databases behind TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
RUN groupadd --system --gid 10001 orchestrateur \
    && useradd --system --no-log-init --uid 10001 --gid 10001 --home-dir /var/lib/orchestrateur orchestrateur \
    && install --directory --owner=10001 --group=10001 --mode=0750 \
        /var/lib/orchestrateur /var/lib/boutique /etc/orchestrateur/keys
COPY --from=build /src/target/release/orchestrateur /usr/local/bin/
# A numeric user: a cluster can then check that it is not root.
USER 10001:10001

FROM runtime AS boutique
COPY --from=build /src/target/release/boutique /usr/local/bin/
WORKDIR /var/lib/boutique
ENV BOUTIQUE_DATA=/var/lib/boutique
EXPOSE 8000
# `orchestrateur health` sends one GET request; /fautes gives a short answer.
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=6 \
    CMD ["orchestrateur", "health", "--url", "http://127.0.0.1:8000/fautes"]
ENTRYPOINT ["boutique"]

FROM runtime AS orchestrateur
WORKDIR /var/lib/orchestrateur
# By default the program listens only on loopback, which cannot be reached from outside the container.
ENV ORCHESTRATEUR_LISTEN=0.0.0.0:8023
EXPOSE 8023
# `health` uses the address in ORCHESTRATEUR_LISTEN: change the address there, not with a flag.
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=6 CMD ["orchestrateur", "health"]
ENTRYPOINT ["orchestrateur"]
CMD ["serve"]
