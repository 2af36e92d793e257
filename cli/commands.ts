import type { CommandEntry } from "./command-entry.ts";

/** Every command, in the order in which `bootcast --help` lists them. */
export const commands: readonly CommandEntry[] = [
  {
    name: "setup",
    summary: "make this machine a server: service, user, boot image",
    load: async () => (await import("./setup/setup.ts")).setupCommand(),
  },
  {
    name: "serve",
    summary: "run the server: boot answers, boot files, hosts and streams",
    load: async () => (await import("./serve/serve.ts")).serveCommand(),
  },
  {
    name: "image",
    summary: "import, list, check and export disk images",
    load: async (verb) => (await import("./image/image.ts")).imageCommand(verb),
  },
  {
    name: "boot-image",
    summary: "build the Linux that netbooted machines run",
    load: async () => (await import("./boot/image.ts")).bootImageCommand(),
  },
  {
    name: "stream",
    summary: "send one image to every machine that joins",
    load: async () => (await import("./stream/stream.ts")).streamCommand(),
  },
  {
    name: "restore",
    summary: "write an image to a disk or a file",
    load: async () => (await import("./restore/restore.ts")).restoreCommand(),
  },
  {
    name: "asr",
    summary: "Apple's asr: its command lines, old and new",
    load: async () => (await import("./asr/asr.ts")).asrCommand(),
  },
  {
    name: "deploy",
    summary: "order an image onto hosts",
    load: async () => (await import("./session/deploy.ts")).deployCommand(),
  },
  {
    name: "capture",
    summary: "make an image of a host's disk",
    load: async () => (await import("./session/capture.ts")).captureCommand(),
  },
  {
    name: "host",
    summary: "hosts: list, add, import, approve, group, label, lock, wake and more",
    load: async () => (await import("./host/host.ts")).hostCommand(),
  },
  {
    name: "script",
    summary: "run scripts of one's own on restored disks",
    load: async () => (await import("./session/script.ts")).scriptCommand(),
  },
  {
    name: "session",
    summary: "follow what was ordered, or stop it",
    load: async () => (await import("./session/session.ts")).sessionCommand(),
  },
  {
    name: "schedule",
    summary: "order images again and again, at their times",
    load: async () => (await import("./schedule/schedule.ts")).scheduleCommand(),
  },
  {
    name: "notify",
    summary: "tell people and programs what happens",
    load: async () => (await import("./notify/notify.ts")).notifyCommand(),
  },
  {
    name: "boot",
    summary: "watch how machines boot, and why one does not",
    load: async () => (await import("./boot/boot.ts")).bootCommand(),
  },
  {
    name: "user",
    summary: "the people who may log in, and what they may do",
    load: async () => (await import("./access/user.ts")).userCommand(),
  },
  {
    name: "token",
    summary: "what programs and other machines log in with",
    load: async () => (await import("./access/token.ts")).tokenCommand(),
  },
  {
    name: "db",
    summary: "back up the database, or move it to PostgreSQL",
    load: async () => (await import("./db/db.ts")).dbCommand(),
  },
  {
    name: "status",
    summary: "show the server on this machine",
    load: async () => (await import("./status.ts")).statusCommand(),
  },
  {
    name: "doctor",
    summary: "say what is wrong here, and what mends it",
    load: async () => (await import("./doctor/doctor.ts")).doctorCommand(),
  },
  {
    name: "agent",
    summary: "the agent's own command, inside the boot image",
    load: async () => (await import("./agent/agent.ts")).agentCommand(),
  },
  {
    name: "config",
    summary: "show and check the settings",
    load: async () => (await import("./settings/config-command.ts")).configCommand(),
  },
  {
    name: "completion",
    summary: "make the shell complete commands with the Tab key",
    load: async () => (await import("./completion/completion.ts")).completionCommand(commands),
  },
  {
    name: "uninstall",
    summary: "take back what setup did; images and data stay",
    load: async () => (await import("./setup/uninstall.ts")).uninstallCommand(),
  },
  {
    name: "version",
    summary: "print the versions of bootcast and Node",
    load: async () => (await import("./version.ts")).versionCommand(),
  },
];
