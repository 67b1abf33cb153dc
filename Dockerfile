# The EDS server and the sample upstream in one image; the command says which of them runs (envoy/compose.yaml).
#
#   docker build -t rollcall .
#   docker run --rm rollcall node eds-server/dist/main.js --help
#   docker run --rm rollcall node upstream-server/dist/main.js --help
FROM node:20.20.2-slim AS build
WORKDIR /rollcall
COPY . .
RUN npm ci --no-audit --no-fund && npx tsc -b sdk upstream-server eds-server
# What the build needed goes; what runs stays.
RUN npm ci --no-audit --no-fund --omit=dev

FROM node:20.20.2-slim
WORKDIR /rollcall
COPY --from=build /rollcall/package.json ./
COPY --from=build /rollcall/node_modules ./node_modules
COPY --from=build /rollcall/sdk ./sdk
COPY --from=build /rollcall/upstream-server ./upstream-server
COPY --from=build /rollcall/eds-server ./eds-server
# Registrations are kept here: mount a volume, or --data-dir none.
RUN mkdir /data && chown node:node /data
VOLUME /data
ENV ROLLCALL_DATA_DIR=/data NODE_ENV=production
USER node
