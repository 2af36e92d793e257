/**
 * Makes bootcast_VERSION_ARCHITECTURE.deb of a staged package: `node scripts/packaging/deb.ts STAGED OUTPUT`. Everything
 * that it needs is in it, Node too, for this kind of machine; nothing is downloaded.
 */
import { execFileSync } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { commands } from "../../cli/commands.ts";
import { bashCompletion } from "../../cli/completion/bash.ts";
import { commandTree } from "../../cli/completion/command-tree.ts";
import { fishCompletion } from "../../cli/completion/fish.ts";
import { zshCompletion } from "../../cli/completion/zsh.ts";
import { hostArchitecture, namesOf } from "../boot-image/architecture.ts";
import {
  changelogText,
  controlText,
  copyrightText,
  HOME,
  launcher,
  lintianOverrides,
  postinst,
  prerm,
} from "./deb-control.ts";
import { type PackageLock, type PackageManifest, productionFolders } from "./manifest.ts";
import { manualPage } from "./manual.ts";
import { isNeededFile, isProgram } from "./needed-files.ts";

/** What may be started, of all that is in the package. */
const { npm } = namesOf[hostArchitecture];
const programs = [
  "usr/bin/bootcast",
  `${HOME}/node_modules/node-linux-${npm}/bin/node`,
  "DEBIAN/postinst",
  "DEBIAN/prerm",
];

const root = join(import.meta.dirname, "../..");

async function makeDeb(staged: string, output: string): Promise<string> {
  const tree = await mkdtemp(join(tmpdir(), "bootcast-deb-"));
  try {
    const put = async (path: string, content: string | Uint8Array) => {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await writeFile(join(tree, path), content);
    };
    const manifest = JSON.parse(await readFile(join(staged, "package.json"), "utf8")) as PackageManifest;
    const lock = JSON.parse(await readFile(join(staged, "npm-shrinkwrap.json"), "utf8")) as PackageLock;
    await cp(staged, join(tree, HOME), { recursive: true });
    for (const folder of productionFolders(lock)) {
      // Optional ones for other machines are not installed here.
      if (await isThere(join(root, folder))) await copyPackage(folder, join(tree, HOME, folder));
    }
    // The launcher below /usr/bin says which Node runs it.
    const start = await readFile(join(staged, "cli/bootcast.cjs"), "utf8");
    await put(`${HOME}/cli/bootcast.cjs`, start.replace(/^#!.*\n/, ""));
    await put("usr/bin/bootcast", launcher(npm));
    const nodes = await commandTree(commands);
    await put("usr/share/bash-completion/completions/bootcast", bashCompletion(nodes));
    await put("usr/share/zsh/vendor-completions/_bootcast", zshCompletion(nodes));
    await put("usr/share/fish/vendor_completions.d/bootcast.fish", fishCompletion(nodes));
    const documents = "usr/share/doc/bootcast";
    await put(`${documents}/copyright`, copyrightText(await readFile(join(root, "LICENSE"), "utf8")));
    const changed = await stat(join(root, "CHANGELOG.md"));
    await put(`${documents}/changelog.gz`, gzipSync(changelogText(manifest, changed.mtime), { level: 9 }));
    await put(`${documents}/NEWS.md.gz`, gzipSync(await readFile(join(root, "CHANGELOG.md")), { level: 9 }));
    await put("usr/share/man/man1/bootcast.1.gz", gzipSync(manualPage(commands, manifest.version), { level: 9 }));
    await put("usr/share/lintian/overrides/bootcast", lintianOverrides(npm));
    const kibibytes = Number(
      execFileSync("du", ["--summarize", "--block-size=1024", tree], { encoding: "utf8" }).split("\t")[0],
    );
    await put("DEBIAN/control", controlText(manifest, hostArchitecture, kibibytes));
    await put("DEBIAN/postinst", postinst);
    await put("DEBIAN/prerm", prerm);
    execFileSync("find", [tree, "-type", "d", "-exec", "chmod", "755", "{}", "+"]);
    execFileSync("find", [tree, "-type", "f", "-exec", "chmod", "644", "{}", "+"]);
    for (const path of programs) await chmod(join(tree, path), 0o755);
    const name = `${manifest.name}_${manifest.version}_${hostArchitecture}.deb`;
    execFileSync("dpkg-deb", ["--root-owner-group", "-Zgzip", "-z6", "--build", tree, join(output, name)], {
      stdio: "ignore",
    });
    return name;
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

/** A package without those inside of it, which are in the list by themselves, and without what only its authors need. */
async function copyPackage(folder: string, to: string): Promise<void> {
  const from = join(root, folder);
  const isNode = /\/node-linux-[^/]+$/.test(folder);
  const isKept = async (path: string): Promise<boolean> => {
    const inside = relative(from, path);
    if (inside === "") return true;
    if (/(^|\/)node_modules(\/|$)/.test(inside)) return false;
    if (isNode) return /^(bin(\/node)?|LICENSE|package\.json)$/.test(inside);
    if ((await stat(path)).isDirectory()) return !inside.split("/").some((part) => part.startsWith("."));
    return isNeededFile(inside, npm) && !isProgram(await readFile(path));
  };
  await cp(from, to, { recursive: true, filter: isKept });
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

const [staged, output] = process.argv.slice(2);
if (staged === undefined || output === undefined) throw new Error("Usage: deb.ts STAGED OUTPUT");
console.log(await makeDeb(staged, output));
