import type { BootPolicy } from "../../bsdp/policy.ts";
import { renderGrub, renderGrubStart } from "./grub.ts";
import type { MachineMenu, MenuAnswer, MenuOrder } from "./machine-menu.ts";
import { checkedKernelArgs } from "./plain-text.ts";
import { renderEntryScript, renderNotice, renderScript } from "./script.ts";

export type BootTextOptions = {
  policyOf(mac: string): Promise<BootPolicy>;
  readonly kernelArgs: string;
  /** Put the server's address on the kernel's command line. */
  readonly passServer: boolean;
  /** What the agent on the machine with this address shows when it registers; nothing unless given. */
  readonly enrolmentFor?: ((mac: string) => Promise<string>) | undefined;
  /** Without it a machine that is to show the menu starts its disk. */
  readonly menu?: Pick<MachineMenu, "menuFor" | "order"> | undefined;
};

/** A machine that asks what it boots. */
export type TextAsker = {
  /** Lower case with colons. */
  readonly mac: string;
  /** "http://10.77.0.1:8440", as it reached us. */
  readonly server: string;
  /** Its address. */
  readonly client: string;
  /** A person who looks at the text, and not the machine: it has no secrets. */
  readonly isShown?: boolean;
};

/** A text, and what it boots. */
export type BootText = { readonly text: string; readonly policy: BootPolicy };

/** The scripts and configurations that are made for each machine, whatever way they are fetched. */
export class BootTexts {
  readonly #options: BootTextOptions;

  /** @throws {Fault} KERNEL_ARGS_INVALID */
  constructor(options: BootTextOptions) {
    checkedKernelArgs(options.kernelArgs);
    this.#options = options;
  }

  /** iPXE's script for this machine. */
  script(asker: TextAsker): Promise<BootText> {
    return this.#script(asker, undefined);
  }

  /** GRUB's configuration for this machine. */
  async grub(asker: TextAsker): Promise<BootText> {
    const { policyOf, kernelArgs, passServer, menu } = this.#options;
    const { mac, server, client } = asker;
    const policy = await policyOf(mac);
    const enrolment = await this.#enrolment(asker, policy);
    const shown = policy.boot === "menu" ? await menu?.menuFor(mac, { address: client, canOrder: false }) : undefined;
    return { text: renderGrub({ mac, policy, server, kernelArgs, passServer, enrolment, menu: shown }), policy };
  }

  /** What is the same for every machine, and goes on to the one above: for iPXE and for GRUB. */
  readonly entryScript = renderEntryScript;
  readonly grubStart = renderGrubStart;

  /** What somebody chose in the menu, with the PIN. @returns the script that goes on, or that the PIN is wanted */
  async order(asker: TextAsker, asked: Omit<MenuOrder, "mac" | "address">): Promise<BootText | { nonce: string }> {
    const { mac, client } = asker;
    const answer: MenuAnswer = (await this.#options.menu?.order({ ...asked, mac, address: client })) ?? {
      type: "refused",
      lines: ["This server has no menu."],
    };
    if (answer.type === "challenge") return { nonce: answer.nonce };
    if (answer.type === "refused") {
      return { text: renderNotice({ ...asker, lines: answer.lines }), policy: { boot: "menu" } };
    }
    return this.#script(asker, answer.notice);
  }

  async #enrolment({ mac, isShown = false }: TextAsker, { boot }: BootPolicy): Promise<string | undefined> {
    const { enrolmentFor } = this.#options;
    if (boot !== "agent" || enrolmentFor === undefined) return undefined;
    return isShown ? "SECRET" : enrolmentFor(mac);
  }

  async #script(asker: TextAsker, notice: string | undefined): Promise<BootText> {
    const { policyOf, kernelArgs, passServer, menu } = this.#options;
    const { mac, server, client } = asker;
    const policy = await policyOf(mac);
    const enrolment = await this.#enrolment(asker, policy);
    const shown = policy.boot === "menu" ? await menu?.menuFor(mac, { address: client, canOrder: true }) : undefined;
    const input = { mac, policy, server, kernelArgs, passServer, enrolment, menu: shown };
    return { text: renderScript(notice === undefined ? input : { ...input, notice }), policy };
  }
}
