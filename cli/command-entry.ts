import type { Command } from "commander";

/** A command of `bootcast`: the line in the list of commands, and its file, loaded when it is asked for. */
export type CommandEntry = {
  readonly name: string;
  /** Among which it is listed. */
  readonly group: "The server" | "Images" | "Machines" | "Without a server" | "This program";
  readonly summary: string;
  /** @param verb the word behind it, for a command that loads only what that needs; absent: everything */
  readonly load: (verb?: string) => Promise<Command>;
};
