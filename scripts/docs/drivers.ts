/**
 * Writes docs/drivers.md from what the boot image is made of:
 *
 *     node_modules/.bin/node scripts/docs/drivers.ts
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DriverGroup } from "../boot-image/driver-group.ts";
import { driversFor } from "../boot-image/drivers.ts";
import { firmwarePackages } from "../boot-image/recipe.ts";

export const driversFile = join(import.meta.dirname, "../../docs/drivers.md");

/** The page's text. */
export function driversPage(): string {
  const common = driversFor("amd64");
  const arm = driversFor("arm64").filter((group) => !common.includes(group));
  return `# What the boot image drives

The kernel is Debian's, the drivers are its modules; what they need besides comes with them. A machine whose network card is
not here cannot be booted. A card that Debian's kernel drives can be added in \`scripts/boot-image/drivers-network.ts\`.

Some cards load firmware, which Debian keeps in its section \`non-free-firmware\`: ${firmwarePackages.join(", ")}.
\`bootcast boot-image build\` takes it where the machine's apt offers it; \`--firmware all\` refuses to build without it,
\`--firmware none\` leaves it out. \`r8169\` and \`tg3\` work without, \`bnx2\` and \`bnx2x\` do not.

${[...common, ...arm].map(section).join("\n")}`;
}

function section({ title, drivers }: DriverGroup): string {
  const rows = Object.entries(drivers).map(([name, what]) => `| \`${name}\` | ${what} |\n`);
  return `## ${title}\n\n| driver | what it drives |\n|---|---|\n${rows.join("")}`;
}

if (import.meta.main) writeFileSync(driversFile, driversPage());
