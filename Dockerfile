# docker build --target agent .   or   --target edge
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY . .
RUN node scripts/setup.mjs && npm run build
RUN npm install --prefix /workerd --no-save --no-package-lock --ignore-scripts --no-audit --no-fund \
  "workerd@$(node -p 'require("./package.json").devDependencies.workerd')" \
  && cp /workerd/node_modules/@cloudflare/workerd-linux-*/bin/workerd /workerd/workerd

FROM node:24-bookworm-slim AS agent
COPY --from=build /src/dist/agent.js /src/dist/THIRD-PARTY.txt /opt/sallyport/
ENV XDG_RUNTIME_DIR=/tmp
USER node
HEALTHCHECK --interval=30s CMD ["node", "/opt/sallyport/agent.js", "ready"]
ENTRYPOINT ["node", "/opt/sallyport/agent.js"]

# glibc 2.36: workerd does not run on Alpine.
FROM node:24-bookworm-slim AS edge
COPY --from=build /src/dist/sallyport.js /src/dist/agent.js /src/dist/THIRD-PARTY.txt /opt/sallyport/
COPY --from=build /workerd/workerd /opt/sallyport/workerd
ENV SALLYPORT_WORKERD=/opt/sallyport/workerd
RUN install -d -o node -g node /data
USER node
VOLUME /data
EXPOSE 8787
HEALTHCHECK --interval=30s CMD ["node", "-e", "fetch('http://127.0.0.1:8787/.sallyport/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/opt/sallyport/sallyport.js"]
CMD ["serve", "--data", "/data", "--listen", "0.0.0.0:8787"]
