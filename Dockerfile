# The pages that the binary serves.
FROM node:22-bookworm-slim AS ui
WORKDIR /build
COPY scripts/ui.sh scripts/
COPY docs/openapi.json docs/
COPY ui ui
RUN scripts/ui.sh

FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
COPY --from=ui /build/ui/dist ui/dist
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked -p pricetime && scripts/image_root.sh target/release/pricetime /image

# Nothing but the service: no shell, no package manager; it runs as nobody, and its root may be read-only.
FROM scratch
COPY --from=build /image /
USER 65532:65532
WORKDIR /data
ENV HOST=0.0.0.0 PORT=8000 DATA_DIR=/data PATH=/usr/local/bin
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s CMD ["pricetime", "healthcheck"]
ENTRYPOINT ["pricetime"]
CMD ["serve"]
