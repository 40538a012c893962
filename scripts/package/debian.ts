import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../tool.ts";
import { VERSION } from "../../shared/wire/version.ts";

/** The Debian package: both programs in /usr/lib/sallyport. Services are made by `agent install` and `serve --install`, for only they know tokens. */
export function packDebian(folder: string): void {
  const tree = mkdtempSync(join(tmpdir(), "sallyport-deb-"));
  try {
    chmodSync(tree, 0o755);
    for (const path of ["DEBIAN", "usr/bin", "usr/lib/sallyport", "usr/share/doc/sallyport"])
      mkdirSync(join(tree, path), { recursive: true, mode: 0o755 });
    for (const program of ["agent", "sallyport"]) {
      install(`dist/${program}.js`, join(tree, `usr/lib/sallyport/${program}.js`), 0o755);
      symlinkSync(`../lib/sallyport/${program}.js`, join(tree, `usr/bin/${program}`));
    }
    const doc = join(tree, "usr/share/doc/sallyport");
    const notices = readFileSync(join(ROOT, "dist/THIRD-PARTY.txt"), "utf8");
    writeFileSync(join(doc, "copyright"), `${readFileSync(join(ROOT, "LICENSE"), "utf8")}\n${notices}`, {
      mode: 0o644,
    });
    install("README.md", join(doc, "README.md"), 0o644);
    install("CHANGELOG.md", join(doc, "CHANGELOG.md"), 0o644);
    writeFileSync(join(tree, "DEBIAN/control"), CONTROL, { mode: 0o644 });
    writeFileSync(join(tree, "DEBIAN/prerm"), PRERM, { mode: 0o755 });
    writeFileSync(join(tree, "DEBIAN/postinst"), POSTINST, { mode: 0o755 });
    execFileSync("dpkg-deb", ["--root-owner-group", "-Zxz", "--build", tree, folder], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

function install(from: string, to: string, mode: number): void {
  copyFileSync(join(ROOT, from), to);
  chmodSync(to, mode);
}

const CONTROL = `Package: sallyport
Version: ${VERSION}
Architecture: all
Maintainer: Sallyport authors <sallyport@example.com>
Depends: nodejs (>= 20.19)
Section: net
Priority: optional
Description: publish private IP:port services of a LAN at public endpoints
 An agent inside the LAN dials out to an edge, a Cloudflare Worker or plain
 workerd, and the edge carries visitors' connections back to it. No router is
 touched. This package has both programs: agent, for inside the LAN, and
 sallyport, for everybody else.
`;

/** The services that \`agent install\` and \`serve --install\` may have made go on with the new version. */
const POSTINST = `#!/bin/sh
set -e
if [ "$1" = configure ] && [ -n "$2" ] && [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
  for service in sallyport-agent sallyport-edge; do
    systemctl --quiet is-active $service && systemctl restart $service || true
  done
fi
`;

const PRERM = `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
  for service in sallyport-agent sallyport-edge; do
    systemctl --quiet is-active $service && systemctl disable --now $service || true
  done
fi
`;
