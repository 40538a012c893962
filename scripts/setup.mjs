// Installs what package-lock.json names, once per lock file, and does nothing afterwards.
//
// Runs before every npm script, on a machine that has only Node 20 and npm: plain JavaScript, no imports but node:.
// The install brings the Node that the scripts themselves run on (optionalDependencies node-*), first on npm's PATH.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** The set-ups that are running touch the lock this often; one not touched for five times as long was killed. */
const LOCK_TOUCH_MS = 2_000;
const LOCK_STALE_MS = 5 * LOCK_TOUCH_MS;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const stamp = join(modules, ".sallyport-setup");
// Beside node_modules and not in it, because `npm ci` deletes that.
const lock = join(root, ".setup-lock");

checkOwnNode();
const wanted = fingerprint();
if (!installed()) await withLock(install);

/** npm's own Node runs the programs, and the first time this too: one that is too old is told so before half a gigabyte is fetched. */
function checkOwnNode() {
  const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const numbers = (text) => text.replace(/^\D+/, "").split(".").map(Number);
  const version = /\bnode\/v([\d.]+)/.exec(process.env.npm_config_user_agent ?? "")?.[1] ?? process.versions.node;
  const [major = 0, minor = 0] = numbers(version);
  const [leastMajor = 0, leastMinor = 0] = numbers(engines.node);
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  process.stderr.write(
    `error[node-too-old]: npm runs on Node ${version}; Node ${leastMajor}.${leastMinor} or newer is needed\n` +
      "  fix: get one from https://nodejs.org/en/download, and run the same command again\n",
  );
  process.exit(3);
}

/** Changes with the locked packages and with the platform they were installed for. */
function fingerprint() {
  const hash = createHash("sha256");
  hash.update(readFileSync(join(root, "package-lock.json")));
  hash.update(`${process.platform} ${process.arch}`);
  return hash.digest("hex");
}

function installed() {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
}

/** Runs `work` unless another set-up did it while we waited for its lock. */
async function withLock(work) {
  while (!takeLock()) {
    await sleep(200);
    if (installed()) return;
  }
  const touch = setInterval(() => utimesSync(lock, new Date(), new Date()), LOCK_TOUCH_MS);
  try {
    if (!installed()) await work();
  } finally {
    clearInterval(touch);
    rmSync(lock, { recursive: true, force: true });
  }
}

/** Making a directory is atomic: of several set-ups, one succeeds. */
function takeLock() {
  try {
    mkdirSync(lock);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  if (age > LOCK_STALE_MS) rmSync(lock, { recursive: true, force: true });
  return false;
}

async function install() {
  process.stderr.write("Installing the project's packages (once per package-lock.json) …\n");
  const code = await npmCi();
  if (code !== 0) fail(`npm ci ended with code ${code}; its messages are above.`);
  checkNode();
  writeFileSync(stamp, wanted);
}

/** The npm that runs this script, or the first on PATH when it was started by hand. Resolves to its exit code. */
function npmCi() {
  const npm = process.env.npm_execpath;
  const child =
    npm === undefined
      ? spawn("npm ci --ignore-scripts", { cwd: root, shell: true, stdio: ["ignore", 2, 2] })
      : spawn(process.execPath, [npm, "ci", "--ignore-scripts"], { cwd: root, stdio: ["ignore", 2, 2] });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? signal));
  });
}

/** npm passes over an optional package silently, and the Node in it may not start here; the scripts can't run without one. */
function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const runsTypeScript = major > 22 || (major === 22 && minor >= 18);
  const bundled = ["node", "node.cmd"].map((name) => join(modules, ".bin", name)).filter((file) => existsSync(file));
  if (bundled.length === 0) {
    if (runsTypeScript) return;
    fail(
      `There is no bundled Node for ${process.platform} ${process.arch}. Install Node 22.18 or newer and try again.`,
    );
  }
  const { status, stderr } = spawnSync(bundled[0], ["--version"], {
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  if (status === 0) return;
  // Without it the scripts run on the Node that npm runs on.
  if (runsTypeScript) return bundled.forEach((file) => rmSync(file));
  const why = `The bundled Node does not start: ${(stderr ?? "").trim()}`;
  fail(`${why}\nInstall what it misses (Debian, Ubuntu: apt install libatomic1), or Node 22.18 or newer.`);
}

function fail(why) {
  process.stderr.write(`\nSet-up failed: ${why}\nWhen that is mended, run the same command again; it starts over.\n`);
  rmSync(lock, { recursive: true, force: true });
  process.exit(1);
}
