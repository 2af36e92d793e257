/**
 * Makes bootcast_VERSION_ARCHITECTURE.deb of a staged package: `node scripts/packaging/deb.ts STAGED OUTPUT`. Everything
 * that it needs is in it, Node too, for this kind of machine; nothing is downloaded.
 */
import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { commands } from "../../cli/commands.ts";
import { bashCompletion } from "../../cli/completion/bash.ts";
import { commandTree } from "../../cli/completion/command-tree.ts";
import { fishCompletion } from "../../cli/completion/fish.ts";
import { zshCompletion } from "../../cli/completion/zsh.ts";
import { hostArchitecture, namesOf } from "../boot-image/architecture.ts";
import { controlText, copyrightText, HOME, launcher, postinst, prerm } from "./deb-control.ts";
import { type PackageLock, type PackageManifest, productionFolders } from "./manifest.ts";

const root = join(import.meta.dirname, "../..");

async function makeDeb(staged: string, output: string): Promise<string> {
  const tree = await mkdtemp(join(tmpdir(), "bootcast-deb-"));
  try {
    const put = async (path: string, content: string | Uint8Array, mode = 0o644) => {
      await mkdir(dirname(join(tree, path)), { recursive: true, mode: 0o755 });
      await writeFile(join(tree, path), content, { mode });
    };
    const manifest = JSON.parse(await readFile(join(staged, "package.json"), "utf8")) as PackageManifest;
    const lock = JSON.parse(await readFile(join(staged, "npm-shrinkwrap.json"), "utf8")) as PackageLock;
    await cp(staged, join(tree, HOME), { recursive: true });
    for (const folder of productionFolders(lock)) {
      // Optional ones for other machines are not installed here.
      if (await isThere(join(root, folder))) await copyPackage(folder, join(tree, HOME, folder));
    }
    await put("usr/bin/bootcast", launcher(namesOf[hostArchitecture].npm), 0o755);
    const nodes = await commandTree(commands);
    await put("usr/share/bash-completion/completions/bootcast", bashCompletion(nodes));
    await put("usr/share/zsh/vendor-completions/_bootcast", zshCompletion(nodes));
    await put("usr/share/fish/vendor_completions.d/bootcast.fish", fishCompletion(nodes));
    const documents = "usr/share/doc/bootcast";
    await put(`${documents}/copyright`, copyrightText(await readFile(join(root, "LICENSE"), "utf8")));
    await put(`${documents}/changelog.gz`, gzipSync(await readFile(join(root, "CHANGELOG.md")), { level: 9 }));
    const kibibytes = Number(
      execFileSync("du", ["--summarize", "--block-size=1024", tree], { encoding: "utf8" }).split("\t")[0],
    );
    await put("DEBIAN/control", controlText(manifest, hostArchitecture, kibibytes));
    await put("DEBIAN/postinst", postinst, 0o755);
    await put("DEBIAN/prerm", prerm, 0o755);
    execFileSync("chmod", ["--recursive", "u=rwX,go=rX", tree]);
    const name = `${manifest.name}_${manifest.version}_${hostArchitecture}.deb`;
    execFileSync("dpkg-deb", ["--root-owner-group", "-Zzstd", "-z9", "--build", tree, join(output, name)], {
      stdio: "ignore",
    });
    return name;
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

/** A package without those inside of it, which are in the list by themselves, and without Node's headers and manual. */
async function copyPackage(folder: string, to: string): Promise<void> {
  const from = join(root, folder);
  const isNode = /\/node-linux-[^/]+$/.test(folder);
  const left = ["node_modules", ...(isNode ? ["include", "share"] : [])].map((name) => join(from, name));
  await cp(from, to, { recursive: true, filter: (path) => !left.includes(path) });
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

const [staged, output] = process.argv.slice(2);
if (staged === undefined || output === undefined) throw new Error("Usage: deb.ts STAGED OUTPUT");
console.log(await makeDeb(staged, output));
