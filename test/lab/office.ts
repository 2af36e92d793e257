import { join } from "node:path";
import { bridge, type Lab } from "../../scripts/lab/lab.ts";
import type { OfficeOrder, OfficeSaid } from "./office-program.ts";
import { ProgramLines } from "./program-lines.ts";

const address = "10.77.0.3";
/** Nobody else is in its network. */
const ports: OfficeOrder = { web: 8080, mail: 2525, wake: 9 };

export const officeHook = `http://${address}:${ports.web}/hook`;

/** What a server needs to send mail to the office. */
export const officeMail = {
  "mail.server": address,
  "mail.port": ports.mail,
  "mail.security": "none",
  "mail.from": "bootcast@school.example",
} as const;

/** Opens somebody's office on a lab's network: office-program.ts. */
export async function openOffice({ namespace }: Lab): Promise<ProgramLines<OfficeSaid>> {
  await namespace.addNetns("office", `${address}/24`, bridge);
  const words = [join(import.meta.dirname, "office-program.ts"), JSON.stringify(ports)];
  const lines = new ProgramLines<OfficeSaid>(namespace.spawn(process.execPath, words, { netns: "office" }));
  await lines.hears("the office to open", (said) => said.find(({ type }) => type === "open"));
  return lines;
}
