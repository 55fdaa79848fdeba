# The gateway as an image: built with `docker build -t gatehouse .`, run with a configuration in /config and its state in /data.
# The image brings Node.js itself; the Node.js of package.json is a development dependency and stays out.
ARG NODE_IMAGE=docker.io/library/node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
# What builds the Kerberos addon.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 make g++ libkrb5-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json ./
# npm leaves an optional dependency out silently when it does not build; the image is not complete without Kerberos. What the
# addon was built from is not needed to run it.
RUN npm_config_nodedir=/usr/local npm ci --omit=dev --no-audit --no-fund \
 && test -f node_modules/kerberos/build/Release/kerberos.node \
 && cp node_modules/kerberos/build/Release/kerberos.node /tmp/kerberos.node \
 && rm -rf node_modules/kerberos/build node_modules/kerberos/src \
 && install -D -m 644 /tmp/kerberos.node node_modules/kerberos/build/Release/kerberos.node
COPY src src
# Readable for the user that runs it, whatever the umask of the work tree was. Loading the addon and the largest modules once
# makes a broken build fail here and not at the first login.
RUN chmod -R a+rX /app && node -e "require('kerberos'); require('undici'); require('express')"

FROM ${NODE_IMAGE}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libgssapi-krb5-2 ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && printf '#!/bin/sh\nexec node --disable-sigusr1 --max-semi-space-size=8 /app/src/cli/main.ts "$@"\n' > /usr/local/bin/gatehouse \
 && chmod 755 /usr/local/bin/gatehouse \
 && install -d -o node -g node -m 750 /config /data
WORKDIR /app
COPY --from=build /app /app
# `docker exec` finds the configuration without being told; the health check asks the operator's listener.
ENV NODE_ENV=production \
    GATEHOUSE_CONFIG=/config/gatehouse.yaml \
    GATEHOUSE_HEALTH_URL=http://127.0.0.1:9090/health/ready
USER node
VOLUME ["/config", "/data"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(process.env.GATEHOUSE_HEALTH_URL, { signal: AbortSignal.timeout(4000) }).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# No shell and no init in front: the gateway is process 1, drains at SIGTERM, reloads at SIGHUP or by `docker exec … gatehouse
# reload`, and starts no other programs. Node's inspector is not opened by SIGUSR1, not even before the gateway has loaded. What is made
# for a request is gone with it: a larger young generation takes memory and saves no time (docs/operations.md, "Memory").
ENTRYPOINT ["node", "--disable-sigusr1", "--max-semi-space-size=8", "src/cli/main.ts"]
CMD ["serve", "--config", "/config/gatehouse.yaml"]
