import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..");

/** Which rooms a room may import from, besides itself. Drawn in ARCHITECTURE.md. */
const arrows: Record<string, readonly string[]> = {
  bsdp: ["fault.ts"],
  images: ["fault.ts"],
  multicast: ["fault.ts", "images"],
  udp: [],
  agent: ["fault.ts", "bsdp", "images", "multicast", "udp"],
  server: ["fault.ts", "bsdp", "images", "multicast", "udp", "agent/contract.ts"],
  cli: ["fault.ts", "bsdp", "images", "multicast", "udp", "agent", "server", "scripts"],
  scripts: ["fault.ts", "bsdp", "images", "multicast", "udp", "agent", "server", "cli"],
};

/** What the pure rooms may take from Node and from packages: computing, never I/O, time or chance. */
const pureModules: Record<string, readonly string[]> = {
  bsdp: [],
  images: ["node:crypto", "node:zlib", "node:util", "@foxglove/wasm-bz2", "lzma-native", "plist"],
  multicast: ["node:zlib"],
};

const impure =
  /\b(Date\.now|Math\.random|performance\.now|setTimeout|setInterval|setImmediate|process\.)\b|new Date\(\)/;

function sourcesOf(room: string): string[] {
  return readdirSync(join(root, room), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(room, name));
}

/** The module names that a source imports, statically or not, types included. */
function importsOf(source: string): string[] {
  const found = source.matchAll(/(?:\bfrom\s*|\bimport\s*\(\s*|^\s*import\s+)"([^"]+)"/gm);
  return [...found].map((match) => match[1] ?? "");
}

for (const [room, allowed] of Object.entries(arrows)) {
  for (const file of sourcesOf(room)) {
    test(`${file} imports only what the house allows`, () => {
      const text = readFileSync(join(root, file), "utf8");
      for (const name of importsOf(text)) {
        if (name.startsWith(".")) {
          const target = relative(root, normalize(join(root, dirname(file), name)));
          const isAllowed =
            target.startsWith(`${room}/`) ||
            allowed.some((place) => target === place || target.startsWith(`${place}/`));
          assert(isAllowed, `${file} may not import ${target}`);
        } else if (room in pureModules) {
          assert(pureModules[room]?.includes(name), `${file} is pure and may not import ${name}`);
        }
      }
    });
  }
}

for (const room of Object.keys(pureModules)) {
  test(`${room}/ takes time and randomness as arguments`, () => {
    for (const file of sourcesOf(room)) {
      const code = readFileSync(join(root, file), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
      assert.doesNotMatch(code, impure, file);
    }
  });
}

test("no files import each other in a circle", () => {
  const importsOfFile = new Map<string, string[]>();
  for (const file of Object.keys(arrows).flatMap(sourcesOf)) {
    const names = importsOf(readFileSync(join(root, file), "utf8")).filter((name) => name.startsWith("."));
    importsOfFile.set(
      file,
      names.map((name) => normalize(join(dirname(file), name))),
    );
  }
  const finished = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    assert(!way.includes(file), [...way.slice(way.indexOf(file)), file].join(" -> "));
    if (finished.has(file)) return;
    for (const target of importsOfFile.get(file) ?? []) visit(target, [...way, file]);
    finished.add(file);
  };
  for (const file of importsOfFile.keys()) visit(file, []);
});

test("the import reader sees every form", () => {
  const source =
    'import a from "./a.ts";\nimport "./b.ts";\nexport { c } from "./c.ts";\nconst d = await import("./d.ts");';
  assert.deepEqual(importsOf(source), ["./a.ts", "./b.ts", "./c.ts", "./d.ts"]);
});
