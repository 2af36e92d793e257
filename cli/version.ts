import { readFileSync } from "node:fs";
import { Command } from "commander";
import { examples, globalOptions, printResult } from "./terminal/output.ts";

/** bootcast's own version, from its package.json. */
export const VERSION: string = readVersion();

/** `bootcast version`. */
export function versionCommand(): Command {
  const command = new Command("version").description("Prints the versions of bootcast, Node and the system.");
  examples(command, ["bootcast version", "bootcast version --json"]);
  return globalOptions(command).action(() => {
    const versions = {
      bootcast: VERSION,
      node: process.versions.node,
      sqlite: process.versions["sqlite"] ?? "none",
      system: `${process.platform} ${process.arch}`,
    };
    printResult(versions, (v) => `bootcast ${v.bootcast} (Node ${v.node}, SQLite ${v.sqlite}, ${v.system})`);
  });
}

// From a checkout this file is cli/version.ts, in the package it is dist/cli/version.js.
function readVersion(): string {
  for (const path of ["../package.json", "../../package.json"]) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
      if (name === "bootcast") return version;
    } catch {
      // The other place is tried next.
    }
  }
  return "unknown";
}
