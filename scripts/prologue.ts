/**
 * What a program begins with: any Node there is has to read and understand it, whether it takes the file for a CommonJS or an ES
 * module. So nothing in it is newer than the oldest, and the bundle after it has neither `import` nor `await` at its top.
 *
 * Before version 15 a Node reads no further than `??=`, and prints the line that it is on: that line says what to do. Later ones
 * are told by the code. Both come before anything of the bundle runs.
 */
export function prologue(minimum: string): string {
  const [major = 0, minor = 0] = minimum.replace(/^\D+/, "").split(".").map(Number);
  const needed = `Node ${major}.${minor} or newer`;
  const fix = "get one from https://nodejs.org/en/download, or take the executable that has one in it";
  return `#!/usr/bin/env node
"use strict";
var tooOld = "This needs ${needed}: ${fix}."; tooOld ??= "";
(function () {
  var version = process.versions.node.split(".").map(Number);
  var isNew = version[0] > ${major} || (version[0] === ${major} && version[1] >= ${minor});
  if (isNew && typeof process.getBuiltinModule === "function") return;
  process.stderr.write(
    "error[node-too-old]: this is Node " + process.versions.node + " (" + process.execPath + "); ${needed} is needed\\n" +
      "  fix: ${fix}\\n"
  );
  process.exit(3);
})();
var bundleUrl = typeof __filename === "string" ? __filename : process.getBuiltinModule("node:fs").realpathSync(process.argv[1]);
bundleUrl = process.getBuiltinModule("node:url").pathToFileURL(bundleUrl).href;
var require = typeof require === "function" ? require : process.getBuiltinModule("node:module").createRequire(bundleUrl);`;
}
