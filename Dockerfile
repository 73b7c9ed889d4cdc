# Two stages: one that builds, one that runs and has nothing but the programs that Sentinell starts.
#
#   docker build -t sentinell:0.1.0 .
#   docker run -d --name sentinell -p 127.0.0.1:8000:8000 --read-only --tmpfs /tmp --cap-drop ALL \
#     -e SENTINELL_LISTEN=0.0.0.0:8000 -e SENTINELL_OPERATOR_TOKEN=$(openssl rand -hex 32) \
#     -v sentinell:/var/lib/sentinell sentinell:0.1.0
#
# Images come from wherever your engine looks for them; a mirror or a pinned digest goes into these two.
#
# Tried with Docker Engine 20.10 on images made from Debian 12's own packages, a stand-in for cargo that hands over a binary built
# outside, and the options above: it starts, is ready, takes signals, cannot write to its root, and drains on `docker stop`.
ARG RUST_IMAGE=rust:1.95-bookworm
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p sentinell && cp target/release/sentinell /sentinell

FROM ${BASE_IMAGE} AS runtime
# What is started: git reads repositories, kubectl looks and acts, coreutils' timeout keeps deeds to their deadline. A kubectl of
# your cluster's own version is better than the distribution's: copy it over /usr/bin/kubectl in a layer of yours.
ARG PACKAGES="ca-certificates git kubernetes-client"
RUN apt-get update \
 && apt-get install -y --no-install-recommends ${PACKAGES} \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /etc/sentinell /var/lib/sentinell \
 && chown 10001:10001 /var/lib/sentinell
COPY --from=build /sentinell /usr/local/bin/sentinell
# A number, so that Kubernetes can tell that it is not root. Only /var/lib/sentinell and /tmp are ever written.
USER 10001:10001
ENV HOME=/var/lib/sentinell
WORKDIR /var/lib/sentinell
VOLUME /var/lib/sentinell
EXPOSE 8000
# As process 1 it drains on SIGTERM; allow 40 s for it. `--init` reaps orphans of programs that had to be killed, too.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["sentinell", "health", "--server", "http://127.0.0.1:8000"]
ENTRYPOINT ["sentinell"]
CMD ["serve"]
